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

    @Flag(help: "Begin rows anew that were interrupted.")
    var fresh = false

    @Option(help: "Folder for the figures, a file for each row.")
    var results = ".build/torture"

    @Option(help: "The gatepost to run; without, the one beside this program.")
    var binary: String?

    @Flag(help: "Name the rows.")
    var list = false

    func run() async throws {
        if list {
            for row in Row.all {
                Self.say("\(row.name): \(row.summary) (\(row.short); in full \(row.full) \(row.unit))")
            }
            return
        }
        if let binary { setenv("GATEPOST_BINARY", URL(fileURLWithPath: binary).path, 1) }
        let seed = self.seed ?? resumable() ?? UInt64.random(in: 1...999_999_999)
        let runner = Runner(
            folder: results, isShort: short, rounds: rounds, seed: seed, isFresh: fresh,
            say: { Self.say("\(Self.time) \($0)") })
        var results: [ResultFile] = []
        for row in try rows() { results.append(try await runner.run(row)) }
        Self.say("--- torture, seed \(seed), \(ISO8601DateFormatter().string(from: Date())) ---")
        for result in results { Self.say(result.line) }
        let bad = results.filter { !$0.verdict.isGood }.map(\.row)
        Self.say(bad.isEmpty ? "nothing lost, nothing miscounted" : "FAILED: \(bad.joined(separator: ", "))")
        if !bad.isEmpty { throw ExitCode(1) }
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
