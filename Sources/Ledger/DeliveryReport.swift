package import NIOCore
package import SMTP

/// A report on what became of a message's recipients (RFC 3464), stored in the transaction that settles them.
///
/// It becomes mail of kind `.report`: from the null sender, for the tenant and the pool of the message it tells of,
/// never charged, free for any forwarder. Stored only if at least one outcome that it tells of took effect, so never twice.
package struct DeliveryReport: Sendable {
    /// Whom it tells: the envelope sender of the message.
    package var recipient: Mailbox
    /// Of whom it tells: places in the message.
    package var numbers: Set<Int32>
    /// The whole message, its header included.
    package var content: ByteBuffer
    package var body: BodyType
    /// Needs SMTPUTF8 on its way (RFC 6533).
    package var isInternationalized: Bool

    package init(
        to recipient: Mailbox, of numbers: Set<Int32>, content: ByteBuffer, body: BodyType = .eightBitMIME,
        isInternationalized: Bool = false
    ) {
        self.recipient = recipient
        self.numbers = numbers
        self.content = content
        self.body = body
        self.isInternationalized = isInternationalized
    }
}
