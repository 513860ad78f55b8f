import SMTP

/// The domains of addresses that a reader of mail shows in a display name or a comment, where people may take them for
/// the author's: `"ceo@bank.example" <x@own.example>`.
///
/// Nothing here finds an author. Encoded words (RFC 2047) are decoded because that is what people see, wherever they
/// stand, though they mean nothing within quotes: many readers decode these too.
struct ShownAddresses {
    /// Only so many are made A-labels, which costs; what comes after them is compared as it is written.
    static let maxConverted = 100

    /// Each once, in the order found: A-labels in lower case, or, of what is no domain name, its octets, with `?` for
    /// those that are no ASCII.
    private(set) var domains: [String] = []
    private var known: Set<String> = []

    /// - Parameter raw: words and comments as they stand in the field, with quotes, backslashes and folds.
    mutating func look(at raw: ArraySlice<UInt8>) {
        var previous: UInt8?
        let isWorthIt = raw.contains { octet in
            defer { previous = octet }
            return octet == UInt8(ascii: "@") || octet == Self.lead
                || octet == UInt8(ascii: "?") && previous == UInt8(ascii: "=")
        }
        guard isWorthIt else { return }
        let shown = Self.withPlainAtSigns(EncodedWords.decoded(Self.unquoted(raw)))
        guard let begin = shown.firstIndex(where: { !$0.isBlank }) else { return }
        for at in shown.indices where at > begin && shown[at] == UInt8(ascii: "@") {
            let behind = shown[(at + 1)...].drop(while: \.isBlank)
            var domain = behind.prefix { $0.isLetterOrDigit || $0 >= 0x80 || $0.isDotOrHyphen }
            // (As long as any literal, and then some.)
            if behind.first == UInt8(ascii: "["), let end = behind.prefix(64).firstIndex(of: UInt8(ascii: "]")) {
                domain = behind[...end]
            }
            while domain.last?.isDotOrHyphen == true { domain.removeLast() }
            // "Jo @ Acme" shows no address, "jo @ acme.example" does: who reads overlooks the blanks.
            let isApart = shown[at - 1].isBlank || behind.startIndex > at + 1
            guard !isApart || domain.contains(UInt8(ascii: ".")) else { continue }
            // (No domain is longer than 253 octets.)
            if !domain.isEmpty { note(String(decoding: domain.prefix(253), as: UTF8.self).lowercased()) }
        }
    }

    /// Of the UTF-8 of what looks like an at sign and is none: U+FF20 (EF BC A0) and U+FE6B (EF B9 AB).
    private static let lead: UInt8 = 0xEF

    private static func withPlainAtSigns(_ text: [UInt8]) -> [UInt8] {
        guard text.contains(lead) else { return text }
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var position = 0
        while position < text.count {
            let three = text[position...].prefix(3)
            let isAtSign = three.elementsEqual([lead, 0xBC, 0xA0]) || three.elementsEqual([lead, 0xB9, 0xAB])
            result.append(isAtSign ? UInt8(ascii: "@") : text[position])
            position += isAtSign ? 3 : 1
        }
        return result
    }

    private mutating func note(_ text: String) {
        guard known.insert(text).inserted else { return }
        let isConverted = domains.count < Self.maxConverted
        let domain =
            (isConverted ? (try? Domain(parsing: text))?.name : nil)
            ?? String(text.unicodeScalars.map { $0.isASCII ? Character($0) : "?" })
        if domain == text || known.insert(domain).inserted { domains.append(domain) }
    }

    /// Quotes, backslashes and folds gone; the parentheses of comments are blanks.
    private static func unquoted(_ raw: ArraySlice<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(raw.count)
        var isEscaped = false
        for octet in raw {
            switch octet {
            case _ where isEscaped:
                isEscaped = false
                text.append(octet)
            case UInt8(ascii: "\\"): isEscaped = true
            case UInt8(ascii: "("), UInt8(ascii: ")"): text.append(0x20)
            case UInt8(ascii: "\""), .carriageReturn, .lineFeed: break
            default: text.append(octet)
            }
        }
        return text
    }
}

/// RFC 2047 as readers practise it: any charset is taken for one that has ASCII in it, any length, any place, but for those
/// of Unicode that have not.
enum EncodedWords {
    /// One pass: what fails to be an encoded word ends at the next `?`, and is not looked at again but for that.
    static func decoded(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        // Behind a decoded word: blanks between two of them are not shown (§6.2).
        var wordEnd: Int?
        var position = 0
        while position < text.count {
            guard text[position] == UInt8(ascii: "="), let word = word(in: text, at: position) else {
                if !text[position].isBlank { wordEnd = nil }
                result.append(text[position])
                position += 1
                continue
            }
            if let end = wordEnd, result[end...].allSatisfy(\.isBlank) { result.removeSubrange(end...) }
            result += word.octets
            wordEnd = result.count
            position = word.end
        }
        return result
    }

    /// "=?" charset "?" encoding "?" encoded-text "?="
    private static func word(in text: [UInt8], at start: Int) -> (octets: [UInt8], end: Int)? {
        let question = UInt8(ascii: "?")
        guard start + 1 < text.count, text[start + 1] == question,
            let charsetEnd = text[(start + 2)...].firstIndex(where: { $0 == question || $0.isBlank }),
            text[charsetEnd] == question, charsetEnd + 2 < text.count, text[charsetEnd + 2] == question,
            let textEnd = text[(charsetEnd + 3)...].firstIndex(where: { $0 == question || $0.isBlank }),
            text[textEnd] == question, textEnd + 1 < text.count, text[textEnd + 1] == UInt8(ascii: "=")
        else { return nil }
        let encoded = text[(charsetEnd + 3)..<textEnd]
        // (A language may follow the charset: RFC 2231 §5.)
        let charset = text[(start + 2)..<charsetEnd].prefix { $0 != UInt8(ascii: "*") }
        switch text[charsetEnd + 1] {
        case UInt8(ascii: "Q"), UInt8(ascii: "q"): return (inASCII(quoted(encoded), charset), textEnd + 2)
        case UInt8(ascii: "B"), UInt8(ascii: "b"): return (inASCII(base64(encoded), charset), textEnd + 2)
        default: return nil
        }
    }

    private static func inASCII(_ octets: [UInt8], _ charset: ArraySlice<UInt8>) -> [UInt8] {
        let name = String(decoding: charset, as: UTF8.self).lowercased()
        if ["utf-7", "utf7", "unicode-1-1-utf-7"].contains(name) { return withoutUTF7(octets) }
        let width =
            ["utf-32", "utf32", "ucs-4"].contains { name.hasPrefix($0) }
            ? 4 : ["utf-16", "utf16", "ucs-2", "iso-10646"].contains { name.hasPrefix($0) } ? 2 : 1
        return width == 1 ? octets : inUTF8(octets, width: width, isLittle: name.hasSuffix("le"))
    }

    /// UTF-16 or UTF-32: big-endian, unless its name or its first octets (a byte order mark) say other.
    private static func inUTF8(_ octets: [UInt8], width: Int, isLittle: Bool) -> [UInt8] {
        let isLittle = isLittle || octets.starts(with: [0xFF, 0xFE])
        let units = stride(from: 0, to: octets.count - width + 1, by: width).map { start in
            let unit = octets[start..<(start + width)]
            return (isLittle ? Array(unit.reversed()) : Array(unit)).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        }
        let text =
            width == 2
            ? String(decoding: units.map { UInt16(truncatingIfNeeded: $0) }, as: UTF16.self)
            : String(decoding: units, as: UTF32.self)
        return text.utf8.filter { $0 != 0 }
    }

    /// What `+…-` stands for (RFC 2152), in UTF-8.
    private static func withoutUTF7(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var position = 0
        while position < text.count {
            guard text[position] == UInt8(ascii: "+") else {
                result.append(text[position])
                position += 1
                continue
            }
            let end = text[(position + 1)...].firstIndex { $0.base64Digit == nil } ?? text.count
            let units = base64(text[(position + 1)..<end])
            result += end == position + 1 ? [UInt8(ascii: "+")] : inUTF8(units, width: 2, isLittle: false)
            position = end < text.count && text[end] == UInt8(ascii: "-") ? end + 1 : end
        }
        return result
    }

    private static func quoted(_ text: ArraySlice<UInt8>) -> [UInt8] {
        var octets: [UInt8] = []
        octets.reserveCapacity(text.count)
        var position = text.startIndex
        while position < text.endIndex {
            let octet = text[position]
            if octet == UInt8(ascii: "="), position + 2 < text.endIndex,
                let high = text[position + 1].hexDigit, let low = text[position + 2].hexDigit
            {
                octets.append(high << 4 | low)
                position += 3
            } else {
                octets.append(octet == UInt8(ascii: "_") ? 0x20 : octet)
                position += 1
            }
        }
        return octets
    }

    /// What is no Base64 is skipped, as readers do.
    private static func base64(_ text: ArraySlice<UInt8>) -> [UInt8] {
        var octets: [UInt8] = []
        octets.reserveCapacity(text.count)
        var bits: UInt32 = 0
        var count = 0
        for octet in text {
            guard let value = octet.base64Digit else { continue }
            bits = bits << 6 | UInt32(value)
            count += 6
            guard count >= 8 else { continue }
            count -= 8
            octets.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
        }
        return octets
    }
}

extension UInt8 {
    fileprivate var isDotOrHyphen: Bool { self == UInt8(ascii: ".") || self == UInt8(ascii: "-") }

    fileprivate var hexDigit: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        default: nil
        }
    }

    fileprivate var base64Digit: UInt8? {
        switch self {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): self - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): self - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
