import FoundationEssentials

/// A JSON value on one line, its members in the order they were given.
///
/// Everything but visible characters is escaped (RFC 8259 §7 allows it), so that what users sent can neither
/// command a terminal nor end a line; a reader gets the original back.
enum JSON: Equatable, Sendable {
    case null
    case bool(Bool)
    case number(Int64)
    case string(String)
    case array([JSON])
    case object([Member])

    struct Member: Equatable, Sendable {
        var name: String
        var value: JSON
    }

    static func object(_ members: KeyValuePairs<String, JSON>) -> JSON {
        .object(members.map { Member(name: $0.key, value: $0.value) })
    }

    static func number(_ value: Int?) -> JSON { value.map { .number(Int64($0)) } ?? .null }
    static func number(_ value: Int64?) -> JSON { value.map { .number($0) } ?? .null }
    static func string(_ value: String?) -> JSON { value.map { .string($0) } ?? .null }
    static func strings(_ values: [String]) -> JSON { .array(values.map { .string($0) }) }

    var text: String {
        var octets: [UInt8] = []
        write(to: &octets)
        return String(decoding: octets, as: UTF8.self)
    }

    func write(to octets: inout [UInt8]) {
        switch self {
        case .null: octets += "null".utf8
        case .bool(let value): octets += (value ? "true" : "false").utf8
        case .number(let value): octets += String(value).utf8
        case .string(let value): Self.write(value, to: &octets)
        case .array(let values):
            octets.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { octets.append(UInt8(ascii: ",")) }
                value.write(to: &octets)
            }
            octets.append(UInt8(ascii: "]"))
        case .object(let members):
            octets.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { octets.append(UInt8(ascii: ",")) }
                member.write(to: &octets)
            }
            octets.append(UInt8(ascii: "}"))
        }
    }

    /// A string, which nearly always stands for itself, and is copied as it is.
    fileprivate static func write(_ value: String, to octets: inout [UInt8]) {
        octets.append(UInt8(ascii: "\""))
        let isCopied: Void? = value.utf8.withContiguousStorageIfAvailable { utf8 in
            if utf8.allSatisfy(isPlain) { octets += utf8 } else { writeEscaped(value, to: &octets) }
        }
        if isCopied == nil { writeEscaped(value, to: &octets) }
        octets.append(UInt8(ascii: "\""))
    }

    private static func isPlain(_ octet: UInt8) -> Bool {
        octet >= 0x20 && octet <= 0x7E && octet != UInt8(ascii: "\"") && octet != UInt8(ascii: "\\")
    }

    private static func writeEscaped(_ value: String, to octets: inout [UInt8]) {
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": octets += "\\\"".utf8
            case "\\": octets += "\\\\".utf8
            case "\n": octets += "\\n".utf8
            case "\r": octets += "\\r".utf8
            case "\t": octets += "\\t".utf8
            default:
                if scalar.isPrintable {
                    octets += UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter
                } else {
                    for unit in UTF16.encode(scalar) ?? UTF16.EncodedScalar() {
                        let digits = String(unit, radix: 16)
                        octets += ("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).utf8
                    }
                }
            }
        }
    }
}

extension JSON.Member {
    func write(to octets: inout [UInt8]) {
        JSON.write(name, to: &octets)
        octets.append(UInt8(ascii: ":"))
        value.write(to: &octets)
    }
}

extension JSON: ExpressibleByDictionaryLiteral {
    init(dictionaryLiteral elements: (String, JSON)...) {
        self = .object(elements.map { Member(name: $0.0, value: $0.1) })
    }
}

extension JSON: Decodable {
    /// Members come in the order of their names; a number that is no whole one comes as its text.
    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .number(value)
        } else if let value = try? container.decode(Double.self) {
            self = .string(String(value))
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let values = try? container.decode([JSON].self) {
            self = .array(values)
        } else {
            let members = try container.decode([String: JSON].self)
            self = .object(members.sorted { $0.key < $1.key }.map { Member(name: $0.key, value: $0.value) })
        }
    }

    /// What PostgreSQL gave as JSON; nil where it is none.
    init?(parsing text: String) {
        guard let value = try? JSONDecoder().decode(JSON.self, from: Data(text.utf8)) else { return nil }
        self = value
    }

    /// A member's value; nil where there is none.
    subscript(name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    /// A string's or a number's own text.
    var plain: String? {
        switch self {
        case .string(let value): value
        case .number(let value): String(value)
        case .bool(let value): String(value)
        case .null, .array, .object: nil
        }
    }

    /// An event's detail of what an operator did: `tenant set acme by alice: daily 300`; nil: it is about something else.
    var changeInWords: String? {
        guard let action = self["action"]?.plain, let object = self["object"]?.plain, let by = self["by"]?.plain else {
            return nil
        }
        let detail = self["detail"]?.words ?? ""
        return "\(action) \(object) by \(by)" + (detail.isEmpty ? "" : ": \(detail)")
    }

    /// For people: `cap 300, used 300`, without braces and quotes.
    var words: String {
        switch self {
        case .object(let members):
            members.filter { $0.value != .null }.map { member in
                let words = member.value.words
                return "\(member.name.replacing("_", with: " ")) \(words.isEmpty ? "nothing" : words)"
            }.joined(separator: ", ")
        case .array(let values): values.map(\.words).joined(separator: " ")
        default: plain ?? "-"
        }
    }
}
