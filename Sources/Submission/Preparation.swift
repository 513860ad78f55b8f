import Cryptography
import MailMessage
import NIOCore
import SMTP

/// What is to be done with a whole message's octets before the ledger sees it: header, fix-ups, hash.
///
/// It takes a millisecond for each few megabytes, and so may run on a thread of its own.
struct Preparation: Sendable {
    /// Up to here a loop does it by itself: a hop costs more.
    static let inlineLimit = 512 * 1024

    struct Outcome: Sendable {
        let message: PreparedMessage
        /// What next hops are told.
        let parameters: MailParameters
        let digest: [UInt8]?
    }

    let envelope: SubmissionDialogue.Envelope
    let content: ByteBuffer
    /// Seconds since 1970.
    let now: Int64
    let hostname: String
    /// Nil: a resubmission is not looked for.
    let credentialID: Int64?

    func run() -> Result<Outcome, MessageFault> {
        do throws(MessageFault) {
            let message = try PreparedMessage(
                content: content, now: now, hostname: hostname,
                options: Fixups.Options(isInternationalized: envelope.parameters.isInternationalized))
            var parameters = envelope.parameters
            parameters.isInternationalized = envelope.needsInternationalization(message)
            return .success(
                Outcome(message: message, parameters: parameters, digest: message.hadMessageID ? digest() : nil))
        } catch { return .failure(error) }
    }

    /// LEDGER, "Resubmission": the same credential, envelope and content, hashed as the client sent it.
    private func digest() -> [UInt8]? {
        guard let credentialID else { return nil }
        var hash = SHA256()
        // No part holds a NUL, so none can be mistaken for another.
        hash.update("\(credentialID)\0\(envelope.sender)\0".utf8)
        // Whom a message goes to is the same in whatever order a client names them: one that keeps them in a set may not
        // have them in the same order again.
        for mailbox in envelope.recipients.map(\.mailbox.description).sorted() { hash.update("\(mailbox)\0".utf8) }
        hash.update(content.readableBytesView)
        return hash.finalize()
    }
}

extension SubmissionDialogue.Envelope {
    /// Whether a next hop must take SMTPUTF8: not where it was merely declared, for then mail would bounce that any
    /// relay could take (RFC 6531 §3.2).
    func needsInternationalization(_ message: PreparedMessage) -> Bool {
        guard parameters.isInternationalized else { return false }
        if message.hasEightBitHeader { return true }
        if case .mailbox(let mailbox) = sender, mailbox.isInternationalized { return true }
        if recipients.contains(where: { $0.mailbox.isInternationalized }) { return true }
        return message.isEightBit && HeaderOctets.hasEightBitAnywhere(message.content)
    }

    /// `with` of the Received field: RFC 3848, and RFC 6531 §3.7.3 where SMTPUTF8 was used.
    var protocolName: String {
        guard isESMTP else { return "SMTP" }
        return parameters.isInternationalized ? "UTF8SMTPSA" : "ESMTPSA"
    }
}
