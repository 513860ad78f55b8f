import ArgumentParser
import DNS
import Tenancy

extension DomainCommands {
    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify", abstract: "See whether a domain's owner has published the tenant's token.",
            discussion: """
                Asks the zone's own name servers, each of them, for the TXT record _gatepost.DOMAIN; no cache stands \
                between. The domain counts when every server that answers has the token. Exit code 2 where it does not.

                Example:
                  gatepost domain verify acme acme.example
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.slug) var tenant: String
        @Argument(transform: ArgumentText.domain) var domain: String

        func run() async throws {
            try await Desk.sit(common, about: .tenant(tenant)) { desk in
                let domains = try await desk.administration.domains(of: tenant)
                guard let record = domains.first(where: { $0.domain == domain }) else {
                    throw Failure(
                        "\(tenant) has no domain `\(domain)`",
                        hint: "add it first: gatepost domain add \(tenant) \(domain)")
                }
                guard let token = record.token else {
                    throw AdministrationError.denied("the tokens of domains are for gatepost_admin alone")
                }
                let proof = DomainProof(domain: domain, token: token)
                let lookup = AuthorityLookup(
                    resolvers: desk.settings.dns.servers.map { NameServer(address: $0.host, port: $0.port) },
                    port: desk.settings.dns.port)
                let report: AuthorityLookup.Report
                do {
                    report = try await lookup.texts(of: proof.record)
                } catch {
                    throw Failure(
                        "\(error)".printable, hint: "publish \(proof.line), or look at dns.servers", .differs)
                }
                let isProven = proof.isShown(by: report)
                if isProven {
                    _ = try await desk.administration.domainVerified(domain, of: tenant, token: token)
                }
                desk.output.show(
                    proof.json(report, tenant: tenant, isVerified: isProven || record.verifiedAt != nil),
                    proof.text(report) + (isProven ? "\ndomain \(domain) of \(tenant) is verified\n" : ""))
                guard isProven else {
                    throw Failure(
                        "\(proof.record) does not prove \(domain)",
                        hint:
                            "publish \(proof.line) in the zone \(report.zone.printable), on all its servers, and try again"
                            + (record.verifiedAt == nil ? "" : "; the domain stays verified, as it was"),
                        .differs)
                }
            }
        }
    }
}

/// What must stand in DNS, and what was seen there.
struct DomainProof {
    var domain: String
    var token: String

    var record: String { "_gatepost.\(domain)" }
    var expected: String { "gatepost-verify=\(token)" }
    /// As it stands in a zone file.
    var line: String { "\(record). TXT \"\(expected)\"" }

    /// Some server has it, and none that answers lacks it.
    func isShown(by report: AuthorityLookup.Report) -> Bool {
        var isSeen = false
        for sighting in report.sightings {
            switch sighting.answer {
            case .texts(let texts) where texts.contains(expected): isSeen = true
            case .texts, .noRecord, .noSuchName: return false
            case .failed: break
            }
        }
        return isSeen
    }

    func text(_ report: AuthorityLookup.Report) -> String {
        var table = Table([.left("SERVER"), .left("ADDRESS"), .left("SAW")])
        for sighting in report.sightings {
            table.add([sighting.server, sighting.address, sighting.answer.text])
        }
        return Table.properties(["zone": report.zone, "record": "\(record) TXT", "expected": expected]) + "\n"
            + table.text(for: .output)
    }

    func json(_ report: AuthorityLookup.Report, tenant: String, isVerified: Bool) -> JSON {
        [
            "tenant": .string(tenant), "domain": .string(domain), "verified": .bool(isVerified),
            "zone": .string(report.zone), "record": .string(record), "expected": .string(expected),
            "servers": .array(
                report.sightings.map { sighting in
                    [
                        "server": .string(sighting.server), "address": .string(sighting.address),
                        "saw": .strings(sighting.answer.texts), "problem": .string(sighting.answer.problem),
                    ]
                }),
        ]
    }
}

extension AuthorityLookup.Answer {
    fileprivate var texts: [String] { if case .texts(let texts) = self { texts } else { [] } }

    fileprivate var problem: String? {
        switch self {
        case .texts: nil
        case .noRecord: "no TXT record"
        case .noSuchName: "no such name"
        case .failed(let reason): reason
        }
    }

    fileprivate var text: String {
        problem ?? texts.map { "\"\($0)\"" }.joined(separator: " ")
    }
}
