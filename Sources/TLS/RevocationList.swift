internal import COpenSSL
internal import Glibc

/// A certificate revocation list (RFC 5280 §5): what it says of itself, and how it is made.
package struct RevocationList: Sendable, Hashable {
    /// Rises with every list of an authority (§5.2.3).
    package let number: Int64
    /// Seconds since the Unix epoch; 5 minutes before it was made, for clocks that differ.
    package let thisUpdate: Int64
    /// Seconds since the Unix epoch; after that the list is stale, and nobody is believed.
    package let nextUpdate: Int64
    /// Lower-case hexadecimal.
    package let serials: [String]

    var span: Int64 { nextUpdate - thisUpdate - 300 }
    /// Whether more than half of its time is over.
    package var isPastHalf: Bool { Int64(time(nil)) > thisUpdate + (nextUpdate - thisUpdate) / 2 }
    /// Whether its time has not begun: nobody is believed until then.
    package var isEarly: Bool { Int64(time(nil)) < thisUpdate }
    package var isStale: Bool { Int64(time(nil)) >= nextUpdate }

    init(number: Int64, thisUpdate: Int64, nextUpdate: Int64, serials: [String]) {
        self.number = number
        self.thisUpdate = thisUpdate
        self.nextUpdate = nextUpdate
        self.serials = serials
    }

    /// Reads the first list of a PEM file; the signature is not looked at.
    package init(path: String) throws(TLSError) {
        let content = try readFile(path)
        guard let bio = BIO_new(BIO_s_mem()) else { throw .file(path: path, reason: "OpenSSL has no memory") }
        defer { BIO_free(bio) }
        content.withUnsafeBytes { _ = BIO_write(bio, $0.baseAddress, Int32($0.count)) }
        ERR_clear_error()
        guard let list = PEM_read_bio_X509_CRL(bio, nil, nil, nil) else {
            throw .file(path: path, reason: "there is no PEM revocation list in it (\(drainedReason("it is broken")))")
        }
        defer { X509_CRL_free(list) }
        guard let thisUpdate = seconds(of: X509_CRL_get0_lastUpdate(list)),
            let nextUpdate = seconds(of: X509_CRL_get0_nextUpdate(list))
        else { throw .file(path: path, reason: "the revocation list does not say how long it is good for") }
        var number: Int64 = 0
        if let decoded = X509_CRL_get_ext_d2i(list, NID_crl_number, nil, nil) {
            let integer = decoded.assumingMemoryBound(to: ASN1_INTEGER.self)
            _ = ASN1_INTEGER_get_int64(&number, integer)
            ASN1_INTEGER_free(integer)
        }
        var serials: [String] = []
        if let revoked = X509_CRL_get_REVOKED(list) {
            for index in 0..<max(0, OPENSSL_sk_num(revoked)) {
                guard let entry = OPENSSL_sk_value(revoked, index) else { continue }
                serials.append(hexadecimal(X509_REVOKED_get0_serialNumber(OpaquePointer(entry))))
            }
        }
        self.init(number: number, thisUpdate: thisUpdate, nextUpdate: nextUpdate, serials: serials)
    }

    /// Whether one of the lists in a file is of one of the authorities in others. Where none is, nobody is believed.
    package static func isThere(in path: String, ofAuthorityIn files: [String]) throws(TLSError) -> Bool {
        let lists = try readRevocationLists(path)
        var authorities: [Certificate] = []
        for file in files { authorities += try readCertificates(file) }
        defer { ERR_clear_error() }
        return lists.contains { list in
            authorities.contains { X509_CRL_verify(list.pointer, X509_get0_pubkey($0.pointer)) == 1 }
        }
    }

    /// The list in PEM.
    func signed(
        by issuer: Certificate, _ key: PrivateKey, _ revocations: [String: CertificateAuthority.Revocation]
    ) throws(TLSError) -> [UInt8] {
        ERR_clear_error()
        guard let list = X509_CRL_new() else { throw .authority(reason: drainedReason("OpenSSL has no memory")) }
        defer { X509_CRL_free(list) }
        try Self.check(
            X509_CRL_set_version(list, 1) == 1
                && X509_CRL_set_issuer_name(list, X509_get_subject_name(issuer.pointer)) == 1)
        try Self.withTime(thisUpdate) { (time) in X509_CRL_set1_lastUpdate(list, time) == 1 }
        try Self.withTime(nextUpdate) { (time) in X509_CRL_set1_nextUpdate(list, time) == 1 }
        for serial in serials {
            guard let revocation = revocations[serial] else { continue }
            try Self.add(serial, revocation, to: list)
        }
        try Self.check(X509_CRL_sort(list) == 1)
        var context = X509V3_CTX()
        X509V3_set_ctx(&context, issuer.pointer, nil, nil, list, 0)
        guard let identifier = X509V3_EXT_conf_nid(nil, &context, NID_authority_key_identifier, "keyid:always") else {
            throw .authority(reason: drainedReason("OpenSSL makes no authority key identifier"))
        }
        defer { X509_EXTENSION_free(identifier) }
        try Self.check(X509_CRL_add_ext(list, identifier, -1) == 1)
        guard let integer = ASN1_INTEGER_new() else { throw .authority(reason: "OpenSSL has no memory") }
        defer { ASN1_INTEGER_free(integer) }
        try Self.check(
            ASN1_INTEGER_set_int64(integer, number) == 1
                && X509_CRL_add1_ext_i2d(list, NID_crl_number, integer, 0, 0) == 1)
        try Self.check(X509_CRL_sign(list, key.pointer, EVP_sha256()) > 0)
        return try pem { PEM_write_bio_X509_CRL($0, list) }
    }

    private static func add(
        _ serial: String, _ revocation: CertificateAuthority.Revocation, to list: OpaquePointer
    ) throws(TLSError) {
        var number: OpaquePointer?
        guard BN_hex2bn(&number, serial) > 0, let number else {
            throw .authority(reason: "'\(serial)' is no serial number")
        }
        defer { BN_free(number) }
        guard let integer = BN_to_ASN1_INTEGER(number, nil), let entry = X509_REVOKED_new() else {
            throw .authority(reason: drainedReason("OpenSSL has no memory"))
        }
        defer { ASN1_INTEGER_free(integer) }
        var isAdded = false
        defer { if !isAdded { X509_REVOKED_free(entry) } }
        try check(X509_REVOKED_set_serialNumber(entry, integer) == 1)
        try withTime(revocation.time) { (time) in X509_REVOKED_set_revocationDate(entry, time) == 1 }
        // RFC 5280 §5.3.1: left out rather than "unspecified".
        if revocation.reason != .unspecified {
            guard let reason = ASN1_ENUMERATED_new() else { throw .authority(reason: "OpenSSL has no memory") }
            defer { ASN1_ENUMERATED_free(reason) }
            try check(
                ASN1_ENUMERATED_set(reason, revocation.reason.code) == 1
                    && X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, reason, 0, 0) == 1)
        }
        // From here on the list owns it.
        try check(X509_CRL_add0_revoked(list, entry) == 1)
        isAdded = true
    }

    private static func withTime(
        _ seconds: Int64, _ body: (UnsafeMutablePointer<ASN1_TIME>) -> Bool
    ) throws(TLSError) {
        guard let time = ASN1_TIME_set(nil, time_t(seconds)) else {
            throw .authority(reason: drainedReason("OpenSSL makes no time"))
        }
        defer { ASN1_TIME_free(time) }
        try check(body(time))
    }

    private static func check(_ isDone: Bool) throws(TLSError) {
        guard isDone else { throw .authority(reason: drainedReason("OpenSSL refuses a field of the revocation list")) }
    }
}
