import ArgumentParser
import MailMessage
import Relay
import SMTP
import Submission

/// `gatepost docs`: every reply that Gatepost sends by itself, made by the code that sends it.
struct DocsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "docs", abstract: "Every reply Gatepost can send, its cause and its fix.",
        discussion: """
            Made from the code that sends them; figures and names are examples. Refusals to those logged in end with an \
            id: `gatepost explain ID` tells more than any table. What another mail server said is passed on in its own \
            words, and is not here.

            Examples:
              gatepost docs
              gatepost docs --code 450
              gatepost docs --markdown >replies.md
            """)

    @Flag(help: "JSON, a line for each reply.") var json = false
    @Flag(help: "Markdown: a table for each part.") var markdown = false
    @Option(help: ArgumentHelp("Only replies with this code.", valueName: "code"), transform: Self.code) var code: Int?

    static func code(_ text: String) throws -> Int {
        guard let code = Int(plainDigits: text), (200...599).contains(code) else {
            throw ArgumentProblem("expected a reply's code, like 450")
        }
        return code
    }

    /// All of it, by where it is said.
    static var parts: [(title: String, replies: [ReplyGuide])] {
        [
            ("Accounts, limits and the ledger", ReplyGuide.submission), ("Headers", ReplyGuide.headers),
            ("The dialogue", ReplyGuide.dialogues), ("At a relay", ReplyGuide.relay),
        ]
    }

    func run() {
        for (title, replies) in Self.parts {
            let wanted = replies.filter { code == nil || $0.reply.code == code }
            guard !wanted.isEmpty else { continue }
            if json {
                for entry in wanted {
                    let line: JSON = [
                        "part": .string(title), "code": .number(entry.reply.code),
                        "enhanced": .string(entry.reply.enhanced.map { "\($0)" }),
                        "text": .string(entry.reply.lines[0]), "cause": .string(entry.cause), "fix": .string(entry.fix),
                    ]
                    write(line.text + "\n", to: 1)
                }
            } else if markdown {
                write("## \(title)\n\n| reply | why | what helps |\n| --- | --- | --- |\n", to: 1)
                for entry in wanted { write("| `\(entry.reply)` | \(entry.cause) | \(entry.fix) |\n", to: 1) }
                write("\n", to: 1)
            } else {
                write("\(title)\n\n", to: 1)
                for entry in wanted {
                    write("  \(entry.reply)\n      why: \(entry.cause)\n", to: 1)
                    if !entry.fix.isEmpty { write("      what helps: \(entry.fix)\n", to: 1) }
                }
                write("\n", to: 1)
            }
        }
    }
}
