import Glibc
import TLS
import TestSupport
import Testing

@Suite struct SourceTests {
    let certificates: Certificates
    private var authority: CertificateAuthority { certificates.authority }

    init() throws { certificates = try Certificates() }

    private func copy(_ name: String, to target: String) throws -> TLSIdentity {
        let folder = certificates.folder
        return TLSIdentity(
            certificateChain: try folder.write(readFile(authority.certificateFile(of: name)), target + ".pem"),
            privateKey: try folder.write(readFile(authority.keyFile(of: name)), target + ".key"))
    }

    private func serverSerial(_ context: TLSContext, asking name: String) throws -> [String] {
        let client = try TLSContext.client(authorities: authority.certificateFile)
        let pair = try Pair(context, client, name: name)
        pair.run()
        return pair.clientEnd.session?.peer?.names ?? ["no session: \(pair.clientEnd.failure)"]
    }

    @Test func `a reload takes a new pair as a whole, and a half-written or foreign one not at all`() throws {
        try authority.issue("second", .server(hosts: ["localhost", "second.example"]))
        let live = try copy("server", to: "live")
        let source = try TLSContextSource { _ throws(TLSError) in
            try .server(certificateChain: live.certificateChain, privateKey: live.privateKey)
        }
        let before = try serverSerial(source.current, asking: "localhost")

        let whole = readFile(authority.certificateFile(of: "second"))
        _ = try certificates.folder.write(String(whole.prefix(whole.utf8.count / 2)), "live.pem")
        #expect(throws: TLSError.self) { try source.reload() }
        #expect(try serverSerial(source.current, asking: "localhost") == before)

        _ = try certificates.folder.write(whole, "live.pem")
        #expect("\(try #require(throws: TLSError.self) { try source.reload() })".contains("does not belong"))
        #expect(try serverSerial(source.current, asking: "localhost") == before)

        _ = try certificates.folder.write(readFile(authority.keyFile(of: "second")), "live.key")
        try source.reload()
        #expect(try serverSerial(source.current, asking: "localhost") == ["localhost", "second.example"])
    }

    @Test func `a client gets the certificate of the name it asks for, and the first one for any other`() throws {
        try authority.issue("customer", .server(hosts: ["smtp.customer.example"]))
        let folder = certificates.folder.path + "/names"
        #expect(mkdir(folder, 0o700) == 0)
        #expect(mkdir(folder + "/acme", 0o700) == 0)
        try authority.issue("acme", .server(hosts: ["smtp.acme.example"]))
        for (from, to) in [
            (authority.certificateFile(of: "customer"), "names/customer.crt"),
            (authority.keyFile(of: "customer"), "names/customer.key"),
            (authority.certificateFile(of: "acme"), "names/acme/fullchain.pem"),
            (authority.keyFile(of: "acme"), "names/acme/privkey.pem"),
        ] { _ = try certificates.folder.write(readFile(from), to) }
        let context = try TLSContext.server(
            certificateChain: authority.certificateFile(of: "server"), privateKey: authority.keyFile(of: "server"),
            alternatives: try TLSIdentity.all(in: folder))
        #expect(try serverSerial(context, asking: "smtp.customer.example") == ["smtp.customer.example"])
        #expect(try serverSerial(context, asking: "SMTP.ACME.example") == ["smtp.acme.example"])
        #expect(try serverSerial(context, asking: "localhost").first == "localhost")
        #expect(context.certificates.count == 3)

        #expect(context.leftOut.isEmpty)

        // What cannot be used is one customer's: it stays as it was, or is left out, and the others go on.
        unlink(folder + "/customer.key")
        unlink(folder + "/acme/fullchain.pem")
        #expect(symlink("nowhere", folder + "/acme/fullchain.pem") == 0)
        func read(before: TLSContext?) throws -> TLSContext {
            try TLSContext.server(
                certificateChain: authority.certificateFile(of: "server"), privateKey: authority.keyFile(of: "server"),
                alternatives: try TLSIdentity.all(in: folder), before: before)
        }
        let first = try read(before: nil)
        #expect(first.leftOut.map(\.file) == ["\(folder)/acme/fullchain.pem", "\(folder)/customer.crt"])
        #expect(try serverSerial(first, asking: "localhost").first == "localhost")
        #expect(try serverSerial(first, asking: "smtp.acme.example").first?.hasPrefix("no session") == true)
        let later = try read(before: context)
        #expect(later.leftOut.count == 2)
        #expect(try serverSerial(later, asking: "smtp.acme.example") == ["smtp.acme.example"])

        // Of two with the same name the one that lasts longer is used, and the other is told.
        _ = try certificates.folder.write(readFile(authority.keyFile(of: "customer")), "names/customer.key")
        unlink(folder + "/acme/fullchain.pem")
        try authority.issue("short", .server(hosts: ["smtp.customer.example"]), days: 3)
        _ = try certificates.folder.write(readFile(authority.certificateFile(of: "short")), "names/z.crt")
        _ = try certificates.folder.write(readFile(authority.keyFile(of: "short")), "names/z.key")
        let both = try read(before: nil)
        #expect(both.leftOut.map(\.file) == ["\(folder)/z.crt"])
        #expect(both.leftOut.first?.reason.contains("customer.crt, which lasts longer") == true)
    }

    @Test func `revoked, and without a list that counts, a client is a stranger`() throws {
        let openssl = OpenSSLAuthority(certificates)
        try authority.issue("other", .forwarder)
        let list = certificates.folder.path + "/crl.pem"
        func verdict(_ name: String, isOptional: Bool = false) throws -> PeerCertificate? {
            let context = try TLSContext.server(
                certificateChain: authority.certificateFile(of: "server"),
                privateKey: authority.keyFile(of: "server"), clientAuthorities: authority.certificateFile,
                revocations: list, revocationsAreOptional: isOptional)
            let pair = try Pair(context, certificates.client(as: name))
            pair.run()
            return pair.serverEnd.session?.peer
        }
        #expect(try verdict("forwarder")?.isTrusted == false)  // no file: closed
        #expect(try verdict("forwarder", isOptional: true)?.isTrusted == true)  // nothing was revoked so far
        #expect(symlink(list, list) == 0)
        #expect(try verdict("forwarder", isOptional: true)?.isTrusted == false)  // it cannot be looked for: closed
        unlink(list)
        try openssl.writeList(list, revoking: ["forwarder"])
        #expect(try verdict("forwarder")?.isTrusted == false)
        let other = try #require(try verdict("other"))
        #expect(other.isTrusted)
        try openssl.writeList(list, revoking: [], endsSeconds: -60)
        #expect(try verdict("other")?.isTrusted == false)  // stale: closed
    }

    @Test func `a client refuses a revoked server, and without a list that counts any`() throws {
        let openssl = OpenSSLAuthority(certificates)
        let list = certificates.folder.path + "/crl.pem"
        func end(isOptional: Bool = false) throws -> Collector {
            let client = try TLSContext.client(
                authorities: authority.certificateFile, revocations: list, revocationsAreOptional: isOptional)
            let pair = try Pair(certificates.server(), client)
            pair.run()
            return pair.clientEnd
        }
        #expect(try end().failure.contains("there is no revocation list"))
        #expect(try end(isOptional: true).session?.peer?.isTrusted == true)  // nothing was revoked so far
        try openssl.writeList(list, revoking: ["forwarder"])
        #expect(try end().session?.peer?.isTrusted == true)
        try openssl.writeList(list, revoking: ["server"])
        #expect(
            try end(isOptional: true).errors.first as? TLSError
                == .untrustedServer(
                    name: "localhost", reason: "its certificate has been revoked (certificate revoked)",
                    fault: .revoked))
        try openssl.writeList(list, revoking: [], endsSeconds: -60)
        #expect(try end().failure.contains("has ended"))
    }

    @Test func `a list that changed condemns the server that a connection was opened to`() throws {
        let openssl = OpenSSLAuthority(certificates)
        let list = certificates.folder.path + "/crl.pem"
        try openssl.writeList(list, revoking: [])
        let ca = authority.certificateFile
        let source = try TLSContextSource { _ throws(TLSError) in try .client(authorities: ca, revocations: list) }
        let pair = try Pair(certificates.server(), source.current)
        pair.run()
        let peer = try #require(pair.clientEnd.session?.peer)
        #expect(source.current.condemnation(of: peer) == nil)
        try openssl.writeList(list, revoking: ["server"])
        #expect(source.reloadIfRevocationsChanged().word == "read")
        #expect(source.current.condemnation(of: peer) != nil)
    }

    @Test func `a list that changed condemns whom it was trusting`() throws {
        let openssl = OpenSSLAuthority(certificates)
        let list = certificates.folder.path + "/crl.pem"
        try openssl.writeList(list, revoking: [])
        let (certificate, key) = (authority.certificateFile(of: "server"), authority.keyFile(of: "server"))
        let ca = authority.certificateFile
        let source = try TLSContextSource { _ throws(TLSError) in
            try .server(certificateChain: certificate, privateKey: key, clientAuthorities: ca, revocations: list)
        }
        let pair = try Pair(source.current, certificates.client(as: "forwarder"))
        pair.run()
        let peer = try #require(pair.serverEnd.session?.peer)
        #expect(peer.isTrusted)
        #expect(source.current.condemnation(of: peer) == nil)
        #expect(source.reloadIfRevocationsChanged().word == "unchanged")
        try openssl.writeList(list, revoking: ["forwarder"])
        #expect(source.reloadIfRevocationsChanged().word == "read")
        #expect(source.current.revocations?.condemnation(of: peer) == .revoked)
        unlink(list)
        #expect(source.reloadIfRevocationsChanged().word == "read")
        #expect(source.current.revocations?.condemnation(of: peer) == .unreadable)
        try openssl.writeList(list, revoking: [], endsSeconds: -60)
        #expect(source.reloadIfRevocationsChanged().word == "read")
        #expect(source.current.revocations?.condemnation(of: peer) == .outOfDate)
        // Another authority's says nothing of this one's.
        let stranger = try Certificates()
        _ = try stranger.authority.renewRevocations()
        _ = try certificates.folder.write(readFile(stranger.authority.folder + "/crl.pem"), "crl.pem")
        #expect(source.reloadIfRevocationsChanged().word == "read")
        #expect(source.current.revocations?.condemnation(of: peer) == .unreadable)
    }

    @Test func `other authorities, and the end of its time, condemn whom a handshake had trusted`() throws {
        let (certificate, key) = (authority.certificateFile(of: "server"), authority.keyFile(of: "server"))
        let ca = try certificates.folder.write(readFile(authority.certificateFile), "authorities.pem")
        let source = try TLSContextSource { _ throws(TLSError) in
            try .server(certificateChain: certificate, privateKey: key, clientAuthorities: ca)
        }
        let pair = try Pair(source.current, certificates.client(as: "forwarder"))
        pair.run()
        let peer = try #require(pair.serverEnd.session?.peer)
        #expect(peer.isTrusted && !peer.hasEnded)
        try source.reload()
        #expect(source.current.condemnation(of: peer) == nil)
        let stranger = try Certificates()
        _ = try certificates.folder.write(readFile(stranger.authority.certificateFile), "authorities.pem")
        #expect(source.current.condemnation(of: peer) == nil, "what was not read again is not known")
        try source.reload()
        #expect(source.current.condemnation(of: peer) == .otherAuthorities)
        let past = PeerCertificate(names: [], commonName: nil, serial: "1", verification: .trusted, notAfter: 1)
        #expect(past.hasEnded && source.current.condemnation(of: past) == .ended)
    }

    @Test func `a list counts although the role's own key is no good, and is made whole when that is mended`() throws {
        let openssl = OpenSSLAuthority(certificates)
        let list = certificates.folder.path + "/crl.pem"
        try openssl.writeList(list, revoking: [])
        let certificate = authority.certificateFile(of: "server")
        let key = try certificates.folder.write(readFile(authority.keyFile(of: "server")), "own.key")
        chmod(key, 0o600)
        let ca = authority.certificateFile
        let source = try TLSContextSource { _ throws(TLSError) in
            try .server(certificateChain: certificate, privateKey: key, clientAuthorities: ca, revocations: list)
        }
        func connect() throws -> PeerCertificate {
            let pair = try Pair(source.current, certificates.client(as: "forwarder"))
            pair.run()
            return try #require(pair.serverEnd.session?.peer)
        }
        let peer = try connect()
        #expect(peer.isTrusted)
        _ = try certificates.folder.write(readFile(authority.keyFile(of: "forwarder")), "own.key")
        try openssl.writeList(list, revoking: ["forwarder"])
        #expect(source.reloadIfRevocationsChanged().word == "read alone")
        #expect(source.current.revocations?.condemnation(of: peer) == .revoked)
        // The handshake still goes by the list it was made with; the one in force is asked for after it.
        #expect(source.current.condemnation(of: try connect()) == .revoked)
        #expect(source.reloadIfRevocationsChanged().word == "unchanged")
        unlink(list)
        #expect(source.reloadIfRevocationsChanged().word == "read alone")
        #expect(source.current.revocations?.condemnation(of: peer) == .unreadable)
        try openssl.writeList(list, revoking: ["forwarder"])
        _ = try certificates.folder.write(readFile(authority.keyFile(of: "server")), "own.key")
        #expect(source.reloadIfRevocationsChanged().word == "read")
        #expect(try connect().isTrusted == false)
        #expect(source.reloadIfRevocationsChanged().word == "unchanged")
    }

    @Test func `an authority that has revoked something must have a list`() throws {
        let folder = certificates.folder.path + "/revoking"
        let pki = try CertificateAuthority.create(in: folder)
        #expect(!CertificateAuthority.hasRevoked(in: folder))
        #expect(!CertificateAuthority.hasRevoked(in: folder + "/nowhere"))
        try pki.issue("relf", .relay(hosts: ["localhost"]))
        _ = try pki.revoke("relf", .superseded)
        #expect(CertificateAuthority.hasRevoked(in: folder))
    }

    @Test func `an end that comes near is told once at each threshold`() {
        var watch = ExpiryWatch()
        let day: Int64 = 86_400
        func days(_ left: Int64) -> [Int64] { watch.due([("a.pem", 100 * day)], now: 100 * day - left).map(\.daysLeft) }
        #expect(days(31 * day) == [])
        #expect(days(30 * day) == [30])
        #expect(days(29 * day) == [])
        #expect(days(14 * day - 5) == [13])
        #expect(days(7 * day) == [7])
        #expect(days(day) == [1])
        #expect(days(day - 1) == [])
        #expect(days(-1) == [-1])
        #expect(watch.due([("a.pem", 110 * day)], now: 100 * day).map(\.daysLeft) == [10])  // replaced
    }
}

/// Writes revocation lists with OpenSSL's own tool, by another way than ours.
struct OpenSSLAuthority {
    let certificates: Certificates

    init(_ certificates: Certificates) { self.certificates = certificates }

    func writeList(_ path: String, revoking names: [String], endsSeconds: Int = 86_400) throws {
        let authority = certificates.authority
        let folder = certificates.folder
        let configuration = try folder.write(
            "[ca]\ndefault_ca = pool\n[pool]\ndatabase = \(folder.path)/index.txt\ndefault_md = sha256\n"
                + "crlnumber = \(folder.path)/crlnumber\n", "ca.conf")
        _ = try folder.write("", "index.txt")
        _ = try folder.write("01\n", "crlnumber")
        let signed = ["-config", configuration, "-cert", authority.certificateFile, "-keyfile", authority.keyFile]
        for name in names {
            #expect(run("/usr/bin/openssl", ["ca"] + signed + ["-revoke", authority.certificateFile(of: name)]) == 0)
        }
        let span =
            endsSeconds > 0
            ? ["-crlsec", "\(endsSeconds)"]
            : ["-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200102000000Z"]
        #expect(run("/usr/bin/openssl", ["ca"] + signed + ["-gencrl"] + span + ["-out", path]) == 0)
    }
}

extension TLSContextSource.RevocationReload {
    fileprivate var word: String {
        switch self {
        case .unchanged: "unchanged"
        case .read: "read"
        case .readAlone: "read alone"
        }
    }
}
