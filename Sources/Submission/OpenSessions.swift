import Logging
import NIOCore
import Postgres
import Synchronization
import Tenancy

/// The sessions that have logged in, by login name, and how they are kept in step with what operators change: each login
/// that a change concerns is looked up once, for all of its sessions, and each of them is told.
///
/// A look-up that fails is made again until it succeeds: a session that was not heard of cannot outlive that.
final class OpenSessions: Sendable {
    /// One session, as it is reached from elsewhere.
    struct Member: Sendable {
        let eventLoop: any EventLoop
        /// On the event loop: what its login is now, nil where there is none any more.
        let tell: @Sendable (Login?) -> Void
    }

    private struct Group {
        let tenantID, credentialID: Int64
        var members: [MessageID: Member] = [:]
    }

    private struct State {
        var groups: [String: Group] = [:]
        var due: Set<String> = []
        /// Those whose look-up failed.
        var failed: Set<String> = []
    }

    /// Look-ups at a time: what one call of the reader's takes, so that AUTH gets its turns in between.
    private static let lookUps = 64

    private let state = Mutex(State())
    private let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation
    private let lookUp: @Sendable (String) async throws -> Login?
    private let logger: Logger

    init(logger: Logger, lookUp: @escaping @Sendable (String) async throws -> Login?) {
        self.logger = logger
        self.lookUp = lookUp
        (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    func enter(_ login: Login, _ session: MessageID, _ member: Member) {
        state.withLock { state in
            state.groups[
                login.name, default: Group(tenantID: login.tenantID, credentialID: login.credentialID)
            ].members[session] = member
        }
    }

    func leave(_ login: Login, _ session: MessageID) {
        state.withLock { state in
            state.groups[login.name]?.members[session] = nil
            if state.groups[login.name]?.members.isEmpty == true { state.groups[login.name] = nil }
        }
    }

    // MARK: Changes

    /// Sessions that the change concerns will be told.
    func hear(_ change: DirectoryChange) {
        state.withLock { state in
            for (name, group) in state.groups where change.concerns(group.tenantID, group.credentialID) {
                state.due.insert(name)
            }
        }
        signal.yield()
    }

    /// The sessions of a login will be told.
    func recheck(_ name: String) {
        state.withLock { _ = $0.due.insert(name) }
        signal.yield()
    }

    /// What failed is tried again.
    func retry() {
        let isNeeded = state.withLock { state in
            state.due.formUnion(state.failed)
            state.failed = []
            return !state.due.isEmpty
        }
        if isNeeded { signal.yield() }
    }

    /// Until cancelled.
    func run() async {
        for await _ in signals {
            while true {
                let names = state.withLock { state in
                    defer { state.due = [] }
                    return state.due.filter { state.groups[$0] != nil }
                }
                guard !names.isEmpty else { break }
                await check(Array(names))
            }
        }
    }

    private func check(_ names: [String]) async {
        let failures = await withTaskGroup(of: (any Error)?.self) { group in
            var rest = names[...]
            var failures: [any Error] = []
            for name in rest.prefix(Self.lookUps) { group.addTask { await self.check(name) } }
            rest = rest.dropFirst(Self.lookUps)
            while let failure = await group.next() {
                if let failure { failures.append(failure) }
                if let name = rest.popFirst() { group.addTask { await self.check(name) } }
            }
            return failures
        }
        guard let first = failures.first else { return }
        // Where the database is away, sessions stay: accept judges what they send, and does so exactly.
        logger.warning(
            "sessions could not be checked again; it will be tried until they are",
            metadata: ["logins": .stringConvertible(failures.count), "error": "\(first)"])
    }

    private func check(_ name: String) async -> (any Error)? {
        do {
            tell(name, try await lookUp(name))
            return nil
        } catch {
            state.withLock { _ = $0.failed.insert(name) }
            return error
        }
    }

    private func tell(_ name: String, _ login: Login?) {
        let members = state.withLock { Array(($0.groups[name]?.members ?? [:]).values) }
        for (_, group) in Dictionary(grouping: members, by: { ObjectIdentifier($0.eventLoop) }) {
            group[0].eventLoop.execute { for member in group { member.tell(login) } }
        }
    }
}

extension DirectoryChange {
    func concerns(_ tenantID: Int64, _ credentialID: Int64) -> Bool {
        switch self {
        case .tenant(let id): id == tenantID
        case .credential(let id): id == credentialID
        case .everything: true
        case .pool: false
        }
    }
}
