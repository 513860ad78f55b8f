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
        subcommands: [Create.self, List.self, ShowOne.self, Set.self, Suspend.self, Resume.self, Delete.self])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "create", abstract: "Make a tenant.",
            discussion: """
                Without flags: 1000 recipients a day, month and rate unlimited, 25MiB a message, 100 recipients a \
                message, 50 sessions, UTC, defer, the pool `default`.

                Example:
                  gatepost tenant create acme --daily 300 --monthly unlimited --sessions 200 --pool default
                """)

        @OptionGroup var common: CommonOptions
        @Argument(help: "Its name, [a-z0-9][a-z0-9-]{0,39}; it never changes.", transform: ArgumentText.slug)
        var tenant: String
        @OptionGroup(title: "Limits") var limits: LimitOptions

        func validate() throws {
            if limits.burst != nil, limits.rate == nil || limits.rate == .unlimited {
                throw ValidationError("--burst needs a --rate that is a number")
            }
        }

        func run() async throws {
            try await Desk.sit(common, about: .tenant(tenant)) { desk in
                try await desk.administration.createTenant(tenant, limits.changes)
                let record = try await desk.administration.tenant(tenant)
                desk.output.show(record.json, "tenant \(record.slug) created: \(record.summary)\n")
                desk.output.note("next: gatepost domain add \(tenant) DOMAIN --trust")
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "All tenants, by name.",
            discussion: """
                Examples:
                  gatepost tenant list
                  gatepost tenant list --json
                """)

        @OptionGroup var common: CommonOptions

        func run() async throws {
            try await Desk.sit(common) { desk in
                desk.output.list(
                    try await desk.administration.tenants(),
                    [
                        .key("TENANT"), .left("STATUS"), .right("DAILY"), .right("MONTHLY"), .right("RATE/MIN"),
                        .right("SESSIONS"), .left("POLICY"), .left("ZONE"), .left("POOL"),
                    ],
                    empty: "no tenants yet; make one with `gatepost tenant create NAME`", json: \.json
                ) { tenant in
                    [
                        tenant.slug, tenant.status, Show.limit(tenant.daily), Show.limit(tenant.monthly),
                        Show.limit(tenant.rate), Show.limit(tenant.sessions), tenant.policy, tenant.zone, tenant.pool,
                    ]
                }
            }
        }
    }

    struct ShowOne: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "One tenant with all its limits.",
            discussion: """
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
                time zone takes effect at the next midnight of the old one.

                Example:
                  gatepost tenant set acme --daily 5000 --rate 600 --burst 100
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.slug) var tenant: String
        @OptionGroup(title: "Limits") var limits: LimitOptions

        func validate() throws {
            if limits.changes.isEmpty {
                throw ValidationError("nothing to set: name at least one limit, like --daily 300")
            }
            if limits.burst != nil, limits.rate == .unlimited {
                throw ValidationError("--burst needs a --rate that is a number")
            }
        }

        func run() async throws {
            try await Desk.sit(common, about: .tenant(tenant)) { desk in
                let changed = try await desk.administration.setTenant(tenant, limits.changes)
                let record = try await desk.administration.tenant(tenant)
                desk.output.show(
                    record.json, "tenant \(record.slug) \(changed ? "changed" : "unchanged"): \(record.summary)\n")
            }
        }
    }

    struct Suspend: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "suspend", abstract: "Take no more mail from a tenant.",
            discussion: """
                When it returns, nothing more is accepted, on no node, not even what was under way; open sessions end. \
                What is queued goes on being delivered unless --hold-queue. `tenant resume` undoes it.

                Example:
                  gatepost tenant suspend acme --reason "invoice overdue" --yes
                """)

        @OptionGroup var common: CommonOptions
        @OptionGroup var confirmation: Confirmation
        @Argument(transform: ArgumentText.slug) var tenant: String
        @Option(help: "Why; clients are told.", transform: ArgumentText.line) var reason: String?
        @Flag(help: "Leave what is queued alone, too.") var holdQueue = false

        func run() async throws {
            try await Desk.sit(common, about: .tenant(tenant)) { desk in
                try confirmation.ask("Suspend \(tenant): all its mail is refused until `tenant resume`. Go on")
                let changed = try await desk.administration.suspendTenant(
                    tenant, reason: reason, holdQueue: holdQueue)
                let record = try await desk.administration.tenant(tenant)
                desk.output.show(
                    record.json, changed ? "tenant \(tenant) suspended\n" : "tenant \(tenant) was suspended already\n")
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

extension TenantRecord {
    var json: JSON {
        [
            "tenant": .string(slug), "status": .string(status), "reason": .string(reason),
            "hold_queue": .bool(holdsQueue), "daily": .number(daily), "monthly": .number(monthly),
            "rate": .number(rate), "burst": .number(burst), "max_message_size": .number(messageSize),
            "recipients_per_message": .number(recipientsPerMessage), "sessions": .number(sessions),
            "time_zone": .string(zone), "next_time_zone": .string(nextZone),
            "next_time_zone_from": nextZoneFrom.json, "policy": .string(policy), "partial": .bool(partial),
            "resubmission": .bool(resubmission), "null_sender": .bool(nullSender), "pool": .string(pool),
            "created_at": createdAt.json,
        ]
    }

    /// The limits that matter most, in a sentence.
    var summary: String {
        "daily \(Show.limit(daily)), monthly \(Show.limit(monthly)), rate \(Show.limit(rate)), "
            + "sessions \(Show.limit(sessions)), pool \(pool)"
    }

    var properties: String {
        Table.properties([
            "tenant": slug, "status": reason.map { "\(status): \($0)" } ?? status,
            "queue": holdsQueue ? "held" : "goes on", "daily": Show.limit(daily) + " recipients",
            "monthly": Show.limit(monthly) + " recipients",
            "rate": rate.map { "\($0) recipients a minute, \(Show.limit(burst)) at once" } ?? "unlimited",
            "message size": Show.size(messageSize), "recipients": "\(recipientsPerMessage) per message",
            "sessions": Show.limit(sessions) + " on each node",
            "time zone": nextZone.map { "\(zone), \($0) from \(Show.time(nextZoneFrom?.microseconds))" } ?? zone,
            "over a cap": policy == "defer" ? "defer (450)" : "reject (550)",
            "partial acceptance": Show.onOff(partial), "resubmission check": Show.onOff(resubmission),
            "empty sender": nullSender ? "allowed" : "refused", "pool": pool,
            "created": Show.time(createdAt.microseconds),
        ])
    }
}
