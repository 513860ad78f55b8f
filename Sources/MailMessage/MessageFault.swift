package import SMTP

/// Why a message is not taken as it is. Each case answers for itself; what is not the tenant's to send as
/// (`550 5.7.1`) is the caller's decision, made from `PreparedMessage.authors`.
package enum MessageFault: Error, Hashable, Sendable {
    /// The header block is longer than `HeaderScan.Limits.octets`.
    case headerTooLarge
    /// More than `HeaderScan.Limits.fields` fields.
    case tooManyFields
    /// A line of the header that is neither a field, nor its continuation, nor the blank line. Counted from 1.
    case malformedHeader(line: Int)
    /// A header line of more than 998 octets (RFC 5322 §2.1.1): who splits it later could make a new field of it.
    case headerLineTooLong(line: Int)
    /// A field that may be there once only is there again (RFC 5322 §3.6).
    case repeatedField(FieldName, line: Int)
    case missingFrom
    /// Several mailboxes in From (or Resent-From) and no Sender (Resent-Sender) to say who sent it (RFC 5322 §3.6.2).
    case severalAuthors(FieldName)
    /// Sender and Resent-Sender name one mailbox.
    case severalSenders(FieldName)
    case tooManyAuthors
    case malformedAddress(FieldName, AddressFault)
    /// More than `HeaderScan.Limits.received` Received fields, or our own mark among them.
    case loop(Loop)

    package enum Loop: Hashable, Sendable { case tooManyHops, ownMark }

    package var reply: Reply {
        switch self {
        case .headerTooLarge:
            Reply(552, EnhancedCode(5, 3, 4), "The header is larger than \(HeaderScan.Limits.octets / 1024) KiB.")
        case .tooManyFields:
            broken("The header has more than \(HeaderScan.Limits.fields) fields.")
        case .malformedHeader(let line):
            broken("Line \(line) of the header is no header field; a blank line ends the header.")
        case .headerLineTooLong(let line):
            broken("Line \(line) of the header is longer than \(HeaderScan.Limits.line) octets; fold it.")
        case .repeatedField(let name, let line):
            broken("The header has a second \(name) field in line \(line); it may have one only.")
        case .missingFrom:
            broken("The header has no From field.")
        case .severalAuthors(let name):
            broken(
                "\(name) names several mailboxes; a \(name == .resentFrom ? "Resent-Sender" : "Sender") field must name the one that sends."
            )
        case .severalSenders(let name):
            broken("\(name) must name one mailbox.")
        case .tooManyAuthors:
            broken("From, Sender and their Resent- forms name more than \(AuthorIdentity.maxMailboxes) mailboxes.")
        case .malformedAddress(let name, let fault):
            broken("\(name) cannot be read: \(fault.sentence).")
        case .loop(.tooManyHops):
            Reply(554, EnhancedCode(5, 4, 6), "Mail loop: more than \(HeaderScan.Limits.received) Received fields.")
        case .loop(.ownMark):
            Reply(554, EnhancedCode(5, 4, 6), "Mail loop: this message has passed here before.")
        }
    }

    private func broken(_ text: String) -> Reply { Reply(554, EnhancedCode(5, 6, 0), text) }
}

/// What is wrong with an address list. Whatever two readers could read differently is wrong.
package enum AddressFault: Error, Hashable, Sendable {
    case empty, emptyGroup, noAddress, unbalanced, control, notUTF8, nonASCIIAddress, encodedWord, literal
    case blankLine, localPart, domain
    case unexpected(octet: UInt8, at: Int)

    /// A sentence without its full stop. Quotes nothing of what was sent but one printable octet.
    package var sentence: String {
        switch self {
        case .empty: "it is empty"
        case .emptyGroup: "it has a group without addresses"
        case .noAddress: "it has a name without an address"
        case .unbalanced: "a quote, comment, group or angle bracket is not closed"
        case .control: "it has a control character"
        case .notUTF8: "it is not valid UTF-8"
        case .nonASCIIAddress: "an address has a character outside ASCII, and SMTPUTF8 was not declared"
        case .encodedWord: "an address has an encoded word in it"
        case .literal: "it has an address literal where a domain must be"
        case .blankLine: "it is folded over a line of blanks"
        case .localPart: "the part before the @ is not valid"
        case .domain: "the part after the @ is not a domain name"
        case .unexpected(let octet, let at):
            (0x21...0x7E).contains(octet)
                ? "'\(Character(UnicodeScalar(octet)))' at octet \(at + 1) does not belong there"
                : "octet \(at + 1) does not belong there"
        }
    }
}

extension ReplyGuide {
    /// What a message's header is refused for.
    package static var headers: [ReplyGuide] {
        let faults: [(MessageFault, String)] = [
            (.headerTooLarge, "the header is too large"), (.tooManyFields, "the header has too many fields"),
            (.malformedHeader(line: 7), "a line of the header is no field"),
            (.headerLineTooLong(line: 7), "a header line over 998 octets"),
            (.repeatedField(.from, line: 7), "a field that may be there once only is there twice"),
            (.missingFrom, "no From field"), (.severalAuthors(.from), "several authors and no Sender"),
            (.severalSenders(.sender), "several mailboxes in Sender"), (.tooManyAuthors, "too many authors"),
            (
                .malformedAddress(.from, .unbalanced),
                "an address field that two readers could read differently; the text says which, and why"
            ),
            (.loop(.tooManyHops), "a mail loop"), (.loop(.ownMark), "a mail loop through this very cluster"),
        ]
        return faults.map { ReplyGuide($0.0.reply, $0.1, fix(of: $0.0)) }
    }

    /// Without `default`: who adds a fault adds it above, too.
    private static func fix(of fault: MessageFault) -> String {
        switch fault {
        case .loop: "where the message is forwarded to"
        case .headerTooLarge, .tooManyFields, .malformedHeader, .headerLineTooLong, .repeatedField, .missingFrom,
            .severalAuthors, .severalSenders, .tooManyAuthors, .malformedAddress:
            "the program that writes the message"
        }
    }
}
