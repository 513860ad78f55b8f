import ArgumentParser

/// The root of the commands; each group has a file of its own under Commands/.
struct Gatepost: AsyncParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "gatepost",
        abstract: "The gate between customers' applications and the internet's mail.",
        discussion: """
            Examples:
              gatepost quickstart                       try everything on this machine
              gatepost migrate                          bring the database up to date
              gatepost serve                            submission, forwarder and relay
              gatepost tenant create acme --daily 300   a customer and its cap
              gatepost domain add acme acme.example --trust
              gatepost credential issue acme            user name and secret, shown once
            """,
        version: version,
        groupedSubcommands: [
            CommandGroup(name: "Running", subcommands: [Serve.self, CheckCommand.self, Quickstart.self, Bench.self]),
            CommandGroup(
                name: "Customer",
                subcommands: [
                    TenantCommands.self, PlanCommands.self, DomainCommands.self, CredentialCommands.self,
                    SuppressionCommands.self, ApplyCommand.self, ExportCommand.self,
                ]),
            CommandGroup(
                name: "Seeing",
                subcommands: [
                    UsageCommand.self, ExplainCommand.self, EventCommands.self, LimitsCommands.self, DocsCommand.self,
                ]),
            CommandGroup(
                name: "Delivery",
                subcommands: [QueueCommands.self, PoolCommands.self, RelayCommands.self, AuthorityCommands.self]),
            CommandGroup(
                name: "Database", subcommands: [MigrateCommand.self, MaintainCommand.self, AuditCommands.self]),
            CommandGroup(name: "This program", subcommands: [ManCommand.self, CompletionCommand.self]),
        ])
}
