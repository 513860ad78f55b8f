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
        package var join = 16

        package init(messages: Int = 100, bytes: Int = 4_000_000, join: Int = 16) {
            (self.messages, self.bytes, self.join) = (messages, bytes, join)
        }
    }

    package enum Worker: Sendable { case idle, active, away }

    package enum Taken: Sendable {
        case batch([AcceptItem])
        case closed
    }

    private var waiting = CircularBuffer<AcceptItem>(initialCapacity: 64)
    private var workers: [Worker]
    private let limits: Limits
    package private(set) var isClosing = false

    /// All threads start as active: they connect first.
    package init(workers: Int, limits: Limits) {
        self.workers = Array(repeating: .active, count: workers)
        self.limits = limits
    }

    /// Not taken where the database is known to be away, or the acceptor closes.
    package mutating func put(_ item: AcceptItem) -> (isTaken: Bool, waking: Int?) {
        guard !isClosing, isAvailable else { return (false, nil) }
        waiting.append(item)
        let isWanted = !workers.contains(.active) || waiting.count >= limits.join
        return (true, isWanted ? wakeOne() : nil)
    }

    /// Everything that waits, within the limits; nil: this thread is to sleep until it is woken.
    package mutating func take(_ worker: Int) -> (taken: Taken?, waking: Int?) {
        let isAnotherActive = workers.indices.contains { $0 != worker && workers[$0] == .active }
        let isWanted = !isAnotherActive || waiting.count >= limits.join
        guard !waiting.isEmpty, isWanted || isClosing else {
            workers[worker] = .idle
            return (isClosing ? .closed : nil, nil)
        }
        workers[worker] = .active
        var batch: [AcceptItem] = []
        batch.reserveCapacity(min(waiting.count, limits.messages))
        var bytes = 0
        while let next = waiting.first, batch.count < limits.messages {
            bytes += next.cost
            if bytes > limits.bytes, !batch.isEmpty { break }
            batch.append(waiting.removeFirst())
        }
        return (.batch(batch), waiting.count >= limits.join ? wakeOne() : nil)
    }

    /// The thread has lost the database. What waits is given to another, or back to be refused when there is none.
    package mutating func leave(_ worker: Int) -> (refused: [AcceptItem], waking: Int?) {
        workers[worker] = .away
        if workers.contains(.active) { return ([], nil) }
        if workers.contains(.idle) { return ([], waiting.isEmpty ? nil : wakeOne()) }
        let refused = Array(waiting)
        waiting.removeAll(keepingCapacity: true)
        return (refused, nil)
    }

    package mutating func comeBack(_ worker: Int) { workers[worker] = .active }

    package mutating func close() { isClosing = true }

    /// Whether some thread has the database, as far as is known.
    package var isAvailable: Bool { workers.contains { $0 != .away } }

    private mutating func wakeOne() -> Int? {
        guard let sleeper = workers.firstIndex(of: .idle) else { return nil }
        workers[sleeper] = .active
        return sleeper
    }
}
