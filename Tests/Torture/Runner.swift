import Foundation
import SiteSupport

/// Runs rows leg by leg, keeps the figures of each in a file, and resumes from it.
struct Runner {
    var folder: String
    var isShort: Bool
    /// At most so many rounds of each row; nil: as many as its form has.
    var rounds: Int?
    var seed: UInt64
    var patience = 1.0
    /// Begin anew even where a file says that the same run was interrupted.
    var isFresh: Bool
    var say: @Sendable (String) -> Void

    func run(_ row: Row) async throws -> ResultFile {
        let size = min(rounds ?? .max, isShort ? row.short : row.full)
        var result = ResultFile(row: row.name, unit: row.unit, seed: seed, rounds: size, patience: patience)
        if !isFresh, let earlier = ResultFile.read(folder, row.name), earlier.seed == seed, earlier.rounds == size,
            !earlier.isDone, earlier.verdict.isGood
        {
            result = earlier
            say("\(row.name): resumed at \(result.roundsDone) of \(size) \(row.unit)")
        }
        let clock = ContinuousClock()
        while !result.isDone {
            let rounds = min(row.leg, size - result.roundsDone)
            let begun = clock.now
            let leg = Leg(
                row: row.name, rounds: rounds, done: result.roundsDone, isShort: isShort,
                seed: seed &+ UInt64(result.legsDone) &* 1_000_003, patience: patience,
                say: { [say, name = row.name] in say("\(name): \($0)") })
            say("\(row.name): \(rounds) \(row.unit), seed \(leg.seed)")
            result.verdict.add(try await row.run(leg))
            result.seconds += begun.duration(to: clock.now) / .seconds(1)
            result.roundsDone += rounds
            result.legsDone += 1
            if result.isDone || !result.verdict.isGood { result.ended = .now }
            try result.write(folder)
            for finding in result.verdict.findings {
                say("\(row.name): \(finding.fault.rawValue), \(finding.count) times: \(finding.details)")
            }
            if !result.verdict.isGood { break }
        }
        return result
    }
}
