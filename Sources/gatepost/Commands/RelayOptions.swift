import ArgumentParser
import Postgres
import Tenancy

/// What a relay is to be, for `relay add` and `relay set`.
struct RelayOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "lmtp, Gatepost's own relays; smtp, any smarthost. Default of a new one: lmtp.", valueName: "lmtp|smtp"),
        transform: ArgumentText.relayProtocol)
    var `protocol`: String?
    @Option(
        help: ArgumentHelp(
            """
            none; opportunistic, unverified; require, unverified; verify, its certificate names the host; mutual, by the \
            pool's authority, and ours is shown. Default of a new one: mutual for lmtp, verify for smtp.
            """, valueName: "none|opportunistic|require|verify|mutual"),
        transform: ArgumentText.relayTLS)
    var tls: String?
    @Option(
        help: ArgumentHelp("Its share beside the other members', 1 to 1000. Default: 1.", valueName: "n"),
        transform: ArgumentText.weight)
    var weight: Int64?
    @Option(
        help: ArgumentHelp(
            "Connections from each node, 1 to 1000, or `default`: forwarder.connections-per-member.", valueName: "n"),
        transform: ArgumentText.connections)
    var connections: RelayTerms.Setting<Int64>?
    @Option(
        help: ArgumentHelp("The name its certificate must have, or `default`: its host.", valueName: "name"),
        transform: ArgumentText.serverName)
    var serverName: RelayTerms.Setting<String>?
    @Option(
        help: ArgumentHelp("Log in there as this user; needs --password-file. `none`: without.", valueName: "name"),
        transform: ArgumentText.relayUser)
    var username: RelayTerms.Setting<String>?
    @Option(
        help: ArgumentHelp("File (mode 0600) with the password in its first line; - is the input.", valueName: "path"))
    var passwordFile: String?

    func validate() throws {
        if case .value? = username, passwordFile == nil {
            throw ValidationError("--username needs --password-file (a path, or - for the standard input)")
        }
        if passwordFile != nil {
            guard case .value? = username else { throw ValidationError("--password-file needs --username") }
        }
    }

    func terms() throws(Failure) -> RelayTerms {
        var terms = RelayTerms()
        (terms.wire, terms.tls, terms.weight) = (`protocol`, tls, weight)
        (terms.connections, terms.serverName, terms.username) = (connections, serverName, username)
        if let passwordFile {
            do {
                terms.password = try passwordFile == "-" ? Self.inputLine() : readSecretFile(passwordFile)
            } catch {
                throw Failure("\(error.path.printable): \(error.reason)", error.isOpen ? .denied : .failed)
            }
        }
        return terms
    }

    private static func inputLine() throws(FileReadError) -> String {
        guard let line = readLine(), !line.isEmpty else {
            throw FileReadError(path: "-", reason: "has no secret in its first line")
        }
        return line
    }
}

extension ArgumentText {
    static func relayProtocol(_ text: String) throws -> String { try word(text, of: ["lmtp", "smtp"]) }

    static func relayTLS(_ text: String) throws -> String {
        try word(text, of: ["none", "opportunistic", "require", "verify", "mutual"])
    }

    static func connections(_ text: String) throws -> RelayTerms.Setting<Int64> {
        text == "default" ? .none : .value(try weight(text))
    }

    static func serverName(_ text: String) throws -> RelayTerms.Setting<String> {
        if text == "default" { return .none }
        guard HostPort.isHostName(text) else { throw ArgumentProblem("expected a host name, or `default`") }
        return .value(text)
    }

    static func relayUser(_ text: String) throws -> RelayTerms.Setting<String> {
        text == "none" ? .none : .value(try line(text))
    }

    private static func word(_ text: String, of words: [String]) throws -> String {
        guard words.contains(text) else { throw ArgumentProblem("expected \(words.joined(separator: ", "))") }
        return text
    }

    /// How long an old secret goes on.
    static func grace(_ text: String) throws -> Duration {
        guard let grace = Duration(parsing: text), grace >= .seconds(1), grace <= .seconds(366 * 86_400) else {
            throw ArgumentProblem("expected a duration from 1s to 366d, like 72h; --now is none at all")
        }
        return grace
    }

    static func lines(_ text: String) throws -> Int64 {
        guard let number = Int(plainDigits: text), (1...1_000_000_000).contains(number) else {
            throw ArgumentProblem("expected a whole number from 1")
        }
        return Int64(number)
    }

    /// A duration back from now, a day (its beginning in UTC) or an instant with its offset.
    static func past(_ text: String, now: Instant) throws -> Instant {
        let moment = Duration(parsing: text).map { now.advanced(by: .zero - $0) } ?? Instant(iso8601: text)
        guard let moment else {
            throw ArgumentProblem("expected a duration like 7d, or a time like 2026-11-01 or 2026-11-01T18:00:00+01:00")
        }
        return moment
    }
}
