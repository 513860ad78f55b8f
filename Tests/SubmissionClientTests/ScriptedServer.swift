import NIOCore
import NIOPosix
import Synchronization
import TLS

/// A server that answers every line by a script: enough SMTP for a load run, in the clear.
final class ScriptedServer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    struct Script: Sendable {
        /// The reply to the n-th message, from 0.
        var verdict: @Sendable (Int) -> String = { _ in "250 2.0.0 Ok\r\n" }
        /// Whichever connection they came on.
        let messages = Count()
        /// How long that reply takes.
        var delay = TimeAmount.zero
        var hello = "250 ok\r\n"
        /// Behind AUTH, whole.
        var authentications = SharedSet()
        /// How much came in one read.
        var longestBurst = SharedSet()
        var tls: TLSContext?
        var messageIDs = SharedSet()
        var connections = SharedSet()
    }

    final class Count: Sendable {
        private let value = Atomic(0)
        func next() -> Int { value.add(1, ordering: .relaxed).oldValue }
    }

    final class SharedSet: Sendable {
        private let values = Mutex(Set<String>())
        func insert(_ value: String) { values.withLock { _ = $0.insert(value) } }
        var count: Int { values.withLock { $0.count } }
        var all: Set<String> { values.withLock { $0 } }
    }

    private let script: Script
    private var line = ""
    private var isContent = false

    init(_ script: Script) { self.script = script }

    func channelActive(context: ChannelHandlerContext) {
        script.connections.insert("\(ObjectIdentifier(self))\(context.remoteAddress?.port ?? 0)")
        reply("220 scripted\r\n", context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var output = ""
        var commands: [Substring] = []
        defer { if commands.count > 1 { script.longestBurst.insert(commands.joined(separator: " ")) } }
        for scalar in String(buffer: unwrapInboundIn(data)).unicodeScalars {
            line.unicodeScalars.append(scalar)
            guard scalar == "\n" else { continue }
            let text = line.replacing("\r\n", with: "")
            if !isContent || text == "." { commands.append(text.prefix(4)) }
            let wasContent = isContent
            let reply = answer(to: text)
            line = ""
            if wasContent, !isContent, script.delay > .zero {
                let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
                context.eventLoop.scheduleTask(in: script.delay) { bound.value.0.reply(reply, bound.value.1) }
            } else {
                output += reply
            }
        }
        guard !output.isEmpty else { return }
        reply(output, context)
        if output.contains("221 ") || output.contains("421 ") { context.close(promise: nil) }
    }

    private func answer(to line: String) -> String {
        if isContent {
            if line.hasPrefix("Message-ID:") { script.messageIDs.insert(line) }
            guard line == "." else { return "" }
            isContent = false
            return script.verdict(script.messages.next())
        }
        if line == "DATA" {
            isContent = true
            return "354 go\r\n"
        }
        if line.hasPrefix("EHLO") { return script.hello }
        if line.hasPrefix("AUTH") {
            script.authentications.insert(line)
            return "235 ok\r\n"
        }
        return line == "QUIT" ? "221 bye\r\n" : "250 ok\r\n"
    }

    private func reply(_ text: String, _ context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
    }

    static func with<R>(_ script: Script, _ body: (Int) async throws -> R) async throws -> R {
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls = script.tls {
                        try channel.pipeline.syncOperations.addHandler(TLSHandler(context: tls, mode: .server))
                    }
                    try channel.pipeline.syncOperations.addHandler(ScriptedServer(script))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let result = try await body(listener.localAddress?.port ?? 0)
        try await listener.close().get()
        return result
    }
}
