import Foundation
import Postgres
import SiteSupport
import TestSupport
import Testing

extension EndToEnd {
    /// Promise 6, seen by a client.
    @Suite struct RefusalTests {
        @Test func `each limit and each change of an operator is refused with its reason`() async throws {
            let (site, server) = try await SharedSite.instance.site()
            let credential = try site.tenant("limits", "--daily", "3", "--recipients-per-message", "5")

            let foreign = try send(site, credential, server, from: "boss@bank.example")
            #expect(foreign.contains("550 5.7.1 The envelope sender names bank.example"), "\(foreign)")
            let header = try send(
                site, credential, server, from: "news@limits.example", "--header", "From: boss@bank.example")
            #expect(header.contains("550 5.7.1 The From field names bank.example"), "\(header)")

            let other = try send(
                site, credential, server, from: "news@limits.example", "--add-header", "Sender: boss@bank.example")
            #expect(other.contains("550 5.7.1 A Sender or Resent field names bank.example"), "\(other)")

            // What people see is taken, unless the tenant wants it refused; its own addresses are nobody's business.
            try site.gatepost("tenant", "set", "limits", "--foreign-names", "off")
            let shown = try send(
                site, credential, server, from: "news@limits.example", "--header",
                "From: =?utf-8?q?boss=40bank.example?= <news@limits.example>")
            #expect(shown.contains("550 5.7.1 A display name shows an address of bank.example"), "\(shown)")
            let own = try send(
                site, credential, server, from: "news@limits.example", "--header",
                "From: \"ann@limits.example\" <news@limits.example>")
            #expect(own.contains("250 2.0.0 Ok: queued as "), "\(own)")
            try site.gatepost("tenant", "set", "limits", "--foreign-names", "on", "--daily", "4")

            let all = try send(
                site, credential, server, from: "news@limits.example",
                to: "a@b.example,c@b.example,d@b.example,e@b.example")
            #expect(all.contains("450 4.7.1 Daily cap of 4 recipients reached (1 used); resets "), "\(all)")
            #expect(try site.gatepost("usage", "limits", "--json").contains("\"used\":1,"))

            #expect(
                try send(site, credential, server, from: "news@limits.example").contains("250 2.0.0 Ok: queued as "))
            try site.gatepost("tenant", "set", "limits", "--daily", "1")
            let lowered = try send(site, credential, server, from: "news@limits.example")
            #expect(lowered.contains("450 4.7.1 Daily cap of 1 recipients reached (2 used); resets "), "\(lowered)")
            try site.gatepost("tenant", "set", "limits", "--policy", "reject")
            #expect(
                try send(site, credential, server, from: "news@limits.example").contains("550 5.7.1 Daily cap of 1"))
            try site.gatepost("tenant", "set", "limits", "--daily", "unlimited")
            try site.gatepost("domain", "remove", "limits", "limits.example", "--yes")
            let removed = try send(site, credential, server, from: "news@limits.example")
            #expect(removed.contains("550 5.7.1 The envelope sender names limits.example"), "\(removed)")
        }

        @Test func `the same message again within ten minutes is answered with the first id and not charged`()
            async throws
        {
            let (site, server) = try await SharedSite.instance.site()
            let credential = try site.tenant("again")
            func again() throws -> String {
                try send(
                    site, credential, server, from: "news@again.example", "--header",
                    "Message-Id: <once@again.example>",
                    "--header", "Date: Thu, 01 Jan 2026 00:00:00 +0000")
            }
            let first = try #require(try again().components(separatedBy: "queued as ").last?.prefix(36))
            let second = try #require(try again().components(separatedBy: "queued as ").last?.prefix(36))
            #expect(first == second)
            #expect(try site.gatepost("usage", "again", "--json").contains("\"used\":1,"))
        }

        @Test func `every refusal after AUTH ends with an id, and its event says what it was about`() async throws {
            let (site, server) = try await SharedSite.instance.site()
            let credential = try site.tenant("named", "--rate", "1", "--burst", "1", "--daily", "2")
            let talk = try await Talk(site, credential, port: server.port)
            #expect(talk.greeting.hasPrefix("235") && refusalID(talk.greeting) == nil)
            var replies: [String: (stage: String, reply: String)] = [:]
            func refused(_ stage: String, _ line: String, _ expected: String) async throws {
                let reply = try await talk.say(line)
                #expect(reply.hasPrefix(expected), "\(line): \(reply)")
                replies[try #require(refusalID(reply), "\(reply)")] = (stage, reply)
            }
            try await refused("no command", "BOGUS word", "500 5.5.2")
            try await refused("MAIL", "MAIL FROM:<boss@bank.example>", "550 5.7.1 The envelope sender names")
            try await refused("RCPT", "RCPT TO:<a@b.example>", "503 5.5.1")
            #expect(try await talk.say("MAIL FROM:<news@named.example>").hasPrefix("250"))
            for recipient in ["a", "b"] { _ = try await talk.say("RCPT TO:<\(recipient)@b.example>") }
            try await refused("RCPT", "RCPT TO:<c@b.example>", "450 4.7.1 Daily cap of 2 recipients reached (0 used)")
            // The same refusal, said again.
            let again = try await talk.say("DATA")
            #expect(replies[refusalID(again) ?? ""]?.reply == again)
            _ = try await talk.say("RSET")
            // One that accept decides: the second message of this minute.
            for number in 1...2 {
                _ = try await talk.say("MAIL FROM:<news@named.example>")
                _ = try await talk.say("RCPT TO:<a@b.example>")
                _ = try await talk.say("DATA")
                talk.put("From: news@named.example", "Subject: \(number)", "", "text")
                if number == 1 {
                    let reply = try await talk.say(".")
                    #expect(reply.hasPrefix("250") && refusalID(reply) == nil, "\(reply)")
                } else {
                    try await refused("DATA", ".", "450 4.7.1 Rate of 1 recipients a minute reached")
                }
            }
            #expect(replies.count == 5)
            let log = server.log.split(separator: "\n").filter { line in
                line.contains(credential.username)
                    && ["login", "accepted", "refused"].contains { line.contains("\"message\":\"\($0)\"") }
            }
            #expect(log.count > 5)
            let session = try #require(log.first?.firstMatch(of: /"session":"([0-9a-f-]{36})"/)?.1)
            #expect(log.allSatisfy { $0.contains("\"session\":\"\(session)\"") }, "\(log)")
            for (id, (stage, reply)) in replies {
                let isWritten = try await eventually {
                    try await site.sql.query(
                        "SELECT FROM gatepost.event WHERE message_id = $1::uuid AND kind = 'refused'", [.text(id)]
                    ).count == 1
                }
                #expect(isWritten, "\(reply)")
                let rows = try await site.sql.query(
                    """
                    SELECT e.session::text AS session, e.detail->>'stage' AS stage, c.name
                    FROM gatepost.event e JOIN gatepost.credential c ON c.id = e.credential_id
                    WHERE e.message_id = $1::uuid
                    """, [.text(id)])
                let row = try #require(rows.first, "\(reply)")
                #expect(try row.string("session") == session)
                #expect(try row.string("name") == credential.username)
                if let written = try row.stringOrNil("stage") { #expect(written == stage, "\(reply)") }
            }
        }

        @Test func `a rolling window that was empty at AUTH is refused by with the time of its reset`() async throws {
            let (site, server) = try await SharedSite.instance.site()
            let credential = try site.tenant("rolling", "--daily", "2", "--window", "rolling")
            let talk = try await Talk(site, credential, port: server.port)
            _ = try await talk.say("MAIL FROM:<news@rolling.example>")
            for recipient in ["a", "b"] { _ = try await talk.say("RCPT TO:<\(recipient)@b.example>") }
            _ = try await talk.say("DATA")
            talk.put("From: news@rolling.example", "Subject: all of it", "", "text")
            #expect(try await talk.say(".").hasPrefix("250"))
            // Another session has the same memory.
            for talk in [talk, try await Talk(site, credential, port: server.port)] {
                _ = try await talk.say("MAIL FROM:<news@rolling.example>")
                let reply = try await talk.say("RCPT TO:<c@b.example>")
                #expect(reply.hasPrefix("450 4.7.1 Daily cap of 2 recipients reached (2 used); resets 20"), "\(reply)")
            }
        }

        @Test func `a refusal before AUTH has an id too, and explain tells what is known of it`() async throws {
            let (site, server) = try await SharedSite.instance.site()
            let said = try site.run([
                "swaks", "--server", "localhost:\(server.port)", "--tls", "--from", "a@nobody.example", "--to",
                "b@nobody.example",
            ]).standardOutput
            let refusal = try #require(said.split(separator: "\n").first { $0.contains("530 5.7.0") }, "\(said)")
            let id = try #require(refusalID(String(refusal)), "\(refusal)")
            var story = ""
            let isTold = try await eventually {
                let explained = try site.run([Site.binary, "explain", id, "--config", site.settings])
                story = explained.standardOutput + explained.standardError
                return explained.status == 0
            }
            #expect(isTold, "\(story)")
            #expect(story.contains("530 5.7.0 Authentication required"), "\(story)")
            #expect(await server.says(id))
        }

        @Test func `to the right secret alone it is told why it may not come in`() async throws {
            let (site, server) = try await SharedSite.instance.site()
            let owner = try site.tenant("doors", "--sessions", "2")
            func login(_ credential: Site.Credential) async throws -> String {
                try await Talk(site, credential, port: server.port).greeting
            }
            let cases: [([String], String)] = [
                (["suspend", "NAME", "--reason", "leak"], "525 5.7.13 This credential is suspended: leak. (id "),
                (["set", "NAME", "--not-before", "2d"], "525 5.7.13 This credential is valid from "),
                (["set", "NAME", "--mechanism", "SCRAM"], "534 5.7.9 This credential may not log in by PLAIN"),
                (["set", "NAME", "--network", "192.0.2.0/24"], "535 5.7.8 Authentication credentials invalid."),
                (["revoke", "NAME", "--yes"], "535 5.7.8 Authentication credentials invalid."),
            ]
            for (arguments, expected) in cases {
                let credential = try site.credential("doors")
                let changed = try site.run(
                    [Site.binary, "credential"] + arguments.map { $0 == "NAME" ? credential.username : $0 }
                        + ["--config", site.settings])
                try #require(changed.status == 0, "\(changed.standardError)")
                var reply = ""
                let isTold = try await eventually {
                    reply = try await login(credential)
                    return reply.hasPrefix(expected)
                }
                #expect(isTold, "\(arguments): \(reply)")
                #expect((refusalID(reply) != nil) == !reply.hasPrefix("535"))
                if reply.hasPrefix("535") {
                    // The client may not know; the operator must.
                    let reason =
                        arguments[0] == "revoke" ? "has been revoked" : "is in none of the credential's networks"
                    let isLogged = await eventually {
                        server.log.split(separator: "\n").contains {
                            $0.contains("\"login refused\"") && $0.contains(reason)
                                && $0.contains("\"tenant\":\"doors\"")
                                && $0.contains("\"credential\":\"\(credential.username)\"")
                        }
                    }
                    #expect(isLogged, "\(reason)")
                }
                let wrong = Site.Credential(
                    username: credential.username, secret: owner.secret, secretFile: owner.secretFile)
                #expect(try await login(wrong) == "535 5.7.8 Authentication credentials invalid.")
            }
            let first = try await Talk(site, owner, port: server.port)
            try site.gatepost("credential", "set", owner.username, "--sessions", "1")
            var full = ""
            let isFull = try await eventually {
                full = try await login(owner)
                return full.hasPrefix("421 4.7.0 This credential has its 1 sessions open already")
            }
            #expect(isFull && refusalID(full) != nil, "\(full)")
            #expect(try await first.say("NOOP").hasPrefix("250"))
        }

        @Test func `mail of a credential in test mode is held, and says so`() async throws {
            let (site, server) = try await SharedSite.instance.site()
            let credential = try site.tenant("tests")
            try site.gatepost("credential", "set", credential.username, "--mode", "test")
            let sent = try send(site, credential, server, from: "news@tests.example")
            #expect(sent.contains("250 2.0.0 Ok: held for test as "), "\(sent)")
        }

        private func send(
            _ site: Site, _ credential: Site.Credential, _ server: Site.Server, from: String,
            to: String = "a@remote.example", _ more: String...
        ) throws -> String {
            try site.run(
                [
                    "swaks", "--server", "localhost:\(server.port)", "--tls", "--auth", "PLAIN", "--auth-user",
                    credential.username, "--auth-password", credential.secret, "--from", from, "--to", to,
                    "--header", "Subject: a refusal", "--body", "text",
                ] + more
            ).standardOutput
        }
    }
}
