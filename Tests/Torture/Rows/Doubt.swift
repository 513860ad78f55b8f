import Postgres
import SiteSupport
import Synchronization
import TestSupport

extension Row {
    /// Commits in doubt: the connection between node and database is cut at every point of a call.
    static let doubt = Row(
        name: "doubt",
        summary: "a proxy before the database cuts before the request, in it, after it, before or in the reply to "
            + "COMMIT, or delays that reply",
        unit: "cuts", short: 20, full: 1000, leg: 200
    ) { leg in
        let scene = try await Scene(leg)
        let scissors = Scissors(leg)
        let proxy = CuttingProxy(to: scene.site.cluster.port) { statement in
            let fault = scissors.fault(for: statement)
            if let fault { scene.disturb("\(fault) of \(statement)", mayDuplicate: true) }
            return fault
        }
        defer { proxy.shutdown() }
        try await scene.start(submissions: 2, forwarders: 2, relays: 2, databasePort: proxy.port)
        scene.allowSilence(after: .seconds(59))
        return try await scene.judged(messages: leg.rounds * 5, drain: .seconds(150)) {
            scissors.isCutting = true
            let locking = Task { await scene.holdMeters(seed: leg.seed) }
            var random = leg.random
            while proxy.cuts < leg.rounds {
                // What is held back now goes on after 0 to 30 s, mostly sooner.
                let share = Double.random(in: 0...1, using: &random)
                let wait = share * share * share * (leg.isShort ? 2 : 30)
                _ = await eventually(within: .seconds(wait), every: .milliseconds(20)) { proxy.cuts >= leg.rounds }
                scene.disturb("what was held back goes on", mayDuplicate: true)
                proxy.release()
            }
            scissors.isCutting = false
            proxy.release()
            locking.cancel()
            await locking.value
            scene.count("cuts", proxy.cuts)
            for (what, number) in scissors.counts { scene.count(what, number) }
            // What was held back until now, or cut just now, may still be in doubt for a while.
            scene.disturb("the last cut", mayDuplicate: true)
        }
    }
}

/// Decides by chance what becomes of a statement.
private final class Scissors: Sendable {
    private struct State {
        var isCutting = false
        var random: Seeded
        var counts: [String: Int] = [:]
    }

    private let state: Mutex<State>

    init(_ leg: Leg) { state = Mutex(State(random: leg.random)) }

    var isCutting: Bool {
        get { state.withLock { $0.isCutting } }
        set { state.withLock { $0.isCutting = newValue } }
    }

    var counts: [String: Int] { state.withLock { $0.counts } }

    func fault(for statement: String) -> CuttingProxy.Fault? {
        // The prepared ones by their names; the fence, the claims and the lease by their text.
        let share =
            switch statement {
            case "accept": 8
            case "settle": 4
            case _ where statement.contains("ledger.resolve"): 15
            case _ where statement.contains("ledger.claim") || statement.contains("ledger.owner"): 2
            default: 0
            }
        return state.withLock { state in
            guard state.isCutting, Int.random(in: 0..<100, using: &state.random) < share else { return nil }
            let fault = CuttingProxy.Fault.allCases.randomElement(using: &state.random)
            if let fault { state.counts["\(fault)", default: 0] += 1 }
            return fault
        }
    }
}

extension Scene {
    /// Holds tenants' meters for a moment, again and again, so that calls are cut while they wait for one: the fence must
    /// then wait for them. Until cancelled.
    func holdMeters(seed: UInt64) async {
        let connection = site.database.connection()
        var random = Seeded(state: seed ^ 0x3E7E)
        while !Task.isCancelled {
            let seconds = Double.random(in: 0.02...0.6, using: &random)
            _ = try? await connection.query(
                """
                SELECT pg_sleep($1) FROM (SELECT FROM gatepost.meter m JOIN gatepost.tenant t ON t.id = m.tenant_id
                                          WHERE t.slug = $2 FOR UPDATE OF m) AS held
                """,
                [
                    .double(seconds), .text(["edge1", "edge2", "wide1", "wide2"].randomElement(using: &random) ?? ""),
                ])
            try? await Task.sleep(for: .milliseconds(100))
        }
        await connection.close()
    }
}
