import Glibc
import TLS
import TestSupport
import Testing

@Suite struct AuthorityTests {
    let folder: TemporaryFolder
    let authority: CertificateAuthority

    init() throws {
        folder = try TemporaryFolder()
        authority = try CertificateAuthority.create(in: folder.path + "/made/on/the/way")
    }

    private func text(_ name: String) throws -> String {
        let log = "\(folder.path)/text-\(name)"
        _ = try ChildProcess(
            ["openssl", "x509", "-noout", "-text", "-in", authority.certificateFile(of: name)], log: log
        )
        .wait()
        return readFile(log)
    }

    private func mode(_ path: String) throws -> mode_t {
        var status = stat()
        try #require(stat(path, &status) == 0)
        return status.st_mode & 0o777
    }

    @Test func `openssl verifies what is issued, each for its one purpose`() throws {
        try authority.issue("relay1", .relay(hosts: ["relay1.example", "192.0.2.1", "2001:db8::1"]))
        try authority.issue("forwarder", .forwarder)
        try authority.issue("submission", .server(hosts: ["smtp.example"]))
        for (name, server) in [("relay1", true), ("forwarder", false), ("submission", true)] {
            for purpose in ["sslserver", "sslclient"] {
                let status = try ChildProcess([
                    "openssl", "verify", "-x509_strict", "-CAfile", authority.certificateFile, "-purpose", purpose,
                    authority.certificateFile(of: name),
                ]).wait()
                #expect((status == 0) == (server == (purpose == "sslserver")), "\(name) as \(purpose)")
            }
        }
        let relay = try text("relay1")
        for line in [
            "X509v3 Basic Constraints: critical\n                CA:FALSE",
            "X509v3 Key Usage: critical\n                Digital Signature", "X509v3 Authority Key Identifier",
            "X509v3 Subject Key Identifier",
            "DNS:relay1.example, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1",
            "NIST CURVE: P-256", "ecdsa-with-SHA256",
        ] {
            #expect(relay.contains(line), "\(line)")
        }
        let root = try text("ca")
        #expect(root.contains("X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:0"))
        #expect(root.contains("X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign"))
    }

    @Test func `every file is its owner's alone`() throws {
        try authority.issue("forwarder", .forwarder)
        for name in ["ca.pem", "ca.key", "forwarder.pem", "forwarder.key", "index.jsonl"] {
            #expect(try mode("\(authority.folder)/\(name)") == 0o600, "\(name)")
        }
        #expect(try mode(authority.folder) == 0o700)
    }

    @Test func `the list has everything that was issued, in order`() throws {
        let relay = try authority.issue("relay1", .relay(hosts: ["relay1.example", "192.0.2.1"]), days: 30)
        let forwarder = try authority.issue("forwarder", .forwarder)
        let list = try CertificateAuthority(existing: authority.folder).list()
        #expect(list.map(\.name) == ["ca", "relay1", "forwarder"])
        #expect(list.map(\.kind) == ["authority", "relay", "forwarder"])
        #expect(Array(list.dropFirst()) == [relay, forwarder])
        #expect(relay.hosts == ["relay1.example", "192.0.2.1"])
        #expect(relay.notAfter - relay.notBefore == 30 * 86_400 + 300)
        #expect(Set(list.map(\.serial)).count == 3)
        #expect(list.allSatisfy { $0.serial.utf8.count == 32 }, "127 random bits")
        #expect(try text("relay1").lowercased().replacing(":", with: "").contains(relay.serial))
        let line = readFile("\(authority.folder)/index.jsonl").split(separator: "\n").last
        #expect(line?.contains(#""kind":"forwarder","name":"forwarder","not_after":"20"#) == true)
    }

    @Test func `nothing is ever overwritten`() throws {
        try authority.issue("forwarder", .forwarder)
        let before = readFile(authority.keyFile(of: "forwarder"))
        for attempt in [
            { () throws -> Void in try authority.issue("forwarder", .forwarder) },
            { () throws -> Void in try authority.issue("forwarder", .relay(hosts: ["a.example"])) },
        ] {
            #expect {
                try attempt()
            } throws: {
                "\($0)".contains("forwarder.pem exists already")
            }
        }
        #expect {
            try CertificateAuthority.create(in: authority.folder)
        } throws: {
            "\($0)".contains("there is a certificate authority in \(authority.folder) already")
        }
        unlink(authority.certificateFile(of: "forwarder"))
        #expect(throws: TLSError.self) { try authority.issue("forwarder", .forwarder) }
        #expect(readFile(authority.keyFile(of: "forwarder")) == before)
        #expect(try authority.list().count == 2)
    }

    @Test(arguments: [
        "", "ca", "../x", "a/b", "-rf", "a b", "Relay", "relay\n", "é", ".", "..", "a..b", ".a",
        String(repeating: "a", count: 64),
    ])
    func `a name that could do harm is refused`(name: String) {
        #expect(throws: TLSError.self) { try authority.issue(name, .forwarder) }
    }

    @Test(arguments: [
        [], [""], ["a b"], ["relay.example,DNS:evil.example"], ["a..b"], ["*"], ["-a.example"], ["http://a"],
        ["relay.example", "é"],
    ])
    func `a host that is none is refused, and nothing is left behind`(hosts: [String]) throws {
        #expect(throws: TLSError.self) { try authority.issue("relay1", .relay(hosts: hosts)) }
        #expect(readFile(authority.keyFile(of: "relay1")).isEmpty)
        #expect(try authority.list().count == 1)
    }

    @Test func `a certificate does not outlive its authority, and has at least a day`() throws {
        #expect {
            try authority.issue("forwarder", .forwarder, days: 3_651)
        } throws: {
            "\($0)".contains("would outlive the authority")
        }
        for days in [0, -1, 40_000] {
            #expect(throws: TLSError.self) { try authority.issue("forwarder", .forwarder, days: days) }
        }
    }

    @Test func `an authority that is not there is said to be missing, with the command that makes one`() {
        #expect {
            try CertificateAuthority(existing: folder.path)
        } throws: {
            "\($0)".contains("gatepost ca init")
        }
    }

    @Test func `an authority's key that others may read issues nothing`() throws {
        chmod(authority.keyFile, 0o644)
        #expect {
            try authority.issue("forwarder", .forwarder)
        } throws: {
            "\($0)".contains("chmod 600 \(authority.keyFile)")
        }
    }

    @Test func `a garbled list is named with its line`() throws {
        let path = "\(authority.folder)/index.jsonl"
        #expect(try ChildProcess(["sh", "-c", "echo nonsense >> \(path)"]).wait() == 0)
        #expect {
            try authority.list()
        } throws: {
            "\($0)".contains("index.jsonl: line 2")
        }
    }
}
