import ArgumentParser
import Postgres
import Tenancy

/// `gatepost credential …`: what applications log in with.
struct CredentialCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "credential", abstract: "What applications log in with.",
        discussion: """
            Examples:
              gatepost credential issue acme --label "web shop"
              gatepost credential list acme
              gatepost credential rotate acme.k7m2q9 --grace 72h
              gatepost credential revoke acme.k7m2q9 --yes
            """,
        subcommands: [Issue.self, List.self, ShowOne.self, Rotate.self, Revoke.self])

    struct Issue: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "issue", abstract: "Make a user name and a secret.",
            discussion: """
                The secret is shown once and kept nowhere: the database has what is needed to check it, no more.

                With --for it is followed by settings to paste into that client, with this node's host name and port.

                Examples:
                  gatepost credential issue acme --label "web shop" --for django
                  gatepost credential issue acme --daily 100 --network 192.0.2.0/24 --expires 90d
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.slug) var tenant: String
        @Option(
            help: ArgumentHelp("Recipients a day, beside the tenant's own cap.", valueName: "n|unlimited"),
            transform: ArgumentText.limit)
        var daily: Limit?
        @Option(help: "What it is for, in your words.", transform: ArgumentText.line) var label: String?
        @Option(
            help: ArgumentHelp("Where its clients must come from; may be repeated.", valueName: "cidr"),
            transform: ArgumentText.network)
        var network: [String] = []
        @Option(help: ArgumentHelp("When it ends: 90d, 2027-01-31, …", valueName: "time")) var expires: String?
        @Option(
            name: .customLong("for"),
            help: ArgumentHelp(
                "Settings for swaks, curl, django, rails, nodemailer, laravel, spring, msmtp or postfix.",
                valueName: "client"))
        var client: Snippet?

        func validate() throws { _ = try expiry() }

        private func expiry() throws -> Instant? {
            do {
                return try expires.map { try ArgumentText.expiry($0, now: .now) }
            } catch let problem as ArgumentProblem {
                throw ValidationError(
                    "The value '\(expires ?? "")' is invalid for '--expires <time>': \(problem.description)")
            }
        }

        func run() async throws {
            try await Desk.sit(common, about: .tenant(tenant)) { desk in
                var terms = Administration.CredentialTerms()
                terms.label = label
                terms.daily = daily
                terms.networks = network
                terms.expiresAt = try expiry()
                let (username, secret) = try await desk.administration.issueCredential(for: tenant, terms)
                var cap: Int64?
                if case .of(let number)? = daily { cap = number }
                let snippet = try await client?.text(desk.place(username, tenant))
                desk.output.show(
                    [
                        "username": .string(username), "secret": .string(secret.exposed), "tenant": .string(tenant),
                        "label": .string(label), "daily": .number(cap), "networks": .strings(network),
                        "expires_at": terms.expiresAt.json, "settings": .string(snippet),
                    ],
                    Table.properties(["username": username, "secret": secret.exposed])
                        + (snippet.map { "\n" + $0 } ?? ""))
                desk.output.note("The secret is not shown again. Try it: port 587, STARTTLS, SCRAM-SHA-256 or PLAIN.")
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "A tenant's credentials, oldest first; never a secret.",
            discussion: """
                Example:
                  gatepost credential list acme
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.slug) var tenant: String

        func run() async throws {
            try await Desk.sit(common, about: .tenant(tenant)) { desk in
                desk.output.list(
                    try await desk.administration.credentials(of: tenant),
                    [.key("CREDENTIAL"), .left("STATE"), .right("DAILY"), .left("LAST USED"), .left("LABEL")],
                    empty: "no credentials yet; make one with `gatepost credential issue \(tenant)`", json: \.json
                ) { credential in
                    [
                        credential.name, credential.state(at: .now), Show.limit(credential.daily), credential.lastUsed,
                        credential.label ?? "",
                    ]
                }
            }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "revoke", abstract: "End a credential, for good.",
            discussion: """
                When it returns, nothing more is accepted with it, on no node, not even what was under way; open \
                sessions end. There is no way back: issue another.

                Example:
                  gatepost credential revoke acme.k7m2q9 --reason "found in a repository" --yes
                """)

        @OptionGroup var common: CommonOptions
        @OptionGroup var confirmation: Confirmation
        @Argument(transform: ArgumentText.credential) var credential: String
        @Option(help: "Why; clients that log in with it are told.", transform: ArgumentText.line) var reason: String?

        func run() async throws {
            try await Desk.sit(common, about: .credential(credential)) { desk in
                if !confirmation.yes {
                    let record = try await desk.administration.credential(credential)
                    try confirmation.ask("Revoke \(credential) for good (last used: \(record.lastUsed.printable))")
                }
                let changed = try await desk.administration.revokeCredential(credential, reason: reason)
                let record = try await desk.administration.credential(credential)
                desk.output.show(
                    record.json,
                    changed ? "credential \(credential) revoked\n" : "credential \(credential) was revoked already\n")
            }
        }
    }
}

extension Desk {
    /// Where this node's clients connect, and an address the tenant may send as.
    fileprivate func place(_ username: String, _ tenant: String) async throws -> Snippet.Place {
        let domain = try await administration.domains(of: tenant).first { $0.verifiedAt != nil }?.domain
        return Snippet.Place(
            host: settings.submission.hostname, port: settings.submission.listen.first?.port ?? 587,
            tlsPort: settings.submission.listenTLS.first?.port,
            username: username, sender: "app@\(domain ?? "YOUR-DOMAIN")")
    }
}

extension CredentialRecord {
    func state(at now: Instant) -> String {
        if revokedAt != nil { return "revoked" }
        if let expiresAt, expiresAt <= now { return "expired" }
        return "active"
    }

    var lastUsed: String {
        guard let usedAt else { return "never" }
        return Show.ago(usedAt.microseconds) + (usedFrom.map { " from \($0)" } ?? "")
    }

    var json: JSON {
        [
            "credential": .string(name), "tenant": .string(tenant), "state": .string(state(at: .now)),
            "label": .string(label), "daily": .number(daily), "networks": .strings(networks),
            "logins": .strings(logins), "expires_at": expiresAt.json, "revoked_at": revokedAt.json,
            "revoked_reason": .string(revokedReason), "created_at": createdAt.json, "used_at": usedAt.json,
            "used_from": .string(usedFrom),
        ]
    }
}
