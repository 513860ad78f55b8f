import Foundation
import Postgres
import SiteSupport
import TestSupport
import Testing

extension EndToEnd {
    /// THREATS §7 on the wire: each limit reached by a real client, and everyone else still served.
    @Suite struct ExhaustionTests {
        @Test func `whoever is silent, slow, deaf or too many is shown out, and others are served`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme")
            let server = try await site.serve(
                "submission",
                environment: [
                    "GATEPOST_SUBMISSION_AUTHENTICATION_TIMEOUT=3s", "GATEPOST_SUBMISSION_HANDSHAKE_TIMEOUT=2s",
                    "GATEPOST_SUBMISSION_WRITE_TIMEOUT=2s", "GATEPOST_SUBMISSION_MAX_CONNECTIONS=12",
                    "GATEPOST_SUBMISSION_MAX_HANDSHAKES=6", "GATEPOST_SUBMISSION_MIN_DATA_RATE=1KiB",
                ])
            let output = try site.run([
                "python3", Site.clients + "exhaustion.py", "\(server.port)", "\(server.tlsPort)", site.ca,
                credential.username, credential.secretFile, "news@acme.example",
            ])
            let lines = output.standardOutput.split(separator: "\n").map(String.init)
            #expect(lines.count == 7, "\(output.standardError)")
            let wrong = lines.filter { !$0.hasPrefix("ok ") }
            #expect(wrong.isEmpty, "\(wrong.joined(separator: "\n"))")
            #expect(try await site.sql.query("SELECT FROM gatepost.message").count == 0)
        }

        @Test func `open files are used up: others are told or wait, nothing spins, and it passes`() async throws {
            let site = try await Site()
            let server = try await site.serve(
                "submission", environment: ["GATEPOST_SUBMISSION_MAX_CONNECTIONS_PER_ADDRESS=1000"])
            let output = try site.run([
                "python3", Site.clients + "descriptors.py", "\(server.port)", "\(server.process.id)",
            ])
            #expect(output.standardOutput == "ok told\nok waits\n", "\(output.standardError)")
            #expect(await server.says("connections wait to be accepted"))
        }
    }
}
