/// How much of a message a report about it brings back: `RET=` of MAIL (RFC 3461 §4.3).
package enum ReturnContent: String, Hashable, Sendable {
    case full = "FULL"
    case headers = "HDRS"
}

/// What a sender wants to be told of one recipient: `NOTIFY=` of RCPT (RFC 3461 §4.1).
package struct NotifyConditions: OptionSet, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: Int16

    package init(rawValue: Int16) { self.rawValue = rawValue }

    package static let success = NotifyConditions(rawValue: 1)
    package static let failure = NotifyConditions(rawValue: 2)
    package static let delay = NotifyConditions(rawValue: 4)
    /// `NEVER`: nothing is told, whatever happens.
    package static let never: NotifyConditions = []

    /// As it stands behind `NOTIFY=`.
    package var description: String {
        guard !isEmpty else { return "NEVER" }
        var words: [String] = []
        if contains(.success) { words.append("SUCCESS") }
        if contains(.failure) { words.append("FAILURE") }
        if contains(.delay) { words.append("DELAY") }
        return words.joined(separator: ",")
    }
}

/// The parameters of MAIL that travel with a message to its last hop (RFC 6152, 3030, 6531, 3461).
package struct MailParameters: Hashable, Sendable {
    package var body: BodyType
    /// Needs SMTPUTF8 at every hop: an address of the envelope or a header field holds more than ASCII.
    package var isInternationalized: Bool
    package var returnContent: ReturnContent?
    /// `ENVID=` with its xtext undone: at most 100 printable ASCII characters.
    package var envelopeID: String?

    package init(
        body: BodyType = .eightBitMIME, isInternationalized: Bool = false, returnContent: ReturnContent? = nil,
        envelopeID: String? = nil
    ) {
        self.body = body
        self.isInternationalized = isInternationalized
        self.returnContent = returnContent
        self.envelopeID = envelopeID
    }
}

/// One recipient of an envelope, with what its sender asked to be told (RFC 3461).
package struct EnvelopeRecipient: Hashable, Sendable {
    package var mailbox: Mailbox
    /// Nil: nothing was asked, so failures are told.
    package var notify: NotifyConditions?
    /// `ORCPT=` as it came, a type, `;` and xtext: at most 500 octets, checked.
    package var originalRecipient: String?

    package init(_ mailbox: Mailbox, notify: NotifyConditions? = nil, originalRecipient: String? = nil) {
        self.mailbox = mailbox
        self.notify = notify
        self.originalRecipient = originalRecipient
    }
}

extension EnvelopeRecipient {
    /// `ORCPT=` where SMTPUTF8 is not in force: characters beyond ASCII as `\x{HEX}` (RFC 6533 §3, utf-8-addr-xtext). Nil
    /// where there is none, or it would be longer than any may be.
    package var originalRecipientInASCII: String? {
        guard let originalRecipient else { return nil }
        guard originalRecipient.utf8.contains(where: \.isEightBit) else { return originalRecipient }
        let escaped = originalRecipient.unicodeScalars.map { scalar in
            scalar.isASCII ? String(Character(scalar)) : "\\x{\(String(scalar.value, radix: 16, uppercase: true))}"
        }.joined()
        return escaped.utf8.count <= DeliveryStatusParameters.originalRecipientLimit ? escaped : nil
    }

    /// `ORCPT` as reports show it (RFC 3461 §6.3, RFC 6533 §4): the type, and the address with its xtext undone.
    ///
    /// - Parameter isASCII: of a `message/delivery-status`; else of a `message/global-delivery-status`.
    package func originalAddress(inASCII isASCII: Bool) -> String? {
        guard let originalRecipient, let semicolon = originalRecipient.utf8.firstIndex(of: UInt8(ascii: ";")) else {
            return nil
        }
        let address = originalRecipient.utf8[originalRecipient.utf8.index(after: semicolon)...]
        let type = originalRecipient.utf8[..<semicolon]
        guard !type.equalsIgnoringCase("utf-8") else { return isASCII ? originalRecipientInASCII : originalRecipient }
        let name = type.equalsIgnoringCase("rfc822") ? "rfc822" : String(Substring(type))
        return XText.decode(Array(address)[...]).map { "\(name); " + String(decoding: $0, as: UTF8.self) }
    }
}
