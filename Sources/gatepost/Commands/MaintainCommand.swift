import ArgumentParser
import Tenancy

/// `gatepost maintain`: the database's upkeep, once. Forwarders do the same on their own.
struct MaintainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "maintain", abstract: "Partitions made ahead and dropped, expired rows deleted, refunds finished.",
        discussion: """
            A running forwarder does this by itself; where none runs for a day, let cron do it.

            Example:
              gatepost maintain
            """)

    @OptionGroup var common: CommonOptions

    func run() async throws {
        try await Desk.sit(common) { desk in
            let done = try await desk.administration.maintain { desk.output.note($0.printable) }
            desk.output.show(
                [
                    "partitions": .strings(done.partitions), "rows_deleted": .number(done.rowsDeleted),
                    "recipients_freed": .number(done.recipientsFreed),
                    "recipients_cancelled": .number(done.recipientsCancelled),
                ],
                "\(done.partitions.count) partition steps, \(done.rowsDeleted) expired rows deleted, "
                    + "\(done.recipientsFreed) recipients freed, \(done.recipientsCancelled) cancelled and refunded\n")
        }
    }
}
