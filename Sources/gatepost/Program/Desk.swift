import Foundation
import Postgres
import Tenancy

/// An operator's command at work: the settings, the database, and errors in the operator's words.
struct Desk: Sendable {
    let settings: Settings
    let administration: Administration
    let output: Output
    let database: DatabaseConfiguration
    let role: DatabaseRole

    /// What a command is about, so that "not found" can say what is near.
    enum Subject {
        case tenant(String)
        case credential(String)
        case pool(String)
        case plan(String)
        case other
    }

    /// Runs a command's body with a connection in a role, the admin's as a rule.
    static func sit(
        _ common: CommonOptions, about subject: Subject = .other, as role: DatabaseRole = .admin,
        _ body: (Desk) async throws -> Void
    ) async throws {
        let settings = try common.settings()
        let database = try settings.database(as: role)
        let user = OperatingSystemUser.current(environment: ProcessInfo.processInfo.environment)
        let desk = Desk(
            settings: settings, administration: Administration(DatabaseConnection(database), user: user),
            output: Output(isJSON: common.json), database: database, role: role)
        do {
            try await body(desk)
        } catch let error as AdministrationError {
            throw await desk.failure(error, about: subject)
        }
    }

    func failure(_ error: AdministrationError, about subject: Subject) async -> Failure {
        switch error {
        case .notFound(let message): await notFound(message.printable, subject)
        case .taken(let message): Failure(message.printable, hint: takenHint(subject, message))
        case .invalid(let message): Failure(message.printable, hint: await invalidHint(message), .usage)
        case .denied(let message):
            Failure(
                "the database does not let this role do it: \(message.printable)",
                hint: "set \(role.key) to a connection as gatepost_\(role) (now: \("\(database)".printable))", .denied)
        case .loginRefused(let message): .loginRefused(message, database, role.key)
        case .schemaMissing(let message):
            Failure(
                "the database has no schema of this version: \(message.printable)",
                hint: "bring it up to date with `gatepost migrate`")
        case .unreachable(let message):
            Failure(
                "the database is not reachable: \(message.printable)",
                hint: "\(changes); \(Failure.connectionHint(message, database, role.key))", .unavailable)
        case .outcomeUnknown(let message):
            Failure(
                "outcome unknown: the connection was lost before the database answered (\(message.printable))",
                hint: "the change may or may not have been made; give the same command again once the database is back",
                .unavailable)
        case .busy(let message):
            Failure("the database is busy: \(message.printable)", hint: "\(changes); try again", .unavailable)
        case .failed(let message): Failure(message.printable)
        }
    }

    private var changes: String {
        administration.hasChanged
            ? "a change was made before that, and stays: look at what is there before you give the command again"
            : "nothing was changed"
    }

    private func takenHint(_ subject: Subject, _ message: String) -> String? {
        switch subject {
        case .tenant(let slug) where message.contains("deleted"): "`gatepost tenant show \(slug)`"
        case .tenant where message.hasPrefix("the login"):
            "whoever it was granted for gives it back: `gatepost tenant report-login OTHER --role ROLE --remove`"
        case .tenant(let slug): "its limits are changed with `gatepost tenant set \(slug)`"
        case .plan(let name): "its limits are changed with `gatepost plan set \(name)`"
        case .credential, .pool, .other: nil
        }
    }

    /// What is missing may be another thing than the command's subject: a tenant's new pool.
    private func notFound(_ message: String, _ subject: Subject) async -> Failure {
        do {
            switch subject {
            case .tenant(let slug):
                if message == "the tenant \"\(slug)\" is deleted" {
                    return Failure(message, hint: "`gatepost tenant export \(slug)` has what is kept of it")
                }
                let slugs = try await administration.slugs(like: slug)
                if slugs.contains(slug) || !message.hasPrefix("no tenant") { break }
                return Failure(
                    "no tenant `\(slug.printable)`", hint: hint(slug, slugs, "`gatepost tenant list` lists them"))
            case .credential(let name):
                let slug = String(name.prefix { $0 != "." })
                guard try await administration.hasTenant(slug) else {
                    return Failure(
                        "no credential `\(name.printable)`",
                        hint: "credentials are named like acme.k7m2q9; "
                            + "`gatepost tenant list` lists the tenants")
                }
                let names = try await administration.credentialNames(of: slug)
                if names.contains(name) { break }
                // Logs and clients have the names of logins, and what is done to the credential is done to all of them.
                if let owner = names.first(where: { name.hasPrefix("\($0).") }) {
                    return Failure(
                        "no credential `\(name.printable)`: logins of the credential `\(owner)` are named like that",
                        hint: "`gatepost credential show \(owner)` lists them; one of a certificate ends with "
                            + "`credential certificate remove`, older secrets with `credential rotate --now`")
                }
                return Failure(
                    "no credential `\(name.printable)`",
                    hint: hint(name, names, "list the tenant's with `gatepost credential list \(slug)`"))
            case .pool(let name):
                let names = try await administration.pools().map(\.name)
                if names.contains(name) { break }
                return Failure(
                    "no pool `\(name.printable)`", hint: hint(name, names, "`gatepost pool list` lists them"))
            case .plan(let name):
                let names = try await administration.plans().map(\.name)
                if names.contains(name) { break }
                return Failure(
                    "no plan `\(name.printable)`", hint: hint(name, names, "`gatepost plan list` lists them"))
            case .other: break
            }
            if let pool = message.quoted(after: "no relay pool ") {
                let names = try await administration.pools().map(\.name)
                return Failure(message, hint: hint(pool, names, "`gatepost pool list` lists them"))
            }
            if let plan = message.quoted(after: "no plan ") {
                let names = try await administration.plans().map(\.name)
                return Failure(message, hint: hint(plan, names, "`gatepost plan list` lists them"))
            }
        } catch {
            // The first error says enough.
        }
        return Failure(message)
    }

    /// What would have been right in place of a value that only the database can judge.
    private func invalidHint(_ message: String) async -> String? {
        if let zone = message.quoted(after: "no time zone ") {
            let zones = (try? await administration.timeZones()) ?? []
            let isSame = { (other: String) in other.lowercased() == zone.lowercased() }
            let near = zones.first(where: isSame) ?? zones.nearest(to: zone)
            return (near.map { "did you mean `\($0)`? " } ?? "") + "zones have IANA names, like Europe/Brussels or UTC"
        }
        if message.hasPrefix("contact cannot be ") { return "a contact is an address, like ops@acme.example, or none" }
        return nil
    }

    private func hint(_ word: String, _ known: [String], _ otherwise: String) -> String {
        known.nearest(to: word).map { "did you mean `\($0)`? " + otherwise } ?? otherwise
    }
}

/// For a command that goes on until Ctrl-C: a database that is away for a while does not end it, once it was there.
struct Patience {
    private let desk: Desk
    private var wasThere = false
    private var isAway = false

    init(_ desk: Desk) { self.desk = desk }

    /// Nil while the database is away, which is said once; what else goes wrong, or goes wrong at first, is thrown.
    mutating func attempt<Value>(_ body: () async throws -> Value) async throws -> Value? {
        do {
            let value = try await body()
            if isAway { write("the database is back\n", to: STDERR_FILENO) }
            (wasThere, isAway) = (true, false)
            return value
        } catch let error as AdministrationError {
            guard wasThere else { throw error }
            switch error {
            case .unreachable, .outcomeUnknown, .busy: break
            default: throw error
            }
            if !isAway {
                let failure = await desk.failure(error, about: .other)
                write("\(failure.message); trying again until it is back\n", to: STDERR_FILENO)
            }
            isAway = true
            return nil
        }
    }
}

extension Failure {
    /// What helps where no connection came to be, in libpq's words: it has no SQLSTATE (3D000) for them.
    static func connectionHint(_ message: String, _ database: DatabaseConfiguration, _ key: String) -> String {
        let place = "\("\(database)".printable)"
        if message.contains("database \"") && message.contains("does not exist") {
            return "the server is up and has no such database: make it (`createdb`), or name another in \(key) "
                + "(now: \(place))"
        }
        if message.contains("session is read-only") {
            return "the server is up and takes no changes: a standby, or default_transaction_read_only is on; name the "
                + "primary in \(key) (now: \(place))"
        }
        if message.contains("too many connections") || message.contains("too many clients")
            || message.contains("connection slots are reserved")
        {
            return
                "the server is up and has no connection left for this role: max_connections, or the role's own limit "
                + "(\(key), now: \(place))"
        }
        return "is PostgreSQL up at \(place)? (\(key))"
    }

    /// PostgreSQL is there, and does not take the user that the connection names.
    static func loginRefused(_ message: String, _ database: DatabaseConfiguration, _ key: String) -> Failure {
        Failure(
            "the database does not let this user in: \(message.printable)",
            hint: message.contains("does not exist")
                ? "`gatepost migrate` makes the roles, as a role that may (database.owner-url)"
                : "user and password are \(key)'s (now: \("\(database)".printable)), who may log in from where "
                    + "PostgreSQL's pg_hba.conf says",
            .denied)
    }
}

extension String {
    /// The name between the quotes that follow these words; nil where it does not begin with them.
    fileprivate func quoted(after words: String) -> String? {
        guard hasPrefix(words) else { return nil }
        return String(dropFirst(words.count).drop { $0 == "\"" }.prefix { $0 != "\"" })
    }
}

extension Instant {
    var json: JSON { .string(UTCTime(microseconds: microseconds).secondsText) }
}

extension Instant? {
    var json: JSON { self?.json ?? .null }
}
