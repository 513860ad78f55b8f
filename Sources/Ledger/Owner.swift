package import Logging
package import Postgres
internal import Synchronization

/// This node's lease on the recipients it forwards: a row that is renewed, and a session that holds an advisory lock.
///
/// Others free the rows of an owner whose lock is gone or whose renewals stand still (LEDGER, "Leases"). So before each
/// final dot `mayFinish` is asked: it is false from the moment the session is lost until the rows have been claimed
/// again, and once the last committed renewal is four minutes old.
package final class Owner: Sendable {
    package enum Event: Sendable {
        /// The lease is in doubt: `mayFinish` is false. What is in memory may be kept.
        case lost
        /// The lease is held again. Of the messages asked for (`of`), what is not named, or with another lease than in
        /// memory, is not to be sent: drop it. What came into memory since they were asked for was leased under the same
        /// registration, and stays.
        case reclaimed(MessageID, [LeasedRecipient], of: [LeasedMessage])
        /// The lease is held under a new id. Nothing in memory is this node's any more: drop all of it.
        case startedAgain(MessageID)
        /// From time to time while the lease is held: what is leased under it, with the tenants. What is in no memory
        /// time after time is to be given back: nobody else will ever look for it.
        case audited(MessageID, [LeasedRecipient: Int64])
        /// After either of the two before, and after a renewal that came late: `mayFinish` is true again.
        case resumed
    }

    package struct LeasedRecipient: Sendable, Hashable {
        package var messageID: MessageID
        package var number: Int32
        /// As ``QueuedMessage/Recipient/lease``.
        package var lease: Int32

        package init(messageID: MessageID, number: Int32, lease: Int32) {
            self.messageID = messageID
            self.number = number
            self.lease = lease
        }
    }

    package struct LeasedMessage: Sendable, Hashable {
        package var tenantID: Int64
        package var messageID: MessageID

        package init(tenantID: Int64, messageID: MessageID) {
            self.tenantID = tenantID
            self.messageID = messageID
        }
    }

    private let state = Mutex(LeaseState())
    private let holder: LeaseHolder
    private let loop: Mutex<Task<Void, Never>?>

    /// - Parameters:
    ///   - node: the node's name, for those who look at `owner` rows.
    ///   - inMemory: the messages this node holds, asked before they are claimed again.
    ///   - event: told of every change, and awaited before `mayFinish` becomes true again.
    package init(
        _ database: DatabaseConfiguration, node: String, clock: DatabaseClock, renewEvery: Duration = .seconds(5),
        auditEvery: Duration = .seconds(30), logger: Logger
    ) {
        holder = LeaseHolder(
            database, node: node, clock: clock, renewEvery: renewEvery, auditEvery: auditEvery, logger: logger)
        loop = Mutex(nil)
    }

    /// Registers and keeps the lease from now on. Returns once it is held, or throws why it cannot be just now; it is
    /// tried again in the background all the same.
    package func start(
        inMemory: @escaping @Sendable () async -> [LeasedMessage] = { [] },
        onEvent: @escaping @Sendable (Event) async -> Void = { _ in }
    ) async throws(DatabaseError) {
        let failure = await holder.begin()
        publish(await holder.lease)
        loop.withLock { loop in
            guard loop == nil else { return }
            loop = Task { [holder, weak self] in
                await holder.run(
                    inMemory: inMemory, onEvent: onEvent, publish: { [weak self] lease in self?.publish(lease) })
            }
        }
        if let failure { throw failure }
    }

    /// The id that rows are leased under while the lease is held.
    package var holdingID: MessageID? { state.withLock { $0.lease?.id } }

    /// LEDGER, "Before the final dot": without a query, by a clock that counts suspension.
    package var mayFinish: Bool {
        state.withLock { $0.lease?.mayFinish(at: .now) ?? false }
    }

    /// Gives up the lease `id`, whose rows become free at once, and starts under a new one; also where the lease is in
    /// doubt just now, for what was leased under that id and is in no memory must not outlive the doubt.
    package func startAgain(_ id: MessageID) {
        state.withLock { state in
            if state.lease?.id == id { state.lease = nil }
        }
        holder.askToStartAgain(id)
    }

    /// Ends in good order: what is still leased is free at once.
    package func shutdown() async {
        let running = loop.withLock { $0 }
        holder.askToEnd()
        await running?.value
        state.withLock { $0.lease = nil }
    }

    private func publish(_ lease: Lease?) { state.withLock { $0.lease = lease } }
}

/// A lease that is held: its id, and when its last committed renewal was begun.
package struct Lease: Sendable, Equatable {
    package var id: MessageID
    package var renewed: ContinuousClock.Instant

    package init(id: MessageID, renewed: ContinuousClock.Instant) {
        self.id = id
        self.renewed = renewed
    }

    /// Others take the rows at 5 minutes.
    private static let patience = Duration.seconds(240)

    /// LEDGER, "Before the final dot".
    package func mayFinish(at now: ContinuousClock.Instant) -> Bool { now - renewed < Self.patience }
}

private struct LeaseState {
    var lease: Lease?
}
