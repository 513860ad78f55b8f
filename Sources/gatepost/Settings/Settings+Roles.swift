import Network
import Submission

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
