import ArgumentParser
import Postgres
import Tenancy

/// `gatepost queue …`: what was accepted and is not yet delivered, and what became of the rest.
struct QueueCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queue", abstract: "Accepted messages and what became of them.",
        discussion: """
            Examples:
              gatepost queue list
              gatepost queue list --all --tenant acme --json
              gatepost queue show 01920e3c-7b1a-7c55-9d0e-2f4b8a6c1e90
              gatepost queue retry 01920e3c-7b1a-7c55-9d0e-2f4b8a6c1e90
            """,
        subcommands: [List.self, ShowOne.self, Retry.self, Cancel.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Messages that still have somebody to go to, oldest first.",
            discussion: """
                A message is `deferred` if any recipient is, else `queued`, else `bounced`, `cancelled`, `delivered`.

                Examples:
                  gatepost queue list
                  gatepost queue list --all --tenant acme --json
                """)

        @OptionGroup var common: CommonOptions
        @Option(help: "Only this tenant's.", transform: ArgumentText.slug) var tenant: String?
        @Flag(help: "Everything that is stored, delivered messages too.") var all = false

        /// Rows asked for at a time: memory stays the same however long the queue is.
        private static let pageSize: Int32 = 500

        func run() async throws {
            try await Desk.sit(common, about: tenant.map { .tenant($0) } ?? .other) { desk in
                var last: MessageID?
                var held: Set<String> = []
                while true {
                    let page = try await desk.administration.queue(
                        of: tenant, everything: all, pageSize: Self.pageSize, after: last)
                    let waiting = Set(page.lazy.filter { $0.live > 0 }.map(\.tenant))
                    held.formUnion(try await desk.administration.heldQueues(among: waiting))
                    if last == nil || !page.isEmpty {
                        desk.output.list(
                            page,
                            [
                                .key("ID"), .key("TENANT"), .left("STATE"), .right("RECIPIENTS"), .right("LEFT"),
                                .right("SIZE"), .time("ACCEPTED"), .time("NEXT TRY"), .left("FROM"),
                            ],
                            empty: all ? "nothing is stored" : "the queue is empty",
                            json: { $0.json(isHeld: held.contains($0.tenant)) }, row: \.row)
                    }
                    guard page.count == Int(Self.pageSize), let final = page.last else { break }
                    last = final.id
                }
                for slug in held.sorted() {
                    desk.output.remark("the queue of \(slug) is held; `gatepost tenant resume \(slug)` lets it go")
                }
            }
        }
    }

    struct ShowOne: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "One message: each recipient's state and the last reply for it.",
            discussion: """
                Example:
                  gatepost queue show 01920e3c-7b1a-7c55-9d0e-2f4b8a6c1e90
                """)

        @OptionGroup var common: CommonOptions
        @Argument(help: "The id from `250 … queued as <id>`.", transform: ArgumentText.message) var id: MessageID

        func run() async throws {
            try await Desk.sit(common) { desk in
                let message = try await desk.administration.message(id)
                desk.output.show(message.json, message.text)
            }
        }
    }

    struct Retry: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "retry", abstract: "Try a deferred message again at once.",
            discussion: """
                Its recipients are due now and the next free forwarder takes them; the schedule goes on after that. Where \
                the tenant's queue is held nothing is changed, and the exit status is 1.

                Examples:
                  gatepost queue retry 01920e3c-7b1a-7c55-9d0e-2f4b8a6c1e90
                  gatepost queue retry 01920e3c-7b1a-7c55-9d0e-2f4b8a6c1e90 b@example.net
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.message) var id: MessageID
        @Argument(help: "Only this one: its address, or its number in `queue show`.") var recipient: String?

        func run() async throws {
            try await Desk.sit(common) { desk in
                let numbers = try await desk.numbers(of: recipient, in: id)
                let retries = try await desk.administration.retry(id, numbers: numbers)
                func count(_ verdict: String) -> Int { retries.count { $0.verdict == verdict } }
                desk.output.show(
                    [
                        "id": .string(id.description), "due": .number(count("due")),
                        "under_way": .number(count("under way")), "cancelled": .number(count("cancelled")),
                        "final": .number(count("final")),
                    ],
                    "message \(id): \(count("due")) due now, \(count("under way")) under way, "
                        + "\(count("final") + count("cancelled")) final already\n")
            }
        }
    }

    struct Cancel: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "cancel", abstract: "Take a message back before it is delivered, and refund it.",
            discussion: """
                What is being delivered at this moment is only marked: if it is not delivered now, it is not tried again.

                Examples:
                  gatepost queue cancel 01920e3c-7b1a-7c55-9d0e-2f4b8a6c1e90 --yes
                  gatepost queue cancel 01920e3c-7b1a-7c55-9d0e-2f4b8a6c1e90 b@example.net --yes
                """)

        @OptionGroup var common: CommonOptions
        @OptionGroup var confirmation: Confirmation
        @Argument(transform: ArgumentText.message) var id: MessageID
        @Argument(help: "Only this one: its address, or its number in `queue show`.") var recipient: String?
        @Option(help: "Why, for the audit.", transform: ArgumentText.line) var reason: String?

        func run() async throws {
            try await Desk.sit(common) { desk in
                let numbers = try await desk.numbers(of: recipient, in: id)
                try confirmation.ask(
                    "Cancel \(id)\(recipient.map { " for " + $0.printable } ?? ""): what is not delivered yet never will be. "
                        + "Go on")
                let outcomes = try await desk.administration.cancel(id, reason: reason, numbers: numbers)
                func count(_ verdict: String) -> Int { outcomes.count { $0.verdict == verdict } }
                if outcomes.contains(where: { $0.verdict == "unknown" }) {
                    throw Failure("no message `\(id)`", hint: "`gatepost queue list` lists them")
                }
                desk.output.show(
                    [
                        "id": .string(id.description), "cancelled": .number(count("cancelled")),
                        "under_way": .number(count("marked")), "final": .number(count("final")),
                    ],
                    "message \(id): \(count("cancelled")) cancelled and refunded, \(count("marked")) under way, "
                        + "\(count("final")) final already\n")
            }
        }
    }
}

extension Desk {
    /// The number of a message's recipient, given by address or number; nil: all of them.
    fileprivate func numbers(of recipient: String?, in id: MessageID) async throws -> [Int64]? {
        guard let recipient else { return nil }
        let recipients = try await administration.message(id).recipients
        let number = Int(plainDigits: recipient).map { Int64($0) }
        let found = recipients.filter { $0.address == recipient || $0.number == number }
        guard !found.isEmpty else {
            throw Failure(
                "message \(id) has no recipient `\(recipient.printable)`",
                hint: "`gatepost queue show \(id)` lists them")
        }
        return found.map(\.number)
    }
}

extension QueueRecord {
    func json(isHeld: Bool) -> JSON {
        [
            "id": .string(id.description), "tenant": .string(tenant), "credential": .string(credential),
            "state": .string(state), "recipients": .number(recipients), "left": .number(live),
            "size": .number(size), "sender": .string(sender), "accepted_at": acceptedAt.json,
            "next_attempt": nextAttempt.json, "queue_held": .bool(isHeld),
        ]
    }

    var row: [String] {
        [
            id.description, tenant, state, String(recipients), String(live), Show.roughSize(size),
            Show.time(acceptedAt.microseconds), Show.time(nextAttempt?.microseconds), "<\(sender)>",
        ]
    }
}

extension QueueMessage {
    var json: JSON {
        [
            "id": .string(id.description), "tenant": .string(tenant), "credential": .string(credential),
            "state": .string(state), "kind": .string(kind), "size": .number(size), "sender": .string(sender),
            "from_domain": .string(fromDomain), "message_id": .string(messageIDHeader), "client": .string(client),
            "helo": .string(helo.map(Self.text)), "accepted_at": acceptedAt.json, "body_stored": .bool(isBodyStored),
            "queue_held": .bool(isHeld), "recipients": .array(recipients.map(\.json)),
        ]
    }

    var text: String {
        var table = Table([
            .right("NO"), .left("RECIPIENT"), .left("STATE"), .right("TRIES"), .time("LAST"), .time("NEXT"),
            .left("REPLY"),
        ])
        for recipient in recipients {
            table.add([
                String(recipient.number), recipient.address, recipient.stateText, String(recipient.attempts),
                Show.time((recipient.finalAt ?? recipient.lastAttempt)?.microseconds),
                recipient.finalAt == nil ? Show.time(recipient.nextAttempt?.microseconds) : "-", recipient.replyText,
            ])
        }
        return Table.properties([
            "id": id.description, "state": state, "tenant": tenant, "credential": credential ?? "-",
            "sender": "<\(sender)>",
            "from domain": fromDomain, "message id": messageIDHeader ?? "-", "client": client ?? "-",
            "helo": helo.map(Self.text) ?? "-", "size": Show.roughSize(size),
            "accepted": Show.time(acceptedAt.microseconds), "body": isBodyStored ? "stored" : "gone",
        ]) + heldText + "\n" + table.text(for: .output)
    }

    /// Why nothing is tried, where somebody waits.
    private var heldText: String {
        guard isHeld, recipients.contains(where: { $0.finalAt == nil }) else { return "" }
        return Table.properties(["queue": "held, nothing is tried; `gatepost tenant resume \(tenant)` lets it go"])
    }

    /// What came over the wire need not be UTF-8.
    static func text(_ octets: [UInt8]) -> String { String(decoding: octets, as: UTF8.self) }
}

extension QueueMessage.Recipient {
    var json: JSON {
        [
            "number": .number(number), "address": .string(address), "state": .string(state),
            "cancel_requested": .bool(isMarked), "under_way": .bool(isLeased), "attempts": .number(attempts),
            "next_attempt": finalAt == nil ? nextAttempt.json : .null, "last_attempt": lastAttempt.json,
            "final_at": finalAt.json, "reply_code": .number(replyCode), "reply_enhanced": .string(replyEnhanced),
            "reply": .string(reply.map(QueueMessage.text)),
        ]
    }

    var stateText: String { isMarked && finalAt == nil ? "\(state), cancel asked" : state }

    var replyText: String {
        ReplyText.of(replyCode, replyEnhanced, reply, isBounce: state == "bounced")
    }
}
