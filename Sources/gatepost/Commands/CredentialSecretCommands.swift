import ArgumentParser
import Postgres
import Tenancy

extension CredentialCommands {
    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rotate", abstract: "Give a credential a new secret; the old one goes on for a while.",
            discussion: """
                The new secret has a login name of its own, acme.k7m2q9.2: put both into the application. Until the \
                grace has passed, by the database's clock, the old one works too. Caps, networks and usage are the \
                credential's and stay one; a revocation ends every secret. `credential show` tells which is still used. \
                Client certificates stay as they are.

                Examples:
                  gatepost credential rotate acme.k7m2q9 --grace 72h
                  gatepost credential rotate acme.k7m2q9 --grace 7d --secret-file secret
                  gatepost credential rotate acme.k7m2q9 --now --yes
                """)

        @OptionGroup var common: CommonOptions
        @OptionGroup var confirmation: Confirmation
        @Argument(transform: ArgumentText.credential) var credential: String
        @Option(
            help: ArgumentHelp("How long the older secrets go on: 7d, … Default: 72h.", valueName: "duration"),
            transform: ArgumentText.grace)
        var grace: Duration?
        @Flag(help: "No grace: the older secrets end at once.") var now = false
        @Option(help: ArgumentHelp("A new file (mode 0600) for the secret, not the screen.", valueName: "path"))
        var secretFile: String?

        func validate() throws {
            if now, grace != nil { throw ValidationError("--now or --grace, not both.") }
        }

        func run() async throws {
            try await Desk.sit(common, about: .credential(credential)) { desk in
                if now { try confirmation.ask("End the present secrets of \(credential) at once") }
                let file = try secretFile.map { try SecretFile(creating: $0) }
                do {
                    let rotation = try await desk.administration.rotateCredential(
                        credential, grace: now ? .zero : grace ?? .seconds(72 * 3600))
                    try file?.write(rotation.secret.exposed + "\n")
                    desk.output.show(
                        [
                            "credential": .string(credential), "username": .string(rotation.username),
                            "secret": .string(file == nil ? rotation.secret.exposed : nil),
                            "older_end": rotation.olderEnd.json,
                            "older": .array(
                                rotation.older.map { ["login": .string($0.login), "ends_at": $0.end.json] }),
                        ],
                        Table.properties([
                            "username": rotation.username,
                            "secret": file.map { "in \($0.path)" } ?? rotation.secret.exposed,
                            "older end": Show.time(rotation.olderEnd?.microseconds),
                        ]))
                    // Which ones that are, where it is more than the one before.
                    for older in rotation.older {
                        desk.output.note("\(older.login) ends \(Show.time(older.end.microseconds))")
                    }
                    desk.output.note("The secret is not shown again. Both the user name and the secret are new.")
                } catch {
                    file?.removeIfEmpty()
                    throw error
                }
            }
        }
    }

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "check", abstract: "Is this secret right, and could it send now? Sends nothing.",
            discussion: """
                The secret is read from --secret-file, else from the terminal, which does not show it, or from a pipe: \
                never from the command line. It is compared inside the database, which gives no verifier out, and is \
                neither printed nor logged. Named by a credential, any of its secrets is right, and the login is told.

                Exit status: 0 right and usable, 1 wrong, 2 right and not usable.

                Examples:
                  gatepost credential check acme.k7m2q9
                  gatepost credential check acme.k7m2q9.2 --secret-file secret --ip 192.0.2.7
                """)

        @OptionGroup var common: CommonOptions
        @Argument(help: "A credential, or one login of it.", transform: ArgumentText.credential) var credential: String
        @Option(
            help: ArgumentHelp("File (mode 0600) with the secret in its first line; - is the input.", valueName: "path")
        )
        var secretFile: String?
        @Option(
            help: ArgumentHelp("Also whether a client may come from here.", valueName: "address"),
            transform: ArgumentText.clientAddress)
        var ip: String?

        func run() async throws {
            var verdict = ExitStatus.done
            try await Desk.sit(common, about: .credential(credential)) { desk in
                let secret = try SecretInput.read(secretFile, prompt: "Secret of \(credential): ")
                let checks = try await desk.administration.checkSecret(secret, of: credential, from: ip)
                let right = checks.first { $0.matches && $0.obstacles.isEmpty } ?? checks.first(where: \.matches)
                desk.output.show(
                    [
                        "credential": .string(credential), "right": .bool(right != nil),
                        "login": .string(right?.login), "usable": .bool(right?.obstacles.isEmpty ?? false),
                        "obstacles": .strings(right?.obstacles ?? []), "mode": .string(right?.mode),
                        "mechanisms": .strings(right?.mechanisms ?? []),
                    ], Self.text(credential, right, asks: ip, isOurs: Secret(bytes: secret) != nil))
                verdict = right.map { $0.obstacles.isEmpty ? .done : .differs } ?? .failed
            }
            if verdict != .done { throw ExitCode(verdict.rawValue) }
        }

        static func text(
            _ credential: String, _ right: Administration.SecretCheck?, asks ip: String?, isOurs: Bool
        ) -> String {
            guard let right else {
                return "wrong: not a secret of \(credential)"
                    + (isOurs ? "\n" : "; it has not the form of Gatepost's (gp_…), or a letter of it is wrong\n")
            }
            guard right.obstacles.isEmpty else {
                return "right, the secret of \(right.login), and it cannot send now:\n"
                    + right.obstacles.map { "  " + (sentences[$0] ?? $0) + "\n" }.joined()
            }
            let ways = right.mechanisms.isEmpty ? "" : ", by \(right.mechanisms.joined(separator: ", "))"
            return "right, the secret of \(right.login); it could send now" + (ip.map { " from \($0)" } ?? "") + ways
                + (right.mode == "test" ? " (test mode: never forwarded)" : "") + "\n"
        }

        private static let sentences = [
            "tenant_suspended": "the tenant is suspended", "tenant_deleted": "the tenant is deleted",
            "credential_revoked": "the credential is revoked", "credential_suspended": "the credential is suspended",
            "credential_expired": "the credential has expired", "credential_not_yet": "the credential has not begun",
            "login_expired": "this secret has ended: another took its place",
            "network": "the address is in none of the credential's networks",
            "mechanism": "the credential takes client certificates only (EXTERNAL)",
        ]
    }
}

extension Secret {
    fileprivate init?(bytes: [UInt8]) {
        guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
        self.init(parsing: text)
    }
}
