internal import Logging
internal import Postgres
internal import Synchronization

/// The lease's own thread and session: registers, renews, notices the loss, claims again.
actor LeaseHolder {
    private nonisolated let thread = ThreadExecutor(name: "lease")
    private nonisolated let wake = WakePipe()
    /// The id that somebody asked to give up, last.
    private nonisolated let forsaken = Mutex<MessageID?>(nil)
    private let database: DatabaseConfiguration
    private let node: String
    private let clock: DatabaseClock
    private let renewEvery: Duration
    private let auditEvery: Duration
    private let logger: Logger

    private var session: BlockingConnection?
    /// The id registered last, held or not.
    private var id: MessageID?
    private(set) var lease: Lease?
    private var isAway = false
    /// Ids given up while the database was away: their rows are still to be freed.
    private var abandoned: [MessageID] = []
    private var question = ReclaimQuestion()
    private var audited = ContinuousClock.now
    /// Recipients that one audit looks at, those of the oldest messages: what is stuck is among them before long.
    private static let mostAudited: Int32 = 5_000

    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    init(
        _ database: DatabaseConfiguration, node: String, clock: DatabaseClock, renewEvery: Duration,
        auditEvery: Duration, logger: Logger
    ) {
        self.database = database
        self.node = node
        self.clock = clock
        self.renewEvery = renewEvery
        self.auditEvery = auditEvery
        self.logger = logger
    }

    nonisolated func askToStartAgain(_ id: MessageID) {
        forsaken.withLock { $0 = id }
        wake.post(.startAgain)
    }
    nonisolated func askToEnd() { wake.post(.end) }

    /// The first registration. Nil when the lease is held.
    func begin() -> DatabaseError? {
        do throws(DatabaseError) {
            try connect()
            try register()
            return nil
        } catch {
            session = nil
            return error
        }
    }

    /// Until asked to end. Blocks this thread only; awaits the handlers.
    func run(
        inMemory: @Sendable () async -> [Owner.LeasedMessage], onEvent: @Sendable (Owner.Event) async -> Void,
        publish: @Sendable (Lease?) -> Void
    ) async {
        while true {
            if lease == nil {
                // Everything in memory was leased under an id; what is still ours of it is the database's to say.
                if let event = regain(await inMemory()) {
                    await onEvent(event)
                    publish(lease)
                    await onEvent(.resumed)
                } else if wake.wait(alongside: -1, atMost: .milliseconds(500)) == .end {
                    return end(publish)
                }
                continue
            }
            var wasStale = false
            switch wake.wait(alongside: session?.socket ?? -1, atMost: renewEvery) {
            case .end: return end(publish)
            case .startAgain:
                guard isForsaken else { break }
                publish(nil)
                giveUp()
            case .readable:
                // Nothing is under way, so the server has nothing to say: it has closed the session.
                if session?.isAlive() != true { lose("the session was closed") }
            case nil:
                wasStale = lease?.mayFinish(at: .now) == false
                renew()
            }
            if lease == nil {
                publish(nil)
                await onEvent(.lost)
            } else {
                publish(lease)
                // What came while no dot might be sent was not begun, and would wait for the next to come.
                if wasStale { await onEvent(.resumed) }
                if let found = audit() { await onEvent(found) }
            }
        }
    }

    private var isForsaken: Bool { id != nil && forsaken.withLock { $0 } == id }

    // MARK: Steps

    private func connect() throws(DatabaseError) {
        if session?.isUsable == true { return }
        session = nil
        let made = try BlockingConnection(database)
        try clock.adjust(from: made, deadline: .now + .seconds(10))
        session = made
    }

    private func register() throws(DatabaseError) {
        while let old = abandoned.last {
            try query("SELECT ledger.owner_stop($1)", [.uuid(old)])
            abandoned.removeLast()
        }
        let new = MessageID(at: clock.now)
        let begun = ContinuousClock.now
        try query("SELECT * FROM ledger.owner_start($1, $2)", [.uuid(new), .text(node)])
        id = new
        lease = Lease(id: new, renewed: begun)
        question.settled()
    }

    private func renew() {
        guard let id = lease?.id else { return }
        let begun = ContinuousClock.now
        do throws(DatabaseError) {
            // A forwarder without mail to take hears the database's time from here only.
            let rows = try query("SELECT r.*, ledger.clock() AS clock FROM ledger.owner_renew($1) r", [.uuid(id)])
            guard let row = rows.first else {
                self.id = nil
                return lose("its row was freed by another node")
            }
            guard try row.bool("locked") else {
                session = nil
                return lose("its lock is not held")
            }
            clock.adjust(to: try row.timestamp("clock"))
            lease?.renewed = begun
        } catch {
            if error.kind == .refused, session?.isUsable == true {
                logger.warning("the lease could not be renewed", metadata: ["reason": "\(error)"])
            } else {
                lose("\(error)")
            }
        }
    }

    /// Nil: it is not time for it, or it failed, of which the next renewal tells.
    private func audit() -> Owner.Event? {
        guard let id = lease?.id, ContinuousClock.now - audited >= auditEvery else { return nil }
        audited = .now
        do throws(DatabaseError) {
            let rows = try query(
                "SELECT tenant_id, message_id, number, lease FROM ledger.owner_leases($1, $2)",
                [.uuid(id), .int32(Self.mostAudited)])
            var leased: [Owner.LeasedRecipient: Int64] = [:]
            for row in rows { leased[try Owner.LeasedRecipient(row)] = try row.int64("tenant_id") }
            return .audited(id, leased)
        } catch {
            logger.debug("what is leased could not be looked at", metadata: ["reason": "\(error)"])
            return nil
        }
    }

    private func lose(_ reason: String) {
        guard lease != nil else { return }
        lease = nil
        if session?.isUsable != true { session = nil }
        logger.warning("the lease is in doubt", metadata: ["reason": "\(reason)"])
    }

    /// Holds again what is in memory, or everything anew; nil when neither can be had just now.
    private func regain(_ messages: [Owner.LeasedMessage]) -> Owner.Event? {
        do throws(DatabaseError) {
            try connect()
            if isForsaken { giveUp() }
            try connect()
            let asked = question.messages(inMemory: messages)
            if let id, let kept = try reclaim(id, asked) { return .reclaimed(id, kept, of: asked) }
            try register()
            isAway = false
            return lease.map { .startedAgain($0.id) }
        } catch {
            if !isAway { logger.warning("the lease cannot be had", metadata: ["reason": "\(error)"]) }
            isAway = true
            if session?.isUsable != true { session = nil }
            return nil
        }
    }

    /// Nil: the row is gone, a new id is needed.
    private func reclaim(
        _ id: MessageID, _ messages: [Owner.LeasedMessage]
    ) throws(DatabaseError) -> [Owner.LeasedRecipient]? {
        let begun = ContinuousClock.now
        do throws(DatabaseError) {
            let rows = try query(
                "SELECT message_id, number, lease FROM ledger.owner_reclaim($1, $2, $3)",
                [
                    .uuid(id), .int64Array(messages.map(\.tenantID)), .uuidArray(messages.map(\.messageID)),
                ])
            var kept: [Owner.LeasedRecipient] = []
            for row in rows { kept.append(try Owner.LeasedRecipient(row)) }
            lease = Lease(id: id, renewed: begun)
            isAway = false
            question.settled()
            return kept
        } catch {
            question.failed(error, asked: messages)
            guard error.sqlState == "GP001" else { throw error }
            self.id = nil
            return nil
        }
    }

    /// Frees everything leased under the present id.
    private func giveUp() {
        lease = nil
        guard let id else { return }
        do throws(DatabaseError) {
            try connect()
            try query("SELECT ledger.owner_stop($1)", [.uuid(id)])
        } catch {
            logger.warning("leased rows could not be freed at once", metadata: ["reason": "\(error)"])
            abandoned.append(id)
        }
        // A new session: the old one's advisory lock belongs to the id that was given up.
        session = nil
        self.id = nil
    }

    private func end(_ publish: @Sendable (Lease?) -> Void) {
        publish(nil)
        giveUp()
    }

    @discardableResult
    private func query(_ sql: String, _ parameters: [DatabaseValue]) throws(DatabaseError) -> Rows {
        guard let session else { throw DatabaseError(.unreachable, "no session") }
        return try session.query(sql, parameters, deadline: .now + .seconds(30))
    }
}

extension Owner.LeasedRecipient {
    fileprivate init(_ row: Rows.Row) throws(DatabaseError) {
        self.init(
            messageID: try row.uuid("message_id"), number: Int32(clamping: try row.int64("number")),
            lease: Int32(clamping: try row.int64("lease")))
    }
}
