/// `gatepost help TOPIC`: what belongs to no single command.
struct HelpTopic: Sendable {
    struct Entry: Sendable {
        let term: String
        let text: String
        var example: String?
    }

    let name: String
    let abstract: String
    /// Lines that stay as they are.
    var picture: [String] = []
    let entries: [Entry]
    var closing = ""

    static let all = [concepts, limits, exitCodes, secrets]

    func text(width: Int) -> String {
        let column = (entries.map(\.term.displayWidth).max() ?? 0) + 2
        var text = picture.map { $0 + "\n" }.joined() + (picture.isEmpty ? "" : "\n")
        for entry in entries {
            let lines = entry.text.wrappedLines(to: width - column) + (entry.example.map { ["$ " + $0] } ?? [])
            let padding = String(repeating: " ", count: column)
            text +=
                entry.term + String(repeating: " ", count: column - entry.term.displayWidth)
                + lines.joined(separator: "\n" + padding) + "\n"
        }
        return text + (closing.isEmpty ? "" : "\n" + closing.wrapped(to: width))
    }

    static let exitCodes = HelpTopic(
        name: "exit-codes", abstract: "The numbers every command ends with.",
        entries: [
            Entry(term: "0", text: "Done."),
            Entry(
                term: "1",
                text: "Refused or failed: no such tenant, a name that is taken, a file that cannot be read.",
                example: "gatepost tenant show no-such-tenant"),
            Entry(term: "2", text: "Differs, or a check found something.", example: "gatepost check"),
            Entry(
                term: "64",
                text: "The command line is wrong, or a value on it; also where a confirmation is needed and there is "
                    + "no terminal to ask on (--yes).", example: "gatepost tenant set acme --daily many"),
            Entry(
                term: "69",
                text: "The database is away, or did not say what became of a change: give the same command again."),
            Entry(
                term: "77",
                text: "Not permitted: by the database role the command connects as; or a secret's file, given to the "
                    + "command, that others can read."),
        ],
        closing:
            "Scripts may rely on the numbers; the words may change. Results are on the standard output, everything "
            + "else on the standard error: a line that begins with `error:`, and mostly one with `hint:`, which says "
            + "what helps.")

    static let concepts = HelpTopic(
        name: "concepts", abstract: "Tenant, credential, domain, pool, relay, node: how they belong together.",
        picture: [
            "application ──▶ submission ──▶ PostgreSQL ◀── forwarder ──▶ relay ──▶ internet",
            "     │               │                                         │",
            "credential        tenant, its caps and domains          pool, chosen by tenant",
        ],
        entries: [
            Entry(
                term: "tenant",
                text: "A customer: its limits, its time zone, whether its mail is taken, and the pool it leaves by.",
                example: "gatepost tenant create acme --daily 300"),
            Entry(
                term: "domain",
                text: "What a tenant may send as. A message whose envelope sender or author is of another domain is "
                    + "refused.", example: "gatepost domain add acme acme.example --trust"),
            Entry(
                term: "credential",
                text: "A user name and a secret: what one application logs in with. A tenant has as many as it likes; "
                    + "each may have a cap, networks and an end of its own.",
                example: "gatepost credential issue acme --label \"web shop\""),
            Entry(
                term: "cap",
                text: "Recipients a day, a month or a minute, counted exactly, when a message is committed. What is "
                    + "refused costs nothing, what is cancelled is refunded.", example: "gatepost usage acme"),
            Entry(
                term: "message",
                text: "In PostgreSQL before the client hears 250; there is no other queue. Its recipients are queued, "
                    + "deferred, delivered, bounced or cancelled, each by itself.", example: "gatepost queue list"),
            Entry(
                term: "pool",
                text: "The relays that share the delivery of some tenants' mail; `default` unless a tenant says "
                    + "otherwise.", example: "gatepost pool list"),
            Entry(
                term: "relay",
                text: "A member of a pool, where mail goes from here: a Gatepost of the role relay, or a smarthost.",
                example: "gatepost relay add default relay-1.example.com:2525"),
            Entry(
                term: "node",
                text: "One `gatepost serve`. Submission takes mail from applications, forwarder brings it to the "
                    + "relays, relay delivers it. Nodes keep no state: add as many as you like.",
                example: "gatepost serve --role submission"),
            Entry(
                term: "authority",
                text: "Files that make the certificates by which forwarders and relays know each other.",
                example: "gatepost ca list"),
        ])
}

/// What was asked for with `help`, `--help` or `-h`, before anything else is looked at.
enum HelpRequest {
    /// nil where nobody asked.
    static func answer(_ arguments: [String]) -> Result<String, Failure>? {
        let words = arguments.prefix { $0 != "--" }
        if words.first == "help" { return help(Array(words.dropFirst())) }
        guard words.contains("--help") || words.contains("-h") else { return nil }
        return .success(HelpPage(CommandDescription.root.following(words)).text)
    }

    private static func help(_ words: [String]) -> Result<String, Failure> {
        let words = words.filter { $0 != "--help" && $0 != "-h" }
        if let topic = HelpTopic.all.first(where: { [$0.name] == words }) {
            return .success(topic.text(width: HelpPage.width(of: .output)))
        }
        let command = CommandDescription.root.following(words)
        let depth = (command.superCommands ?? []).count
        guard let word = words.dropFirst(depth).first, !word.hasPrefix("-") else {
            return .success(HelpPage(command).text)
        }
        let known = command.children.map(\.commandName) + (depth == 0 ? HelpTopic.all.map(\.name) : [])
        let prefix = (["gatepost help"] + words.prefix(depth)).joined(separator: " ")
        let near = known.nearest(to: word).map { "did you mean `\(prefix) \($0)`? " } ?? ""
        return .failure(
            Failure(
                "there is no help on `\(word.shortened(to: 60).printable)`",
                hint: near + "`\(prefix)` lists what there is", .usage))
    }
}
