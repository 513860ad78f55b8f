import ArgumentParser
import Tenancy

extension TenantCommands {
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Tenants, by name, a page at a time.",
            discussion: """
                All of them, in pages of 500 that are printed as they come; --limit ends it earlier, and --after goes \
                on behind a name. Deleted ones only with --status deleted.

                Examples:
                  gatepost tenant list
                  gatepost tenant list --status suspended --json
                  gatepost tenant list --plan small --limit 100 --after acme
                """)

        @OptionGroup var common: CommonOptions
        @Option(help: ArgumentHelp("Only these.", valueName: "active|suspended|deleted"), transform: Self.status)
        var status: String?
        @Option(help: "Only those with this plan.", transform: ArgumentText.slug) var plan: String?
        @Option(
            help: ArgumentHelp("Only those behind this name.", valueName: "tenant"), transform: ArgumentText.slug)
        var after: String?
        @Option(help: ArgumentHelp("At most this many.", valueName: "n"), transform: ArgumentText.lines)
        var limit: Int64?

        static func status(_ text: String) throws -> String {
            guard ["active", "suspended", "deleted"].contains(text) else {
                throw ArgumentProblem("expected active, suspended or deleted")
            }
            return text
        }

        /// Rows asked for at a time.
        private static let pageSize: Int64 = 500

        func run() async throws {
            try await Desk.sit(common, about: plan.map { .plan($0) } ?? .other) { desk in
                if let plan { _ = try await desk.administration.plan(plan) }
                var filter = Administration.TenantFilter()
                filter.status = status
                filter.plan = plan
                filter.after = after
                var left = limit ?? Int64.max
                var isFirst = true
                while left > 0 {
                    let size = min(left, Self.pageSize)
                    let page = try await desk.administration.tenants(filter, pageSize: size)
                    if isFirst || !page.isEmpty { print(page, desk.output) }
                    isFirst = false
                    guard page.count == Int(size), let last = page.last else { return }
                    left -= size
                    filter.after = last.slug
                }
            }
        }

        private func print(_ page: [TenantRecord], _ output: Output) {
            let isFiltered = status != nil || plan != nil || after != nil
            output.list(
                page,
                [
                    .key("TENANT"), .left("STATUS"), .right("DAILY"), .right("MONTHLY"), .right("RATE/MIN"),
                    .right("SESSIONS"), .left("POLICY"), .left("ZONE"), .key("POOL"), .key("PLAN"),
                ],
                empty: isFiltered
                    ? "no such tenants" : "no tenants yet; make one with `gatepost tenant create NAME`",
                json: \.json
            ) { tenant in
                [
                    tenant.slug, tenant.status, Show.limit(tenant.daily), Show.limit(tenant.monthly),
                    Show.limit(tenant.rate), Show.limit(tenant.sessions), tenant.policy, tenant.zone, tenant.pool,
                    tenant.plan ?? "-",
                ]
            }
        }
    }
}
