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
        subcommands: [Create.self, List.self])

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
}
