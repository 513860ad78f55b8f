import Foundation
import Histogram
import NIOCore
import SubmissionClient
import Synchronization
import TLS
import Testing

@Suite struct LoadGeneratorTests {
    private func plan(port: Int, messages: Int = 100, connections: Int = 5, perConnection: Int = 0) -> LoadPlan {
        var plan = LoadPlan(
            host: "127.0.0.1", port: port, messages: messages, from: "a@own.example", toDomain: "x.example",
            client: .init(heloName: "bench", startsTLS: false, credentials: nil), tls: nil)
        plan.connections = connections
        plan.messagesPerConnection = perConnection
        plan.sizes = .fixed(2_000)
        plan.recipients = 2
        plan.threads = 2
        plan.timeout = .seconds(10)
        return plan
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
            let numbered = message.numbered(7, size: size)
            #expect((size - 2...size).contains(numbered.readableBytes))
            let text = String(buffer: numbered)
            #expect(text.contains(".0000000000000007@own.example>\r\n"))
            #expect(text.hasSuffix("\r\n") && !text.contains("\n."))
        }
    }

    // MARK: Sizes

    @Test func `sizes like mail's follow their quantiles, and a seed repeats them`() {
        let sizes = LoadSizes.likeMail(seed: 7)
        let drawn = (0..<20_000).map { sizes.size(of: $0) }
        #expect(drawn == (0..<20_000).map { LoadSizes.likeMail(seed: 7).size(of: $0) })
        #expect(drawn != (0..<20_000).map { LoadSizes.likeMail(seed: 8).size(of: $0) })
        #expect(drawn.allSatisfy { (LoadMessage.minimumSize...sizes.largest).contains($0) })
        for (share, size) in LoadSizes.quantiles.dropFirst().dropLast(2) {
            let below = Double(drawn.count { Double($0) < size }) / Double(drawn.count)
            #expect(abs(below - share) < 0.015, "\(below) of them are below \(size), not \(share)")
        }
    }

    @Test func `messages have the sizes that were drawn`() async throws {
        let script = ScriptedServer.Script()
        let report = try await ScriptedServer.with(script) { port in
            var plan = plan(port: port, messages: 60)
            plan.sizes = .likeMail(seed: 3)
            return try await run(plan)
        }
        let sum = (0..<60).map { LoadSizes.likeMail(seed: 3).size(of: $0) }.reduce(0, +)
        #expect(report.accepted == 60)
        #expect((sum - 120...sum).contains(report.octets))
    }

    // MARK: Rate

    @Test func `at a rate, latency counts from when a message should have begun`() async throws {
        var script = ScriptedServer.Script()
        script.delay = .milliseconds(10)
        // One connection, 10 ms a message, 1,000 a second wanted: the last of 50 begins some 450 ms too late.
        let open = try await ScriptedServer.with(script) { port in
            var plan = plan(port: port, messages: 50, connections: 1)
            plan.rate = 1000
            return try await run(plan)
        }
        let closed = try await ScriptedServer.with(script) {
            try await run(plan(port: $0, messages: 50, connections: 1))
        }
        #expect(open.accepted == 50 && closed.accepted == 50)
        #expect(open.latency.max > 350_000)
        #expect(open.latency.valueAtPercentile(50) > 4 * closed.latency.valueAtPercentile(50))
    }

    @Test func `at a rate, no message begins before its time`() async throws {
        let script = ScriptedServer.Script()
        let report = try await ScriptedServer.with(script) { port in
            var plan = plan(port: port, messages: 40, connections: 4)
            plan.rate = 200
            return try await run(plan)
        }
        #expect(report.accepted == 40)
        #expect(report.elapsed >= .milliseconds(195), "39 gaps of 5 ms")
    }

    @Test func `at a rate, connections that come and go are opened in time`() async throws {
        let script = ScriptedServer.Script()
        let report = try await ScriptedServer.with(script) { port in
            var plan = plan(port: port, messages: 30, connections: 3, perConnection: 1)
            plan.rate = 300
            return try await run(plan)
        }
        #expect(report.accepted == 30)
        #expect(script.connections.count == 30)
        #expect(report.setUp.totalCount == 30)
        #expect(report.elapsed >= .milliseconds(96))
    }

    // MARK: Pipelining, logins, TLS

    @Test func `pipelined messages go out behind each other`() async throws {
        var script = ScriptedServer.Script()
        script.hello = "250-scripted\r\n250 PIPELINING\r\n"
        script.verdict = { $0 % 10 == 9 ? "550 5.7.1 no\r\n" : "250 2.0.0 Ok\r\n" }
        let report = try await ScriptedServer.with(script) { port in
            var plan = plan(port: port, messages: 100, connections: 2)
            plan.client.pipelines = true
            return try await run(plan)
        }
        #expect(report.accepted == 90)
        #expect(report.refusals == ["550 5.7.1": 10])
        #expect(script.messageIDs.count == 100)
        #expect(script.longestBurst.all.contains { $0.hasPrefix(". MAIL RCPT RCPT DATA") })
    }

    @Test func `nothing is pipelined to a server that does not offer it`() async throws {
        let report = try await ScriptedServer.with(ScriptedServer.Script()) { port in
            var plan = plan(port: port)
            plan.client.pipelines = true
            return try await run(plan)
        }
        #expect(report.accepted == 0)
        #expect(report.fatal?.contains("PIPELINING") == true)
    }

    @Test func `each connection has the next login, by the best mechanism on offer`() async throws {
        var script = ScriptedServer.Script()
        script.hello = "250-scripted\r\n250 AUTH LOGIN PLAIN CRAM-MD5\r\n"
        let report = try await ScriptedServer.with(script) { port in
            var plan = plan(port: port, messages: 12, connections: 3, perConnection: 1)
            plan.client.choosesMechanism = true
            plan.logins = (1...12).map { .init(username: "u\($0)", secret: "s", mechanism: .scramSHA256) }
            return try await run(plan)
        }
        #expect(report.accepted == 12)
        #expect(report.mechanism == .plain)
        #expect(script.authentications.count == 12)
    }

    @Test func `TLS may come before the greeting`() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "gatepost-load-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let authority = try CertificateAuthority.create(in: folder, name: "test")
        _ = try authority.issue("server", .server(hosts: ["localhost"]))
        var script = ScriptedServer.Script()
        script.tls = try .server(
            certificateChain: authority.certificateFile(of: "server"), privateKey: authority.keyFile(of: "server"))
        let report = try await ScriptedServer.with(script) { port in
            var plan = plan(port: port)
            plan.tls = .init(
                context: try .client(authorities: authority.certificateFile(of: "ca")), serverName: "localhost",
                isAtOnce: true)
            return try await run(plan)
        }
        #expect(report.accepted == 100)
        #expect(report.tls?.hasPrefix("TLSv1.3") == true)
    }

    // MARK: Holding

    @Test func `connections are held after their share, silent, until the time is over`() async throws {
        let script = ScriptedServer.Script()
        let held = Mutex<Int?>(nil)
        let report = try await ScriptedServer.with(script) { port in
            var plan = plan(port: port, messages: 20, connections: 10)
            plan.hold = .time(.seconds(4))
            // Shorter than the hold: silence is what is wanted.
            plan.timeout = .seconds(3)
            let generator = LoadGenerator(plan, date: "Tue, 24 Nov 2026 13:30:55 +0000")
            return try await generator.run { _ in
            } holding: {
                held.withLock { $0 = script.connections.count }
            }
        }
        #expect(held.withLock { $0 } == 10)
        #expect(report.accepted == 20)
        #expect(report.failures.isEmpty)
        #expect(!report.isInterrupted)
    }

    @Test func `a hold without a time ends when it is told to`() async throws {
        let script = ScriptedServer.Script()
        let report = try await ScriptedServer.with(script) { port in
            var plan = plan(port: port, messages: 5, connections: 5)
            plan.hold = .untilStopped
            let generator = LoadGenerator(plan, date: "Tue, 24 Nov 2026 13:30:55 +0000")
            return try await generator.run { _ in
            } holding: {
                generator.stop()
            }
        }
        #expect(report.accepted == 5)
        #expect(!report.isInterrupted && report.failures.isEmpty)
    }
}
