package import Postgres

/// A value, or none of it any more.
package enum Setting<Value: Sendable & Hashable>: Sendable, Hashable {
    case value(Value)
    case none
}

/// What a credential may do, for a new one or to be changed: what is nil stays as it is, or is as its tenant has it.
///
/// A limit that is `unlimited` is none of the credential's own: its tenant's goes on.
package struct CredentialTerms: Sendable, Hashable {
    package enum Mode: String, Sendable, Hashable, CaseIterable {
        case live
        /// What it sends is accepted, counted apart and never forwarded.
        case test
    }

    /// Empty: none any more.
    package var label: String?
    package var mode: Mode?
    /// Recipients a local day and a local month.
    package var daily, monthly: Limit?
    /// Recipients a minute, and how many at once.
    package var rate: Limit?
    package var burst: Int64?
    /// Octets a local day, and of a message.
    package var bytesDaily, messageSize: Limit?
    package var recipientsPerMessage: Limit?
    /// At a time, on each node.
    package var sessions: Limit?
    /// CIDR blocks its clients must come from; empty: anywhere.
    package var networks: [String]?
    /// Addresses and domains, each within the tenant's domains; empty: all of these.
    package var senders: [String]?
    /// SASL mechanisms; empty: all that are offered.
    package var mechanisms: [String]?
    package var notBefore, expires: Setting<Instant>?

    package init() {}

    package var isEmpty: Bool { members.isEmpty }

    /// What `admin.credential_issue` and `admin.credential_set` take.
    package var json: String {
        "{" + members.map { "\(JSONText.string($0.name)): \($0.value)" }.joined(separator: ", ") + "}"
    }

    private var members: [(name: String, value: String)] {
        var members: [(String, String)] = []
        func add(_ name: String, _ value: String?) { if let value { members.append((name, value)) } }
        add("label", label.map { $0.isEmpty ? "null" : JSONText.string($0) })
        add("mode", mode.map { JSONText.string($0.rawValue) })
        add("daily", daily.map(Self.text))
        add("monthly", monthly.map(Self.text))
        add("rate", rate.map(Self.text))
        add("burst", burst.map { String($0) })
        add("bytes_daily", bytesDaily.map(Self.text))
        add("message_size", messageSize.map(Self.text))
        add("recipients_per_message", recipientsPerMessage.map(Self.text))
        add("sessions", sessions.map(Self.text))
        add("networks", networks.map(Self.text))
        add("senders", senders.map(Self.text))
        add("mechanisms", mechanisms.map(Self.text))
        add("not_before", notBefore.map(Self.text))
        add("expires", expires.map(Self.text))
        return members
    }

    private static func text(_ limit: Limit) -> String {
        switch limit {
        case .unlimited: "null"
        case .of(let number): String(number)
        }
    }

    private static func text(_ texts: [String]) -> String {
        texts.isEmpty ? "null" : "[" + texts.map(JSONText.string).joined(separator: ", ") + "]"
    }

    private static func text(_ setting: Setting<Instant>) -> String {
        switch setting {
        case .none: "null"
        case .value(let instant): JSONText.string(instant.utcText)
        }
    }
}

extension Instant {
    /// ISO 8601 in UTC, to the microsecond, for the database.
    var utcText: String {
        let (day, rest) = microseconds.flooredQuotient(86_400_000_000)
        // Days to a date of the Gregorian calendar, in eras of 400 years that begin on 1 March (Howard Hinnant,
        // "chrono-Compatible Low-Level Date Algorithms").
        let (era, dayOfEra) = (day + 719_468).flooredQuotient(146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        let year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0)
        func digits(_ number: Int64, _ count: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        let seconds = rest / 1_000_000
        return "\(digits(year, 4))-\(digits(month, 2))-\(digits(dayOfYear - (153 * shifted + 2) / 5 + 1, 2))"
            + "T\(digits(seconds / 3600, 2)):\(digits(seconds / 60 % 60, 2)):\(digits(seconds % 60, 2))"
            + ".\(digits(rest % 1_000_000, 6))Z"
    }
}

extension Int64 {
    /// Rounded down, and a rest from 0.
    fileprivate func flooredQuotient(_ divisor: Int64) -> (quotient: Int64, rest: Int64) {
        let (quotient, rest) = quotientAndRemainder(dividingBy: divisor)
        return rest < 0 ? (quotient - 1, rest + divisor) : (quotient, rest)
    }
}
