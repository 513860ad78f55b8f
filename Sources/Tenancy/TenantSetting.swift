/// Everything that `admin.tenant_set` takes, by its name there.
package enum TenantSetting: String, Sendable, Hashable, CaseIterable {
    case daily, window, monthly, rate, burst
    case bytesDaily = "bytes_daily"
    case firstTimeDaily = "first_time_daily"
    case messageSize = "message_size"
    case recipientsPerMessage = "recipients_per_message"
    case sessions, policy, partial, resubmission
    case nullSender = "null_sender"
    case foreignNames = "foreign_names"
    case warn
    case shadowDaily = "shadow_daily"
    case shadowMonthly = "shadow_monthly"
    case shadowBytesDaily = "shadow_bytes_daily"
    case shadowFirstTimeDaily = "shadow_first_time_daily"
    case plan, zone, pool, contact

    /// What its values are like.
    package enum Kind: Sendable, Hashable {
        case count(ClosedRange<Int64>, endless: Bool)
        case octets(ClosedRange<Int64>, endless: Bool)
        /// A number, or `none`.
        case proposal(ClosedRange<Int64>, inOctets: Bool)
        case word([String])
        case flag
        case percents
        /// A name or an address, or `none` where that can be.
        case name(canBeNone: Bool)
    }

    package var kind: Kind {
        switch self {
        case .bytesDaily, .messageSize: .octets(range, endless: limit?.isEndless ?? true)
        case .daily, .monthly, .rate, .firstTimeDaily, .recipientsPerMessage, .sessions:
            .count(range, endless: limit?.isEndless ?? true)
        case .burst: .count(1...1_000_000_000, endless: false)
        case .shadowBytesDaily: .proposal(range, inOctets: true)
        case .shadowDaily, .shadowMonthly, .shadowFirstTimeDaily: .proposal(range, inOctets: false)
        case .window: .word(["day", "rolling"])
        case .policy: .word(CapPolicy.allCases.map(\.rawValue))
        case .partial, .resubmission, .nullSender, .foreignNames: .flag
        case .warn: .percents
        case .plan, .contact: .name(canBeNone: true)
        case .zone, .pool: .name(canBeNone: false)
        }
    }

    /// Whether it proposes a cap, which is watched and not in force.
    package var isProposal: Bool { if case .proposal = kind { true } else { false } }

    /// The limit that it sets, or proposes.
    package var limit: LimitDescription? {
        LimitCatalogue.limit(named: rawValue.hasPrefix("shadow_") ? String(rawValue.dropFirst(7)) : rawValue)
    }

    private var range: ClosedRange<Int64> { limit?.range ?? 1...Int64.max }

    /// Whether a plan can have it, and a tenant give it back with `inherit`.
    package var isInheritable: Bool {
        switch self {
        case .plan, .zone, .pool, .contact: false
        default: true
        }
    }

    /// The option of the command line.
    package var option: String {
        self == .zone ? "--time-zone" : "--" + rawValue.replacing("_", with: "-")
    }

    /// One sentence for help.
    package var text: String {
        switch self {
        case .daily: "Recipients a day, in the tenant's zone."
        case .window: "What a day is: the calendar's, or any 24 hours."
        case .monthly: "Recipients a month."
        case .rate: "Recipients a minute."
        case .burst: "Recipients at once within the rate. Default: the rate."
        case .bytesDaily: "Octets of messages a day (KiB, MiB, GiB)."
        case .firstTimeDaily: "Recipients a day not written to in 90 days."
        case .messageSize: "Largest message (KiB, MiB)."
        case .recipientsPerMessage: "Recipients in one message."
        case .sessions: "Sessions at a time on each node."
        case .policy: "Over a cap: defer (450, come back) or reject (550)."
        case .partial: "Take the recipients that still fit, at RCPT."
        case .resubmission: "Answer a message sent again within 10 minutes as the first."
        case .nullSender: "Allow the empty sender, MAIL FROM:<>."
        case .foreignNames: "Allow display names that show a foreign address."
        case .warn: "Warn at these percents of a cap, like 50,80,100."
        case .shadowDaily: "Propose a daily cap: say what it would refuse."
        case .shadowMonthly: "Propose a monthly cap."
        case .shadowBytesDaily: "Propose a cap on octets a day."
        case .shadowFirstTimeDaily: "Propose a cap on first-time recipients."
        case .plan: "The plan whose limits it has where it has none."
        case .zone: "Where its days begin, like Europe/Brussels."
        case .pool: "The relays that deliver its mail."
        case .contact: "Where warnings are mailed."
        }
    }

    /// The value as help writes it: `n|unlimited`.
    package var form: String {
        switch kind {
        case .count(_, let endless): endless ? "n|unlimited" : "n"
        case .octets(_, let endless): endless ? "size|unlimited" : "size"
        case .proposal(_, let inOctets): inOctets ? "size|none" : "n|none"
        case .word(let words): words.joined(separator: "|")
        case .flag: "on|off"
        case .percents: "list|none"
        case .name(let canBeNone):
            (self == .zone ? "zone" : self == .contact ? "address" : "name") + (canBeNone ? "|none" : "")
        }
    }
}

/// A value of a setting.
package enum TenantValue: Sendable, Hashable {
    /// The plan's, or the default: given back.
    case inherit
    case unlimited
    /// No proposal, no plan, no contact.
    case none
    case number(Int64)
    case flag(Bool)
    case text(String)
    case percents([Int])

    /// As `admin.tenant_set` takes it.
    package var json: String {
        switch self {
        case .inherit: "\"inherit\""
        case .unlimited, .none: "null"
        case .number(let number): String(number)
        case .flag(let flag): String(flag)
        case .text(let text): JSONText.string(text)
        case .percents(let percents): "[" + percents.map(String.init).joined(separator: ", ") + "]"
        }
    }
}
