import Glibc
import Postgres
import SiteSupport
import TestSupport

extension Row {
    /// The database dies or ends connections; nodes come back by themselves.
    static let postgres = Row(
        name: "postgres",
        summary: "PostgreSQL: kill -9 of the postmaster, stop -m immediate, pg_terminate_backend",
        unit: "blows", short: 4, full: 100, leg: 25
    ) { leg in
        let scene = try await Scene(leg)
        try await scene.start(submissions: 2, forwarders: 2, relays: 2)
        scene.allowSilence(after: .seconds(59))
        return try await scene.judged(messages: leg.rounds * (leg.isShort ? 20 : 100)) {
            var random = leg.random
            for round in 0..<leg.rounds {
                try await Task.sleep(for: .milliseconds(Int64.random(in: 100...1000, using: &random)))
                // In the short form each of them once.
                let kind = leg.isShort ? round % 3 : Int.random(in: 0..<3, using: &random)
                try await DatabaseBlow.allCases[kind].strike(scene)
            }
        }
    }
}

private enum DatabaseBlow: String, CaseIterable {
    case kill = "kill -9 of the postmaster"
    case immediate = "stop -m immediate"
    case terminate = "pg_terminate_backend"

    /// Strikes, and waits until a client has had a 250 again.
    func strike(_ scene: Scene) async throws {
        scene.disturb(rawValue, mayDuplicate: true)
        let cluster = scene.site.cluster
        switch self {
        case .kill, .immediate:
            let signal = self == .kill ? SIGKILL : SIGQUIT
            try await onThread {
                cluster.stop(signal)
                try cluster.start()
            }
        case .terminate:
            // All of the nodes' at once: nobody has one left to fall back on.
            _ = try await scene.site.retried(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'gatepost_node'")
        }
        scene.count(rawValue)
        let begun = ContinuousClock.now
        guard let load = scene.load else { return }
        let isBack = await eventually(within: .seconds(60), every: .milliseconds(5)) { load.lastAnswer > begun }
        if isBack {
            scene.back("back after \(rawValue)", after: begun.duration(to: load.lastAnswer), within: .seconds(3))
        } else {
            scene.fault(.late, "no 250 within 60 s of \(rawValue)")
        }
    }
}
