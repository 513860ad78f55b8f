import Foundation
import Postgres
import SiteSupport
import TestSupport
import Testing

extension EndToEnd {
    /// Where a secret must never turn up, looked through after it has been used.
    @Suite struct SecretTests {
        @Test func `no secret is in a log, the audit, the database, a process list or what commands print`()
            async throws
        {
            let (site, server) = try await SharedSite.instance.site()
            let credential = try site.tenant("secrets")
            let files = try ["trace", "submission"].map { name in
                let path = "\(site.folder)/secrets-\(name).eml"
                try "From: a@secrets.example\r\nSubject: \(name)\r\n\r\nx\r\n".write(
                    toFile: path, atomically: true, encoding: .utf8)
                return path
            }
            // Everything the server has to say, at the finest level.
            let talkative = try await site.serve(environment: [
                "GATEPOST_LOG_LEVEL=trace", "GATEPOST_RELAY_LISTEN=127.0.0.1:\(FreePort.find())",
            ])
            for (port, file) in zip([talkative.port, server.port], files) {
                let configuration = "\(site.folder)/secrets.curl"
                for secret in [credential.secret, "gp_" + String(repeating: "x", count: 36)] {
                    try "user = \"\(credential.username):\(secret)\"\n".write(
                        toFile: configuration, atomically: true, encoding: .utf8)
                    let sent = try site.run([
                        "curl", "-sS", "--config", configuration, "--ssl-reqd", "--cacert", site.ca,
                        "smtp://localhost:\(port)/client.example", "--mail-from", "a@secrets.example", "--mail-rcpt",
                        "b@remote.example", "-T", file,
                    ])
                    #expect((sent.status == 0) == (secret == credential.secret), "\(sent.standardError)")
                }
            }
            var seen: [String: String] = [
                "log": server.log, "trace log": talkative.log,
                "arguments": readFile("/proc/\(talkative.process.id)/cmdline"),
                "environment": readFile("/proc/\(talkative.process.id)/environ"),
            ]
            for line in [
                "credential list secrets", "credential list secrets --json", "tenant show secrets", "usage secrets",
                "queue list --all --tenant secrets", "check",
            ] {
                let words = line.split(separator: " ").map(String.init)
                let output = try site.run([Site.binary] + words + ["--config", "\(site.folder)/gatepost.yaml"])
                seen[line] = output.standardOutput + output.standardError
            }
            let tables = try await site.sql.query(
                """
                SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = 'gatepost' AND c.relkind IN ('r', 'p')
                """)
            for table in tables {
                let name = try table.string("name")
                let rows = try await site.sql.query("SELECT string_agg(t::text, ' ') AS rows FROM \(name) t")
                seen["table \(name)"] = try rows.first?.stringOrNil("rows") ?? ""
            }
            #expect(seen["log"]?.contains(credential.username) == true && seen.keys.contains("table gatepost.audit"))
            let base64 = Data("\0\(credential.username)\0\(credential.secret)".utf8).base64EncodedString()
            for (place, text) in seen {
                #expect(!text.contains(credential.secret), "the secret is in: \(place)")
                #expect(!text.contains(base64), "the secret is in base64 in: \(place)")
            }
            talkative.process.signal(SIGTERM)
            talkative.process.wait()
        }
    }
}
