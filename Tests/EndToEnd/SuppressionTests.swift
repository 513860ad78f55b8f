import Foundation
import Postgres
import SiteSupport
import TestSupport
import Testing

extension EndToEnd {
    /// Whom a tenant does not write to any more, from the client's RCPT to somebody else's server.
    @Suite struct SuppressionTests {
        @Test func `the suppressed one gets nothing, the other does, the counter says one; nobody left is refused`()
            async throws
        {
            let site = try await Site()
            let sink = try await Sink(site)
            try site.member(sink.port, "--tls", "none")
            let credential = try site.tenant("acme", "--first-time-daily", "3")
            let server = try await site.serve()
            try site.gatepost("suppression", "add", "acme", "Gone@remote.example", "--reason", "hard bounce")
            try Self.send(site, server, credential, to: "gone@remote.example,here@remote.example", "one of two")
            #expect(await eventually(within: .seconds(30)) { !sink.messages.isEmpty }, "\(server.log)")
            #expect(try await figures(site) == [1, 1, 1, 1])
            let told = try site.gatepost("event", "list", "--tenant", "acme", "--kind", "suppressed")
            #expect(told.contains("gone@remote.example") && told.contains("hard bounce"), "\(told)")
            let id = try #require(try await site.sql.query("SELECT id FROM gatepost.message").first?.uuid("id"))
            let story = try site.gatepost("explain", "\(id)")
            #expect(story.contains("suppressed") && story.contains("gone@remote.example"), "\(story)")

            let refused = try site.run(Self.swaks(server, credential, to: "gone@remote.example", "nobody"))
            #expect(refused.status != 0)
            let transcript = refused.standardOutput
            #expect(
                transcript.contains(
                    "550 5.7.1 The recipient is suppressed for this account (gone@remote.example: hard bounce)"),
                "\(transcript)")
            #expect(try await figures(site) == [1, 1, 1, 1])

            // What comes behind shows that nothing is still on its way.
            try site.gatepost("suppression", "remove", "acme", "gone@remote.example")
            try Self.send(site, server, credential, to: "gone@remote.example", "welcome back")
            #expect(await eventually(within: .seconds(30)) { sink.messages.count >= 2 }, "\(server.log)")
            #expect(sink.messages.count == 2)
            #expect(sink.messages.count { $0.contains("X-Rcpt-Args: <gone@remote.example>") } == 1)
            let first = try #require(sink.messages.first { $0.contains("Subject: one of two\n") })
            #expect(first.contains("X-Rcpt-Args: <here@remote.example>"))
            #expect(!first.contains("X-Rcpt-Args: <gone@"))
            #expect(try await figures(site) == [2, 2, 2, 2])
            try site.gatepost("usage", "verify", "--tenant", "acme")
        }

        @Test func `a nearly full cap is not filled at RCPT by those who are suppressed`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme", "--daily", "2")
            let server = try await site.serve()
            let talk = try await Talk(site, credential, port: server.port)
            func third() async throws -> String {
                for line in ["RSET", "MAIL FROM:<a@acme.example>", "RCPT TO:<b@x.example>", "RCPT TO:<c@x.example>"] {
                    #expect(try await talk.say(line).hasPrefix("250"), "\(line)")
                }
                return try await talk.say("RCPT TO:<gone@x.example>")
            }
            #expect(try await third().hasPrefix("450"))
            try site.gatepost("suppression", "add", "acme", "gone@x.example", "away@x.example", "--reason", "bounced")
            // The node remembered that this tenant suppresses nobody, and has heard that it does.
            #expect(try await eventually(within: .seconds(10)) { try await third().hasPrefix("250") })
            #expect(try await talk.say("RSET").hasPrefix("250"))
            #expect(try await talk.say("MAIL FROM:<a@acme.example>").hasPrefix("250"))
            for name in ["b", "gone", "c", "Away"] {
                let reply = try await talk.say("RCPT TO:<\(name)@x.example>")
                #expect(reply.hasPrefix("250"), "\(name): \(reply)")
            }
            #expect(try await talk.say("DATA").hasPrefix("354"))
            talk.put("From: a@acme.example", "Subject: two of four", "")
            let queued = try await talk.say(".")
            #expect(queued.hasPrefix("250"), "\(queued)")
            #expect(try await figures(site)[0] == 2)

            // Nothing is left now: suppressed ones cost nothing still, the first other one is over the cap.
            #expect(try await talk.say("MAIL FROM:<a@acme.example>").hasPrefix("250"))
            #expect(try await talk.say("RCPT TO:<gone@x.example>").hasPrefix("250"))
            #expect(try await talk.say("RCPT TO:<away@x.example>").hasPrefix("250"))
            let refused = try await talk.say("RCPT TO:<d@x.example>")
            #expect(refused.hasPrefix("450 4.7.1 Daily cap of 2 recipients reached (2 used)"), "\(refused)")
            #expect(try await talk.say("DATA").hasPrefix("450 4.7.1 Daily cap of 2"))
            #expect(try await talk.say("RSET").hasPrefix("250"))
            // Nobody of these at all: the ledger has its own word for it.
            #expect(try await talk.say("MAIL FROM:<a@acme.example>").hasPrefix("250"))
            #expect(try await talk.say("RCPT TO:<gone@x.example>").hasPrefix("250"))
            #expect(try await talk.say("DATA").hasPrefix("354"))
            talk.put("From: a@acme.example", "Subject: nobody", "")
            #expect(try await talk.say(".").hasPrefix("550 5.7.1 The recipient is suppressed"))
            try site.gatepost("usage", "verify", "--tenant", "acme")
        }

        private static func swaks(
            _ server: Site.Server, _ credential: Site.Credential, to: String, _ subject: String
        ) -> [String] {
            [
                "swaks", "--server", "127.0.0.1:\(server.port)", "--tls", "--auth", "PLAIN", "--auth-user",
                credential.username, "--auth-password", credential.secret, "--from", "news@acme.example", "--to", to,
                "--h-From", "news@acme.example", "--h-Subject", subject,
            ]
        }

        private static func send(
            _ site: Site, _ server: Site.Server, _ credential: Site.Credential, to: String, _ subject: String
        ) throws {
            let sent = try site.run(swaks(server, credential, to: to, subject))
            try #require(sent.status == 0, "\(sent.standardOutput)\(sent.standardError)")
        }

        /// used, Σ ledger, recipients stored, first-time recipients.
        private func figures(_ site: Site) async throws -> [Int64] {
            let row = try #require(
                try await site.sql.query(
                    """
                    SELECT (SELECT sum(u.recipients) FROM gatepost.usage u
                            WHERE u.credential_id = 0 AND u.period = 'day')::bigint AS used,
                           (SELECT sum(l.recipients) FROM gatepost.ledger l)::bigint AS ledger,
                           (SELECT count(*) FROM gatepost.recipient) AS stored,
                           (SELECT sum(u.first_time) FROM gatepost.usage u
                            WHERE u.credential_id = 0 AND u.period = 'day')::bigint AS first_time
                    """
                ).first)
            return try ["used", "ledger", "stored", "first_time"].map { try row.int64($0) }
        }
    }
}
