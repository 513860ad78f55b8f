import ArgumentParser
import Postgres
import TLS
import Tenancy

extension CredentialCommands {
    /// `gatepost credential certificate …`: logins by TLS client certificate.
    struct Certificate: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "certificate", abstract: "Log in by a TLS client certificate (SASL EXTERNAL).",
            discussion: """
                A client that shows the certificate in its handshake may authenticate with EXTERNAL and needs no secret. \
                The certificate is known by its SHA-256, whoever signed it; who has its key is the credential.

                Examples:
                  gatepost credential certificate add acme.k7m2q9 --certificate shop.pem
                  gatepost credential certificate list acme.k7m2q9
                  gatepost credential certificate remove acme.k7m2q9.c1 --yes
                """,
            subcommands: [Add.self, ListAll.self, Remove.self])

        struct Add: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                commandName: "add", abstract: "Let a certificate be a login of a credential.",
                discussion: """
                    It has a login name of its own, acme.k7m2q9.c1, and ends with the certificate, or before with \
                    --expires. Of a chain, the first certificate in the file counts.

                    Examples:
                      gatepost credential certificate add acme.k7m2q9 --certificate shop.pem
                      gatepost credential certificate add acme.k7m2q9 --certificate shop.pem --expires 90d
                    """)

            @OptionGroup var common: CommonOptions
            @Argument(transform: ArgumentText.credential) var credential: String
            @Option(help: ArgumentHelp("The certificate, PEM; the key stays where it is.", valueName: "path"))
            var certificate: String
            @Option(help: ArgumentHelp("End before the certificate does: 90d, 2027-01-31, …", valueName: "time"))
            var expires: String?

            func validate() throws { _ = try end() }

            private func end() throws -> Instant? {
                do {
                    return try expires.map { try ArgumentText.expiry($0, now: .now) }
                } catch let problem as ArgumentProblem {
                    throw ValidationError(
                        "The value '\(expires ?? "")' is invalid for '--expires <time>': \(problem.description)")
                }
            }

            func run() async throws {
                let end = try end()
                try await Desk.sit(common, about: .credential(credential)) { desk in
                    let file = try read()
                    let notAfter = Instant(microseconds: file.notAfter * 1_000_000)
                    if notAfter <= .now {
                        throw Failure("the certificate has expired: \(Show.time(notAfter.microseconds))")
                    }
                    let until = min(end ?? notAfter, notAfter)
                    let (login, created): (String, Bool)
                    do {
                        (login, created) = try await desk.administration.addCertificate(
                            file.digest, until: until, to: credential)
                    } catch AdministrationError.taken(let message) {
                        throw Failure(
                            message.printable, hint: "`gatepost credential certificate remove LOGIN` lets go of it")
                    }
                    desk.output.show(
                        [
                            "credential": .string(credential), "login": .string(login), "created": .bool(created),
                            "sha256": .string(file.hexadecimal), "common_name": .string(file.commonName),
                            "valid_until": until.json,
                        ],
                        created
                            ? "certificate \(file.commonName.map { "`\($0.printable)` " } ?? "")is the login \(login), "
                                + "until \(Show.time(until.microseconds))\n"
                            : "the certificate is the login \(login) already\n")
                }
            }

            private func read() throws -> CertificateFile {
                do {
                    return try CertificateFile(reading: certificate)
                } catch {
                    throw Failure(error.description.printable)
                }
            }
        }

        struct ListAll: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                commandName: "list", abstract: "A credential's certificates, oldest first.",
                discussion: """
                    Example:
                      gatepost credential certificate list acme.k7m2q9
                    """)

            @OptionGroup var common: CommonOptions
            @Argument(transform: ArgumentText.credential) var credential: String

            func run() async throws {
                try await Desk.sit(common, about: .credential(credential)) { desk in
                    _ = try await desk.administration.credential(credential)
                    let logins = try await desk.administration.logins(of: credential).filter { $0.certificate != nil }
                    desk.output.list(
                        logins, [.key("LOGIN"), .left("STATE"), .time("UNTIL"), .time("LAST USED"), .left("SHA256")],
                        empty: "no certificates; add one with `gatepost credential certificate add \(credential)`",
                        json: { login in
                            [
                                "login": .string(login.name), "state": .string(login.state(at: .now)),
                                "sha256": .string(login.certificate), "valid_until": login.validUntil.json,
                                "created_at": login.createdAt.json, "used_at": login.usedAt.json,
                                "used_from": .string(login.usedFrom),
                            ]
                        }
                    ) { login in
                        [
                            login.name, login.state(at: .now), Show.time(login.validUntil?.microseconds),
                            login.lastUsed, login.certificate ?? "",
                        ]
                    }
                }
            }
        }

        struct Remove: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                commandName: "remove", abstract: "End a login by certificate, at once.",
                discussion: """
                    The name is not used again; the certificate may be added again, to any credential.

                    Example:
                      gatepost credential certificate remove acme.k7m2q9.c1 --yes
                    """)

            @OptionGroup var common: CommonOptions
            @OptionGroup var confirmation: Confirmation
            @Argument(help: "Like acme.k7m2q9.c1.", transform: ArgumentText.credential) var login: String

            func run() async throws {
                try await Desk.sit(common) { desk in
                    try confirmation.ask("End the login \(login) at once")
                    let changed = try await desk.administration.removeCertificate(login)
                    desk.output.show(
                        ["login": .string(login), "changed": .bool(changed)],
                        changed ? "login \(login) ended\n" : "login \(login) had ended already\n")
                }
            }
        }
    }
}

extension CertificateFile {
    fileprivate var hexadecimal: String {
        digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
