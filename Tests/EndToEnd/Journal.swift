import Foundation
import Postgres
import TestSupport
import Testing

/// What the clients of `load.py` heard: the judge's knowledge of each attempt.
struct Journal {
    var tried: Set<String> = []
    var acknowledged: [String: String] = [:]
    var refused: [String: String] = [:]
    var unknown: Set<String> = []
    var isDone = false

    init(_ file: String) {
        for line in readFile(file).split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 2).map(String.init)
            switch words[0] {
            case "try": tried.insert(words[1])
            case "ack": acknowledged[words[1]] = words[2]
            case "refused": refused[words[1]] = words[2]
            case "unknown": unknown.insert(words[1])
            case "done": isDone = true
            default: Issue.record("a line that no client writes: \(line)")
            }
        }
    }
}

extension Site {
    /// LEDGER's first rule, over everything a load has left behind.
    ///
    /// acknowledged ⊆ stored ⊆ acknowledged + unknown; used = Σ ledger = stored − refunded; no debit over the cap.
    func judge(_ journal: Journal, tenant: String, cap: Int64?) async throws {
        let rows = try await sql.query(
            """
            SELECT m.id, m.message_id_header AS token, m.recipients::bigint AS recipients
            FROM gatepost.message m JOIN gatepost.tenant t ON t.id = m.tenant_id WHERE t.slug = $1
            """, [.text(tenant)])
        var stored: [String: String] = [:]
        for row in rows {
            let token = try row.string("token").trimmingCharacters(in: ["<", ">"]).prefix { $0 != "@" }
            #expect(stored[String(token)] == nil, "stored twice: \(token)")
            stored[String(token)] = try row.uuid("id").description
        }
        for (token, id) in journal.acknowledged {
            #expect(stored[token] == id, "acknowledged and not stored: \(token) as \(id)")
        }
        for token in stored.keys {
            #expect(
                journal.acknowledged[token] != nil || journal.unknown.contains(token)
                    || !journal.refused.keys.contains(token), "refused and stored: \(token)")
            #expect(journal.refused[token] == nil, "refused and stored: \(token) \(journal.refused[token] ?? "")")
        }
        let figures = try #require(
            try await sql.query(
                """
                SELECT t.id,
                    (SELECT coalesce(sum(recipients), 0) FROM gatepost.usage u
                        WHERE u.tenant_id = t.id AND u.credential_id = 0 AND u.period = 'day')::bigint AS used,
                    (SELECT coalesce(sum(recipients), 0) FROM gatepost.ledger l WHERE l.tenant_id = t.id)::bigint AS ledger,
                    (SELECT count(*) FROM gatepost.recipient r
                        WHERE r.tenant_id = t.id AND r.state <> 'cancelled')::bigint AS stored,
                    (SELECT coalesce(max(running), 0) FROM (
                        SELECT sum(recipients) OVER (PARTITION BY day ORDER BY at, message_id) AS running
                        FROM gatepost.ledger l WHERE l.tenant_id = t.id) AS s)::bigint AS highest
                FROM gatepost.tenant t WHERE t.slug = $1
                """, [.text(tenant)]
            ).first)
        let used = try figures.int64("used")
        #expect(used == (try figures.int64("ledger")), "counter and ledger differ")
        #expect(used == (try figures.int64("stored")), "counter and stored recipients differ")
        if let cap { #expect(try figures.int64("highest") <= cap, "a debit went over the cap") }
    }

    /// Everything that was acknowledged arrives, within a deadline.
    func expectArrival(of journal: Journal, within limit: Duration = .seconds(60)) async {
        var missing = Set(journal.acknowledged.keys)
        _ = await eventually(within: limit, every: .milliseconds(200)) {
            let all = arrived().joined()
            missing = missing.filter { !all.contains($0) }
            return missing.isEmpty
        }
        #expect(missing.isEmpty, "acknowledged and not arrived: \(missing.count) of \(journal.acknowledged.count)")
    }
}
