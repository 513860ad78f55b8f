import ArgumentParser
import Postgres
import Tenancy

/// `gatepost tenant …`: customers, their limits, and whether their mail is taken.
struct TenantCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tenant", abstract: "Customers: their limits and their status.",
        discussion: """
            Examples:
              gatepost tenant create acme --daily 300 --monthly unlimited
              gatepost tenant set acme --daily 5000 --policy reject
              gatepost tenant suspend acme --yes
            """,
        subcommands: [
            Create.self, List.self, ShowOne.self, Set.self, Suspend.self, Resume.self, Delete.self,
            Export.self, ReportLogin.self,
        ])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "create", abstract: "Make a tenant.",
            discussion: """
                What is not given is the plan's, and without one the default: 1000 recipients a day, month and rate \
                unlimited, 25MiB a message, 100 recipients a message, 50 sessions, UTC, defer, the pool `default`. \
                `gatepost help limits` has every limit. Unlimited is the word, never 0.

                Examples:
                  gatepost tenant create acme --daily 300 --monthly unlimited --sessions 200 --pool default
                  gatepost tenant create bolt --plan small --contact ops@bolt.example
                """)

        @OptionGroup var common: CommonOptions
        @Argument(help: "Its name, [a-z0-9][a-z0-9-]{0,39}; it never changes.", transform: ArgumentText.slug)
        var tenant: String
        @OptionGroup var own: TenantOptions
        @OptionGroup(title: "Limits") var limits: LimitOptions

        func validate() throws {
            if limits.burst != nil, limits.rate == nil && own.plan == nil || limits.rate == .unlimited {
                throw ValidationError("--burst needs a --rate that is a number")
            }
        }

        func run() async throws {
            try await Desk.sit(common, about: .tenant(tenant)) { desk in
                let changes = own.changes(with: limits)
                try await desk.administration.createTenant(tenant, changes)
                let record = try await desk.administration.tenant(tenant)
                desk.output.show(record.json, "tenant \(record.slug) created: \(record.summary(of: changes))\n")
                desk.output.note("next: gatepost domain add \(tenant) DOMAIN --trust")
            }
        }
    }

    struct ShowOne: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "One tenant with all its limits, and where each is from.",
            discussion: """
                Each value is the tenant's own, its plan's, or the default. `tenant set acme --daily inherit` gives \
                one back.

                Example:
                  gatepost tenant show acme
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.slug) var tenant: String

        func run() async throws {
            try await Desk.sit(common, about: .tenant(tenant)) { desk in
                let record = try await desk.administration.tenant(tenant)
                desk.output.show(record.json, record.properties)
            }
        }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set", abstract: "Change limits; what is not named stays.",
            discussion: """
                When it returns, nothing more is accepted by the old limits, not even what was under way. A change of \
                time zone takes effect at the next midnight of the old one. `inherit` gives a value back to the plan \
                or the default. --shadow-… proposes a cap: what it would refuse is accepted, and written down.

                Examples:
                  gatepost tenant set acme --daily 5000 --rate 600 --burst 100
                  gatepost tenant set acme --plan large --daily inherit
                  gatepost tenant set acme --shadow-daily 2000
                  gatepost tenant set acme --warn 50,80,100 --contact ops@acme.example
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.slug) var tenant: String
        @OptionGroup var own: TenantOptions
        @OptionGroup(title: "Limits") var limits: LimitOptions

        func validate() throws {
            if limits.burst != nil, limits.rate == .unlimited {
                throw ValidationError("--burst needs a --rate that is a number")
            }
        }

        func run() async throws {
            let changes = own.changes(with: limits)
            // (Not in `validate`, which comes before what knows of an option that is misspelt.)
            if changes.isEmpty { throw ValidationError("nothing to set: name at least one limit, like --daily 300") }
            try await Desk.sit(common, about: .tenant(tenant)) { desk in
                let isChanged = try await desk.administration.setTenant(tenant, changes)
                let record = try await desk.administration.tenant(tenant)
                desk.output.show(
                    record.json,
                    "tenant \(record.slug) \(isChanged ? "changed" : "unchanged"): \(record.summary(of: changes))\n")
            }
        }
    }

    struct Suspend: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "suspend", abstract: "Take no more mail from a tenant.",
            discussion: """
                When it returns, nothing more is accepted, on no node, not even what was under way; open sessions end. \
                What is queued goes on being delivered unless --hold-queue. Of a tenant that is suspended already, what is \
                not given stays as it is; --release-queue lets its queue go on. `tenant resume` undoes it all.

                Example:
                  gatepost tenant suspend acme --reason "invoice overdue" --yes
                """)

        @OptionGroup var common: CommonOptions
        @OptionGroup var confirmation: Confirmation
        @Argument(transform: ArgumentText.slug) var tenant: String
        @Option(help: "Why; clients are told.", transform: ArgumentText.line) var reason: String?
        @Flag(help: "Leave what is queued alone, too.") var holdQueue = false
        @Flag(help: "Let what --hold-queue held go on, though the tenant stays suspended.") var releaseQueue = false

        func validate() throws {
            if holdQueue, releaseQueue { throw ValidationError("--hold-queue or --release-queue, not both.") }
        }

        func run() async throws {
            try await Desk.sit(common, about: .tenant(tenant)) { desk in
                try confirmation.ask("Suspend \(tenant): all its mail is refused until `tenant resume`. Go on")
                let changed = try await desk.administration.suspendTenant(
                    tenant, reason: reason, holdQueue: holdQueue ? true : releaseQueue ? false : nil)
                let record = try await desk.administration.tenant(tenant)
                let queue = record.holdsQueue ? "its queue is held" : "its queue goes on"
                desk.output.show(
                    record.json, "tenant \(tenant) \(changed ? "suspended" : "was suspended already"); \(queue)\n")
            }
        }
    }

    struct Resume: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "resume", abstract: "Take mail from a suspended tenant again.",
            discussion: """
                Example:
                  gatepost tenant resume acme
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.slug) var tenant: String

        func run() async throws {
            try await Desk.sit(common, about: .tenant(tenant)) { desk in
                let changed = try await desk.administration.resumeTenant(tenant)
                let record = try await desk.administration.tenant(tenant)
                desk.output.show(
                    record.json, changed ? "tenant \(tenant) resumed\n" : "tenant \(tenant) was active already\n")
            }
        }
    }
}
