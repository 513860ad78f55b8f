import Foundation
import Testing

@testable import gatepost

/// `gatepost suppression`, by the built binary.
@Suite(.timeLimit(.minutes(10))) struct `Commands for suppressions` {
    typealias Office = `An operator's commands`.Office

    @Test func `add, list page by page, remove; each with its line in the audit`() async throws {
        let office = try await Office()
        _ = try office.run("tenant create acme")
        let added = try office.json("suppression add acme B@Remote.example --reason bounced")
        #expect(added["changed"] as? Int == 1 && added["reason"] as? String == "bounced")
        #expect(try office.run("suppression add acme b@remote.example --reason bounced").output.contains("already"))
        let listed = try office.lines("suppression list acme")
        #expect(listed.map { $0["address"] as? String } == ["b@remote.example"])
        #expect(listed.first?["reason"] as? String == "bounced" && listed.first?["until"] is NSNull)

        let addresses = (0..<1201).map { String(format: "u%04d@remote.example", $0) }
        let file = FileManager.default.temporaryDirectory.appending(path: "gatepost-list-\(UUID().uuidString)").path
        defer { unlink(file) }
        try ("# from elsewhere\n\n" + addresses.joined(separator: "\n") + "\n").write(
            toFile: file, atomically: true, encoding: .utf8)
        let many = try office.json("suppression add acme --file \(file) --until 14d")
        #expect(many["addresses"] as? Int == 1201 && many["changed"] as? Int == 1201)
        #expect(try office.lines("suppression list acme").count == 1202, "three pages")
        let some = try office.lines("suppression list acme --limit 2 --after u0007@remote.example")
        #expect(some.map { $0["address"] as? String } == ["u0008@remote.example", "u0009@remote.example"])
        let one = try office.lines("suppression list acme --address U0100@remote.example")
        #expect(one.count == 1 && one.first?["in_force"] as? Bool == true)
        #expect(try office.run("suppression list acme").output.contains("u1200@remote.example"))

        let removed = try office.json("suppression remove acme b@remote.example")
        #expect(removed["removed"] as? Int == 1)
        let again = try office.run("suppression remove acme b@remote.example")
        #expect(again.status == 1 && again.errors.contains("is not suppressed"))
        let none = try office.run("suppression remove acme b@remote.example nobody@remote.example")
        #expect(none.status == 1 && none.output.isEmpty, "\(none.output)")
        #expect(
            none.errors.contains(
                "none of the 2 addresses is suppressed for acme: b@remote.example, nobody@remote.example"),
            "\(none.errors)")
        let partly = try office.run("suppression remove acme U1200@remote.example nobody@remote.example")
        #expect(partly.status == 0 && partly.output.contains("1 of 2 addresses"), "\(partly.errors)")
        #expect(partly.errors == "not on the list: nobody@remote.example\n")
        let asJSON = try office.json("suppression remove acme u1199@remote.example nobody@remote.example")
        #expect(asJSON["removed"] as? Int == 1)
        #expect(asJSON["not_there"] as? [String] == ["nobody@remote.example"])
        let audit = try office.lines("audit list --limit 5000").filter {
            ($0["action"] as? String)?.hasPrefix("suppression") == true
        }
        #expect(audit.count == 1205)
        #expect(audit.contains { $0["object"] as? String == "acme b@remote.example" })
    }

    @Test func `a file with a line that is no address changes nothing, and says which`() async throws {
        let office = try await Office()
        _ = try office.run("tenant create acme")
        let file = FileManager.default.temporaryDirectory.appending(path: "gatepost-list-\(UUID().uuidString)").path
        defer { unlink(file) }
        try "a@remote.example\nremote.example\n".write(toFile: file, atomically: true, encoding: .utf8)
        let refused = try office.run("suppression add acme --file \(file)")
        #expect(refused.status == 1 && refused.errors.contains("\(file):2: no address"))
        try Data("a@remote.example\nb\u{e9}@remote.example\nc@remote.example\n".unicodeScalars.map { UInt8($0.value) })
            .write(to: URL(filePath: file))
        let foreign = try office.run("suppression add acme --file \(file)")
        #expect(foreign.status == 1 && foreign.errors.contains("\(file):2: is not UTF-8"), "\(foreign.errors)")
        let missing = try office.run("suppression add acme --file \(file)-missing")
        #expect(missing.status == 1 && missing.errors.hasPrefix("error: \(file)-missing: there is no such file\n"))
        #expect(try office.lines("suppression list acme").isEmpty)
        #expect(try office.run("suppression list nobody").status == 1)
    }
}
