import Foundation
import Glibc
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

        @Test func `SIGTERM tells idle sessions 421, waits for the others and exits 0`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme", "--sessions", "200")
            let server = try await site.serve()
            let idle = try await watch(site, credential, server, sessions: 3, "idle")
            server.process.signal(SIGTERM)
            #expect(server.process.wait() == 0)
            #expect(
                await eventually {
                    readFile(idle).components(separatedBy: "421 4.3.2").count == 4
                }, "\(readFile(idle))")
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
