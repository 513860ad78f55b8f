package import NIOCore
package import Postgres
package import SMTP

/// A message with recipients leased to this node, whether read back by `claim` or still in memory from `accept`.
///
/// Whoever drops one without an outcome settles its recipients as `.released`: a leased recipient that nobody holds
/// in memory would wait until its owner ends.
package struct QueuedMessage: Sendable {
    package struct Recipient: Sendable, Hashable {
        /// Its place in the message, from 1.
        package var number: Int32
        package var envelope: EnvelopeRecipient
        /// Attempts that failed so far.
        package var attempts: Int32
        /// Which lease of it this is: 0 of `accept`, and one more each time it is leased anew. An outcome ends this lease
        /// and no other, for the same owner may have given the recipient back meanwhile and leased it again.
        package var lease: Int32
        /// Its sender was told that it takes long (`NOTIFY=DELAY`, RFC 3461 §4.1).
        package var isDelayTold: Bool

        package var mailbox: Mailbox { envelope.mailbox }

        package init(
            number: Int32, envelope: EnvelopeRecipient, attempts: Int32, lease: Int32, isDelayTold: Bool = false
        ) {
            self.number = number
            self.envelope = envelope
            self.attempts = attempts
            self.lease = lease
            self.isDelayTold = isDelayTold
        }
    }

    package enum Kind: String, Sendable {
        /// A customer's.
        case mail
        /// A report that was made here (RFC 3464): never charged, never reported on.
        case report = "dsn"
        /// A warning to a tenant's contact: as a report.
        case notice
    }

    package var id: MessageID
    package var kind: Kind
    /// Whom it is leased to: what is settled under another owner's id is `lease_lost`.
    package var owner: MessageID
    package var tenantID: Int64
    package var tenantSlug: String
    package var credentialName: String
    package var poolID: Int64
    package var sender: ReversePath
    /// In the order of their numbers.
    package var recipients: [Recipient]
    package var parameters: MailParameters
    /// With our Received field. Empty when the stored body was dropped already: such a message can only bounce.
    package var content: ByteBuffer
    package var isEightBit: Bool
    /// By the database's clock.
    package var acceptedAt: Instant
    package var messageIDHeader: String?
    package var clientAddress: String?

    package init(
        id: MessageID, owner: MessageID, tenantID: Int64, tenantSlug: String, credentialName: String, poolID: Int64,
        sender: ReversePath, recipients: [Recipient], parameters: MailParameters = MailParameters(),
        content: ByteBuffer, isEightBit: Bool, acceptedAt: Instant, messageIDHeader: String? = nil,
        clientAddress: String? = nil, kind: Kind = .mail
    ) {
        self.id = id
        self.owner = owner
        self.tenantID = tenantID
        self.tenantSlug = tenantSlug
        self.credentialName = credentialName
        self.poolID = poolID
        self.sender = sender
        self.recipients = recipients
        self.parameters = parameters
        self.kind = kind
        self.content = content
        self.isEightBit = isEightBit
        self.acceptedAt = acceptedAt
        self.messageIDHeader = messageIDHeader
        self.clientAddress = clientAddress
    }
}

/// What the acceptor hands to the forwarder of its own node.
package typealias AcceptedMessage = QueuedMessage

/// What became of one recipient, or rather of one lease of it.
package struct Settlement: Sendable {
    package enum Outcome: Sendable, Equatable {
        case delivered
        case bounced
        /// Tried and failed for now; nil: at once. By the database's clock.
        case deferred(until: Instant?)
        /// Given back untried: not counted as an attempt.
        case released(until: Instant?)
        /// The same, for the message cannot be sent as it is stored: an event says so, and `reply` why.
        case unreadable(until: Instant)
    }

    package var owner: MessageID
    package var tenantID: Int64
    package var messageID: MessageID
    package var number: Int32
    package var lease: Int32
    package var outcome: Outcome
    package var replyCode: Int32?
    /// `4.7.1`.
    package var replyEnhanced: String?
    /// The remote's text, raw.
    package var reply: [UInt8]?

    package init(
        _ outcome: Outcome, of recipient: QueuedMessage.Recipient, in message: QueuedMessage, replyCode: Int32? = nil,
        replyEnhanced: String? = nil, reply: [UInt8]? = nil
    ) {
        owner = message.owner
        tenantID = message.tenantID
        messageID = message.id
        number = recipient.number
        lease = recipient.lease
        self.outcome = outcome
        self.replyCode = replyCode
        self.replyEnhanced = replyEnhanced
        self.reply = reply
    }

    /// Gives a recipient back that is leased here and in no memory.
    ///
    /// - Parameter outcome: what is said of it.
    package init(
        releasing recipient: Owner.LeasedRecipient, tenant: Int64, owner: MessageID,
        as outcome: Outcome = .released(until: nil), reply: [UInt8]? = nil
    ) {
        self.owner = owner
        tenantID = tenant
        messageID = recipient.messageID
        number = recipient.number
        lease = recipient.lease
        self.outcome = outcome
        self.reply = reply
    }
}
