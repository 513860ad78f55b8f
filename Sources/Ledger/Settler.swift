internal import Logging
internal import NIOCore
internal import Postgres

/// Writes outcomes to the ledger in batches: while one call is under way, and for a moment after it began, the next ones
/// gather.
///
/// A lone outcome is written at once. Nobody waits for one; but what is not written when a node dies is sent twice, so the
/// moment is short.
///
/// A call in doubt is simply sent again: what was settled before answers `lease_lost`, which changes nothing. Whichever
/// of the two arrives last, and however late, ends no lease but the one it is about, which is over by then. Outcomes are
/// never dropped while this process lives, however long the database is away.
final class Settler: Sendable {
    private struct State {
        var line = SettleLine()
        var unsettled = 0
        var isClosing = false
        /// When the last call began.
        var begun: ContinuousClock.Instant?
        /// The thread waits for more, and is woken by many only.
        var isPausing = false
        var drainers: [CheckedContinuation<Void, Never>] = []
    }

    private let monitor = Monitor(State(), conditions: 1)
    private let group = Group()
    /// Between the beginnings of two calls, unless `crowd` wait: a call of one costs what ten cost in a larger one.
    private static let pace = Duration.milliseconds(10)
    private static let crowd = 50

    init(_ database: DatabaseConfiguration, logger: Logger) {
        group.enter()
        startThread(name: "settle") { [monitor, group] in
            SettlerThread(
                database, logger: logger, next: { Self.next(monitor) }, isClosing: { Self.isClosing(monitor) }
            )
            .run { Self.settled($0, monitor) }
            group.leave()
        }
    }

    /// - Parameter report: tells of these outcomes, which are then one owner's; stored with the first that counts.
    func settle(_ settlements: [Settlement], report: DeliveryReport? = nil) {
        guard !settlements.isEmpty else { return }
        let isWanted = monitor.withLock { state in
            state.line.add(settlements, report: report)
            state.unsettled += settlements.count
            return !state.isPausing || state.line.count >= Self.crowd
        }
        if isWanted { monitor.signal(0) }
    }

    /// Returns when everything given so far is committed.
    func drain() async {
        await withCheckedContinuation { continuation in
            let isDone = monitor.withLock { state in
                if state.unsettled > 0 { state.drainers.append(continuation) }
                return state.unsettled == 0
            }
            if isDone { continuation.resume() }
        }
    }

    /// Writes what it has, unless the database is away, and ends.
    func shutdown() async {
        monitor.withLock { $0.isClosing = true }
        monitor.signal(0)
        await group.wait()
        Self.settled(monitor.withLock { $0.unsettled }, monitor)
    }

    /// Nil when closing and empty.
    private static func next(_ monitor: Monitor<State>) -> SettleCall? {
        let earliest = monitor.wait(on: 0) { (state) -> ContinuousClock.Instant? in
            guard !state.line.isEmpty || state.isClosing else { return nil }
            state.isPausing = true
            return state.begun.map { $0 + Self.pace } ?? .now
        }
        let left = ContinuousClock.now.duration(to: earliest ?? .now)
        if left > .zero {
            _ = monitor.wait(on: 0, atMost: left) { $0.line.count >= Self.crowd || $0.isClosing ? true : nil }
        }
        return monitor.withLock { state in
            state.isPausing = false
            state.begun = .now
            return state.line.next()
        }
    }

    private static func isClosing(_ monitor: Monitor<State>) -> Bool { monitor.withLock { $0.isClosing } }

    private static func settled(_ count: Int, _ monitor: Monitor<State>) {
        let drainers = monitor.withLock { state in
            state.unsettled -= count
            guard state.unsettled <= 0 else { return [CheckedContinuation<Void, Never>]() }
            defer { state.drainers = [] }
            return state.drainers
        }
        for drainer in drainers { drainer.resume() }
    }
}

/// The settler's thread and its connection.
private final class SettlerThread {
    private let link: DatabaseLink
    private let writer = ParameterWriter(capacity: 16 << 10)
    private let logger: Logger
    private let next: () -> SettleCall?
    private let isClosing: () -> Bool

    init(
        _ database: DatabaseConfiguration, logger: Logger, next: @escaping () -> SettleCall?,
        isClosing: @escaping () -> Bool
    ) {
        self.logger = logger
        self.next = next
        self.isClosing = isClosing
        link = DatabaseLink(database, logger: logger) { connection throws(DatabaseError) in
            try connection.prepare("settle", SettleCall.statement, deadline: .now + .seconds(10))
        }
    }

    func run(_ settled: (Int) -> Void) {
        while let call = next() {
            write(call)
            settled(call.settlements.count)
        }
    }

    private func write(_ call: SettleCall) {
        var waiting = [call]
        while let part = waiting.popLast() {
            guard link.isAlive() || link.connect(), let connection = link.connection else {
                if isClosing() {
                    logger.warning(
                        "outcomes were not recorded, so their messages may be sent twice",
                        metadata: ["recipients": "\(part.settlements.count)"])
                    continue
                }
                link.sleep(link.pause)
                waiting.append(part)
                continue
            }
            do {
                part.write(into: writer)
                let rows = try connection.execute("settle", writer, deadline: .now + .seconds(60))
                try reportLost(rows, part)
            } catch {
                #if PLANTED_FAULTS
                    if Planted.active == .outcomeDropped, error.kind == .doubt { continue }
                #endif
                switch part.consequence(of: error) {
                case .apart(let parts):
                    if parts.count < 2 {
                        logger.error("an outcome cannot be recorded as it is", metadata: ["reason": "\(error)"])
                    }
                    waiting += parts
                case .againLater:
                    logger.warning("settle failed", metadata: ["reason": "\(error)"])
                    link.drop()
                    link.sleep(.milliseconds(200))
                    if !isClosing() { waiting.append(part) }
                case .again:
                    waiting.append(part)
                }
            }
        }
    }

    private func reportLost(_ rows: Rows, _ call: SettleCall) throws(DatabaseError) {
        let verdict = try rows.column("verdict")
        for (index, row) in rows.enumerated() where try row.string(at: verdict) == "lease_lost" {
            guard index < call.settlements.count else { return }
            let one = call.settlements[index]
            logger.debug(
                "an outcome came after its lease", metadata: ["id": "\(one.messageID)", "recipient": "\(one.number)"])
        }
    }
}
