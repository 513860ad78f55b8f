import Foundation
import Glibc
import Postgres
import SiteSupport
import TestSupport
import Testing

extension EndToEnd {
    /// Promise 3: revoked is revoked, in sessions that are open too.
    @Suite struct RevocationTests {
        @Test(arguments: ["idle", "data"])
        func `open sessions end within a second of the revocation`(state: String) async throws {
            let site = try await Site()
            let credential = try site.tenant("acme", "--sessions", "200")
            let other = try site.credential("acme")
            let server = try await site.serve()
            let revoked = try await watch(site, credential, server, sessions: 20, state)
            let untouched = try await watch(site, other, server, sessions: 1, "idle")
            try site.gatepost("credential", "revoke", credential.username, "--yes")
            let returned = Date().timeIntervalSince1970
            try await expectEnds(
                revoked, count: 20, since: returned, reply: "421 4.7.0 This credential has been revoked")
            #expect(!readFile(untouched).contains("ended"))
            try await expectRefusedLogin(site, credential, server, "535 5.7.8")
        }

        @Test func `a suspension ends open sessions with its reason, and the right secret is told why`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme", "--sessions", "200")
            let server = try await site.serve()
            let journal = try await watch(site, credential, server, sessions: 5, "idle")
            try site.gatepost("tenant", "suspend", "acme", "--yes", "--reason", "unpaid invoice 7")
            let returned = Date().timeIntervalSince1970
            try await expectEnds(journal, count: 5, since: returned, reply: "unpaid invoice 7")
            try await expectRefusedLogin(site, credential, server, "525 5.7.13")
            try site.gatepost("tenant", "resume", "acme")
            let again = try await watch(site, credential, server, sessions: 1, "idle")
            #expect(readFile(again).contains("ready"))
        }

        @Test func `whatever ends the right to send ends it in every session of two nodes within a second`()
            async throws
        {
            let site = try await Site()
            let first = try site.tenant("acme", "--sessions", "1000")
            let servers = [try await site.serve(), try await site.serve("submission")]
            let changes: [(reason: String, arguments: [String])] = [
                ("This credential has been revoked", ["credential", "revoke", "NAME", "--yes"]),
                ("This credential is suspended: leak", ["credential", "suspend", "NAME", "--reason", "leak"]),
                ("This credential is valid from", ["credential", "set", "NAME", "--not-before", "2d"]),
                ("no longer be used from your address", ["credential", "set", "NAME", "--network", "192.0.2.0/24"]),
                ("may not log in by PLAIN", ["credential", "set", "NAME", "--mechanism", "SCRAM"]),
            ]
            for (reason, arguments) in changes {
                let credential = try site.credential("acme")
                let journals = [
                    try await watch(site, credential, servers[0], sessions: 10, "idle"),
                    try await watch(site, credential, servers[1], sessions: 10, "data"),
                ]
                let changed = try site.run(
                    [Site.binary] + arguments.map { $0 == "NAME" ? credential.username : $0 }
                        + ["--config", site.settings])
                try #require(changed.status == 0, "\(changed.standardError)")
                let returned = Date().timeIntervalSince1970
                for journal in journals {
                    try await expectEnds(journal, count: 10, since: returned, reply: reason)
                    for end in readFile(journal).split(separator: "\n") where end.hasPrefix("ended") {
                        #expect(refusalID(String(end)) != nil, "\(end)")
                    }
                }
            }
            // By the database's clock, without another word.
            let expiring = try site.credential("acme")
            let journal = try await watch(site, expiring, servers[1], sessions: 10, "idle")
            let ends = try await site.sql.query(
                """
                UPDATE gatepost.credential SET expires_at = ledger.clock() + interval '4 seconds' WHERE name = $1
                RETURNING id, extract(epoch FROM expires_at)::float8 AS ends
                """, [.text(expiring.username)])
            let row = try #require(ends.first)
            try await site.sql.query(
                "SELECT pg_notify('gatepost_directory', 'credential:' || $1::bigint)", [.int64(try row.int64("id"))])
            try await expectEnds(
                journal, count: 10, since: try row.double("ends"), reply: "This credential has expired")
            // And what was told nothing goes on.
            let untouched = try await watch(site, first, servers[0], sessions: 1, "idle")
            #expect(!readFile(untouched).contains("ended"))
        }

        @Test func `a client that goes on sending its message reads the reply, and no reset`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme")
            let server = try await site.serve()
            let journal = try await watch(site, credential, server, sessions: 3, "flood")
            try site.gatepost("credential", "revoke", credential.username, "--yes")
            func ends() -> [Substring] { readFile(journal).split(separator: "\n").filter { $0.hasPrefix("ended") } }
            #expect(await eventually(within: .seconds(20)) { ends().count == 3 }, "\(readFile(journal))")
            for end in ends() { #expect(end.contains("421 4.7.0 This credential has been revoked"), "\(end)") }
        }

        @Test func `a lower cap, a domain less and other senders end no session, and count from the next command on`()
            async throws
        {
            let site = try await Site()
            let credential = try site.tenant("acme", "--message-size", "1MiB")
            let server = try await site.serve()
            let talk = try await Talk(site, credential, port: server.port)
            #expect(talk.greeting.hasPrefix("235"))
            #expect(try await talk.say("MAIL FROM:<news@acme.example>").hasPrefix("250"))
            try site.gatepost("tenant", "set", "acme", "--recipients-per-message", "1")
            #expect(try await talk.say("RCPT TO:<a@b.example>").hasPrefix("250"))
            var number = 0  // an address that has been taken is taken again, whatever the limit
            #expect(
                try await becomes("452 4.5.3") {
                    number += 1
                    return try await talk.say("RCPT TO:<b\(number)@b.example>")
                })
            #expect(try await talk.say("RSET").hasPrefix("250"))

            try site.gatepost("credential", "set", credential.username, "--sender", "news@acme.example")
            #expect(
                try await becomes("550 5.7.1 This credential may not send as boss@acme.example") {
                    let reply = try await talk.say("MAIL FROM:<boss@acme.example>")
                    if reply.hasPrefix("250") { _ = try await talk.say("RSET") }
                    return reply
                })
            try site.gatepost("tenant", "set", "acme", "--daily", "1", "--message-size", "2KiB")
            #expect(
                try await becomes("552 5.3.4") {
                    let reply = try await talk.say("MAIL FROM:<news@acme.example> SIZE=100000")
                    if reply.hasPrefix("250") { _ = try await talk.say("RSET") }
                    return reply
                })
            try site.gatepost("domain", "remove", "acme", "acme.example", "--yes")
            #expect(
                try await becomes("550 5.7.1 The envelope sender names acme.example") {
                    let reply = try await talk.say("MAIL FROM:<news@acme.example>")
                    if reply.hasPrefix("250") { _ = try await talk.say("RSET") }
                    return reply
                })
            #expect(try await talk.say("NOOP").hasPrefix("250"))
        }

        /// The word of a change needs a moment to reach the session.
        private func becomes(_ expected: String, _ reply: () async throws -> String) async throws -> Bool {
            var last = ""
            let deadline = ContinuousClock.now + .seconds(5)
            while ContinuousClock.now < deadline {
                last = try await reply()
                if last.contains(expected) { return true }
                try await Task.sleep(for: .milliseconds(50))
            }
            Issue.record("still \(last)")
            return false
        }

        @Test func `where the word of a change is lost on the way, nothing stale outlives 30 seconds`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme")
            let port = FreePort.find()
            let hole = "\(site.folder)/hole"
            let proxy = try site.client("blackhole.py", "\(port)", "\(site.cluster.port)", hole)
            defer {
                proxy.signal(SIGKILL)
                proxy.wait()
            }
            let server = try await site.serve(databasePort: port)
            let journal = try await watch(site, credential, server, sessions: 5, "idle")
            try "".write(toFile: hole, atomically: true, encoding: .utf8)
            try site.gatepost("credential", "revoke", credential.username, "--yes")
            let returned = Date().timeIntervalSince1970
            func ends() -> [Substring] { readFile(journal).split(separator: "\n").filter { $0.hasPrefix("ended") } }
            #expect(await eventually(within: .seconds(60)) { ends().count == 5 }, "\(readFile(journal))")
            for end in ends() {
                let at = try #require(Double(end.split(separator: " ")[1]))
                // Else the proxy has held nothing back.
                #expect(at - returned > 1)
                #expect(at - returned <= 30, "\(at - returned) s")
                #expect(end.contains("421 4.7.0 This credential has been revoked"), "\(end)")
            }
        }

        @Test func `a change while the ear's connection is killed is heard of all the same`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme")
            let server = try await site.serve()
            let journal = try await watch(site, credential, server, sessions: 5, "idle")
            try await site.sql.query(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE (query LIKE 'LISTEN%' OR query = 'SELECT 1') AND datname = current_database()
                """)
            try site.gatepost("credential", "revoke", credential.username, "--yes")
            func ends() -> [Substring] { readFile(journal).split(separator: "\n").filter { $0.hasPrefix("ended") } }
            #expect(await eventually(within: .seconds(30)) { ends().count == 5 }, "\(readFile(journal))")
        }

        @Test func `SIGTERM tells idle sessions 421, waits for the others and exits 0`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme", "--sessions", "200")
            let server = try await site.serve()
            let idle = try await watch(site, credential, server, sessions: 3, "idle")
            server.process.signal(SIGTERM)
            #expect(server.process.wait() == 0, "\(server.log)")
            #expect(
                await eventually {
                    readFile(idle).components(separatedBy: "421 4.3.2").count == 4
                }, "\(readFile(idle))")
        }

        @Test func `SIGTERM ends a node whose database has stopped answering`() async throws {
            let site = try await Site()
            let server = try await site.serve(environment: ["GATEPOST_SHUTDOWN_GRACE=1s"])
            let backends = try await site.sql.query(
                "SELECT pid::bigint AS pid FROM pg_stat_activity WHERE usename = 'gatepost_node'"
            ).map { Int32(clamping: try $0.int64("pid")) }
            try #require(!backends.isEmpty)
            for backend in backends { kill(backend, SIGSTOP) }
            defer { for backend in backends { kill(backend, SIGCONT) } }
            server.process.signal(SIGTERM)
            #expect(server.process.wait() == 0, "\(server.log)")
            #expect(server.log.contains("stopped before all was done"), "\(server.log)")
        }

        @Test func `a user who is no node's ends a server, which says so`() async throws {
            let (site, _) = try await SharedSite.instance.site()
            let run = try site.run([
                "env", "GATEPOST_DATABASE_URL=\(site.database.tcpURL(as: .admin, port: site.cluster.port))",
                Site.binary,
                "serve", "--role", "submission", "--config", site.settings,
            ])
            #expect(run.status == 77 && run.standardError.contains("hint: database.url is to name"), "\(run)")
        }

        /// Threads of the runtime, of OpenSSL's users and of the log are still there when the program ends; what libraries
        /// tear down then is torn from under them.
        @Test(arguments: [nil, "relay"])
        func `no library is torn down when the server ends`(_ role: String?) async throws {
            let site = try await Site()
            let library = "\(site.folder)/teardown.so"
            try ChildProcess.run(["cc", "-shared", "-fPIC", "-o", library, Site.clients + "../../Preload/teardown.c"])
            let server = try await site.serve(role, environment: ["LD_PRELOAD=\(library)"])
            server.process.signal(SIGTERM)
            #expect(server.process.wait() == 0, "\(server.log)")
            #expect(server.log.contains("\"message\":\"stopped\""), "\(server.log)")
        }

        @Test func `SIGTERM ends a node in good order that still waits for its database`() async throws {
            let site = try await Site()
            let log = "\(site.folder)/waiting.log"
            let node = try ChildProcess(
                [
                    "env", "GATEPOST_DATABASE_URL=host=/nonexistent", Site.binary, "serve", "--config",
                    "\(site.folder)/gatepost.yaml",
                ], log: log)
            site.watch(node)
            #expect(await eventually { readFile(log).contains("waiting for the database") }, "\(readFile(log))")
            try (readFile(site.settings) + "\nlog:\n  level: debug\n")
                .write(toFile: "\(site.folder)/gatepost.yaml", atomically: true, encoding: .utf8)
            node.signal(SIGHUP)
            #expect(await eventually { readFile(log).contains("\"changed\":[\"log.level\"]") }, "\(readFile(log))")
            node.signal(SIGTERM)
            #expect(node.wait() == 0, "\(readFile(log))")
        }

        private func watch(
            _ site: Site, _ credential: Site.Credential, _ server: Site.Server, sessions: Int, _ state: String
        ) async throws -> String {
            let journal = "\(site.folder)/watch-\(UUID().uuidString)"
            _ = try site.client(
                "watch.py", journal, site.ca, credential.username, credential.secretFile, "\(sessions)",
                "news@acme.example", state, "\(server.port)")
            #expect(await eventually(within: .seconds(60)) { readFile(journal).contains("ready") })
            return journal
        }

        private func expectEnds(_ journal: String, count: Int, since: Double, reply: String) async throws {
            func ends() -> [Substring] { readFile(journal).split(separator: "\n").filter { $0.hasPrefix("ended") } }
            #expect(await eventually(within: .seconds(10)) { ends().count == count }, "\(readFile(journal))")
            for end in ends() {
                let words = end.split(separator: " ", maxSplits: 2)
                let at = try #require(Double(words[1]))
                #expect(at - since <= 1, "a session lived \(at - since) s longer")
                #expect(words[2].contains(reply), "\(end)")
            }
        }

        private func expectRefusedLogin(
            _ site: Site, _ credential: Site.Credential, _ server: Site.Server, _ reply: String
        ) async throws {
            let sent = try site.run([
                "swaks", "--server", "localhost:\(server.port)", "--tls", "--auth", "PLAIN", "--auth-user",
                credential.username, "--auth-password", credential.secret, "--from", "news@acme.example", "--to",
                "a@remote.example",
            ])
            #expect(sent.status != 0)
            #expect(sent.standardOutput.contains(reply), "\(sent.standardOutput)")
        }
    }
}
