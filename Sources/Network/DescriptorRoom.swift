internal import Glibc
internal import NIOCore

/// What the limit of open files leaves room for.
package enum DescriptorRoom {
    /// How many connections may be open; the rest is for the database, relays, files.
    ///
    /// Asked anew each time, which costs a fraction of a microsecond: the limit may be changed from outside (prlimit(1)).
    package static func connections() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return .max }
        return connections(within: Int(clamping: limit.rlim_cur))
    }

    /// - Parameter limit: of open files.
    package static func connections(within limit: Int) -> Int { limit - min(reserve, limit / 4) }

    /// Enough open files for so many connections.
    package static func limit(for connections: Int) -> Int { connections + reserve }

    private static let reserve = 256
}

/// Of a listening socket: waits where there is no descriptor, or no memory, for another connection.
///
/// NIO leaves such a socket as it is, and the kernel says at once, again and again, that somebody is there to be accepted:
/// the event loop would do nothing else. Whoever has connected meanwhile waits in the kernel's queue.
final class AcceptPause: ChannelInboundHandler {
    typealias InboundIn = any Channel

    static let pause = TimeAmount.milliseconds(100)
    private let report: @Sendable (_ reason: String) -> Void
    private var isPausing = false
    private var reported: NIODeadline?

    /// - Parameter report: told of it, once in ten seconds at most.
    init(report: @escaping @Sendable (_ reason: String) -> Void) { self.report = report }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? IOError, [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(error.errnoCode) else {
            return context.fireErrorCaught(error)
        }
        let now = NIODeadline.now()
        if reported.map({ now - $0 >= .seconds(10) }) ?? true {
            reported = now
            report(String(cString: strerror(error.errnoCode)))
        }
        guard !isPausing else { return }
        isPausing = true
        setReading(false, context)
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: Self.pause) {
            let (handler, context) = bound.value
            handler.isPausing = false
            handler.setReading(true, context)
        }
    }

    private func setReading(_ isReading: Bool, _ context: ChannelHandlerContext) {
        // It fails where the socket has been closed meanwhile.
        try? context.channel.syncOptions?.setOption(.autoRead, value: isReading)
    }
}
