import Foundation
import Testing

@testable import gatepost

/// `gatepost docs` against the sources: a reply that is sent and not explained fails here.
@Suite struct `The page of replies` {
    struct Entry {
        var code: Int
        var enhanced, text, cause, fix: String
    }

    private func entries() throws -> [Entry] {
        try Run(["docs", "--json"]).output.split(separator: "\n").map {
            let line = try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
            return Entry(
                code: try #require(line["code"] as? Int), enhanced: line["enhanced"] as? String ?? "",
                text: try #require(line["text"] as? String), cause: try #require(line["cause"] as? String),
                fix: try #require(line["fix"] as? String))
        }
    }

    /// Every place that makes a reply with a code of its own: the codes, and the text between interpolations.
    private func constructions() throws -> [(place: String, code: Int, enhanced: String, parts: [String])] {
        let sources = Golden.root.appending(path: "Sources")
        let files = try #require(FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil))
        var found: [(String, Int, String, [String])] = []
        let pattern =
            /[^A-Za-z.]Reply\(\s*([2-5][0-9]{2}), (nil|EnhancedCode\(([245]), ([0-9]+), ([0-9]+)\)),\s*("[^"]*"|[^")]*)/
        for case let file as URL in files where file.pathExtension == "swift" {
            let text = try String(contentsOf: file, encoding: .utf8)
            for match in text.matches(of: pattern) {
                let enhanced = match.3.map { "\($0).\(match.4 ?? "").\(match.5 ?? "")" } ?? ""
                let literal = String(match.6)
                // Interpolations hold at most one pair of parentheses inside their own.
                let parts =
                    literal.hasPrefix("\"")
                    ? literal.dropFirst().dropLast().replacing(/\\\((?:[^()]|\([^()]*\))*\)/, with: "\u{0}")
                        .replacing(/\\\(.*$/, with: "")  // one that holds a quote was cut there
                        .split(separator: "\u{0}").map(String.init) : []
                found.append((file.lastPathComponent, try #require(Int(match.1)), enhanced, parts))
            }
        }
        return found
    }

    @Test func `explains every reply that the sources make`() throws {
        let entries = try entries()
        let constructions = try constructions()
        #expect(constructions.count > 100, "the sources are read: \(constructions.count)")
        for one in constructions {
            let isExplained = entries.contains { entry in
                guard entry.code == one.code, entry.enhanced == one.enhanced else { return false }
                var rest = entry.text[...]
                for part in one.parts {
                    guard let range = rest.range(of: part) else { return false }
                    rest = rest[range.upperBound...]
                }
                return true
            }
            #expect(isExplained, "\(one.place): \(one.code) \(one.enhanced) \(one.parts)")
        }
    }

    @Test func `says why, and what helps where somebody is refused`() throws {
        for entry in try entries() {
            #expect(!entry.cause.isEmpty, "\(entry.text)")
            let isOwnEnd =
                entry.text.contains("shutting down") || entry.text.hasPrefix("Idle")
                || entry.text.contains("cancelled")
            #expect(entry.code < 400 || isOwnEnd || !entry.fix.isEmpty, "\(entry.code) \(entry.text)")
        }
    }

    @Test func `names commands that there are`() throws {
        let known = Set(CommandDescription.root.descendants.map(\.path))
        for entry in try entries() {
            for quoted in entry.fix.matches(of: /`(?:gatepost )?([a-z]+(?: [a-z]+)?)/) {
                let words = quoted.1.split(separator: " ").map(String.init)
                let path = "gatepost " + words.joined(separator: " ")
                #expect(known.contains(path) || known.contains("gatepost \(words[0])"), "\(entry.fix)")
            }
        }
    }

    @Test func `has all that README promises`() throws {
        let readme = try String(contentsOf: Golden.root.appending(path: "README.md"), encoding: .utf8)
        let section = try #require(readme.components(separatedBy: "\n## Replies\n").dropFirst().first)
            .components(separatedBy: "\n## ")[0]
        let entries = try entries()
        let promised = section.matches(of: /`([2-5][0-9]{2}) ([245]\.[0-9]\.[0-9]+) ?([^`]*)`/)
        #expect(promised.count > 15)
        for one in promised {
            let begin = String(one.3.prefix(8))
            #expect(
                entries.contains { "\($0.code)" == one.1 && $0.enhanced == one.2 && $0.text.hasPrefix(begin) },
                "\(one.0) is not in `gatepost docs`")
        }
    }

    @Test func `comes as text, Markdown and by code`() throws {
        let text = try Run(["docs", "--code", "450"])
        #expect(text.status == 0 && text.output.contains("450 4.7.1 Daily cap of 300 recipients reached (300 used)"))
        #expect(!text.output.contains("550 "))
        let markdown = try Run(["docs", "--markdown"]).output
        #expect(markdown.contains("| `535 5.7.8 Authentication credentials invalid.` |"))
        for line in markdown.split(separator: "\n") where line.hasPrefix("|") {
            #expect(line.count { $0 == "|" } == 4, "\(line)")
        }
        #expect(try Run(["docs", "--code", "999"]).status == 64)
    }
}
