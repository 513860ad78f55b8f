// Delivery: connections to a next hop, be it one of our relays or anybody's smarthost. Opens them, secures them, logs
// in, sends what the other side can take and says what became of each recipient. Knows no queue, no pool, no schedule:
// what is tried when, and where else, is its users' business (the forwarder and the relay's smarthost route).
//
// RFC 5321 and 2033 by `DeliveryDialogue`, 3207 and 8314 (TLS), 4954 (AUTH), 9422 (limits), 3030, 6152, 6531, 3461.

package import SASL
package import SMTP
package import TLS

/// How TLS is used towards a next hop.
package enum TLSMode: String, Sendable, Hashable, CaseIterable {
    /// Never, though it be offered.
    case none
    /// If it is offered, whatever the certificate; in the clear if not, or if the handshake fails (RFC 7435).
    case opportunistic
    /// Encrypted or not at all, whatever the certificate.
    case require
    /// Encrypted, and the certificate is an authority's and names the server.
    case verify
    /// As `verify`, with the pool's authority alone, and our own certificate shown.
    case mutual
}

/// Where to deliver, and how.
package struct NextHop: Sendable, Hashable, CustomStringConvertible {
    package var host: String
    package var port: Int
    package var wire: DeliveryDialogue.Wire
    package var tls: TLSMode
    /// The name its certificate must have.
    package var serverName: String
    package var login: ClientLogin?

    package init(
        host: String, port: Int, wire: DeliveryDialogue.Wire, tls: TLSMode, serverName: String? = nil,
        login: ClientLogin? = nil
    ) {
        self.host = host
        self.port = port
        self.wire = wire
        self.tls = tls
        self.serverName = serverName ?? host
        self.login = login
    }

    /// TLS from the first octet: what port 465 is for (RFC 8314 §3.3), unless there is to be none.
    package var isImplicitTLS: Bool { port == 465 && wire == .smtp && tls != .none }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// The contexts for each mode, asked for at every connection: they may be reloaded meanwhile.
package struct NextHopTLS: Sendable {
    /// Certificates are not judged.
    private let unverified: @Sendable () -> TLSContext?
    private let verified: @Sendable () -> TLSContext?
    private let mutual: @Sendable () -> TLSContext?

    package init(
        unverified: @escaping @Sendable () -> TLSContext?, verified: @escaping @Sendable () -> TLSContext?,
        mutual: @escaping @Sendable () -> TLSContext?
    ) {
        self.unverified = unverified
        self.verified = verified
        self.mutual = mutual
    }

    func context(for mode: TLSMode) -> TLSContext? {
        switch mode {
        case .none: nil
        case .opportunistic, .require: unverified()
        case .verify: verified()
        case .mutual: mutual()
        }
    }
}

extension TLSMode {
    var requirement: DeliveryDialogue.TLSRequirement {
        switch self {
        case .none: .none
        case .opportunistic: .opportunistic
        case .require, .verify, .mutual: .require
        }
    }
}
