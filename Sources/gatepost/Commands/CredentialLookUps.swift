import ArgumentParser
import Postgres
import Tenancy

extension CredentialCommands {
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Credentials, a tenant's or all, oldest first; never a secret.",
            discussion: """
                They are read and shown page by page: any number of them takes the same memory.

                Examples:
                  gatepost credential list acme
                  gatepost credential list --unused-for 30d
                  gatepost credential list --tenant acme --expires-within 14d --json
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.slug) var name: String?
        @Option(help: "Only this tenant's.", transform: ArgumentText.slug) var tenant: String?
        @Option(
            help: ArgumentHelp("Only those nobody has logged in with for so long.", valueName: "duration"),
            transform: ArgumentText.span)
        var unusedFor: Duration?
        @Option(
            help: ArgumentHelp("Only those that end within so long.", valueName: "duration"),
            transform: ArgumentText.span)
        var expiresWithin: Duration?

        /// Rows asked for at a time.
        private static let pageSize: Int64 = 500

        func validate() throws {
            if let name, let tenant, name != tenant { throw ValidationError("one tenant, or none for all") }
        }

        func run() async throws {
            var filter = CredentialFilter()
            filter.tenant = tenant ?? name
            filter.unusedSince = unusedFor.map { Instant.now.advanced(by: .zero - $0) }
            filter.expiresBefore = expiresWithin.map(Instant.now.advanced(by:))
            let isFiltered = unusedFor != nil || expiresWithin != nil
            let issue = "make one with `gatepost credential issue \(filter.tenant ?? "TENANT")`"
            try await Desk.sit(common, about: filter.tenant.map { .tenant($0) } ?? .other) { desk in
                var last: CredentialRecord?
                while true {
                    let page = try await desk.administration.credentials(
                        filter, pageSize: Self.pageSize, after: last)
                    if last == nil || !page.isEmpty {
                        desk.output.list(
                            page,
                            [
                                .key("CREDENTIAL"), .left("STATE"), .right("DAILY"), .time("EXPIRES"),
                                .time("LAST USED"), .left("LABEL"),
                            ],
                            empty: isFiltered ? "no such credentials" : "no credentials yet; " + issue, json: \.json
                        ) { credential in
                            [
                                credential.name, credential.shownState, Show.limit(credential.daily),
                                Show.time(credential.expiresAt?.microseconds), credential.lastUsed,
                                credential.label ?? "",
                            ]
                        }
                    }
                    guard page.count == Int(Self.pageSize), let final = page.last else { return }
                    last = final
                }
            }
        }
    }

    struct ShowOne: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "One credential: its limits, its use, its logins; never a secret.",
            discussion: """
                Each limit with the credential's own value, the tenant's, and where that comes from: the less of both \
                counts, and both are counted. Of the logins, `idle` is one that nobody has used for a day while there is \
                another: its secret may be let go.

                Example:
                  gatepost credential show acme.k7m2q9
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.credential) var credential: String

        func run() async throws {
            try await Desk.sit(common, about: .credential(credential)) { desk in
                let record = try await desk.administration.credential(credential)
                let details = Details(
                    record: record, logins: try await desk.administration.logins(of: credential),
                    limits: try await desk.administration.limits(of: credential))
                desk.output.show(details.json, details.text)
            }
        }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set", abstract: "Change what a credential may do; what is not named stays.",
            discussion: """
                When it returns, nothing more is accepted by the old terms, not even what was under way; open sessions \
                hear of it at once. What was and what is now is printed.

                Examples:
                  gatepost credential set acme.k7m2q9 --daily 500 --expires 2027-06-30
                  gatepost credential set acme.k7m2q9 --daily unlimited --network any --mode live
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.credential) var credential: String
        @OptionGroup(title: "What it may do") var options: CredentialOptions

        func run() async throws {
            let terms = try options.terms()
            // (Not in `validate`, which comes before what knows of an option that is misspelt.)
            if terms.isEmpty { throw ValidationError("nothing to set: name at least one option, like --daily 300") }
            try await Desk.sit(common, about: .credential(credential)) { desk in
                let changes = try await desk.administration.setCredential(credential, terms)
                let record = try await desk.administration.credential(credential)
                desk.output.show(record.json, Self.text(credential, changes))
            }
        }

        static func text(_ credential: String, _ changes: [Administration.CredentialChange]?) -> String {
            guard let changes else { return "credential \(credential) set\n" }
            guard !changes.isEmpty else { return "credential \(credential) unchanged\n" }
            return "credential \(credential) changed\n"
                + changes.map { change in
                    "  \(change.name): \((change.was ?? "none").printable) -> \((change.becomes ?? "none").printable)\n"
                }.joined()
        }
    }
}

extension CredentialRecord {
    fileprivate var shownState: String { state(at: .now) + (mode == "test" ? " (test)" : "") }
}

/// All that `credential show` has to tell.
private struct Details {
    let record: CredentialRecord
    let logins: [LoginRecord]
    let limits: [CredentialLimit]
    /// Recipients, on the tenant's local day.
    var usedToday: Int64 { limits.first { $0.name == "daily" }?.used ?? 0 }

    var json: JSON {
        guard case .object(let members) = record.json else { return record.json }
        return .object(
            members.filter { $0.name != "logins" } + [
                JSON.Member(name: "used_today", value: .number(usedToday)),
                JSON.Member(
                    name: "limits",
                    value: .array(
                        limits.map { limit in
                            [
                                "limit": .string(limit.name), "own": .number(limit.own),
                                "tenant": .number(limit.tenant), "tenant_from": .string(limit.tenantFrom),
                                "in_force": .number(limit.inForce), "used": .number(limit.used),
                            ]
                        })),
                JSON.Member(
                    name: "logins",
                    value: .array(
                        logins.map { login in
                            [
                                "login": .string(login.name), "state": .string(login.state(at: .now)),
                                "idle": .bool(isIdle(login)), "certificate": .string(login.certificate),
                                "valid_until": login.validUntil.json, "created_at": login.createdAt.json,
                                "used_at": login.usedAt.json, "used_from": .string(login.usedFrom),
                            ]
                        })),
            ])
    }

    /// Valid, not used for a day, and not the only one.
    func isIdle(_ login: LoginRecord) -> Bool {
        let now = Instant.now
        let dayAgo = now.advanced(by: .seconds(-86_400))
        return login.state(at: now) == "valid" && logins.count { $0.state(at: now) == "valid" } > 1
            && login.createdAt < dayAgo && (login.usedAt.map { $0 < dayAgo } ?? true)
    }

    var text: String {
        var limitTable = Table([
            .key("LIMIT"), .right("USED"), .right("OWN"), .right("TENANT"), .left("TENANT'S IS FROM"),
        ])
        for limit in limits {
            limitTable.add([
                limit.name, limit.used.map { shown($0, limit.name) } ?? "", shown(limit.own, limit.name),
                shown(limit.tenant, limit.name), limit.tenantFrom,
            ])
        }
        var loginTable = Table([
            .key("LOGIN"), .left("KIND"), .left("STATE"), .time("UNTIL"), .time("MADE"), .time("LAST USED"),
        ])
        for login in logins {
            loginTable.add([
                login.name, login.certificate == nil ? "secret" : "certificate",
                isIdle(login) ? "valid, idle" : login.state(at: .now),
                login.validUntil.map { Show.time($0.microseconds) } ?? "-", Show.time(login.createdAt.microseconds),
                login.lastUsed,
            ])
        }
        return properties + "\n" + limitTable.text(for: .output) + "\n" + loginTable.text(for: .output)
    }

    private var properties: String {
        Table.properties([
            "credential": record.name, "tenant": record.tenant, "label": record.label ?? "-",
            "state": record.state(at: .now), "reason": record.revokedReason ?? record.suspendedReason ?? "-",
            "mode": record.mode, "used today": String(usedToday),
            "networks": record.networks.isEmpty ? "any" : record.networks.joined(separator: ", "),
            "senders": record.senders.isEmpty ? "any of the tenant's" : record.senders.joined(separator: ", "),
            "mechanisms": record.mechanisms.isEmpty ? "any" : record.mechanisms.joined(separator: ", "),
            "not before": Show.time(record.notBefore?.microseconds),
            "expires": Show.time(record.expiresAt?.microseconds), "made": Show.time(record.createdAt.microseconds),
            "last used": record.lastUsed + (record.usedLogin.map { " as \($0)" } ?? ""),
        ])
    }

    private func shown(_ value: Int64?, _ name: String) -> String {
        guard let value else { return "unlimited" }
        return ["bytes_daily", "message_size"].contains(name) && value > 0 ? Show.size(value) : String(value)
    }
}

extension LoginRecord {
    func state(at now: Instant) -> String { validUntil.map { $0 <= now } ?? false ? "ended" : "valid" }

    var lastUsed: String {
        guard let usedAt else { return "never" }
        return Show.ago(usedAt.microseconds) + (usedFrom.map { " from \($0)" } ?? "")
    }
}

extension ArgumentText {
    /// How long something lasts.
    static func span(_ text: String) throws -> Duration {
        guard let duration = Duration(parsing: text) else { throw ArgumentProblem("expected a duration like 30d") }
        return duration
    }
}
