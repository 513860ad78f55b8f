internal import NIOCore

/// A message that waits for its verdict.
struct AcceptItem: Sendable {
    let request: AcceptRequest
    let eventLoop: any EventLoop
    let completion: @Sendable (AcceptVerdict) -> Void
    /// When its client is closed without a reply, whatever is under way then.
    let deadline: ContinuousClock.Instant
    /// The message's octets and something for the rest of its row.
    var cost: Int { request.content.readableBytes + 1024 }
}

/// Where sessions leave messages and the acceptor's threads fetch them: group commit without timers.
///
/// A lone message finds an idle thread at once. While one is busy, what comes waits and goes together with its next
/// call; a second thread joins only when many wait, for splitting batches costs more than it gains (FINDINGS §2).
final class AcceptMailbox: Sendable {
    struct Limits: Sendable {
        var messages = 100
        var bytes = 32 << 20
        /// How many must wait before another thread joins a busy one.
        var join = 16
    }

    enum Worker { case idle, active, away }

    enum Taken {
        case batch([AcceptItem])
        case closed
    }

    private struct State {
        var waiting = CircularBuffer<AcceptItem>(initialCapacity: 64)
        var workers: [Worker]
        var isClosing = false
        var unanswered = 0
        var drainers: [CheckedContinuation<Void, Never>] = []

        func isAnotherActive(than worker: Int) -> Bool {
            workers.indices.contains { $0 != worker && workers[$0] == .active }
        }
    }

    private let monitor: Monitor<State>
    private let limits: Limits

    /// All threads start as active: they connect first.
    init(workers: Int, limits: Limits) {
        self.limits = limits
        monitor = Monitor(State(workers: Array(repeating: .active, count: workers)), conditions: workers)
    }

    /// False: not taken, for the database is known to be away or the acceptor closes.
    func put(_ item: AcceptItem) -> Bool {
        monitor.withLock { state in
            guard !state.isClosing, state.workers.contains(where: { $0 != .away }) else { return false }
            state.waiting.append(item)
            state.unanswered += 1
            if !state.workers.contains(.active) || state.waiting.count >= limits.join { wakeOne(&state) }
            return true
        }
    }

    /// Everything that waits, within the limits; blocks until this thread is wanted.
    func take(_ worker: Int) -> Taken {
        let taken = monitor.wait(on: worker) { (state) -> Taken? in
            let isWanted = !state.isAnotherActive(than: worker) || state.waiting.count >= limits.join
            guard !state.waiting.isEmpty, isWanted || state.isClosing else {
                state.workers[worker] = .idle
                return state.isClosing ? .closed : nil
            }
            state.workers[worker] = .active
            var batch: [AcceptItem] = []
            batch.reserveCapacity(min(state.waiting.count, limits.messages))
            var bytes = 0
            while let next = state.waiting.first, batch.count < limits.messages {
                bytes += next.cost
                if bytes > limits.bytes, !batch.isEmpty { break }
                batch.append(state.waiting.removeFirst())
            }
            if state.waiting.count >= limits.join { wakeOne(&state) }
            return .batch(batch)
        }
        return taken ?? .closed
    }

    /// The thread has lost the database. What waits is given to another, or back to be refused when there is none.
    func leave(_ worker: Int) -> [AcceptItem] {
        monitor.withLock { state in
            state.workers[worker] = .away
            if state.workers.contains(.active) { return [] }
            if state.workers.contains(.idle) {
                if !state.waiting.isEmpty { wakeOne(&state) }
                return []
            }
            let waiting = Array(state.waiting)
            state.waiting.removeAll(keepingCapacity: true)
            return waiting
        }
    }

    func comeBack(_ worker: Int) { monitor.withLock { $0.workers[worker] = .active } }

    /// Waits between two attempts to connect. False when the acceptor closes meanwhile.
    func pause(_ worker: Int, _ duration: Duration) -> Bool {
        monitor.wait(on: worker, atMost: duration) { $0.isClosing ? true : nil } == nil
    }

    func answered(_ count: Int) {
        let drainers = monitor.withLock { state in
            state.unanswered -= count
            guard state.unanswered == 0 else { return [CheckedContinuation<Void, Never>]() }
            defer { state.drainers = [] }
            return state.drainers
        }
        for drainer in drainers { drainer.resume() }
    }

    /// Returns when everything taken so far has its verdict.
    func drain() async {
        await withCheckedContinuation { continuation in
            let isDone = monitor.withLock { state in
                if state.unanswered > 0 { state.drainers.append(continuation) }
                return state.unanswered == 0
            }
            if isDone { continuation.resume() }
        }
    }

    func close() {
        monitor.withLock { $0.isClosing = true }
        monitor.signalAll()
    }

    var isAvailable: Bool { monitor.withLock { state in state.workers.contains { $0 != .away } } }
    var isClosing: Bool { monitor.withLock { $0.isClosing } }

    private func wakeOne(_ state: inout State) {
        guard let sleeper = state.workers.firstIndex(of: .idle) else { return }
        state.workers[sleeper] = .active
        monitor.signal(sleeper)
    }
}
