import Foundation
import Glibc
import Postgres
import SiteSupport
import TestSupport
import Testing

extension EndToEnd {
    /// The traps known from other systems, on the wire. Where each is shown:
    ///
    /// | trap | tests |
    /// | --- | --- |
    /// | pipelined past the cap | ``pipelined past the cap`` here |
    /// | N sessions at cap − 1 | ``N sessions at cap − 1`` here; `RaceTests` (two sessions at the edge of a cap); `ModelTests` |
    /// | crash between debit and store | `SQLTests/TrapTests`; `DoubtTests`, `OutageTests`, `ExactnessTests` under load |
    /// | midnight in DATA | `ZoneTests` (midnight in DATA) |
    /// | a retry charged twice | `QueueTests` (deferred ones … not charged again); `RelayTests` (… charged once) |
    /// | a refused RCPT charged | ``a refused RCPT is not charged`` here; `AcceptLimitTests` (a refused message …) |
    /// | Bcc and duplicates in RCPT | ``Bcc and duplicates in RCPT`` here |
    /// | a tenant with an empty name sharing a counter | `SQLTests/TrapTests`; `RefusalTests` (a null in the identities) |
    /// | username case | ``username case`` here |
    /// | a cache that outlives a revocation | `RevocationTests`; `RaceTests` (each change, in both orders) |
    /// | a limit of 0 | `SQLTests/TrapTests`; the goldens of `--daily 0` |
    /// | resubmission after a connection dropped between COMMIT and reply | ``resubmission after a lost reply`` here |
    /// | warnings exactly once | `LedgerTests/WarningTests` |
    @Suite struct TrapTests {
        private struct Heard: Decodable {
            var authenticated: String?
            var recipients: [String]?
            var data: String?
            var messages: [String]
            var accepted: [String] { messages.filter { $0.hasPrefix("250") } }
        }

        private func walk(
            _ site: Site, _ credential: Site.Credential, _ server: Site.Server, _ trap: String, _ argument: String = ""
        ) throws -> Heard {
            let output = try site.run([
                "python3", Site.clients + "trap.py", "\(server.port)", site.ca, credential.username,
                credential.secretFile, "news@\(credential.username.prefix { $0 != "." }).example", trap, argument,
            ])
            try #require(output.status == 0, "\(output.standardError)")
            return try JSONDecoder().decode(Heard.self, from: Data(output.standardOutput.utf8))
        }

        /// used, Σ ledger, stored recipients.
        private func figures(_ site: Site, _ slug: String) async throws -> [Int64] {
            let row = try #require(
                try await site.sql.query(
                    """
                    SELECT (SELECT coalesce(sum(u.recipients), 0) FROM gatepost.usage u WHERE u.tenant_id = t.id
                            AND u.credential_id = 0 AND u.period = 'day')::bigint AS used,
                           (SELECT coalesce(sum(l.recipients), 0) FROM gatepost.ledger l WHERE l.tenant_id = t.id)::bigint
                            AS ledger,
                           (SELECT count(*) FROM gatepost.recipient r WHERE r.tenant_id = t.id) AS stored
                    FROM gatepost.tenant t WHERE t.slug = $1
                    """, [.text(slug)]
                ).first)
            return try ["used", "ledger", "stored"].map { try row.int64($0) }
        }

        @Test func `pipelined past the cap: no further than the cap, in one transaction or in many`() async throws {
            let (site, server) = try await SharedSite.instance.site()
            let credential = try site.tenant("pipelined", "--daily", "4")
            let heard = try walk(site, credential, server, "pipelined", "7")
            // The message whose fifth recipient does not fit is refused whole.
            #expect(
                heard.recipients?.map { String($0.prefix(3)) } == ["250", "250", "250", "250", "450", "450", "450"])
            #expect(heard.data?.hasPrefix("450 4.7.1") == true, "\(heard)")
            #expect(heard.accepted.count == 4, "\(heard.messages)")
            #expect(try await figures(site, "pipelined") == [4, 4, 4])
        }

        @Test func `N sessions at cap − 1: one of them gets what is left`() async throws {
            let (site, server) = try await SharedSite.instance.site()
            let credential = try site.tenant("crowded", "--daily", "3", "--sessions", "50")
            let first = try walk(site, credential, server, "send", "a@remote.example b@remote.example")
            #expect(first.accepted.count == 1, "\(first)")
            let heard = try walk(site, credential, server, "crowd", "16")
            #expect(heard.accepted.count == 1, "\(heard.messages)")
            #expect(heard.messages.count { $0.hasPrefix("450 4.7.1") } == 15, "\(heard.messages)")
            #expect(try await figures(site, "crowded") == [3, 3, 3])
        }

        @Test func `a refused RCPT is not charged`() async throws {
            let (site, server) = try await SharedSite.instance.site()
            let credential = try site.tenant("refused", "--daily", "10", "--recipients-per-message", "2")
            let heard = try walk(
                site, credential, server, "send",
                "bad@@remote.example a@remote.example b@remote.example c@remote.example")
            #expect(heard.recipients?.map { $0.hasPrefix("250") } == [false, true, true, false], "\(heard)")
            let used: Int64 = heard.accepted.isEmpty ? 0 : 2
            #expect(try await figures(site, "refused") == [used, used, used])
        }

        @Test func `Bcc and duplicates in RCPT: each recipient once, and nobody whom only the header names`()
            async throws
        {
            let (site, server) = try await SharedSite.instance.site()
            let credential = try site.tenant("twice", "--daily", "10")
            let heard = try walk(
                site, credential, server, "send",
                "a@remote.example a@remote.example a@REMOTE.example A@remote.example b@remote.example")
            #expect(heard.recipients?.allSatisfy { $0.hasPrefix("250") } == true, "\(heard)")
            #expect(heard.accepted.count == 1, "\(heard)")
            // a, A (another local part) and b, who is in Bcc and in RCPT; hidden@ is in Bcc alone.
            #expect(try await figures(site, "twice") == [3, 3, 3])
            let hidden = try await site.sql.query(
                """
                SELECT FROM gatepost.recipient r JOIN gatepost.tenant t ON t.id = r.tenant_id
                WHERE t.slug = 'twice' AND r.address LIKE 'hidden@%'
                """)
            #expect(hidden.isEmpty)
        }

        @Test func `username case: another spelling is no other credential, nor another counter`() async throws {
            let (site, server) = try await SharedSite.instance.site()
            let credential = try site.tenant("spelled", "--daily", "2")
            #expect(try walk(site, credential, server, "send", "a@remote.example").accepted.count == 1)
            let shouted = try walk(
                site, credential, server, "send",
                "\(credential.username.uppercased())=b@remote.example c@remote.example d@remote.example")
            if shouted.authenticated?.hasPrefix("235") == true {
                #expect(shouted.accepted.isEmpty, "\(shouted)")
                #expect(shouted.recipients?.contains { $0.hasPrefix("450 4.7.1") } == true, "\(shouted)")
            }
            #expect(try await figures(site, "spelled") == [1, 1, 1])
            let counters = try await site.sql.query(
                """
                SELECT FROM gatepost.usage u JOIN gatepost.tenant t ON t.id = u.tenant_id
                WHERE t.slug = 'spelled' AND u.period = 'day' AND u.credential_id <> 0
                """)
            #expect(counters.count == 1)
        }

        @Test func `resubmission after a lost reply: the first queue id, charged and sent once`() async throws {
            let (site, server) = try await SharedSite.instance.site()
            let credential = try site.tenant("lost", "--daily", "10")
            _ = try walk(site, credential, server, "gone")
            // It is committed, whoever is still there to hear of it.
            #expect(await eventually { (try? await figures(site, "lost")) == [1, 1, 1] })
            let row = try #require(
                try await site.sql.query(
                    """
                    SELECT m.id::text AS id FROM gatepost.message m JOIN gatepost.tenant t ON t.id = m.tenant_id
                    WHERE t.slug = 'lost'
                    """
                ).first)
            let again = try walk(site, credential, server, "again")
            #expect(again.accepted.first?.contains(try row.string("id")) == true, "\(again)")
            #expect(try await figures(site, "lost") == [1, 1, 1])
        }

        @Test func `resubmission with the recipients in another order is one, with one more it is not`() async throws {
            let (site, server) = try await SharedSite.instance.site()
            let credential = try site.tenant("reordered", "--daily", "10")
            let first = try walk(site, credential, server, "send", "b@remote.example c@remote.example")
            let again = try walk(site, credential, server, "send", "c@remote.example b@remote.example")
            #expect(first.accepted.count == 1 && again.accepted == first.accepted, "\(first) \(again)")
            let other = try walk(
                site, credential, server, "send", "c@remote.example b@remote.example d@remote.example")
            #expect(other.accepted.count == 1 && other.accepted != first.accepted)
            #expect(try await figures(site, "reordered") == [5, 5, 5])
        }

        /// One transaction; its replies to RCPT and the last one.
        private func attempt(
            _ talk: Talk, _ id: String, to recipients: [String], author: String = "news@acme.example"
        ) async throws -> (recipients: [String], last: String) {
            _ = try await talk.say("RSET")
            _ = try await talk.say("MAIL FROM:<news@acme.example>")
            var replies: [String] = []
            for one in recipients { replies.append(try await talk.say("RCPT TO:<\(one)@remote.example>")) }
            let begun = try await talk.say("DATA")
            guard begun.hasPrefix("354") else { return (replies, begun) }
            talk.put("From: \(author)", "Message-ID: <\(id)@acme.example>", "Subject: \(id)", "", "text")
            return (replies, try await talk.say("."))
        }

        @Test(arguments: ["off", "on"])
        func `a cap that a message has filled does not keep it from being known again, on any node`(
            _ partial: String
        ) async throws {
            let site = try await Site()
            let credential = try site.tenant("acme", "--daily", "2", "--partial", partial)
            let ports = [try await site.serve("submission").port, try await site.serve("submission").port]
            let talks = [
                try await Talk(site, credential, port: ports[0]), try await Talk(site, credential, port: ports[1]),
            ]
            let first = try await attempt(talks[0], "one", to: ["b", "c"])
            try #require(first.last.hasPrefix("250"), "\(first)")
            for talk in [talks[0], talks[1], try await Talk(site, credential, port: ports[1])] {
                let again = try await attempt(talk, "one", to: ["b", "c"])
                #expect(again.last == first.last, "\(again)")
            }
            // Another message is still refused early, and at the latest at its end.
            let early = try await attempt(talks[0], "two", to: ["z"])
            #expect(early.recipients[0].hasPrefix("450 4.7.1 Daily cap of 2 recipients reached (2 used)"), "\(early)")
            #expect(early.last.hasPrefix("450"), "\(early)")
            let late = try await attempt(talks[0], "two", to: ["b"])
            #expect(late.recipients[0].hasPrefix("250") && late.last.hasPrefix("450 4.7.1 Daily cap"), "\(late)")
            let stored = try await site.sql.query("SELECT FROM gatepost.message").count
            #expect(stored == 1)

            // What is given back can be used at once, on both.
            let id = try #require(first.last.split(separator: " ").last.map(String.init))
            try site.gatepost("queue", "cancel", id, "--yes")
            for (index, talk) in talks.enumerated() {
                #expect(
                    try await eventually(within: .seconds(3)) {
                        try await attempt(talk, "after-\(index)", to: ["z"]).last.hasPrefix("250")
                    })
            }
        }

        @Test func `a suppressed recipient anywhere in a message does not keep it from being known again`() async throws
        {
            let site = try await Site()
            let credential = try site.tenant("acme", "--daily", "2")
            try site.gatepost("suppression", "add", "acme", "s@remote.example", "--reason", "test")
            let talk = try await Talk(site, credential, port: try await site.serve("submission").port)
            let first = try await attempt(talk, "one", to: ["a", "s", "b"])
            try #require(first.last.hasPrefix("250"), "\(first)")
            let again = try await attempt(talk, "one", to: ["a", "s", "b"])
            #expect(again.last == first.last, "\(again)")
            #expect(try await attempt(talk, "two", to: ["s", "z"]).last.hasPrefix("450"))
        }

        @Test func `nothing is refused for good by what a node remembers of before a change`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme", "--daily", "2", "--policy", "reject")
            let server = try await site.serve("submission")
            let talk = try await Talk(site, credential, port: server.port)
            let named = "\"ceo@bank.example\" <news@acme.example>"
            #expect(try await attempt(talk, "one", to: ["a", "b"], author: named).last.hasPrefix("250"))
            let remark = "\"from\":\"a display name or a comment shows an address of bank.example\""
            #expect(await eventually { server.log.split(separator: "\n").count { $0.contains(remark) } == 1 })
            let full = try await attempt(talk, "two", to: ["z"])
            #expect(full.recipients[0].hasPrefix("550 5.7.1 Daily cap of 2 recipients reached (2 used)"), "\(full)")
            let foreign = try await talk.say("MAIL FROM:<a@other.example>")
            #expect(foreign.hasPrefix("550 5.7.1 The envelope sender names other.example"), "\(foreign)")

            // Changed as by a command whose word is still on its way: written, and nobody told.
            try await site.sql.query("UPDATE gatepost.tenant SET daily_cap = 3 WHERE slug = 'acme'")
            let before = try await attempt(talk, "author", to: ["w"], author: "news@other.example")
            #expect(before.last.hasPrefix("550 5.7.1 The From field names other.example"), "\(before)")
            try await site.sql.query(
                """
                INSERT INTO gatepost.sender_domain (tenant_id, domain, token, verified_at, verified_by)
                SELECT d.tenant_id, 'other.example', 'x', now(), 'operator' FROM gatepost.sender_domain d
                WHERE d.domain = 'acme.example'
                """)
            let author = try await attempt(talk, "author", to: ["w"], author: "news@other.example")
            #expect(author.last.hasPrefix("250"), "\(author)")
            try await site.sql.query("UPDATE gatepost.tenant SET daily_cap = 5 WHERE slug = 'acme'")
            let raised = try await attempt(talk, "two", to: ["y", "z"])
            #expect(raised.recipients.allSatisfy { $0.hasPrefix("250") }, "\(raised)")
            #expect(raised.last.hasPrefix("250"), "\(raised)")
            let added = try await talk.say("MAIL FROM:<a@other.example>")
            #expect(added.hasPrefix("250"), "\(added)")
            #expect(try await attempt(talk, "three", to: ["x"]).recipients[0].hasPrefix("550 5.7.1 Daily cap of 5"))
            // (Lowered below what is used: as much is used as before.)
            try await site.sql.query("UPDATE gatepost.tenant SET daily_cap = 1 WHERE slug = 'acme'")
            let lowered = try await attempt(talk, "three", to: ["x"])
            #expect(
                lowered.recipients[0].hasPrefix("550 5.7.1 Daily cap of 1 recipients reached (5 used)"), "\(lowered)")
        }

        @Test func `a list with many bad addresses in it goes to the good ones`() async throws {
            let (site, server) = try await SharedSite.instance.site()
            let credential = try site.tenant("listed", "--daily", "100")
            let heard = try walk(
                site, credential, server, "send",
                (1...30).map { "bad\($0)@[192.0.2.1] good\($0)@remote.example" }.joined(separator: " "))
            #expect(heard.recipients?.count { $0.hasPrefix("550 5.1.2") } == 30, "\(heard)")
            #expect(heard.accepted.count == 1, "\(heard)")
            #expect(try await figures(site, "listed") == [30, 30, 30])
        }

        @Test func `a node that is told by the commit that a cap is reached says so at the next RCPT`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme", "--daily", "2")
            var talks: [Talk] = []
            for _ in 0..<2 {
                talks.append(try await Talk(site, credential, port: try await site.serve("submission").port))
            }
            for (index, talk) in talks.enumerated() {
                #expect(try await attempt(talk, "\(index)", to: ["r\(index)"]).last.hasPrefix("250"))
            }
            let late = try await attempt(talks[0], "late", to: ["x"])
            #expect(late.recipients[0].hasPrefix("250") && late.last.hasPrefix("450 4.7.1 Daily cap"), "\(late)")
            let early = try await attempt(talks[0], "early", to: ["x"])
            #expect(early.recipients[0].hasPrefix("450 4.7.1 Daily cap of 2 recipients reached (2 used)"), "\(early)")
        }
    }
}
