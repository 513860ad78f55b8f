import ArgumentParser
import Postgres
import SMTP
import Tenancy

/// A flag for everything a credential may be told, for `credential issue` and `credential set`.
struct CredentialOptions: ParsableArguments {
    @Option(help: "What it is for, in your words; '' for none.", transform: ArgumentText.label) var label: String?
    @Option(
        help: ArgumentHelp("test: what it sends is accepted, counted apart, never forwarded.", valueName: "live|test"),
        transform: ArgumentText.mode)
    var mode: CredentialTerms.Mode?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Recipients a day, beside the tenant's own cap.", valueName: "n|unlimited"),
        transform: ArgumentText.limit)
    var daily: Limit?
    @Option(
        parsing: .unconditional, help: ArgumentHelp("Recipients a month.", valueName: "n|unlimited"),
        transform: ArgumentText.limit)
    var monthly: Limit?
    @Option(
        parsing: .unconditional, help: ArgumentHelp("Recipients a minute.", valueName: "n|unlimited"),
        transform: ArgumentText.rate)
    var rate: Limit?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Recipients at once within the rate. Default: the rate.", valueName: "n"),
        transform: ArgumentText.burst)
    var burst: Int64?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Octets of messages a day (MiB, GiB).", valueName: "size|unlimited"),
        transform: ArgumentText.byteLimit)
    var bytesDaily: Limit?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Largest message (KiB, MiB).", valueName: "size|unlimited"),
        transform: ArgumentText.messageSizeLimit)
    var messageSize: Limit?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Recipients in one message.", valueName: "n|unlimited"),
        transform: ArgumentText.recipientLimit)
    var recipientsPerMessage: Limit?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Sessions at a time on each node.", valueName: "n|unlimited"),
        transform: ArgumentText.sessions)
    var sessions: Limit?
    @Option(
        help: ArgumentHelp("Where its clients must come from; may be repeated; `any`.", valueName: "cidr"),
        transform: ArgumentText.networkOrAny)
    var network: [String] = []
    @Option(
        help: ArgumentHelp(
            "What it may send as, within the tenant's domains; may be repeated; `any` of them.",
            valueName: "address|domain"),
        transform: ArgumentText.senderOrAny)
    var sender: [String] = []
    @Option(
        help: ArgumentHelp(
            "How it may log in: SCRAM (both kinds), SCRAM-SHA-256-PLUS, SCRAM-SHA-256, PLAIN, LOGIN, EXTERNAL; may be "
                + "repeated; `any`.", valueName: "name"),
        transform: ArgumentText.mechanism)
    var mechanism: [[String]] = []
    @Option(help: ArgumentHelp("When it begins: 2d, 2027-01-31T18:00Z, …; `now`.", valueName: "time"))
    var notBefore: String?
    @Option(help: ArgumentHelp("When it ends: 90d, 2027-01-31, …; `never`.", valueName: "time")) var expires: String?

    func validate() throws {
        if burst != nil, rate == .unlimited { throw ValidationError("--burst needs a --rate that is a number") }
        for (name, values) in [("network", network), ("sender", sender), ("mechanism", mechanism.flatMap(\.self))]
        where values.contains("any") && values.count > 1 {
            throw ValidationError("--\(name) any goes without another --\(name)")
        }
        _ = try terms()
    }

    func terms() throws -> CredentialTerms {
        var terms = CredentialTerms()
        (terms.label, terms.mode, terms.daily, terms.monthly) = (label, mode, daily, monthly)
        (terms.rate, terms.burst, terms.bytesDaily, terms.messageSize) = (rate, burst, bytesDaily, messageSize)
        (terms.recipientsPerMessage, terms.sessions) = (recipientsPerMessage, sessions)
        terms.networks = Self.set(network)
        terms.senders = Self.set(sender)
        terms.mechanisms = Self.set(mechanism.flatMap(\.self))
        terms.notBefore = try Self.time(notBefore, "not-before", ArgumentText.beginning)
        terms.expires = try Self.time(expires, "expires", ArgumentText.end)
        return terms
    }

    /// nil: not named; empty: any.
    private static func set(_ values: [String]) -> [String]? {
        values.isEmpty ? nil : values == ["any"] ? [] : values
    }

    private static func time(
        _ text: String?, _ name: String, _ understood: (String, Instant) throws -> Setting<Instant>
    ) throws -> Setting<Instant>? {
        guard let text else { return nil }
        do {
            return try understood(text, .now)
        } catch let problem as ArgumentProblem {
            throw ValidationError("The value '\(text)' is invalid for '--\(name) <time>': \(problem.description)")
        }
    }
}

extension ArgumentText {
    static func label(_ text: String) throws -> String { text.isEmpty ? "" : try line(text) }

    static func mode(_ text: String) throws -> CredentialTerms.Mode {
        guard let mode = CredentialTerms.Mode(rawValue: text) else { throw ArgumentProblem("expected live or test") }
        return mode
    }

    static func byteLimit(_ text: String) throws -> Limit {
        if text == "unlimited" { return .unlimited }
        guard let size = ByteSize(parsing: text) else {
            throw ArgumentProblem("expected a size from 1B, like 500MiB, or `unlimited`")
        }
        return .of(Int64(size.bytes))
    }

    static func messageSizeLimit(_ text: String) throws -> Limit {
        if text == "unlimited" { return .unlimited }
        guard let size = ByteSize(parsing: text), (1024...268_435_456).contains(size.bytes) else {
            throw ArgumentProblem("expected a size from 1KiB to 256MiB, like 10MiB, or `unlimited`: the tenant's then")
        }
        return .of(Int64(size.bytes))
    }

    static func recipientLimit(_ text: String) throws -> Limit {
        if text == "unlimited" { return .unlimited }
        guard let number = Int(plainDigits: text), (1...100_000).contains(number) else {
            throw ArgumentProblem("expected a whole number from 1 to 100000, or `unlimited`: the tenant's then")
        }
        return .of(Int64(number))
    }

    static func networkOrAny(_ text: String) throws -> String { text == "any" ? text : try network(text) }

    static func senderOrAny(_ text: String) throws -> String { text == "any" ? text : try sender(text) }

    /// An address, its domain as A-label in lower case and its local part as it is, or a domain.
    static func sender(_ text: String) throws -> String {
        guard !text.contains("*") else {
            throw ArgumentProblem("there are no wildcards: a domain stands for every address in it")
        }
        guard text.contains("@") else { return try domain(text) }
        guard let mailbox = try? Mailbox(parsing: text), mailbox.domain.name.contains(".") else {
            throw ArgumentProblem("expected an address like app@acme.example, or a domain like acme.example")
        }
        return mailbox.description
    }

    static func mechanism(_ text: String) throws -> [String] {
        switch text.uppercased() {
        case "ANY": return ["any"]
        case "SCRAM": return ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]
        case "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN", "EXTERNAL": return [text.uppercased()]
        default:
            throw ArgumentProblem(
                "expected SCRAM, SCRAM-SHA-256-PLUS, SCRAM-SHA-256, PLAIN, LOGIN or EXTERNAL")
        }
    }

    /// One that a client logs in with.
    static func oneMechanism(_ text: String) throws -> String {
        guard let known = try? mechanism(text), known == [text.uppercased()] else {
            throw ArgumentProblem("expected SCRAM-SHA-256-PLUS, SCRAM-SHA-256, PLAIN, LOGIN or EXTERNAL")
        }
        return text.uppercased()
    }

    static func end(_ text: String, now: Instant) throws -> Setting<Instant> {
        text == "never" ? .none : .value(try expiry(text, now: now))
    }

    static func beginning(_ text: String, now: Instant) throws -> Setting<Instant> {
        if text == "now" { return .none }
        guard let beginning = Duration(parsing: text).map(now.advanced(by:)) ?? Instant(iso8601: text) else {
            throw ArgumentProblem("expected a duration like 2d, or a time like 2027-01-31T18:00:00+01:00, or `now`")
        }
        return .value(beginning)
    }

    /// A client's address.
    static func clientAddress(_ text: String) throws -> String {
        guard Network.octets(of: text) != nil else {
            throw ArgumentProblem("expected an address like 192.0.2.7 or 2001:db8::7")
        }
        return text
    }
}
