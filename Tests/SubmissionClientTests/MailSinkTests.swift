import NIOCore
import NIOPosix
import SubmissionClient
import Testing

/// The sink, fed by the load client and by hand.
@Suite struct MailSinkTests {
    private func with<R>(_ body: (MailSink, Int) async throws -> R) async throws -> R {
        let sink = MailSink()
        let port = try await sink.start(host: "127.0.0.1", port: 0)
        let result = try await body(sink, port)
        try await sink.stop()
        return result
    }

    private func load(_ port: Int, pipelines: Bool, date: String = "Tue, 24 Nov 2026 13:30:55 +0000") async throws
        -> LoadReport
    {
        var plan = LoadPlan(
            host: "127.0.0.1", port: port, messages: 200, from: "a@own.example", toDomain: "x.example",
            client: .init(heloName: "bench", startsTLS: false, credentials: nil, pipelines: pipelines), tls: nil)
        plan.connections = 4
        plan.recipients = 3
        plan.sizes = .likeMail(seed: 1)
        return try await LoadGenerator(plan, date: date).run { _ in }
    }

    @Test(arguments: [false, true]) func `it counts what a load run sends`(pipelines: Bool) async throws {
        try await with { sink, port in
            let report = try await load(port, pipelines: pipelines)
            #expect(report.accepted == 200)
            #expect(sink.counts.messages == 200)
            #expect(sink.counts.recipients == 600)
            #expect(sink.counts.duplicates == 0)
            // The final dot and its line end come with each.
            #expect(sink.counts.octets == report.octets + 3 * 200)
        }
    }

    /// In pieces of `size` octets; the replies, their codes alone.
    private func talk(_ port: Int, _ text: String, pieces size: Int, replies: Int) async throws -> [String] {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            let octets = Array(text.utf8)
            for start in stride(from: 0, to: octets.count, by: size) {
                try await outbound.write(ByteBuffer(bytes: octets[start..<min(start + size, octets.count)]))
            }
            var received = ""
            for try await buffer in inbound {
                received += String(buffer: buffer)
                if received.count(where: { $0 == "\r\n" }) >= replies { break }
            }
            return received.split(separator: "\r\n").map { String($0) }
        }
    }

    @Test(arguments: [1, 7, 4096]) func `it finds the end of content and duplicates, in pieces of any size`(
        size: Int
    ) async throws {
        try await with { sink, port in
            let message = "Received: x\r\nmessage-ID: <1@x>\r\n\r\n..a\r\n.b\r\n.\r\n"
            let envelope = "MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nRCPT TO:<c@x>\r\nDATA\r\n"
            let replies = try await talk(
                port,
                envelope + message + "MAIL FROM:<a@x>\r\nRCPT TO:<c@x>\r\nRCPT TO:<d@x>\r\nDATA\r\n" + message
                    + envelope + ".\r\nXCOUNT\r\n",
                pieces: size, replies: 17)
            let codes = replies.map { String($0.prefix(3)) }.joined(separator: " ")
            let transaction = " 250 250 250 354 250"
            #expect(codes == "220" + transaction + transaction + transaction + " 250")
            #expect(replies.last?.contains("\"messages\":3,\"recipients\":6,\"duplicates\":1,") == true, "\(replies)")
            #expect(sink.counts.messages == 3 && sink.counts.duplicates == 1)
            _ = try await talk(port, "XRESET\r\n", pieces: 100, replies: 2)
            #expect(sink.counts == .init())
        }
    }
}
