import ArgumentParser
import Glibc
import Postgres
import Tenancy

/// `gatepost usage …`: what was sent, what is left, when it resets, how it was before, and whether it adds up.
struct UsageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "usage", abstract: "What tenants have used of their caps: now, and by day and month.",
        discussion: """
            `gatepost usage acme` is `gatepost usage show acme`.

            Examples:
              gatepost usage
              gatepost usage acme
              gatepost usage acme --watch
              gatepost usage acme --by day --since 30d
              gatepost usage acme --by month --by-credential --json
              gatepost usage verify --tenant acme
            """,
        subcommands: [ShowUsage.self, Verify.self], defaultSubcommand: ShowUsage.self)

    struct ShowUsage: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Counters now, or by day and month.",
            discussion: """
                Without a tenant: every tenant's day and month. With a tenant: each of its limits, what is used of it \
                and when it resets. With --by, --since, --until, --by-credential or --by-domain: the history, with what \
                became of its mail (attempts that ended so in that time). Days are the tenant's own, caps those in \
                force now. All of it is read from counters: however much was sent, it costs the same.

                Examples:
                  gatepost usage show
                  gatepost usage show acme --watch
                  gatepost usage show acme --by day --since 30d
                  gatepost usage show acme --by month --by-credential --json
                  gatepost usage show acme --by-domain --since 2026-11-01 --until 2026-11-30
                  gatepost usage show acme --credential acme.k7m2q9 --since 7d
                """)

        enum Period: String, ExpressibleByArgument, CaseIterable { case day, month }

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.slug) var tenant: String?
        @Option(help: ArgumentHelp("History by day or month.", valueName: "day|month")) var by: Period?
        @Option(
            help: ArgumentHelp("From this day on: 30d, 2026-11-01.", valueName: "day"), transform: ArgumentText.localDay
        )
        var since: String?
        @Option(
            help: ArgumentHelp("Up to this day, included.", valueName: "day"), transform: ArgumentText.localDay)
        var until: String?
        @Flag(help: "History of each credential.") var byCredential = false
        @Option(help: "History of this credential.", transform: ArgumentText.credential) var credential: String?
        @Flag(help: "History of each sender domain.") var byDomain = false
        @Option(help: "History of this sender domain.", transform: ArgumentText.domain) var domain: String?
        @Flag(help: "Show it again every two seconds, until Ctrl-C.") var watch = false

        private static let pageSize: Int32 = 500

        private var isHistory: Bool {
            by != nil || since != nil || until != nil || byCredential || credential != nil || byDomain || domain != nil
        }

        func validate() throws {
            if isHistory, tenant == nil { throw ValidationError("The history is of one tenant: give its name.") }
            if byCredential || credential != nil, byDomain || domain != nil {
                throw ValidationError("Either credentials or sender domains, not both.")
            }
        }

        func run() async throws {
            try await Desk.sit(common, about: tenant.map { .tenant($0) } ?? .other) { desk in
                guard watch else { return try await once(desk, isWatched: false) }
                let ending = EndRequest()
                let isTerminal = isatty(STDOUT_FILENO) == 1 && !desk.output.isJSON
                var patience = Patience(desk)
                // Where nobody reads any more, it ends.
                while !ending.isAsked, LostOutput.failure == nil {
                    if isTerminal { write("\u{1b}[H\u{1b}[2J", to: STDOUT_FILENO) }
                    _ = try await patience.attempt { try await once(desk, isWatched: !isTerminal) }
                    await ending.pause(.seconds(2))
                }
            }
        }

        private func once(_ desk: Desk, isWatched: Bool) async throws {
            guard let tenant else { return try await everyone(desk) }
            guard isHistory else {
                let records = try await desk.administration.usage(of: tenant)
                return desk.output.show(
                    UsageTable.json(tenant, records),
                    isWatched ? UsageTable.line(records) : UsageTable.text(records))
            }
            let split =
                byCredential || credential != nil ? "credential" : byDomain || domain != nil ? "domain" : "tenant"
            let periods = try await desk.administration.usageHistory(
                of: tenant, by: (by ?? .day).rawValue, since: since, until: until, split: split,
                name: credential ?? domain)
            UsageTable.show(periods, of: tenant, split: split, desk.output)
        }

        private func everyone(_ desk: Desk) async throws {
            var last = ""
            while true {
                let page = try await desk.administration.usage(after: last, pageSize: Self.pageSize)
                if last.isEmpty || !page.isEmpty {
                    desk.output.list(
                        page,
                        [
                            .key("TENANT"), .key("DAY"), .right("USED"), .right("CAP"), .left(""), .right("MONTH"),
                            .right("CAP"), .left(""), .right("MESSAGES"), .right("SIZE"),
                        ],
                        empty: "no tenants", json: \.json, row: \.row)
                }
                guard page.count == Int(Self.pageSize), let final = page.last else { return }
                last = final.tenant
            }
        }
    }
}

extension UsageCommand {
    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify", abstract: "Whether every counter is the sum of the ledger, and of what is stored.",
            discussion: """
                Compares each counter of a tenant and of its credentials with the sum of the ledger, and the ledger \
                with the recipients stored and not refunded, on the days whose messages are all still stored. Months \
                that the days touch are looked at whole. It changes nothing and ends with 2 where something differs.

                Examples:
                  gatepost usage verify
                  gatepost usage verify --tenant acme --since 2026-11-01 --until 2026-11-30
                """)

        @OptionGroup var common: CommonOptions
        @Option(help: "Only this tenant's. Default: every tenant's.", transform: ArgumentText.slug)
        var tenant: String?
        @Option(
            help: ArgumentHelp("From this day on: 90d, 2026-11-01. Default: 35d.", valueName: "day"),
            transform: ArgumentText.localDay)
        var since: String?
        @Option(
            help: ArgumentHelp(
                "Up to this day, included. Default: today, where it is latest (UTC+14).", valueName: "day"),
            transform: ArgumentText.localDay)
        var until: String?

        func validate() throws { _ = try days() }

        private func days() throws -> (since: String, until: String) {
            let today = String(UTCTime(Instant.now.advanced(by: .seconds(14 * 3600))).secondsText.prefix(10))
            let days = (since: try since ?? ArgumentText.localDay("35d"), until: until ?? today)
            guard days.since <= today else {
                throw ValidationError("Nothing is charged yet on \(days.since), which --since gives.")
            }
            guard days.since <= days.until else {
                throw ValidationError("No day is from \(days.since) (--since) up to \(days.until) (--until).")
            }
            return days
        }

        func run() async throws {
            let days = try days()
            var differs = false
            try await Desk.sit(common, about: tenant.map { .tenant($0) } ?? .other) { desk in
                let differences = try await desk.administration.usageVerify(
                    of: tenant, since: days.since, until: days.until)
                differs = !differences.isEmpty
                for difference in differences { desk.output.show(difference.json, difference.line) }
                let whose = tenant.map { "tenant \($0)" } ?? "every tenant"
                let what = "the counters of \(whose), its credentials' too, from \(days.since) to \(days.until)"
                if differs {
                    desk.output.note("\(differences.count) differences in \(what)")
                } else {
                    desk.output.show(
                        ["differences": .number(0), "since": .string(days.since), "until": .string(days.until)],
                        "\(what) are the sums of the ledger, and these of the recipients stored and not refunded "
                            + "where all are still stored\n")
                }
            }
            if differs { throw ExitCode(gatepost.ExitStatus.differs.rawValue) }
        }
    }
}

extension UsageDifference {
    fileprivate var json: JSON {
        [
            "tenant": .string(tenant), "credential": .string(credential), "period": .string(period),
            "starts": .string(starts), "what": .string(what), "figure": .string(figure), "counter": .number(counter),
            "ledger": .number(ledger), "stored": .number(stored),
        ]
    }

    fileprivate var line: String {
        "differs  \(tenant)\(credential.map { " \($0)" } ?? "")  \(period) \(starts)  \(figure): "
            .printable
            + (what == "stored"
                ? "\(stored ?? 0) stored and not refunded" : "the counter says \(counter ?? 0)")
            + ", the ledger \(ledger ?? 0)\n"
    }
}

extension ArgumentText {
    /// A day of a tenant's calendar, `2026-11-01`, or so many days ago, `30d`.
    static func localDay(_ text: String) throws -> String {
        if let back = Duration(parsing: text), back >= .zero {
            return String(UTCTime(Instant.now.advanced(by: .zero - back)).secondsText.prefix(10))
        }
        guard text.utf8.count == 10, Instant(iso8601: text) != nil else {
            throw ArgumentProblem("expected a day like 2026-11-01, or a duration like 30d")
        }
        return text
    }
}

/// Counters, for people and programs.
enum UsageTable {
    /// What a terminal leaves for a bar beside figures.
    private static var barWidth: Int { Terminal.output.width.map { min(40, max(10, $0 - 80)) } ?? 10 }

    static func bar(_ used: Int64, of cap: Int64?) -> String {
        cap.map { Show.bar(used, of: $0, width: barWidth) } ?? ""
    }

    /// The day's figures at the top, the month's, the other limits' and the credentials' below.
    static func json(_ tenant: String, _ records: [UsageRecord]) -> JSON {
        let day = records.first { $0.scope == "day" }
        let month = records.first { $0.scope == "month" }
        func figures(_ record: UsageRecord) -> JSON {
            [
                "limit": .string(record.limit), "credential": .string(record.credential),
                "starts": .string(record.starts), "used": .number(record.used), "cap": .number(record.cap),
                "resets_at": .string(record.resetsText),
            ]
        }
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
            "limits": .array(records.filter { $0.scope == "limit" || $0.scope == "credential_limit" }.map(figures)),
            "test": .number(records.first { $0.scope == "test" }?.used ?? 0),
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
            .key("WHAT"), .key("FROM"), .right("USED"), .right("CAP"), .left(""), .right("MESSAGES"), .right("SIZE"),
            .time("RESETS"),
        ])
        for record in records {
            table.add([
                record.what, record.starts, record.figure(record.used), record.cap.map(record.figure) ?? "unlimited",
                bar(record.used, of: record.cap), record.messages.map { String($0) } ?? "-",
                record.bytes.map(Show.roughSize) ?? "-", record.resetsText ?? "-",
            ])
        }
        return table.text(for: .output)
    }

    /// One line, for a log of what --watch saw.
    static func line(_ records: [UsageRecord]) -> String {
        UTCTime.now().secondsText
            + records.map { "  \($0.what) \($0.used)/\(Show.limit($0.cap))".printable }.joined() + "\n"
    }

    static func show(_ periods: [UsagePeriod], of tenant: String, split: String, _ output: Output) {
        let isWhole = split == "tenant"
        var columns: [Table.Column] = [.key("FROM")]
        if !isWhole { columns.append(.key(split.uppercased())) }
        columns += [.right("RECIPIENTS"), .right("CAP"), .left(""), .right("MESSAGES"), .right("SIZE")]
        if isWhole { columns += [.right("DELIVERED"), .right("DEFERRED"), .right("BOUNCED")] }
        output.list(
            periods, columns, empty: "nothing was sent in that time", json: { $0.json(tenant, split) },
            row: { period in
                var row = [period.starts]
                if !isWhole { row.append(period.name ?? "-") }
                row += [
                    String(period.recipients), Show.limit(period.cap), bar(period.recipients, of: period.cap),
                    String(period.messages), Show.roughSize(period.bytes),
                ]
                if isWhole { row += [period.delivered, period.deferred, period.bounced].map { String($0 ?? 0) } }
                return row
            })
    }
}

extension UsageRecord {
    fileprivate var what: String {
        switch scope {
        case "day", "month": scope
        case "test": "held (test)"
        case "credential": credential ?? scope
        default: [credential, limit].compactMap(\.self).joined(separator: " ")
        }
    }

    fileprivate func figure(_ value: Int64) -> String {
        limit?.hasSuffix("bytes_daily") == true ? Show.roughSize(value) : String(value)
    }
}

extension TenantUsage {
    fileprivate var json: JSON {
        [
            "tenant": .string(tenant), "status": .string(status), "day": .string(day), "used": .number(used),
            "cap": .number(cap), "month_used": .number(monthUsed), "month_cap": .number(monthCap),
            "messages": .number(messages), "bytes": .number(bytes),
        ]
    }

    fileprivate var row: [String] {
        [
            tenant, day, String(used), Show.limit(cap), cap.map { Show.bar(used, of: $0) } ?? "", String(monthUsed),
            Show.limit(monthCap), monthCap.map { Show.bar(monthUsed, of: $0) } ?? "", String(messages),
            Show.roughSize(bytes),
        ]
    }
}

extension UsagePeriod {
    fileprivate func json(_ tenant: String, _ split: String) -> JSON {
        [
            "tenant": .string(tenant), "starts": .string(starts),
            "credential": split == "credential" ? .string(name) : .null,
            "domain": split == "domain" ? .string(name) : .null, "recipients": .number(recipients),
            "messages": .number(messages), "bytes": .number(bytes), "cap": .number(cap),
            "first_time": .number(firstTime), "would_refuse": .number(wouldRefuse), "test": .number(test),
            "delivered": .number(delivered), "deferred": .number(deferred), "bounced": .number(bounced),
        ]
    }
}
