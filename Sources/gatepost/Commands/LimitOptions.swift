import ArgumentParser
import SMTP
import Tenancy

/// A flag for every limit and way that a plan can have and a tenant can have of its own.
struct LimitOptions: ParsableArguments {
    @Option(help: .setting(.daily), transform: ArgumentText.setting(.daily)) var daily: TenantValue?
    @Option(help: .setting(.window), transform: ArgumentText.setting(.window)) var window: TenantValue?
    @Option(help: .setting(.monthly), transform: ArgumentText.setting(.monthly)) var monthly: TenantValue?
    @Option(help: .setting(.rate), transform: ArgumentText.setting(.rate)) var rate: TenantValue?
    @Option(help: .setting(.burst), transform: ArgumentText.setting(.burst)) var burst: TenantValue?
    @Option(help: .setting(.bytesDaily), transform: ArgumentText.setting(.bytesDaily)) var bytesDaily: TenantValue?
    @Option(help: .setting(.firstTimeDaily), transform: ArgumentText.setting(.firstTimeDaily))
    var firstTimeDaily: TenantValue?
    @Option(
        name: [.customLong("message-size"), .customLong("max-message-size")], help: .setting(.messageSize),
        transform: ArgumentText.setting(.messageSize))
    var messageSize: TenantValue?
    @Option(help: .setting(.recipientsPerMessage), transform: ArgumentText.setting(.recipientsPerMessage))
    var recipientsPerMessage: TenantValue?
    @Option(help: .setting(.sessions), transform: ArgumentText.setting(.sessions)) var sessions: TenantValue?
    @Option(help: .setting(.policy), transform: ArgumentText.setting(.policy)) var policy: TenantValue?
    @Option(help: .setting(.partial), transform: ArgumentText.setting(.partial)) var partial: TenantValue?
    @Option(help: .setting(.resubmission), transform: ArgumentText.setting(.resubmission))
    var resubmission: TenantValue?
    @Option(help: .setting(.nullSender), transform: ArgumentText.setting(.nullSender)) var nullSender: TenantValue?
    @Option(help: .setting(.foreignNames), transform: ArgumentText.setting(.foreignNames))
    var foreignNames: TenantValue?
    @Option(help: .setting(.warn), transform: ArgumentText.setting(.warn)) var warn: TenantValue?
    @Option(help: .setting(.shadowDaily), transform: ArgumentText.setting(.shadowDaily)) var shadowDaily: TenantValue?
    @Option(help: .setting(.shadowMonthly), transform: ArgumentText.setting(.shadowMonthly))
    var shadowMonthly: TenantValue?
    @Option(help: .setting(.shadowBytesDaily), transform: ArgumentText.setting(.shadowBytesDaily))
    var shadowBytesDaily: TenantValue?
    @Option(help: .setting(.shadowFirstTimeDaily), transform: ArgumentText.setting(.shadowFirstTimeDaily))
    var shadowFirstTimeDaily: TenantValue?

    var changes: TenantChanges {
        let given: [TenantSetting: TenantValue?] = [
            .daily: daily, .window: window, .monthly: monthly, .rate: rate, .burst: burst, .bytesDaily: bytesDaily,
            .firstTimeDaily: firstTimeDaily, .messageSize: messageSize, .recipientsPerMessage: recipientsPerMessage,
            .sessions: sessions, .policy: policy, .partial: partial, .resubmission: resubmission,
            .nullSender: nullSender, .foreignNames: foreignNames, .warn: warn, .shadowDaily: shadowDaily,
            .shadowMonthly: shadowMonthly,
            .shadowBytesDaily: shadowBytesDaily, .shadowFirstTimeDaily: shadowFirstTimeDaily,
        ]
        return TenantChanges(given.compactMapValues { $0 })
    }
}

/// What is a tenant's alone.
struct TenantOptions: ParsableArguments {
    @Option(help: .setting(.plan), transform: ArgumentText.setting(.plan)) var plan: TenantValue?
    @Option(help: .setting(.zone), transform: ArgumentText.setting(.zone)) var timeZone: TenantValue?
    @Option(help: .setting(.pool), transform: ArgumentText.setting(.pool)) var pool: TenantValue?
    @Option(help: .setting(.contact), transform: ArgumentText.setting(.contact)) var contact: TenantValue?

    func changes(with limits: LimitOptions) -> TenantChanges {
        var changes = limits.changes
        for (setting, value) in [(TenantSetting.plan, plan), (.zone, timeZone), (.pool, pool), (.contact, contact)] {
            if let value { changes[setting] = value }
        }
        return changes
    }
}

extension ArgumentHelp {
    /// Help out of the one table.
    static func setting(_ setting: TenantSetting) -> ArgumentHelp {
        ArgumentHelp("\(setting.text)", valueName: setting.form)
    }
}

extension ArgumentText {
    /// How a setting's text is read, for an option of the command line.
    static func setting(_ setting: TenantSetting) -> @Sendable (String) throws -> TenantValue {
        { try value(of: setting, $0) }
    }

    /// A setting's value as operators write it, on the command line and in files; `inherit` gives it back.
    static func value(of setting: TenantSetting, _ text: String) throws -> TenantValue {
        if text == "inherit", setting.isInheritable { return .inherit }
        switch setting.kind {
        case .count(let range, let endless):
            if text == "unlimited", endless { return .unlimited }
            if let number = Int(plainDigits: text), range.contains(Int64(number)) { return .number(Int64(number)) }
            throw ArgumentProblem("expected a whole number \(span(range, text))" + ending(text, endless))
        case .octets(let range, let endless):
            if text == "unlimited", endless { return .unlimited }
            if let size = ByteSize(parsing: text), range.contains(Int64(size.bytes)) {
                return .number(Int64(size.bytes))
            }
            let sizes = endless ? "expected a size like 10GiB" : "expected a size from 1KiB to 256MiB, like 25MiB"
            throw ArgumentProblem(sizes + ending(text, endless))
        case .proposal(let range, let inOctets):
            if text == "none" { return .none }
            let number = inOctets ? ByteSize(parsing: text)?.bytes : Int(plainDigits: text)
            if let number, range.contains(Int64(number)) { return .number(Int64(number)) }
            throw ArgumentProblem(
                "expected \(inOctets ? "a size like 10GiB" : "a whole number \(span(range, text))"), "
                    + "or `none` for no proposal")
        case .word(let words):
            guard words.contains(text) else { throw ArgumentProblem("expected \(words.joined(separator: " or "))") }
            return .text(text)
        case .flag: return .flag(try onOff(text))
        case .percents: return .percents(try percents(text))
        case .name(let canBeNone):
            if text == "none", canBeNone { return .none }
            return .text(try name(of: setting, text))
        }
    }

    /// `from 1 to 100`. A bound that nobody comes near is told only to who went beyond it.
    static func span(_ range: ClosedRange<Int64>, _ text: String) -> String {
        let isNumber = !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
        let isBeyond = isNumber && (Int64(text).map { $0 > range.upperBound } ?? true)
        let isTold = isBeyond || range.upperBound < 999_999_999_999_999_999
        return "from \(range.lowerBound)" + (isTold ? " to \(range.upperBound)" : "")
    }

    private static func ending(_ text: String, _ endless: Bool) -> String {
        guard endless else { return text == "unlimited" ? "; this limit always has an end" : "" }
        return ", or `unlimited`" + (text == "0" || text == "-1" ? ": the word; 0 and -1 are not taken for it" : "")
    }

    private static func percents(_ text: String) throws -> [Int] {
        if text == "none" { return [] }
        let percents = text.split(separator: ",", omittingEmptySubsequences: false).map { Int(plainDigits: $0) }
        guard percents.allSatisfy({ $0.map { (1...100).contains($0) } ?? false }) else {
            throw ArgumentProblem("expected percents from 1 to 100 apart by commas, like 50,80,100, or `none`")
        }
        return Set(percents.compactMap { $0 }).sorted()
    }

    private static func name(of setting: TenantSetting, _ text: String) throws -> String {
        switch setting {
        case .zone: return try timeZone(text)
        case .contact:
            guard let mailbox = try? Mailbox(parsing: text), mailbox.domain.name.contains(".") else {
                throw ArgumentProblem("expected a mail address, like ops@acme.example, or `none`")
            }
            return text
        default: return try slug(text)
        }
    }
}

extension Show {
    /// A setting's value as operators write it; what `ArgumentText.value` reads as the same.
    static func value(_ value: TenantValue, of setting: TenantSetting) -> String {
        switch value {
        case .inherit: "inherit"
        case .unlimited: "unlimited"
        case .none: "none"
        case .flag(let flag): onOff(flag)
        case .text(let text): text
        case .percents(let percents):
            percents.isEmpty ? "none" : percents.map(String.init).joined(separator: ",")
        case .number(let number):
            switch setting.kind {
            case .octets, .proposal(_, inOctets: true): size(number)
            case .count, .proposal, .word, .flag, .percents, .name: String(number)
            }
        }
    }
}
