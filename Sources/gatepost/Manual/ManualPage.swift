import ArgumentParser

/// Manual pages in mdoc(7), made from the same definitions as the help.
struct ManualPage: Sendable {
    /// `gatepost-ca`.
    let name: String
    let section: Int
    let source: String

    var fileName: String { "\(name).\(section)" }

    /// When the words last changed in a way that readers should notice.
    private static let date = "November 24, 2026"

    /// gatepost(1), one for each command below it, gatepost.yaml(5).
    static var all: [ManualPage] {
        let root = CommandDescription.root
        return [overview(root)] + root.children.map { page(of: $0, siblings: root.children) } + [settings]
    }

    init(name: String, section: Int, abstract: String, _ body: (inout Roff) -> Void) {
        self.name = name
        self.section = section
        var roff = Roff()
        roff.macro("Dd \(Self.date)")
        roff.macro("Dt \(name.uppercased()) \(section)")
        roff.macro("Os Gatepost \(Gatepost.version)")
        roff.macro("Sh NAME")
        roff.macro("Nm \(name)")
        roff.macro("Nd \(Roff.escaped(abstract.asName))")
        body(&roff)
        source = roff.text
    }

    private static func overview(_ root: CommandDescription) -> ManualPage {
        ManualPage(name: "gatepost", section: 1, abstract: root.abstract ?? "") { roff in
            roff.macro("Sh SYNOPSIS")
            roff.macro("Nm")
            roff.macro("Ar command Op Ar argument ...")
            roff.macro("Sh DESCRIPTION")
            roff.prose(
                "Takes mail over SMTP submission from applications that authenticate, holds each customer to its limits "
                    + "exactly, commits the message to PostgreSQL before it says 250, and hands it to a pool of relays."
            )
            for group in Gatepost.configuration.groupedSubcommands {
                roff.macro("Ss \(group.name)")
                let names = group.subcommands.map { $0.configuration.commandName ?? "" }
                roff.list(
                    root.children.filter { names.contains($0.commandName) }.map {
                        ("Xr gatepost-\($0.commandName) 1", $0.abstract ?? "")
                    })
            }
            roff.macro("Ss Concepts")
            roff.literal(HelpTopic.concepts.picture)
            roff.list(HelpTopic.concepts.entries.map { ("Sy \(Roff.escaped($0.term))", $0.text) })
            roff.macro("Sh ENVIRONMENT")
            roff.list([
                ("Ev GATEPOST_CONFIG", "The settings file, unless --config names another."),
                ("Ev GATEPOST_DATABASE_PASSWORD", "The database's password; database.password-file is better."),
                (
                    "Ev GATEPOST_SECTION_KEY",
                    "Any setting; goes before the file. For submission.listen: GATEPOST_SUBMISSION_LISTEN."
                ), ("Ev NO_COLOR", "No colour, whatever the terminal shows."),
            ])
            roff.macro("Sh FILES")
            roff.list([
                ("Pa /etc/gatepost/gatepost.yaml", "The settings, where nothing names another file."),
                ("Pa /etc/gatepost/pki", "The pool's own certificate authority (pki.directory)."),
            ])
            roff.macro("Sh EXIT STATUS")
            roff.list(HelpTopic.exitCodes.entries.map { ("Sy \($0.term)", $0.text) })
            roff.prose(HelpTopic.exitCodes.closing)
            roff.macro("Sh EXAMPLES")
            roff.literal(root.text.examples)
            roff.macro("Sh SEE ALSO")
            roff.references(root.children.map { ("gatepost-\($0.commandName)", 1) } + [("gatepost.yaml", 5)])
        }
    }

    private static func page(of command: CommandDescription, siblings: [CommandDescription]) -> ManualPage {
        ManualPage(name: "gatepost-\(command.commandName)", section: 1, abstract: command.abstract ?? "") { roff in
            let leaves = command.leaves
            roff.macro("Sh SYNOPSIS")
            roff.literal(leaves.map(\.usage))
            roff.macro("Sh DESCRIPTION")
            if !command.children.isEmpty {
                roff.body(command.text)
                for leaf in leaves {
                    roff.macro("Ss \(Roff.escaped(leaf.path))")
                    roff.prose(leaf.abstract ?? "")
                    roff.body(leaf.text)
                    roff.options(leaf.shownArguments.filter { !$0.isCommon })
                    if !leaf.text.examples.isEmpty { roff.literal(leaf.text.examples) }
                }
            } else {
                roff.body(command.text)
                roff.options(command.shownArguments.filter { !$0.isCommon })
            }
            let common = leaves.first?.shownArguments.filter { $0.isCommon && $0.long != "version" } ?? []
            if !common.isEmpty {
                roff.macro("Ss Options of every command")
                roff.options(common)
            }
            roff.macro("Sh EXIT STATUS")
            roff.prose("0 where it is done; the other numbers are in")
            roff.macro("Xr gatepost 1 .")
            if !command.text.examples.isEmpty {
                roff.macro("Sh EXAMPLES")
                roff.literal(command.text.examples)
            }
            roff.macro("Sh SEE ALSO")
            roff.references(
                [("gatepost", 1)]
                    + siblings.filter { $0.commandName != command.commandName }.map {
                        ("gatepost-\($0.commandName)", 1)
                    } + [("gatepost.yaml", 5)])
        }
    }

    private static var settings: ManualPage {
        ManualPage(name: "gatepost.yaml", section: 5, abstract: "settings of gatepost") { roff in
            roff.macro("Sh DESCRIPTION")
            roff.prose(
                "YAML: sections with keys below them. A key that is not set has its default; an unknown key is an error "
                    + "with its line and column. Aliases, tags and duplicate keys are refused. Relative paths count from "
                    + "the file's folder. A file that holds a password must have mode 0600.")
            var section = ""
            for key in KnownKey.all {
                if key.section != section {
                    if !section.isEmpty { roff.macro("El") }
                    section = key.section
                    roff.macro("Ss \(Roff.escaped(section))")
                    roff.macro("Bl -tag -width Ds")
                }
                roff.macro("It Cm \(Roff.escaped(key.name)) : Ar \(Roff.escaped(key.valueWord))")
                let standard = key.standard.map { " Default: \($0)." } ?? ""
                roff.prose(key.summary + standard + " Environment: \(key.variable).")
            }
            roff.macro("El")
            roff.macro("Sh FILES")
            roff.list([("Pa /etc/gatepost/gatepost.yaml", "Where nothing names another file.")])
            roff.macro("Sh SEE ALSO")
            roff.references([("gatepost", 1), ("gatepost-check", 1), ("gatepost-serve", 1)])
        }
    }
}

extension CommandDescription {
    /// The commands that do something, itself where it has none below.
    var leaves: [CommandDescription] { children.isEmpty ? [self] : children.flatMap(\.leaves) }
}

extension KnownKey {
    fileprivate var valueWord: String {
        switch kind {
        case .text: "text"
        case .path: "path"
        case .hostName: "host"
        case .hostAndPort: "host:port"
        case .databaseURL: "connection-string"
        case .mailbox: "address"
        case .duration: "duration"
        case .durations: "[duration]"
        case .size: "size"
        case .count(let range): "\(range.lowerBound)-\(range.upperBound)"
        case .countOrAuto(let range): "auto|\(range.lowerBound)-\(range.upperBound)"
        case .boolean: "true|false"
        case .addresses: "[host:port]"
        case .addressesOrNone: "[host:port]|none"
        case .numericAddresses: "[address:port]"
        case .networksOrNone: "[network]|none"
        case .choice(let words): words.joined(separator: "|")
        }
    }
}

extension String {
    /// After the dash of NAME: no full stop, a small letter first.
    fileprivate var asName: String {
        let text = hasSuffix(".") ? String(dropLast()) : self
        return text.prefix(1).lowercased() + text.dropFirst()
    }
}
