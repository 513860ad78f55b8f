import NIOCore
import NIOEmbedded
import TLS
import Testing

@Suite struct HandshakeTests {
    let certificates: Certificates

    init() throws { certificates = try Certificates() }

    @Test(arguments: [1, 2, 3, 5, 7, 16, 100, 1_000, Int.max])
    func `a handshake and a dialogue work however the octets are cut`(pieces: Int) throws {
        let pair = try Pair(certificates.server(), certificates.client())
        pair.pieces = pieces
        pair.run()
        #expect(pair.serverEnd.session?.version == "TLSv1.3", "\(pair.serverEnd.failure) \(pair.clientEnd.failure)")
        #expect(pair.clientEnd.session?.version == "TLSv1.3")
        pair.say("EHLO client.example\r\n", from: pair.client)
        pair.say("250 server.example\r\n", from: pair.server)
        #expect(pair.serverEnd.text == "EHLO client.example\r\n")
        #expect(pair.clientEnd.text == "250 server.example\r\n")
    }

    @Test(arguments: [1_021, 16_384, 65_536, Int.max])
    func `a megabyte arrives whole both ways at once`(pieces: Int) throws {
        let pair = try Pair(certificates.server(), certificates.client())
        pair.pieces = pieces
        pair.run()
        let megabyte = pattern(1 << 20)
        pair.client.writeAndFlush(megabyte, promise: nil)
        pair.server.writeAndFlush(megabyte, promise: nil)
        pair.run()
        #expect(pair.serverEnd.received == megabyte)
        #expect(pair.clientEnd.received == megabyte)
    }

    @Test func `a ticket goes at once where nothing came with the client's Finished, which it acknowledges`() throws {
        let pair = try Pair(certificates.server(), certificates.client())
        pair.run()
        let withTicket = pair.serverOctets
        pair.server.embeddedEventLoop.advanceTime(by: .seconds(1))
        pair.say("220 server.example\r\n", from: pair.server)
        #expect(pair.serverOctets < withTicket + 64, "a ticket has some 200 octets")
        #expect(pair.clientEnd.text == "220 server.example\r\n")
    }

    @Test(arguments: [true, false])
    func `where the client's words came with its Finished a ticket goes with the reply, or half a second later`(
        speaks: Bool
    ) throws {
        let plain = try Pair(certificates.server(), certificates.client())
        plain.run()
        let pair = try Pair(certificates.server(), certificates.client())
        pair.client.writeAndFlush(ByteBuffer(string: "EHLO client.example\r\n"), promise: nil)
        pair.run()
        #expect(pair.serverEnd.text == "EHLO client.example\r\n")
        let handshake = pair.serverOctets
        #expect(handshake + 150 < plain.serverOctets)
        if speaks {
            pair.say("220 server.example\r\n", from: pair.server)
        } else {
            pair.server.embeddedEventLoop.advanceTime(by: .milliseconds(499))
            pair.run()
            #expect(pair.serverOctets == handshake)
            pair.server.embeddedEventLoop.advanceTime(by: .milliseconds(1))
            pair.run()
        }
        #expect(pair.serverOctets > handshake + 150)
        let settled = pair.serverOctets
        pair.say("250 2.0.0 Ok\r\n", from: pair.server)
        #expect(pair.serverOctets < settled + 64)
        #expect(pair.clientEnd.text == (speaks ? "220 server.example\r\n" : "") + "250 2.0.0 Ok\r\n")
    }

    @Test func `last words and the goodbye are one write`() throws {
        let pair = try Pair(certificates.server(), certificates.client())
        pair.run()
        pair.say("250 2.0.0 Ok\r\n", from: pair.server)
        pair.server.write(ByteBuffer(string: "221 2.0.0 Bye\r\n"), promise: nil)
        pair.server.close(mode: .output, promise: nil)
        let wire = try #require(try pair.server.readOutbound(as: ByteBuffer.self))
        #expect(try pair.server.readOutbound(as: ByteBuffer.self) == nil)
        pair.client.pipeline.fireChannelRead(wire)
        #expect(pair.clientEnd.text.hasSuffix("221 2.0.0 Bye\r\n"))
        #expect(pair.clientEnd.events.contains { if case .closedCleanly = $0 { true } else { false } })
    }

    @Test func `what is written before the handshake is complete is sent after it, in order`() throws {
        let pair = try Pair(certificates.server(), certificates.client())
        let done = pair.client.eventLoop.makePromise(of: Void.self)
        pair.client.write(ByteBuffer(string: "one "), promise: nil)
        pair.client.writeAndFlush(ByteBuffer(string: "two"), promise: done)
        pair.client.write(ByteBuffer(string: " never flushed"), promise: nil)
        pair.run()
        #expect(pair.serverEnd.text == "one two")
        try done.futureResult.wait()
        pair.client.flush()
        pair.run()
        #expect(pair.serverEnd.text == "one two never flushed")
    }

    @Test func `several writes and one flush leave as one piece`() throws {
        let pair = try Pair(certificates.server(), certificates.client())
        pair.run()
        for word in ["250-a\r\n", "250-b\r\n", "250 c\r\n"] {
            pair.server.write(ByteBuffer(string: word), promise: nil)
        }
        pair.server.flush()
        #expect(try pair.server.readOutbound(as: ByteBuffer.self) != nil)
        #expect(try pair.server.readOutbound(as: ByteBuffer.self) == nil)
    }

    /// A server that holds its readers back by asking for each read must not be left waiting by half a record.
    @Test func `a reader that asks for one read gets plaintext for it, however little each read brings`() throws {
        let pair = try Pair(certificates.server(), certificates.client())
        pair.run()
        try pair.server.setOption(.autoRead, value: false).wait()
        let asked = ReadAsker()
        try pair.server.pipeline.syncOperations.addHandler(asked, position: .before(pair.serverTLS))
        pair.client.writeAndFlush(ByteBuffer(string: "hello"), promise: nil)
        var record = try #require(try pair.client.readOutbound(as: ByteBuffer.self))
        pair.server.read()
        #expect(asked.reads == 1)
        var pieces = 1
        while let piece = record.readSlice(length: 1) {
            #expect(asked.reads == pieces)
            pair.server.pipeline.fireChannelRead(piece)
            pair.server.pipeline.fireChannelReadComplete()
            pieces += 1
        }
        #expect(pair.serverEnd.text == "hello")
        #expect(asked.reads == pieces - 1, "the last piece brought plaintext: nothing more is asked for")
    }

    @Test func `several records in one read arrive as one piece`() throws {
        let pair = try Pair(certificates.server(), certificates.client())
        pair.run()
        var records = ByteBuffer()
        for word in ["a", "b", "c"] {
            pair.client.writeAndFlush(ByteBuffer(string: word), promise: nil)
            while var record = try pair.client.readOutbound(as: ByteBuffer.self) { records.writeBuffer(&record) }
        }
        let counter = ReadCounter()
        try pair.server.pipeline.syncOperations.addHandler(counter, position: .after(pair.serverTLS))
        pair.server.pipeline.fireChannelRead(records)
        #expect(pair.serverEnd.text == "abc")
        #expect(counter.reads == 1)
    }

    @Test func `a handler added to a live channel starts at once, as STARTTLS needs`() throws {
        let pair = try Pair(certificates.server(), certificates.client())
        let server = EmbeddedChannel()
        let client = EmbeddedChannel()
        let ends = (Collector(), Collector())
        try server.pipeline.syncOperations.addHandler(ends.0)
        try client.pipeline.syncOperations.addHandler(ends.1)
        try server.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        try client.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        server.writeAndFlush(ByteBuffer(string: "220 2.0.0 Ready\r\n"), promise: nil)
        try server.pipeline.syncOperations.addHandler(
            TLSHandler(context: certificates.server(), mode: .server), position: .first)
        let plain = try #require(try server.readOutbound(as: ByteBuffer.self))
        #expect(String(buffer: plain) == "220 2.0.0 Ready\r\n")
        try client.pipeline.syncOperations.addHandler(
            TLSHandler(context: certificates.client(), mode: .client(serverName: "localhost")), position: .first)
        while true {
            var moved = false
            while let octets = try client.readOutbound(as: ByteBuffer.self) {
                moved = true
                server.pipeline.fireChannelRead(octets)
            }
            while let octets = try server.readOutbound(as: ByteBuffer.self) {
                moved = true
                client.pipeline.fireChannelRead(octets)
            }
            if !moved { break }
        }
        #expect(ends.0.session != nil && ends.1.session != nil)
        #expect(ends.0.text.isEmpty && ends.1.text.isEmpty)
        _ = pair
    }

    @Test func `both sides export the same keying material, and another connection other`() throws {
        let first = try Pair(certificates.server(), certificates.client())
        #expect(throws: TLSError.notEstablished) { try first.serverTLS.channelBinding() }
        first.run()
        let second = try Pair(certificates.server(), certificates.client())
        second.run()
        let binding = try first.serverTLS.channelBinding()
        #expect(binding.count == 32)
        #expect(try first.clientTLS.channelBinding() == binding)
        #expect(try second.serverTLS.channelBinding() != binding)
        #expect(try first.serverTLS.exportKeyingMaterial(label: "EXPORTER-Other", length: 32) != binding)
    }

    @Test func `a clean close is told apart from a cut`() throws {
        let clean = try Pair(certificates.server(), certificates.client())
        clean.run()
        clean.client.writeAndFlush(ByteBuffer(string: "QUIT\r\n"), promise: nil)
        clean.client.close(promise: nil)
        clean.run()
        #expect(clean.serverEnd.text == "QUIT\r\n")
        #expect(clean.serverEnd.events.last == .closedCleanly)
        #expect(clean.serverEnd.isInactive, "the server closes, too")

        let cut = try Pair(certificates.server(), certificates.client())
        cut.run()
        cut.client.writeAndFlush(ByteBuffer(string: "DATA\r\nhalf"), promise: nil)
        cut.run()
        cut.server.pipeline.fireChannelInactive()
        #expect(cut.serverEnd.text == "DATA\r\nhalf")
        #expect(cut.serverEnd.isInactive)
        #expect(!cut.serverEnd.events.contains(.closedCleanly))
    }

    @Test func `a write after the close fails instead of vanishing`() throws {
        let pair = try Pair(certificates.server(), certificates.client())
        let early = pair.server.eventLoop.makePromise(of: Void.self)
        pair.server.writeAndFlush(ByteBuffer(string: "too early"), promise: early)
        pair.server.close(promise: nil)
        #expect(throws: ChannelError.self) { try early.futureResult.wait() }
    }

    @Test(arguments: ["EHLO plain.example\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\u{16}\u{3}\u{1}\u{0}\u{4}nope"])
    func `what is no TLS fails with a reason, closes, and is not reflected`(input: String) throws {
        let server = EmbeddedChannel()
        let end = Collector()
        let handler = TLSHandler(context: try certificates.server(), mode: .server)
        try server.pipeline.syncOperations.addHandlers([handler, end])
        try server.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        server.pipeline.fireChannelRead(ByteBuffer(string: input))
        guard case .handshake(let reason)? = end.errors.first as? TLSError else {
            Issue.record("no handshake error but \(end.failure)")
            return
        }
        #expect(!reason.isEmpty)
        #expect(!server.isActive)
        #expect(handler.session == nil)
    }

    @Test func `a handshake begins with the whole hello, and only where it is admitted`() throws {
        let client = EmbeddedChannel()
        try client.pipeline.syncOperations.addHandler(
            TLSHandler(context: certificates.client(), mode: .client(serverName: "localhost")))
        try client.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        let hello = try #require(try client.readOutbound(as: ByteBuffer.self))
        for isAdmitted in [true, false] {
            var asked = 0
            let server = EmbeddedChannel()
            let end = Collector()
            let handler = TLSHandler(context: try certificates.server(), mode: .server) { decide in
                asked += 1
                decide(isAdmitted)
            }
            try server.pipeline.syncOperations.addHandlers([handler, end])
            try server.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
            for index in 0..<hello.readableBytes {
                #expect(asked == 0, "asked after \(index) octets")
                server.pipeline.fireChannelRead(try #require(hello.getSlice(at: hello.readerIndex + index, length: 1)))
                server.pipeline.fireChannelReadComplete()
            }
            #expect(asked == 1)
            #expect(server.isActive == isAdmitted)
            #expect((try server.readOutbound(as: ByteBuffer.self) != nil) == isAdmitted)
            #expect(end.errors.isEmpty)
        }
    }

    @Test func `a peer that leaves in mid-handshake is an error, not a silence`() throws {
        let pair = try Pair(certificates.server(), certificates.client())
        pair.server.pipeline.fireChannelInactive()
        #expect(pair.serverEnd.failure.contains("before it was complete"))
    }

    @Test func `a garbled record ends the connection`() throws {
        let pair = try Pair(certificates.server(), certificates.client())
        pair.run()
        pair.client.writeAndFlush(ByteBuffer(string: "MAIL FROM:<a@b.example>\r\n"), promise: nil)
        var record = try #require(try pair.client.readOutbound(as: ByteBuffer.self))
        let last = record.writerIndex - 1
        record.setInteger(try #require(record.getInteger(at: last, as: UInt8.self)) ^ 1, at: last)
        pair.server.pipeline.fireChannelRead(record)
        #expect(pair.serverEnd.text.isEmpty)
        guard case .connection? = pair.serverEnd.errors.first as? TLSError else {
            Issue.record("no connection error but \(pair.serverEnd.failure)")
            return
        }
        #expect(!pair.server.isActive)
    }
}

final class ReadCounter: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    var reads = 0

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        reads += 1
        context.fireChannelRead(data)
    }
}

/// Counts the reads that reach the network.
final class ReadAsker: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    var reads = 0

    func read(context: ChannelHandlerContext) { reads += 1 }
}
