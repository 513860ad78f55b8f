import ArgumentParser
import Postgres
import Tenancy

/// `gatepost limits …`: what a limit would mean before it is set.
struct LimitsCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "limits", abstract: "What a limit would have refused, before it is set.",
        discussion: """
            For what is still to come, propose the cap instead: `gatepost tenant set acme --shadow-daily 5000` refuses \
            nothing, and `gatepost event list --tenant acme --kind would_refuse` tells what it would have.

            Example:
              gatepost limits replay --tenant acme --daily 5000 --since 30d
            """,
        subcommands: [Replay.self])

    struct Replay: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "replay", abstract: "Which past messages proposed caps would have refused.",
            discussion: """
                Goes through the ledger in order, as if the given caps had been in force and no others: a message that \
                would have been refused takes nothing from those behind it, and what was cancelled gives back when it \
                was. Each such message is a line, then comes a line for each day. Only messages that were accepted are \
                in the ledger. Nothing is changed.
                First-time recipients cannot be replayed: how many were new is kept by day and not by message, and whom a \
                tenant knew on a day gone by is not kept at all. Propose that cap: --shadow-first-time-daily.

                Examples:
                  gatepost limits replay --tenant acme --daily 5000 --since 30d
                  gatepost limits replay --tenant acme --daily 5000 --window rolling --monthly 50000 --json
                  gatepost limits replay --tenant acme --bytes-daily 2GiB --since 2026-11-01 --days-only
                """)

        enum Window: String, ExpressibleByArgument, CaseIterable { case day, rolling }

        @OptionGroup var common: CommonOptions
        @Option(help: "Whose past.", transform: ArgumentText.slug) var tenant: String
        @Option(
            help: ArgumentHelp("Recipients a day.", valueName: "n|unlimited"), transform: ArgumentText.limit)
        var daily: Limit?
        @Option(help: ArgumentHelp("How --daily counts: the tenant's day, or 24 hours.", valueName: "day|rolling"))
        var window: Window = .day
        @Option(
            help: ArgumentHelp("Recipients a month.", valueName: "n|unlimited"), transform: ArgumentText.limit)
        var monthly: Limit?
        @Option(
            help: ArgumentHelp("Octets a day: 500MiB, 2GiB.", valueName: "size"), transform: ArgumentText.anySize)
        var bytesDaily: Int64?
        @Option(help: ArgumentHelp("From then on.", valueName: "time")) var since: String = "30d"
        @Flag(help: "Only the lines of the days.") var daysOnly = false

        private static let pageSize: Int32 = 5000

        func validate() throws {
            _ = try start()
            guard daily != nil || monthly != nil || bytesDaily != nil else {
                throw ValidationError("Give a cap: --daily, --monthly or --bytes-daily.")
            }
        }

        private func start() throws -> Instant { try ArgumentText.instant(since, "since") ?? .now }

        private var caps: LimitReplay.Caps {
            LimitReplay.Caps(
                daily: daily?.number, monthly: monthly?.number, bytesDaily: bytesDaily, isRolling: window == .rolling)
        }

        func run() async throws {
            let start = try start()
            // What the first day, or the first month, had used before: counted and not told.
            let warmUp = start.advanced(by: .seconds(-86_400 * (monthly == nil ? 2 : 33)))
            try await Desk.sit(common, about: .tenant(tenant)) { desk in
                var replay = LimitReplay(caps, from: start)
                var last: LedgerEntry?
                let talk = Talk(output: desk.output, tellsMessages: !daysOnly)
                while true {
                    let page = try await desk.administration.ledger(
                        of: tenant, since: warmUp, after: last, pageSize: Self.pageSize)
                    for entry in page { talk.tell(replay.take(entry)) }
                    talk.tell(replay.finishedDays())
                    guard page.count == Int(Self.pageSize) else { break }
                    last = page.last
                }
                talk.tell(replay.finish())
                talk.tell(replay.finishedDays(true))
                talk.tell(total: replay.total)
            }
        }
    }
}

/// Lines as they become certain, for a past may be long.
private struct Talk {
    let output: Output
    let tellsMessages: Bool

    func tell(_ refusals: [LimitReplay.Refusal]) {
        guard tellsMessages else { return }
        for refusal in refusals {
            output.show(
                [
                    "kind": .string("message"), "id": .string(refusal.entry.message.description),
                    "at": refusal.entry.at.json,
                    "credential": .string(refusal.entry.credential), "day": .string(refusal.entry.day),
                    "recipients": .number(refusal.entry.recipients), "bytes": .number(refusal.entry.bytes),
                    "limit": .string(refusal.limit), "cap": .number(refusal.cap), "used": .number(refusal.used),
                ],
                "refuse  \(Show.time(refusal.entry.at.microseconds))  \(refusal.entry.message)  "
                    + "\(refusal.entry.recipients) recipients, \(Show.roughSize(refusal.entry.bytes))"
                    + (refusal.entry.credential.map { ", by \($0)" } ?? "")
                    + ": \(refusal.limit) of \(refusal.cap) with \(refusal.used) used\n")
        }
    }

    func tell(_ days: [LimitReplay.Day]) {
        for day in days {
            output.show(
                day.json("day"),
                "day     \(day.day)  \(day.refusedMessages) of \(day.messages) messages, "
                    + "\(day.refusedRecipients) of \(day.recipients) recipients would have been refused\n")
        }
    }

    func tell(total: LimitReplay.Day) {
        output.show(
            total.json("total"),
            "total   \(total.refusedMessages) of \(total.messages) messages, \(total.refusedRecipients) of "
                + "\(total.recipients) recipients would have been refused\n")
    }
}

extension LimitReplay.Day {
    fileprivate func json(_ kind: String) -> JSON {
        [
            "kind": .string(kind), "day": day.isEmpty ? .null : .string(day), "messages": .number(messages),
            "recipients": .number(recipients), "bytes": .number(bytes), "refused_messages": .number(refusedMessages),
            "refused_recipients": .number(refusedRecipients),
        ]
    }
}

extension Limit {
    /// nil: unlimited.
    fileprivate var number: Int64? { if case .of(let number) = self { number } else { nil } }
}
