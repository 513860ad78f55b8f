/// The values of RFC 3461's parameters, each nil unless it is exactly what the grammar allows.
enum DeliveryStatusParameters {
    static let envelopeIDLimit = 100
    static let originalRecipientLimit = 500

    /// `RET=FULL` or `RET=HDRS` (§4.3).
    static func returnContent(_ value: ArraySlice<UInt8>) -> ReturnContent? {
        ReturnContent(rawValue: String(decoding: value.map(\.uppercased), as: UTF8.self))
    }

    /// `ENVID=` xtext of at most 100 characters (§4.4), with the xtext undone.
    static func envelopeID(_ value: ArraySlice<UInt8>) -> String? {
        guard value.count <= envelopeIDLimit, let octets = XText.decode(value) else { return nil }
        return String(decoding: octets, as: UTF8.self)
    }

    /// `NOTIFY=NEVER`, or each of SUCCESS, FAILURE and DELAY at most once, parted by commas (§4.1).
    static func notify(_ value: ArraySlice<UInt8>) -> NotifyConditions? {
        guard !value.equalsIgnoringCase("NEVER") else { return .never }
        var conditions = NotifyConditions()
        for word in value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            let condition: NotifyConditions
            if word.equalsIgnoringCase("SUCCESS") {
                condition = .success
            } else if word.equalsIgnoringCase("FAILURE") {
                condition = .failure
            } else if word.equalsIgnoringCase("DELAY") {
                condition = .delay
            } else {
                return nil
            }
            guard conditions.insert(condition).inserted else { return nil }
        }
        return conditions
    }

    /// `ORCPT=` type `;` xtext (§4.2), or `ORCPT=utf-8;` and the forms of RFC 6533 §3; at most 500 octets, as they came.
    /// The type is whatever atom the message came with to whoever hands it on to us (§5.2.1).
    ///
    /// Octets over 127 only where SMTPUTF8 was declared. There Postfix (3.7) writes an address that is not ASCII as
    /// `rfc822;` and the xtext of its octets, which no RFC allows: it is kept as the `utf-8;` that it should have been.
    static func originalRecipient(_ value: ArraySlice<UInt8>, isInternationalized: Bool) -> String? {
        guard value.count <= originalRecipientLimit, let semicolon = value.firstIndex(of: UInt8(ascii: ";")) else {
            return nil
        }
        let type = value[..<semicolon]
        let address = value[(semicolon + 1)...]
        guard !address.isEmpty else { return nil }
        if type.equalsIgnoringCase("rfc822") {
            guard let octets = XText.decode(address, isEightBit: isInternationalized) else { return nil }
            if octets.contains(where: \.isEightBit) { return mistyped(octets) }
        } else if type.equalsIgnoringCase("utf-8") {
            guard isUTF8Address(address, isInternationalized: isInternationalized) else { return nil }
        } else {
            guard !type.isEmpty, type.allSatisfy(\.isAtomText), XText.decode(address) != nil else { return nil }
        }
        return String(validating: value, as: UTF8.self)
    }

    private static func mistyped(_ address: [UInt8]) -> String? {
        guard InternationalText.isFitForAddress(address) else { return nil }
        let text = String(decoding: address, as: UTF8.self)
        let escaped = "utf-8;" + escape(text) { !$0.isASCII }
        return escaped.utf8.count <= originalRecipientLimit ? escaped : "utf-8;" + escape(text) { _ in false }
    }

    /// `utf-8-addr-xtext`, or `utf-8-addr-unitext` where no character beyond ASCII `needsEscape`.
    private static func escape(_ text: String, _ needsEscape: (Unicode.Scalar) -> Bool) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            if scalar == " " || scalar == "+" || scalar == "=" || scalar == "\\" || needsEscape(scalar) {
                escaped += "\\x{\(String(scalar.value, radix: 16, uppercase: true))}"
            } else {
                escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    /// `utf-8-addr-xtext`: xtext in which `\x{HEX}` stands for a character beyond ASCII; `utf-8-addr-unitext`: the
    /// character itself may stand there.
    private static func isUTF8Address(_ address: ArraySlice<UInt8>, isInternationalized: Bool) -> Bool {
        guard isInternationalized || !address.contains(where: \.isEightBit),
            let unescaped = undoEscapes(address), InternationalText.isFitForAddress(unescaped)
        else { return false }
        // What is ASCII in it is xtext.
        return XText.decode(unescaped.filter { !$0.isEightBit }[...]) != nil
    }

    /// `EmbeddedUnicodeChar = "\x{" HEXPOINT "}"`, HEXPOINT in capitals, two to six digits (RFC 6533 §3).
    private static func undoEscapes(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var octets: [UInt8] = []
        var rest = text
        while let octet = rest.popFirst() {
            guard octet == UInt8(ascii: "\\") else {
                octets.append(octet)
                continue
            }
            guard rest.popFirst() == UInt8(ascii: "x"), rest.popFirst() == UInt8(ascii: "{") else { return nil }
            let digits = rest.prefix { $0.isDigit || (0x41...0x46).contains($0) }
            rest = rest[digits.endIndex...]
            guard rest.popFirst() == UInt8(ascii: "}"), (2...6).contains(digits.count),
                let value = UInt32(String(decoding: digits, as: UTF8.self), radix: 16),
                let scalar = Unicode.Scalar(value), value >= 0x20, value != 0x7F
            else { return nil }
            // An ASCII character is written so only where xtext must not hold it: blank, `+`, `=` and the backslash.
            octets += scalar.isASCII ? [UInt8(ascii: "x")] : Array(String(Character(scalar)).utf8)
        }
        return octets
    }
}
