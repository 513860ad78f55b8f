internal import COpenSSL
internal import Cryptography

/// What a certificate in a PEM file is known by; for those that clients show, whoever signed them.
package struct CertificateFile: Sendable, Hashable {
    /// SHA-256 of its DER.
    package var digest: [UInt8]
    /// Seconds since the Unix epoch.
    package var notBefore, notAfter: Int64
    /// For people.
    package var commonName: String?
    package var names: [String]
    /// Whether clients believe a server that shows it, and relays a forwarder (RFC 5280 §4.2.1.12).
    package var isForServers, isForClients: Bool

    /// The first certificate of the file: of a chain, the client's own.
    package init(reading path: String) throws(TLSError) {
        guard let certificate = try readCertificates(path).first else {
            throw .file(path: path, reason: "there is no PEM certificate in it")
        }
        var pointer: UnsafeMutablePointer<UInt8>?
        let length = i2d_X509(certificate.pointer, &pointer)
        guard length > 0, let pointer else { throw .file(path: path, reason: "the certificate cannot be encoded") }
        defer { CRYPTO_free(pointer, #file, #line) }
        guard let notBefore = certificate.notBefore, let notAfter = certificate.notAfter else {
            throw .file(path: path, reason: "the certificate's validity cannot be read")
        }
        digest = SHA256.hash(UnsafeRawBufferPointer(start: pointer, count: Int(length)))
        self.notBefore = notBefore
        self.notAfter = notAfter
        commonName = TLS.commonName(of: certificate.pointer)
        names = subjectAlternativeNames(of: certificate.pointer)
        isForServers = X509_check_purpose(certificate.pointer, X509_PURPOSE_SSL_SERVER, 0) == 1
        isForClients = faultOfClientCertificate(certificate.pointer) == nil
    }
}
