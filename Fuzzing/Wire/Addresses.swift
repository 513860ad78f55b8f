import FuzzSupport
import NIOCore

@testable import SMTP

extension FuzzTarget {
    /// The arguments of MAIL and RCPT, mailboxes, domains, xtext and Base64: what is read and written and read again is
    /// the same, and nothing that is no address's leaves it.
    static let address = FuzzTarget(name: "address", longest: 112) { octets throws(Violation) in
        var choices = Choices(octets)
        let kind = choices.octet()
        let text = choices.rest
        switch kind & 7 {
        case 0, 1: if let mailbox = try? Mailbox(parsing: text) { try check(mailbox) }
        case 2:
            guard let domain = try? Domain(parsing: text) else { return }
            try demand((try? Domain(parsing: domain.name)) == domain, "a domain is not read as it is written")
            try demand((1...253).contains(domain.name.utf8.count), "a domain's length")
            try demand(domain.name.utf8.allSatisfy { $0.lowercased == $0 && $0.isVisible }, "a domain's octets")
        case 3, 4:
            guard let mail = try? MailArgument(parsing: text, submitter: kind & 8 == 0 ? .optional : .required) else {
                return
            }
            if let mailbox = mail.sender.mailbox {
                try check(mailbox)
                try demand(
                    mail.parameters.isInternationalized || !mailbox.isInternationalized, "UTF-8 without SMTPUTF8")
            }
            try demand(mail.declaredSize ?? 0 >= 0, "a size below nought")
            if let id = mail.parameters.envelopeID {
                try demand(
                    (1...100).contains(id.utf8.count) && id.utf8.allSatisfy { $0.isVisible || $0 == .space }, "ENVID")
                try demand(
                    DeliveryStatusParameters.envelopeID(Array(XText.encode(id.utf8).utf8)[...]) == id,
                    "ENVID is not read as it is written")
            }
            if let submitter = mail.submitter, submitter != "<>" {
                try demand(submitter.utf8.allSatisfy { !$0.isControl }, "AUTH= holds controls")
            }
        case 5, 6:
            let isInternationalized = kind & 8 != 0
            guard
                let recipient = try? RecipientArgument(parsing: text, isInternationalized: isInternationalized)
                    .recipient
            else { return }
            try check(recipient.mailbox)
            try demand(isInternationalized || !recipient.mailbox.isInternationalized, "UTF-8 without SMTPUTF8")
            try demand(
                recipient.originalRecipient?.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F } ?? true, "ORCPT's octets")
            let dialogue = DeliveryDialogue(wire: .smtp, hostname: "a", tls: .none)
            var capabilities = DeliveryCapabilities()
            capabilities.dsn = true
            let command = Array(
                dialogue.recipientCommand(recipient, isUTF8: isInternationalized, capabilities).utf8)
            let again = try? RecipientArgument(parsing: command.dropFirst(5), isInternationalized: isInternationalized)
            try demand(again?.recipient == recipient, "RCPT is not read as it is written")
            if !recipient.mailbox.isInternationalized {
                let ascii = Array(dialogue.recipientCommand(recipient, isUTF8: false, capabilities).utf8)
                try demand(ascii.allSatisfy { $0 < 0x80 }, "RCPT holds UTF-8 without SMTPUTF8")
                try demand(
                    (try? RecipientArgument(parsing: ascii.dropFirst(5), isInternationalized: false)) != nil,
                    "RCPT for a hop without SMTPUTF8 cannot be read")
            }
        default:
            if let decoded = Base64Text.decode(text) {
                try demand(Base64Text.encode(decoded) == Array(text), "Base64 with two forms")
            }
            try demand(
                Base64Text.decode(Base64Text.encode(Array(text))) == Array(text), "Base64 is not read as written")
            if let decoded = XText.decode(text) {
                try demand(decoded.allSatisfy { $0.isVisible || $0 == .space }, "xtext hides octets")
                try demand(
                    XText.decode(Array(XText.encode(decoded).utf8)[...]) == decoded, "xtext is not read as written")
            }
            let shown = text.escaped(limit: 40)
            try demand(shown.utf8.count <= 40 && shown.utf8.allSatisfy { $0.isVisible || $0 == .space }, "escapes")
        }
    }

    private static func check(_ mailbox: Mailbox) throws(Violation) {
        let written = "\(mailbox)"
        try demand((try? Mailbox(parsing: written)) == mailbox, "a mailbox is not read as it is written")
        try demand(written.utf8.count <= 254, "a mailbox of \(written.utf8.count) octets")
        try demand(written.utf8.allSatisfy { !$0.isControl }, "a mailbox holds controls")
        // Between angle brackets it is one path.
        let path = Array("FROM:<\(written)> SMTPUTF8".utf8)
        try demand((try? MailArgument(parsing: path[...]))?.sender == .mailbox(mailbox), "a path ends early")
    }
}
