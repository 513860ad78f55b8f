import ArgumentParser
import Tenancy

/// `gatepost usage`: what a tenant has sent, what is left, and when it resets.
struct UsageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "usage", abstract: "What a tenant has used of its caps, and when they reset.",
        discussion: """
            Example:
              gatepost usage acme --json
            """)

    @OptionGroup var common: CommonOptions
    @Argument(transform: ArgumentText.slug) var tenant: String

    func run() async throws {
        try await Desk.sit(common, about: .tenant(tenant)) { desk in
            let records = try await desk.administration.usage(of: tenant)
            desk.output.show(Self.json(tenant, records), Self.text(records))
        }
    }

    /// The day's figures at the top, the month's and the credentials' below.
    static func json(_ tenant: String, _ records: [UsageRecord]) -> JSON {
        let day = records.first { $0.scope == "day" }
        let month = records.first { $0.scope == "month" }
        return [
            "tenant": .string(tenant), "day": .string(day?.starts), "used": .number(day?.used),
            "cap": .number(day?.cap), "resets_at": .string(day?.resetsText), "messages": .number(day?.messages),
            "bytes": .number(day?.bytes),
            "month": month.map { month in
                [
                    "starts": .string(month.starts), "used": .number(month.used), "cap": .number(month.cap),
                    "resets_at": .string(month.resetsText), "messages": .number(month.messages),
                    "bytes": .number(month.bytes),
                ]
            } ?? .null,
            "credentials": .array(
                records.filter { $0.scope == "credential" }.map { record in
                    [
                        "credential": .string(record.credential), "day": .string(record.starts),
                        "used": .number(record.used), "cap": .number(record.cap),
                        "resets_at": .string(record.resetsText), "messages": .number(record.messages),
                        "bytes": .number(record.bytes),
                    ]
                }),
        ]
    }

    static func text(_ records: [UsageRecord]) -> String {
        var table = Table([
            .left("WHAT"), .left("FROM"), .right("USED"), .right("CAP"), .left(""), .right("MESSAGES"), .right("SIZE"),
            .left("RESETS"),
        ])
        for record in records {
            table.add([
                record.credential ?? record.scope, record.starts, String(record.used), Show.limit(record.cap),
                record.cap.map { Show.bar(record.used, of: $0) } ?? "", String(record.messages),
                Show.roughSize(record.bytes), record.resetsText ?? "-",
            ])
        }
        return table.text(for: .output)
    }
}
