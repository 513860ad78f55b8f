internal import COpenSSL
internal import Cryptography
internal import Glibc
internal import Synchronization

// TLS: OpenSSL over NIO's byte buffers. Contexts hold keys and rules, `TLSConnection` the protocol, `TLSHandler` the
// place in a pipeline; `CertificateAuthority` makes the certificates by which forwarders and relays know each other.
// It never decides who may do what: it says what the handshake showed.
//
// RFC 8446 and 5246 by OpenSSL, 3207's use of it, 9266 (tls-exporter), 5929 (tls-server-end-point), 9525 (server
// names), 6066 (SNI), 5077 (tickets), 5280 (revocation lists).

/// Keys, certificates and rules shared by many connections. Any thread may use it.
///
/// TLS 1.2 or 1.3 with forward secrecy and authenticated ciphers. No renegotiation, compression or early data.
package final class TLSContext: @unchecked Sendable {
    // Sendable: nothing changes an SSL_CTX after `init`, and OpenSSL counts references to it atomically; what else changes
    // has a lock of its own.

    package enum Version: Sendable, Hashable { case tls12, tls13 }

    let pointer: OpaquePointer
    /// Whether peers' certificates can be judged.
    let hasAuthorities: Bool
    /// SHA-256 of the authorities' file; empty where there is none, or it is no plain file.
    let authorities: [UInt8]
    /// DNS names and IP addresses of our own certificate.
    package let certificateNames: [String]
    /// When our own certificate ends, in seconds since the Unix epoch.
    package let certificateExpiry: Int64?
    /// Of our own certificate, lower-case hexadecimal.
    package let certificateSerial: String?
    /// The file of our own certificate, for those who write about it.
    package let certificateFile: String?
    /// Of the listening side: further certificates, one of which a client gets that names it (RFC 6066 §3).
    private var serverNames: ServerNames?
    /// Keeps what OpenSSL points at.
    private var ticketKeys: TicketKeys?
    /// Of the connecting side: whom it need not judge again. Nil: it judges each.
    private(set) var trusted: TrustedServers?
    /// How many certificates were judged by the authorities.
    package var judgements: Int { judged.load(ordering: .relaxed) }
    let judged = Atomic(0)
    /// What the authorities have taken back; nil: nobody asked.
    package var revocations: Revocations? { revoked.withLock { $0 } }
    private let revoked = Mutex<Revocations?>(nil)

    /// For the listening side. With `clientAuthorities` clients are asked for a certificate, and whatever they show or
    /// do not show, the handshake completes: ask the session's `peer`.
    ///
    /// - Parameters:
    ///   - alternatives: further certificates, chosen by the server name that a client asks for. One that asks for none
    ///     of them gets the first certificate. Those that cannot be used are ``leftOut``.
    ///   - before: the context in force: alternatives that cannot be used now stay as they are there.
    ///   - asksForCertificates: without `clientAuthorities`, clients are asked for a certificate all the same, and any
    ///     will do: the handshake shows that its key is the client's, and the session's `peer` whose it is. A resumed
    ///     session has the certificate of the handshake it was begun with.
    ///   - ticketKeys: shared by all nodes, so that a session begun at one resumes at another. Not with
    ///     `clientAuthorities`: a resumed session would carry the judgement of an older handshake.
    ///   - revocations: a file of revocation lists, PEM. Where it is missing, broken or past its next update, every
    ///     client's certificate is untrusted, for nobody knows which of them still count.
    ///   - revocationsAreOptional: a file that is not there yet says that nothing has been taken back so far.
    package static func server(
        certificateChain: String, privateKey: String, clientAuthorities: String? = nil, minimum: Version = .tls12,
        alternatives: [TLSIdentity] = [], before: TLSContext? = nil, asksForCertificates: Bool = false,
        ticketKeys: TicketKeys? = nil, revocations: String? = nil, revocationsAreOptional: Bool = false
    ) throws(TLSError) -> TLSContext {
        let context = try TLSContext(
            method: TLS_server_method(), minimum: minimum, identity: (certificateChain, privateKey),
            authorities: clientAuthorities)
        let pointer = context.pointer
        SSL_CTX_set_options(pointer, copenssl_op_cipher_server_preference)
        SSL_CTX_set_alpn_select_cb(pointer, selectSMTP, nil)
        copenssl_ctx_set_session_cache_mode(pointer, Int(SSL_SESS_CACHE_OFF))
        SSL_CTX_set_session_id_context(pointer, "gatepost", 8)
        if let clientAuthorities {
            guard let names = SSL_load_client_CA_file(clientAuthorities) else {
                throw .file(path: clientAuthorities, reason: drainedReason("it has no authorities' names"))
            }
            SSL_CTX_set_client_CA_list(pointer, names)
            SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER, nil)
            // A resumed session would carry the judgement of an older handshake.
            SSL_CTX_set_options(pointer, copenssl_op_no_ticket)
            SSL_CTX_set_num_tickets(pointer, 0)
            if let revocations {
                // From now on a certificate must be known not to have been taken back.
                let list = Revocations(
                    revocations, isOptional: revocationsAreOptional, into: SSL_CTX_get_cert_store(pointer))
                context.revoked.withLock { $0 = list }
            }
        } else {
            if asksForCertificates { SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER, nil) }
            SSL_CTX_set_num_tickets(pointer, 1)
            if let ticketKeys {
                try ticketKeys.install(in: pointer)
                context.ticketKeys = ticketKeys
            }
        }
        // 0-RTT data can be replayed (RFC 8446 §8): it is off by default, and stays so.
        SSL_CTX_set_max_early_data(pointer, 0)
        SSL_CTX_set_recv_max_early_data(pointer, 0)
        if !alternatives.isEmpty {
            let names = ServerNames(alternatives, minimum: minimum, before: before?.serverNames)
            names.install(in: pointer)
            context.serverNames = names
        }
        return context
    }

    /// Every certificate this context answers with: its file and its end.
    package var certificates: [(file: String, notAfter: Int64)] {
        let own: [(file: String, notAfter: Int64)] =
            if let certificateFile, let certificateExpiry { [(certificateFile, certificateExpiry)] } else { [] }
        return own + (serverNames?.contexts.flatMap(\.certificates) ?? [])
    }

    /// Files of certificates that were to be answered with and are not, or not for all of their names, and why.
    package var leftOut: [(file: String, reason: String)] { serverNames?.leftOut ?? [] }

    /// For one more name of a server's. Only its certificate is ever used.
    static func alternative(_ identity: TLSIdentity, minimum: Version) throws(TLSError) -> TLSContext {
        let context = try TLSContext(
            method: TLS_server_method(), minimum: minimum, identity: (identity.certificateChain, identity.privateKey),
            authorities: nil)
        // Without one, a client that was asked for a certificate could not resume under this name.
        SSL_CTX_set_session_id_context(context.pointer, "gatepost", 8)
        return context
    }

    /// For the connecting side. With `authorities` the server's certificate must be signed by one of them and name the
    /// server; without, any certificate will do.
    ///
    /// - Parameters:
    ///   - remembersTrust: a certificate that was found good for a name is good for another minute without being judged
    ///     anew: for a client that makes one connection after the other, to whom revocation may come that much late.
    ///   - revocations: a file of the authorities' revocation lists, PEM. Where it is missing, broken or past its next
    ///     update, no server is trusted, for nobody knows which of them still count. Only with `authorities`.
    ///   - revocationsAreOptional: a file that is not there yet says that nothing has been taken back so far.
    package static func client(
        authorities: String?, certificateChain: String? = nil, privateKey: String? = nil, minimum: Version = .tls12,
        remembersTrust: Bool = false, revocations: String? = nil, revocationsAreOptional: Bool = false
    ) throws(TLSError) -> TLSContext {
        var identity: (String, String)?
        switch (certificateChain, privateKey) {
        case (let chain?, let key?): identity = (chain, key)
        case (nil, nil): identity = nil
        case (let chain?, nil): throw .file(path: chain, reason: "a certificate needs its private key: none was named")
        case (nil, let key?): throw .file(path: key, reason: "a private key needs its certificate: none was named")
        }
        let context = try TLSContext(
            method: TLS_client_method(), minimum: minimum, identity: identity, authorities: authorities)
        copenssl_ctx_set_session_cache_mode(context.pointer, Int(SSL_SESS_CACHE_OFF))
        SSL_CTX_set_verify(context.pointer, authorities == nil ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nil)
        if remembersTrust { context.trusted = TrustedServers() }
        if let revocations, authorities != nil {
            let list = Revocations(
                revocations, isOptional: revocationsAreOptional, into: SSL_CTX_get_cert_store(context.pointer))
            context.revoked.withLock { $0 = list }
        }
        return context
    }

    /// Why a client whose certificate was good when it connected may not stay, as of now; nil: it may.
    package func condemnation(of peer: PeerCertificate) -> Revocations.Condemnation? {
        guard peer.isTrusted else { return nil }
        if let taken = revocations?.condemnation(of: peer) { return taken }
        if peer.hasEnded { return .ended }
        // Whether one of today's authorities would have it is for a new handshake to say.
        let isOfOthers = !authorities.isEmpty && !peer.authorities.isEmpty && peer.authorities != authorities
        return isOfOthers ? .otherAuthorities : nil
    }

    /// The list as the file is now, beside certificates that stay as they were. Handshakes go on judging by the list they
    /// were made with: who asks for ``revocations`` after each has the word.
    func readRevocationsAlone() {
        // (Read outside the lock, for which event loops wait.)
        guard let before = revocations else { return }
        let list = Revocations(before.path, isOptional: before.isOptional, into: nil)
        revoked.withLock { $0 = list }
    }

    private init(
        method: OpaquePointer?, minimum: Version, identity: (chain: String, key: String)?, authorities: String?
    ) throws(TLSError) {
        ERR_clear_error()
        guard let pointer = SSL_CTX_new(method) else {
            throw .configuration(reason: drainedReason("OpenSSL makes no context"))
        }
        self.pointer = pointer
        hasAuthorities = authorities != nil
        self.authorities = authorities.flatMap { try? readFile($0) }.map { SHA256.hash($0) } ?? []
        certificateFile = identity?.chain
        var names: [String] = []
        var expiry: Int64?
        var serial: String?
        do throws(TLSError) {
            try Self.setRules(pointer, minimum)
            if let identity {
                let leaf = try Self.setIdentity(pointer, chain: identity.chain, key: identity.key)
                names = subjectAlternativeNames(of: leaf.pointer)
                expiry = leaf.notAfter
                serial = serialNumber(of: leaf.pointer)
            }
            if let authorities { try Self.trust(authorities, pointer) }
        } catch {
            certificateNames = []
            certificateExpiry = nil
            certificateSerial = nil
            throw error
        }
        certificateNames = names
        certificateExpiry = expiry
        certificateSerial = serial
    }

    deinit { SSL_CTX_free(pointer) }

    /// OpenSSL's own, with AES-128 before AES-256: as safe in every attack known, and its SHA-256 has instructions of its own on
    /// today's processors, which SHA-384 has not; a handshake needs a twentieth less for it. Whoever insists on 256 bits offers
    /// nothing else, and gets them.
    private static let ciphersuites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
    private static let ciphersTLS12 = "ECDHE+AESGCM+AES128:ECDHE+AESGCM:ECDHE+CHACHA20"

    private static func setRules(_ pointer: OpaquePointer, _ minimum: Version) throws(TLSError) {
        let version = minimum == .tls12 ? TLS1_2_VERSION : TLS1_3_VERSION
        guard copenssl_ctx_set_min_version(pointer, version) == 1,
            SSL_CTX_set_ciphersuites(pointer, ciphersuites) == 1, SSL_CTX_set_cipher_list(pointer, ciphersTLS12) == 1
        else { throw .configuration(reason: drainedReason("OpenSSL refuses the protocol versions or ciphers")) }
        SSL_CTX_set_security_level(pointer, 2)
        SSL_CTX_set_options(pointer, copenssl_op_no_renegotiation | copenssl_op_no_compression)
        SSL_CTX_set_cert_verify_callback(pointer, judgePeer, nil)
        // Buffers of 16 KiB that an idle connection does not need.
        copenssl_ctx_set_mode(pointer, Int(SSL_MODE_RELEASE_BUFFERS))
    }

    private static func setIdentity(
        _ pointer: OpaquePointer, chain: String, key: String
    ) throws(TLSError) -> Certificate {
        let certificates = try readCertificates(chain)
        let leaf = certificates[0]
        let now = Int64(time(nil))
        if let end = leaf.notAfter, end < now {
            throw .file(path: chain, reason: "the certificate expired on \(dateText(end))")
        }
        if let start = leaf.notBefore, start > now {
            throw .file(path: chain, reason: "the certificate is not valid before \(dateText(start))")
        }
        ERR_clear_error()
        guard SSL_CTX_use_certificate(pointer, leaf.pointer) == 1 else {
            throw .file(path: chain, reason: drainedReason("OpenSSL refuses the certificate"))
        }
        for issuer in certificates.dropFirst() {
            X509_up_ref(issuer.pointer)
            guard copenssl_ctx_add0_chain_cert(pointer, issuer.pointer) == 1 else {
                X509_free(issuer.pointer)
                throw .file(path: chain, reason: drainedReason("OpenSSL refuses a certificate of the chain"))
            }
        }
        let privateKey = try readPrivateKey(key)
        ERR_clear_error()
        guard X509_check_private_key(leaf.pointer, privateKey.pointer) == 1 else {
            _ = drainErrorQueue()
            throw .file(path: key, reason: "the private key does not belong to the certificate in \(chain)")
        }
        guard SSL_CTX_use_PrivateKey(pointer, privateKey.pointer) == 1 else {
            throw .file(path: key, reason: drainedReason("OpenSSL refuses the private key"))
        }
        return leaf
    }

    /// Makes every certificate in the file an authority, and nothing else one.
    private static func trust(_ path: String, _ pointer: OpaquePointer) throws(TLSError) {
        let store = SSL_CTX_get_cert_store(pointer)
        for authority in try readCertificates(path) {
            ERR_clear_error()
            guard X509_STORE_add_cert(store, authority.pointer) == 1 else {
                throw .file(path: path, reason: drainedReason("OpenSSL refuses an authority in it"))
            }
        }
    }
}

/// `2026-11-24T13:30:00Z`
func dateText(_ seconds: Int64) -> String {
    var instant = time_t(seconds)
    var broken = tm()
    gmtime_r(&instant, &broken)
    var buffer = [CChar](repeating: 0, count: 32)
    let length = strftime(&buffer, buffer.count, "%Y-%m-%dT%H:%M:%SZ", &broken)
    return String(decoding: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// A client that names protocols must name ours: another one's request is not to be answered by a mail server, whatever
/// certificate they share (ALPACA). RFC 7301 §3.2.
private let selectSMTP:
    @convention(c) (
        OpaquePointer?, UnsafeMutablePointer<UnsafePointer<UInt8>?>?, UnsafeMutablePointer<UInt8>?,
        UnsafePointer<UInt8>?, UInt32, UnsafeMutableRawPointer?
    ) -> Int32 = { _, selected, selectedLength, offered, offeredLength, _ in
        guard let offered else { return SSL_TLSEXT_ERR_ALERT_FATAL }
        let list = UnsafeBufferPointer(start: offered, count: Int(offeredLength))
        var start = 0
        while start < list.count {
            let end = start + 1 + Int(list[start])
            guard end <= list.count else { break }
            if list[(start + 1)..<end].elementsEqual("smtp".utf8) {
                selected?.pointee = offered + start + 1
                selectedLength?.pointee = list[start]
                return SSL_TLSEXT_ERR_OK
            }
            start = end
        }
        return SSL_TLSEXT_ERR_ALERT_FATAL
    }
