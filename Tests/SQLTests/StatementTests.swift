import Foundation
import Testing

/// THREATS §9: parameters are bound, never written into a statement.
@Suite struct StatementTests {
    /// Where a constant of ours, no one's input, is put into a statement.
    private static let constants: Set<String> = [
        "Postgres/DatabaseConfiguration.swift",  // time-outs from the program's own settings, numbers
        "Postgres/Listener.swift",  // the channel's name
        "Tenancy/LoginReader.swift",  // the columns that it reads, literals
        "Tenancy/Administration.swift",  // one statement around another
        "Tenancy/Administration+LookUps.swift",  // one of a few conditions, all of them literals
        "Tenancy/Administration+Plans.swift",  // the same
        "gatepost/Commands/TenantExport.swift",  // printed for an operator to run; the name is small letters and digits
        "gatepost/Quickstart/PrivatePostgres.swift",  // the name of the quickstart's database
    ]

    @Test func `no statement in the sources is put together from values`() throws {
        let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../Sources").standardized.path
        let files = try #require(FileManager.default.enumerator(atPath: sources)).compactMap { $0 as? String }
            .filter { $0.hasSuffix(".swift") }
        #expect(files.count > 150)
        var found: Set<String> = []
        for file in files {
            let text = try String(contentsOfFile: "\(sources)/\(file)", encoding: .utf8)
            if text.strings.contains(where: \.isStatementWithValues) { found.insert(file) }
        }
        #expect(found == Self.constants)
    }

    @Test func `the search finds what it is for`() {
        #expect("SELECT * FROM t WHERE a = '\\(name)'".isStatementWithValues)
        #expect("\n  UPDATE t\n  SET a = \\(value)\n".isStatementWithValues)
        #expect(!"SELECT \\$1".isStatementWithValues)
        #expect("let x = \"\"\"\n SELECT \\(y)\n \"\"\"".strings.contains { $0.isStatementWithValues })
    }
}

extension String {
    /// The string literals of Swift source, near enough: long ones between triple quotes, others within a line.
    fileprivate var strings: [String] {
        let parts = components(separatedBy: "\"\"\"")
        let long = parts.enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
        let rest = parts.enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
        let short = rest.flatMap { $0.components(separatedBy: "\n") }.filter { $0.contains("\"") }
        return long + short
    }

    fileprivate var isStatementWithValues: Bool {
        guard contains("\\(") else { return false }
        let words = components(separatedBy: CharacterSet.letters.inverted)
        return contains("LISTEN ")
            || ["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "SET", "COPY"].contains {
                words.contains($0)
            }
    }
}
