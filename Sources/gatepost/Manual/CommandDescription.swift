import ArgumentParser
import FoundationEssentials

/// A command as its own definition describes it: what help, manual pages and completion are made from.
struct CommandDescription: Decodable, Sendable {
    struct Argument: Decodable, Sendable {
        enum Kind: String, Decodable, Sendable {
            case positional, option, flag
        }

        struct Name: Decodable, Sendable {
            var kind: String
            var name: String
            var text: String { kind == "long" ? "--\(name)" : "-\(name)" }
        }

        var kind: Kind
        var shouldDisplay: Bool
        var sectionTitle: String?
        var isOptional: Bool
        var isRepeating: Bool
        var names: [Name]?
        var valueName: String?
        var defaultValue: String?
        var abstract: String?

        var long: String { names?.first { $0.kind == "long" }?.name ?? "" }

        /// `--days <n>`, `-h, --help`, `<name>`.
        var label: String {
            let value = "<\(valueName ?? "value")>"
            let names = (names ?? []).map(\.text).joined(separator: ", ")
            switch kind {
            case .positional: return value + (isRepeating ? " …" : "")
            case .option: return "\(names) \(value)"
            case .flag: return names
            }
        }

        /// In a line of usage.
        var usage: String {
            let text = label + (isRepeating && kind != .positional ? " …" : "")
            return isOptional ? "[\(text)]" : text
        }

        var help: String { (abstract ?? "") + (defaultValue.map { " Default: \($0)." } ?? "") }
        /// The same for every command.
        var isCommon: Bool { ["config", "json", "help", "version"].contains(long) && kind != .positional }
    }

    var commandName: String
    var abstract: String?
    var discussion: String?
    var shouldDisplay: Bool?
    var superCommands: [String]?
    var subcommands: [CommandDescription]?
    var arguments: [Argument]?

    /// `gatepost ca issue`.
    var path: String { ((superCommands ?? []) + [commandName]).joined(separator: " ") }
    /// Those that people are told of.
    var children: [CommandDescription] {
        (subcommands ?? []).filter { $0.shouldDisplay ?? true && $0.commandName != "help" }
    }
    var shownArguments: [Argument] { (arguments ?? []).filter(\.shouldDisplay) }
    var text: DiscussionText { DiscussionText(discussion ?? "") }

    /// `[<options>]` stands for what may be left out, where that is much.
    var usage: String {
        if !children.isEmpty { return "\(path) <command>" }
        let own = shownArguments.filter { !$0.isCommon }
        let positional = own.filter { $0.kind == .positional }.map(\.usage)
        let required = own.filter { $0.kind != .positional && !$0.isOptional }.map(\.usage)
        let optional = own.filter { $0.kind != .positional && $0.isOptional }.map(\.usage)
        return ([path] + positional + required + (optional.count > 4 ? ["[<options>]"] : optional))
            .joined(separator: " ")
    }

    private struct Dump: Decodable { var command: CommandDescription }

    /// Everything, from the root.
    static let root: CommandDescription = {
        do {
            return try JSONDecoder().decode(Dump.self, from: Data(Gatepost._dumpHelp().utf8)).command
        } catch {
            preconditionFailure("the commands do not describe themselves: \(error)")
        }
    }()

    /// The command that words lead to, as far as they do: options and values end the way.
    func following(_ words: some Collection<String>) -> CommandDescription {
        guard let word = words.first, let child = subcommands?.first(where: { $0.commandName == word }) else {
            return self
        }
        return child.following(words.dropFirst())
    }
}

/// A command's text in parts: examples are lines to be pasted, prose may be wrapped, what is indented stays as it is.
struct DiscussionText: Equatable, Sendable {
    enum Part: Equatable, Sendable {
        case prose(String)
        case lines([String])
    }

    var examples: [String] = []
    var parts: [Part] = []

    init(_ text: String) {
        var isExample = false
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            if line == "Example:" || line == "Examples:" {
                isExample = true
            } else if line.hasPrefix("  ") {
                let content = String(line.dropFirst(2))
                if isExample {
                    examples.append(content)
                } else if case .lines(let lines)? = parts.last {
                    parts[parts.count - 1] = .lines(lines + [content])
                } else {
                    parts.append(.lines([content]))
                }
            } else if !line.isEmpty {
                isExample = false
                parts.append(.prose(line))
            }
        }
    }
}
