import ArgumentParser
import Ledger
import Logging
import Postgres
import Tenancy

/// `gatepost maintain`: the database's upkeep, once. Forwarders do the same on their own.
struct MaintainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "maintain", abstract: "The database's upkeep, once: partitions, old rows, refunds.",
        discussion: """
            Makes partitions ahead and drops those that have had their time, frees what lost nodes held, finishes and \
            refunds cancelled recipients, deletes expired rows. A running forwarder does this by itself; where none \
            runs for a day, let cron do it.

            Example:
              gatepost maintain
            """)

    @OptionGroup var common: CommonOptions

    func run() async throws {
        try await Desk.sit(common, as: .node) { desk in
            let report: Upkeep.Report
            do {
                let logger = Logger(label: "maintain") { _ in SwiftLogNoOpLogHandler() }
                report = try await Upkeep(try desk.settings.database(as: .node), logger: logger).runOnce()
            } catch let error as DatabaseError {
                throw AdministrationError(maintenance: error)
            }
            for step in report.partitions { desk.output.note(step.printable) }
            desk.output.show(
                [
                    "partitions": .strings(report.partitions), "owners_freed": .number(report.ownersFreed),
                    "recipients_freed": .number(report.orphansFreed), "recipients_cancelled": .number(report.cancelled),
                    "rows_deleted": .number(report.expired), "unfinished": .bool(report.isUnfinished),
                ],
                "\(report.partitions.count) partition steps, \(report.ownersFreed) lost nodes and "
                    + "\(report.orphansFreed) recipients freed, \(report.cancelled) recipients cancelled and refunded, "
                    + "\(report.expired) expired rows deleted\n")
            if report.isUnfinished {
                desk.output.note("A table was busy: run `gatepost maintain` again to go on.")
            }
        }
    }
}
