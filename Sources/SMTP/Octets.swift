/// What SMTP's grammar asks about single octets, and the ways octets become text that is safe to show.

import Glibc

extension UInt8 {
    static let cr = UInt8(ascii: "\r")
    static let lf = UInt8(ascii: "\n")
    static let dot = UInt8(ascii: ".")
    static let space = UInt8(ascii: " ")

    var isDigit: Bool { (0x30...0x39).contains(self) }
    var isLetter: Bool { (0x41...0x5A).contains(self) || (0x61...0x7A).contains(self) }
    package var isLetterOrDigit: Bool { isLetter || isDigit }
    /// `VCHAR`: %x21-7E.
    var isVisible: Bool { (0x21...0x7E).contains(self) }
    /// A control character, DEL included.
    var isControl: Bool { self < 0x20 || self == 0x7F }
    var isEightBit: Bool { self >= 0x80 }

    /// `atext` of RFC 5322 §3.2.3.
    var isAtomText: Bool {
        if isLetterOrDigit { return true }
        switch self {
        case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
            UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "/"),
            UInt8(ascii: "="), UInt8(ascii: "?"), UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"),
            UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: "}"), UInt8(ascii: "~"):
            return true
        default:
            return false
        }
    }

    var lowercased: UInt8 { (0x41...0x5A).contains(self) ? self | 0x20 : self }
    var uppercased: UInt8 { (0x61...0x7A).contains(self) ? self & ~0x20 : self }
}

extension Int {
    /// The value of a run of digits; nil for anything else or a number past `Int.max`.
    init?(decimal digits: some Collection<UInt8>) {
        guard !digits.isEmpty else { return nil }
        var value = 0
        for digit in digits {
            guard digit.isDigit else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(Int(digit - 0x30))
            guard !overflow, !carry else { return nil }
            value = sum
        }
        self = value
    }
}

extension Collection<UInt8> {
    /// Whether these are the octets of `word`, ASCII letters in either case.
    func equalsIgnoringCase(_ word: StaticString) -> Bool {
        word.withUTF8Buffer { bytes in
            count == bytes.count && zip(self, bytes).allSatisfy { $0.lowercased == $1.lowercased }
        }
    }

    func startsIgnoringCase(_ word: StaticString) -> Bool {
        prefix(word.utf8CodeUnitCount).equalsIgnoringCase(word)
    }

    /// The octets as printable ASCII: the rest as `\xNN`, a backslash doubled, cut with `…` spelt `...` so that the
    /// result never exceeds `limit` octets. For replies, logs and terminals: no octet of a stranger's acts there.
    package func escaped(limit: Int) -> String {
        let hex = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        var whole = 0  // octets that may stay if dots must follow: never half an escape
        for octet in self {
            if octet == UInt8(ascii: "\\") {
                text += [octet, octet]
            } else if octet.isVisible || octet == .space {
                text.append(octet)
            } else {
                text += [UInt8(ascii: "\\"), UInt8(ascii: "x"), hex[Int(octet >> 4)], hex[Int(octet & 15)]]
            }
            guard text.count <= limit else { return String(decoding: text[..<whole], as: UTF8.self) + "..." }
            if text.count <= limit - 3 { whole = text.count }
        }
        return String(decoding: text, as: UTF8.self)
    }
}

extension String {
    /// The text as printable ASCII of at most `limit` octets; see ``Swift/Collection/escaped(limit:)``.
    package func escaped(limit: Int) -> String { utf8.escaped(limit: limit) }
}

extension UnsafeRawBufferPointer {
    /// The offset of the first `octet` in `start..<end` (else to the end), by `memchr`.
    func offset(of octet: UInt8, from start: Int = 0, to end: Int? = nil) -> Int? {
        let end = end ?? count
        guard start < end, let base = baseAddress, let found = memchr(base + start, Int32(octet), end - start) else {
            return nil
        }
        return UnsafeRawPointer(found) - base
    }
}
