/// What a TLS connection has for clients to bind an exchange to (RFC 5802 §6): one, both, or neither of the two.
package struct ChannelBindings: Sendable, Hashable {
    /// `tls-exporter` (RFC 9266): this very connection. Not with TLS 1.2 without extended master secret.
    package var exporter: [UInt8]?
    /// `tls-server-end-point` (RFC 5929): the server's certificate.
    package var serverEndPoint: [UInt8]?

    package init(exporter: [UInt8]? = nil, serverEndPoint: [UInt8]? = nil) {
        self.exporter = exporter
        self.serverEndPoint = serverEndPoint
    }

    package var isEmpty: Bool { exporter == nil && serverEndPoint == nil }

    /// A binding that a client named.
    enum Kind: String, Sendable, Hashable {
        case exporter = "tls-exporter"
        case serverEndPoint = "tls-server-end-point"
    }

    func data(of kind: Kind) -> [UInt8]? {
        switch kind {
        case .exporter: exporter
        case .serverEndPoint: serverEndPoint
        }
    }

    /// For exchanges that name none, so that libsasl2 sees a downgrade.
    var strongest: Kind? { exporter != nil ? .exporter : serverEndPoint != nil ? .serverEndPoint : nil }
}

extension ChannelBindings: CustomStringConvertible, CustomReflectable {
    package var description: String { "ChannelBindings(redacted)" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
