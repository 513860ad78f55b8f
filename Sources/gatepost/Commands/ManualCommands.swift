import ArgumentParser
import Foundation

/// `gatepost man`: the manual pages this binary was built with.
struct ManCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "man", abstract: "Print a manual page, or write all of them.",
        discussion: """
            Pages: gatepost(1), one for each command (gatepost-tenant), and gatepost.yaml(5).

            Examples:
              gatepost man gatepost-ca | man -l -
              gatepost man --directory /usr/local/share/man
            """)

    @Argument(
        help: "Its name; without it, their names.",
        completion: .custom { _, _, _ in ManualPage.all.map(\.name) })
    var page: String?
    @Option(
        help: ArgumentHelp("Write every page below this folder, in man1 and man5.", valueName: "folder"),
        completion: .directory)
    var directory: String?

    func run() throws {
        let pages = ManualPage.all
        if let directory {
            for page in pages {
                let folder = "\(directory)/man\(page.section)"
                do {
                    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
                    try page.source.write(toFile: "\(folder)/\(page.fileName)", atomically: true, encoding: .utf8)
                } catch {
                    throw Failure("\(folder.printable): \(error.localizedDescription.printable)")
                }
            }
            return write("\(pages.count) pages written below \(directory.printable)\n", to: 1)
        }
        guard let wanted = page else { return write(pages.map { $0.name + "\n" }.joined(), to: 1) }
        guard let found = pages.first(where: { $0.name == wanted || $0.fileName == wanted }) else {
            let near = pages.map(\.name).nearest(to: wanted).map { "did you mean `\($0)`? " } ?? ""
            throw Failure(
                "there is no page `\(wanted.shortened(to: 60).printable)`", hint: near + "`gatepost man` lists them")
        }
        write(found.source, to: 1)
    }
}

/// `gatepost completion`: what makes a shell complete our commands.
struct CompletionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completion", abstract: "Print a shell's completion script.",
        discussion: """
            Examples:
              gatepost completion bash >/usr/share/bash-completion/completions/gatepost
              gatepost completion zsh >/usr/share/zsh/vendor-completions/_gatepost
              gatepost completion fish >/usr/share/fish/vendor_completions.d/gatepost.fish
            """)

    @Argument(help: "bash, zsh or fish.", completion: .list(["bash", "zsh", "fish"]), transform: Self.shell)
    var shell: CompletionShell

    static func shell(_ text: String) throws -> CompletionShell {
        guard let shell = CompletionShell(rawValue: text) else { throw ArgumentProblem("expected bash, zsh or fish") }
        return shell
    }

    func run() { write(Gatepost.completionScript(for: shell), to: 1) }
}
