import Foundation
import Postgres
import TestSupport
import Testing

/// Thousands of random steps against `CapModel`, which says what each verdict and each counter has to be.
///
/// `GATEPOST_MODEL_SEED` repeats a run, `GATEPOST_MODEL_STEPS` makes it longer (20,000 take some minutes).
@Suite struct ModelTests {
    private static func setting(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap(UInt64.init)
    }

    private static func seed() -> UInt64 { setting("GATEPOST_MODEL_SEED") ?? .random(in: 0..<1 << 32) }
    private static func steps(_ usual: Int) -> Int { setting("GATEPOST_MODEL_STEPS").map(Int.init) ?? usual }

    @Test func `one after the other: every verdict, cap, use, remainder and counter is the model's`() async throws {
        let seed = Self.seed()
        var run = try await ModelRun(seed: seed)
        try await run.alone(Self.steps(800))
        #expect(run.faults == [], "GATEPOST_MODEL_SEED=\(seed)")
        // A run in which everything passed, or nothing, would have shown little.
        #expect(run.heard["accepted", default: 0] > 100, "GATEPOST_MODEL_SEED=\(seed): \(run.heard)")
        #expect(run.heard.count > 10, "GATEPOST_MODEL_SEED=\(seed): \(run.heard)")
    }

    @Test func `two nodes and an operator at once: what they heard is what some order of the three would have said`()
        async throws
    {
        let seed = Self.seed()
        var run = try await ModelRun(seed: seed)
        try await run.together(Self.steps(150))
        #expect(run.faults == [], "GATEPOST_MODEL_SEED=\(seed)")
        #expect(run.heard["accepted", default: 0] > 20, "GATEPOST_MODEL_SEED=\(seed): \(run.heard)")
    }

    /// Proof that the tests above can fail: a counter that is one off, a debit that nobody took, a cap that was not read.
    @Test(arguments: [
        "UPDATE gatepost.usage SET recipients = recipients + 1 WHERE period = 'day' AND credential_id = 0",
        "UPDATE gatepost.usage SET bytes = bytes + 1 WHERE period = 'day' AND credential_id <> 0",
        "UPDATE gatepost.tenant SET daily_cap = 100000, monthly_cap = NULL",
    ])
    func `what is not the model's is noticed`(fault: String) async throws {
        var run = try await ModelRun(seed: 7)
        try await run.alone(60)
        #expect(run.faults == [])
        try await run.plant(fault)
        try await run.alone(200)
        #expect(run.faults != [])
    }
}
