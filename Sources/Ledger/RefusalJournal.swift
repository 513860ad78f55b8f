package import Logging
package import Postgres
internal import Synchronization

/// A refusal that a node decided by itself: what its reply's id stands for.
package struct RefusalEvent: Sendable {
    /// What made a figure too large, where one was.
    package struct Limit: Sendable, Hashable {
        /// As everywhere (`daily`), or the name of another rule.
        package var name: String
        package var cap, used: Int64?
        /// ISO 8601 with the tenant's UTC offset.
        package var resets: String?

        package init(_ name: String, cap: Int64? = nil, used: Int64? = nil, resets: String? = nil) {
            self.name = name
            self.cap = cap
            self.used = used
            self.resets = resets
        }
    }

    package var id: MessageID
    package var at: Instant
    /// 0: of somebody who had not logged in.
    package var tenantID, credentialID: Int64
    package var session: MessageID
    /// `MAIL`, `RCPT`, …
    package var stage: String
    package var code: Int
    /// `4.7.1`
    package var enhanced: String?
    /// Without the codes and the id.
    package var text: String
    package var argument: String?
    package var limit: Limit?
    package var client: String?

    var isOfStranger: Bool { tenantID == 0 }

    package init(
        id: MessageID, at: Instant, tenantID: Int64, credentialID: Int64, session: MessageID, stage: String, code: Int,
        enhanced: String?, text: String, argument: String?, limit: Limit?, client: String?
    ) {
        self.id = id
        self.at = at
        self.tenantID = tenantID
        self.credentialID = credentialID
        self.session = session
        self.stage = stage
        self.code = code
        self.enhanced = enhanced
        self.text = text
        self.argument = argument
        self.limit = limit
        self.client = client
    }
}

/// Writes refusals down in the background, many at a time, so that `gatepost explain` can tell them later.
///
/// Nobody waits for it, and its memory is bounded: while the database is away so many are kept, and what goes beyond is
/// counted in the log and lost. The reply was right all the same.
package final class RefusalJournal: Sendable {
    /// How many may wait.
    package static let capacity = 10_000
    static let perCall = 500
    /// How many of those who have not logged in may wait: an outage's events are not strangers' alone.
    package static let capacityOfStrangers = 1000
    /// In any second, of those who have not logged in: whoever can reach a port must not be able to fill the database.
    package static let strangersPerSecond = 40

    private struct State {
        var waiting: [RefusalEvent] = []
        /// Of those waiting or being written.
        var strangers = 0
        /// When the last `strangersPerSecond` of strangers were taken; the oldest is at `oldest` once there are so many.
        var taken: [ContinuousClock.Instant] = []
        var oldest = 0
        var lost = 0

        mutating func note(_ event: RefusalEvent, at now: ContinuousClock.Instant) {
            guard waiting.count < RefusalJournal.capacity, !event.isOfStranger || takeStranger(at: now) else {
                lost += 1
                return
            }
            waiting.append(event)
        }

        private mutating func takeStranger(at now: ContinuousClock.Instant) -> Bool {
            guard strangers < RefusalJournal.capacityOfStrangers else { return false }
            if taken.count < RefusalJournal.strangersPerSecond {
                taken.append(now)
            } else {
                guard now - taken[oldest] >= .seconds(1) else { return false }
                taken[oldest] = now
                oldest = (oldest + 1) % taken.count
            }
            strangers += 1
            return true
        }
    }

    private let state = Mutex(State())
    private let write: @Sendable ([DatabaseValue]) async throws -> Void
    private let logger: Logger
    private let now: @Sendable () -> ContinuousClock.Instant

    package convenience init(_ database: DatabasePool, logger: Logger) {
        self.init(logger: logger) { parameters in
            try await database.query(
                "SELECT ledger.refused($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)", parameters)
        }
    }

    init(
        logger: Logger, write: @escaping @Sendable ([DatabaseValue]) async throws -> Void,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { ContinuousClock.now }
    ) {
        self.logger = logger
        self.write = write
        self.now = now
    }

    /// Any thread; never waits.
    package func note(_ event: RefusalEvent) {
        let now = self.now()
        state.withLock { $0.note(event, at: now) }
    }

    /// Writes what has been noted so far. What cannot be written for want of a database waits for the next time.
    package func flush() async {
        while true {
            let batch = state.withLock { state in
                let batch = Array(state.waiting.prefix(Self.perCall))
                state.waiting.removeFirst(batch.count)
                return batch
            }
            guard !batch.isEmpty else { return }
            let strangers = batch.count { $0.isOfStranger }
            do {
                try await write(Self.parameters(batch))
                state.withLock { $0.strangers -= strangers }
            } catch let error as DatabaseError where error.kind == .unreachable || error.kind == .doubt {
                state.withLock { state in
                    let room = max(0, Self.capacity - state.waiting.count)
                    let dropped = batch.dropLast(room)
                    state.waiting.insert(contentsOf: batch.suffix(room), at: 0)
                    state.strangers -= dropped.count { $0.isOfStranger }
                    state.lost += dropped.count
                }
                return
            } catch {
                // Not for want of a database: it would fail again.
                state.withLock { state in
                    state.strangers -= strangers
                    state.lost += batch.count
                }
                logger.warning("refusals could not be written down", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Until cancelled, and once more then.
    package func run(every pause: Duration = .milliseconds(250)) async {
        var lastWord = ContinuousClock.now - .seconds(60)
        while (try? await Task.sleep(for: pause)) != nil {
            await flush()
            if ContinuousClock.now - lastWord >= .seconds(10), reportLost() { lastWord = .now }
        }
        await flush()
        _ = reportLost()
    }

    private func reportLost() -> Bool {
        let lost = state.withLock { state in
            defer { state.lost = 0 }
            return state.lost
        }
        guard lost > 0 else { return false }
        logger.warning("refusals were not written down", metadata: ["count": .stringConvertible(lost)])
        return true
    }

    /// For tests: how many wait, how many are lost and not yet reported.
    var figures: (waiting: Int, lost: Int) { state.withLock { ($0.waiting.count, $0.lost) } }

    private static func parameters(_ events: [RefusalEvent]) -> [DatabaseValue] {
        [
            .uuidArray(events.map(\.id)), .int64Array(events.map(\.tenantID)), .int64Array(events.map(\.credentialID)),
            .uuidArray(events.map(\.session)), .timestampArray(events.map(\.at)), .textArray(events.map(\.stage)),
            .int32Array(events.map { Int32($0.code) }), .textOrNilArray(events.map(\.enhanced)),
            .textArray(events.map(\.text)), .textOrNilArray(events.map(\.argument)),
            .textOrNilArray(events.map { $0.limit?.name }),
            .textOrNilArray(events.map { $0.limit?.cap.map { "\($0)" } }),
            .textOrNilArray(events.map { $0.limit?.used.map { "\($0)" } }),
            .textOrNilArray(events.map { $0.limit?.resets }), .textOrNilArray(events.map(\.client)),
        ]
    }
}
