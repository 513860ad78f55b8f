import NIOCore
package import SMTP

/// One message at one next hop: adapted to what the hop can take, in as many transactions as its limits ask for
/// (RFC 9422), and what has become of each recipient so far.
package struct DeliveryBatch: Sendable {
    /// More than one server's default, and what every server must take (RFC 5321 §4.5.3.1.8).
    static let usualRecipientLimit = 100

    /// By the places of the transaction that was asked for.
    package private(set) var outcomes: [DeliveryDialogue.Outcome?]
    private let transaction: DeliveryDialogue.Transaction
    private var parts: ArraySlice<[Int]>
    private var underWay: [Int] = []

    package init(
        _ transaction: DeliveryDialogue.Transaction, _ capabilities: DeliveryCapabilities, _ wire: DeliveryDialogue.Wire
    ) {
        let adapted = Adaptation(transaction, to: capabilities)
        self.transaction = adapted.transaction
        outcomes = adapted.refusals
        let open = outcomes.indices.filter { adapted.refusals[$0] == nil }
        parts =
            Self.split(
                open, recipients: transaction.recipients,
                limit: capabilities.recipientLimit ?? (wire == .smtp ? Self.usualRecipientLimit : .max),
                domainLimit: capabilities.recipientDomainLimit ?? .max)[...]
    }

    /// The next transaction to begin.
    package mutating func next() -> DeliveryDialogue.Transaction? {
        guard let places = parts.popFirst() else { return nil }
        underWay = places
        var part = transaction
        if places.count < part.recipients.count { part.recipients = places.map { transaction.recipients[$0] } }
        return part
    }

    /// What became of the one that was begun.
    package mutating func take(_ results: [DeliveryDialogue.Outcome]) {
        for (place, outcome) in zip(underWay, results) { outcomes[place] = outcome }
        underWay = []
    }

    /// In order, each part as long as the limits allow.
    static func split(
        _ places: [Int], recipients: [EnvelopeRecipient], limit: Int, domainLimit: Int
    ) -> [[Int]] {
        var parts: [[Int]] = []
        var domains: Set<Domain> = []
        for place in places {
            let domain = recipients[place].mailbox.domain
            let fits =
                (parts.last.map { $0.count < limit } ?? false)
                && (domains.contains(domain) || domains.count < domainLimit)
            if fits {
                parts[parts.count - 1].append(place)
            } else {
                parts.append([place])
                domains = []
            }
            domains.insert(domain)
        }
        return parts
    }
}
