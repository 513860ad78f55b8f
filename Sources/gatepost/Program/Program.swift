import ArgumentParser
import CLinux
import Glibc
import Postgres

/// Parses the command line, runs the command, and ends with its exit status.
///
/// swift-argument-parser's own `main` prints `Error:` and its usage; ours says what is wrong and what helps, the
/// same way for a mistyped flag and for a database that is away.
@main
enum Program {
    static func main() async {
        // A reload may be asked of a server that has hardly begun; by default it would end it.
        if CommandLine.arguments.contains("serve") { signal(SIGHUP, SIG_IGN) }
        _ = clinux_forbid_dumps()
        var status = await run(Array(CommandLine.arguments.dropFirst()))
        if let lost = LostOutput.failure {
            write(lost.text, to: STDERR_FILENO)
            if status == .done { status = lost.status }
        }
        LogWriter.standardError.flush()
        fflush(nil)
        // Not `exit`: it has libraries tear down what they share (OpenSSL's tables) while threads still run that use
        // it or are about to end with it, and a server that had done all its work ended by a signal.
        _exit(status.rawValue)
    }

    /// Off the main actor, for nothing here belongs to it.
    @concurrent
    private static func run(_ arguments: [String]) async -> ExitStatus {
        do {
            if let help = HelpRequest.answer(arguments) {
                write(try help.get(), to: STDOUT_FILENO)
                return .done
            }
            var command = try Gatepost.parseAsRoot(arguments)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            return .done
        } catch {
            let ending = Ending(of: error, arguments: arguments)
            write(ending.output, to: STDOUT_FILENO)
            write(ending.errors, to: STDERR_FILENO)
            return ending.status
        }
    }
}

/// What is printed, and where, when a command throws.
struct Ending: Equatable {
    var output = ""
    var errors = ""
    var status: ExitStatus

    init(of error: any Error, arguments: [String]) {
        if let failure = error as? Failure {
            errors = failure.text
            status = failure.status
        } else if error is Differs {
            status = .differs
        } else if let refusal = error as? DatabaseError, refusal.sqlState == "42501" {
            // (Commands of operators say which of their keys it is; a server has one.)
            errors =
                Failure(
                    "the database does not let this node's user do it: \(refusal.message.printable)",
                    hint: "database.url is to name a user who is in gatepost_node; `gatepost check` says who it is"
                ).text
            status = .denied
        } else if let settings = error as? SettingsError {
            errors = Failure(settings.description, hint: Self.settingsHint).text
            status = .failed
        } else if Gatepost.exitCode(for: error).isSuccess {
            // Help and version are asked for and go to the standard output.
            var text = Gatepost.fullMessage(for: error)
            // A group without its command; the library's own help is laid out otherwise than ours.
            if text.hasPrefix("OVERVIEW: ") { text = HelpPage(CommandDescription.root.following(arguments)).text }
            output = text.isEmpty || text.hasSuffix("\n") ? text : text + "\n"
            status = .done
        } else if Gatepost.exitCode(for: error) == .validationFailure {
            errors = Self.usageFailure(error, arguments).text
            status = .usage
        } else {
            let message = Gatepost.message(for: error)
            errors = message.isEmpty ? "" : Failure(message.printableLines).text
            status = ExitStatus(rawValue: Gatepost.exitCode(for: error).rawValue) ?? .failed
        }
    }

    private static let settingsHint =
        "every key, with its default and unit, is in Config/gatepost.yaml; GATEPOST_… variables go before the file"

    private static func usageFailure(_ error: any Error, _ arguments: [String]) -> Failure {
        let path = CommandPath(arguments)
        if let word = path.unknown {
            let nearest = path.candidates.nearest(to: word).map { "did you mean `\(path.text) \($0)`? " } ?? ""
            return Failure(
                "`\(path.text)` has no command `\(word.shortened(to: 60).printable)`",
                hint: nearest + "`\(path.text) --help` lists them", .usage)
        }
        let message = Gatepost.message(for: error)
        // The library takes `-1` for an option, and says that the value is missing.
        let isNegative = message.hasPrefix("Missing value for") && arguments.contains { (Int($0) ?? 0) < 0 }
        return Failure(
            message.printableLines.beginningSmall,
            hint: (isNegative ? "no option takes a number below 0; " : "") + "see `\(path.text) --help`", .usage)
    }
}

/// How far the words of a command line lead down the tree of commands.
struct CommandPath {
    private(set) var text = "gatepost"
    private(set) var unknown: String?
    private(set) var candidates: [String] = []

    init(_ arguments: [String]) { follow(arguments[...], from: Gatepost.self) }

    private mutating func follow(_ words: ArraySlice<String>, from command: any ParsableCommand.Type) {
        let children = command.configuration.subcommands
        guard let word = words.first, !word.hasPrefix("-"), !children.isEmpty else { return }
        if let child = children.first(where: { $0.configuration.commandName == word }) {
            text += " \(word)"
            follow(words.dropFirst(), from: child)
        } else if command.configuration.defaultSubcommand == nil {
            unknown = word
            candidates = children.compactMap { $0.configuration.shouldDisplay ? $0.configuration.commandName : nil }
        }
    }
}

extension String {
    /// Like `printable`, but lines stay lines.
    fileprivate var printableLines: String {
        split(separator: "\n", omittingEmptySubsequences: false).map { String($0).printable }.joined(separator: "\n")
    }

    /// The library's sentences begin with a capital; ours go on after `error: `.
    fileprivate var beginningSmall: String {
        guard let first, dropFirst().first?.isUppercase == false else { return self }
        return first.lowercased() + dropFirst()
    }
}
