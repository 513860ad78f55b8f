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

    @Test func `need no database, and not its password either`() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "gatepost-ca-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let environment = [
            "GATEPOST_PKI_DIRECTORY": folder.path, "GATEPOST_DATABASE_PASSWORD_FILE": folder.path + "/not-yet",
        ]
        let made = try Run(["ca", "init"], environment: environment)
        #expect(made.status == 0, "\(made.errors)")
        #expect(try Run(["tenant", "list"], environment: environment).errors.contains("/not-yet"))
    }

    @Test func `renew and revoke, ask first, and say what is near`() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "gatepost-ca-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        func run(_ line: String) throws -> Run {
            try Run(
                line.split(separator: " ").map(String.init), environment: ["GATEPOST_PKI_DIRECTORY": folder.path])
        }
        _ = try run("ca init")
        _ = try run("ca issue forwarder-1 --kind forwarder")
        let reserved = try run("ca issue crl --kind forwarder")
        #expect(reserved.status != 0 && reserved.errors.contains("not 'ca' or 'crl'"))
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/crl.pem"))
        let mistyped = try run("ca renew forwarder1")
        #expect(mistyped.status == 1 && mistyped.errors.contains("did you mean `forwarder-1`?"))
        #expect(try run("ca revoke ca --yes").errors.contains("neither renews nor revokes itself"))

        let renewed = try run("ca renew forwarder-1 --days 20")
        #expect(renewed.status == 0 && renewed.errors.contains("--reason superseded"))
        #expect(try run("ca list").output.contains("ends soon"))
        let unasked = try run("ca revoke forwarder-1")
        #expect(unasked.status == 64 && unasked.errors.contains("--yes"))
        #expect(try run("ca revoke forwarder-1 --reason stolen --yes").status == 64)

        let revoked = try run("ca revoke forwarder-1 --reason key-compromise --yes --json")
        let object = try JSONSerialization.jsonObject(with: Data(revoked.output.utf8)) as? [String: Any]
        #expect((object?["revoked"] as? [Any])?.count == 2)
        #expect(object?["revocations"] as? String == folder.path + "/crl.pem")
        let again = try run("ca revoke forwarder-1 --yes")
        #expect(again.status == 0 && again.output.hasPrefix("nothing under forwarder-1 was still good"))
        let list = try run("ca list")
        #expect(list.output.contains("revoked: key-compromise") && list.errors.contains("2 certificates, good until"))
        #expect(try run("ca crl --days 7").output.contains("2 certificates"))
    }
}
