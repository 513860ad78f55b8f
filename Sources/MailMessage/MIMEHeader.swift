import Glibc

/// The header of one MIME entity: where it ends, where its fields are, and what its Content-Type says (RFC 2045 §5).
struct MIMEHeader {
    struct Field {
        /// Lower case.
        let name: String
        /// The whole field with its line ends.
        let octets: Range<Int>
        let value: Range<Int>
    }

    let fields: [Field]
    /// Without the blank line.
    let fieldsEnd: Int
    /// Behind the blank line.
    let body: Int

    /// - Parameter range: the entity. A line that is no field is part of the one before it, or of none.
    init(_ octets: UnsafeRawBufferPointer, _ range: Range<Int>) {
        let end = Self.end(in: octets, range)
        var fields: [Field] = []
        var position = range.lowerBound
        while position < end.fields {
            let next = Self.nextLine(octets, position, end.fields)
            if octets[position] == 0x20 || octets[position] == 0x09 {
                if let last = fields.popLast() {
                    fields.append(
                        Field(
                            name: last.name, octets: last.octets.lowerBound..<next, value: last.value.lowerBound..<next)
                    )
                }
            } else if let colon = Self.find(UInt8(ascii: ":"), octets, position..<next) {
                var nameEnd = colon
                while nameEnd > position, octets[nameEnd - 1] == 0x20 || octets[nameEnd - 1] == 0x09 { nameEnd -= 1 }
                fields.append(
                    Field(
                        name: Self.text(octets, position..<nameEnd).lowercased(), octets: position..<next,
                        value: (colon + 1)..<next))
            }
            position = next
        }
        self.fields = fields
        fieldsEnd = end.fields
        body = end.body
    }

    /// Where the fields end and where the body begins.
    static func end(in octets: UnsafeRawBufferPointer, _ range: Range<Int>) -> (fields: Int, body: Int) {
        var position = range.lowerBound
        while position < range.upperBound {
            let next = nextLine(octets, position, range.upperBound)
            if octets[position] == .lineFeed { return (position, next) }
            if octets[position] == .carriageReturn, next == position + 2 { return (position, next) }
            position = next
        }
        return (range.upperBound, range.upperBound)
    }

    static func nextLine(_ octets: UnsafeRawBufferPointer, _ position: Int, _ end: Int) -> Int {
        find(.lineFeed, octets, position..<end).map { $0 + 1 } ?? end
    }

    static func find(_ octet: UInt8, _ octets: UnsafeRawBufferPointer, _ range: Range<Int>) -> Int? {
        guard !range.isEmpty, let base = octets.baseAddress,
            let found = memchr(base + range.lowerBound, Int32(octet), range.count)
        else { return nil }
        return UnsafeRawPointer(found) - base
    }

    /// Eight octets at a time.
    static func hasEightBit(_ octets: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
        var position = range.lowerBound
        while position + 8 <= range.upperBound {
            if octets.loadUnaligned(fromByteOffset: position, as: UInt64.self) & 0x8080_8080_8080_8080 != 0 {
                return true
            }
            position += 8
        }
        return octets[position..<range.upperBound].contains { $0 >= 0x80 }
    }

    /// Of a multipart (RFC 2046 §5.1.1). Nil: no delimiter; else whether it is the last.
    ///
    /// - Parameter mark: the boundary with its `--`.
    static func delimiter(_ octets: UnsafeRawBufferPointer, _ line: Range<Int>, _ mark: [UInt8]) -> Bool? {
        guard line.count >= mark.count, octets[line.lowerBound] == UInt8(ascii: "-"),
            octets[line.lowerBound..<(line.lowerBound + mark.count)].elementsEqual(mark)
        else { return nil }
        var rest = octets[(line.lowerBound + mark.count)..<line.upperBound]
        let closes = rest.starts(with: "--".utf8)
        if closes { rest = rest.dropFirst(2) }
        let isBlank = rest.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == .carriageReturn || $0 == .lineFeed }
        return isBlank ? closes : nil
    }

    static func text(_ octets: UnsafeRawBufferPointer, _ range: Range<Int>) -> String {
        String(decoding: octets[range].prefix(4096), as: UTF8.self)
    }

    func all(_ name: String) -> [Field] { fields.filter { $0.name == name } }
}

/// A Content-Type field's value: the type and its parameters, comments left out (RFC 2045 §5.1).
struct ContentType {
    /// Lower case; `text/plain` where nothing better is said (§5.2).
    var type = "text"
    var subtype = "plain"
    private(set) var boundary: String?

    init() {}

    /// Nil for what is no Content-Type: `type "/" subtype *(";" parameter)`.
    init?(_ value: String) {
        var tokens = Tokens(value)
        guard let type = tokens.word(), tokens.take("/"), let subtype = tokens.word() else { return nil }
        self.type = type.lowercased()
        self.subtype = subtype.lowercased()
        while tokens.take(";") {
            guard let name = tokens.word() else { continue }
            guard tokens.take("="), let value = tokens.word() else { return nil }
            if name.lowercased() == "boundary" {
                guard boundary == nil else { return nil }
                boundary = value
            }
        }
        if let boundary, boundary.isEmpty || boundary.utf8.count > 200 { return nil }
    }

    /// Words, quoted strings and single characters of a structured field.
    private struct Tokens {
        private var rest: ArraySlice<Unicode.Scalar>

        init(_ text: String) { rest = Array(text.unicodeScalars)[...] }

        mutating func take(_ character: Unicode.Scalar) -> Bool {
            skipBlanks()
            guard rest.first == character else { return false }
            rest.removeFirst()
            return true
        }

        mutating func word() -> String? {
            skipBlanks()
            var word = String.UnicodeScalarView()
            if rest.first == "\"" {
                rest.removeFirst()
                while let next = rest.popFirst() {
                    if next == "\"" { return String(word) }
                    if next == "\\", let quoted = rest.popFirst() {
                        word.append(quoted)
                    } else if next != "\r", next != "\n" {
                        word.append(next)
                    }
                }
                return nil
            }
            while let next = rest.first, next > " ", !"()<>@,;:\\\"/[]?=".unicodeScalars.contains(next) {
                word.append(next)
                rest.removeFirst()
            }
            return word.isEmpty ? nil : String(word)
        }

        private mutating func skipBlanks() {
            var depth = 0
            while let next = rest.first {
                switch next {
                case "(": depth += 1
                case ")" where depth > 0: depth -= 1
                case "\\" where depth > 0: rest.removeFirst()
                case " ", "\t", "\r", "\n": break
                default: if depth == 0 { return }
                }
                if !rest.isEmpty { rest.removeFirst() }
            }
        }
    }
}
