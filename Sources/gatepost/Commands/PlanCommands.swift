import ArgumentParser
import Postgres
import Tenancy

/// `gatepost plan …`: named sets of limits that tenants inherit.
struct PlanCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Named sets of limits that tenants inherit.",
        discussion: """
            A tenant has its own value where it was given one, else its plan's, else the default.

            Examples:
              gatepost plan create small --daily 500 --rate 60
              gatepost tenant set acme --plan small
              gatepost plan set small --daily 800
              gatepost plan list
            """,
        subcommands: [Create.self, List.self, ShowOne.self, Set.self, Delete.self])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "create", abstract: "Make a plan.",
            discussion: """
                What it does not name is the default. `gatepost help limits` has every limit.

                Example:
                  gatepost plan create small --daily 500 --monthly 10000 --rate 60
                """)

        @OptionGroup var common: CommonOptions
        @Argument(help: "Its name, [a-z0-9][a-z0-9-]{0,39}; it never changes.", transform: ArgumentText.slug)
        var plan: String
        @OptionGroup(title: "Limits") var limits: LimitOptions

        func run() async throws {
            try await Desk.sit(common, about: .plan(plan)) { desk in
                try await desk.administration.createPlan(plan, limits.changes)
                let record = try await desk.administration.plan(plan)
                desk.output.show(record.json, "plan \(plan) created: \(record.summary)\n")
                desk.output.note("next: gatepost tenant set TENANT --plan \(plan)")
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "All plans, by name.",
            discussion: """
                Example:
                  gatepost plan list
                """)

        @OptionGroup var common: CommonOptions

        func run() async throws {
            try await Desk.sit(common) { desk in
                desk.output.list(
                    try await desk.administration.plans(), [.key("PLAN"), .right("TENANTS"), .left("LIMITS")],
                    empty: "no plans yet; make one with `gatepost plan create NAME --daily N`", json: \.json
                ) { [$0.name, String($0.tenants), $0.summary] }
            }
        }
    }

    struct ShowOne: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "One plan: its limits, and how many tenants have it.",
            discussion: """
                Example:
                  gatepost plan show small
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.slug) var plan: String

        func run() async throws {
            try await Desk.sit(common, about: .plan(plan)) { desk in
                let record = try await desk.administration.plan(plan)
                desk.output.show(record.json, record.properties)
            }
        }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set", abstract: "Change a plan, and with it the tenants that have it.",
            discussion: """
                The plan changes first, then its tenants, 200 in a transaction; when it returns, nothing more is \
                accepted by the old limits. Interrupted, some tenants have the new limits and some the old: give the \
                same command again, it goes on. What a tenant has of its own stays. `inherit` takes a limit out of \
                the plan.

                Examples:
                  gatepost plan set small --daily 800
                  gatepost plan set small --rate inherit
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.slug) var plan: String
        @OptionGroup(title: "Limits") var limits: LimitOptions

        func run() async throws {
            // (Not in `validate`, which comes before what knows of an option that is misspelt.)
            if limits.changes.isEmpty {
                throw ValidationError("nothing to set: name at least one limit, like --daily 300")
            }
            try await Desk.sit(common, about: .plan(plan)) { desk in
                let change = try await desk.administration.setPlan(plan, limits.changes)
                let record = try await desk.administration.plan(plan)
                guard case .object(var members) = record.json else { return }
                members.append(.init(name: "changed_tenants", value: .number(change.tenants)))
                desk.output.show(
                    .object(members),
                    "plan \(plan) \(change.changed ? "changed" : "unchanged"): \(record.summary); "
                        + "\(change.tenants) of \(record.tenants) tenants changed with it\n")
            }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "delete", abstract: "Remove a plan that no tenant has.",
            discussion: """
                Example:
                  gatepost plan delete small --yes
                """)

        @OptionGroup var common: CommonOptions
        @OptionGroup var confirmation: Confirmation
        @Argument(transform: ArgumentText.slug) var plan: String

        func run() async throws {
            try await Desk.sit(common, about: .plan(plan)) { desk in
                try confirmation.ask("Delete the plan \(plan)")
                guard try await desk.administration.deletePlan(plan) else {
                    throw AdministrationError.notFound("no plan `\(plan)`")
                }
                desk.output.show(["plan": .string(plan), "deleted": .bool(true)], "plan \(plan) deleted\n")
            }
        }
    }
}

extension PlanRecord {
    var json: JSON {
        [
            "plan": .string(name), "tenants": .number(tenants),
            "limits": .object(
                TenantSetting.allCases.compactMap { setting in
                    limits[setting].map { JSON.Member(name: setting.rawValue, value: JSON(value: $0)) }
                }),
            "created_at": createdAt.json,
        ]
    }

    var summary: String {
        let named = TenantSetting.allCases.compactMap { setting in
            limits[setting].map { "\(setting.rawValue) \(Show.value($0, of: setting))" }
        }
        return named.isEmpty ? "the defaults" : named.joined(separator: ", ")
    }

    var properties: String {
        var table = Table([.key("LIMIT"), .right("VALUE")])
        for setting in TenantSetting.allCases {
            if let value = limits[setting] { table.add([setting.rawValue, Show.value(value, of: setting)]) }
        }
        return Table.properties([
            "plan": name, "tenants": String(tenants), "created": Show.time(createdAt.microseconds),
        ]) + "\n"
            + (limits.isEmpty
                ? "It has no limits of its own: its tenants have the defaults.\n" : table.text(for: .output))
    }
}

extension JSON {
    /// A setting's value; unlimited and none are null.
    init(value: TenantValue) {
        switch value {
        case .inherit: self = .string("inherit")
        case .unlimited, .none: self = .null
        case .number(let number): self = .number(number)
        case .flag(let flag): self = .bool(flag)
        case .text(let text): self = .string(text)
        case .percents(let percents): self = .array(percents.map { .number($0) })
        }
    }
}
