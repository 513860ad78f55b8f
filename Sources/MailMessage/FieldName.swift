/// The header fields that a submission server must know by name; everything else is `other` and passes untouched.
package enum FieldName: UInt8, Hashable, Sendable, CustomStringConvertible {
    case other
    case from, sender, replyTo, to, cc, bcc, date, messageID, inReplyTo, references, subject
    case resentFrom, resentSender, resentBcc
    case received, returnPath
    /// `X-Gatepost-…`: only we write those.
    case ownTrace

    /// At most one of each (RFC 5322 §3.6). Bcc is left out, for all of them are removed; the Resent- fields come in
    /// blocks and may repeat.
    package var isOnceOnly: Bool {
        switch self {
        case .from, .sender, .replyTo, .to, .cc, .date, .messageID, .inReplyTo, .references, .subject: true
        case .other, .bcc, .resentFrom, .resentSender, .resentBcc, .received, .returnPath, .ownTrace: false
        }
    }

    package var description: String {
        switch self {
        case .other: "unknown"
        case .from: "From"
        case .sender: "Sender"
        case .replyTo: "Reply-To"
        case .to: "To"
        case .cc: "Cc"
        case .bcc: "Bcc"
        case .date: "Date"
        case .messageID: "Message-ID"
        case .inReplyTo: "In-Reply-To"
        case .references: "References"
        case .subject: "Subject"
        case .resentFrom: "Resent-From"
        case .resentSender: "Resent-Sender"
        case .resentBcc: "Resent-Bcc"
        case .received: "Received"
        case .returnPath: "Return-Path"
        case .ownTrace: "X-Gatepost"
        }
    }

    /// The field whose name stands in `range`, in any case of letters.
    init(_ octets: Span<UInt8>, in range: Range<Int>) {
        func named(_ name: StaticString) -> Bool { octets.hasName(name, at: range.lowerBound) }
        self =
            switch range.count {
            case 2: named("to") ? .to : named("cc") ? .cc : .other
            case 3: named("bcc") ? .bcc : .other
            case 4: named("from") ? .from : named("date") ? .date : .other
            case 6: named("sender") ? .sender : .other
            case 7: named("subject") ? .subject : .other
            case 8: named("reply-to") ? .replyTo : named("received") ? .received : .other
            case 10:
                named("message-id")
                    ? .messageID
                    : named("references")
                        ? .references
                        : named("resent-bcc") ? .resentBcc : .other
            case 11:
                named("in-reply-to")
                    ? .inReplyTo
                    : named("resent-from")
                        ? .resentFrom
                        : named("return-path") ? .returnPath : .other
            case 13: named("resent-sender") ? .resentSender : .other
            default: .other
            }
        // (The relay's files have their envelope in it.)
        if self == .other, range.count == 13, named("x-envelope-to") { self = .ownTrace }
        if self == .other, range.count >= 10, named("x-gatepost"),
            range.count == 10 || octets[range.lowerBound + 10] == UInt8(ascii: "-")
        {
            self = .ownTrace
        }
    }
}

extension Span<UInt8> {
    /// Whether `name` (lower case, ASCII) stands at `start`, in any case of letters. The caller has checked the length.
    fileprivate func hasName(_ name: StaticString, at start: Int) -> Bool {
        name.withUTF8Buffer { name in
            for (offset, expected) in name.enumerated() {
                let octet = self[start + offset]
                let lowered = octet &- UInt8(ascii: "A") < 26 ? octet | 0x20 : octet
                guard lowered == expected else { return false }
            }
            return true
        }
    }
}
