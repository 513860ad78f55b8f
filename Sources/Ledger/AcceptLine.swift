internal import NIOCore

/// Which messages wait for which of the acceptor's threads: the decisions of ``AcceptMailbox``, without its lock.
///
/// What a method returns as `waking` is a thread that sleeps and must ask ``take(_:)`` again.
package struct AcceptLine {
    package struct Limits: Sendable {
        /// Of one call.
        package var messages = 100
        package var bytes = 4_000_000
        /// How many must wait before another thread joins a busy one.
        package var join = 32
        /// Between the beginnings of two calls, at most, where more messages are to be expected (see ``company``) and
        /// processors are scarce.
        package var pace = Duration.milliseconds(12)
        /// A call that has no answer for so long is waited for no more: another thread takes what has come meanwhile.
        package var hangs = Duration.seconds(2)

        package init(
            messages: Int = 100, bytes: Int = 4_000_000, join: Int = 32, pace: Duration = .milliseconds(12)
        ) {
            (self.messages, self.bytes, self.join, self.pace) = (messages, bytes, join, pace)
        }
    }

    package enum Worker: Sendable { case idle, active, away }

    package enum Taken: Sendable {
        case batch([AcceptItem])
        case closed
    }

    /// What a thread that asks for work is told.
    package enum Next: Sendable {
        case take(Taken)
        /// Until it is woken.
        case sleep
        /// Until then, unless it is woken: others are about to come along.
        case pause(until: ContinuousClock.Instant)
    }

    private var waiting = CircularBuffer<AcceptItem>(initialCapacity: 64)
    private var workers: [Worker]
    /// Messages in each thread's call.
    private var underWay: [Int]
    /// When each thread's call began.
    private var begun: [ContinuousClock.Instant?]
    /// The thread that waits for company.
    private var pausing: Int?
    /// The idle thread that looks whether the others' calls hang, when there is somebody who would wait for them.
    private var watching: Int?
    /// It has not been told yet.
    private var isAlarmed = false
    private var lastCall: ContinuousClock.Instant?
    /// How many messages were in the server at a time lately, those under way too.
    ///
    /// A call of a single message costs PostgreSQL four times what it costs among ten. Sessions kept open gather while a call
    /// is under way; those that bring a message each come one by one, and would each have a call of its own. So where
    /// several have been there at a time, a call waits for most of them to be there again, but not for long; and only where
    /// processors are scarce: else the calls themselves are the pause, and a longer one is lost (a third of the rate of 16
    /// sessions kept open). Clients that send one message after the other never meet, and never wait.
    private var company = 0.0
    private let limits: Limits
    package private(set) var isClosing = false

    /// All threads start as active: they connect first.
    package init(workers: Int, limits: Limits) {
        self.workers = Array(repeating: .active, count: workers)
        underWay = Array(repeating: 0, count: workers)
        begun = Array(repeating: nil, count: workers)
        self.limits = limits
    }

    /// Not taken where the database is known to be away, or the acceptor closes.
    package mutating func put(_ item: AcceptItem) -> (isTaken: Bool, waking: Int?) {
        guard !isClosing, isAvailable else { return (false, nil) }
        waiting.append(item)
        company = max(company, Double(waiting.count + underWay.reduce(0, +)))
        if let pausing, waiting.count >= enough {
            self.pausing = nil
            return (true, pausing)
        }
        let isWanted = !workers.contains(.active) || waiting.count >= limits.join
        return (true, isWanted ? wakeOne() : alarmOne())
    }

    /// So many are worth a call at once.
    private var enough: Int { min(Int(company * 0.75), 16) }

    /// Everything that waits, within the limits.
    ///
    /// - Parameter processorsAreScarce: ``ProcessorScarcity``
    package mutating func take(
        _ worker: Int, at now: ContinuousClock.Instant, processorsAreScarce: Bool
    ) -> (next: Next, waking: Int?) {
        underWay[worker] = 0
        begun[worker] = nil
        if pausing == worker { pausing = nil }
        if watching == worker { (watching, isAlarmed) = (nil, false) }
        // (Who is active without a call connects, or makes sure of an earlier one: that may hang as well.)
        var free: ContinuousClock.Instant?
        for other in workers.indices where other != worker && workers[other] == .active {
            let begin = begun[other] ?? now
            begun[other] = begin
            free = max(free ?? begin + limits.hangs, begin + limits.hangs)
        }
        let isWanted = free.map { $0 <= now } ?? true || waiting.count >= limits.join
        guard !waiting.isEmpty, isWanted || isClosing else {
            workers[worker] = .idle
            if isClosing { return (.take(.closed), nil) }
            guard !waiting.isEmpty, watching == nil, let free else { return (.sleep, nil) }
            watching = worker
            return (.pause(until: free), nil)
        }
        workers[worker] = .active
        if processorsAreScarce, let lastCall, !isClosing, company >= 4, waiting.count < enough {
            let begin = lastCall + limits.pace
            if now < begin, pausing == nil {
                pausing = worker
                return (.pause(until: begin), nil)
            }
        }
        lastCall = now
        company -= company / 8
        var batch: [AcceptItem] = []
        batch.reserveCapacity(min(waiting.count, limits.messages))
        var bytes = 0
        while let next = waiting.first, batch.count < limits.messages {
            bytes += next.cost
            if bytes > limits.bytes, !batch.isEmpty { break }
            batch.append(waiting.removeFirst())
        }
        underWay[worker] = batch.count
        begun[worker] = now
        if waiting.isEmpty { return (.take(.batch(batch)), nil) }
        return (.take(.batch(batch)), waiting.count >= limits.join ? wakeOne() : alarmOne())
    }

    /// The thread has lost the database. What waits is given to another, or back to be refused when there is none.
    package mutating func leave(_ worker: Int) -> (refused: [AcceptItem], waking: Int?) {
        workers[worker] = .away
        underWay[worker] = 0
        begun[worker] = nil
        if pausing == worker { pausing = nil }
        if watching == worker { (watching, isAlarmed) = (nil, false) }
        if workers.contains(.active) { return ([], nil) }
        if workers.contains(.idle) { return ([], waiting.isEmpty ? nil : wakeOne()) }
        let refused = Array(waiting)
        waiting.removeAll(keepingCapacity: true)
        return (refused, nil)
    }

    /// Before the verdicts are given: who hears one may be here again before the thread is.
    package mutating func decided(_ worker: Int) {
        underWay[worker] = 0
        begun[worker] = nil
    }

    package mutating func comeBack(_ worker: Int) { engage(worker) }

    /// It is not to be woken: it has something else to do first.
    package mutating func engage(_ worker: Int) {
        workers[worker] = .active
        if watching == worker { (watching, isAlarmed) = (nil, false) }
    }

    package mutating func close() { isClosing = true }

    /// Whether a thread that was told to sleep or to pause is to ask again.
    package func isWoken(_ worker: Int) -> Bool {
        isClosing || workers[worker] != .idle && pausing != worker || isAlarmed && watching == worker
    }

    /// Whether some thread has the database, as far as is known.
    package var isAvailable: Bool { workers.contains { $0 != .away } }

    /// Somebody has to look in time whether the calls under way hang.
    private mutating func alarmOne() -> Int? {
        guard watching == nil, let sleeper = workers.firstIndex(of: .idle) else { return nil }
        watching = sleeper
        isAlarmed = true
        return sleeper
    }

    private mutating func wakeOne() -> Int? {
        guard let sleeper = workers.firstIndex(of: .idle) else { return nil }
        workers[sleeper] = .active
        return sleeper
    }
}
