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
              gatepost credential set acme.k7m2q9 --daily 500 --sender shop@acme.example
              gatepost credential rotate acme.k7m2q9 --grace 72h
              gatepost credential revoke acme.k7m2q9 --yes
            """,
        subcommands: [
            Issue.self, List.self, ShowOne.self, Set.self, Rotate.self, Check.self, Certificate.self, Suspend.self,
            Resume.self, Revoke.self,
        ])

    struct Suspend: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "suspend", abstract: "Take no more mail from a credential, until it is resumed.",
            discussion: """
                When it returns, nothing more is accepted with it, on no node, not even what was under way; open \
                sessions end. What is queued goes on being delivered. `credential resume` undoes it.

                Example:
                  gatepost credential suspend acme.k7m2q9 --reason "sends to a bought list"
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.credential) var credential: String
        @Option(help: "Why; clients that log in with the right secret are told.", transform: ArgumentText.line)
        var reason: String?

        func run() async throws {
            try await Desk.sit(common, about: .credential(credential)) { desk in
                let changed = try await desk.administration.suspendCredential(credential, reason: reason)
                let record = try await desk.administration.credential(credential)
                desk.output.show(
                    record.json,
                    changed
                        ? "credential \(credential) suspended\n" : "credential \(credential) was suspended already\n")
            }
        }
    }

    struct Resume: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "resume", abstract: "Take mail from a suspended credential again.",
            discussion: """
                Example:
                  gatepost credential resume acme.k7m2q9
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.credential) var credential: String

        func run() async throws {
            try await Desk.sit(common, about: .credential(credential)) { desk in
                let changed = try await desk.administration.resumeCredential(credential)
                let record = try await desk.administration.credential(credential)
                desk.output.show(
                    record.json,
                    changed ? "credential \(credential) resumed\n" : "credential \(credential) was not suspended\n")
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
        @Option(help: "Why; `credential show` and the audit have it.", transform: ArgumentText.line) var reason: String?

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

extension CredentialRecord {
    func state(at now: Instant) -> String {
        if revokedAt != nil { return "revoked" }
        if suspendedAt != nil { return "suspended" }
        if let expiresAt, expiresAt <= now { return "expired" }
        if let notBefore, notBefore > now { return "not yet" }
        return "active"
    }

    var lastUsed: String {
        guard let usedAt else { return "never" }
        return Show.ago(usedAt.microseconds) + (usedFrom.map { " from \($0)" } ?? "")
    }

    var json: JSON {
        [
            "credential": .string(name), "tenant": .string(tenant), "state": .string(state(at: .now)),
            "label": .string(label), "mode": .string(mode), "daily": .number(daily), "monthly": .number(monthly),
            "rate": .number(rate), "burst": .number(burst), "bytes_daily": .number(bytesDaily),
            "message_size": .number(messageSize), "recipients_per_message": .number(recipientsPerMessage),
            "sessions": .number(sessions), "networks": .strings(networks), "senders": .strings(senders),
            "mechanisms": .strings(mechanisms), "logins": .strings(logins), "not_before": notBefore.json,
            "expires_at": expiresAt.json, "suspended_at": suspendedAt.json,
            "suspended_reason": .string(suspendedReason), "revoked_at": revokedAt.json,
            "revoked_reason": .string(revokedReason), "created_at": createdAt.json, "used_at": usedAt.json,
            "used_from": .string(usedFrom), "used_login": .string(usedLogin),
        ]
    }
}
