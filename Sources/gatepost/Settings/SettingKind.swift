import SMTP
import Tenancy

/// What a setting takes, and how its text becomes a value.
enum SettingKind: Equatable, Sendable {
    case text, path, hostName, hostAndPort, databaseURL, mailbox
    case duration, durations
    /// Octets.
    case size(ClosedRange<Int>)
    case count(ClosedRange<Int>)
    case countOrAuto(ClosedRange<Int>)
    case boolean
    case addresses
    /// Lists that may be empty: `none`, or `[]`.
    case addressesOrNone, networksOrNone
    /// As `addresses`, and each of them an IP address: what is to resolve names cannot have one.
    case numericAddresses
    case choice([String])

    var isList: Bool { [.durations, .addresses, .addressesOrNone, .networksOrNone, .numericAddresses].contains(self) }
    private var mayBeEmpty: Bool { self == .addressesOrNone || self == .networksOrNone }
}

/// A setting's value once its text has been understood.
enum SettingValue: Equatable, Sendable {
    case text(String)
    case duration(Duration)
    case durations([Duration])
    case count(Int?)
    case boolean(Bool)
    case addresses([HostPort])
    case texts([String])
}

/// Why a text is no value for its setting: what was expected, in words that follow "expected".
struct SettingProblem: Error, Equatable {
    var expected: String
    /// The item of a list that is at fault, counted from 0.
    var item = 0
}

extension SettingKind {
    /// - Throws: what was expected instead.
    func value(_ items: [String]) throws(SettingProblem) -> SettingValue {
        let items = mayBeEmpty && items == ["none"] ? [] : items
        if isList {
            guard mayBeEmpty || !items.isEmpty else { throw SettingProblem(expected: "at least one item") }
        } else {
            guard items.count == 1 else { throw SettingProblem(expected: "one value, not a list") }
        }
        let text = items.first ?? ""
        switch self {
        case .text, .path:
            guard !text.isEmpty, text.unicodeScalars.allSatisfy(\.isPrintable) else {
                throw SettingProblem(expected: "a printable text that is not empty")
            }
            return .text(text)
        case .hostName:
            guard HostPort.isHostName(text) else { throw SettingProblem(expected: "a host name like smtp.example.com") }
            return .text(text)
        case .hostAndPort:
            guard HostPort(parsing: text) != nil else {
                throw SettingProblem(expected: "host:port, like smtp.example.net:587")
            }
            return .text(text)
        case .mailbox:
            guard let mailbox = try? Mailbox(parsing: text), !mailbox.isInternationalized else {
                throw SettingProblem(expected: "an address like gatepost@example.com")
            }
            return .text("\(mailbox)")
        case .databaseURL:
            guard text.hasPrefix("postgresql://") || text.hasPrefix("postgres://") || text.contains("=") else {
                throw SettingProblem(expected: "a connection string like postgresql://user@host/database")
            }
            return .text(text)
        case .duration: return .duration(try Self.duration(text, item: 0))
        case .durations:
            var durations: [Duration] = []
            for (number, item) in items.enumerated() { durations.append(try Self.duration(item, item: number)) }
            return .durations(durations)
        case .size(let range):
            guard let size = ByteSize(parsing: text), range.contains(size.bytes) else {
                let (least, most) = (ByteSize(bytes: range.lowerBound).text, ByteSize(bytes: range.upperBound).text)
                throw SettingProblem(expected: "a size from \(least) to \(most), like 10MiB")
            }
            return .count(size.bytes)
        case .count(let range): return .count(try Self.count(text, in: range, alternative: ""))
        case .countOrAuto(let range):
            return .count(text == "auto" ? nil : try Self.count(text, in: range, alternative: " or `auto`"))
        case .boolean:
            switch text {
            case "true", "yes", "on": return .boolean(true)
            case "false", "no", "off": return .boolean(false)
            default: throw SettingProblem(expected: "true or false")
            }
        case .networksOrNone:
            for (number, item) in items.enumerated() where (try? Tenancy.Network(parsing: item)) == nil {
                throw SettingProblem(
                    expected: "an address or a network like 192.0.2.0/24 or 2001:db8::/32", item: number)
            }
            return .texts(items)
        case .addresses, .addressesOrNone, .numericAddresses:
            var addresses: [HostPort] = []
            for (number, item) in items.enumerated() {
                guard let address = HostPort(parsing: item) else {
                    throw SettingProblem(expected: "host:port, like 0.0.0.0:587 or [::1]:587", item: number)
                }
                if self == .numericAddresses, Tenancy.Network.octets(of: address.host) == nil {
                    throw SettingProblem(
                        expected: "address:port, like 192.0.2.53:53 or [2001:db8::53]:53", item: number)
                }
                addresses.append(address)
            }
            return .addresses(addresses)
        case .choice(let words):
            guard words.contains(text) else { throw SettingProblem(expected: words.alternatives) }
            return .text(text)
        }
    }

    private static func duration(_ text: String, item: Int) throws(SettingProblem) -> Duration {
        guard let duration = Duration(parsing: text) else {
            throw SettingProblem(expected: "a duration like 30s, 5m or 5d (ms, s, m, h, d)", item: item)
        }
        return duration
    }

    private static func count(
        _ text: String, in range: ClosedRange<Int>, alternative: String
    ) throws(SettingProblem) -> Int {
        guard let count = Int(plainDigits: text), range.contains(count) else {
            throw SettingProblem(expected: "a number from \(range.lowerBound) to \(range.upperBound)\(alternative)")
        }
        return count
    }
}

extension [String] {
    /// `a, b or c`.
    var alternatives: String {
        guard let last, count > 1 else { return joined() }
        return dropLast().joined(separator: ", ") + " or " + last
    }
}
