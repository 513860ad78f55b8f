package import NIOCore

/// Where the fields of a message's header are: one pass over its octets, in linear time, nothing copied and no recursion
/// (RFC 5322 §2.2, §4.5). The scan that finds the fields is the scan that judges them: there is no second parser that
/// could see another header.
///
/// Lines end with CRLF. A bare CR or LF and a NUL are faults here too, though the SMTP dialogue refuses them first.
package struct HeaderScan: Sendable {
    package enum Limits {
        /// The header block with its line ends, in octets.
        package static let octets = 256 * 1024
        package static let fields = 1_000
        /// RFC 5321 §6.3 asks for at least 100.
        package static let received = 100
        /// A header line without its CRLF, in octets (RFC 5322 §2.1.1).
        package static let line = 998
    }

    /// A field's place, as offsets from the content's first octet.
    package struct Field: Hashable, Sendable {
        package let name: FieldName
        /// The whole field: name, value and the CRLF of its last line.
        package let octets: Range<Int>
        /// What stands after the colon, without the last CRLF; folds are still in it.
        package let value: Range<Int>
    }

    package private(set) var fields: [Field] = []
    /// Where the header ends: the offset of the blank line, or of the content's end where there is none.
    package private(set) var end = 0
    /// Blanks stood between a name and its colon (RFC 5322 §4.5.8: to be understood, not to be written).
    package private(set) var usesObsoleteBlanks = false
    /// An octet above 127 stands in the header.
    package private(set) var isEightBit = false

    package init(_ content: ByteBuffer) throws(MessageFault) {
        fields.reserveCapacity(24)
        try scan(content.readableBytesUInt8Span)
    }

    /// The fields named `name`, in order.
    package func all(_ name: FieldName) -> some Sequence<Field> { fields.lazy.filter { $0.name == name } }

    package func first(_ name: FieldName) -> Field? { fields.first { $0.name == name } }

    private mutating func scan(_ octets: Span<UInt8>) throws(MessageFault) {
        var seen: UInt32 = 0
        var received = 0
        var position = 0
        var line = 0
        var open: (name: FieldName, start: Int, value: Int, end: Int)?

        while position < octets.count {
            line += 1
            let (lineEnd, next) = try self.lineEnd(octets, from: position, line: line)
            guard next <= Limits.octets else { throw .headerTooLarge }
            if lineEnd == position { break }  // the blank line
            guard lineEnd - position <= Limits.line else { throw .headerLineTooLong(line: line) }

            if octets[position].isBlank {
                guard open != nil else { throw .malformedHeader(line: line) }
                open?.end = next
            } else {
                if let field = open { close(field, octets) }
                guard fields.count < Limits.fields else { throw .tooManyFields }
                let (name, value) = try fieldName(octets, position..<lineEnd, line: line)
                if name.isOnceOnly {
                    let bit: UInt32 = 1 << UInt32(name.rawValue)
                    guard seen & bit == 0 else { throw .repeatedField(name, line: line) }
                    seen |= bit
                }
                if name == .received {
                    received += 1
                    guard received <= Limits.received else { throw .loop(.tooManyHops) }
                }
                open = (name, position, value, next)
            }
            position = next
        }
        if let field = open { close(field, octets) }
        end = position
    }

    private mutating func close(_ field: (name: FieldName, start: Int, value: Int, end: Int), _ octets: Span<UInt8>) {
        let closed = field.end >= 2 && octets[field.end - 1] == .lineFeed  // not at the end of a content without CRLF
        fields.append(
            Field(
                name: field.name, octets: field.start..<field.end,
                value: field.value..<max(field.value, closed ? field.end - 2 : field.end)))
    }

    /// The offset of the line's CRLF and that of the next line.
    private mutating func lineEnd(
        _ octets: Span<UInt8>, from start: Int, line: Int
    ) throws(MessageFault) -> (Int, next: Int) {
        var position = start
        // A header that is too large is found out here, too: a line is never followed further than the limit.
        let limit = min(octets.count, Limits.octets + 1)
        while position < limit {
            let octet = octets[position]
            switch octet {
            case .carriageReturn:
                guard position + 1 < octets.count, octets[position + 1] == .lineFeed else {
                    throw .malformedHeader(line: line)
                }
                return (position, position + 2)
            case .lineFeed, 0:
                throw .malformedHeader(line: line)
            case 0x0B, 0x0C, 0x1C...0x1E:
                // Some readers end a line there, as Python's do: what follows would be a field to them.
                throw .malformedHeader(line: line)
            default:
                if octet >= 0x80 { isEightBit = true }
                position += 1
            }
        }
        return (position, position)
    }

    /// field-name = 1*ftext, then *WSP ":" (the blanks are RFC 5322 §4.5.8's). Returns the offset behind the colon.
    private mutating func fieldName(
        _ octets: Span<UInt8>, _ range: Range<Int>, line: Int
    ) throws(MessageFault) -> (FieldName, value: Int) {
        var position = range.lowerBound
        while position < range.upperBound, octets[position].isFieldText { position += 1 }
        let nameEnd = position
        while position < range.upperBound, octets[position].isBlank { position += 1 }
        guard nameEnd > range.lowerBound, position < range.upperBound, octets[position] == UInt8(ascii: ":") else {
            throw .malformedHeader(line: line)
        }
        if position > nameEnd { usesObsoleteBlanks = true }
        return (FieldName(octets, in: range.lowerBound..<nameEnd), position + 1)
    }
}

extension UInt8 {
    static let carriageReturn = UInt8(ascii: "\r")
    static let lineFeed = UInt8(ascii: "\n")

    /// WSP (RFC 5234).
    var isBlank: Bool { self == 0x20 || self == 0x09 }

    /// ftext: printable but the colon (RFC 5322 §3.6.8).
    var isFieldText: Bool { self > 0x20 && self < 0x7F && self != UInt8(ascii: ":") }

    /// atext (RFC 5322 §3.2.3).
    var isAtomText: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
            UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "/"),
            UInt8(ascii: "="), UInt8(ascii: "?"), UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"),
            UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: "}"), UInt8(ascii: "~"):
            true
        default: false
        }
    }
}
