import ArgumentParser
import Foundation
import Postgres
import Tenancy

/// `gatepost event …`: whatever happened, as it was written down.
struct EventCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "event", abstract: "What happened: accepted, refused, delivered, deferred, bounced, changed.",
        discussion: """
            Kinds: accepted, refused, resubmitted (answered with the first one's id), suppressed (a recipient that was \
            dropped), would_refuse (a proposed cap), delivered, deferred, bounced, cancelled, unreadable (a queued \
            message that cannot be sent as it is stored: tried again after an hour), reported, limit_warning, \
            credential_changed, tenant_changed. Kept for 30 days.

            Examples:
              gatepost event list --tenant acme --since 1h
              gatepost event list --kind would_refuse --json
              gatepost event tail --tenant acme
            """,
        subcommands: [List.self, Tail.self])

    struct Filter: ParsableArguments {
        @Option(help: "Only this tenant's.", transform: ArgumentText.slug) var tenant: String?
        @Option(help: "Only what this credential did.", transform: ArgumentText.credential) var credential: String?
        @Option(help: "Only of this kind.", completion: .list(EventKind.all), transform: EventKind.known)
        var kind: String?
        @Option(help: ArgumentHelp("Only of this message.", valueName: "id"), transform: ArgumentText.message)
        var message: MessageID?
        @Option(
            help: ArgumentHelp("Only of this session, as log lines name it.", valueName: "id"),
            transform: ArgumentText.message)
        var session: MessageID?

        var value: EventFilter {
            var filter = EventFilter()
            filter.tenant = tenant
            filter.credential = credential
            filter.kind = kind
            filter.message = message
            filter.session = session
            return filter
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Events, newest first.",
            discussion: """
                Examples:
                  gatepost event list --tenant acme --kind refused --since 1h
                  gatepost event list --message 01920e3c-7b1a-7c55-9d0e-2f4b8a6c1e90 --json
                  gatepost event list --kind limit_warning --limit 1000
                """)

        @OptionGroup var common: CommonOptions
        @OptionGroup var filter: Filter
        @Option(help: ArgumentHelp("Nothing older: 7d, 2026-11-01, …", valueName: "time")) var since: String?
        @Option(help: ArgumentHelp("Nothing from then on.", valueName: "time")) var until: String?
        @Option(
            help: ArgumentHelp("At most this many. Default: 100.", valueName: "n"), transform: ArgumentText.lines)
        var limit: Int64 = 100

        private static let pageSize: Int64 = 500

        func validate() throws { _ = try wanted() }

        private func wanted() throws -> EventFilter {
            var wanted = filter.value
            wanted.since = try ArgumentText.instant(since, "since")
            wanted.until = try ArgumentText.instant(until, "until")
            return wanted
        }

        func run() async throws {
            let wanted = try wanted()
            try await Desk.sit(common, about: filter.tenant.map { .tenant($0) } ?? .other) { desk in
                var left = limit
                var last: String?
                while left > 0 {
                    let size = min(left, Self.pageSize)
                    // One more than is shown says whether there is more.
                    let found = try await desk.administration.events(wanted, pageSize: Int32(size) + 1, before: last)
                    let page = Array(found.prefix(Int(size)))
                    if last == nil || !page.isEmpty {
                        desk.output.list(
                            page,
                            [.time("AT"), .left("KIND"), .key("TENANT"), .key("MESSAGE"), .left("WHAT")],
                            empty: "no such events", json: \.json, row: \.row)
                    }
                    guard found.count > page.count, let final = page.last else { return }
                    left -= size
                    last = final.position
                }
                desk.output.noteLimit(limit)
            }
        }
    }

    struct Tail: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "tail", abstract: "Events as they come, each of them once, none left out.",
            discussion: """
                In the order of their transactions, a line each, until Ctrl-C. Each JSON line has a `position`: \
                --after goes on behind it, days later too, and misses nothing whichever order transactions ended in. \
                What a transaction that is still open wrote comes when it has ended, and what began after it waits \
                with it. While the database is away it waits for it; at its end it says its position on the standard \
                error.

                Examples:
                  gatepost event tail --tenant acme
                  gatepost event tail --json --after 81213:01920e3c-7b1a-7c55-9d0e-2f4b8a6c1e90
                  gatepost event tail --json --after 0:00000000-0000-0000-0000-000000000000 --once
                """)

        @OptionGroup var common: CommonOptions
        @OptionGroup var filter: Filter
        @Option(
            help: ArgumentHelp("Behind this position. Default: from now on.", valueName: "position"),
            transform: EventKind.position)
        var after: String?
        @Flag(help: "End where nothing more is there, instead of waiting for it.") var once = false

        /// Looked at a time, wanted or not.
        private static let pageSize: Int32 = 1000

        func run() async throws {
            try await Desk.sit(common, about: filter.tenant.map { .tenant($0) } ?? .other) { desk in
                let wanted = filter.value
                let ending = EndRequest()
                var position = after
                // Not for people alone: whoever reads lines of JSON that hold none has nothing else to go on from.
                defer { if let position { write("position \(position)\n", to: STDERR_FILENO) } }
                var patience = Patience(desk)
                while !ending.isAsked {
                    func next() async throws -> EventPage {
                        try await desk.administration.events(after: position, wanted, pageSize: Self.pageSize)
                    }
                    guard let page = once ? try await next() : try await patience.attempt(next) else {
                        await ending.pause(.seconds(1))
                        continue
                    }
                    for event in page.events {
                        desk.output.show(event.json, event.row.map(\.printable).joined(separator: "  ") + "\n")
                    }
                    let isFirst = position == nil
                    // What could not be written is not behind the reader: the position stays before it.
                    if LostOutput.failure != nil { break }
                    position = page.position ?? position
                    if once, page.position == nil || isFirst { break }
                    if page.position == nil || isFirst { await ending.pause(.seconds(1)) }
                }
            }
        }
    }
}

enum EventKind {
    static let all = [
        "accepted", "refused", "resubmitted", "suppressed", "would_refuse", "delivered", "deferred", "bounced",
        "cancelled", "unreadable", "reported", "limit_warning", "credential_changed", "tenant_changed",
    ]

    static func known(_ text: String) throws -> String {
        guard all.contains(text) else {
            let near = all.nearest(to: text).map { "did you mean `\($0)`? " } ?? ""
            throw ArgumentProblem(near + "expected one of " + all.joined(separator: ", "))
        }
        return text
    }

    static func position(_ text: String) throws -> String {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].utf8.count <= 19, Int(plainDigits: String(parts[0])) != nil,
            let id = MessageID(parts[1])
        else { throw ArgumentProblem("expected the `position` of an event, as event list and tail give it") }
        return "\(parts[0]):\(id)"
    }
}

extension ArgumentText {
    /// A time gone by, named by an option.
    static func instant(_ text: String?, _ option: String) throws -> Instant? {
        do {
            return try text.map { try past($0, now: .now) }
        } catch let problem as ArgumentProblem {
            throw ValidationError(
                "The value '\(text ?? "")' is invalid for '--\(option) <time>': \(problem.description)")
        }
    }
}

extension EventRecord {
    var json: JSON {
        [
            "position": .string(position), "id": .string(id.description), "at": .string(UTCTime(at).text),
            "kind": .string(kind), "tenant": .string(tenant), "credential": .string(credential),
            "message": .string(message?.description), "number": .number(number),
            "session": .string(session?.description), "reply_code": .number(replyCode),
            "reply_enhanced": .string(replyEnhanced), "reply": .string(reply.map(QueueMessage.text)),
            "detail": detail.flatMap { JSON(parsing: $0) } ?? .null,
        ]
    }

    var row: [String] {
        [Show.time(at.microseconds), kind, tenant ?? "-", message?.description ?? "-", what]
    }

    /// The remote's reply, or what the event tells besides, in words.
    var what: String {
        var parts: [String] = []
        if let change = detail.flatMap({ JSON(parsing: $0) })?.changeInWords { return change }
        if let number { parts.append("recipient \(number)") }
        let reply = replyText
        if !reply.isEmpty { parts.append(reply) }
        if let detail = detail.flatMap({ JSON(parsing: $0) }), detail["by"]?.plain != "node" {
            let words = detail.words
            if !words.isEmpty { parts.append(words) }
        }
        if let credential { parts.append("credential \(credential)") }
        return parts.joined(separator: ": ")
    }

    var replyText: String {
        ReplyText.of(replyCode, replyEnhanced, reply, isBounce: kind == "bounced")
    }
}

extension UTCTime {
    init(_ instant: Instant) { self.init(microseconds: instant.microseconds) }
}
