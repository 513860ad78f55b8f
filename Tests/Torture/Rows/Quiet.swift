import Postgres
import SiteSupport
import TestSupport

/// Rows without any harm, for faults that need none to show: a round is a message.
extension Row {
    /// Clients and an operator, and nothing else.
    static let calm = Row(
        name: "calm", summary: "clients and an operator alone", unit: "messages", short: 200, full: 5000
    ) { leg in
        let scene = try await Scene(leg)
        try await scene.start(submissions: 2, forwarders: 2, relays: 2)
        return try await scene.judged(clients: 32, messagesPerSecond: 1000, messages: leg.rounds) {}
    }

    /// The database's day is the next one already.
    static let tomorrow = Row(
        name: "tomorrow", summary: "the ledger's clock is a day ahead of every machine's", unit: "messages", short: 200,
        full: 5000
    ) { leg in
        let scene = try await Scene(leg)
        func tick() async throws {
            try await scene.site.sql.query(
                """
                INSERT INTO gatepost.test_clock (at) VALUES (clock_timestamp() + interval '1 day')
                ON CONFLICT (single) DO UPDATE SET at = excluded.at
                """)
        }
        scene.clockMoves()
        try await tick()
        try await scene.start(submissions: 2, forwarders: 2, relays: 2)
        let ticking = Task {
            while !Task.isCancelled {
                try? await tick()
                try? await Task.sleep(for: .milliseconds(10))
            }
        }
        defer { ticking.cancel() }
        return try await scene.judged(messages: leg.rounds) {}
    }
}
