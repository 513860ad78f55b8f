package import Postgres
package import SASL
internal import Synchronization

/// Who may log in, remembered for at most 30 s: what AUTH asks on every connection.
///
/// Asks the database once for many who ask for the same name together. Emptied by the operators' changes (LISTEN);
/// while LISTEN is lost nothing is remembered at all, for changes would go unheard. accept() decides again anyway.
package final class Directory: Sendable {
    /// How long an answer may be used.
    package static let lifetime = Duration.seconds(30)
    /// A look-up that takes longer has failed: a proxy on the way may keep a dead connection open.
    static let patience = Duration.seconds(10)
    /// Names remembered: strangers choose them.
    static let capacity = 100_000

    fileprivate struct Entry {
        /// nil: nobody has the name.
        var login: Login?
        var until: ContinuousClock.Instant
    }

    /// Who waits for the same answer.
    fileprivate struct Asking {
        var number: Int
        var completions: [LoginReader.Completion]
    }

    fileprivate struct State {
        var entries: [String: Entry] = [:]
        var underWay: [String: Asking] = [:]
        /// Asked before a change that they may not know of: nobody joins them any more.
        var outdated: [Int: [LoginReader.Completion]] = [:]
        var nextAsking = 0
        var isListening = false
        /// Counts what empties the cache: an answer that was asked for before must not be kept after.
        var generation = 0
        var watchers: [Int: AsyncStream<DirectoryChange>.Continuation] = [:]
        var nextWatcher = 0
        var rooms: [Int64: (rooms: Rooms, until: ContinuousClock.Instant)] = [:]
        var verifierKey: [UInt8]?
    }

    /// What is left to a credential, as last heard of.
    package struct Rooms: Sendable, Hashable {
        /// In recipients, and in octets.
        package var recipients, octets: Login.Room
    }

    /// Who came in, for the operators' eyes.
    package let uses: CredentialUses
    package let suppressions: Suppressions
    private let state = Mutex(State())
    private let lookUp: @Sendable (String, @escaping LoginReader.Completion) -> Void
    private let lookUpCertificate: @Sendable ([UInt8]) async throws -> String?
    private let lookUpRecent: @Sendable (Login, String, String?) async throws -> Bool
    private let readKey: @Sendable () async throws -> [UInt8]
    private let now: @Sendable () -> ContinuousClock.Instant

    /// - Parameter reader: of logins; everything else is asked through `pool`.
    package convenience init(_ pool: DatabasePool, _ reader: LoginReader) {
        self.init(
            lookUp: { name, completion in reader.read(name, completion: completion) },
            lookUpCertificate: { fingerprint in
                let rows = try await pool.query(
                    "SELECT ledger.certificate_login($1) AS name", [.bytes(fingerprint)], within: Self.patience)
                return try rows.first?.stringOrNil("name")
            },
            lookUpRecent: { login, sender, address in
                let rows = try await pool.query(
                    "SELECT ledger.resubmissible($1, $2, $3, $4) AS may_be",
                    [.int64(login.tenantID), .int64(login.credentialID), .text(sender), .optional(address)],
                    within: Suppressions.patience)
                return try rows.first?.bool("may_be") ?? true
            },
            readKey: {
                let rows = try await pool.query("SELECT ledger.secret('verifier') AS secret")
                guard let key = try rows.first?.bytesOrNil("secret") else {
                    throw DatabaseError(.unexpected, "the cluster has no secret `verifier`; was it migrated?")
                }
                return key
            },
            now: { .now }, uses: CredentialUses(pool), suppressions: Suppressions(pool))
    }

    init(
        lookUp: @escaping @Sendable (String, @escaping LoginReader.Completion) -> Void,
        lookUpCertificate: @escaping @Sendable ([UInt8]) async throws -> String? = { _ in nil },
        lookUpRecent: @escaping @Sendable (Login, String, String?) async throws -> Bool = { _, _, _ in false },
        readKey: @escaping @Sendable () async throws -> [UInt8],
        now: @escaping @Sendable () -> ContinuousClock.Instant,
        uses: CredentialUses = CredentialUses(write: { _ in }),
        suppressions: Suppressions = Suppressions(lookUp: { _, _ in nil })
    ) {
        self.uses = uses
        self.suppressions = suppressions
        self.lookUp = lookUp
        self.lookUpCertificate = lookUpCertificate
        self.lookUpRecent = lookUpRecent
        self.readKey = readKey
        self.now = now
    }

    // MARK: Asking

    /// What is remembered of a name, in the optional's own optional: nil where it must be asked for.
    ///
    /// - Parameter name: canonical, as SASL gives it.
    package func remembered(_ name: String) -> Login?? {
        state.withLock { state in
            guard let entry = state.entries[name], entry.until > now() else { return nil }
            return .some(entry.login)
        }
    }

    /// Asks for a name, together with whoever else asks for it.
    ///
    /// - Parameters:
    ///   - name: canonical, as SASL gives it.
    ///   - completion: called once, here or on another thread; nil where nobody has the name, and a `DatabaseError` where
    ///     the database is away: `454 4.7.0`, never 535.
    package func login(named name: String, completion: @escaping LoginReader.Completion) {
        let number = state.withLock { state -> Int? in
            if state.underWay[name] != nil {
                state.underWay[name]?.completions.append(completion)
                return nil
            }
            state.nextAsking += 1
            state.underWay[name] = Asking(number: state.nextAsking, completions: [completion])
            return state.nextAsking
        }
        guard let number else { return }
        lookUp(name) { self.finish(name, number, $0) }
    }

    /// What is remembered of a name, or is asked for.
    package func login(named name: String) async throws -> Login? {
        if let known = remembered(name) { return known }
        return try await withCheckedThrowingContinuation { continuation in
            login(named: name) { continuation.resume(with: $0) }
        }
    }

    /// Whose login a client certificate is. Asks each time: who has one, logs in with it and nothing else.
    ///
    /// - Parameter fingerprint: SHA-256 of its DER.
    package func loginName(ofCertificate fingerprint: [UInt8]) async throws -> String? {
        try await lookUpCertificate(fingerprint)
    }

    /// What an unknown name is answered through, so that it looks like a known one: the same on every node and after
    /// every restart.
    package func madeUpVerifier(for name: String) async throws -> StoredVerifier {
        if let known = knownMadeUpVerifier(for: name) { return known }
        let key = try await readKey()
        state.withLock { $0.verifierKey = key }
        return .madeUp(for: name, key: key)
    }

    /// The same; nil before the first was asked for.
    package func knownMadeUpVerifier(for name: String) -> StoredVerifier? {
        state.withLock { $0.verifierKey }.map { .madeUp(for: name, key: $0) }
    }

    /// Whether an answer about the name is kept. For tests.
    func isRemembering(_ name: String) -> Bool { state.withLock { $0.entries[name] != nil } }

    private func finish(_ name: String, _ number: Int, _ result: Result<Login?, any Error>) {
        let completions = state.withLock { state -> [LoginReader.Completion] in
            if let outdated = state.outdated.removeValue(forKey: number) { return outdated }
            defer { state.underWay[name] = nil }
            if case .success(let login) = result, state.isListening { state.keep(name, login, at: now()) }
            return state.underWay[name]?.completions ?? []
        }
        for completion in completions { completion(result) }
    }

    /// A login as it is now, whatever is remembered of it: before something is refused that an operator may have allowed a
    /// moment ago. What is left to it is remembered from now on. Nil where that cannot be known just now, or nobody has
    /// the name any more.
    package func current(_ login: Login) async -> Login? {
        let current = await withCheckedContinuation { continuation in
            lookUp(login.name) { continuation.resume(returning: try? $0.get()) }
        }
        if let current {
            state.withLock { state in
                guard state.isListening else { return }
                state.rooms[current.credentialID] = (
                    Rooms(recipients: current.room, octets: current.byteRoom), now() + Self.lifetime
                )
            }
        }
        return current
    }

    // MARK: The remainder

    /// A message of this login's was accepted: what is left for the RCPTs of the next one.
    ///
    /// - Parameters:
    ///   - remaining: in recipients, as accept said.
    ///   - octets: what the message took.
    package func remember(remaining: Int64?, octets: Int64, for login: Login) {
        state.withLock { state in
            guard var rooms = state.rooms[login.credentialID]?.rooms else { return }
            rooms.recipients.remaining = remaining
            rooms.octets.remaining = rooms.octets.remaining.map { max(0, $0 - octets) }
            state.rooms[login.credentialID] = (rooms, now() + Self.lifetime)
        }
    }

    /// A message of this login's was refused: what is left was less than was known here. More is not learnt from it.
    ///
    /// - Parameters:
    ///   - room: of the cap that refused, as accept said.
    ///   - isOfOctets: else it is one of recipients.
    package func remember(_ room: Login.Room, isOfOctets: Bool, for login: Login) {
        state.withLock { state in
            guard let left = room.remaining, var rooms = state.rooms[login.credentialID]?.rooms else { return }
            let path: WritableKeyPath<Rooms, Login.Room> = isOfOctets ? \.octets : \.recipients
            if let known = rooms[keyPath: path].remaining, known < left { return }
            rooms[keyPath: path] = room
            state.rooms[login.credentialID] = (rooms, now() + Self.lifetime)
        }
    }

    /// Whether what seems to be over a cap may be a message again that was stored a moment ago, its reply lost on the way
    /// to the client: then accept is to decide, as also where it cannot be known just now.
    ///
    /// - Parameters:
    ///   - sender: of the envelope.
    ///   - address: a recipient of it; nil: none is known yet.
    package func mayBeResubmission(of login: Login, from sender: String, to address: String?) async -> Bool {
        guard login.resubmission else { return false }
        return (try? await lookUpRecent(login, sender, address)) ?? true
    }

    /// The room as last heard of; nil where nothing is known or nothing was heard for a while. What does not count any
    /// more at `time` (the database's) is empty, which refuses nobody: then let accept decide.
    package func rooms(for login: Login, at time: Instant) -> Rooms? {
        guard let (rooms, until) = state.withLock({ $0.rooms[login.credentialID] }), until > now() else { return nil }
        func current(_ room: Login.Room) -> Login.Room {
            if let resetsAt = room.resetsAt, resetsAt <= time { Login.Room() } else { room }
        }
        return Rooms(recipients: current(rooms.recipients), octets: current(rooms.octets))
    }

    /// Whether changes are heard of. While they are not, nothing is remembered.
    package var isListening: Bool { state.withLock { $0.isListening } }

    /// Counts the changes: whoever asked before one may have an answer of before it.
    package var generation: Int { state.withLock { $0.generation } }

    // MARK: Hearing of changes

    /// A stream of changes for one reader, from now on; open sessions are judged again by it.
    package func changes() -> AsyncStream<DirectoryChange> {
        AsyncStream { continuation in
            let number = state.withLock { state in
                state.nextWatcher += 1
                state.watchers[state.nextWatcher] = continuation
                return state.nextWatcher
            }
            continuation.onTermination = { [weak self] _ in
                self?.state.withLock { $0.watchers[number] = nil }
            }
        }
    }

    /// What the listener heard.
    package func hear(_ event: Listener.Event) {
        switch event {
        case .connected:
            // Whatever was notified before LISTEN is lost.
            state.withLock { $0.isListening = true }
            suppressions.listen(true)
            forget(.everything)
        case .lost:
            state.withLock { $0.isListening = false }
            suppressions.listen(false)
            forget(.everything)
        case .notification(let channel, let payload):
            if channel == "\(DirectoryChange.channel)" { forget(DirectoryChange(payload: payload)) }
        }
    }

    private func forget(_ change: DirectoryChange) {
        switch change {
        case .tenant(let id): suppressions.forget(id)
        case .everything: suppressions.forget(nil)
        case .credential, .pool: break
        }
        let watchers = state.withLock { state in
            switch change {
            case .tenant(let id): state.forget { $0.tenantID == id }
            case .credential(let id): state.forget { $0.credentialID == id }
            case .everything: state.forget { _ in true }
            // A tenant's pool is a change of the tenant.
            case .pool: break
            }
            return Array(state.watchers.values)
        }
        for watcher in watchers { watcher.yield(change) }
    }
}

extension Directory.State {
    /// Forgets those logins, every name that nobody had (it may have been issued just now), and what is under way.
    fileprivate mutating func forget(where concerns: (Login) -> Bool) {
        generation += 1
        for asking in underWay.values { outdated[asking.number] = asking.completions }
        underWay = [:]
        let gone = entries.filter { _, entry in entry.login.map(concerns) ?? true }
        for (name, entry) in gone {
            entries[name] = nil
            if let login = entry.login { rooms[login.credentialID] = nil }
        }
    }

    fileprivate mutating func keep(_ name: String, _ login: Login?, at now: ContinuousClock.Instant) {
        if entries.count >= Directory.capacity { makeRoom(at: now) }
        entries[name] = Directory.Entry(login: login, until: now + Directory.lifetime)
        if let login {
            rooms[login.credentialID] = (
                Directory.Rooms(recipients: login.room, octets: login.byteRoom), now + Directory.lifetime
            )
        }
    }

    /// What has had its time goes; where that is nothing, everything does.
    fileprivate mutating func makeRoom(at now: ContinuousClock.Instant) {
        entries = entries.filter { $0.value.until > now }
        if entries.count >= Directory.capacity { entries = [:] }
        let known = Set(entries.values.compactMap { $0.login?.credentialID })
        rooms = rooms.filter { known.contains($0.key) }
    }
}
