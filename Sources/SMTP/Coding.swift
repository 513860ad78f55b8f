/// The two encodings that SMTP commands carry: base64 in AUTH, xtext in parameters. Both strict.

/// Base64 as RFC 4954 §4 wants it: the standard alphabet, padded, nothing skipped, no bits left over.
enum Base64Text {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func encode(_ octets: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity((octets.count + 2) / 3 * 4)
        for start in stride(from: 0, to: octets.count, by: 3) {
            let group = octets[start..<min(start + 3, octets.count)]
            var bits = 0
            for index in 0..<3 { bits = bits << 8 | (index < group.count ? Int(group[start + index]) : 0) }
            for index in 0..<4 {
                text.append(index <= group.count ? alphabet[bits >> (18 - 6 * index) & 63] : UInt8(ascii: "="))
            }
        }
        return text
    }

    /// Nil for anything but the one encoding of some octets.
    static func decode(_ text: some BidirectionalCollection<UInt8>) -> [UInt8]? {
        guard text.count.isMultiple(of: 4) else { return nil }
        let padding = text.suffix(2).reversed().prefix { $0 == UInt8(ascii: "=") }.count
        var octets: [UInt8] = []
        octets.reserveCapacity(text.count / 4 * 3)
        var bits = 0
        var held = 0
        for character in text.dropLast(padding) {
            guard let value = value(of: character) else { return nil }
            bits = (bits << 6 | value) & 0xFFFF
            held += 6
            if held >= 8 {
                held -= 8
                octets.append(UInt8(truncatingIfNeeded: bits >> held))
            }
        }
        guard bits & ((1 << held) - 1) == 0 else { return nil }
        return octets
    }

    private static func value(of character: UInt8) -> Int? {
        switch character {
        case 0x41...0x5A: Int(character) - 0x41
        case 0x61...0x7A: Int(character) - 0x61 + 26
        case 0x30...0x39: Int(character) - 0x30 + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}

/// `xtext` (RFC 3461 §4): printable ASCII with `+`, `=` and everything else as `+` and two upper-case hex digits.
enum XText {
    static func encode(_ octets: some Sequence<UInt8>) -> String {
        let hex = Array("0123456789ABCDEF".utf8)
        var text: [UInt8] = []
        for octet in octets {
            if octet.isVisible, octet != UInt8(ascii: "+"), octet != UInt8(ascii: "=") {
                text.append(octet)
            } else {
                text += [UInt8(ascii: "+"), hex[Int(octet >> 4)], hex[Int(octet & 15)]]
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil for what is no xtext, and for what hides control characters in one (CWE-93), or octets over 127 unless they
    /// are asked for (`isEightBit`).
    static func decode(_ text: ArraySlice<UInt8>, isEightBit: Bool = false) -> [UInt8]? {
        var octets: [UInt8] = []
        var index = text.startIndex
        while index < text.endIndex {
            var octet = text[index]
            index += 1
            guard octet.isVisible, octet != UInt8(ascii: "=") else { return nil }
            if octet == UInt8(ascii: "+") {
                guard text.endIndex - index >= 2, let high = digit(text[index]), let low = digit(text[index + 1]) else {
                    return nil
                }
                octet = high << 4 | low
                index += 2
                guard octet.isVisible || octet == .space || isEightBit && octet.isEightBit else { return nil }
            }
            octets.append(octet)
        }
        return octets
    }

    private static func digit(_ octet: UInt8) -> UInt8? {
        switch octet {
        case 0x30...0x39: octet - 0x30
        case 0x41...0x46: octet - 0x41 + 10
        default: nil
        }
    }
}
