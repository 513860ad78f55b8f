import NIOCore
import NIOEmbedded
import TLS
import Testing

/// What reached the end of a pipeline, in order.
final class Collector: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    var received = ByteBuffer()
    var events: [TLSEvent] = []
    var errors: [any Error] = []
    var isInactive = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received.writeImmutableBuffer(unwrapInboundIn(data))
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? TLSEvent { events.append(event) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { errors.append(error) }
    func channelInactive(context: ChannelHandlerContext) { isInactive = true }

    var session: TLSSession? {
        for case .handshakeCompleted(let session) in events { return session }
        return nil
    }
    var text: String { String(buffer: received) }
    var failure: String { errors.map { "\($0)" }.joined(separator: "; ") }
}

/// A server and a client, each a `TLSHandler` in a channel of its own, and the wire between them.
final class Pair {
    let server = EmbeddedChannel()
    let client = EmbeddedChannel()
    let serverEnd = Collector()
    let clientEnd = Collector()
    let serverTLS: TLSHandler
    let clientTLS: TLSHandler
    /// How many octets each delivery takes at most.
    var pieces = Int.max
    private(set) var serverOctets = 0

    init(_ serverContext: TLSContext, _ clientContext: TLSContext, name: String = "localhost") throws {
        serverTLS = TLSHandler(context: serverContext, mode: .server)
        clientTLS = TLSHandler(context: clientContext, mode: .client(serverName: name))
        try server.pipeline.syncOperations.addHandlers([serverTLS, serverEnd])
        try client.pipeline.syncOperations.addHandlers([clientTLS, clientEnd])
        try server.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        try client.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    /// Carries octets to and fro until nobody has more to say.
    func run() {
        while carry(from: client, to: server) || carry(from: server, to: client) {}
    }

    private func carry(from source: EmbeddedChannel, to destination: EmbeddedChannel) -> Bool {
        var moved = false
        while var octets = try? source.readOutbound(as: ByteBuffer.self) {
            moved = true
            if source === server { serverOctets += octets.readableBytes }
            while let piece = octets.readSlice(length: min(pieces, octets.readableBytes)), piece.readableBytes > 0 {
                guard destination.isActive else { break }
                destination.pipeline.fireChannelRead(piece)
                destination.pipeline.fireChannelReadComplete()
            }
        }
        return moved
    }

    func say(_ text: String, from channel: EmbeddedChannel) {
        channel.writeAndFlush(ByteBuffer(string: text), promise: nil)
        run()
    }
}

/// Octets that do not compress and differ from place to place.
func pattern(_ count: Int) -> ByteBuffer {
    var value: UInt32 = 1
    var buffer = ByteBuffer()
    for _ in 0..<count {
        value = value &* 1_664_525 &+ 1_013_904_223
        buffer.writeInteger(UInt8(value >> 24))
    }
    return buffer
}
