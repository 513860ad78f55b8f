import Tenancy

extension Settings {
    /// The section `submission`: the listener that customers' applications reach.
    struct Submission: Sendable {
        enum LineEndings: String, Sendable { case strict, normalise }

        var listen, listenTLS: [HostPort]
        var hostname: String
        var certificate, privateKey, certificates: String?
        var asksForCertificates: Bool
        var proxyFrom: [Tenancy.Network]
        /// nil: one for each processor.
        var threads: Int?
        var maxConnections, maxConnectionsPerAddress, maxHandshakes: Int
        var handshakeTimeout, authenticationTimeout, commandTimeout, writeTimeout: Duration
        /// Octets a second.
        var minDataRate: Int
        /// Octets.
        var bodyMemory, maxMessageSize: Int
        var maxRecipients: Int
        var lineEndings: LineEndings
        var failuresPerConnection, failuresPerAddress, failuresPerLogin: Int
    }
}

extension Settings.Submission {
    init(_ values: SettingsValues, machineName: String) {
        listen = values.addresses("submission.listen")
        listenTLS = values.addresses("submission.listen-tls")
        hostname = values.text("submission.hostname") ?? machineName
        certificate = values.path("submission.certificate")
        privateKey = values.path("submission.private-key")
        certificates = values.path("submission.certificates")
        asksForCertificates = values.boolean("submission.tls.client-certificates")
        proxyFrom = values.texts("submission.proxy-from").compactMap { try? Tenancy.Network(parsing: $0) }
        threads = values.optionalCount("submission.threads")
        maxConnections = values.count("submission.max-connections")
        maxConnectionsPerAddress = values.count("submission.max-connections-per-address")
        maxHandshakes = values.count("submission.max-handshakes")
        handshakeTimeout = values.duration("submission.handshake-timeout")
        authenticationTimeout = values.duration("submission.authentication-timeout")
        commandTimeout = values.duration("submission.command-timeout")
        writeTimeout = values.duration("submission.write-timeout")
        minDataRate = values.count("submission.min-data-rate")
        bodyMemory = values.count("submission.body-memory")
        maxMessageSize = values.count("submission.max-message-size")
        maxRecipients = values.count("submission.max-recipients")
        lineEndings = values.word("submission.line-endings")
        failuresPerConnection = values.count("submission.failures-per-connection")
        failuresPerAddress = values.count("submission.failures-per-address")
        failuresPerLogin = values.count("submission.failures-per-login")
    }
}
