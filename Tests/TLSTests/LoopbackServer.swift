import Cryptography
import NIOCore
import NIOPosix
import Synchronization
import TLS
import Testing

/// What happened on a server, readable from any thread.
final class Record: Sendable {
    struct Contents {
        var sessions: [TLSSession] = []
        var bindings: [String] = []
        var errors: [String] = []
        var closedCleanly = 0
        var inactive = 0
        var octets = 0
    }

    private let contents = Mutex(Contents())

    var now: Contents { contents.withLock { $0 } }
    func change(_ change: (inout Contents) -> Void) { contents.withLock { change(&$0) } }
}

/// Sends back what it gets, and closes after `QUIT` and a line end.
final class Echo: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let record: Record
    private let tls: TLSHandler
    private var last: [UInt8] = []

    init(_ record: Record, _ tls: TLSHandler) {
        self.record = record
        self.tls = tls
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        record.change { $0.octets += buffer.readableBytes }
        last = Array((last + buffer.readableBytesView.suffix(5)).suffix(5))
        let isOver = last == Array("QUIT\n".utf8)
        let sent = context.writeAndFlush(wrapOutboundOut(buffer))
        if isOver {
            let channel = context.channel
            sent.whenComplete { _ in channel.close(promise: nil) }
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event as? TLSEvent {
        case .handshakeCompleted(let session)?:
            let binding: String
            do throws(TLSError) { binding = hexadecimal(try tls.channelBinding()) } catch { binding = "\(error)" }
            record.change {
                $0.sessions.append(session)
                $0.bindings.append(binding)
            }
        case .closedCleanly?: record.change { $0.closedCleanly += 1 }
        case nil: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        record.change { $0.errors.append("\(error)") }
    }
    func channelInactive(context: ChannelHandlerContext) { record.change { $0.inactive += 1 } }
}

/// A TLS server on a free loopback port.
final class LoopbackServer {
    let record = Record()
    let port: Int
    private let channel: any Channel

    init(_ context: TLSContext) async throws {
        let record = record
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = TLSHandler(context: context, mode: .server)
                    try channel.pipeline.syncOperations.addHandlers([handler, Echo(record, handler)])
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        port = try #require(channel.localAddress?.port)
    }

    deinit { channel.close(promise: nil) }
}
