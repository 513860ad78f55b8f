/// One limit: its name in verdicts, events, options and documents alike, what it counts, over which time, and of whom.
package struct LimitDescription: Sendable, Hashable {
    package enum Scope: String, Sendable { case tenant, credential }

    /// What one of it is.
    package enum Unit: String, Sendable { case recipients, octets, sessions }

    /// The time or the thing it is counted over.
    package enum Window: String, Sendable {
        /// The local day, or the last 24 hours where the tenant has chosen `rolling`.
        case dayOrRolling = "local day, or rolling 24 h"
        case day = "local day"
        case month = "local month"
        case minute = "minute, with a burst"
        case message = "one message"
        case moment = "at a time, on each node"
    }

    package let name: String
    package let scope: Scope
    package let unit: Unit
    package let window: Window
    /// One sentence.
    package let text: String
    /// Its value without a plan and without one of its own; nil: unlimited.
    package let standard: Int64?
    package let range: ClosedRange<Int64>
    /// Whether `unlimited` is a value of it.
    package let isEndless: Bool
    /// What a client hears over it.
    package let reply: String
    /// Whether a cap can be proposed and watched before it is in force (`--shadow-…`).
    package let hasShadow: Bool

    /// The option of the command line: `--bytes-daily`; a credential's has no prefix there.
    package var option: String {
        let own = scope == .credential ? String(name.dropFirst("credential_".count)) : name
        return "--" + own.replacing("_", with: "-")
    }
}

/// Every limit there is. Help, the README's table, `tenant show`, `explain` and the replies' page are made of it.
package enum LimitCatalogue {
    package static let all = tenant + credential

    package static func limit(named name: String) -> LimitDescription? { all.first { $0.name == name } }

    private static let overCap = "450 4.7.1 (policy defer) or 550 5.7.1 (reject)"
    private static let anyNumber: ClosedRange<Int64> = 1...999_999_999_999_999_999
    private static let anyRate: ClosedRange<Int64> = 1...1_000_000_000
    private static let anySize: ClosedRange<Int64> = 1024...268_435_456

    package static let tenant: [LimitDescription] = [
        LimitDescription(
            name: "daily", scope: .tenant, unit: .recipients, window: .dayOrRolling,
            text: "Recipients accepted in a day.", standard: 1000, range: anyNumber, isEndless: true, reply: overCap,
            hasShadow: true),
        LimitDescription(
            name: "monthly", scope: .tenant, unit: .recipients, window: .month,
            text: "Recipients accepted in a calendar month.", standard: nil, range: anyNumber, isEndless: true,
            reply: overCap, hasShadow: true),
        LimitDescription(
            name: "rate", scope: .tenant, unit: .recipients, window: .minute,
            text:
                "Recipients a minute, so many at once as the burst has room for. Where nothing is owed any message passes, and is paid off afterwards.",
            standard: nil, range: anyRate, isEndless: true, reply: overCap, hasShadow: false),
        LimitDescription(
            name: "bytes_daily", scope: .tenant, unit: .octets, window: .day,
            text: "Octets of accepted messages, each message once.", standard: nil, range: anyNumber, isEndless: true,
            reply: overCap + "; 552 5.3.4 to a message that is larger by itself", hasShadow: true),
        LimitDescription(
            name: "first_time_daily", scope: .tenant, unit: .recipients, window: .day,
            text: "Recipients not written to in the last 90 days: a stolen secret shows here first.", standard: nil,
            range: anyNumber, isEndless: true, reply: overCap, hasShadow: true),
        LimitDescription(
            name: "message_size", scope: .tenant, unit: .octets, window: .message,
            text: "Octets of a message as it is sent to us.", standard: 26_214_400, range: anySize, isEndless: false,
            reply: "552 5.3.4", hasShadow: false),
        LimitDescription(
            name: "recipients_per_message", scope: .tenant, unit: .recipients, window: .message,
            text: "Recipients of a message.", standard: 100, range: 1...100_000, isEndless: false,
            reply: "452 4.5.3", hasShadow: false),
        LimitDescription(
            name: "sessions", scope: .tenant, unit: .sessions, window: .moment,
            text: "Sessions open at the same time.", standard: 50, range: 1...1_000_000, isEndless: true,
            reply: "421 4.7.0", hasShadow: false),
    ]

    package static let credential: [LimitDescription] = [
        own("credential_daily", .recipients, .day, "Recipients accepted with this credential in a day.", overCap),
        own(
            "credential_monthly", .recipients, .month,
            "Recipients accepted with this credential in a calendar month.", overCap),
        own(
            "credential_rate", .recipients, .minute, "Recipients a minute with this credential.", overCap,
            range: anyRate),
        own(
            "credential_bytes_daily", .octets, .day, "Octets accepted with this credential in a day.",
            overCap + "; 552 5.3.4 to a message that is larger by itself"),
        own(
            "credential_message_size", .octets, .message, "Octets of a message sent with this credential.",
            "552 5.3.4", range: anySize),
        own(
            "credential_recipients_per_message", .recipients, .message,
            "Recipients of a message sent with this credential.", "452 4.5.3", range: 1...100_000),
        own(
            "credential_sessions", .sessions, .moment, "Sessions of this credential open at the same time.",
            "421 4.7.0", range: 1...1_000_000),
    ]

    /// A credential's: beside its tenant's, never instead.
    private static func own(
        _ name: String, _ unit: LimitDescription.Unit, _ window: LimitDescription.Window, _ text: String,
        _ reply: String, range: ClosedRange<Int64> = anyNumber
    ) -> LimitDescription {
        LimitDescription(
            name: name, scope: .credential, unit: unit, window: window, text: text, standard: nil, range: range,
            isEndless: true, reply: reply, hasShadow: false)
    }
}
