import ArgumentParser
import Ledger
import Postgres
import SMTP
import Submission
import Tenancy

/// `gatepost explain …`: what would become of a message, or what became of one.
struct ExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Why: what a message would be answered, or what became of one.",
        discussion: """
            With --credential: every rule in the order in which a session meets it, its value, how it stands, pass or \
            refuse, and the exact reply to the first refusal (a session adds an id to it). Nothing is sent, stored or \
            charged: the ledger itself decides, and what it did is taken back.
            With an id (of `250 … queued as`, or the one in a refusal) or --session: the story of that message or \
            session, as far back as events (30 days) and the ledger (for good) go.

            Examples:
              gatepost explain --credential acme.k7m2q9 --ip 192.0.2.1 --from a@acme.example --to b@example.net
              gatepost explain --credential acme.k7m2q9 --from a@acme.example --to b@example.net --size 30MiB
              gatepost explain 01920e3c-7b1a-7c55-9d0e-2f4b8a6c1e90
              gatepost explain --session 01920e3c-7b1a-7c55-9d0e-2f4b8a6c1e90 --json
            """)

    @OptionGroup var common: CommonOptions
    @Argument(help: "A queue id, or the id in a refusal.", transform: ArgumentText.message) var id: MessageID?
    @Option(help: ArgumentHelp("A session, as log lines name it.", valueName: "id"), transform: ArgumentText.message)
    var session: MessageID?
    @Option(
        help: ArgumentHelp("The user name that a client would give.", valueName: "username"),
        transform: ArgumentText.credential)
    var credential: String?
    @Option(
        help: ArgumentHelp("Where that client is.", valueName: "address"), transform: ArgumentText.clientAddress)
    var ip: String?
    @Option(
        help: ArgumentHelp("How it would log in, like SCRAM-SHA-256.", valueName: "name"),
        transform: ArgumentText.oneMechanism)
    var mechanism: String?
    @Option(
        help: ArgumentHelp("The envelope sender; <> is the empty one.", valueName: "address"),
        transform: ArgumentText.reversePath)
    var from: ReversePath?
    @Option(
        parsing: .upToNextOption, help: ArgumentHelp("The recipients.", valueName: "address"),
        transform: ArgumentText.mailbox)
    var to: [Mailbox] = []
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Who stands in the From field, if not the envelope sender.", valueName: "address"),
        transform: ArgumentText.mailbox)
    var headerFrom: [Mailbox] = []
    @Option(
        help: ArgumentHelp("The message's size: octets, or like 30MiB. Default: 10KiB.", valueName: "size"),
        transform: ArgumentText.anySize)
    var size: Int64?

    func validate() throws {
        let asked = [id != nil, session != nil, credential != nil].count { $0 }
        guard asked == 1 else {
            throw ValidationError("Give an id, --session, or --credential with --from and --to.")
        }
        guard credential != nil else { return }
        guard from != nil, !to.isEmpty else { throw ValidationError("--credential needs --from and --to.") }
        if case .null? = from, headerFrom.isEmpty {
            throw ValidationError("With an empty envelope sender, --header-from must say who writes.")
        }
    }

    func run() async throws {
        try await Desk.sit(common) { desk in
            if let id { return try await Story.of(message: id, desk) }
            if let session { return try await Story.of(session: session, desk) }
            guard let credential, let from else { return }
            let question = ExplainQuestion(
                username: credential, client: ip, mechanism: mechanism, sender: from, authors: headerFrom,
                recipients: to, size: size ?? 10_240)
            let steps = try await desk.administration.explain(question)
            let trial: AcceptVerdict?
            do {
                trial = try AcceptTrial.verdict(try await desk.administration.explainTrial(question))
            } catch let error as DatabaseError {
                throw Failure("the ledger's answer cannot be read: \(error.message.printable)")
            }
            let answer = Rehearsed(question: question, steps: steps, trial: trial)
            desk.output.show(answer.json, answer.text)
        }
    }
}

/// What a session and the ledger would say.
struct Rehearsed {
    let question: ExplainQuestion
    let steps: [ExplainStep]
    /// nil: nobody has the username.
    let trial: AcceptVerdict?

    private var refusal: (step: ExplainStep, reply: Reply?)? { Rehearsal.firstRefusal(steps) }

    private var ledgerRefusal: AcceptRefusal? {
        if case .refused(let refusal)? = trial { refusal } else { nil }
    }

    /// A rule that only the ledger knows of, or one that changed between the two questions, is the ledger's to tell.
    private var reply: Reply? { refusal?.reply ?? ledgerRefusal.map { Rehearsal.reply(to: $0) } }

    private var hint: String? { refusal?.step.hint.map { "gatepost " + $0 } }

    private var ledgerWord: String {
        switch trial {
        case nil: "not asked: nobody has this user name"
        case .accepted(_, let remaining):
            "accepted" + (remaining.map { "; \($0) more recipients would fit" } ?? "; no cap on recipients")
        case .refused(let refusal): "refused: \(refusal.verdict.rawValue)"
        case .resubmitted, .unavailable, .outOfSpace, .unknown: "no answer"
        }
    }

    var json: JSON {
        [
            "passes": .bool(refusal == nil && ledgerRefusal == nil),
            "refused_at": .string(refusal?.step.stage), "rule": .string(refusal?.step.rule),
            "reply": .string(reply?.description), "hint": .string(hint),
            "ledger": .string(trial.map { _ in ledgerRefusal?.verdict.rawValue ?? "accepted" }),
            "rules": .array(
                steps.map { step in
                    [
                        "stage": .string(step.stage), "rule": .string(step.rule), "value": .string(step.value),
                        "stands": .string(step.stands), "passes": step.passes.map { .bool($0) } ?? .null,
                        "verdict": .string(step.verdict), "detail": .string(step.detail), "cap": .number(step.cap),
                        "used": .number(step.used), "resets_at": .string(step.resetsText),
                    ]
                }),
        ]
    }

    var text: String {
        var table = Table([.time("AT"), .left("RULE"), .left("IN FORCE"), .left("NOW"), .left("RESULT")])
        for step in steps {
            let result: String
            switch step.passes {
            case true: result = "pass"
            case false: result = "refuse"
            case nil: result = "not known from here"
            }
            table.add([step.stage, step.rule, step.value ?? "no limit", step.stands ?? "-", result])
        }
        var text = table.text(for: .output) + "\nledger  \(ledgerWord.printable)\n"
        guard let reply else {
            return text + "result  accepted: 250 2.0.0 Ok: queued as ID\n"
        }
        text += "result  refused" + (refusal.map { " at \($0.step.stage) by \($0.step.rule)" } ?? "") + "\n"
        text += "reply   \(reply.description.printable)\n"
        if reply.code == 535 {
            text += "        (the same for every reason: strangers learn nothing; the log has the reason)\n"
        }
        if let hint { text += "hint    \(hint.printable)\n" }
        return text
    }
}

extension ArgumentText {
    static func mailbox(_ text: String) throws -> Mailbox {
        guard let mailbox = try? Mailbox(parsing: text) else {
            throw ArgumentProblem("expected an address like a@acme.example")
        }
        return mailbox
    }

    static func reversePath(_ text: String) throws -> ReversePath {
        if text == "<>" || text.isEmpty { return .null }
        return .mailbox(try mailbox(text))
    }

    /// Octets, or a size with its unit.
    static func anySize(_ text: String) throws -> Int64 {
        let octets = Int(plainDigits: text) ?? ByteSize(parsing: text)?.bytes
        guard let octets, (1...(1 << 40)).contains(octets) else {
            throw ArgumentProblem("expected octets, or a size like 30MiB")
        }
        return Int64(octets)
    }
}
