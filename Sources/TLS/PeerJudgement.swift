internal import COpenSSL
internal import Synchronization

/// What the verification of the peer's certificate came to, taken while the handshake runs.
struct PeerJudgement {
    let verification: PeerCertificate.Verification
    /// Of one that is not trusted.
    var fault = CertificateFault.other
}

/// Called by OpenSSL in place of its own verification. As a server it judges and lets the handshake go on whatever the
/// judgement: the peer gets an answer in SMTP, not an alert that TLS 1.3 clients see too late or never.
let judgePeer: @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?) -> Int32 = { store, _ in
    let ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx())
    guard let connection = TLSConnection.of(ssl.map { OpaquePointer($0) }) else { return 0 }
    guard connection.context.hasAuthorities else { return 1 }
    let certificate = X509_STORE_CTX_get0_cert(store)
    let proof = connection.context.trusted.flatMap { _ in
        certificate.map { TrustedServers.Proof(fingerprint: fingerprint(of: $0), serverName: connection.serverName) }
    }
    if let proof, connection.context.trusted?.includes(proof) == true {
        connection.judgement = PeerJudgement(verification: .trusted)
        X509_STORE_CTX_set_error(store, X509_V_OK)
        return 1
    }
    connection.context.judged.add(1, ordering: .relaxed)
    ERR_clear_error()
    let passed = X509_verify_cert(store) == 1
    let error = X509_STORE_CTX_get_error(store)
    ERR_clear_error()
    guard passed, error == X509_V_OK else {
        connection.judgement = PeerJudgement(
            verification: .untrusted(reason: explain(error, certificate: certificate)), fault: CertificateFault(error))
        return connection.isServer ? 1 : 0
    }
    if connection.isServer, let fault = faultOfClientCertificate(certificate) {
        connection.judgement = PeerJudgement(verification: .untrusted(reason: fault))
    } else {
        connection.judgement = PeerJudgement(verification: .trusted)
        if let proof { connection.context.trusted?.insert(proof) }
    }
    return 1
}

/// Servers whose certificates were found good. Any thread may use it.
final class TrustedServers: Sendable {
    struct Proof: Hashable {
        /// SHA-256 of the certificate: the handshake shows anew each time that the server has its key.
        let fingerprint: [UInt8]
        let serverName: String?
    }

    private static let lifetime = Duration.seconds(60)
    private static let capacity = 64

    private let ends = Mutex<[Proof: ContinuousClock.Instant]>([:])

    func includes(_ proof: Proof) -> Bool {
        ends.withLock { ends in
            guard let end = ends[proof] else { return false }
            return ContinuousClock.now < end
        }
    }

    func insert(_ proof: Proof) {
        guard !proof.fingerprint.isEmpty else { return }
        ends.withLock { ends in
            if ends.count >= Self.capacity { ends.removeAll() }
            ends[proof] = .now + Self.lifetime
        }
    }
}

/// OpenSSL lets a certificate without extended key usage pass for any purpose, and an authority's as a leaf: ours must
/// say in so many words that they are for clients.
func faultOfClientCertificate(_ certificate: OpaquePointer?) -> String? {
    if X509_check_ca(certificate) != 0 { return "it is an authority's certificate, not a client's" }
    let flags = X509_get_extension_flags(certificate)
    let usage = X509_get_extended_key_usage(certificate)
    guard flags & UInt32(EXFLAG_XKUSAGE) != 0, usage & UInt32(XKU_SSL_CLIENT) != 0 else {
        return "its extended key usage does not name clientAuth"
    }
    return nil
}

extension CertificateFault {
    /// - Parameter error: what OpenSSL's verification came to.
    fileprivate init(_ error: Int32) {
        switch error {
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH: self = .name
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
            X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_CERT_SIGNATURE_FAILURE:
            self = .issuer
        case X509_V_ERR_CERT_HAS_EXPIRED: self = .expired
        case X509_V_ERR_CERT_NOT_YET_VALID: self = .notYetValid
        case X509_V_ERR_CERT_REVOKED: self = .revoked
        case X509_V_ERR_UNABLE_TO_GET_CRL, X509_V_ERR_CRL_HAS_EXPIRED, X509_V_ERR_CRL_NOT_YET_VALID:
            self = .revocationList
        default: self = .other
        }
    }
}

private func explain(_ error: Int32, certificate: OpaquePointer?) -> String {
    let words = X509_verify_cert_error_string(Int(error)).map { String(cString: $0) } ?? "error \(error)"
    switch error {
    case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
        let names = certificate.map { subjectAlternativeNames(of: $0) } ?? []
        return names.isEmpty
            ? "its certificate names no host" : "its certificate is for \(names.joined(separator: ", "))"
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
        X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
        X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return "its certificate is not signed by an authority trusted here (\(words))"
    case X509_V_ERR_CERT_REVOKED: return "its certificate has been revoked (\(words))"
    case X509_V_ERR_UNABLE_TO_GET_CRL:
        return "there is no revocation list to judge its certificate by (\(words))"
    case X509_V_ERR_CRL_HAS_EXPIRED: return "the revocation list to judge its certificate by has ended (\(words))"
    case X509_V_ERR_INVALID_PURPOSE: return "its certificate is not for this use (\(words))"
    default: return words
    }
}
