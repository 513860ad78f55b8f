import ArgumentParser
import Postgres
import Tenancy

/// `gatepost domain …`: what a tenant may send as.
struct DomainCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "domain", abstract: "The domains a tenant may send from.",
        discussion: """
            Examples:
              gatepost domain add acme acme.example --trust
              gatepost domain verify acme acme.example
              gatepost domain list acme
              gatepost domain remove acme acme.example --yes
            """,
        subcommands: [Add.self, List.self, Verify.self, Remove.self])

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add", abstract: "Give a tenant a domain to send from.",
            discussion: """
                With --trust it counts at once, on your word. Without, it is listed and refused until its owner has \
                published a token in DNS and `domain verify` has seen it.

                Examples:
                  gatepost domain add acme bücher.example
                  gatepost domain add acme acme.example --trust
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.slug) var tenant: String
        @Argument(help: "acme.example, bücher.example, xn--bcher-kva.example.", transform: ArgumentText.newDomain)
        var domain: String
        @Flag(help: "It is the tenant's: you vouch for it.") var trust = false

        func run() async throws {
            try await Desk.sit(common, about: .tenant(tenant)) { desk in
                let answer = try await desk.administration.addDomain(domain, to: tenant, trusted: trust)
                let record = try await desk.administration.domains(of: tenant).first { $0.domain == domain }
                let isVerified = record?.verifiedAt != nil
                desk.output.show(
                    record?.json ?? .null,
                    "domain \(domain) \(answer.changed ? "added to" : "was there already for") \(tenant)"
                        + (isVerified ? "\n" : ", not verified\n"))
                if isVerified, !answer.others.isEmpty {
                    desk.output.remark(remark(onSharing: domain, with: answer.others))
                }
                if !isVerified {
                    let proof = DomainProof(domain: domain, token: record?.token ?? "")
                    desk.output.note(
                        """
                        Mail from \(domain) is refused until it is verified. Its owner publishes
                          \(proof.line)
                        and then: gatepost domain verify \(tenant) \(domain)
                        If you know it is theirs: gatepost domain add \(tenant) \(domain) --trust
                        """)
                } else if answer.changed {
                    desk.output.note("next: gatepost credential issue \(tenant)")
                }
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "A tenant's domains, by name.",
            discussion: """
                Example:
                  gatepost domain list acme
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.slug) var tenant: String

        func run() async throws {
            try await Desk.sit(common, about: .tenant(tenant)) { desk in
                desk.output.list(
                    try await desk.administration.domains(of: tenant),
                    [.key("DOMAIN"), .time("VERIFIED"), .left("BY"), .time("ADDED")],
                    empty: "no domains yet; add one with `gatepost domain add \(tenant) DOMAIN --trust`", json: \.json
                ) { domain in
                    [
                        domain.domain, domain.verifiedAt == nil ? "no" : Show.time(domain.verifiedAt?.microseconds),
                        domain.verifiedBy ?? "-", Show.time(domain.createdAt.microseconds),
                    ]
                }
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove", abstract: "Take a domain from a tenant.",
            discussion: """
                When it returns, nothing more is accepted from it, not even what was under way.

                Example:
                  gatepost domain remove acme acme.example --yes
                """)

        @OptionGroup var common: CommonOptions
        @OptionGroup var confirmation: Confirmation
        @Argument(transform: ArgumentText.slug) var tenant: String
        @Argument(transform: ArgumentText.domain) var domain: String

        func run() async throws {
            try await Desk.sit(common, about: .tenant(tenant)) { desk in
                try confirmation.ask("Remove \(domain) from \(tenant): its mail from there is refused. Go on")
                guard try await desk.administration.removeDomain(domain, from: tenant) else {
                    throw Failure(
                        "\(tenant) has no domain `\(domain)`", hint: "`gatepost domain list \(tenant)` lists them")
                }
                desk.output.show(
                    ["tenant": .string(tenant), "domain": .string(domain), "removed": .bool(true)],
                    "domain \(domain) removed from \(tenant)\n")
            }
        }
    }
}

extension DomainRecord {
    var json: JSON {
        [
            "tenant": .string(tenant), "domain": .string(domain), "verified": .bool(verifiedAt != nil),
            "verified_at": verifiedAt.json, "verified_by": .string(verifiedBy), "token": .string(token),
            "created_at": createdAt.json,
        ]
    }
}

/// One domain of two tenants may be meant, and may be a slip that lets one send as the other.
func remark(onSharing domain: String, with others: [String]) -> String {
    let more = others.count > 3 ? " and \(others.count - 3) more" : ""
    return "note: \(others.prefix(3).joined(separator: ", "))\(more) may send from \(domain) too"
}
