import Foundation

/// A file kept beside the tests: what a command prints, or what the table of settings documents.
///
/// `GOLDEN=rewrite swift test --filter CommandTests` writes them anew; the difference is then read in the commit.
struct Golden {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Goldens")
    static let root = folder.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static var isRewriting: Bool { ProcessInfo.processInfo.environment["GOLDEN"] == "rewrite" }

    let url: URL

    func content() throws -> String { try String(contentsOf: url, encoding: .utf8) }

    /// The kept text, after writing it anew where that was asked for.
    func kept(for now: String) throws -> String {
        if Self.isRewriting { try now.write(to: url, atomically: true, encoding: .utf8) }
        return try content()
    }
}
