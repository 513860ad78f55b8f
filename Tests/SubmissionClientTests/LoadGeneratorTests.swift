import Histogram
import NIOCore
import NIOPosix
import SubmissionClient
import Synchronization
import Testing

/// A server that answers every line by a script: enough SMTP for a load run, in the clear.
private final class ScriptedServer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    struct Script: Sendable {
        /// The reply to the n-th message, from 0.
        var verdict: @Sendable (Int) -> String = { _ in "250 2.0.0 Ok\r\n" }
        var messageIDs = SharedSet()
        var connections = SharedSet()
    }

    final class SharedSet: Sendable {
        private let values = Mutex(Set<String>())
        func insert(_ value: String) -> Int {
            values.withLock {
                $0.insert(value)
                return $0.count
            }
        }
        var count: Int { values.withLock { $0.count } }
    }

    private let script: Script
    private var line = ""
    private var isContent = false

    init(_ script: Script) { self.script = script }

    func channelActive(context: ChannelHandlerContext) {
        _ = script.connections.insert("\(ObjectIdentifier(self))\(context.remoteAddress?.port ?? 0)")
        reply("220 scripted\r\n", context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var output = ""
        for scalar in String(buffer: unwrapInboundIn(data)).unicodeScalars {
            line.unicodeScalars.append(scalar)
            guard scalar == "\n" else { continue }
            output += answer(to: String(line.dropLast()))
            line = ""
        }
        guard !output.isEmpty else { return }
        reply(output, context)
        if output.contains("221 ") || output.contains("421 ") { context.close(promise: nil) }
    }

    private func answer(to line: String) -> String {
        if isContent {
            if line.hasPrefix("Message-ID:") { _ = script.messageIDs.insert(line) }
            guard line == "." else { return "" }
            isContent = false
            return script.verdict(script.messageIDs.count - 1)
        }
        if line == "DATA" {
            isContent = true
            return "354 go\r\n"
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
                    try channel.pipeline.syncOperations.addHandler(ScriptedServer(script))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let result = try await body(listener.localAddress?.port ?? 0)
        try await listener.close().get()
        return result
    }
}

@Suite struct LoadGeneratorTests {
    private func plan(port: Int, messages: Int = 100, connections: Int = 5, perConnection: Int = 0) -> LoadPlan {
        LoadPlan(
            host: "127.0.0.1", port: port, connections: connections, messages: messages,
            messagesPerConnection: perConnection, size: 2_000, recipients: 2, from: "a@own.example",
            toDomain: "x.example", client: .init(heloName: "bench", startsTLS: false, credentials: nil), tls: nil,
            threads: 2, timeout: .seconds(10))
    }

    private func run(_ plan: LoadPlan) async throws -> LoadReport {
        try await LoadGenerator(plan, date: "Tue, 24 Nov 2026 13:30:55 +0000").run { _ in }
    }

    @Test func `every message is sent once, with a Message-ID of its own`() async throws {
        let script = ScriptedServer.Script()
        let report = try await ScriptedServer.with(script) { try await run(plan(port: $0)) }
        #expect(report.accepted == 100)
        #expect(report.latency.totalCount == 100)
        #expect(script.messageIDs.count == 100)
        #expect(script.connections.count == 5)
        #expect(report.sessions == 5)
        #expect(report.failures.isEmpty && report.fatal == nil && report.refused == 0 && report.unanswered == 0)
        #expect(report.messagesPerSecond > 0)
    }

    @Test func `connections end after their messages and others take their place`() async throws {
        let script = ScriptedServer.Script()
        let report = try await ScriptedServer.with(script) { try await run(plan(port: $0, perConnection: 10)) }
        #expect(report.accepted == 100)
        #expect((10...15).contains(script.connections.count))
    }

    @Test func `refusals are counted by their codes`() async throws {
        var script = ScriptedServer.Script()
        script.verdict = { $0 % 4 == 0 ? "450 4.7.1 cap\r\n" : $0 % 4 == 1 ? "554 no\r\n" : "250 ok\r\n" }
        let report = try await ScriptedServer.with(script) { try await run(plan(port: $0, connections: 1)) }
        #expect(report.refusals == ["450 4.7.1": 25, "554": 25])
        #expect(report.examples["450 4.7.1"] == "450 4.7.1 cap")
        #expect(report.accepted == 50)
        #expect(report.latency.totalCount == 50)
    }

    @Test func `a connection that the server ends is replaced, and its message counted as refused`() async throws {
        var script = ScriptedServer.Script()
        script.verdict = { $0 == 10 ? "421 4.3.2 later\r\n" : "250 ok\r\n" }
        let report = try await ScriptedServer.with(script) { try await run(plan(port: $0, connections: 1)) }
        #expect(report.accepted == 99)
        #expect(report.refusals == ["421 4.3.2": 1])
        #expect(report.failures.count == 1)
        #expect(script.connections.count == 2)
    }

    @Test func `a server that is not there ends the run with a reason`() async throws {
        let port = try await ScriptedServer.with(ScriptedServer.Script()) { $0 }
        let report = try await run(plan(port: port))
        #expect(report.accepted == 0)
        #expect(report.fatal != nil)
    }

    @Test func `messages have the size asked for and no line that begins with a dot`() {
        for size in [512, 513, 588, 10_240] {
            let message = LoadMessage(
                size: size, from: "a@own.example", to: "r1@x.example", date: "Tue, 24 Nov 2026 13:30:55 +0000")
            #expect((size - 2...size).contains(message.size))
            let text = String(buffer: message.numbered(7))
            #expect(text.contains(".0000000000000007@own.example>\r\n"))
            #expect(text.hasSuffix("\r\n") && !text.contains("\n."))
        }
    }
}
