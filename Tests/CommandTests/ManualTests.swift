import ArgumentParser
import Foundation
import Testing

@testable import gatepost

/// Manual pages and completion, by the programs that read them.
@Suite struct `The manual` {
    /// Runs a shell's line; the built binary is `gatepost` in its PATH.
    private func shell(_ line: String, _ program: String = "sh") throws -> (status: Int32, output: String) {
        // A file and no pipe: processes that other tests start meanwhile would inherit the pipe and keep it open.
        let file = FileManager.default.temporaryDirectory.appending(path: "gatepost-shell-\(UUID().uuidString)")
        _ = FileManager.default.createFile(atPath: file.path, contents: nil)
        defer { try? FileManager.default.removeItem(at: file) }
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [program, "-c", line]
        let folder = Run.executable.deletingLastPathComponent().path
        process.environment = [
            "PATH": "\(folder):/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", "TERM": "dumb",
            "SWIFT_BACKTRACE": "enable=no",
        ]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: file)
        process.standardError = try FileHandle(forWritingTo: file)
        try process.run()
        process.waitUntilExit()
        return (process.terminationStatus, try String(contentsOf: file, encoding: .utf8))
    }

    @Test func `is without fault for mandoc, every page of it`() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "gatepost-man-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        #expect(try Run(["man", "--directory", folder]).status == 0)
        let lint = try shell("mandoc -T lint -W warning \(folder)/man1/* \(folder)/man5/*")
        #expect(lint.status == 0 && lint.output == "", "\(lint.output)")
        let page = try shell("mandoc -T utf8 \(folder)/man1/gatepost-tenant.1 | col -b")
        #expect(page.output.contains("gatepost-tenant") && page.output.contains("--daily n|unlimited"))
    }

    @Test func `has a page for each command and every setting`() throws {
        let names = try Run(["man"]).output.split(separator: "\n").map(String.init)
        for command in CommandDescription.root.children { #expect(names.contains("gatepost-\(command.commandName)")) }
        let settings = try Run(["man", "gatepost.yaml"]).output
        for key in KnownKey.all { #expect(settings.contains(key.variable)) }
        #expect(try Run(["man", "gatepost-tenent"]).errors.contains("did you mean `gatepost-tenant`?"))
    }

    @Test func `tells of each option that a command has`() throws {
        for leaf in CommandDescription.root.leaves {
            let page = ManualPage.all.first { $0.name == "gatepost-" + leaf.path.split(separator: " ")[1] }
            for argument in leaf.shownArguments where argument.kind != .positional && argument.long != "version" {
                #expect(page?.source.contains("Fl -\(argument.long)") == true, "\(leaf.path) --\(argument.long)")
                #expect(argument.abstract?.isEmpty == false, "\(leaf.path) --\(argument.long) is not explained")
            }
        }
    }

    @Test(arguments: ["bash", "zsh", "fish"])
    func `has a completion that the shell reads`(name: String) throws {
        let script = FileManager.default.temporaryDirectory.appending(path: "gatepost-\(UUID().uuidString).\(name)")
        defer { try? FileManager.default.removeItem(at: script) }
        try Run(["completion", name]).output.write(to: script, atomically: true, encoding: .utf8)
        let syntax = try shell("\(name) -n \(script.path)")
        #expect(syntax.status == 0 && syntax.output == "", "\(syntax.output)")
    }

    @Test func `completes in bash: sub-commands, options and pages`() throws {
        func complete(_ words: String...) throws -> [String] {
            let line = words.joined(separator: " ")
            let script = """
                source <(gatepost completion bash)
                COMP_WORDS=(\(line)); COMP_CWORD=\(words.count - 1); COMP_LINE="\(line)"; COMP_POINT=${#COMP_LINE}
                _gatepost gatepost '\(words.last ?? "")' '\(words.dropLast().last ?? "")' 2>/dev/null
                printf '%s\\n' "${COMPREPLY[@]}"
                """
            return try shell(script, "bash").output.split(separator: "\n").map(String.init).sorted()
        }
        #expect(try complete("gatepost", "tenant", "s") == ["set", "show", "suspend"])
        #expect(try complete("gatepost", "tenant", "create", "acme", "--mon") == ["--monthly"])
        #expect(try complete("gatepost", "man", "gatepost-te") == ["gatepost-tenant"])
    }

    @Test func `completes in fish and zsh`() throws {
        let fish = try shell("gatepost completion fish | source; complete -C 'gatepost tenant su'", "fish")
        #expect(fish.output.hasPrefix("suspend"), "\(fish.output)")
        let zsh = try shell(
            "autoload -U compinit; compinit -u -D; source <(gatepost completion zsh); echo ${_comps[gatepost]}", "zsh")
        #expect(zsh.output.contains("_gatepost"), "\(zsh.output)")
    }
}

/// Help in every corner of it.
@Suite struct `Help` {
    @Test func `has examples first, in every command, and none of them is broken`() throws {
        for command in [CommandDescription.root] + CommandDescription.root.descendants {
            let text = HelpPage(command, width: 60).text
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            #expect(!command.text.examples.isEmpty, "\(command.path) has no example")
            for example in command.text.examples {
                #expect(lines.contains("  " + example), "\(command.path)")
                #expect(example.hasPrefix("gatepost ") || example.hasPrefix("  "), "\(command.path): \(example)")
            }
            let examples = lines.firstIndex(of: "Examples:")
            let usage = lines.firstIndex(of: "Usage:")
            #expect(examples != nil && usage != nil && (examples ?? 0) < (usage ?? 0), "\(command.path)")
        }
    }

    @Test func `gives examples that the command line takes`() throws {
        for command in CommandDescription.root.leaves {
            for example in Self.joined(command.text.examples) where !example.contains("|") && !example.contains("…") {
                let example = example.split(separator: " >").first.map(String.init) ?? example
                let words = example.split(separator: "  ").first.map(String.init) ?? example
                var arguments = Self.words(of: words)
                arguments.removeFirst()
                #expect(throws: Never.self, "\(example)") { _ = try Gatepost.parseAsRoot(arguments) }
            }
        }
    }

    @Test func `is the same however it is asked for`() throws {
        let long = try Run(["tenant", "create", "--help"])
        for words in [["help", "tenant", "create"], ["tenant", "create", "-h"], ["tenant", "create", "x", "--help"]] {
            #expect(try Run(words) == long)
        }
        #expect(long.status == 0 && long.errors == "")
        let unknown = try Run(["help", "tenant", "craete"])
        #expect(unknown.status == 64 && unknown.errors.contains("did you mean `gatepost help tenant create`?"))
    }

    @Test func `fits eighty columns but for what is to be pasted`() throws {
        for topic in HelpTopic.all {
            for line in topic.text(width: 80).split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
        }
        for status in [0, 1, 2, 64, 69, 77] { #expect(HelpTopic.exitCodes.entries.contains { $0.term == "\(status)" }) }
    }

    /// A line that ends with a backslash goes on in the next.
    static func joined(_ lines: [String]) -> [String] {
        lines.reduce(into: []) { joined, line in
            if let last = joined.last, last.hasSuffix("\\") {
                joined[joined.count - 1] = last.dropLast() + String(line.drop { $0 == " " })
            } else {
                joined.append(line)
            }
        }
    }

    /// As a shell reads a line with double quotes and no more.
    static func words(of line: String) -> [String] {
        var words: [String] = []
        for (number, part) in line.split(separator: "\"", omittingEmptySubsequences: false).enumerated() {
            if number % 2 == 1 {
                words.append(String(part))
            } else {
                words += part.split(separator: " ").map(String.init)
            }
        }
        return words
    }
}

extension CommandDescription {
    var descendants: [CommandDescription] { children.flatMap { [$0] + $0.descendants } }
}
