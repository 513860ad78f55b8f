import Network
import Submission
import TLS

extension Settings {
    /// What the roles cannot be served without: judged before a node begins, and again at each reload, for what is missing
    /// then would be served with less than it began with.
    ///
    /// - Throws: the first of these that is not set.
    func require(_ roles: Set<Serve.Role>) throws(Failure) {
        if roles.contains(.submission) || roles.contains(.forwarder) { _ = try database(as: .node) }
        if roles.contains(.relay) {
            _ = try relay.certificate.required("relay.certificate", "the relay's own certificate")
            _ = try relay.privateKey.required("relay.private-key", "the key of relay.certificate")
            _ = try relay.authorities.required(
                "relay.authorities", "the pool's authority, which says whose mail is taken")
            try relay.requireRoute()
        }
        if roles.contains(.submission) {
            _ = try submission.certificate.required("submission.certificate", "the server's certificate")
            _ = try submission.privateKey.required("submission.private-key", "the key of submission.certificate")
        }
        if roles.contains(.forwarder) {
            _ = try forwarder.certificate.required(
                "forwarder.certificate", "the certificate that relays know this node by")
            _ = try forwarder.privateKey.required("forwarder.private-key", "the key of forwarder.certificate")
            _ = try forwarder.authorities.required("forwarder.authorities", Self.relaysAuthority)
        }
    }

    private static let relaysAuthority = "the pool's authority, which says what a relay is"

    /// The context for members with TLS `mutual`, as the forwarder has it.
    ///
    /// - Parameter hadRevocations: a list that was there once does not become optional by going away.
    /// - Throws: also where no authority is set: whoever listens at a member's address would be taken for it.
    func mutualContext(hadRevocations: Bool = false) throws(TLSError) -> TLSContext {
        guard let authorities = forwarder.authorities else {
            throw .configuration(reason: "`forwarder.authorities` is not set: \(Self.relaysAuthority)")
        }
        return try TLSContext.client(
            authorities: authorities, certificateChain: forwarder.certificate,
            privateKey: forwarder.privateKey, minimum: .tls13,
            revocations: forwarder.revocations ?? "\(pki.directory)/crl.pem",
            revocationsAreOptional: forwarder.revocations == nil && !hadRevocations
                && !CertificateAuthority.hasRevoked(in: pki.directory))
    }
}

extension Settings.Submission {
    /// As the role takes it.
    var configuration: SubmissionConfiguration {
        var made = SubmissionConfiguration(
            listen: listen.map(ListenAddress.init), listenTLS: listenTLS.map(ListenAddress.init), hostname: hostname)
        made.proxyFrom = proxyFrom
        made.maxConnections = maxConnections
        made.maxConnectionsPerAddress = maxConnectionsPerAddress
        made.maxHandshakes = maxHandshakes
        made.handshakeTimeout = handshakeTimeout
        made.authenticationTimeout = authenticationTimeout
        made.commandTimeout = commandTimeout
        made.writeTimeout = writeTimeout
        made.minDataRate = minDataRate
        made.maxMessageSize = maxMessageSize
        made.asksForCertificates = asksForCertificates
        made.maxRecipients = maxRecipients
        made.normalisesLineEndings = lineEndings == .normalise
        made.failuresPerConnection = failuresPerConnection
        made.failuresPerAddress = failuresPerAddress
        made.failuresPerLogin = failuresPerLogin
        return made
    }
}
