import Foundation
import SiteSupport
import TestSupport
import Testing

extension EndToEnd {
    /// THREATS §7: `make flood`, each flood for some seconds, beside 16 sessions that send their mail.
    @Suite struct FloodingTests {
        private static let flooding =
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().path + "/Benchmarks/flooding"

        @Test func `in a flood everyone else is still served, and memory stays within its bound`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme", "--daily", "unlimited", "--sessions", "unlimited")
            let server = try await site.serve(
                "submission",
                environment: [
                    "GATEPOST_SUBMISSION_MAX_MESSAGE_SIZE=1MiB", "GATEPOST_SUBMISSION_BODY_MEMORY=64MiB",
                    "GATEPOST_SUBMISSION_MAX_CONNECTIONS=1000",
                ])
            let output = try site.run(
                [
                    "env", "FORM=short", "CONNECTIONS=260", "SLOW=60", "OCTETS=12000000", "MESSAGES=160",
                    "FLOOD_PORT=\(server.port)", "FLOOD_TLS_PORT=\(server.tlsPort)", "FLOOD_CA=\(site.ca)",
                    "FLOOD_USERNAME=\(credential.username)", "FLOOD_SECRET_FILE=\(credential.secretFile)",
                    "FLOOD_SENDER=news@acme.example", "FLOOD_SERVER=\(server.process.id)",
                    "FLOOD_GATEPOST=\(Site.binary)", "FLOOD_BODY_MEMORY_MIB=64", "FLOOD_MAX_CONNECTIONS=1000",
                    "python3", "-B", "\(Self.flooding)/measure.py",
                ])
            let floods = output.standardOutput.split(separator: "\n").filter { !$0.hasPrefix("at rest") }
            let report = "\(output.standardOutput)\(output.standardError)\(server.log.suffix(2_000))"
            #expect(floods.count == 5 && floods.allSatisfy { $0.hasPrefix("ok ") }, "\(report)")
            #expect(output.status == 0 && server.process.isRunning, "\(report)")
        }
    }
}
