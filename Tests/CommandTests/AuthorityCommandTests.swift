import Foundation
import Testing

/// `gatepost ca`, in a folder of the test's own.
@Suite struct `The authority's commands` {
    @Test func `make an authority, issue and list, and overwrite nothing`() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "gatepost-ca-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        func run(_ line: String) throws -> Run {
            try Run(
                line.split(separator: " ").map(String.init), environment: ["GATEPOST_PKI_DIRECTORY": folder.path])
        }
        let none = try run("ca list")
        #expect(none.status == 1 && none.errors.contains("gatepost ca init"))
        #expect(try run("ca init").status == 0)
        #expect(try run("ca init").status == 1)
        #expect(try run("ca issue forwarder-1 --kind forwarder").status == 0)
        let relay = try run("ca issue relay-1 --kind relay --host relay-1.example --host 127.0.0.1 --days 30 --json")
        #expect(relay.status == 0)
        let object = try JSONSerialization.jsonObject(with: Data(relay.output.utf8)) as? [String: Any]
        #expect(object?["certificate"] as? String == folder.path + "/relay-1.pem")
        #expect(object?["hosts"] as? [String] == ["relay-1.example", "127.0.0.1"])
        #expect(try run("ca issue relay-1 --kind relay --host relay-1.example").status == 1)
        #expect(try run("ca issue ../x --kind forwarder").status == 1)
        #expect(try run("ca list --json").output.split(separator: "\n").count == 3)
        let attributes = try FileManager.default.attributesOfItem(atPath: folder.path + "/relay-1.key")
        #expect(attributes[.posixPermissions] as? Int == 0o600)
    }
}
