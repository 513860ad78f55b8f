package import NIOCore
internal import Postgres

/// A message that waits for its verdict. A class, for it passes through queues and loops by the dozen.
package final class AcceptItem: Sendable {
    package let request: AcceptRequest
    let eventLoop: any EventLoop
    let completion: @Sendable (AcceptVerdict) -> Void
    /// When its client is closed without a reply, whatever is under way then.
    package let deadline: ContinuousClock.Instant

    /// - Parameter completion: called once, on `eventLoop`.
    package init(
        request: AcceptRequest, eventLoop: any EventLoop, completion: @escaping @Sendable (AcceptVerdict) -> Void,
        deadline: ContinuousClock.Instant
    ) {
        self.request = request
        self.eventLoop = eventLoop
        self.completion = completion
        self.deadline = deadline
    }

    /// The message's octets and something for the rest of its row.
    var cost: Int { request.content.readableBytes + 1024 }
}

/// Where sessions leave messages and the acceptor's threads fetch them: group commit.
///
/// A lone message finds an idle thread at once. While one is busy, what comes waits and goes together with its next
/// call, which waits a moment, where processors are scarce, for those that came together lately; a second thread joins only when many wait, for
/// splitting batches costs more than it gains (FINDINGS §2).
final class AcceptMailbox: Sendable {
    typealias Limits = AcceptLine.Limits
    typealias Taken = AcceptLine.Taken

    private struct State {
        var line: AcceptLine
        var unanswered = 0
        var drainers: [CheckedContinuation<Void, Never>] = []
    }

    private let monitor: Monitor<State>

    init(workers: Int, limits: Limits) {
        monitor = Monitor(State(line: AcceptLine(workers: workers, limits: limits)), conditions: workers)
    }

    /// False: not taken, for the database is known to be away or the acceptor closes.
    func put(_ item: AcceptItem) -> Bool {
        monitor.withLock { state in
            let (isTaken, waking) = state.line.put(item)
            if isTaken { state.unanswered += 1 }
            if let waking { monitor.signal(waking) }
            return isTaken
        }
    }

    /// Everything that waits, within the limits; blocks until this thread is wanted, or `patience` has passed: then nil.
    func take(_ worker: Int, atMost patience: Duration? = nil, processorsAreScarce: Bool = false) -> Taken? {
        let end = patience.map { ContinuousClock.now + $0 }
        while true {
            let now = ContinuousClock.now
            let next = monitor.withLock { state in
                let (next, waking) = state.line.take(worker, at: now, processorsAreScarce: processorsAreScarce)
                if let waking { monitor.signal(waking) }
                return next
            }
            switch next {
            case .take(let taken): return taken
            case .sleep:
                let left = end.map { now.duration(to: $0) }
                if let left, left <= .zero {
                    let isEngaged = monitor.withLock { state in
                        // (Somebody has come this moment.)
                        guard !state.line.isWoken(worker) else { return false }
                        state.line.engage(worker)
                        return true
                    }
                    if isEngaged { return nil }
                    continue
                }
                _ = monitor.wait(on: worker, atMost: left) { $0.line.isWoken(worker) ? true : nil }
            case .pause(let until):
                _ = monitor.wait(on: worker, atMost: now.duration(to: until)) { $0.line.isWoken(worker) ? true : nil }
            }
        }
    }

    /// The thread has lost the database. What waits is given to another, or back to be refused when there is none.
    func leave(_ worker: Int) -> [AcceptItem] {
        monitor.withLock { state in
            let (refused, waking) = state.line.leave(worker)
            if let waking { monitor.signal(waking) }
            return refused
        }
    }

    /// To be said before the verdicts are given.
    func decided(_ worker: Int) { monitor.withLock { $0.line.decided(worker) } }

    func comeBack(_ worker: Int) { monitor.withLock { $0.line.comeBack(worker) } }

    /// Waits between two attempts to connect. False when the acceptor closes meanwhile.
    func pause(_ worker: Int, _ duration: Duration) -> Bool {
        monitor.wait(on: worker, atMost: duration) { $0.line.isClosing ? true : nil } == nil
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
        monitor.withLock { $0.line.close() }
        monitor.signalAll()
    }

    var isAvailable: Bool { monitor.withLock { $0.line.isAvailable } }
}
