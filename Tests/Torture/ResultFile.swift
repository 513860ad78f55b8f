import Foundation
import SiteSupport

/// A row's figures so far, in a file of its own.
struct ResultFile: Codable, Equatable {
    var row: String
    var unit: String
    var seed: UInt64
    var rounds: Int
    /// What every deadline was multiplied by.
    var patience = 1.0
    var roundsDone = 0
    var legsDone = 0
    var seconds = 0.0
    var verdict = Verdict()
    var begun = Date()
    var ended: Date?

    var isDone: Bool { roundsDone >= rounds }

    /// One line for people.
    var line: String {
        let counts = verdict.counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
        let worst = verdict.worst.sorted { $0.key < $1.key }.map { "\($0.key) \(String(format: "%.2f", $0.value))" }
        let word = verdict.isGood ? (isDone ? "ok" : "unfinished") : "FAILED"
        return
            "\(row): \(word), \(roundsDone) of \(rounds) \(unit), seed \(seed), \(Int(seconds)) s\(patience == 1 ? "" : ", deadlines × \(patience)"); "
            + (counts + worst).joined(separator: ", ")
    }

    static func path(_ folder: String, _ row: String) -> String { "\(folder)/\(row).json" }

    static func read(_ folder: String, _ row: String) -> ResultFile? {
        guard let data = FileManager.default.contents(atPath: path(folder, row)) else { return nil }
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        return try? decoder.decode(ResultFile.self, from: data)
    }

    func write(_ folder: String) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        encoder.dateEncodingStrategy = .iso8601
        try encoder.encode(self).write(to: URL(fileURLWithPath: Self.path(folder, row)), options: .atomic)
    }
}
