/// `local-part@domain` (RFC 5321 §4.1.2).
///
/// The local part is kept as it means, without quotes and backslashes; its case is the receiver's business
/// (§2.4), so it is never changed. It may be UTF-8 (RFC 6531 §3.3) in Normalization Form C. Two mailboxes are equal when
/// the octets before the `@` and the domain are.
package struct Mailbox: Hashable, Sendable, CustomStringConvertible {
    package let localPart: String
    package let domain: Domain

    /// Whether it can go only where SMTPUTF8 is offered: its local part is not ASCII. (A domain always is.)
    package var isInternationalized: Bool { localPart.utf8.contains(where: \.isEightBit) }

    /// Whether what stands beyond ASCII in a local part may stand there: UTF-8 in NFC without controls (RFC 6532 §3.1).
    package static func isLocalPartFit(_ octets: some Collection<UInt8>) -> Bool {
        !octets.contains(where: \.isEightBit) || InternationalText.isFitForAddress(octets)
    }

    /// `Mailbox = Local-part "@" Domain`, the local part a dot-string or a quoted string.
    package init(parsing text: some StringProtocol) throws(AddressError) {
        try self.init(parsing: Array(text.utf8)[...])
    }

    init(parsing octets: ArraySlice<UInt8>) throws(AddressError) {
        guard Self.isLocalPartFit(octets) else { throw .malformed }
        guard let first = octets.first else { throw .malformed }
        let local: (value: [UInt8], end: Int) =
            first == UInt8(ascii: "\"") ? try Self.quotedString(octets) : try Self.dotString(octets)
        // Without its backslashes too: `a\U+0308` would be written as an address that nobody reads again, us included.
        guard Self.isLocalPartFit(local.value) else { throw .malformed }
        guard local.end < octets.endIndex else { throw .withoutDomain }
        guard octets[local.end] == UInt8(ascii: "@") else { throw .malformed }
        let domain = try Domain(parsing: octets[(local.end + 1)...])
        let localLength = local.end - octets.startIndex
        guard localLength <= 64, max(octets.count, localLength + 1 + domain.name.utf8.count) <= 254 else {
            throw .tooLong
        }
        self.localPart = String(decoding: local.value, as: UTF8.self)
        self.domain = domain
    }

    /// `Dot-string = Atom *("." Atom)`; `atext =/ UTF8-non-ascii` (RFC 6531 §3.3).
    private static func dotString(_ octets: ArraySlice<UInt8>) throws(AddressError) -> (value: [UInt8], end: Int) {
        let value = octets.prefix { $0.isAtomText || $0 == .dot || $0.isEightBit }
        guard !value.isEmpty, value.first != .dot, value.last != .dot,
            !zip(value, value.dropFirst()).contains(where: { $0 == .dot && $1 == .dot })
        else { throw .malformed }
        return (Array(value), value.endIndex)
    }

    /// `Quoted-string = DQUOTE *QcontentSMTP DQUOTE`, a backslash before any printable.
    private static func quotedString(_ octets: ArraySlice<UInt8>) throws(AddressError) -> (value: [UInt8], end: Int) {
        var value: [UInt8] = []
        var index = octets.startIndex + 1
        while index < octets.endIndex {
            var octet = octets[index]
            index += 1
            if octet == UInt8(ascii: "\"") { return (value, index) }
            if octet == UInt8(ascii: "\\") {
                guard index < octets.endIndex else { throw .malformed }
                octet = octets[index]
                index += 1
            }
            guard octet.isVisible || octet == .space || octet.isEightBit else { throw .malformed }
            value.append(octet)
        }
        throw .malformed
    }

    /// The mailbox as it goes into a path, quoted only where it must be.
    package var description: String { "\(quotedLocalPart)@\(domain)" }

    private var quotedLocalPart: String {
        let octets = Array(localPart.utf8)
        if (try? Self.dotString(octets[...]))?.end == octets.count { return localPart }
        var quoted: [UInt8] = [UInt8(ascii: "\"")]
        for octet in octets {
            if octet == UInt8(ascii: "\"") || octet == UInt8(ascii: "\\") { quoted.append(UInt8(ascii: "\\")) }
            quoted.append(octet)
        }
        quoted.append(UInt8(ascii: "\""))
        return String(decoding: quoted, as: UTF8.self)
    }
}

/// Where a message says it comes from, and where its bounces go: a mailbox or nowhere (RFC 5321 §4.5.5).
package enum ReversePath: Hashable, Sendable, CustomStringConvertible {
    case null
    case mailbox(Mailbox)

    /// From what `description` gave: a mailbox, or empty for the null path.
    package init(parsing text: some StringProtocol) throws(AddressError) {
        self = text.isEmpty ? .null : .mailbox(try Mailbox(parsing: text))
    }

    package var mailbox: Mailbox? {
        switch self {
        case .null: nil
        case .mailbox(let mailbox): mailbox
        }
    }

    /// Without the angle brackets; empty for the null path.
    package var description: String {
        switch self {
        case .null: ""
        case .mailbox(let mailbox): mailbox.description
        }
    }
}
