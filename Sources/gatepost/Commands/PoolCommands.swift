import ArgumentParser
import Tenancy

/// `gatepost pool …`: relays that share the delivery of some tenants' mail.
struct PoolCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool", abstract: "Relay pools; each tenant has one.",
        discussion: """
            `migrate` makes the pool `default`.

            Example:
              gatepost pool create marketing
            """,
        subcommands: [Create.self, List.self, ShowOne.self, Delete.self])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "create", abstract: "Make a pool without members.",
            discussion: """
                Example:
                  gatepost pool create marketing
                """)

        @OptionGroup var common: CommonOptions
        @Argument(help: "[a-z0-9][a-z0-9-]{0,39}", transform: ArgumentText.slug) var name: String

        func run() async throws {
            try await Desk.sit(common) { desk in
                guard try await desk.administration.createPool(name) else {
                    throw Failure("there is a pool `\(name)` already", hint: "`gatepost pool list` lists them")
                }
                desk.output.show(
                    ["pool": .string(name), "members": .number(0 as Int), "tenants": .number(0 as Int)],
                    "pool \(name) created\n")
                desk.output.note("next: gatepost relay add \(name) HOST:PORT")
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "All pools, by name.",
            discussion: """
                Example:
                  gatepost pool list
                """)

        @OptionGroup var common: CommonOptions

        func run() async throws {
            try await Desk.sit(common) { desk in
                desk.output.list(
                    try await desk.administration.pools(), [.key("POOL"), .right("MEMBERS"), .right("TENANTS")],
                    empty: "no pools; `gatepost migrate` makes the pool default",
                    json: { pool in
                        [
                            "pool": .string(pool.name), "members": .number(pool.members),
                            "tenants": .number(pool.tenants), "created_at": pool.createdAt.json,
                        ]
                    },
                    row: { [$0.name, String($0.members), String($0.tenants)] })
            }
        }
    }

    struct ShowOne: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "One pool: its members and its tenants.",
            discussion: """
                Example:
                  gatepost pool show default
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.slug) var name: String

        /// Tenants that are named; of the others only how many.
        private static let most: Int64 = 100

        func run() async throws {
            try await Desk.sit(common, about: .pool(name)) { desk in
                let relays = try await desk.administration.relays(of: name)
                var filter = Administration.TenantFilter()
                filter.pool = name
                let tenants = try await desk.administration.tenants(filter, pageSize: Self.most).map(\.slug)
                let count = try await desk.administration.pools().first { $0.name == name }?.tenants ?? 0
                var table = Table([
                    .key("ADDRESS"), .left("PROTOCOL"), .left("TLS"), .right("WEIGHT"), .right("CONNECTIONS"),
                    .left("STATUS"), .left("USER"),
                ])
                for relay in relays {
                    table.add([
                        relay.address, relay.wire, relay.tls, String(relay.weight),
                        relay.connections.map { String($0) } ?? "default", relay.status, relay.username ?? "-",
                    ])
                }
                desk.output.show(
                    [
                        "pool": .string(name), "members": .array(relays.map(\.json)), "tenants": .strings(tenants),
                        "tenant_count": .number(count),
                    ],
                    Table.properties([
                        "pool": name, "members": String(relays.count),
                        "tenants": tenants.isEmpty
                            ? "none"
                            : tenants.joined(separator: ", ")
                                + (count > Int64(tenants.count) ? " and \(count - Int64(tenants.count)) more" : ""),
                    ]) + (relays.isEmpty ? "" : "\n" + table.text(for: .output)))
                if relays.isEmpty { desk.output.note("next: gatepost relay add \(name) HOST:PORT") }
            }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "delete", abstract: "Remove a pool that nobody uses.",
            discussion: """
                Refused while tenants or members use it; the pool default stays.

                Example:
                  gatepost pool delete marketing --yes
                """)

        @OptionGroup var common: CommonOptions
        @OptionGroup var confirmation: Confirmation
        @Argument(transform: ArgumentText.slug) var name: String

        func run() async throws {
            try await Desk.sit(common, about: .pool(name)) { desk in
                try confirmation.ask("Delete the pool \(name)")
                guard try await desk.administration.deletePool(name) else {
                    throw AdministrationError.notFound("no pool `\(name)`")
                }
                desk.output.show(["pool": .string(name), "deleted": .bool(true)], "pool \(name) deleted\n")
            }
        }
    }
}
