/// A UUIDv7 (RFC 9562 §5.7): the id of a message, batch or owner. Its text is lower case and canonical.
///
/// Ordered by time, so that new rows land side by side in the newest partition and the index's last pages.
package struct MessageID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// A new id for the given moment, which must come from the database's clock (LEDGER, "Ids").
    ///
    /// 48 bits of milliseconds, 12 bits of their fraction (RFC 9562 §6.2, method 3), 62 random bits.
    package init(at instant: Instant) {
        var random = SystemRandomNumberGenerator()
        self.init(at: instant, using: &random)
    }

    package init(at instant: Instant, using random: inout some RandomNumberGenerator) {
        let microseconds = UInt64(max(0, instant.microseconds))
        let milliseconds = (microseconds / 1000) & 0xFFFF_FFFF_FFFF
        let fraction = (microseconds % 1000) * 4096 / 1000
        high = milliseconds << 16 | 0x7000 | fraction
        low = random.next() & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    }

    /// From the 36 characters of a UUID, in either case; nil for anything else.
    package init?(_ text: some StringProtocol) {
        var words: (UInt64, UInt64) = (0, 0)
        var digits = 0
        var position = 0
        for octet in text.utf8 {
            defer { position += 1 }
            if position == 8 || position == 13 || position == 18 || position == 23 {
                guard octet == UInt8(ascii: "-") else { return nil }
                continue
            }
            let value: UInt8
            switch octet {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = octet - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = octet - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = octet - UInt8(ascii: "A") + 10
            default: return nil
            }
            if digits < 16 { words.0 = words.0 << 4 | UInt64(value) } else { words.1 = words.1 << 4 | UInt64(value) }
            digits += 1
        }
        guard position == 36, digits == 32 else { return nil }
        self.init(high: words.0, low: words.1)
    }

    /// The moment in it; meaningful for version 7 only.
    package var instant: Instant { Instant(microseconds: Int64(high >> 16) * 1000 + Int64(high & 0xFFF) * 1000 / 4096) }

    /// The 16 octets PostgreSQL stores.
    package var bytes: [UInt8] {
        (0..<16).map { UInt8(truncatingIfNeeded: ($0 < 8 ? high : low) >> (56 - 8 * UInt64($0 % 8))) }
    }

    package static func < (a: MessageID, b: MessageID) -> Bool { (a.high, a.low) < (b.high, b.low) }

    package var description: String {
        String(unsafeUninitializedCapacity: 36) { buffer in
            var next = 0
            for digit in 0..<32 {
                if digit == 8 || digit == 12 || digit == 16 || digit == 20 {
                    buffer[next] = UInt8(ascii: "-")
                    next += 1
                }
                let word = digit < 16 ? high : low
                let nibble = UInt8(truncatingIfNeeded: word >> (60 - 4 * UInt64(digit % 16))) & 0xF
                buffer[next] = nibble < 10 ? nibble + UInt8(ascii: "0") : nibble - 10 + UInt8(ascii: "a")
                next += 1
            }
            return 36
        }
    }
}
