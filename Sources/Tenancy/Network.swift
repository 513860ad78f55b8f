internal import Glibc

/// A block of addresses in CIDR notation: `192.0.2.0/24`, `2001:db8::/32`, or one address.
package struct Network: Sendable, Hashable, CustomStringConvertible {
    private let prefix: [UInt8]
    private let bits: Int
    package let description: String

    package struct ParsingError: Error, Sendable, Hashable, CustomStringConvertible {
        package let description: String
    }

    package init(parsing text: String) throws(ParsingError) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let octets = Self.octets(of: String(first)) else {
            throw ParsingError(description: "expected an address or a block like 192.0.2.0/24 or 2001:db8::/32")
        }
        var bits = octets.count * 8
        if parts.count == 2 {
            guard parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }), let given = Int(parts[1]),
                (0...bits).contains(given)
            else { throw ParsingError(description: "expected a prefix length from 0 to \(bits) after the slash") }
            bits = given
        }
        let rest = octets.enumerated().contains { index, octet in
            octet & ~Self.mask(octet: index, of: bits) != 0
        }
        guard !rest else { throw ParsingError(description: "the address has bits set beyond its prefix of \(bits)") }
        self.prefix = octets
        self.bits = bits
        self.description = text
    }

    /// - Parameter address: of `octets(of:)`.
    package func contains(_ address: [UInt8]) -> Bool {
        address.count == prefix.count
            && prefix.indices.allSatisfy { address[$0] & Self.mask(octet: $0, of: bits) == prefix[$0] }
    }

    /// The 4 or 16 octets of an address; an IPv4 address that came through IPv6 (`::ffff:192.0.2.1`) has 4.
    package static func octets(of text: String) -> [UInt8]? {
        var octets = [UInt8](repeating: 0, count: 4)
        if inet_pton(AF_INET, text, &octets) == 1 { return octets }
        octets = [UInt8](repeating: 0, count: 16)
        guard inet_pton(AF_INET6, text, &octets) == 1 else { return nil }
        let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
        return octets.starts(with: mapped) ? Array(octets[12...]) : octets
    }

    private static func mask(octet: Int, of bits: Int) -> UInt8 {
        let kept = min(max(bits - octet * 8, 0), 8)
        return UInt8(truncatingIfNeeded: 0xFF00 >> kept)
    }
}
