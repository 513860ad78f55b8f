import ArgumentParser
import Foundation
import Glibc
import SiteSupport

/// `torture`: does every kind of harm to a Gatepost under load and judges what is left.
@main struct Torture: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "torture", abstract: "Crash whole Gateposts under load, and judge what is left.",
        discussion: "Exit status 1: something was lost, miscounted, or not proven. See README, \"Crashes and faults\".")

    @Option(help: "Rows to run, apart by commas; all of them without.")
    var only: String?

    @Option(help: "At most so many rounds of each row; without, as many as its form has.")
    var rounds: Int?

    @Option(help: "For every choice that is made by chance; printed, and drawn where it is not given.")
    var seed: UInt64?

    @Flag(help: "The short form, of a minute.")
    var short = false

    @Flag(help: "Run the rows at the same time.")
    var together = false

    @Flag(help: "Begin rows anew that were interrupted.")
    var fresh = false

    @Option(help: "Makes every deadline so many times as long, for a machine that has other work.")
    var patience = 1.0

    @Option(help: "Folder for the figures, a file for each row.")
    var results = ".build/torture"

    @Option(help: "The gatepost to run; without, the one beside this program.")
    var binary: String?

    @Flag(help: "Plant one fault after the other (`make torture-proof`), and show that each is noticed by name.")
    var prove = false

    @Flag(help: "Name the rows.")
    var list = false

    func run() async throws {
        if list {
            for row in Row.all {
                Self.say("\(row.name): \(row.summary) (\(row.short); in full \(row.full) \(row.unit))")
            }
            return
        }
        if let binary { setenv("BINARY_UNDER_TEST", URL(fileURLWithPath: binary).path, 1) }
        let seed = self.seed ?? resumable() ?? UInt64.random(in: 1...999_999_999)
        if prove { return try await proveAll(seed) }
        let runner = Runner(
            folder: results, isShort: short, rounds: rounds, seed: seed, patience: patience, isFresh: fresh,
            say: { Self.say("\(Self.time) \($0)") })
        var results: [ResultFile] = []
        if together {
            let rows = try rows()
            results = try await withThrowingTaskGroup(of: ResultFile.self) { group in
                for row in rows { group.addTask { try await runner.run(row) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
        } else {
            for row in try rows() { results.append(try await runner.run(row)) }
        }
        Self.say("--- torture, seed \(seed), \(ISO8601DateFormatter().string(from: Date())) ---")
        for result in results { Self.say(result.line) }
        let bad = results.filter { !$0.verdict.isGood }.map(\.row)
        Self.say(bad.isEmpty ? "nothing lost, nothing miscounted" : "FAILED: \(bad.joined(separator: ", "))")
        if !bad.isEmpty { throw ExitCode(1) }
    }

    /// `only` then names plants.
    private func proveAll(_ seed: UInt64) async throws {
        let names = only.map { Set($0.split(separator: ",").map(String.init)) }
        let plants = Plant.all.filter { names?.contains($0.name) ?? true }
        let proof = Proof(seed: seed, say: { Self.say("\(Self.time) \($0)") })
        var outcomes: [Proof.Outcome] = []
        for plant in plants {
            outcomes.append(try await proof.run(plant))
            Self.say("\(Self.time) \(outcomes[outcomes.count - 1].line)")
        }
        Self.say("--- torture-proof, seed \(seed), \(ISO8601DateFormatter().string(from: Date())) ---")
        for outcome in outcomes { Self.say(outcome.line) }
        let missed = outcomes.filter { !$0.isCaught }
        Self.say(missed.isEmpty ? "\(outcomes.count) faults planted, each noticed by name" : "MISSED: \(missed.count)")
        if plants.isEmpty || !missed.isEmpty { throw ExitCode(1) }
    }

    private func rows() throws -> [Row] {
        guard let only, !only.isEmpty else { return Row.all }
        return try only.split(separator: ",").map { name in
            guard let row = Row.all.first(where: { $0.name == name }) else {
                throw ValidationError("no row \(name): \(Row.all.map(\.name).joined(separator: ", "))")
            }
            return row
        }
    }

    /// The seed of a run of these rows that was interrupted.
    private func resumable() -> UInt64? {
        guard !fresh, let rows = try? rows() else { return nil }
        return rows.lazy.compactMap { ResultFile.read(results, $0.name) }.first { !$0.isDone && $0.verdict.isGood }?
            .seed
    }

    /// A line, at once, wherever it goes.
    private static func say(_ line: String) {
        let octets = Array((line + "\n").utf8)
        _ = write(STDOUT_FILENO, octets, octets.count)
    }

    private static var time: String {
        let now = Date().timeIntervalSince1970
        return String(format: "%02d:%02d:%02d", Int(now) / 3600 % 24, Int(now) / 60 % 60, Int(now) % 60)
    }
}
