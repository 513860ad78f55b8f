internal import Cryptography
package import SASL

/// What an application authenticates with: `gp_`, 30 random base62 characters, and 6 characters that check them.
///
/// 30 base62 characters are 178 random bits, which nobody guesses; so its SHA-256 digest may be stored beside the
/// SCRAM verifier. The last six characters are the CRC-32 (IEEE 802.3) of the first 33, in base62, most significant
/// digit first, padded with `0`: a secret scanner can tell a Gatepost secret from any other text.
///
/// Shown once, by `credential issue`, and never stored. It describes itself as `gp_…`.
package struct Secret: Sendable, Hashable {
    package static let prefix = "gp_"
    private static let randomLength = 30
    private static let checksumLength = 6
    private static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

    private let octets: [UInt8]

    /// Makes a new one from the system's random numbers.
    package static func make() -> Secret {
        var octets = Array(prefix.utf8)
        while octets.count < prefix.utf8.count + randomLength {
            // 248 is the largest multiple of 62 in an octet: above it, some characters would be likelier than others.
            for octet in randomBytes(randomLength) where octet < 248 {
                guard octets.count < prefix.utf8.count + randomLength else { break }
                octets.append(alphabet[Int(octet) % alphabet.count])
            }
        }
        return Secret(octets: octets + checksum(octets))
    }

    /// A secret as it was shown; nil where its form or its checksum is not ours.
    package init?(parsing text: String) {
        let octets = Array(text.utf8)
        let checked = octets.count - Self.checksumLength
        guard checked == Self.prefix.utf8.count + Self.randomLength, octets.starts(with: Self.prefix.utf8),
            octets.dropFirst(Self.prefix.utf8.count).allSatisfy(Self.alphabet.contains),
            Array(octets[checked...]) == Self.checksum(octets[..<checked])
        else { return nil }
        self.octets = octets
    }

    private init(octets: [UInt8]) { self.octets = octets }

    /// The secret itself. Everything else about this type keeps it out of texts.
    package var exposed: String { String(decoding: octets, as: UTF8.self) }

    /// What the database keeps: the verifier with a new salt (about a millisecond) and the digest.
    package func verifier() -> StoredVerifier { StoredVerifier(secret: octets) }

    private static func checksum(_ octets: some Sequence<UInt8>) -> [UInt8] {
        var rest = crc32(octets)
        var digits: [UInt8] = []
        for _ in 0..<checksumLength {
            digits.append(alphabet[Int(rest % UInt32(alphabet.count))])
            rest /= UInt32(alphabet.count)
        }
        return digits.reversed()
    }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "gp_…" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// CRC-32 as in IEEE 802.3, gzip and PNG: reflected, polynomial 0xEDB88320.
func crc32(_ octets: some Sequence<UInt8>) -> UInt32 {
    var crc = ~UInt32(0)
    for octet in octets {
        crc ^= UInt32(octet)
        for _ in 0..<8 {
            let isOdd = crc & 1 == 1
            crc >>= 1
            if isOdd { crc ^= 0xEDB8_8320 }
        }
    }
    return ~crc
}

/// The name of a new credential: `acme.k7m2q9`.
package enum Username {
    /// Without 0, 1, i, l and o: names are read out on the telephone.
    private static let alphabet = Array("23456789abcdefghjkmnpqrstuvwxyz".utf8)

    package static func make(for slug: String) -> String {
        var name: [UInt8] = []
        while name.count < 6 {
            for octet in randomBytes(16) where Int(octet) < 256 / alphabet.count * alphabet.count && name.count < 6 {
                name.append(alphabet[Int(octet) % alphabet.count])
            }
        }
        return slug + "." + String(decoding: name, as: UTF8.self)
    }
}
