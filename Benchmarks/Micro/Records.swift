import Foundation
import NIOCore
import NIOEmbedded
import TLS

/// TLS from memory to memory; only the server's half is measured.
enum Records {
    static func all() throws -> [Benchmark] {
        let folder = NSTemporaryDirectory() + "gatepost-micro-\(getpid())"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let authority = try CertificateAuthority.create(in: folder)
        try authority.issue("server", .server(hosts: ["localhost"]))
        let server = try TLSContext.server(
            certificateChain: authority.certificateFile(of: "server"), privateKey: authority.keyFile(of: "server"))
        let client = try TLSContext.client(authorities: authority.certificateFile)
        return [
            Benchmark(name: "tls/records of a message, 10 KB") { count, watch in
                try messages(count, &watch, Pair(server, client), size: 10 * 1024)
            },
            Benchmark(name: "tls/records of a message, 100 KB") { count, watch in
                try messages(count, &watch, Pair(server, client), size: 100 * 1024)
            },
            Benchmark(name: "tls/full handshake") { count, watch in
                for _ in 0..<count {
                    let pair = try watch.measure { try Pair(server, client, connects: false) }
                    try pair.connect(&watch)
                    watch.measure { pair.closeServer() }
                    pair.closeClient()
                }
            },
        ]
    }

    /// MAIL, RCPT, DATA and content come in, four replies go out.
    private static func messages(_ count: Int, _ watch: inout Stopwatch, _ pair: Pair, size: Int) throws {
        var unwatched = Stopwatch()
        try pair.connect(&unwatched)
        let writes = [46, 32, 6, size].map { ByteBuffer(repeating: 0x61, count: $0) }
        let reply = ByteBuffer(repeating: 0x62, count: 38)
        for _ in 0..<count {
            for write in writes {
                for piece in try pair.encrypted(write, pieces: 16 * 1024) { watch.measure { pair.receive(piece) } }
                watch.measure { pair.server.writeAndFlush(reply, promise: nil) }
                try pair.drain()
            }
        }
        guard pair.sink.octets == count * writes.reduce(0, { $0 + $1.readableBytes }) else {
            throw Fault("not all octets came through")
        }
        pair.closeServer()
        pair.closeClient()
    }
}

/// Counts what comes out of TLS.
final class Sink: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    var octets = 0

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { octets += unwrapInboundIn(data).readableBytes }
}

/// A server and a client, each in a channel of its own, and the wire between them.
final class Pair {
    let server = EmbeddedChannel()
    let client = EmbeddedChannel()
    let sink = Sink()

    init(_ serverContext: TLSContext, _ clientContext: TLSContext, connects: Bool = true) throws {
        try server.pipeline.syncOperations.addHandlers([TLSHandler(context: serverContext, mode: .server), sink])
        try client.pipeline.syncOperations.addHandler(
            TLSHandler(context: clientContext, mode: .client(serverName: "localhost")))
    }

    /// Measures the server's half.
    func connect(_ watch: inout Stopwatch) throws {
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: 1)
        try watch.measure { try server.connect(to: address).wait() }
        try client.connect(to: address).wait()
        while let octets = try client.readOutbound(as: ByteBuffer.self) {
            watch.measure { receive(octets) }
            try drain()
        }
    }

    /// What the client makes of `plaintext`, as it comes from the network.
    func encrypted(_ plaintext: ByteBuffer, pieces: Int) throws -> [ByteBuffer] {
        client.writeAndFlush(plaintext, promise: nil)
        var found: [ByteBuffer] = []
        while var octets = try client.readOutbound(as: ByteBuffer.self) {
            while let bytes = octets.readBytes(length: min(pieces, octets.readableBytes)), !bytes.isEmpty {
                found.append(ByteBuffer(bytes: bytes))
            }
        }
        return found
    }

    func receive(_ octets: ByteBuffer) {
        server.pipeline.fireChannelRead(octets)
        server.pipeline.fireChannelReadComplete()
    }

    /// Gives the client what the server says.
    func drain() throws {
        while let octets = try server.readOutbound(as: ByteBuffer.self) {
            client.pipeline.fireChannelRead(octets)
            client.pipeline.fireChannelReadComplete()
        }
    }

    func closeServer() { _ = try? server.finish() }
    func closeClient() { _ = try? client.finish() }
}
