import CLinux
import Glibc
import Logging
import Synchronization

/// Writes lines on a thread of its own, so that no event loop waits for a slow terminal, pipe or disk.
///
/// Its buffer is bounded. When it is full, what strangers cause is counted and dropped; what says that mail was
/// accepted or what became of it waits until it is written.
final class LogWriter: Sendable {
    static let standardError = LogWriter(descriptor: STDERR_FILENO)
    private static let capacity = 4 << 20
    /// How long lines gather after a write before the next: a wake-up and a write for each cost more than making them.
    private static let pause: UInt32 = 2000  // µs

    private struct State {
        var pending: [UInt8] = []
        var isWriting = false
        var isStarted = false
        var dropped = 0
        var summary = FloodSummary(linesPerMinute: .max)
        var lastLook: Int64 = 0
        var summarise: @Sendable (String, Int) -> String = { _, _ in "" }
    }

    private let state = Mutex(State())
    private let descriptor: Int32
    private let signal: LogSignal

    init(descriptor: Int32) {
        self.descriptor = descriptor
        signal = LogSignal()
    }

    /// - Parameter summarise: makes the line for a source and the number of its lines that were left out.
    func start(linesPerMinute: Int, summarise: @escaping @Sendable (String, Int) -> String) {
        let isFirst = state.withLock { state in
            state.summary.linesPerMinute = linesPerMinute
            state.summarise = summarise
            defer { state.isStarted = true }
            return !state.isStarted
        }
        guard isFirst else { return }
        startLogThread { [self] in
            while true {
                signal.wait(milliseconds: 1000)
                if writePending() { usleep(Self.pause) }
            }
        }
    }

    func setLimit(linesPerMinute: Int) { state.withLock { $0.summary.linesPerMinute = linesPerMinute } }

    /// - Parameter source: nil for what must not be lost.
    func write(_ line: String, source: String?, at time: Int64) {
        let (isFirst, isFull) = state.withLock { state -> (Bool, Bool) in
            let isFirst = state.pending.isEmpty
            sumUp(&state, at: time)
            if let source {
                guard state.summary.admits(source, at: time) else { return (isFirst, false) }
                guard state.pending.count < Self.capacity else {
                    state.dropped += 1
                    return (false, false)
                }
            }
            state.pending.append(contentsOf: line.utf8)
            return (isFirst, state.pending.count >= Self.capacity)
        }
        // Whoever wrote the first of those that wait has woken the thread, and it will take them all.
        if isFull { flush() } else if isFirst { signal.raise() }
    }

    /// Returns when everything so far is written.
    func flush() {
        while writePending() || state.withLock({ $0.isWriting }) { usleep(200) }
    }

    /// At the end of the process: what was left out is said, and all is written, unless nobody takes it for five seconds:
    /// a reader that stands still must not keep the process.
    func finish() {
        let isStarted = state.withLock { state in
            for summary in state.summary.rest() { append(summary, to: &state) }
            return state.isStarted
        }
        guard isStarted else { return flush() }
        signal.raise()
        var left = 25_000
        while left > 0, state.withLock({ $0.isWriting || !$0.pending.isEmpty }) {
            usleep(200)
            left -= 1
        }
    }

    private func sumUp(_ state: inout State, at time: Int64) {
        guard time - state.lastLook >= 1_000_000 else { return }
        state.lastLook = time
        for summary in state.summary.due(at: time) { append(summary, to: &state) }
        if state.dropped > 0, state.pending.count < Self.capacity / 2 {
            state.pending.append(contentsOf: state.summarise("any", state.dropped).utf8)
            state.dropped = 0
        }
    }

    private func append(_ summary: FloodSummary.Summary, to state: inout State) {
        state.pending.append(contentsOf: state.summarise(summary.source, summary.suppressed).utf8)
    }

    /// False when nothing was there, or another thread is at it: lines stay in their order.
    @discardableResult
    private func writePending() -> Bool {
        let octets = state.withLock { state -> [UInt8] in
            guard !state.isWriting else { return [] }
            sumUp(&state, at: UTCTime.now().microseconds)
            guard !state.pending.isEmpty else { return [] }
            state.isWriting = true
            defer { state.pending = [] }
            return state.pending
        }
        guard !octets.isEmpty else { return false }
        _ = octets.withUnsafeBytes { writeAll($0, to: descriptor) }
        state.withLock { $0.isWriting = false }
        return true
    }
}

/// A wake-up that may come from any thread, and is never lost.
final class LogSignal: Sendable {
    private let descriptor: Int32

    init() { descriptor = clinux_eventfd() }

    func raise() { clinux_eventfd_raise(descriptor) }

    func wait(milliseconds: Int32) {
        var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        if Glibc.poll(&poll, 1, milliseconds) > 0 { clinux_eventfd_clear(descriptor) }
    }
}

private final class ThreadBody {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// The thread never ends and takes the retained body with it.
private func startLogThread(_ run: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    let body = Unmanaged.passRetained(ThreadBody(run))
    let status = pthread_create(&thread, nil, runThreadBody, body.toOpaque())
    precondition(status == 0, "no thread for the log")
}

private let runThreadBody: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
    clinux_name_thread("log")
    guard let argument else { return nil }
    Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run()
    return nil
}
