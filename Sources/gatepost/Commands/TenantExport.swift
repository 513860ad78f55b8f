import ArgumentParser
import Glibc
import Postgres
import Tenancy

extension TenantCommands {
    /// `gatepost tenant export`: all that is held on one tenant.
    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "export", abstract: "All that is held on a tenant, as JSON, for audits.",
            discussion: """
                Settings with where each is from, domains, credentials without secrets or verifiers, usage, outcomes, \
                warnings, suppressions, reporting logins, ledger, messages without bodies, recipients, events and the \
                audit: one JSON object, written as it is read, a page of 1000 rows at a time. --yaml writes only what \
                `gatepost apply` takes.

                Examples:
                  gatepost tenant export acme >acme.json
                  gatepost tenant export acme --yaml
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.slug) var tenant: String
        @Flag(help: "Limits and domains in the form that `gatepost apply` takes.") var yaml = false

        func run() async throws {
            try await Desk.sit(common, about: .tenant(tenant)) { desk in
                let record = try await desk.administration.tenant(tenant)
                if yaml {
                    let domains = try await desk.administration.domains(ofAll: [tenant])
                    return write("tenants:\n" + StateText.tenant(record, domains), to: STDOUT_FILENO)
                }
                let domains = try await desk.administration.domains(ofAll: [tenant])
                write(
                    "{\"settings\":\(record.json.text),\n\"domains\":\(JSON.array(domains.map(\.json)).text)",
                    to: STDOUT_FILENO)
                for part in Administration.ExportPart.allCases {
                    write(",\n\"\(part.rawValue)\":[", to: STDOUT_FILENO)
                    var isFirst = true
                    try await desk.administration.export(part, of: tenant) { line in
                        write((isFirst ? "\n" : ",\n") + line.visibleJSON, to: STDOUT_FILENO)
                        isFirst = false
                    }
                    write("]", to: STDOUT_FILENO)
                }
                write("}\n", to: STDOUT_FILENO)
            }
        }
    }

    /// `gatepost tenant report-login`: a database login that reads one tenant's rows.
    struct ReportLogin: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "report-login", abstract: "Let a database login read a tenant's rows, and nobody else's.",
            discussion: """
                The login sees the views of schema report (tenant, usage, outcome, message, recipient, event, domain, \
                ledger), by row-level security its own tenant's rows. Where this connection may make roles, the role is \
                made; otherwise the SQL to run is printed. pg_hba and its password are yours.

                Examples:
                  gatepost tenant report-login acme --role acme_reports
                  gatepost tenant report-login acme --role acme_reports --remove
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.slug) var tenant: String
        @Option(help: ArgumentHelp("The database login.", valueName: "role"), transform: Self.role) var role: String
        @Flag(help: "It reads nothing any more.") var remove = false

        static func role(_ text: String) throws -> String {
            guard text.wholeMatch(of: /[a-z][a-z0-9_]{0,62}/) != nil else {
                throw ArgumentProblem("expected small letters, digits and underscores, a letter first: acme_reports")
            }
            return text
        }

        func run() async throws {
            try await Desk.sit(common, about: .tenant(tenant)) { desk in
                let changed = try await desk.administration.setReportLogin(role, of: tenant, remove: remove)
                var state = try await desk.administration.roleState(role)
                if !remove, !state.reports, state.canCreate {
                    try await desk.administration.createReportRole(role)
                    state = try await desk.administration.roleState(role)
                }
                desk.output.show(
                    [
                        "tenant": .string(tenant), "role": .string(role), "changed": .bool(changed),
                        "removed": .bool(remove), "role_exists": .bool(state.exists),
                        "role_reports": .bool(state.reports),
                    ],
                    remove
                        ? "the login \(role) no longer reads \(tenant)\n"
                        : "the login \(role) reads \(tenant) in schema report\n")
                if !remove, !state.reports {
                    desk.output.note(
                        "this connection may not make roles; run as one that may:\n"
                            + (state.exists ? "" : "  CREATE ROLE \(role) LOGIN CONNECTION LIMIT 10;\n")
                            + "  GRANT gatepost_report TO \(role);")
                } else if remove, state.exists {
                    desk.output.note("the role is still there: DROP ROLE \(role);")
                }
            }
        }
    }
}

extension String {
    /// JSON as it is, but for characters that could command a terminal: by their numbers. (They stand in strings only.)
    fileprivate var visibleJSON: String {
        guard unicodeScalars.contains(where: { !$0.isPrintable }) else { return self }
        var text = ""
        for scalar in unicodeScalars {
            if scalar.isPrintable {
                text.unicodeScalars.append(scalar)
            } else {
                for unit in String(scalar).utf16 {
                    let digits = String(unit, radix: 16)
                    text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            }
        }
        return text
    }
}
