internal import Glibc
internal import Histogram
internal import NIOCore
internal import NIOPosix
import Synchronization

/// Drives a submission server: `connections` sessions at a time, each sending one message after the other, on event loops
/// of its own. Nothing is started per message but the octets.
package final class LoadGenerator: Sendable {
    package struct Progress: Sendable {
        package let accepted, refused, total: Int
        package let elapsed: Duration
    }

    private let plan: LoadPlan
    private let shared: LoadState

    /// `date`: the value of the messages' Date field.
    package init(_ plan: LoadPlan, date: String) {
        precondition(plan.connections > 0 && plan.messages > 0 && plan.recipients > 0 && plan.threads > 0)
        self.plan = plan
        shared = LoadState(plan, date: date)
    }

    /// No new message is begun; those under way are waited for. Connections that are held are let go.
    package func stop() { shared.interrupt() }

    /// `progress` is called four times a second, `holding` once all connections are held (`LoadPlan.hold`); both on an
    /// event loop's thread.
    package func run(
        progress: @escaping @Sendable (Progress) -> Void, holding: @escaping @Sendable () -> Void = {}
    ) async throws -> LoadReport {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: plan.threads)
        let loops = (0..<plan.threads).map { _ in group.next() }
        let workers = try await loops.asyncMap { loop in
            try await loop.submit { NIOLoopBound(LoadWorker(self.shared, on: loop), eventLoop: loop) }.get()
        }
        let (started, release) = shared.begin(on: loops[0])
        shared.whenAllHold {
            holding()
            if case .time(let time)? = self.plan.hold { loops[0].scheduleTask(in: time) { release.succeed() } }
        }
        let ticking = loops[0].scheduleRepeatedTask(initialDelay: .milliseconds(250), delay: .milliseconds(250)) { _ in
            progress(self.shared.progress)
        }

        var ends: [EventLoopFuture<Void>] = []
        for slot in 0..<plan.connections {
            let (loop, worker) = (loops[slot % loops.count], workers[slot % loops.count])
            let promise = loop.makePromise(of: Void.self)
            loop.execute { worker.value.add(promise) }
            ends.append(promise.futureResult)
        }
        try await EventLoopFuture.andAllComplete(ends, on: loops[0]).get()
        started.succeed()
        release.succeed()
        ticking.cancel()
        progress(shared.progress)

        var report = LoadReport()
        for (loop, worker) in zip(loops, workers) {
            report.add(try await loop.submit { worker.value.tally }.get())
        }
        try await group.shutdownGracefully()
        shared.complete(&report)
        return report
    }
}

extension Array {
    fileprivate func asyncMap<Result>(_ transform: (Element) async throws -> Result) async rethrows -> [Result] {
        var results: [Result] = []
        for element in self { results.append(try await transform(element)) }
        return results
    }
}

/// What the event loops of a run share: counters, the start, the end.
final class LoadState: Sendable {
    let plan: LoadPlan
    let message: LoadMessage
    let envelope: ClientDialogue.Envelope

    private struct Clock {
        var start: ContinuousClock.Instant?
        var processorStart: Duration = .zero
        var last: ContinuousClock.Instant?
        var processorEnd: Duration = .zero
        var begun: NIODeadline?
        var gate, release: EventLoopPromise<Void>?
        var whenAllHold: (@Sendable () -> Void)?
        var fatal: String?
        var isInterrupted = false
    }

    private let clock = Mutex(Clock())
    private let next = Atomic(0)
    private let standing = Atomic(0)
    private let holding = Atomic(0)
    private let loggedIn = Atomic(0)
    private let isStopped = Atomic(false)
    private let accepted = Atomic(0)
    private let refused = Atomic(0)

    init(_ plan: LoadPlan, date: String) {
        self.plan = plan
        let recipients = (1...plan.recipients).map { "r\($0)@\(plan.toDomain)" }
        message = LoadMessage(size: plan.sizes.largest, from: plan.from, to: recipients[0], date: date)
        envelope = ClientDialogue.Envelope(sender: plan.from, recipients: recipients)
    }

    /// The gate that opens when every connection stands, at once where connections come and go; and the one that lets
    /// those go that are held.
    func begin(on loop: any EventLoop) -> (gate: EventLoopPromise<Void>, release: EventLoopPromise<Void>) {
        let gate = loop.makePromise(of: Void.self)
        let release = loop.makePromise(of: Void.self)
        clock.withLock { ($0.gate, $0.release) = (gate, release) }
        if plan.messagesPerConnection > 0 { open() }
        return (gate, release)
    }

    var gate: EventLoopFuture<Void>? { clock.withLock { $0.gate?.futureResult } }
    var release: EventLoopFuture<Void>? { clock.withLock { $0.release?.futureResult } }

    func whenAllHold(_ action: @escaping @Sendable () -> Void) { clock.withLock { $0.whenAllHold = action } }

    func connectionHolds() {
        guard holding.wrappingAdd(1, ordering: .relaxed).newValue == plan.connections else { return }
        clock.withLock { $0.whenAllHold }?()
    }

    /// The next connection's.
    func nextClient() -> ClientDialogue.Configuration {
        guard !plan.logins.isEmpty else { return plan.client }
        var client = plan.client
        let number = loggedIn.wrappingAdd(1, ordering: .relaxed).oldValue
        client.credentials = plan.logins[number % plan.logins.count]
        return client
    }

    /// When a message should begin; nil for as soon as it may.
    func due(_ number: Int) -> NIODeadline? {
        guard let rate = plan.rate, let begun = clock.withLock({ $0.begun }) else { return nil }
        return begun + .nanoseconds(Int64(Double(number) * 1e9 / rate))
    }

    func connectionStands() {
        if standing.wrappingAdd(1, ordering: .relaxed).newValue == plan.connections { open() }
    }

    private func open() {
        let gate = clock.withLock { clock in
            if clock.start == nil {
                clock.start = .now
                clock.begun = NIODeadline.now()
                clock.processorStart = processorTime()
            }
            return clock.gate
        }
        gate?.succeed()
    }

    /// The number of the next message; nil when none is to be begun any more.
    func takeTicket() -> Int? {
        guard !isStopped.load(ordering: .relaxed) else { return nil }
        let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
        return number < plan.messages ? number : nil
    }

    var hasMore: Bool {
        !isStopped.load(ordering: .relaxed) && next.load(ordering: .relaxed) < plan.messages
    }

    var hasStopped: Bool { isStopped.load(ordering: .relaxed) }

    func count(isAccepted: Bool) {
        let counter =
            isAccepted ? accepted.wrappingAdd(1, ordering: .relaxed) : refused.wrappingAdd(1, ordering: .relaxed)
        _ = counter
        guard accepted.load(ordering: .relaxed) + refused.load(ordering: .relaxed) >= plan.messages else { return }
        finishClock()
    }

    func finishClock() {
        clock.withLock {
            $0.last = .now
            $0.processorEnd = processorTime()
        }
    }

    func fail(_ reason: String) {
        clock.withLock { if $0.fatal == nil { $0.fatal = reason } }
        isStopped.store(true, ordering: .relaxed)
        open()
    }

    func interrupt() {
        let isHolding = holding.load(ordering: .relaxed) >= plan.connections
        let release = clock.withLock { clock in
            // To be told so is how a hold without a time ends.
            if !isHolding { clock.isInterrupted = true }
            return clock.release
        }
        isStopped.store(true, ordering: .relaxed)
        open()
        release?.succeed()
    }

    var progress: LoadGenerator.Progress {
        let start = clock.withLock { $0.start }
        return .init(
            accepted: accepted.load(ordering: .relaxed), refused: refused.load(ordering: .relaxed),
            total: plan.messages,
            elapsed: start.map { .now - $0 } ?? .zero)
    }

    func complete(_ report: inout LoadReport) {
        let clock = clock.withLock { $0 }
        if let start = clock.start {
            report.elapsed = (clock.last ?? .now) - start
            report.processorTime = (clock.last == nil ? processorTime() : clock.processorEnd) - clock.processorStart
        }
        report.fatal = clock.fatal
        report.isInterrupted = clock.isInterrupted
    }
}

private func processorTime() -> Duration {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
}
