import Foundation
import Testing

@testable import gatepost

/// Tables and colour on terminals of every width.
@Suite struct `On a terminal` {
    private var table: Table {
        var table = Table([.key("ID"), .left("FROM"), .right("SIZE"), .left("REPLY")])
        table.add([
            "01920e3c-7b1a-7c55-9d0e-2f4b8a6c1e90", "<news@long-name-of-a-domain.example>", "4.2 KiB",
            "450 4.2.0 Mailbox of 例え busy\u{1b}[2J, try again later, it may take some time",
        ])
        table.add(["01920e3c-7b1a-7c55-9d0e-2f4b8a6c1e91", "<>", "123456", "250 Ok"])
        return table
    }

    @Test(arguments: [80, 100, 132, 200])
    func `a row takes one line where the texts can be shortened to that`(width: Int) {
        let lines = table.text(for: Terminal(width: width, showsColour: false)).split(separator: "\n")
        #expect(lines.count == 3)
        for line in lines { #expect(String(line).displayWidth <= width, "\(line)") }
    }

    @Test(arguments: [10, 20, 40, 60, 80])
    func `ids and figures stay whole on any terminal`(width: Int) {
        let text = table.text(for: Terminal(width: width, showsColour: false))
        for whole in [
            "01920e3c-7b1a-7c55-9d0e-2f4b8a6c1e90", "01920e3c-7b1a-7c55-9d0e-2f4b8a6c1e91", "4.2 KiB", "123456",
        ] { #expect(text.contains(whole), "\(text)") }
        #expect(text.contains("…"), "\(text)")
    }

    @Test func `nothing is shortened where the output is no terminal`() {
        #expect(!table.text.contains("…"))
        #expect(table.text.contains("it may take some time"))
    }

    @Test(arguments: [
        (["TERM": "xterm"], false), (["CLICOLOR_FORCE": "1"], true), (["CLICOLOR_FORCE": "0"], false),
        (["CLICOLOR_FORCE": "1", "NO_COLOR": "1"], false), (["CLICOLOR_FORCE": "1", "NO_COLOR": ""], true),
        (["CLICOLOR_FORCE": "1", "TERM": "dumb"], false),
    ])
    func `colour is asked for and can be refused`(environment: [String: String], shown: Bool) throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "gatepost-\(UUID().uuidString)")
        _ = FileManager.default.createFile(atPath: file.path, contents: nil)
        defer { try? FileManager.default.removeItem(at: file) }
        let handle = try FileHandle(forWritingTo: file)
        #expect(Terminal(of: handle.fileDescriptor, environment: environment).showsColour == shown)
        #expect(Terminal(of: handle.fileDescriptor, environment: environment).width == nil)
    }

    @Test func `colour never says what the words do not`() {
        for finding in [Finding.ok("a", "b"), .note("a", "b", hint: "c"), .wrong("a", "b\u{1b}[2J")] {
            let plain = finding.line(for: Terminal(width: nil, showsColour: false))
            let painted = finding.line(for: Terminal(width: nil, showsColour: true))
            #expect(plain.hasPrefix(finding.state.rawValue) && !plain.contains("\u{1b}"))
            #expect(painted.contains("\u{1b}[") && painted.replacing(/\u{1b}\[\d+m/, with: "") == plain)
        }
    }

    /// `script` gives the command a terminal of its own.
    @Test func `a result that cannot be written is an error`() throws {
        let process = Process()
        let errors = Pipe()
        process.executableURL = Run.executable
        process.arguments = ["docs"]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle(forWritingAtPath: "/dev/full")
        process.standardError = errors
        try process.run()
        let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 1)
        #expect(said.contains("standard output: No space left on device"), "\(said)")
    }

    @Test func `a real one of sixty columns has its texts shortened, and no serial number`() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "gatepost-tty-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let environment = ["GATEPOST_PKI_DIRECTORY": folder.path]
        _ = try Run(["ca", "init"], environment: environment)
        _ = try Run(
            ["ca", "issue", "relay-1", "--kind", "relay", "--host", "a-long-name.of.a.relay.example"],
            environment: environment)
        let process = Process()
        let output = folder.appending(path: "typescript")
        process.executableURL = URL(filePath: "/usr/bin/script")
        process.arguments = [
            "-qec", "stty cols 60 2>/dev/null; '\(Run.executable.path)' ca list", output.path,
        ]
        process.environment = environment.merging(["PATH": "/usr/bin:/bin", "TERM": "xterm", "LANG": "C.UTF-8"]) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        let text = try String(contentsOf: output, encoding: .utf8).replacing(/\u{1b}\[\d+m/, with: "")
        let lines = text.split(whereSeparator: \.isNewline).filter { $0.hasPrefix("ca ") || $0.hasPrefix("relay-1 ") }
        #expect(lines.count == 2, "\(text)")
        let listed = try Run(["ca", "list", "--json"], environment: environment).output.split(separator: "\n").map {
            try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
        }
        for (line, entry) in zip(lines, listed) {
            let serial = try #require(entry?["serial"] as? String)
            #expect(line.contains(serial), "\(text)")
        }
        #expect(text.contains("a-long-…"), "\(text)")
    }
}
