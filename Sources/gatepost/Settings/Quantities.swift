/// The texts for quantities that operators write: `30s`, `25MiB`, `127.0.0.1:587`.

extension Int {
    /// Digits and nothing else: no sign, blank, underscore or exponent.
    init?(plainDigits text: some StringProtocol) {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        self.init(text)
    }
}

extension Duration {
    private static let units: [(suffix: String, milliseconds: Int)] = [
        ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
    ]

    /// A whole, positive number with its unit: `250ms`, `30s`, `5m`, `4h`, `5d`; at most ten years.
    init?(parsing text: String) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int(plainDigits: digits), number > 0,
            let unit = Self.units.first(where: { $0.suffix == text.dropFirst(digits.count) })
        else { return nil }
        let (milliseconds, overflow) = number.multipliedReportingOverflow(by: unit.milliseconds)
        guard !overflow, milliseconds <= 3650 * 86_400_000 else { return nil }
        self = .milliseconds(milliseconds)
    }

    /// The shortest text that `init(parsing:)` reads as the same.
    var text: String {
        let milliseconds = components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
        for unit in Self.units.reversed() where milliseconds % Int64(unit.milliseconds) == 0 {
            return "\(milliseconds / Int64(unit.milliseconds))\(unit.suffix)"
        }
        return "\(milliseconds)ms"
    }
}

/// A number of octets, in binary units.
struct ByteSize: Hashable, Sendable {
    var bytes: Int

    private static let units: [(suffix: String, factor: Int)] = [
        ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1),
    ]

    init(bytes: Int) { self.bytes = bytes }

    /// A whole, positive number with its unit, `25MiB`; without one it counts octets.
    init?(parsing text: String) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let suffix = text.dropFirst(digits.count)
        guard let number = Int(plainDigits: digits), number > 0,
            let unit = Self.units.first(where: { $0.suffix == (suffix.isEmpty ? "B" : suffix) })
        else { return nil }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: unit.factor)
        guard !overflow, bytes <= 1 << 40 else { return nil }
        self.bytes = bytes
    }

    var text: String {
        for unit in Self.units where bytes % unit.factor == 0 { return "\(bytes / unit.factor)\(unit.suffix)" }
        return "\(bytes)B"
    }
}

/// An address to listen on or to connect to. An IPv6 address is written in brackets.
struct HostPort: Hashable, Sendable, CustomStringConvertible {
    var host: String
    var port: Int

    init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    init?(parsing text: String) {
        guard let colon = text.lastIndex(of: ":"),
            let port = Int(plainDigits: text[text.index(after: colon)...]), (1...65535).contains(port)
        else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
            guard host.contains(":"), host.allSatisfy({ $0.isHexDigit || $0 == ":" || $0 == "." }) else { return nil }
        } else {
            guard Self.isHostName(String(host)) else { return nil }
        }
        self.init(host: String(host), port: port)
    }

    var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Letters, digits, hyphens and dots, 1 to 253 of them, no label empty or with a hyphen at its end: a DNS
    /// name or an IPv4 address.
    static func isHostName(_ text: String) -> Bool {
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        return text.utf8.count <= 253
            && labels.allSatisfy { label in
                (1...63).contains(label.utf8.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
                    && label.utf8.allSatisfy { byte in
                        switch byte {
                        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D: true
                        default: false
                        }
                    }
            }
    }
}
