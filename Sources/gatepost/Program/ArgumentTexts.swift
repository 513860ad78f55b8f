import Postgres
import SMTP
import Tenancy

/// Why an argument is refused; goes on after the library's "The value … is invalid for …: ".
struct ArgumentProblem: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// The texts of the command line, understood before anything is asked of the database.
enum ArgumentText {
    /// A tenant's or a pool's name: it goes into file names, logs and SMTP parameters.
    static func slug(_ text: String) throws -> String {
        guard (1...40).contains(text.utf8.count), text.utf8.allSatisfy(isSlugOctet), !text.hasPrefix("-") else {
            throw ArgumentProblem(
                "expected 1 to 40 lower-case letters, digits and hyphens, not a hyphen first: [a-z0-9][a-z0-9-]{0,39}")
        }
        return text
    }

    /// A credential's: `acme.k7m2q9`; in upper case too, as clients may give it.
    static func credential(_ text: String) throws -> String {
        // (Octet by octet: Unicode's small letters would make a k of the Kelvin sign.)
        let name = text.utf8.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 }
        guard (1...64).contains(name.count), name.allSatisfy({ isSlugOctet($0) || $0 == UInt8(ascii: ".") }),
            text.first != "-", text.first != "."
        else { throw ArgumentProblem("expected a credential's name, like acme.k7m2q9") }
        return String(decoding: name, as: UTF8.self)
    }

    /// A sender domain, as A-labels in lower case; U-labels are taken (IDNA2008).
    static func domain(_ text: String) throws -> String {
        let name = text.hasSuffix(".") ? String(text.dropLast()) : text
        guard let domain = try? Domain(parsing: name).name, domain.contains(".") else {
            throw ArgumentProblem("expected a domain like acme.example")
        }
        return domain
    }

    /// One to be added: nobody can have a mistyped A-label. (What is there already can be named all the same.)
    static func newDomain(_ text: String) throws -> String {
        let name = try domain(text)
        guard (try? Domain(parsing: name))?.hasValidALabels == true else {
            throw ArgumentProblem("expected an internationalised name after xn-- (IDNA2008)")
        }
        return name
    }

    static func limit(_ text: String) throws -> Limit { try limit(text, upTo: Int64.max) }

    /// A limit of the rate, which the database counts in 1/60,000,000 recipients.
    static func rate(_ text: String) throws -> Limit { try limit(text, upTo: 1_000_000_000) }

    static func sessions(_ text: String) throws -> Limit { try limit(text, upTo: Int64(Int32.max)) }

    private static func limit(_ text: String, upTo most: Int64) throws -> Limit {
        if text == "unlimited" { return .unlimited }
        guard let number = Int(plainDigits: text), number > 0, number <= most else {
            throw ArgumentProblem("expected a whole number \(span(1...most, text)), or `unlimited`")
        }
        return .of(Int64(number))
    }

    static func burst(_ text: String) throws -> Int64 { try number(text, in: 1...1_000_000_000) }
    static func recipientsPerMessage(_ text: String) throws -> Int64 { try number(text, in: 1...100_000) }
    static func weight(_ text: String) throws -> Int64 { try number(text, in: 1...1000) }
    static func days(_ text: String) throws -> Int64 { try number(text, in: 1...36_500) }

    private static func number(_ text: String, in range: ClosedRange<Int64>) throws -> Int64 {
        guard let number = Int(plainDigits: text), range.contains(Int64(number)) else {
            let unlimited = text == "unlimited" ? "; this limit always has an end" : ""
            throw ArgumentProblem(
                "expected a whole number from \(range.lowerBound) to \(range.upperBound)\(unlimited)")
        }
        return Int64(number)
    }

    static func messageSize(_ text: String) throws -> Int64 {
        guard let size = ByteSize(parsing: text), (1024...268_435_456).contains(size.bytes) else {
            throw ArgumentProblem("expected a size from 1KiB to 256MiB, like 25MiB; this limit always has an end")
        }
        return Int64(size.bytes)
    }

    static func onOff(_ text: String) throws -> Bool {
        switch text {
        case "on": return true
        case "off": return false
        default: throw ArgumentProblem("expected on or off")
        }
    }

    static func policy(_ text: String) throws -> CapPolicy {
        guard let policy = CapPolicy(rawValue: text) else { throw ArgumentProblem("expected defer or reject") }
        return policy
    }

    /// The database knows which zones there are; here only that it could be a name of one.
    static func timeZone(_ text: String) throws -> String {
        let isName = text.utf8.allSatisfy { octet in
            isSlugOctet(octet | 0x20) || [UInt8(ascii: "/"), UInt8(ascii: "_"), UInt8(ascii: "+")].contains(octet)
                || isSlugOctet(octet)
        }
        guard (1...64).contains(text.utf8.count), isName, text.first?.isLetter == true else {
            throw ArgumentProblem("expected an IANA time zone, like Europe/Brussels or UTC")
        }
        return text
    }

    static func network(_ text: String) throws -> String {
        do {
            return try Network(parsing: text).description
        } catch {
            throw ArgumentProblem(error.description)
        }
    }

    static func address(_ text: String) throws -> HostPort {
        guard let address = HostPort(parsing: text) else {
            throw ArgumentProblem("expected host:port, like 127.0.0.1:2525 or [::1]:2525")
        }
        return address
    }

    static func message(_ text: String) throws -> MessageID {
        guard let id = MessageID(text) else {
            throw ArgumentProblem("expected a queue id, like 01920e3c-7b1a-7c55-9d0e-2f4b8a6c1e90")
        }
        return id
    }

    /// A reason or a label: one line that can be shown as it is.
    static func line(_ text: String) throws -> String {
        guard !text.isEmpty, text.unicodeScalars.count <= 200, text.unicodeScalars.allSatisfy(\.isPrintable) else {
            throw ArgumentProblem("expected one line of at most 200 printable characters")
        }
        return text
    }

    /// A duration from now (`90d`), a day (its beginning in UTC) or an instant with its offset.
    static func expiry(_ text: String, now: Instant) throws -> Instant {
        let expiry = Duration(parsing: text).map(now.advanced(by:)) ?? Instant(iso8601: text)
        guard let expiry else {
            throw ArgumentProblem(
                "expected a duration like 90d, or a time like 2027-01-31 or 2027-01-31T18:00:00+01:00")
        }
        guard expiry > now else { throw ArgumentProblem("expected a time to come") }
        return expiry
    }

    private static func isSlugOctet(_ octet: UInt8) -> Bool {
        switch octet {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
        default: false
        }
    }
}
