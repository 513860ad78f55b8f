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
            return octet == UInt8(ascii: "@") || octet == UInt8(ascii: "?") && previous == UInt8(ascii: "=")
        }
        guard isWorthIt else { return }
        let shown = EncodedWords.decoded(Self.unquoted(raw))
        for at in shown.indices.dropFirst() where shown[at] == UInt8(ascii: "@") && !shown[at - 1].isBlank {
            var domain = shown[(at + 1)...].prefix { $0.isLetterOrDigit || $0 >= 0x80 || $0.isDotOrHyphen }
            while domain.last?.isDotOrHyphen == true { domain.removeLast() }
            // (No domain is longer than 253 octets.)
            if !domain.isEmpty { note(String(decoding: domain.prefix(253), as: UTF8.self).lowercased()) }
        }
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

/// RFC 2047 as readers practise it: any charset is taken for one that has ASCII in it, any length, any place.
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
        switch text[charsetEnd + 1] {
        case UInt8(ascii: "Q"), UInt8(ascii: "q"): return (quoted(encoded), textEnd + 2)
        case UInt8(ascii: "B"), UInt8(ascii: "b"): return (base64(encoded), textEnd + 2)
        default: return nil
        }
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
