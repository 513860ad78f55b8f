internal import COpenSSL
internal import Glibc

/// The relay pool's own certificate authority: a folder with the authority, what it issued and a list of that.
///
/// `ca.pem`, `ca.key`, `<name>.pem` and `<name>.key` are PEM, `index.jsonl` has a line per certificate and per
/// revocation, `crl.pem` is the revocation list once something was revoked. Keys and certificates are made anew
/// (`O_EXCL`) with 0600; only `renew` replaces them. ECDSA on P-256, RFC 5280.
package struct CertificateAuthority: Sendable {
    package enum Kind: Sendable, Hashable {
        /// A relay, reached under these DNS names and IP addresses. Server certificate only.
        case relay(hosts: [String])
        /// A forwarder: the one kind that a relay takes mail from. Client certificate only.
        case forwarder
        /// A submission server, reached under these DNS names and IP addresses. Server certificate only.
        case server(hosts: [String])

        /// `relay`, `forwarder`, `server`: as the command line and the index have it.
        package var word: String {
            switch self {
            case .relay: "relay"
            case .forwarder: "forwarder"
            case .server: "server"
            }
        }

        var extendedKeyUsage: String {
            switch self {
            case .relay, .server: "serverAuth"
            case .forwarder: "clientAuth"
            }
        }
    }

    /// One line of the index.
    package struct Entry: Sendable, Hashable {
        package let name: String
        /// `authority`, `relay`, `forwarder` or `server`.
        package let kind: String
        /// Lower-case hexadecimal.
        package let serial: String
        /// Seconds since the Unix epoch.
        package let notBefore: Int64
        /// Seconds since the Unix epoch.
        package let notAfter: Int64
        /// Subject alternative names.
        package let hosts: [String]
        /// When and why it was revoked; nil while it was not.
        package var revocation: Revocation?
    }

    package let folder: String
    var index: CertificateIndex { CertificateIndex(path: "\(folder)/index.jsonl") }

    package var certificateFile: String { certificateFile(of: "ca") }
    package var keyFile: String { keyFile(of: "ca") }
    package func certificateFile(of name: String) -> String { "\(folder)/\(name).pem" }
    package func keyFile(of name: String) -> String { "\(folder)/\(name).key" }

    private init(folder: String) { self.folder = folder }

    /// Makes the folder (0700), `ca.pem`, `ca.key` and the index. Refuses where an authority is already.
    package static func create(
        in folder: String, name: String = "Gatepost pool CA", days: Int = 3_650
    ) throws(TLSError) -> CertificateAuthority {
        try makeFolder(folder)
        let authority = CertificateAuthority(folder: folder)
        for path in [authority.keyFile, authority.certificateFile, authority.index.path] where exists(path) {
            throw .authority(
                reason:
                    "there is a certificate authority in \(folder) already (\(path) exists); use it, or name another folder"
            )
        }
        let validity = try Validity(days: days)
        let key = try CertificateRequest.makeKey()
        let request = CertificateRequest(
            commonName: name, validity: validity,
            extensions: [
                (NID_basic_constraints, "critical,CA:TRUE,pathlen:0"), (NID_key_usage, "critical,keyCertSign,cRLSign"),
                (NID_subject_key_identifier, "hash"),
            ])
        let certificate = try request.sign(key: key, issuer: nil, issuerKey: key)
        try authority.index.create()
        try authority.store(certificate, key, as: "ca", kind: "authority", validity: validity, hosts: [])
        return authority
    }

    /// An authority made before.
    package init(existing folder: String) throws(TLSError) {
        self.folder = folder
        guard exists(certificateFile), exists(keyFile) else {
            if access(folder, X_OK) != 0, errno == EACCES {
                throw .authority(reason: "\(folder) may not be read by this user")
            }
            throw .authority(
                reason: "there is no certificate authority in \(folder); make one with: gatepost ca init")
        }
    }

    /// Writes `<name>.pem` (certificate) and `<name>.key`, both 0600, and adds a line to the index.
    @discardableResult
    package func issue(_ name: String, _ kind: Kind, days: Int = 825) throws(TLSError) -> Entry {
        try Self.check(name: name)
        for path in [certificateFile(of: name), keyFile(of: name)] where exists(path) {
            throw .authority(
                reason: "\(path) exists already; `gatepost ca renew \(name)` replaces it, or choose another name")
        }
        let made = try make(name, kind, days: days)
        return try store(
            made.certificate, made.key, as: name, kind: kind.word, validity: made.validity, hosts: made.hosts)
    }

    /// A new key and a certificate on it, in memory.
    func make(
        _ name: String, _ kind: Kind, days: Int
    ) throws(TLSError) -> (certificate: Certificate, key: PrivateKey, validity: Validity, hosts: [String]) {
        let hosts: [String]
        switch kind {
        case .relay(let given), .server(let given):
            guard !given.isEmpty else {
                throw .authority(
                    reason: "a \(kind.word) certificate needs the host names or addresses it is reached under")
            }
            hosts = given
        case .forwarder: hosts = [name]
        }
        let alternativeNames = try hosts.map { host throws(TLSError) in try Self.alternativeName(host) }
        let (issuer, issuerKey) = try signer()
        let validity = try Validity(days: days)
        if let end = issuer.notAfter, validity.end > end {
            throw .authority(
                reason: "a certificate for \(days) days would outlive the authority, which ends on \(dateText(end))")
        }
        let key = try CertificateRequest.makeKey()
        let request = CertificateRequest(
            commonName: name, validity: validity,
            extensions: [
                (NID_basic_constraints, "critical,CA:FALSE"), (NID_key_usage, "critical,digitalSignature"),
                (NID_ext_key_usage, kind.extendedKeyUsage), (NID_subject_key_identifier, "hash"),
                (NID_authority_key_identifier, "keyid:always"),
                (NID_subject_alt_name, alternativeNames.joined(separator: ",")),
            ])
        return (try request.sign(key: key, issuer: issuer, issuerKey: issuerKey), key, validity, hosts)
    }

    /// The authority's own certificate and its key.
    func signer() throws(TLSError) -> (certificate: Certificate, key: PrivateKey) {
        let issuer = try readCertificates(certificateFile)[0]
        let issuerKey = try readPrivateKey(keyFile)
        guard X509_check_private_key(issuer.pointer, issuerKey.pointer) == 1 else {
            _ = drainErrorQueue()
            throw .file(path: keyFile, reason: "the private key does not belong to \(certificateFile)")
        }
        return (issuer, issuerKey)
    }

    /// Everything issued, oldest first, the authority itself included.
    package func list() throws(TLSError) -> [Entry] { try index.entries() }

    /// Whether an authority in that folder has revoked a certificate, or may have, for its index is broken: then its list must be
    /// there. Where there is no index, or this user may not read it, the authority is elsewhere.
    package static func hasRevoked(in folder: String) -> Bool {
        let path = "\(folder)/index.jsonl"
        guard access(path, R_OK) == 0 else { return false }
        guard let entries = try? CertificateIndex(path: path).entries() else { return true }
        return entries.contains { $0.revocation != nil }
    }

    @discardableResult
    private func store(
        _ certificate: Certificate, _ key: PrivateKey, as name: String, kind: String, validity: Validity,
        hosts: [String]
    ) throws(TLSError) -> Entry {
        let entry = Entry(
            name: name, kind: kind, serial: serialNumber(of: certificate.pointer), notBefore: validity.start,
            notAfter: validity.end, hosts: hosts)
        try writeNewFile(keyFile(of: name), pem(of: key))
        do throws(TLSError) {
            try writeNewFile(certificateFile(of: name), pem(of: certificate))
            do throws(TLSError) {
                try index.append(entry)
            } catch {
                unlink(certificateFile(of: name))
                throw error
            }
        } catch {
            unlink(keyFile(of: name))
            throw error
        }
        return entry
    }

    /// A name is a file's name and a DNS name's label or more, so that it can do no harm in either place.
    private static func check(name: String) throws(TLSError) {
        guard isHostName(name), name.utf8.count <= 63, !["ca", "crl"].contains(name) else {
            throw .authority(
                reason: "\(name.debugDescription) is no name for a certificate; "
                    + "expected lower-case letters, digits, hyphens and dots, at most 63, and not 'ca' or 'crl'")
        }
    }

    private static func alternativeName(_ host: String) throws(TLSError) -> String {
        if octets(ofAddress: host) != nil { return "IP:\(host)" }
        guard isHostName(host.lowercased()), host.utf8.count <= 253 else {
            throw .authority(reason: "\(host.debugDescription) is neither a host name nor an IP address")
        }
        return "DNS:\(host.lowercased())"
    }

    private static func isHostName(_ text: String) -> Bool {
        text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                && label.utf8.allSatisfy {
                    UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0
                        || $0 == UInt8(ascii: "-")
                }
        }
    }
}

/// From five minutes ago, for clocks that differ, to so many days ahead.
struct Validity {
    let start: Int64
    let end: Int64

    init(days: Int) throws(TLSError) {
        guard (1...36_500).contains(days) else {
            throw .authority(reason: "a certificate can be good for 1 to 36500 days, not \(days)")
        }
        let now = Int64(time(nil))
        start = now - 300
        end = now + Int64(days) * 86_400
    }

    init(start: Int64, end: Int64) {
        self.start = start
        self.end = end
    }
}
