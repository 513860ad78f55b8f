import Foundation
import Testing

/// Help and errors, whole: a file each, beginning with the command line it is about.
///
///     $ gatepost serv
///     exit 64
///     --- output
///     --- errors
///     error: `gatepost` has no command `serv`
@Suite struct `The command line` {
    static func goldens() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: Golden.folder.path).filter { $0.hasSuffix(".txt") }.sorted()
    }

    @Test func `has goldens to compare with`() throws {
        #expect(try Self.goldens().count > 10)
    }

    @Test(arguments: try Self.goldens())
    func `prints what its golden file says`(name: String) throws {
        let golden = Golden(url: Golden.folder.appending(path: name))
        let line = try #require(try golden.content().split(separator: "\n").first.map(String.init))
        try #require(line.hasPrefix("$ gatepost"))
        let words = line.split(separator: " ").dropFirst(2).map(String.init)
        let run = try Run(words)
        let now = """
            \(line)
            exit \(run.status)
            --- output
            \(run.output)--- errors
            \(run.errors)
            """
        #expect(try golden.kept(for: now) == now)
    }

    @Test func `suggests the command that was meant`() throws {
        let run = try Run(["tenant", "shwo", "acme"])
        #expect(run.status == 64)
        #expect(run.errors.contains("did you mean `gatepost tenant show`?"))
    }

    @Test func `shows nothing of a word that could command the terminal`() throws {
        let run = try Run(["\u{1b}]0;owned\u{7}\u{202e}"])
        #expect(run.status == 64)
        #expect(!run.errors.contains("\u{1b}"))
        #expect(run.errors.contains(#"\x1b]0;owned\x07\u{202e}"#))
    }
}
