internal import COpenSSL

/// Why TLS did not work, in words for an operator: what was tried, on which file, and what OpenSSL said.
package enum TLSError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A certificate, key or authority file cannot be used.
    case file(path: String, reason: String)
    /// The context cannot be made as asked for.
    case configuration(reason: String)
    /// The handshake came to nothing: the peer's fault, or ours as the peer saw it.
    case handshake(reason: String)
    /// Client mode: the server's certificate is not the expected one's.
    case untrustedServer(name: String, reason: String, fault: CertificateFault)
    /// A record after the handshake was bad, or the peer sent an alert.
    case connection(reason: String)
    /// There is no finished handshake to ask.
    case notEstablished
    /// Keying material is not to be had: TLS 1.2 without extended master secret (RFC 9266 §3).
    case noKeyingMaterial(reason: String)
    /// The certificate authority refuses.
    case authority(reason: String)

    package var description: String {
        switch self {
        case .file(let path, let reason): "\(path): \(reason)"
        case .configuration(let reason): "TLS: \(reason)"
        case .handshake(let reason): "TLS handshake failed: \(reason)"
        case .untrustedServer(let name, let reason, _): "TLS: \(name) is not trusted: \(reason)"
        case .connection(let reason): "TLS connection failed: \(reason)"
        case .notEstablished: "TLS: the handshake is not complete"
        case .noKeyingMaterial(let reason): "TLS: no keying material: \(reason)"
        case .authority(let reason): reason
        }
    }
}

/// What is wrong with a certificate, as far as it tells what helps.
package enum CertificateFault: Sendable, Hashable {
    /// It is for other names.
    case name
    /// No authority trusted here has signed it.
    case issuer
    case expired
    case notYetValid
    case revoked
    /// There is no revocation list to judge it by, or none that counts.
    case revocationList
    case other
}

/// Takes everything out of the thread's OpenSSL error queue. The newest comes last and says most.
func drainErrorQueue() -> [String] {
    var reasons: [String] = []
    while case let code = ERR_get_error(), code != 0 {
        if let text = ERR_reason_error_string(code) {
            reasons.append(String(cString: text))
        } else {
            var buffer = [CChar](repeating: 0, count: 256)
            ERR_error_string_n(code, &buffer, buffer.count)
            reasons.append(String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
        }
    }
    return reasons
}

/// The queue as one sentence, or `fallback` when OpenSSL left nothing in it.
func drainedReason(_ fallback: String) -> String {
    let reasons = drainErrorQueue()
    return reasons.isEmpty ? fallback : reasons.joined(separator: "; ")
}

/// `OpenSSL 3.0.17 1 Jul 2025`: the library this process runs with, which may be newer than the one it was built with.
package var tlsLibraryVersion: String {
    OpenSSL_version(OPENSSL_VERSION).map { String(cString: $0) } ?? "OpenSSL"
}
