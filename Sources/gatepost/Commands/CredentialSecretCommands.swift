import ArgumentParser
import Postgres
import Tenancy

extension CredentialCommands {
    struct ShowOne: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "One credential: its limits, its use, its logins; never a secret.",
            discussion: """
                Example:
                  gatepost credential show acme.k7m2q9
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.credential) var credential: String

        func run() async throws {
            try await Desk.sit(common, about: .credential(credential)) { desk in
                let record = try await desk.administration.credential(credential)
                let logins = try await desk.administration.logins(of: credential)
                let used =
                    try await desk.administration.usage(of: record.tenant)
                    .first { $0.scope == "credential" && $0.credential == credential }?.used ?? 0
                desk.output.show(
                    record.detailJSON(logins, usedToday: used), record.detailText(logins, usedToday: used))
            }
        }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rotate", abstract: "Give a credential a new secret; the old one goes on for a while.",
            discussion: """
                The new secret has a login name of its own, acme.k7m2q9.2: put both into the application. Until the \
                grace has passed, by the database's clock, the old one works too. Caps, networks and usage are the \
                credential's and stay one; a revocation ends every secret. `credential show` tells which is still used.

                Examples:
                  gatepost credential rotate acme.k7m2q9 --grace 72h
                  gatepost credential rotate acme.k7m2q9 --now --yes
                """)

        @OptionGroup var common: CommonOptions
        @OptionGroup var confirmation: Confirmation
        @Argument(transform: ArgumentText.credential) var credential: String
        @Option(
            help: ArgumentHelp("How long the older secrets go on: 72h, 7d, …", valueName: "duration"),
            transform: ArgumentText.grace)
        var grace: Duration = .seconds(72 * 3600)
        @Flag(help: "No grace: the older secrets end at once.") var now = false

        func run() async throws {
            try await Desk.sit(common, about: .credential(credential)) { desk in
                if now { try confirmation.ask("End the present secrets of \(credential) at once") }
                let rotation = try await desk.administration.rotateCredential(
                    credential, grace: now ? .zero : grace)
                desk.output.show(
                    [
                        "credential": .string(credential), "username": .string(rotation.username),
                        "secret": .string(rotation.secret.exposed), "older_end": rotation.olderEnd.json,
                    ],
                    Table.properties([
                        "username": rotation.username, "secret": rotation.secret.exposed,
                        "older end": Show.time(rotation.olderEnd?.microseconds),
                    ]))
                desk.output.note("The secret is not shown again. Both the user name and the secret are new.")
            }
        }
    }
}

extension CredentialRecord {
    fileprivate func detailJSON(_ logins: [LoginRecord], usedToday: Int64) -> JSON {
        guard case .object(let members) = json else { return json }
        return .object(
            members.filter { $0.name != "logins" } + [
                JSON.Member(name: "used_today", value: .number(usedToday)),
                JSON.Member(name: "logins", value: .array(logins.map(\.json))),
            ])
    }

    fileprivate func detailText(_ logins: [LoginRecord], usedToday: Int64) -> String {
        var table = Table([.key("LOGIN"), .left("STATE"), .left("UNTIL"), .left("MADE"), .left("LAST USED")])
        for login in logins {
            table.add([
                login.name, login.state, login.validUntil.map { Show.time($0.microseconds) } ?? "-",
                Show.time(login.createdAt.microseconds), login.lastUsed,
            ])
        }
        return Table.properties([
            "credential": name, "tenant": tenant, "label": label ?? "-", "state": state(at: .now),
            "reason": revokedReason ?? "-", "daily": Show.limit(daily), "used today": String(usedToday),
            "networks": networks.isEmpty ? "any" : networks.joined(separator: ", "),
            "expires": Show.time(expiresAt?.microseconds), "made": Show.time(createdAt.microseconds),
            "last used": lastUsed,
        ]) + "\n" + table.text(for: .output)
    }
}

extension LoginRecord {
    fileprivate var state: String { validUntil.map { $0 <= .now } ?? false ? "ended" : "valid" }

    fileprivate var lastUsed: String {
        guard let usedAt else { return "never" }
        return Show.ago(usedAt.microseconds) + (usedFrom.map { " from \($0)" } ?? "")
    }

    fileprivate var json: JSON {
        [
            "login": .string(name), "state": .string(state), "valid_until": validUntil.json,
            "created_at": createdAt.json, "used_at": usedAt.json, "used_from": .string(usedFrom),
        ]
    }
}
