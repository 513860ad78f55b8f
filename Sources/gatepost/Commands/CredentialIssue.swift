import ArgumentParser
import Postgres
import Tenancy

extension CredentialCommands {
    struct Issue: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "issue", abstract: "Make a user name and a secret, or many of them from a file.",
            discussion: """
                The secret is shown once and kept nowhere: the database has what is needed to check it, no more. With \
                --secret-file it goes into a new file of mode 0600 instead, or nothing is done.

                With --for it is followed by settings to paste into that client, with this node's host name and port.

                With --from, one for each row of a CSV file, whose first row names the columns: tenant, and any of label, \
                mode, daily, monthly, rate, burst, bytes_daily, message_size, recipients_per_message, sessions, networks, \
                senders, mechanisms (several apart by blanks), not_before, expires, as the options of those names. All \
                rows are checked before the first is made. User names and secrets go into the file of --results (mode \
                0600), which must be new; after an interruption the same command with --resume goes on. It wants the \
                same rows: another tenant or label is refused, and another limit in a row that is issued is not seen.

                Examples:
                  gatepost credential issue acme --label "web shop" --for django
                  gatepost credential issue acme --daily 100 --network 192.0.2.0/24 --sender shop@acme.example
                  gatepost credential issue acme --mechanism SCRAM --not-before 2d --expires 90d --secret-file secret
                  gatepost credential issue acme --mode test --rate 60 --burst 10
                  gatepost credential issue --from customers.csv --results secrets.csv
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.slug) var tenant: String?
        @OptionGroup(title: "What it may do") var options: CredentialOptions
        @Option(
            name: .customLong("for"),
            help: ArgumentHelp(
                "Settings for swaks, curl, django, rails, nodemailer, laravel, spring, msmtp or postfix.",
                valueName: "client"))
        var client: Snippet?
        @Option(help: ArgumentHelp("A new file (mode 0600) for the secret, not the screen.", valueName: "path"))
        var secretFile: String?
        @Option(help: ArgumentHelp("Many: a CSV file with a row for each.", valueName: "path")) var from: String?
        @Option(help: ArgumentHelp("A new CSV file (mode 0600) for their secrets.", valueName: "path"))
        var results: String?
        @Flag(help: "Go on with a --results file that an interruption left.") var resume = false

        func validate() throws {
            guard from != nil else {
                guard tenant != nil else { throw ValidationError("name a tenant, or a file with --from") }
                guard results == nil, !resume else { throw ValidationError("--results and --resume need --from") }
                if options.burst != nil, options.rate == nil {
                    throw ValidationError("--burst needs a --rate that is a number")
                }
                return
            }
            guard results != nil else { throw ValidationError("--from needs --results, a file for the secrets") }
            guard tenant == nil, client == nil, secretFile == nil, try options.terms().isEmpty else {
                throw ValidationError("with --from the file says it all: no tenant and no other option")
            }
        }

        func run() async throws {
            if let from, let results {
                return try await Desk.sit(common) { desk in
                    try await BulkIssue(desk: desk, path: from, results: results, resumes: resume).run()
                }
            }
            guard let tenant else { throw ValidationError("name a tenant") }
            let terms = try options.terms()
            try await Desk.sit(common, about: .tenant(tenant)) { desk in
                let file = try secretFile.map { try SecretFile(creating: $0) }
                do {
                    let (username, secret) = try await desk.administration.issueCredential(for: tenant, terms)
                    try file?.write(secret.exposed + "\n")
                    let record = try await desk.administration.credential(username)
                    let snippet = try await client?.text(desk.place(record, tenant))
                    desk.output.show(
                        record.issuedJSON(secret: file == nil ? secret : nil, settings: snippet),
                        Table.properties([
                            "username": username, "secret": file.map { "in \($0.path)" } ?? secret.exposed,
                        ]) + (snippet.map { "\n" + $0 } ?? ""))
                    desk.output.note(
                        "The secret is not shown again. Try it: port \(desk.port), STARTTLS, \(record.mechanismsInWords)."
                    )
                } catch {
                    // What is in doubt may have been made: its secret is kept only if it was written.
                    file?.removeIfEmpty()
                    throw error
                }
            }
        }
    }
}

extension CredentialRecord {
    fileprivate var mechanismsInWords: String {
        mechanisms.isEmpty ? "SCRAM-SHA-256 or PLAIN" : mechanisms.joined(separator: " or ")
    }

    /// An address that it may send as and that any program's settings take as it is; nil: it may send as all its tenant's.
    fileprivate var plainSender: String? {
        guard !senders.isEmpty else { return nil }
        let plain = senders.first { sender in
            sender.utf8.allSatisfy {
                UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 | 0x20 || "0123456789.-_+@".utf8.contains($0)
            }
        }
        return plain.map { $0.contains("@") ? $0 : "app@\($0)" } ?? "YOUR-ADDRESS"
    }

    /// The two that are shown once, before all else.
    fileprivate func issuedJSON(secret: Secret?, settings: String?) -> JSON {
        guard case .object(let members) = json else { return json }
        return .object(
            [
                JSON.Member(name: "username", value: .string(name)),
                JSON.Member(name: "secret", value: .string(secret?.exposed)),
            ] + members + [JSON.Member(name: "settings", value: .string(settings))])
    }
}

extension Desk {
    /// Where this node's clients begin in the clear.
    fileprivate var port: Int { settings.submission.listen.first?.port ?? 587 }

    /// Where this node's clients connect, and an address the tenant may send as.
    fileprivate func place(_ credential: CredentialRecord, _ tenant: String) async throws -> Snippet.Place {
        let domain = try await administration.domains(of: tenant).first { $0.verifiedAt != nil }?.domain
        return Snippet.Place(
            host: settings.submission.hostname, port: port,
            tlsPort: settings.submission.listenTLS.first?.port,
            username: credential.name, sender: credential.plainSender ?? "app@\(domain ?? "YOUR-DOMAIN")")
    }
}
