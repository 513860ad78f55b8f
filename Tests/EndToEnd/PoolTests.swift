import Foundation
import Glibc
import Postgres
import SiteSupport
import TestSupport
import Testing

extension EndToEnd {
    /// Other people's mail servers as members of a pool: Postfix's own sink, and a real Postfix with TLS and logins.
    @Suite struct PoolTests {
        @Test func `a real Postfix is sent to over verified TLS; what it refuses comes back as a report`() async throws
        {
            let site = try await Site()
            let sink = try await Sink(site)
            let postfix = try await onThread { try Self.smarthost(site, relayingTo: sink.port) }
            try site.member(postfix.port, "--tls", "verify")
            let credential = try site.tenant("acme")
            let server = try await site.serve(
                environment: ["GATEPOST_FORWARDER_SMARTHOST_AUTHORITIES=\(site.ca)"])
            try site.send(
                server, credential, to: ["good@remote.example", "bad@remote.example"], subject: "half of it")
            #expect(
                await eventually(within: .seconds(30)) { sink.messages.count >= 2 }, "\(server.log)\(postfix.log)")
            #expect(await server.says("\"tls\":\"TLSv1.3\""))
            let message = try #require(
                sink.messages.first { $0.contains("Subject: half of it\n") && $0.contains("good@") })
            #expect(message.contains("with ESMTPSA"))
            let report = try #require(sink.messages.first { $0.contains("multipart/report") }, "\(server.log)")
            #expect(report.contains("X-Rcpt-Args: <news@acme.example>"))
            #expect(report.contains("X-Mail-Args: <>"))
            for line in [
                "Auto-Submitted: auto-replied", "Final-Recipient: rfc822; bad@remote.example", "Action: failed",
                "Status: 5.7.1", "Remote-MTA: dns; [127.0.0.1]", "Subject: half of it",
            ] {
                #expect(report.contains("\n\(line)"), "\(line) in \(report)")
            }
            #expect(!report.contains("good@remote.example\nAction"))
            #expect(sink.messages.count == 2)
        }

        @Test func `8-bit mail is converted for a server without 8BITMIME, and arrives the same`() async throws {
            let site = try await Site()
            let sink = try await Sink(site, "-8")
            try site.member(sink.port, "--tls", "none")
            let credential = try site.tenant("acme")
            let server = try await site.serve()
            try site.send(server, credential, to: ["a@remote.example"], subject: "eight", body: "Grüße\\r\\n.dot\\r\\n")
            #expect(await eventually(within: .seconds(30)) { sink.messages.count == 1 }, "\(server.log)")
            let message = try #require(sink.messages.first)
            #expect(message.contains("Content-Transfer-Encoding: quoted-printable"))
            #expect(message.contains("Gr=C3=BC=C3=9Fe\n.dot"))
        }

        @Test func `where STARTTLS is missing, require sends nothing, and opportunistic goes in the clear`()
            async throws
        {
            let site = try await Site()
            let sink = try await Sink(site)
            try site.member(sink.port, "--tls", "require")
            let credential = try site.tenant("acme")
            let server = try await site.serve()
            try site.send(server, credential, to: ["a@remote.example"], subject: "no TLS")
            #expect(
                await eventually(within: .seconds(30)) {
                    server.log.contains("STARTTLS is required and not offered")
                })
            #expect(sink.messages.isEmpty)
            try site.member(sink.port, "--tls", "opportunistic")
            #expect(await eventually(within: .seconds(60)) { sink.messages.count == 1 }, "\(server.log)")
        }

        @Test func `what waits in a forwarder's memory hears of a hold and of a cancellation`() async throws {
            let site = try await Site()
            let (port, journal) = (FreePort.find(), "\(site.folder)/slow")
            let hop = try site.client("slow_hop.py", "\(port)", journal, "1.5")
            defer {
                hop.signal(SIGKILL)
                hop.wait()
            }
            try site.member(port, "--tls", "none", "--connections", "1")
            let credential = try site.tenant("acme", "--daily", "100")
            let server = try await site.serve()
            let sent = "\(site.folder)/journal"
            try site.client(
                "load.py", sent, site.ca, credential.username, credential.secretFile, "1", "6", "60",
                "news@acme.example", "\(server.port)"
            ).wait()
            let ids = Journal(sent).acknowledged.values.flatMap(\.self).sorted()
            try #require(ids.count == 6)
            try site.gatepost("queue", "cancel", ids[5], "--yes")
            try site.gatepost("tenant", "suspend", "acme", "--hold-queue", "--yes")
            func dots() -> Int { readFile(journal).split(separator: "\n").count { $0 == "dot" } }
            // One may be under way, and the next have begun before the word was heard.
            try await Task.sleep(for: .seconds(2))
            let begun = dots()
            #expect(begun <= 4, "\(server.log)")
            try await Task.sleep(for: .seconds(4))
            #expect(dots() == begun, "nothing is begun while the queue is held: \(server.log)")
            let isRefunded = try await eventually(within: .seconds(20)) {
                try site.gatepost("usage", "acme", "--json").contains("\"used\":5,")
            }
            #expect(isRefunded, "\(server.log)")
            try site.gatepost("tenant", "resume", "acme")
            #expect(await eventually(within: .seconds(30)) { dots() == 5 }, "\(server.log)")
        }

        @Test func `a member is killed and another drained in mid-load: everything arrives`() async throws {
            let site = try await Site()
            let sinks = [try await Sink(site), try await Sink(site), try await Sink(site)]
            for sink in sinks { try site.member(sink.port, "--tls", "none") }
            let credential = try site.tenant("acme", "--daily", "unlimited", "--sessions", "100")
            let server = try await site.serve()
            let journalFile = "\(site.folder)/journal"
            let load = try site.client(
                "load.py", journalFile, site.ca, credential.username, credential.secretFile, "8", "600", "60",
                "news@acme.example", "\(server.port)")
            #expect(await eventually(within: .seconds(30)) { sinks.allSatisfy { $0.messages.count > 20 } })
            sinks[0].kill()
            try site.gatepost("relay", "drain", "default", "127.0.0.1:\(sinks[1].port)")
            load.wait()
            let journal = Journal(journalFile)
            #expect(journal.acknowledged.count == 600)
            var missing = Set(journal.acknowledged.keys)
            #expect(
                await eventually(within: .seconds(60), every: .milliseconds(200)) {
                    let all = sinks.flatMap(\.messages).joined()
                    missing = missing.filter { !all.contains($0) }
                    return missing.isEmpty
                }, "\(missing.count) missing")
            #expect(
                await eventually(within: .seconds(30)) { (try? site.gatepost("queue", "list", "--json")) == "" },
                "nothing is left in the queue")
            try await site.judge(journal)
        }

        @Test func `a relay's smarthost route answers with what the smarthost said`() async throws {
            let site = try await Site()
            let sink = try await Sink(site)
            let credential = try site.tenant("acme")
            let route = [
                "GATEPOST_RELAY_ROUTE=smarthost", "GATEPOST_RELAY_SMARTHOST=127.0.0.1:\(sink.port)",
                "GATEPOST_RELAY_SMARTHOST_TLS=none",
            ]
            let server = try await site.serve(environment: route)
            try site.send(server, credential, to: ["a@remote.example"], subject: "through")
            #expect(await eventually(within: .seconds(30)) { sink.messages.count == 1 }, "\(server.log)")
            let message = try #require(sink.messages.first)
            // The newest is the first (RFC 5321 §4.4).
            let hops = message.split(whereSeparator: \.isNewline).filter { $0.contains("(Gatepost) with") }
            #expect(hops.count == 2 && hops[0].contains("by relay.gate.example (Gatepost) with LMTPS"), "\(message)")
            #expect(hops.last?.contains("by mail.gate.example (Gatepost) with ESMTPSA") == true, "\(message)")
            let refusing = try await Sink(
                site, "-f", "RCPT", "-B", "550 5.1.1 nobody here", port: sink.port, after: sink)
            try site.send(server, credential, to: ["b@remote.example"], subject: "refused")
            #expect(
                await eventually(within: .seconds(30)) { server.log.contains("127.0.0.1 said: 550 5.1.1 nobody here") },
                "\(server.log)")
            #expect(refusing.messages.isEmpty)
        }

        @Test func `mail waits where a smarthost is one of our own relays, and check says so`() async throws {
            let far = try await Site()
            _ = try await far.serve("relay")
            let site = try await Site()
            let credential = try site.tenant("acme")
            try site.member(far.relayPort, "--tls", "require")
            let near = try await site.serve()
            try site.send(near, credential, to: ["a@remote.example"], subject: "waits")
            #expect(
                await eventually(within: .seconds(30)) {
                    (try? await site.sql.query(
                        """
                        SELECT FROM gatepost.recipient r
                        WHERE r.state = 'deferred' AND r.reply_code = 550
                            AND encode(r.reply, 'escape') LIKE '%Relaying denied%'
                        """
                    ).count) == 1
                }, "\(near.log)")
            let check = try site.run([Site.binary, "check", "--config", site.settings])
            #expect(check.status != 0 && check.standardOutput.contains("is one of Gatepost's own relays"), "\(check)")
        }

        @Test func `what a real Postfix has no room for in one transaction goes at once in the next`() async throws {
            let site = try await Site()
            let sink = try await Sink(site)
            let postfix = try await onThread {
                try PrivatePostfix(settings: [
                    "relayhost = [127.0.0.1]:\(sink.port)", "smtpd_relay_restrictions = permit_mynetworks, reject",
                    "smtpd_recipient_limit = 2", "smtpd_recipient_overshoot_limit = 1000",
                ])
            }
            try site.member(postfix.port, "--tls", "none")
            let credential = try site.tenant("acme")
            let server = try await site.serve()
            let recipients = (1...5).map { "r\($0)@remote.example" }
            try site.send(server, credential, to: recipients, subject: "five")
            // The schedule would try the others again in a minute.
            let all: @Sendable () -> Bool = {
                recipients.allSatisfy { recipient in
                    sink.messages.count { $0.contains("X-Rcpt-Args: <\(recipient)>") } == 1
                }
            }
            #expect(await eventually(within: .seconds(30), all), "\(server.log)\(postfix.log)")
            #expect(postfix.log.contains("nrcpt=2"), "two at a time: \(postfix.log)")
            #expect(!server.log.contains("\"message\":\"deferred\""), "\(server.log)")
        }

        /// A Postfix that takes mail inside TLS and passes it on; `bad@` it does not know.
        private static func smarthost(_ site: Site, relayingTo sink: Int) throws -> PrivatePostfix {
            try PrivatePostfix(settings: [
                "relayhost = [127.0.0.1]:\(sink)", "smtpd_tls_security_level = encrypt",
                "smtpd_tls_cert_file = \(site.folder)/pki/server.pem",
                "smtpd_tls_key_file = \(site.folder)/pki/server.key",
                "smtpd_relay_restrictions = permit_mynetworks, reject",
                "smtpd_recipient_restrictions = check_recipient_access inline:{bad@remote.example=REJECT}, "
                    + "permit_mynetworks, reject",
            ])
        }
    }
}

extension Site {
    fileprivate func send(
        _ server: Server, _ credential: Credential, to recipients: [String], subject: String, body: String = "hello"
    ) throws {
        let list = recipients.map { "\"\($0)\"" }.joined(separator: ", ")
        let script = """
            import smtplib, ssl
            context = ssl.create_default_context(cafile="\(ca)")
            client = smtplib.SMTP("localhost", \(server.port), timeout=30)
            client.starttls(context=context)
            client.login("\(credential.username)", open("\(credential.secretFile)").read())
            client.sendmail("news@acme.example", [\(list)],
                "From: news@acme.example\\r\\nSubject: \(subject)\\r\\n\\r\\n\(body)".encode())
            client.quit()
            """
        let sent = try run(["python3", "-c", script])
        try #require(sent.status == 0, "\(sent.standardError)")
    }
}
