package import NIOCore
package import Postgres
package import SMTP

/// One message as a session hands it over: everything `ledger.accept` decides on, and what is stored if it fits.
package struct AcceptRequest: Sendable {
    package var tenantID: Int64
    package var credentialID: Int64
    package var loginID: Int64
    package var tenantSlug: String
    package var credentialName: String
    package var poolID: Int64
    package var sender: ReversePath
    /// The From (or Sender) field's domain.
    package var fromDomain: Domain
    /// Those of further authors: each must be the tenant's too.
    package var otherAuthorDomains: [Domain]
    /// Each mailbox once.
    package var recipients: [EnvelopeRecipient]
    package var parameters: MailParameters
    /// After the fix-ups, without the Received field of ours. Never copied before it is sent to PostgreSQL.
    package var content: ByteBuffer
    /// Octets as the client sent them, which is what limits and use count: what we add is at our cost.
    package var size: Int
    /// SHA-256 over credential, envelope and content as sent; nil: never answered as a resubmission.
    package var resubmissionDigest: [UInt8]?
    /// Makes the Received field for an id and the database's time in seconds since 1970. Called on the acceptor's
    /// thread, and again with another id when the first is not to be used.
    package var trace: @Sendable (MessageID, Int64) -> ByteBuffer
    package var clientAddress: String?
    package var heloName: String
    package var messageIDHeader: String?
    /// Whether it holds octets over 127: the forwarder has to know.
    package var isEightBit: Bool
    /// The session's id, as its log lines and replies name it; nil: none is written down.
    package var session: MessageID?
    /// Every address that the message speaks for (From, Sender and the Resent ones), local-part@domain with the domain
    /// as A-label in lower case. Read where the credential may send as certain addresses only; without any, the
    /// domains above are all that is known, and no single address is allowed for.
    package var fromAddresses: [String]

    package init(
        tenantID: Int64, credentialID: Int64, loginID: Int64, tenantSlug: String, credentialName: String, poolID: Int64,
        sender: ReversePath, fromDomain: Domain, recipients: [EnvelopeRecipient],
        parameters: MailParameters = MailParameters(), otherAuthorDomains: [Domain] = [], content: ByteBuffer,
        size: Int? = nil, resubmissionDigest: [UInt8]? = nil,
        trace: @escaping @Sendable (MessageID, Int64) -> ByteBuffer,
        clientAddress: String? = nil, heloName: String = "", messageIDHeader: String? = nil, isEightBit: Bool = true,
        session: MessageID? = nil, fromAddresses: [String] = []
    ) {
        self.tenantID = tenantID
        self.size = size ?? content.readableBytes
        self.credentialID = credentialID
        self.loginID = loginID
        self.tenantSlug = tenantSlug
        self.credentialName = credentialName
        self.poolID = poolID
        self.sender = sender
        self.fromDomain = fromDomain
        self.recipients = recipients
        self.parameters = parameters
        self.otherAuthorDomains = otherAuthorDomains
        self.content = content
        self.resubmissionDigest = resubmissionDigest
        self.trace = trace
        self.clientAddress = clientAddress
        self.heloName = heloName
        self.messageIDHeader = messageIDHeader
        self.isEightBit = isEightBit
        self.session = session
        self.fromAddresses = fromAddresses
    }
}
