import MailMessage
import NIOCore
import SMTP

/// A message made fit for what a next hop offers, or refused for whom it cannot be: converted where the RFCs allow,
/// never downgraded in silence.
struct Adaptation {
    private(set) var transaction: DeliveryDialogue.Transaction
    /// By the recipients' places.
    private(set) var refusals: [DeliveryDialogue.Outcome?]

    init(_ transaction: DeliveryDialogue.Transaction, to capabilities: DeliveryCapabilities) {
        self.transaction = transaction
        refusals = Array(repeating: nil, count: transaction.recipients.count)
        if transaction.parameters.isInternationalized, !capabilities.smtpUTF8 { giveUpSMTPUTF8() }
        convert(capabilities)
        // RFC 1870 §6.1 lets us ask; we know the answer.
        if let limit = capabilities.sizeLimit, self.transaction.content.readableBytes > limit {
            refuse(552, EnhancedCode(5, 3, 4), "the next hop takes no message of more than \(limit) octets")
        }
    }

    /// Whether the work is too much for an event loop.
    static func isLong(_ transaction: DeliveryDialogue.Transaction, _ capabilities: DeliveryCapabilities) -> Bool {
        transaction.content.readableBytes > 64 * 1024 && target(transaction, capabilities) != nil
    }

    private static func target(
        _ transaction: DeliveryDialogue.Transaction, _ capabilities: DeliveryCapabilities
    ) -> BodyConversion.Target? {
        if transaction.isBinary, !capabilities.binaryMIME {
            return capabilities.eightBitMIME ? .eightBit : .sevenBit
        }
        return transaction.isEightBit && !capabilities.eightBitMIME && !transaction.isBinary ? .sevenBit : nil
    }

    /// RFC 6531 §3.5: what needs the extension is refused, what merely was offered with it goes without.
    private mutating func giveUpSMTPUTF8() {
        if transaction.sender.mailbox?.isBeyondASCII ?? false {
            return refuse(553, EnhancedCode(5, 6, 7), "the next hop takes no address with more than ASCII (SMTPUTF8)")
        }
        if HeaderOctets.hasEightBitAnywhere(transaction.content) {
            return refuse(554, EnhancedCode(5, 6, 9), "the next hop takes no header with more than ASCII (SMTPUTF8)")
        }
        for (place, recipient) in transaction.recipients.enumerated() where recipient.mailbox.isBeyondASCII {
            refusals[place] = .bounced(
                RemoteReply(
                    code: 553, enhanced: EnhancedCode(5, 6, 7),
                    text: "the next hop takes no address with more than ASCII (SMTPUTF8)", command: "RCPT TO",
                    isOurs: true))
        }
        transaction.parameters.isInternationalized = false
    }

    private mutating func convert(_ capabilities: DeliveryCapabilities) {
        guard refusals.contains(where: { $0 == nil }), let target = Self.target(transaction, capabilities) else {
            return
        }
        do throws(BodyConversion.Fault) {
            transaction.content = try BodyConversion.convert(transaction.content, to: target)
            transaction.isEightBit = target == .eightBit
            transaction.parameters.body = target == .eightBit ? .eightBitMIME : .sevenBit
        } catch {
            refuse(
                554, EnhancedCode(5, 6, 3),
                "the next hop takes no \(transaction.isBinary ? "binary" : "8-bit") message, and this one cannot be "
                    + "converted: \(error)")
        }
    }

    /// Everyone who is not refused yet.
    private mutating func refuse(_ code: Int, _ enhanced: EnhancedCode, _ text: String) {
        let reply = RemoteReply(code: code, enhanced: enhanced, text: text, command: "MAIL FROM", isOurs: true)
        for place in refusals.indices where refusals[place] == nil { refusals[place] = .bounced(reply) }
    }
}

extension Mailbox {
    /// Its local part needs SMTPUTF8; a domain always has its A-labels.
    fileprivate var isBeyondASCII: Bool { localPart.utf8.contains { $0 >= 0x80 } }
}
