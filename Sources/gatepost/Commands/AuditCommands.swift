import ArgumentParser
import Postgres
import Tenancy

/// `gatepost audit …`: who changed what.
struct AuditCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Who changed what, and when.",
        discussion: """
            Each change leaves a line in its own transaction. Nobody but the database's owner can alter one.

            Examples:
              gatepost audit list --tenant acme
              gatepost audit list --since 7d --json
            """,
        subcommands: [List.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Changes, newest first.",
            discussion: """
                Examples:
                  gatepost audit list --tenant acme
                  gatepost audit list --since 2026-11-01 --limit 1000 --json
                """)

        @OptionGroup var common: CommonOptions
        @Option(help: "Only what was done to this tenant.", transform: ArgumentText.slug) var tenant: String?
        @Option(help: ArgumentHelp("Nothing older: 7d, 2026-11-01, …", valueName: "time")) var since: String?
        @Option(
            help: ArgumentHelp("At most this many lines. Default: 100.", valueName: "n"), transform: ArgumentText.lines)
        var limit: Int64 = 100

        /// Rows asked for at a time.
        private static let pageSize: Int64 = 500

        func validate() throws { _ = try start() }

        private func start() throws -> Instant? {
            do {
                return try since.map { try ArgumentText.past($0, now: .now) }
            } catch let problem as ArgumentProblem {
                throw ValidationError(
                    "The value '\(since ?? "")' is invalid for '--since <time>': \(problem.description)")
            }
        }

        func run() async throws {
            let start = try start()
            try await Desk.sit(common, about: tenant.map { .tenant($0) } ?? .other) { desk in
                var left = limit
                var last: Int64?
                while left > 0 {
                    let size = min(left, Self.pageSize)
                    // One more than is shown says whether there is more.
                    let found = try await desk.administration.audit(
                        of: tenant, since: start, pageSize: size + 1, before: last)
                    let page = Array(found.prefix(Int(size)))
                    if last == nil || !page.isEmpty {
                        desk.output.list(
                            page,
                            [
                                .time("AT"), .left("BY"), .left("ROLE"), .left("ACTION"), .key("OBJECT"),
                                .left("DETAIL"),
                            ],
                            empty: "no changes", json: \.json, row: \.row)
                    }
                    guard found.count > page.count, let final = page.last else { return }
                    left -= size
                    last = final.id
                }
                desk.output.noteLimit(limit)
            }
        }
    }
}

extension AuditRecord {
    fileprivate var json: JSON {
        [
            "id": .number(id), "at": at.json, "os_user": .string(operatingSystemUser),
            "database_user": .string(databaseUser), "tenant": .string(tenant), "action": .string(action),
            "object": .string(object), "detail": JSON(parsing: detail) ?? .string(detail),
        ]
    }

    fileprivate var row: [String] {
        [
            Show.time(at.microseconds), operatingSystemUser, databaseUser, action, object,
            detail == "{}" ? "" : detail,
        ]
    }
}
