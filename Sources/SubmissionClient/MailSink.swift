internal import Glibc
internal import NIOCore
internal import NIOPosix
import Synchronization

/// The far end of a measurement: a server that takes every message at once and keeps nothing but counts.
///
/// Enough of RFC 5321 for servers that relay to it, in the clear, with PIPELINING, 8BITMIME and SMTPUTF8; no BDAT, no
/// limit on a message. `XCOUNT` is answered with the counts as JSON, `XRESET` begins them anew. For loopback only.
package final class MailSink: Sendable {
    package struct Counts: Sendable, Hashable {
        package var messages = 0
        /// Of the messages taken.
        package var recipients = 0
        /// Recipients that had a message of this Message-ID before.
        package var duplicates = 0
        package var octets = 0
        /// Between the first message's end and the last one's.
        package var elapsed: Duration = .zero

        package init() {}

        package var json: String {
            "{\"messages\":\(messages),\"recipients\":\(recipients),\"duplicates\":\(duplicates),"
                + "\"octets\":\(octets),\"elapsed_us\":\(Int64(elapsed.inSeconds * 1e6))}"
        }
    }

    private struct State {
        var counts = Counts()
        var first: ContinuousClock.Instant?
        /// Hashes of Message-ID and recipient: of a million pairs two collide once in thirty million runs.
        var seen: Set<Int> = []
        var whenReached: (messages: Int, action: @Sendable () -> Void)?
    }

    private let state = Mutex(State())
    private let group: MultiThreadedEventLoopGroup
    private let listener: Mutex<(any Channel)?> = Mutex(nil)

    package init(threads: Int = 1) { group = MultiThreadedEventLoopGroup(numberOfThreads: threads) }

    package var counts: Counts { state.withLock { $0.counts } }

    /// Calls `action` once, when so many messages have come.
    package func when(_ messages: Int, _ action: @escaping @Sendable () -> Void) {
        state.withLock { $0.whenReached = (messages, action) }
    }

    /// The port it listens on.
    package func start(host: String, port: Int) async throws -> Int {
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(MailSinkHandler(self))
                }
            }
            .bind(host: host, port: port).get()
        listener.withLock { $0 = channel }
        return channel.localAddress?.port ?? port
    }

    package func stop() async throws {
        try await listener.withLock { $0 }?.close().get()
        try await group.shutdownGracefully()
    }

    func reset() {
        state.withLock { state in
            state.counts = Counts()
            state.first = nil
            state.seen.removeAll()
        }
    }

    func take(_ messageID: [UInt8], recipients: [Int], octets: Int) {
        let action = state.withLock { state -> (@Sendable () -> Void)? in
            let now = ContinuousClock.now
            let first = state.first ?? now
            state.first = first
            state.counts.messages += 1
            state.counts.recipients += recipients.count
            state.counts.octets += octets
            state.counts.elapsed = now - first
            if !messageID.isEmpty {
                for recipient in recipients {
                    var hasher = Hasher()
                    hasher.combine(messageID)
                    hasher.combine(recipient)
                    if !state.seen.insert(hasher.finalize()).inserted { state.counts.duplicates += 1 }
                }
            }
            guard let reached = state.whenReached, state.counts.messages >= reached.messages else { return nil }
            state.whenReached = nil
            return reached.action
        }
        action?()
    }
}

/// One connection to the sink. It looks at commands by their first letters, at content for its end alone.
private final class MailSinkHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Where a Message-ID is looked for: it stands behind the fields that relays add.
    private static let headSize = 8192
    private static let end: [UInt8] = Array("\r\n.\r\n".utf8)

    private let sink: MailSink
    private var input = ByteBuffer()
    private var output = ByteBuffer()
    private var isContent = false
    private var isClosing = false
    private var recipients: [Int] = []
    private var head: [UInt8] = []
    private var octets = 0

    init(_ sink: MailSink) { self.sink = sink }

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "220 sink.invalid ESMTP\r\n")), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if input.readableBytes == 0 { input = bytes } else { input.writeBuffer(&bytes) }
        while !isClosing, isContent ? takeContent() : takeCommand() {}
        if input.readableBytes == 0 { input = ByteBuffer() } else { input.discardReadBytes() }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        guard output.readableBytes > 0 else { return }
        context.writeAndFlush(wrapOutboundOut(output), promise: nil)
        output = ByteBuffer()
        if isClosing { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    /// False when there is no whole line.
    private func takeCommand() -> Bool {
        guard let lineFeed = input.readableBytesView.firstIndex(of: UInt8(ascii: "\n")),
            let line = input.readBytes(length: lineFeed - input.readerIndex + 1)
        else { return false }
        switch String(decoding: line.prefix(4), as: UTF8.self).uppercased() {
        case "EHLO": output.writeString("250-sink.invalid\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n")
        case "RCPT":
            var hasher = Hasher()
            hasher.combine(line)
            recipients.append(hasher.finalize())
            output.writeString("250 2.1.5 Ok\r\n")
        case "DATA":
            isContent = true
            // The dot may stand on the first line: the line before it counts.
            output.writeString("354 Go on\r\n")
        case "MAIL", "RSET":
            recipients.removeAll()
            output.writeString("250 2.1.0 Ok\r\n")
        case "XCOU": output.writeString("250 \(sink.counts.json)\r\n")
        case "XRES":
            sink.reset()
            output.writeString("250 2.0.0 Ok\r\n")
        case "QUIT":
            isClosing = true
            output.writeString("221 2.0.0 Bye\r\n")
        case "HELO", "NOOP": output.writeString("250 2.0.0 Ok\r\n")
        default: output.writeString("500 5.5.1 Unknown\r\n")
        }
        return true
    }

    /// False when more octets are needed.
    private func takeContent() -> Bool {
        if octets == 0, input.readableBytes >= 3, input.readableBytesView.starts(with: Self.end.dropFirst(2)) {
            return finish(length: 3)
        }
        if let length = input.withUnsafeReadableBytes(Self.lengthToEnd) { return finish(length: length) }
        // What may be the beginning of the end stays.
        keep(max(0, input.readableBytes - (Self.end.count - 1)))
        return false
    }

    /// Up to and with CRLF "." CRLF.
    private static func lengthToEnd(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard let base = bytes.baseAddress else { return nil }
        var index = 1
        while index + 3 < bytes.count,
            let found = memchr(base + index, Int32(UInt8(ascii: "\n")), bytes.count - 3 - index)
        {
            index = UnsafeRawPointer(found) - base
            if bytes[index + 1] == UInt8(ascii: "."), bytes[index - 1] == UInt8(ascii: "\r"),
                bytes[index + 2] == UInt8(ascii: "\r"), bytes[index + 3] == UInt8(ascii: "\n")
            {
                return index + 4
            }
            index += 1
        }
        return nil
    }

    private func keep(_ length: Int) {
        if head.count < Self.headSize {
            head += input.readableBytesView.prefix(min(length, Self.headSize - head.count))
        }
        octets += length
        input.moveReaderIndex(forwardBy: length)
    }

    private func finish(length: Int) -> Bool {
        keep(length)
        sink.take(messageID, recipients: recipients, octets: octets)
        output.writeString("250 2.0.0 Ok\r\n")
        (isContent, octets, recipients) = (false, 0, [])
        head.removeAll(keepingCapacity: true)
        return true
    }

    /// The value of Message-ID, its line end included; empty where there is none.
    private var messageID: [UInt8] {
        let name = Array("message-id:".utf8)
        var start = head.startIndex
        while start < head.endIndex {
            let end = head[start...].firstIndex(of: UInt8(ascii: "\n")) ?? head.endIndex
            let line = head[start..<end]
            // Letters differ from their capitals in one bit.
            if line.count > name.count, zip(line, name).allSatisfy({ $0 | 0x20 == $1 }) {
                return Array(line.dropFirst(name.count))
            }
            if line.count <= 1 { return [] }
            start = end + 1
        }
        return []
    }
}
