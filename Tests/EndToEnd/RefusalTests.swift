import Foundation
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

            let all = try send(
                site, credential, server, from: "news@limits.example",
                to: "a@b.example,c@b.example,d@b.example,e@b.example")
            #expect(all.contains("450 4.7.1 Daily cap of 3 recipients reached (0 used); resets "), "\(all)")
            #expect(try site.gatepost("usage", "limits", "--json").contains("\"used\":0,"))

            #expect(
                try send(site, credential, server, from: "news@limits.example").contains("250 2.0.0 Ok: queued as "))
            try site.gatepost("tenant", "set", "limits", "--daily", "1")
            let lowered = try send(site, credential, server, from: "news@limits.example")
            #expect(lowered.contains("450 4.7.1 Daily cap of 1 recipients reached (1 used); resets "), "\(lowered)")
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
