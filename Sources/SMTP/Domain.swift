/// Why an address cannot be used; the dialogues turn each into the code its command calls for.
package enum AddressError: Error, Hashable, Sendable, CaseIterable {
    /// No `Mailbox` or `Domain` of RFC 5321 §4.1.2.
    case malformed
    /// Over 64 octets before the `@`, 63 in a label, 253 in a domain or 256 in the path (RFC 5321 §4.5.3.1).
    case tooLong
    /// An address literal, or a domain that is one without brackets (`127.0.0.1`).
    case addressLiteral
    /// An address for SMTPUTF8 (RFC 6531) where SMTPUTF8 was not declared. Parsing alone never says so.
    case internationalized
    /// `<@relay:user@domain>` (RFC 5321 Appendix C): never routed, so never taken.
    case sourceRoute
    /// No `@` at all, as in `<Postmaster>`.
    case withoutDomain

    /// What is wrong with it, for operators.
    package var reason: String {
        switch self {
        case .malformed: "it is no mailbox (RFC 5321)"
        case .tooLong: "it is too long"
        case .addressLiteral: "it has an address literal for a domain"
        case .internationalized: "it needs SMTPUTF8"
        case .sourceRoute: "it has a source route"
        case .withoutDomain: "it has no @ and domain"
        }
    }
}

/// A valid DNS name in lower case, its labels as they are in the DNS (A-labels for internationalised ones).
///
///     Domain = sub-domain *("." sub-domain)      sub-domain = Let-dig [Ldh-str]       (RFC 5321 §4.1.2)
///
/// U-labels (RFC 5890) are taken and turned into A-labels. One label is a domain too; a name that ends in digits alone is an address (RFC 3696 §2) and none.
package struct Domain: Hashable, Sendable, CustomStringConvertible, Comparable {
    package let name: String

    package init(parsing text: some StringProtocol) throws(AddressError) {
        try self.init(parsing: Array(text.utf8)[...])
    }

    init(parsing octets: ArraySlice<UInt8>) throws(AddressError) {
        guard let first = octets.first else { throw .malformed }
        guard !octets.contains(where: \.isEightBit) else {
            // A-labels are longer than U-labels: what is too long as one is refused as malformed there.
            guard let name = InternationalText.aLabels(octets) else { throw .malformed }
            self = try Domain(parsing: name[...])
            return
        }
        if first == UInt8(ascii: "[") { throw octets.last == UInt8(ascii: "]") ? .addressLiteral : .malformed }
        var lastLabel = octets[...]
        for label in octets.split(separator: .dot, omittingEmptySubsequences: false) {
            guard let head = label.first, let tail = label.last, head.isLetterOrDigit, tail.isLetterOrDigit,
                label.allSatisfy({ $0.isLetterOrDigit || $0 == UInt8(ascii: "-") })
            else { throw .malformed }
            guard label.count <= 63 else { throw .tooLong }
            lastLabel = label
        }
        guard octets.count <= 253 else { throw .tooLong }
        guard !lastLabel.allSatisfy(\.isDigit) else { throw .addressLiteral }
        name = String(decoding: octets.map(\.lowercased), as: UTF8.self)
    }

    package var description: String { name }

    /// Whether every label that begins as an A-label is one (IDNA2008). The DNS does not ask.
    package var hasValidALabels: Bool {
        name.split(separator: ".").allSatisfy { label in
            guard label.hasPrefix("xn--") else { return true }
            return InternationalText.aLabels(label.utf8) == Array(label.utf8)
        }
    }

    package static func < (one: Domain, other: Domain) -> Bool { one.name < other.name }
}
