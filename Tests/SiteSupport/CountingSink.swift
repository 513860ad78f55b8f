internal import Foundation
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// A mail server in this process that counts whom it has taken a message for, before it says so. It outlives whatever
/// is killed around it: its count is what was delivered.
///
/// Recipients at `bounce.example` are refused for good, those at `later.example` once before they are taken, all others
/// are taken.
package final class CountingSink: Sendable {
    private struct State {
        var deliveries: [Evidence.Delivery] = []
        var deferred: Set<String> = []
        var unanswered = 0
    }

    /// What becomes of the reply to a final dot.
    package enum Manner: Sendable { case answer, closeUnanswered }

    private let state = Mutex(State())
    private let channel: any Channel
    package let port: Int

    /// - Parameter manner: asked at each final dot, after the message was counted.
    package init(manner: @escaping @Sendable () -> Manner = { .answer }) async throws {
        let box = Box()
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let sink = box.sink else { return }
                    try channel.pipeline.syncOperations.addHandler(SinkHandler(sink, manner))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        port = channel.localAddress?.port ?? 0
        box.put(self)
    }

    deinit { channel.close(promise: nil) }

    package var deliveries: [Evidence.Delivery] { state.withLock { $0.deliveries } }
    package var count: Int { state.withLock { $0.deliveries.count } }
    /// How many final dots were left without a reply.
    package var unanswered: Int { state.withLock { $0.unanswered } }

    fileprivate func take(_ recipients: [String], isAnswered: Bool) {
        let now = Int64(Date().timeIntervalSince1970 * 1_000_000)
        state.withLock { state in
            state.deliveries += recipients.map { Evidence.Delivery(address: $0, at: now) }
            if !isAnswered { state.unanswered += 1 }
        }
    }

    fileprivate func replies(to recipient: String) -> String {
        if recipient.hasSuffix("@bounce.example") { return "550 5.1.1 No such user" }
        if recipient.hasSuffix("@later.example"), state.withLock({ $0.deferred.insert(recipient).inserted }) {
            return "450 4.2.1 Come again"
        }
        return "250 2.1.5 Ok"
    }

    private final class Box: Sendable {
        private struct Weak { weak var sink: CountingSink? }
        private let content = Mutex(Weak())
        var sink: CountingSink? { content.withLock { $0.sink } }
        func put(_ sink: CountingSink) { content.withLock { $0.sink = sink } }
    }
}

private final class SinkHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let sink: CountingSink
    private let manner: @Sendable () -> CountingSink.Manner
    private var input = ByteBuffer()
    private var recipients: [String] = []
    private var isContent = false
    private var isAtLineStart = true

    init(_ sink: CountingSink, _ manner: @escaping @Sendable () -> CountingSink.Manner) {
        self.sink = sink
        self.manner = manner
    }

    func channelActive(context: ChannelHandlerContext) { say("220 sink.example ESMTP", context) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        input.writeBuffer(&bytes)
        while let end = input.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
            let length = end - input.readerIndex + 1
            if isContent {
                let isDot = length == 3 && input.readableBytesView.first == UInt8(ascii: ".")
                input.moveReaderIndex(forwardBy: length)
                if isDot { finishMessage(context) }
            } else {
                let line = input.readString(length: length) ?? ""
                obey(line.trimmingCharacters(in: .whitespacesAndNewlines), context)
            }
        }
        input.discardReadBytes()
    }

    func channelReadComplete(context: ChannelHandlerContext) { context.flush() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func finishMessage(_ context: ChannelHandlerContext) {
        isContent = false
        let manner = manner()
        sink.take(recipients, isAnswered: manner == .answer)
        recipients = []
        switch manner {
        case .answer: say("250 2.0.0 Ok: counted", context)
        case .closeUnanswered: context.close(promise: nil)
        }
    }

    private func obey(_ line: String, _ context: ChannelHandlerContext) {
        let verb = line.prefix(4).uppercased()
        switch verb {
        case "EHLO", "HELO":
            say(
                "250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES", context
            )
        case "MAIL":
            recipients = []
            say("250 2.1.0 Ok", context)
        case "RCPT":
            guard let open = line.firstIndex(of: "<"), let close = line.lastIndex(of: ">"), open < close else {
                return say("501 5.1.3 Whom?", context)
            }
            let recipient = String(line[line.index(after: open)..<close])
            let reply = sink.replies(to: recipient)
            if reply.hasPrefix("250") { recipients.append(recipient) }
            say(reply, context)
        case "DATA":
            guard !recipients.isEmpty else { return say("554 5.5.1 No valid recipients", context) }
            isContent = true
            say("354 Go on", context)
        case "RSET", "NOOP":
            if verb == "RSET" { recipients = [] }
            say("250 2.0.0 Ok", context)
        case "QUIT":
            say("221 2.0.0 Bye", context)
            context.close(promise: nil)
        default: say("502 5.5.2 No such command", context)
        }
    }

    private func say(_ reply: String, _ context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: reply + "\r\n")), promise: nil)
    }
}
