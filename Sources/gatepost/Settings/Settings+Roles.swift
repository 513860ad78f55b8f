import Network
import Submission
import TLS

extension Settings {
    /// The context for members with TLS `mutual`, as the forwarder has it.
    ///
    /// - Parameter hadRevocations: a list that was there once does not become optional by going away.
    func mutualContext(hadRevocations: Bool = false) throws(TLSError) -> TLSContext {
        try TLSContext.client(
            authorities: forwarder.authorities, certificateChain: forwarder.certificate,
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
