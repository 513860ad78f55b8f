import Foundation
import Postgres
import SiteSupport
import TestSupport
import Testing

extension EndToEnd {
    /// Hostile and broken input on the wire: every row of sections 1 to 6, by a client that knows no manners.
    ///
    /// The same rows are cases of the pure machines in `SMTPTests`, `MailMessageTests` and `SASLTests`. Each case says
    /// which messages it had accepted; what else is stored or charged afterwards is a failure.
    @Suite struct ThreatTests {
        private struct Finding: Decodable {
            var row: String
            var ok: Bool
            var wrong: String?
            var stored: [String]
        }

        @Test(arguments: 1...6)
        func `what hostile clients send is answered rightly, stored nowhere and charged to no one`(
            section: Int
        ) async throws {
            let (site, server) = try await SharedSite.instance.site()
            let slug = "threat\(section)"
            let credential = try site.tenant(slug, "--daily", "unlimited", "--sessions", "100")
            let revoked = try site.credential(slug)
            try site.gatepost("credential", "revoke", revoked.username, "--yes")
            let output = try site.run([
                "python3", Site.clients + "threats.py", "§\(section)", "\(server.port)", "\(server.tlsPort)", site.ca,
                credential.username, credential.secretFile, "news@\(slug).example", revoked.username,
            ])
            #expect(output.status == 0, "\(output.standardError)")
            let findings = try output.standardOutput.split(separator: "\n").map {
                try JSONDecoder().decode(Finding.self, from: Data($0.utf8))
            }
            #expect(findings.count > 10)
            let wrong = findings.filter { !$0.ok }.map { "\($0.row): \($0.wrong ?? "")" }
            #expect(wrong.isEmpty, "\(wrong.joined(separator: "\n"))")
            try await expectStored(findings.flatMap(\.stored), of: slug, in: site)
            #expect(server.process.isRunning)
        }

        private func expectStored(_ subjects: [String], of slug: String, in site: Site) async throws {
            let rows = try await site.sql.query(
                """
                SELECT coalesce(substring(encode(substr(b.content, 1, 4000), 'escape') FROM 'Subject: (threat[0-9a-f-]+)'),
                                'something else') AS subject
                FROM gatepost.tenant t JOIN gatepost.message m ON m.tenant_id = t.id
                JOIN gatepost.body b ON b.tenant_id = m.tenant_id AND b.message_id = m.id WHERE t.slug = $1
                """, [.text(slug)])
            let stored = try rows.map { try $0.string("subject") }
            #expect(stored.sorted() == subjects.sorted())
            let figures = try await site.sql.query(
                """
                SELECT (SELECT coalesce(sum(u.recipients), 0) FROM gatepost.usage u
                        WHERE u.tenant_id = t.id AND u.credential_id = 0 AND u.period = 'day')::bigint AS used,
                       (SELECT count(*) FROM gatepost.recipient r WHERE r.tenant_id = t.id) AS recipients
                FROM gatepost.tenant t WHERE t.slug = $1
                """, [.text(slug)])
            let row = try #require(figures.first)
            #expect(try row.int64("used") == row.int64("recipients"))
        }
    }
}
