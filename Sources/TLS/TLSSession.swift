/// What a finished handshake settled.
package struct TLSSession: Sendable, Hashable {
    /// As OpenSSL names it: `TLSv1.3`.
    package let version: String
    /// As OpenSSL names it: `TLS_AES_256_GCM_SHA384`.
    package let cipher: String
    /// The other side's certificate, if it showed one.
    package let peer: PeerCertificate?

    package init(version: String, cipher: String, peer: PeerCertificate?) {
        self.version = version
        self.cipher = cipher
        self.peer = peer
    }
}

/// The certificate a peer showed, with the judgement on it.
package struct PeerCertificate: Sendable, Hashable {
    package enum Verification: Sendable, Hashable {
        case trusted
        case untrusted(reason: String)
    }

    /// The DNS names and IP addresses of the subject alternative name, lower case, in the certificate's order.
    package let names: [String]
    /// The subject's common name: for people and logs, never for a decision (RFC 9525 §2).
    package let commonName: String?
    /// Lower-case hexadecimal.
    package let serial: String
    package let verification: Verification
    /// SHA-256 of its DER. Whoever completed the handshake with it holds its key.
    package let fingerprint: [UInt8]
    /// Which key signed it (RFC 5280 §4.2.1.1), in hexadecimal: names of authorities are often the same. Nil: it does not say.
    let issuer: String?
    /// When it ends, in seconds since the Unix epoch; nil: that cannot be read.
    package let notAfter: Int64?
    /// By which authorities it was judged: SHA-256 of their file; empty: not known.
    let authorities: [UInt8]

    package var isTrusted: Bool { verification == .trusted }

    package init(
        names: [String], commonName: String?, serial: String, verification: Verification, fingerprint: [UInt8] = [],
        issuer: String? = nil, notAfter: Int64? = nil, authorities: [UInt8] = []
    ) {
        self.names = names
        self.commonName = commonName
        self.serial = serial
        self.verification = verification
        self.fingerprint = fingerprint
        self.issuer = issuer
        self.notAfter = notAfter
        self.authorities = authorities
    }
}

/// What a `TLSHandler` tells the handlers behind it, as user inbound events.
package enum TLSEvent: Sendable, Hashable {
    case handshakeCompleted(TLSSession)
    /// The peer sent `close_notify`: everything it sent has arrived. An inactive channel without this event before it
    /// was cut off.
    case closedCleanly
}
