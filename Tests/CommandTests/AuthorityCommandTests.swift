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
        for host in ["10.0.0.999", "10.0.0", "relay.1"] {
            let refused = try run("ca issue relay-2 --kind relay --host \(host)")
            #expect(refused.status == 64 && refused.errors.contains("'\(host)' is neither"), "\(refused.errors)")
        }
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

    @Test func `let check say where a certificate or a revocation list is of no use`() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "gatepost-ca-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func pki(_ name: String, _ line: String) throws {
            let arguments = line.split(separator: " ").map(String.init)
            let made = try Run(arguments, environment: ["GATEPOST_PKI_DIRECTORY": "\(folder)/\(name)"])
            try #require(made.status == 0, "\(made.errors)")
        }
        for name in ["ours", "others"] {
            try pki(name, "ca init")
            try pki(name, "ca issue forwarder-1 --kind forwarder")
            try pki(name, "ca issue relay-1 --kind relay --host relay-1.example")
            try pki(name, "ca crl")
        }
        func check(forwarder: String, relay: String, list: String) throws -> String {
            try Run(
                ["check"],
                environment: [
                    "GATEPOST_PKI_DIRECTORY": "\(folder)/none",
                    "GATEPOST_FORWARDER_CERTIFICATE": "\(folder)/\(forwarder).pem",
                    "GATEPOST_FORWARDER_PRIVATE_KEY": "\(folder)/\(forwarder).key",
                    "GATEPOST_FORWARDER_AUTHORITIES": "\(folder)/ours/ca.pem",
                    "GATEPOST_FORWARDER_REVOCATIONS": "\(folder)/\(list)/crl.pem",
                    "GATEPOST_RELAY_CERTIFICATE": "\(folder)/\(relay).pem",
                    "GATEPOST_RELAY_PRIVATE_KEY": "\(folder)/\(relay).key",
                    "GATEPOST_RELAY_AUTHORITIES": "\(folder)/ours/ca.pem",
                    "GATEPOST_RELAY_REVOCATIONS": "\(folder)/\(list)/crl.pem",
                ]
            ).output
        }
        let useless = [
            "is no client's: relays deny its mail", "is no server's: forwarders give it no mail", "is of none",
        ]
        let good = try check(forwarder: "ours/forwarder-1", relay: "ours/relay-1", list: "ours")
        #expect(good.contains("relay.revocations: revocation list: 0 certificates"), "\(good)")
        for one in useless { #expect(!good.contains(one), "\(good)") }
        let swapped = try check(forwarder: "ours/relay-1", relay: "ours/forwarder-1", list: "others")
        for one in useless { #expect(swapped.contains(one), "\(swapped)") }
        #expect(swapped.contains("--kind forwarder`") && swapped.contains("--kind relay`"), "\(swapped)")
    }

    @Test func `let check say who is revoked and not in the list`() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "gatepost-ca-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func run(_ line: String) throws -> Run {
            try Run(line.split(separator: " ").map(String.init), environment: ["GATEPOST_PKI_DIRECTORY": folder])
        }
        for line in ["ca init", "ca issue forwarder-1 --kind forwarder", "ca crl"] {
            try #require(try run(line).status == 0)
        }
        let list = URL(filePath: "\(folder)/crl.pem")
        let before = try Data(contentsOf: list)
        try #require(try run("ca revoke forwarder-1 --yes").status == 0)
        #expect(!(try run("check").output.contains("not in it")))
        try before.write(to: list)
        let check = try run("check").output
        #expect(check.contains("forwarder-1 (serial ") && check.contains("is revoked, and not in it"), "\(check)")
        #expect(check.contains("`gatepost ca crl`"), "\(check)")
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
