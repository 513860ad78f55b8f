/// The recipients of one transaction, in the order they came.
///
/// A reference, so that the states of a transaction hand it on without copying it at each of a thousand RCPTs. It is
/// made by MAIL and belongs to that transaction alone.
final class RecipientList {
    private(set) var all: [EnvelopeRecipient] = []
    private var known: Set<Mailbox> = []

    var count: Int { all.count }
    var isEmpty: Bool { all.isEmpty }

    /// Whether it was added before: the same local part, octet for octet, at the same domain.
    func contains(_ recipient: Mailbox) -> Bool { known.contains(recipient) }

    /// Adds a recipient that is not in the list yet.
    func add(_ recipient: EnvelopeRecipient) {
        known.insert(recipient.mailbox)
        all.append(recipient)
    }
}
