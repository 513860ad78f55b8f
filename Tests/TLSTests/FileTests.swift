import Glibc
import TLS
import TestSupport
import Testing

@Suite struct FileTests {
    let folder: TemporaryFolder
    let authority: CertificateAuthority

    init() throws {
        folder = try TemporaryFolder()
        authority = try CertificateAuthority.create(in: folder.path + "/pki")
        try authority.issue("server", .server(hosts: ["localhost"]))
    }

    private var certificate: String { authority.certificateFile(of: "server") }
    private var key: String { authority.keyFile(of: "server") }

    /// What a context says about these files.
    private func complaint(_ certificate: String, _ key: String, authorities: String? = nil) -> String {
        do throws(TLSError) {
            _ = try TLSContext.server(
                certificateChain: certificate, privateKey: key, clientAuthorities: authorities)
            return ""
        } catch {
            return "\(error)"
        }
    }

    @Test func `good files make a context that knows its names and its end`() throws {
        let context = try TLSContext.server(certificateChain: certificate, privateKey: key)
        #expect(context.certificateNames == ["localhost"])
        #expect(context.certificateExpiry == (try authority.list().last?.notAfter))
    }

    @Test func `a missing, empty, wrong or half-written file is named with its fault`() throws {
        let text = readFile(key)
        let half = try folder.write(String(text.prefix(text.utf8.count / 2)), "half.key")
        let halfCertificate = try folder.write(String(readFile(certificate).prefix(300)), "half.pem")
        let empty = try folder.write("", "empty.pem")
        let noise = try folder.write("not PEM at all\n", "noise.pem")
        let broken = try folder.write(readFile(certificate).replacing("MII", with: "NII"), "broken.pem")
        for (found, file, words) in [
            (complaint("/nowhere/server.pem", key), "/nowhere/server.pem", "No such file"),
            (complaint(certificate, "/nowhere/server.key"), "/nowhere/server.key", "No such file"),
            (complaint(certificate, half), half, "broken, cut short"),
            (complaint(halfCertificate, key), halfCertificate, "broken or cut short"),
            (complaint(empty, key), empty, "no PEM certificate"), (complaint(noise, key), noise, "no PEM certificate"),
            (complaint(certificate, empty), empty, "no PEM private key"),
            (complaint(certificate, certificate), certificate, "no PEM private key"),
            (complaint(broken, key), broken, "broken"), (complaint(folder.path, key), folder.path, "not a file"),
            (complaint(certificate, key, authorities: noise), noise, "no PEM certificate"),
        ] {
            #expect(found.hasPrefix(file + ": ") && found.contains(words), "\(found), expected \(file): … \(words)")
        }
    }

    @Test func `a key that belongs to another certificate is refused`() throws {
        try authority.issue("other", .server(hosts: ["localhost"]))
        let found = complaint(certificate, authority.keyFile(of: "other"))
        #expect(found.hasSuffix("other.key: the private key does not belong to the certificate in \(certificate)"))
    }

    @Test(arguments: [mode_t(0o644), 0o604, 0o602, 0o660, 0o640])
    func `a private key that others may read is refused with the cure`(mode: mode_t) throws {
        chmod(key, mode)
        // root's files may be read by their group, as Debian's ssl-cert has it.
        let isAllowed = mode == 0o640 && getuid() == 0
        let found = complaint(certificate, key)
        #expect(found.contains("chmod 600 \(key)") == !isAllowed, "\(found)")
        chmod(key, 0o600)
        #expect(complaint(certificate, key).isEmpty)
    }

    @Test func `an expired certificate and one of the future are refused with their dates`() throws {
        let others = try Certificates()
        let expired = try Stranger.expired.make(beside: others)
        #expect(complaint(expired.certificate, expired.key).contains("the certificate expired on 2020-01-02T00:00:00Z"))
        let future = try Stranger.notYetValid.make(beside: others)
        #expect(complaint(future.certificate, future.key).contains("not valid before 2049-01-01T00:00:00Z"))
    }

    @Test func `a certificate of a weak key is refused`() throws {
        try ChildProcess.run([
            "sh", "-ec",
            "cd \(folder.path); openssl req -x509 -newkey rsa:1024 -nodes -keyout weak.key -out weak.pem -subj /CN=weak",
        ])
        chmod("\(folder.path)/weak.key", 0o600)
        #expect(complaint("\(folder.path)/weak.pem", "\(folder.path)/weak.key").contains("ee key too small"))
    }

    @Test func `a certificate without its key, or a key without its certificate, makes no client`() throws {
        #expect(throws: TLSError.self) {
            try TLSContext.client(authorities: nil, certificateChain: certificate, privateKey: nil)
        }
        #expect(throws: TLSError.self) {
            try TLSContext.client(authorities: nil, certificateChain: nil, privateKey: key)
        }
    }
}
