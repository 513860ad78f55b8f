import Dispatch
import Glibc
import Synchronization

/// Ctrl-C, asked for instead of suffered: a command that goes on and on ends between two of its steps, its last line whole.
final class EndRequest {
    private final class Flag: Sendable {
        let isSet = Mutex(false)
    }

    private let flag = Flag()
    private let sources: [any DispatchSourceSignal]

    init() {
        let flag = flag
        sources = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler(handler: DispatchWorkItem { flag.isSet.withLock { $0 = true } })
            source.resume()
            return source
        }
    }

    var isAsked: Bool { flag.isSet.withLock { $0 } }

    /// Waits so long, or until it is asked.
    func pause(_ duration: Duration) async {
        let end = ContinuousClock.now + duration
        while !isAsked, ContinuousClock.now < end { try? await Task.sleep(for: .milliseconds(50)) }
    }
}
