import ArgumentParser
import Foundation
import Ledger

/// `gatepost bench accept`: PostgreSQL's own rate, with which a server's is to be compared.
struct BenchAccept: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "accept", abstract: "Measure the database's accept() alone.",
        discussion: """
            Calls ledger.accept over libpq as a server does, in batches of several sizes, for one hot tenant and for \
            many. Its scratch tenants are bench-1, bench-2 …; what they accept is cancelled afterwards and never sent.

            Examples:
              gatepost bench accept --config .gatepost/gatepost.yaml
              gatepost bench accept --batch 50 --messages 50000 --json
            """)

    @OptionGroup var common: CommonOptions
    @Option(
        help: ArgumentHelp("Messages of one call; may be repeated. Default: 1, 10 and 50.", valueName: "n"),
        transform: BenchText.count)
    var batch: [Int] = []
    @Option(
        help: ArgumentHelp(
            "For each figure; in batches of one a tenth of it, at least 100. Default: 10000.", valueName: "n"),
        transform: BenchText.count)
    var messages = 10_000
    @Option(help: ArgumentHelp("Of a message. Default: 10KiB.", valueName: "size"), transform: BenchText.size)
    var size = 10_240
    @Option(
        help: ArgumentHelp("The `many` of one hot tenant and many, up to 1000. Default: 50.", valueName: "n"),
        transform: BenchText.count)
    var tenants = 50
    @Option(help: ArgumentHelp("Calls at a time, up to 64. Default: 1.", valueName: "n"), transform: BenchText.count)
    var connections = 1

    func validate() throws {
        if tenants > 1000 { throw ValidationError("'--tenants <n>' may be at most 1000") }
        if connections > 64 { throw ValidationError("'--connections <n>' may be at most 64") }
        if batch.contains(where: { $0 > 1000 }) { throw ValidationError("'--batch <n>' may be at most 1000") }
    }

    func run() async throws {
        let batches = batch.isEmpty ? [1, 10, 50] : batch
        let output = Output(isJSON: common.json)
        var cells: [AcceptBench.Cell] = []
        try await AcceptBench.with(common, tenants: tenants) { bench in
            // The first calls pay for plans and for pages that were never touched.
            _ = try await bench.measure(tenants: 1, batch: 50, connections: 1, messages: 1000, size: size)
            for tenants in Set([1, tenants]).sorted() {
                for batch in batches {
                    output.note("batches of \(batch), \(tenants) tenant\(tenants == 1 ? "" : "s") …")
                    cells.append(
                        try await bench.measure(
                            tenants: tenants, batch: batch, connections: connections,
                            messages: batch == 1 ? max(100, messages / 10) : messages, size: size))
                }
            }
        }
        output.list(
            cells,
            [
                .right("TENANTS"), .right("BATCH"), .right("MESSAGES/S"), .right("µS/CALL"), .right("µS/MESSAGE"),
                .right("MESSAGES"), .left("REFUSED"),
            ], empty: "nothing measured"
        ) { cell in
            [
                "tenants": .number(cell.tenants), "batch": .number(cell.batch),
                "connections": .number(cell.connections),
                "size": .number(size), "messages": .number(cell.report.messages), "calls": .number(cell.report.calls),
                "accepted": .number(cell.report.accepted.count),
                "messages_per_second": .number(Int64(cell.messagesPerSecond)),
                "us_per_call": .number(Int64(cell.microsecondsPerCall)),
                "us_per_message": .number(Int64(cell.microsecondsPerCall / Double(cell.batch))),
            ]
        } row: { cell in
            [
                "\(cell.tenants)", "\(cell.batch)", "\(Int(cell.messagesPerSecond))",
                "\(Int(cell.microsecondsPerCall))",
                String(format: "%.1f", cell.microsecondsPerCall / Double(cell.batch)), "\(cell.report.messages)",
                cell.report.refusals.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "),
            ]
        }
    }
}
