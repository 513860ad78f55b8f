/// Base64 with padding (RFC 4648 §4). The decoder takes exactly what the encoder makes and nothing else: no foreign
/// octets, no blanks, no missing or early padding, no stray bits behind the last octet. One value has one encoding.
package enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let padding = UInt8(ascii: "=")
    private static let foreign: UInt8 = 0xff

    /// The value of each octet, or `foreign`.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: foreign, count: 256)
        for (value, octet) in alphabet.enumerated() { values[Int(octet)] = UInt8(value) }
        return values
    }()

    package static func encode(_ bytes: some Sequence<UInt8>) -> String {
        String(decoding: encodedBytes(bytes), as: UTF8.self)
    }

    package static func encodedBytes(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity((bytes.underestimatedCount + 2) / 3 * 4)
        var group: UInt32 = 0
        var held = 0
        for byte in bytes {
            group = group << 8 | UInt32(byte)
            held += 1
            if held == 3 {
                append(group, digits: 4, to: &output)
                group = 0
                held = 0
            }
        }
        if held > 0 {
            append(group << UInt32(8 * (3 - held)), digits: held + 1, to: &output)
            for _ in held..<3 { output.append(padding) }
        }
        return output
    }

    /// The decoded octets, or nil if `text` is not canonical Base64. The empty text decodes to nothing.
    package static func decode(_ text: some Sequence<UInt8>) -> [UInt8]? {
        var output: [UInt8] = []
        output.reserveCapacity(text.underestimatedCount / 4 * 3)
        var group: UInt32 = 0
        var digits = 0
        var paddings = 0
        var ended = false
        for octet in text {
            if ended { return nil }
            if octet == padding {
                guard digits >= 2 else { return nil }
                paddings += 1
                guard digits + paddings == 4 else { continue }
                let bits = group << UInt32(6 * paddings)
                guard bits & (paddings == 1 ? 0xff : 0xffff) == 0 else { return nil }
                output.append(UInt8(bits >> 16 & 0xff))
                if paddings == 1 { output.append(UInt8(bits >> 8 & 0xff)) }
                ended = true
                continue
            }
            let value = values[Int(octet)]
            guard value != foreign, paddings == 0 else { return nil }
            group = group << 6 | UInt32(value)
            digits += 1
            if digits == 4 {
                output.append(UInt8(group >> 16 & 0xff))
                output.append(UInt8(group >> 8 & 0xff))
                output.append(UInt8(group & 0xff))
                group = 0
                digits = 0
            }
        }
        return ended || (digits == 0 && paddings == 0) ? output : nil
    }

    package static func decode(_ text: String) -> [UInt8]? { decode(text.utf8) }

    /// The first `digits` of the four digits of a 24-bit group.
    private static func append(_ group: UInt32, digits: Int, to output: inout [UInt8]) {
        for position in 0..<digits {
            output.append(alphabet[Int(group >> UInt32(18 - 6 * position) & 63)])
        }
    }
}
