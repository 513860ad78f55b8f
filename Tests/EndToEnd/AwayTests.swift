import Foundation
import Glibc
import Postgres
import SiteSupport
import TestSupport
import Testing

extension EndToEnd {
    /// While PostgreSQL is away: 4xx at every stage, and nothing is taken that is not accounted for.
    @Suite struct AwayTests {
        @Test func `commands that go on until they are ended wait for it, and say where they were`() async throws {
            let site = try await Site()
            func begin(_ words: String...) throws -> (ChildProcess, log: String) {
                let log = "\(site.folder)/\(words[0]).log"
                let process = try ChildProcess([Site.binary] + words + ["--config", site.settings], log: log)
                site.watch(process)
                return (process, log)
            }
            _ = try site.tenant("acme")
            let tail = try begin(
                "event", "tail", "--tenant", "acme", "--after", "0:00000000-0000-0000-0000-000000000000")
            let watched = try begin("usage", "acme", "--watch")
            #expect(await eventually { readFile(tail.log).contains("credential_changed") }, "\(readFile(tail.log))")
            #expect(await eventually { readFile(watched.log).contains("day 0/") }, "\(readFile(watched.log))")
            site.cluster.stop(SIGQUIT)
            for log in [tail.log, watched.log] {
                #expect(
                    await eventually { readFile(log).contains("; trying again until it is back") }, "\(readFile(log))")
            }
            try site.cluster.start()
            for log in [tail.log, watched.log] {
                #expect(await eventually { readFile(log).contains("the database is back") }, "\(readFile(log))")
            }
            try site.gatepost("tenant", "suspend", "acme", "--reason", "while it was away", "--yes")
            #expect(await eventually { readFile(tail.log).contains("while it was away") }, "\(readFile(tail.log))")
            for process in [tail.0, watched.0] {
                process.signal(SIGTERM)
                #expect(process.wait() == 0)
            }
            let lines = readFile(tail.log).split(separator: "\n")
            #expect(lines.count { $0.contains("trying again") } == 1, "it is said once")
            #expect(lines.last?.hasPrefix("position ") == true, "\(lines)")
        }

        @Test func `AUTH, MAIL, RCPT, DATA and the commit fail with 4xx, and afterwards all is as before`() async throws
        {
            let site = try await Site()
            let credential = try site.tenant("acme")
            let server = try await site.serve()
            func session() async throws -> Talk {
                let talk = try await Talk(site, credential, port: server.port)
                try #require(talk.greeting.hasPrefix("235"), "\(talk.greeting)")
                return talk
            }
            func say(_ talk: Talk, _ line: String, _ expected: String) async throws {
                let reply = try await talk.say(line)
                #expect(reply.hasPrefix(expected), "\(line): \(reply)")
                if !expected.hasPrefix("2"), !expected.hasPrefix("354") { #expect(refusalID(reply) != nil) }
            }
            // Two commits: each of the node's two connections learns by one that PostgreSQL has gone.
            let commits = [try await session(), try await session()]
            let (mailing, receiving, sending) = (try await session(), try await session(), try await session())
            for talk in commits + [receiving, sending] {
                try await say(talk, "MAIL FROM:<news@acme.example>", "250")
            }
            for talk in commits + [sending] { try await say(talk, "RCPT TO:<a@b.example>", "250") }
            for talk in commits {
                try await say(talk, "DATA", "354")
                talk.put("From: news@acme.example", "Subject: never", "", "text")
            }

            site.cluster.stop(SIGQUIT)
            for talk in commits { try await say(talk, ".", "451 4.3.0") }
            try await say(mailing, "MAIL FROM:<news@acme.example>", "451 4.3.0")
            try await say(receiving, "RCPT TO:<a@b.example>", "451 4.3.0")
            try await say(sending, "DATA", "451 4.3.0")
            let login = try await Talk(site, credential, port: server.port).greeting
            #expect(login.hasPrefix("454 4.7.0"), "\(login)")
            #expect(!server.log.contains("login could not be looked up"), "any stranger could fill the log with it")
            // None of them was ended.
            for talk in commits + [mailing, receiving, sending] { try await say(talk, "NOOP", "250") }

            try site.cluster.start()
            // The very sessions go on.
            let isBack = try await eventually(within: .seconds(30)) {
                _ = try await sending.say("RSET")
                return try await sending.say("MAIL FROM:<news@acme.example>").hasPrefix("250")
            }
            #expect(isBack)
            try await say(sending, "RCPT TO:<a@b.example>", "250")
            try await say(sending, "DATA", "354")
            sending.put("From: news@acme.example", "Subject: once", "", "text")
            try await say(sending, ".", "250 2.0.0")
            let rows = try await site.sql.query(
                """
                SELECT (SELECT sum(recipients)::bigint FROM gatepost.usage WHERE credential_id = 0 AND period = 'day')
                           AS used,
                       (SELECT count(*) FROM gatepost.recipient) AS stored
                """)
            #expect(try rows.first?.int64("used") == 1)
            #expect(try rows.first?.int64("stored") == 1)
            // What was refused meanwhile is written down when that can be done again.
            let isWritten = try await eventually(within: .seconds(30)) {
                try await site.sql.query(
                    "SELECT FROM gatepost.event WHERE kind = 'refused' AND reply_code = 451"
                ).count >= 5
            }
            #expect(isWritten)
        }
    }
}
