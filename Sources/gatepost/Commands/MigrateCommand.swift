import ArgumentParser
import Glibc
import Postgres

/// `gatepost migrate`: the database's schema brought up to this binary's.
struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate", abstract: "Bring the database up to this version.",
        discussion: """
            Connects as database.owner-url says: gatepost_owner, or for the first time a role that may create roles. \
            Run again it changes nothing, but where a dump was restored into another cluster: there it puts the events \
            of before first, so that lists and readers of events go on in their order. `serve` never migrates.

            Examples:
              gatepost migrate --dry-run
              gatepost migrate
            """)

    @OptionGroup var common: CommonOptions
    @Flag(help: "Print the SQL that is to be run, and change nothing.") var dryRun = false

    func run() async throws {
        let settings = try common.settings()
        let database = try settings.database(as: .owner)
        let connection = DatabaseConnection(database)
        let output = Output(isJSON: common.json)
        do {
            if dryRun {
                let plan = try await Migrator.embedded.plan(connection)
                output.show(Self.json("pending", plan), plan.isEmpty ? "-- nothing to do\n" : plan.text + "\n")
            } else {
                let plan = try await Migrator.embedded.migrate(connection) { file in
                    output.note("applying \(file.kind.rawValue) \(file.name)")
                } restored: { events in
                    output.note("events of a restored dump put before all that come from now on: \(events) so far")
                }
                output.show(
                    Self.json("applied", plan),
                    plan.isEmpty
                        ? "the database is up to date (gatepost \(Gatepost.version))\n"
                        : "migrated to gatepost \(Gatepost.version): \(plan.migrations.count) migrations, "
                            + "\(plan.functions.count) functions\n")
            }
        } catch let error as MigrationError {
            throw Failure(error.message.printable, hint: error.hint.printable)
        } catch let error as DatabaseError {
            throw Self.failure(error, database)
        }
    }

    private static func json(_ word: String, _ plan: Migrator.Plan) -> JSON {
        .object([
            JSON.Member(
                name: word,
                value: .array(
                    (plan.migrations + plan.functions).map { file in
                        ["kind": .string(file.kind.rawValue), "name": .string(file.name)]
                    }))
        ])
    }

    private static func failure(_ error: DatabaseError, _ database: DatabaseConfiguration) -> Failure {
        switch error.kind {
        case .unreachable where error.isRefusedLogin:
            .loginRefused(error.message, database, DatabaseRole.owner.key)
        case .unreachable:
            Failure(
                "the database is not reachable: \(error.message.printable)",
                hint: Failure.connectionHint(error.message, database, DatabaseRole.owner.key), .unavailable)
        case .doubt:
            Failure(
                "outcome unknown: \(error.message.printable)",
                hint: "run `gatepost migrate` again: it finds out what was applied and goes on", .unavailable)
        case .refused where error.sqlState == "42501":
            Failure(
                "the database does not let this role migrate: \(error.message.printable)",
                hint: "set database.owner-url to a connection as gatepost_owner, or for the first time as a role that "
                    + "may create roles", .denied)
        case .refused, .unexpected, .configuration: Failure(error.description.printable)
        }
    }
}
