import Foundation
import Postgres
import SiteSupport
import TestSupport
import Testing

extension EndToEnd {
    /// What is asked for beyond plain SMTP, from the client to where the message ends.
    @Suite struct JourneyTests {
        private func send(_ kind: String, _ site: Site, _ server: Site.Server, _ credential: Site.Credential) throws {
            let sent = try site.run([
                "python3", Site.clients + "journey.py", kind, "\(server.port)", site.ca, credential.username,
                credential.secretFile, "news@acme.example",
            ])
            #expect(sent.status == 0, "\(sent.standardError)")
        }

        @Test func `lines that end in CR or LF alone are refused, or made whole where the operator says so`()
            async throws
        {
            let site = try await Site()
            let credential = try site.tenant("acme")
            let strict = try await site.serve()
            let refused = try site.run([
                "python3", Site.clients + "journey.py", "bare", "\(strict.port)", site.ca, credential.username,
                credential.secretFile, "news@acme.example",
            ])
            #expect(refused.status != 0 && refused.standardError.contains("550"), "\(refused.standardError)")
            strict.process.signal(SIGTERM)
            strict.process.wait()
            let server = try await site.serve(environment: ["GATEPOST_SUBMISSION_LINE_ENDINGS=normalise"])
            try send("bare", site, server, credential)
            let message = try await site.expectOne("Subject: bare")
            #expect(message.hasSuffix("\r\n\r\none\r\ntwo\r\nthree\r\n"), "\(message)")
        }

        @Test func `a delivery that was to be told is told, with the words of the sender`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme")
            let server = try await site.serve()
            try send("success", site, server, credential)
            let report = try await site.expectOne("multipart/report")
            for line in [
                "Return-Path: <>", "X-Envelope-To: news@acme.example", "Original-Envelope-Id: QQ+314",
                "Original-Recipient: rfc822; first+one@remote.example", "Final-Recipient: rfc822; a@remote.example",
                "Action: delivered", "Status: 2.", "text/rfc822-headers", "Subject: success",
            ] {
                #expect(report.contains(line), "\(line): \(report)")
            }
            #expect(!report.contains("hello"), "RET=HDRS")
            let usage = try site.gatepost("usage", "acme", "--json")
            #expect(usage.contains("\"used\":1"), "a report is not charged: \(usage)")
            // No credential sent it, which is no reason not to be shown.
            let queue = try site.gatepost("queue", "list", "--all", "--json").split(separator: "\n")
            let own = try #require(queue.first { $0.contains("\"credential\":null") }, "\(queue)")
            let id = try #require(own.firstMatch(of: /"id":"([^"]+)"/)?.1)
            #expect(try site.gatepost("queue", "show", String(id)).contains("news@acme.example"))
            #expect(try site.gatepost("explain", String(id)).contains("news@acme.example"))
        }

        @Test func `a cap's warnings reach the tenant's contact by mail, once each, from two nodes`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme", "--daily", "2", "--contact", "ops@customer.example")
            let from = ["GATEPOST_NOTICES_FROM=postmaster@operator.example"]
            let server = try await site.serve(environment: from)
            let second = try await site.serve("submission", environment: from)
            for node in [server, second] {
                let sent = try site.run([
                    "swaks", "--server", "localhost:\(node.port)", "--tls", "--auth", "PLAIN", "--auth-user",
                    credential.username, "--auth-password", credential.secret, "--from", "news@acme.example", "--to",
                    "a@remote.example",
                ])
                try #require(sent.status == 0, "\(sent.standardOutput)")
            }
            let half = try await site.expectOne("acme: 50 % of the recipients a day are used")
            let all = try await site.expectOne("acme: 100 % of the recipients a day are used")
            for mail in [half, all] {
                #expect(
                    mail.contains("X-Envelope-To: ops@customer.example") && mail.contains("Return-Path: <>"), "\(mail)")
                #expect(mail.contains("From: Gatepost <postmaster@operator.example>"))
            }
            #expect(await eventually { (server.log + second.log).components(separatedBy: "limit warning").count == 4 })
            // 80 % and 100 % of 2 are the same use: three warnings, and a mail for each.
            #expect(await eventually { site.arrived().count { $0.contains("To: <ops@customer.example>") } == 3 })
            let usage = try site.gatepost("usage", "acme", "--json")
            #expect(usage.contains("\"used\":2"), "a notice is not charged: \(usage)")
        }

        @Test func `a delivery that takes long is told to who asked, once`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme")
            let front = try await site.serve("submission")
            let forwarder = try await site.serve("forwarder", environment: ["GATEPOST_FORWARDER_DELAY_WARNING=1s"])
            try send("delay", site, front, credential)
            #expect(
                await eventually(within: .seconds(30)) {
                    (try? await site.sql.query("SELECT FROM gatepost.message WHERE kind = 'dsn'").count) == 1
                }, "\(forwarder.log)")
            try await site.serve("relay")
            let report = try await site.expectOne("multipart/report", within: .seconds(40))
            for line in ["Action: delayed", "Status: 4.", "Will-Retry-Until: "] {
                #expect(report.contains(line), "\(line): \(report)")
            }
            _ = try await site.expectOne("X-Envelope-To: a@remote.example", within: .seconds(40))
        }

        @Test func `another Gatepost is a smarthost: its certificate is verified, and SCRAM binds to it`() async throws
        {
            let far = try await Site()
            let account = try far.tenant("acme")
            // Under the same name it would be a loop, and refused as one.
            let smarthost = try await far.serve(environment: ["GATEPOST_SUBMISSION_HOSTNAME=far.example"])
            let site = try await Site()
            let credential = try site.tenant("acme")
            try site.member(
                smarthost.port, "--tls", "verify", "--server-name", "localhost", "--username", account.username,
                "--password-file", account.secretFile)
            let near = try await site.serve(environment: ["GATEPOST_FORWARDER_SMARTHOST_AUTHORITIES=\(far.ca)"])
            try send("plain", site, near, credential)
            _ = try await far.expectOne("Subject: plain", within: .seconds(30))
            #expect(await eventually { smarthost.logins(of: account) == ["SCRAM-SHA-256-PLUS"] })
            for log in [near.log, smarthost.log] { #expect(!log.contains(account.secret)) }
            func check(_ authorities: String) throws -> String {
                try site.run([
                    "env", "GATEPOST_FORWARDER_SMARTHOST_AUTHORITIES=\(authorities)", Site.binary, "check", "--config",
                    site.settings,
                ]).standardOutput
            }
            let known = try check(far.ca)
            #expect(known.contains("; the login itself was not tried"), "\(known)")
            let unknown = try check(site.ca)
            #expect(unknown.contains("hint: its authority belongs into forwarder.smarthost-authorities"), "\(unknown)")
        }

        @Test func `an address in UTF-8 goes all the way, its domain as the DNS knows it`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme")
            let server = try await site.serve()
            try send("utf8", site, server, credential)
            let message = try await site.expectOne("Subject: Grüße")
            #expect(message.contains("X-Envelope-To: jürgen@xn--bcher-kva.example"), "\(message)")
            #expect(message.contains("with UTF8SMTPSA"))
        }

        @Test func `binary goes octet by octet through our own relay`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme")
            let server = try await site.serve()
            try send("binary", site, server, credential)
            _ = try await site.expectOne("Subject: binary")
            let files = try FileManager.default.contentsOfDirectory(atPath: site.outbox).filter { $0.hasSuffix(".eml") }
            let content = try Data(contentsOf: URL(fileURLWithPath: "\(site.outbox)/\(try #require(files.first))"))
            var body = Data((0..<8).flatMap { _ in (0...255).map { UInt8($0) } })
            body.append(Data("\r\n.\r\n\n.\n".utf8))
            #expect(content.suffix(body.count) == body)
        }

        @Test func `a server that takes neither binary nor UTF-8 gets Base64, and the sender a report`() async throws {
            let site = try await Site()
            let sink = try await Sink(site)
            try site.member(sink.port, "--tls", "none")
            let credential = try site.tenant("acme")
            let server = try await site.serve()
            try send("binary", site, server, credential)
            #expect(await eventually(within: .seconds(30)) { sink.messages.count == 1 }, "\(server.log.suffix(2000))")
            let message = try #require(sink.messages.first)
            #expect(message.lowercased().contains("content-transfer-encoding: base64"), "\(message)")
            #expect(message.contains(Data((0..<57).map { UInt8($0) }).base64EncodedString()), "\(message)")
            try send("utf8", site, server, credential)
            #expect(await eventually(within: .seconds(30)) { sink.messages.count == 2 }, "\(server.log.suffix(2000))")
            let report = try #require(sink.messages.first { $0.contains("multipart/report") })
            #expect(report.contains("Status: 5.6.9"), "\(report)")
            #expect(report.contains("X-Mail-Args: <>"), "\(report)")
            #expect(!report.contains("said:"), "the server was not asked: \(report)")
        }

        @Test func `a forwarder's certificate is revoked: its open connections to the relay end, and none opens`()
            async throws
        {
            let site = try await Site()
            let server = try await site.serve("relay")
            let gate = """
                import smtplib, ssl, sys
                context = ssl.create_default_context(cafile="\(site.ca)")
                context.check_hostname = False
                context.load_cert_chain("\(site.folder)/pki/forwarder.pem", "\(site.folder)/pki/forwarder.key")
                def enter():
                    relay = smtplib.SMTP("127.0.0.1", \(site.relayPort), timeout=60)
                    relay.starttls(context=context)
                    relay.ehlo()
                    return relay
                def mail(relay):
                    return relay.docmd("MAIL FROM:<a@acme.example> AUTH=acme@submitter.invalid")

                """
            let program = """
                relay = enter()
                print(mail(relay)[0], flush=True)
                relay.rset()
                sys.stdin.readline()
                relay.sock.settimeout(10)
                try:
                    rest = relay.sock.recv(4096)
                    print("ended", rest[:3].decode() or "closed", flush=True)
                except TimeoutError:
                    print("still open", flush=True)
                print(mail(enter())[0], flush=True)
                """
            let output = "\(site.folder)/gate"
            var ends: [Int32] = [-1, -1]
            try #require(pipe(&ends) == 0)
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            let client = try ChildProcess(["python3", "-c", gate + program], log: output, input: ends[0])
            site.watch(client)
            close(ends[0])
            #expect(await eventually { readFile(output).hasPrefix("250") }, "\(readFile(output))")
            try site.gatepost("ca", "revoke", "forwarder", "--yes")
            close(ends[1])
            client.wait()
            let lines = readFile(output).split(separator: "\n")
            #expect(lines.count == 3, "\(lines)")
            #expect(lines.dropFirst().first?.hasPrefix("ended") == true, "\(lines)")
            #expect(lines.last == "550", "\(lines)")

            // Who takes the list away takes back no revocation.
            try FileManager.default.moveItem(
                atPath: "\(site.folder)/pki/crl.pem", toPath: "\(site.folder)/pki/crl.pem.away")
            #expect(await eventually { server.log.contains("no forwarder is let in") }, "\(server.log)")
            let later = try site.run(["python3", "-c", gate + "print(mail(enter())[0])"])
            #expect(later.standardOutput == "550\n", "\(later.standardOutput)\(later.standardError)")
        }
    }
}
