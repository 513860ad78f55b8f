import ArgumentParser

/// A command's help: what it is, examples to paste, then the rest.
struct HelpPage {
    let command: CommandDescription
    /// Columns; examples and usage are never broken, they are there to be pasted.
    var width: Int

    init(_ command: CommandDescription, width: Int? = nil) {
        self.command = command
        self.width = width ?? Self.width(of: .output)
    }

    /// A terminal's, within what reads well.
    static func width(of terminal: Terminal) -> Int { min(max(terminal.width ?? 80, 50), 100) }

    var text: String {
        var text = (command.abstract ?? "").wrapped(to: width)
        let discussion = command.text
        if !discussion.examples.isEmpty { text += "\nExamples:\n" + indented(discussion.examples) }
        text += "\nUsage:\n" + indented([command.usage])
        if !discussion.parts.isEmpty { text += "\n" }
        for (number, part) in discussion.parts.enumerated() {
            switch part {
            case .prose(let prose):
                if number > 0 { text += "\n" }
                text += prose.wrapped(to: width)
            case .lines(let lines): text += indented(lines)
            }
        }
        text += commands
        let arguments = command.shownArguments
        text += section("Arguments", arguments.filter { $0.kind == .positional })
        let own = arguments.filter { $0.kind != .positional && !$0.isCommon }
        text += section("Options", own.filter { $0.sectionTitle == nil })
        var titles: [String] = []
        for title in own.compactMap(\.sectionTitle) where !titles.contains(title) { titles.append(title) }
        for title in titles { text += section(title, own.filter { $0.sectionTitle == title }) }
        let isRoot = command.superCommands == nil
        text += section(
            "Options of every command", arguments.filter { $0.isCommon && ($0.long != "version" || isRoot) })
        if isRoot {
            text +=
                "\nMore:\n"
                + rows(HelpTopic.all.map { ("gatepost help \($0.name)", $0.abstract) })
                + "  gatepost COMMAND --help, and the manual: man gatepost, man gatepost.yaml\n"
        } else if command.children.isEmpty {
            text += "\nExit status: 0 done, else see `gatepost help exit-codes`.\n"
        } else {
            text += "\n`\(command.path) COMMAND --help` says more, with examples.\n"
        }
        return text
    }

    /// The root's come in groups.
    private var commands: String {
        guard !command.children.isEmpty else { return "" }
        guard command.superCommands == nil else {
            return "\nCommands:\n" + rows(command.children.map { ($0.commandName, $0.abstract ?? "") })
        }
        return Gatepost.configuration.groupedSubcommands.map { group in
            let names = group.subcommands.map { $0.configuration.commandName ?? "" }
            let members = command.children.filter { names.contains($0.commandName) }
            return "\n\(group.name):\n" + rows(members.map { ($0.commandName, $0.abstract ?? "") }, label: 12)
        }.joined()
    }

    private func section(_ title: String, _ arguments: [CommandDescription.Argument]) -> String {
        arguments.isEmpty ? "" : "\n\(title):\n" + rows(arguments.map { ($0.label, $0.help) })
    }

    /// Labels on the left, texts wrapped beside them; a long label has a line of its own.
    private func rows(_ rows: [(label: String, text: String)], label width: Int? = nil) -> String {
        let longest = min(width ?? (rows.map { $0.label.displayWidth }.max() ?? 0), 26)
        let column = longest + 4
        return rows.map { row in
            let padding = String(repeating: " ", count: column)
            let lines = row.text.wrappedLines(to: self.width - column)
            var text = "  " + row.label
            if row.label.displayWidth > longest {
                text += lines.isEmpty ? "" : "\n" + padding
            } else if !lines.isEmpty {
                text += String(repeating: " ", count: column - 2 - row.label.displayWidth)
            }
            return text + lines.joined(separator: "\n" + padding) + "\n"
        }.joined()
    }

    private func indented(_ lines: [String]) -> String { lines.map { "  \($0)\n" }.joined() }
}

extension String {
    /// Lines of at most so many columns, broken at blanks.
    func wrappedLines(to width: Int) -> [String] {
        var lines: [String] = []
        for word in split(separator: " ").map(String.init) {
            if let last = lines.last, last.displayWidth + 1 + word.displayWidth <= width {
                lines[lines.count - 1] = last + " " + word
            } else {
                lines.append(word)
            }
        }
        return lines
    }

    func wrapped(to width: Int) -> String { wrappedLines(to: width).map { $0 + "\n" }.joined() }
}
