package import Network
package import Tenancy

/// What an operator sets for the role. All but the addresses may change while it runs.
package struct SubmissionConfiguration: Sendable {
    package var listen: [ListenAddress]
    /// Where TLS begins at once.
    package var listenTLS: [ListenAddress]
    /// The name in the greeting, in Received fields and in Message-IDs that are added.
    package var hostname: String
    /// Load balancers, whose connections begin with a PROXY header.
    package var proxyFrom: [Tenancy.Network] = []
    /// Connections at a time; a tenth is for addresses from which somebody has logged in.
    package var maxConnections = 10_000
    /// Connections of one address on which nobody has logged in.
    package var maxConnectionsPerAddress = 250
    package var maxHandshakes = 500
    /// For a TLS handshake, and for a PROXY header.
    package var handshakeTimeout = Duration.seconds(10)
    /// From the first octet to the end of AUTH.
    package var authenticationTimeout = Duration.seconds(60)
    /// How long a session may be silent once it has authenticated (RFC 5321 §4.5.3.2.7).
    package var commandTimeout = Duration.seconds(300)
    /// How long replies may stay unread.
    package var writeTimeout = Duration.seconds(60)
    /// Octets a second.
    package var minDataRate = 100
    /// The largest message any tenant may send, in octets; announced before AUTH.
    package var maxMessageSize = 25 * 1024 * 1024
    /// The most recipients any tenant may give; a tenant's own limit replaces it after AUTH.
    package var maxRecipients = 1000
    /// Bare CR and LF become CRLF instead of being refused.
    package var normalisesLineEndings = false
    /// Clients are asked for a TLS certificate, by which they may log in (EXTERNAL).
    package var asksForCertificates = false
    package var failuresPerConnection = 5
    package var failuresPerAddress = 100
    package var failuresPerLogin = 30

    package init(listen: [ListenAddress], listenTLS: [ListenAddress] = [], hostname: String) {
        self.listen = listen
        self.listenTLS = listenTLS
        self.hostname = hostname
    }

    /// Whether connections from there begin with a PROXY header.
    package func isBalancer(_ address: String) -> Bool {
        guard !proxyFrom.isEmpty, let octets = Tenancy.Network.octets(of: address) else { return false }
        return proxyFrom.contains { $0.contains(octets) }
    }

    var guesses: GuessLedger.Figures {
        GuessLedger.Figures(
            perConnection: failuresPerConnection, perAddress: failuresPerAddress, perLogin: failuresPerLogin)
    }

    var connectionLimits: ConnectionLimits.Figures {
        ConnectionLimits.Figures(
            connections: maxConnections, perAddress: maxConnectionsPerAddress)
    }
}
