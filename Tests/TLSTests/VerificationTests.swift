import Glibc
import NIOCore
import NIOEmbedded
import TLS
import TestSupport
import Testing

@Suite struct VerificationTests {
    let certificates: Certificates

    init() throws { certificates = try Certificates() }

    // MARK: A client's view of servers

    @Test(arguments: ["localhost", "LOCALHOST", "127.0.0.1", "::1", "localhost."])
    func `a client takes a server by a name or an address in its certificate`(name: String) throws {
        let pair = try Pair(certificates.server(), certificates.client(), name: name)
        pair.run()
        let peer = try #require(pair.clientEnd.session?.peer, "\(pair.clientEnd.failure)")
        #expect(peer.isTrusted)
        #expect(peer.names == ["localhost", "127.0.0.1", "::1"])
        #expect(peer.commonName == "server")
        #expect(try certificates.authority.list().contains { $0.serial == peer.serial })
        #expect(pair.serverEnd.session?.peer == nil)
    }

    @Test(arguments: ["server", "relay.example", "127.0.0.2", "sub.localhost", "::2"])
    func `a client refuses a server whose certificate has another name, and says which it has`(name: String) throws {
        let pair = try Pair(certificates.server(), certificates.client(), name: name)
        pair.run()
        #expect(pair.clientEnd.session == nil)
        #expect(
            pair.clientEnd.errors.first as? TLSError
                == .untrustedServer(
                    name: name, reason: "its certificate is for localhost, 127.0.0.1, ::1", fault: .name))
        #expect(!pair.client.isActive)
        #expect(pair.serverEnd.failure.contains("bad certificate"), "the server is told: \(pair.serverEnd.failure)")
    }

    @Test func `a client refuses a server of another authority`() throws {
        let others = try Certificates()
        let pair = try Pair(others.server(), certificates.client())
        pair.run()
        #expect(pair.clientEnd.session == nil)
        #expect(pair.clientEnd.failure.contains("not signed by an authority trusted here"))
        guard case .untrustedServer(_, _, .issuer)? = pair.clientEnd.errors.first as? TLSError else {
            Issue.record("not for its issuer: \(pair.clientEnd.failure)")
            return
        }
    }

    @Test func `a client refuses a forwarder that plays the server`() throws {
        let context = try TLSContext.server(
            certificateChain: certificates.authority.certificateFile(of: "forwarder"),
            privateKey: certificates.authority.keyFile(of: "forwarder"))
        let pair = try Pair(context, certificates.client(), name: "forwarder")
        pair.run()
        #expect(pair.clientEnd.failure.contains("not for this use"))
    }

    @Test func `a client without authorities takes any server and says so`() throws {
        let pair = try Pair(certificates.server(), .client(authorities: nil), name: "anything.example")
        pair.run()
        #expect(pair.clientEnd.session?.peer?.verification == .untrusted(reason: "no authorities to judge it by"))
    }

    @Test func `a client that remembers whom it trusted judges a certificate once, and no other by it`() throws {
        let client = try TLSContext.client(
            authorities: certificates.authority.certificateFile, remembersTrust: true)
        for _ in 0..<2 {
            let pair = try Pair(certificates.server(), client)
            pair.run()
            #expect(pair.clientEnd.session?.peer?.isTrusted == true, "\(pair.clientEnd.failure)")
        }
        #expect(client.judgements == 1)
        let renamed = try Pair(certificates.server(), client, name: "relay.example")
        renamed.run()
        #expect(renamed.clientEnd.failure.contains("its certificate is for localhost"))
        let foreign = try Pair(Certificates().server(), client)
        foreign.run()
        #expect(foreign.clientEnd.failure.contains("not signed by an authority trusted here"))
        // Refusals are not remembered.
        let again = try Pair(certificates.server(), client, name: "relay.example")
        again.run()
        #expect(again.clientEnd.session == nil)
        #expect(client.judgements == 4)
    }

    @Test func `a client that remembers nothing judges each time`() throws {
        let client = try certificates.client()
        for _ in 0..<2 { try Pair(certificates.server(), client).run() }
        #expect(client.judgements == 2)
    }

    // MARK: A server's view of clients

    @Test func `a server knows a forwarder of its own authority`() throws {
        let pair = try Pair(certificates.server(asking: true), certificates.client(as: "forwarder"))
        pair.run()
        let peer = try #require(pair.serverEnd.session?.peer, "\(pair.serverEnd.failure)")
        #expect(peer.isTrusted)
        #expect(peer.names == ["forwarder"])
        pair.say("MAIL", from: pair.client)
        #expect(pair.serverEnd.text == "MAIL")
    }

    @Test func `a client without a certificate completes the handshake and has no peer`() throws {
        let pair = try Pair(certificates.server(asking: true), certificates.client())
        pair.run()
        #expect(pair.serverEnd.session != nil)
        #expect(pair.serverEnd.session?.peer == nil)
        pair.say("550 5.7.1 Relaying denied\r\n", from: pair.server)
        #expect(pair.clientEnd.text == "550 5.7.1 Relaying denied\r\n")
    }

    /// Each completes the handshake, on either version, and none is trusted.
    @Test(arguments: [TLSContext.Version.tls12, .tls13], Stranger.inTheirTime)
    func `strangers complete the handshake and are told apart`(version: TLSContext.Version, stranger: Stranger) throws {
        let files = try stranger.make(beside: certificates)
        let client = try TLSContext.client(
            authorities: certificates.authority.certificateFile, certificateChain: files.certificate,
            privateKey: files.key)
        let pair = try Pair(certificates.server(asking: true, minimum: version), client)
        pair.run()
        let peer = try #require(pair.serverEnd.session?.peer, "\(pair.serverEnd.failure)")
        guard case .untrusted(let reason) = peer.verification else {
            Issue.record("\(stranger) is trusted")
            return
        }
        #expect(reason.contains(stranger.expectedReason), "\(reason)")
        pair.say("550 5.7.1 Relaying denied\r\n", from: pair.server)
        #expect(pair.clientEnd.text == "550 5.7.1 Relaying denied\r\n")
    }

    @Test func `a stranger is judged anew each time, for nothing is resumed`() throws {
        let others = try Certificates()
        let context = try certificates.server(asking: true)
        for (client, trusted) in [
            (try certificates.client(as: "forwarder"), true),
            (try certificates.client(as: "forwarder", of: others), false),
        ] {
            let pair = try Pair(context, client)
            pair.run()
            #expect(pair.serverEnd.session?.peer?.isTrusted == trusted)
        }
    }
}

/// Who else might knock at a relay.
enum Stranger: CaseIterable {
    case ofAnotherAuthority, selfSigned, relay, server, withoutPurpose, expired, notYetValid, authorityItself

    /// Those whose certificate our own client would load.
    static let inTheirTime = allCases.filter { $0 != .expired && $0 != .notYetValid }

    var expectedReason: String {
        switch self {
        case .ofAnotherAuthority, .selfSigned: "not signed by an authority trusted here"
        case .relay, .server: "not for this use"
        case .withoutPurpose: "does not name clientAuth"
        case .expired: "expired"
        case .notYetValid: "not yet valid"
        case .authorityItself: "not"
        }
    }

    func make(beside certificates: Certificates) throws -> (certificate: String, key: String) {
        let folder = certificates.folder.path
        switch self {
        case .ofAnotherAuthority:
            let others = try CertificateAuthority.create(in: "\(folder)/others")
            try others.issue("forwarder", .forwarder)
            return (others.certificateFile(of: "forwarder"), others.keyFile(of: "forwarder"))
        case .relay:
            try certificates.authority.issue("relay1", .relay(hosts: ["relay1.example"]))
            return (certificates.authority.certificateFile(of: "relay1"), certificates.authority.keyFile(of: "relay1"))
        case .server:
            return (certificates.authority.certificateFile(of: "server"), certificates.authority.keyFile(of: "server"))
        case .authorityItself: return (certificates.authority.certificateFile, certificates.authority.keyFile)
        case .selfSigned:
            return try openssl(
                folder, "openssl req -x509 -key key -subj /CN=forwarder -addext extendedKeyUsage=clientAuth -out crt")
        case .withoutPurpose: return try signed(certificates, extensions: "", "-days 1")
        case .expired:
            return try signed(
                certificates, extensions: "extendedKeyUsage=clientAuth",
                "-startdate 20200101000000Z -enddate 20200102000000Z")
        case .notYetValid:
            return try signed(
                certificates, extensions: "extendedKeyUsage=clientAuth",
                "-startdate 20490101000000Z -enddate 20490102000000Z")
        }
    }

    private func signed(
        _ certificates: Certificates, extensions: String, _ validity: String
    ) throws -> (certificate: String, key: String) {
        let pki = certificates.authority.folder
        return try openssl(
            certificates.folder.path,
            """
            printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=index\\nserial=serial\\nnew_certs_dir=.\\ndefault_md=sha256\\npolicy=p\\n' > cnf
            printf '[p]\\ncommonName=supplied\\n[e]\\nsubjectAltName=DNS:forwarder\\n\(extensions)\\n' >> cnf
            : > index; echo 1000 > serial
            openssl req -new -key key -subj /CN=forwarder -out csr
            openssl ca -batch -config cnf -cert \(pki)/ca.pem -keyfile \(pki)/ca.key -in csr -out crt -notext \
              -extensions e \(validity)
            """)
    }

    private func openssl(_ folder: String, _ script: String) throws -> (certificate: String, key: String) {
        let place = "\(folder)/\(self)"
        try ChildProcess.run([
            "sh", "-ec",
            "mkdir \(place); cd \(place); openssl ecparam -name prime256v1 -genkey -noout -out key; chmod 600 key; \(script)",
        ])
        return ("\(place)/crt", "\(place)/key")
    }
}
