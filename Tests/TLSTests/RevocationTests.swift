import Foundation
import Glibc
import TLS
import TestSupport
import Testing

/// The revocation list, by OpenSSL's own judgement.
@Suite struct RevocationTests {
    let folder: TemporaryFolder
    let authority: CertificateAuthority

    init() throws {
        folder = try TemporaryFolder()
        authority = try CertificateAuthority.create(in: folder.path + "/ca")
    }

    /// nil where `openssl verify -crl_check` is content, else what it says.
    private func refusal(of certificate: String) throws -> String? {
        let log = "\(folder.path)/verify"
        unlink(log)
        let status = try ChildProcess(
            [
                "openssl", "verify", "-x509_strict", "-crl_check", "-CAfile", authority.certificateFile, "-CRLfile",
                authority.revocationFile, certificate,
            ], log: log
        ).wait()
        return status == 0 ? nil : readFile(log)
    }

    private func listText() throws -> String {
        let log = "\(folder.path)/list"
        unlink(log)
        _ = try ChildProcess(["openssl", "crl", "-noout", "-text", "-in", authority.revocationFile], log: log).wait()
        return readFile(log)
    }

    @Test func `openssl refuses what was revoked and nothing else`() throws {
        try authority.issue("forwarder-1", .forwarder)
        let lost = try authority.issue("forwarder-2", .forwarder)
        #expect(try authority.revocationList() == nil)
        #expect(try authority.revoke("forwarder-2", .keyCompromise).map(\.serial) == [lost.serial])
        #expect(try refusal(of: authority.certificateFile(of: "forwarder-1")) == nil)
        #expect(try refusal(of: authority.certificateFile(of: "forwarder-2"))?.contains("certificate revoked") == true)
        let text = try listText()
        for line in ["Version 2", "Key Compromise", "X509v3 CRL Number", "X509v3 Authority Key Identifier"] {
            #expect(text.contains(line), "\(line)")
        }
        var status = stat()
        #expect(stat(authority.revocationFile, &status) == 0 && status.st_mode & 0o777 == 0o644)
        let listed = try authority.list()
        #expect(listed.last?.revocation?.reason == .keyCompromise && listed[1].revocation == nil)
        #expect(try authority.revocationList()?.serials == [lost.serial])
    }

    @Test func `a name ends all that is good under it, a serial number one, and twice is once`() throws {
        let first = try authority.issue("relay-1", .relay(hosts: ["relay-1.example"]))
        let second = try authority.renew("relay-1")
        let third = try authority.renew("relay-1")
        #expect(try authority.revoke(first.serial, .superseded).map(\.serial) == [first.serial])
        #expect(try authority.revoke("relay-1", .unspecified).map(\.serial) == [second.serial, third.serial])
        #expect(try authority.revoke("relay-1", .unspecified).isEmpty)
        #expect(try authority.revocationList()?.serials.count == 3)
        #expect(!(try listText()).contains("Unspecified"), "left out, as RFC 5280 §5.3.1 asks")
    }

    @Test func `what is renewed has a new key and the same names, and the old one stays good`() throws {
        let before = try authority.issue("smtp", .server(hosts: ["smtp.example", "192.0.2.1"]))
        let old = "\(folder.path)/old.pem"
        try #require(rename(authority.certificateFile(of: "smtp"), old) == 0)
        let keyBefore = readFile(authority.keyFile(of: "smtp"))
        let after = try authority.renew("smtp", days: 30)
        #expect(after.hosts == before.hosts && after.kind == "server" && after.serial != before.serial)
        #expect(readFile(authority.keyFile(of: "smtp")) != keyBefore)
        let context = try TLSContext.server(
            certificateChain: authority.certificateFile(of: "smtp"), privateKey: authority.keyFile(of: "smtp"))
        #expect(context.certificateNames == ["smtp.example", "192.0.2.1"])
        _ = try authority.renewRevocations()
        #expect(try refusal(of: old) == nil)
        let moved = try authority.renew("smtp", hosts: ["smtp.example.net"])
        #expect(moved.hosts == ["smtp.example.net"])
    }

    @Test func `the number of a list rises, also when the last one was lost`() throws {
        let first = try authority.renewRevocations(days: 7)
        let second = try authority.renewRevocations()
        #expect(second.number > first.number)
        #expect(second.nextUpdate - second.thisUpdate == 7 * 86_400 + 300, "as long as the one before")
        unlink(authority.revocationFile)
        #expect(try authority.renewRevocations().number > second.number)
        #expect(try authority.revocationList()?.isStale == false)
    }

    @Test func `the list is made anew past half of its time, and only where there is one`() throws {
        #expect(try authority.refreshRevocations() == false)
        #expect(try authority.revocationList() == nil)
        _ = try authority.renewRevocations()
        #expect(try authority.refreshRevocations() == false)
    }

    @Test func `a list that cannot be written is told, and made later`() throws {
        let entry = try authority.issue("forwarder-1", .forwarder)
        _ = try authority.renewRevocations()
        let obstacle = authority.revocationFile + ".new"
        try FileManager.default.createDirectory(atPath: obstacle, withIntermediateDirectories: false)
        let error = #expect(throws: TLSError.self) { try authority.revoke("forwarder-1", .keyCompromise) }
        #expect(
            error.map { "\($0)" }?.contains("make it with: gatepost ca crl") == true, "\(String(describing: error))")
        #expect(try authority.revocationList()?.serials == [])
        #expect(try authority.list().last?.revocation != nil)
        try FileManager.default.removeItem(atPath: obstacle)
        _ = try authority.renewRevocations()
        #expect(try authority.revocationList()?.serials == [entry.serial])
    }

    @Test func `neither the authority nor a stranger can be revoked`() throws {
        #expect(throws: TLSError.self) { try authority.revoke("ca", .unspecified) }
        #expect(throws: TLSError.self) { try authority.revoke("nobody", .unspecified) }
        #expect(throws: TLSError.self) { try authority.renew("nobody") }
        #expect(try authority.revocationList() == nil)
    }

    @Test func `ten commands at once lose no revocation`() async throws {
        for number in 1...10 { try authority.issue("forwarder-\(number)", .forwarder) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 1...10 {
                group.addTask { [authority] in _ = try authority.revoke("forwarder-\(number)", .superseded) }
            }
            try await group.waitForAll()
        }
        #expect(try authority.revocationList()?.serials.count == 10)
        #expect(try authority.list().count { $0.revocation != nil } == 10)
    }
}
