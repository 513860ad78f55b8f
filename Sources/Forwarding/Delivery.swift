import Delivery
import Ledger
import NIOCore
import SASL
package import SMTP
import Tenancy

/// What an attempt has come to, for each recipient of the message it was given, in order.
package enum DeliveryResult: Sendable {
    /// The relay answered for each recipient.
    case answered([DeliveryDialogue.Outcome], relay: String, tlsVersion: String?)
    /// The connection broke in the middle, at every relay that could be tried: nobody of these is final.
    case interrupted([DeliveryDialogue.Outcome], relay: String)
    /// No relay could be asked; nobody has refused the message. Try again after `wait`.
    ///
    /// - Parameter isOutage: nor could one for any other message of the pool.
    case noRelay(reason: String, wait: Duration, isOutage: Bool)
    /// Nothing was begun, for a reason of this node's own: that is no attempt, and nobody is given up for it.
    case notTried(reason: String, wait: Duration)
}

extension QueuedMessage {
    /// The same message for some of its recipients, by their places in `recipients`.
    func part(_ places: [Int]) -> QueuedMessage {
        var part = self
        part.recipients = places.map { recipients[$0] }
        return part
    }

    /// What is told to a next hop. Our own relays, which speak LMTP, are told the tenant in MAIL's AUTH parameter.
    func transaction(over wire: Member.Wire) -> DeliveryDialogue.Transaction {
        DeliveryDialogue.Transaction(
            sender: sender, submitter: wire == .lmtp ? tenantSlug : nil, recipients: recipients.map(\.envelope),
            parameters: parameters, content: content, isEightBit: isEightBit)
    }
}

extension NextHop {
    init(_ member: Member) {
        self.init(
            host: member.host, port: member.port, wire: member.wire == .lmtp ? .lmtp : .smtp,
            tls: TLSMode(rawValue: member.tls.rawValue) ?? .verify, serverName: member.serverName,
            login: member.login.flatMap { ClientLogin(username: $0.username, password: $0.password) })
    }
}

extension DeliveryDialogue.Outcome {
    var isDeferred: Bool { if case .deferred = self { true } else { false } }
}
