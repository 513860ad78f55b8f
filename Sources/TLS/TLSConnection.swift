internal import COpenSSL
internal import NIOCore

/// One TLS connection without a socket: octets in, octets out. Owns the `SSL`; belongs to one event loop.
///
/// Every call clears OpenSSL's error queue first and empties it after a failure, for the queue belongs to the thread,
/// which many connections share.
final class TLSConnection {
    enum Outcome {
        /// The handshake is complete; all that could be read was read.
        case complete
        /// More octets from the peer are needed.
        case needsInput
        /// The peer sent `close_notify`.
        case closed
        case failed(TLSError)
    }

    /// What came from the network and OpenSSL has not taken yet.
    var ciphertextIn = ByteBuffer()
    /// What OpenSSL wants to send.
    var ciphertextOut = ByteBuffer()
    /// What was found out about the peer's certificate, while OpenSSL still had it.
    var judgement: PeerJudgement?

    let isServer: Bool
    /// For tickets of a connection that answers under another name: OpenSSL has exchanged its context by then.
    var ticketKeys: UnsafeMutableRawPointer? { SSL_CTX_get_ex_data(context.pointer, 0) }
    let serverName: String?
    let context: TLSContext
    private let ssl: OpaquePointer

    init(context: TLSContext, mode: TLSHandler.Mode) throws(TLSError) {
        self.context = context
        switch mode {
        case .server:
            isServer = true
            serverName = nil
        case .client(let name):
            isServer = false
            serverName = name
        }
        ERR_clear_error()
        guard let ssl = SSL_new(context.pointer) else {
            throw .configuration(reason: drainedReason("OpenSSL has no memory for a connection"))
        }
        self.ssl = ssl
        let bio = makeByteBufferBIO(for: self)
        SSL_set_bio(ssl, bio, bio)
        SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(self).toOpaque())
        if isServer { SSL_set_accept_state(ssl) } else { SSL_set_connect_state(ssl) }
        if let serverName { try expect(serverName) }
    }

    /// Frees the BIO, too.
    deinit { SSL_free(ssl) }

    /// Finds the connection an `SSL` belongs to.
    static func of(_ ssl: OpaquePointer?) -> TLSConnection? {
        guard let data = SSL_get_ex_data(ssl, 0) else { return nil }
        return Unmanaged<TLSConnection>.fromOpaque(data).takeUnretainedValue()
    }

    /// Names the server to verify (RFC 9525) and, if it is a DNS name, to ask for (RFC 6066 §3).
    private func expect(_ name: String) throws(TLSError) {
        let parameters = SSL_get0_param(ssl)
        let flags = UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS)
        X509_VERIFY_PARAM_set_hostflags(parameters, flags)
        if octets(ofAddress: name) != nil {
            guard X509_VERIFY_PARAM_set1_ip_asc(parameters, name) == 1 else {
                throw .configuration(reason: "no IP address: \(name)")
            }
            return
        }
        let host = name.hasSuffix(".") ? String(name.dropLast()) : name
        guard !host.isEmpty, host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }),
            X509_VERIFY_PARAM_set1_host(parameters, host, host.utf8.count) == 1,
            copenssl_set_server_name(ssl, host) == 1
        else { throw .configuration(reason: "no server name: \(name.debugDescription)") }
    }

    func handshake() -> Outcome {
        ERR_clear_error()
        let result = SSL_do_handshake(ssl)
        if result == 1 { return .complete }
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .needsInput
        default:
            let reason = drainedReason("the peer broke it off")
            if !isServer, let serverName, let judgement, case .untrusted(let reason) = judgement.verification {
                return .failed(.untrustedServer(name: serverName, reason: reason, fault: judgement.fault))
            }
            return .failed(.handshake(reason: reason))
        }
    }

    /// Decrypts every whole record that has come, into `plaintext`.
    func decrypt(into plaintext: inout ByteBuffer) -> Outcome {
        while true {
            ERR_clear_error()
            var result: Int32 = 0
            plaintext.writeWithUnsafeMutableBytes(minimumWritableBytes: max(1, Int(SSL_pending(ssl)))) { free in
                var count = 0
                result = SSL_read_ex(ssl, free.baseAddress, free.count, &count)
                return count
            }
            if result == 1 {
                // Once more only where it may bring something: to learn that it does not costs as much as a record.
                if ciphertextIn.readableBytes == 0, SSL_pending(ssl) == 0 { return .needsInput }
                continue
            }
            switch SSL_get_error(ssl, result) {
            case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .needsInput
            case SSL_ERROR_ZERO_RETURN: return .closed
            default: return .failed(.connection(reason: drainedReason("the peer broke it off")))
            }
        }
    }

    /// Turns `plaintext` into records at the end of `ciphertextOut`.
    func encrypt(_ plaintext: ByteBuffer) -> TLSError? {
        guard plaintext.readableBytes > 0 else { return nil }
        ERR_clear_error()
        var written = 0
        let result = plaintext.withUnsafeReadableBytes { SSL_write_ex(ssl, $0.baseAddress, $0.count, &written) }
        guard result == 1, written == plaintext.readableBytes else {
            return .connection(reason: drainedReason("OpenSSL did not take what was written"))
        }
        return nil
    }

    /// Puts `close_notify` at the end of `ciphertextOut`.
    func shutdown() {
        ERR_clear_error()
        SSL_shutdown(ssl)
        ERR_clear_error()
    }

    func makeSession() -> TLSSession {
        let version = SSL_get_version(ssl).map { String(cString: $0) } ?? "unknown"
        let cipher = SSL_CIPHER_get_name(SSL_get_current_cipher(ssl)).map { String(cString: $0) } ?? "unknown"
        var peer: PeerCertificate?
        if let certificate = SSL_get0_peer_certificate(ssl) {
            let verification = judgement?.verification ?? .untrusted(reason: "no authorities to judge it by")
            peer = PeerCertificate(certificate, verification: verification, authorities: context.authorities)
        }
        return TLSSession(version: version, cipher: cipher, peer: peer)
    }

    /// Nobody in the middle can have the same: TLS 1.3, or RFC 7627.
    var canExportKeyingMaterial: Bool {
        SSL_version(ssl) > TLS1_2_VERSION || copenssl_has_extended_master_secret(ssl) == 1
    }

    /// RFC 5705, RFC 8446 §7.5, with an empty context that is present (RFC 9266 §2).
    func exportKeyingMaterial(label: String, length: Int) throws(TLSError) -> [UInt8] {
        guard canExportKeyingMaterial else {
            throw .noKeyingMaterial(reason: "TLS 1.2 without extended master secret (RFC 9266 §3)")
        }
        ERR_clear_error()
        var material = [UInt8](repeating: 0, count: length)
        let empty: UInt8 = 0
        let result = withUnsafePointer(to: empty) {
            SSL_export_keying_material(ssl, &material, length, label, label.utf8.count, $0, 0, 1)
        }
        guard result == 1 else { throw .noKeyingMaterial(reason: drainedReason("OpenSSL exports none")) }
        return material
    }

    /// `tls-server-end-point` (RFC 5929 §4): the server's certificate under the hash of its own signature, with
    /// SHA-256 in the place of MD5 and SHA-1. Nil where that signature has no such hash (Ed25519).
    func serverEndPoint() -> [UInt8]? {
        guard let certificate = isServer ? SSL_get_certificate(ssl) : SSL_get0_peer_certificate(ssl) else { return nil }
        var hash = NID_undef
        var flags: UInt32 = 0
        guard X509_get_signature_info(certificate, &hash, nil, nil, &flags) == 1, hash != NID_undef else { return nil }
        if hash == NID_md5 || hash == NID_sha1 { hash = NID_sha256 }
        guard let name = OBJ_nid2sn(hash), let digest = EVP_get_digestbyname(name) else { return nil }
        ERR_clear_error()
        var octets = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var length: UInt32 = 0
        guard X509_digest(certificate, digest, &octets, &length) == 1 else {
            ERR_clear_error()
            return nil
        }
        return Array(octets.prefix(Int(length)))
    }
}
