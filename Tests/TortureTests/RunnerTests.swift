import Foundation
import SiteSupport
import Synchronization
import Testing

@testable import torture

/// How rows are run, kept and resumed.
@Suite struct RunnerTests {
    private final class Calls: Sendable {
        private let state = Mutex<[Leg]>([])
        var all: [Leg] { state.withLock { $0 } }
        func add(_ leg: Leg) { state.withLock { $0.append(leg) } }
    }

    private let folder = FileManager.default.temporaryDirectory.path + "/torture-test-\(UUID().uuidString)"

    private func row(_ calls: Calls, failing: Int? = nil, throwing: Int? = nil) -> Row {
        Row(name: "sample", summary: "nothing", unit: "rounds", short: 4, full: 25, leg: 10) { leg in
            calls.add(leg)
            if calls.all.count == throwing { throw Site.Failure("interrupted") }
            var verdict = Verdict()
            verdict.count("messages", leg.rounds)
            if calls.all.count == failing { verdict.add(.lost, "one") }
            return verdict
        }
    }

    private func runner(rounds: Int? = nil, isShort: Bool = false, seed: UInt64 = 7) -> Runner {
        Runner(folder: folder, isShort: isShort, rounds: rounds, seed: seed, isFresh: false, say: { _ in })
    }

    @Test func `a row runs in legs, each with a seed of its own, and adds up in a file`() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let calls = Calls()
        let result = try await runner().run(row(calls))
        #expect(calls.all.map(\.rounds) == [10, 10, 5])
        #expect(Set(calls.all.map(\.seed)).count == 3)
        #expect(result.isDone && result.verdict.counts == ["messages": 25])
        #expect(ResultFile.read(folder, "sample")?.verdict == result.verdict)
        let again = Calls()
        _ = try await runner().run(row(again))
        #expect(again.all.map(\.seed) == calls.all.map(\.seed), "the same seed makes the same legs")
    }

    @Test func `the short form, and fewer rounds when asked`() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        #expect(try await runner(isShort: true).run(row(Calls())).roundsDone == 4)
        #expect(try await runner(rounds: 3).run(row(Calls())).roundsDone == 3)
        #expect(try await runner(rounds: 1000).run(row(Calls())).roundsDone == 25)
    }

    @Test func `what was interrupted is resumed where it stopped`() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        await #expect(throws: Site.Failure.self) { try await runner().run(row(Calls(), throwing: 2)) }
        let calls = Calls()
        let result = try await runner().run(row(calls))
        #expect(calls.all.map(\.rounds) == [10, 5])
        #expect(result.verdict.counts == ["messages": 25])
        #expect(result.line.hasPrefix("sample: ok, 25 of 25 rounds, seed 7"))
    }

    @Test func `a leg with a finding ends the row, which says so`() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let result = try await runner().run(row(Calls(), failing: 2))
        #expect(result.roundsDone == 20)
        #expect(result.verdict.faults == [.lost])
        #expect(result.line.hasPrefix("sample: FAILED, 20 of 25 rounds"))
        // Never resumed: its figures would be hidden among good ones.
        let calls = Calls()
        _ = try await runner().run(row(calls))
        #expect(calls.all.map(\.rounds) == [10, 10, 5])
    }

    @Test func `rows have names of their own, and both forms`() {
        #expect(Set(Row.all.map(\.name)).count == Row.all.count)
        for row in Row.all { #expect(row.short > 0 && row.short <= row.full, "\(row.name)") }
    }
}
