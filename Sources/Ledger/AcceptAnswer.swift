package import Postgres

/// The rows that `ledger.accept` and `ledger.resolve` return: a verdict per message, in order.
package struct AcceptAnswer: Sendable {
    package enum Verdict: Sendable {
        /// Of a credential in test mode: it is stored as final, and nobody forwards it.
        case accepted(remaining: Int64?, isTest: Bool)
        case resubmitted(MessageID)
        case staleID
        case refused(AcceptRefusal)
    }

    package let verdicts: [Verdict]
    /// The database's time, at which all of it was decided.
    package let clock: Instant

    package init(_ verdicts: [Verdict], clock: Instant) {
        self.verdicts = verdicts
        self.clock = clock
    }

    /// Nil without rows: `resolve` has fenced the batch.
    init?(_ rows: Rows, expected: Int) throws(DatabaseError) {
        guard let first = rows.first else { return nil }
        guard rows.count == expected else {
            throw DatabaseError(.unexpected, "\(rows.count) verdicts for \(expected) messages")
        }
        clock = try first.timestamp("clock")
        let verdict = try rows.column("verdict")
        let queueID = try rows.column("queue_id")
        let remaining = try rows.column("remaining")
        let detail = try rows.column("detail")
        var verdicts: [Verdict] = []
        verdicts.reserveCapacity(rows.count)
        for row in rows {
            switch try row.string(at: verdict) {
            case "accepted":
                verdicts.append(
                    .accepted(
                        remaining: try row.int64OrNil(at: remaining), isTest: try row.stringOrNil(at: detail) == "test")
                )
            case "resubmitted": verdicts.append(.resubmitted(try row.uuid(at: queueID)))
            case "stale_id": verdicts.append(.staleID)
            case let other: verdicts.append(.refused(try Self.refusal(other, row)))
            }
        }
        self.verdicts = verdicts
    }

    /// Ids too far from the database's time refuse the batch as a whole.
    var isStale: Bool { if case .staleID? = verdicts.first { true } else { false } }

    private static func refusal(_ name: String, _ row: Rows.Row) throws(DatabaseError) -> AcceptRefusal {
        guard let verdict = AcceptRefusal.Verdict(rawValue: name) else {
            throw DatabaseError(.unexpected, "the verdict `\(name)` is not known to this binary")
        }
        return AcceptRefusal(
            verdict: verdict, limit: try row.stringOrNil("limit_name"), cap: try row.int64OrNil("cap"),
            used: try row.int64OrNil("used"), resetsAt: try row.timestampOrNil("resets_at"),
            resetsText: try row.stringOrNil("resets_text"),
            policy: try row.stringOrNil("policy").flatMap { AcceptRefusal.Policy(rawValue: $0) } ?? .deferral,
            detail: try row.stringOrNil("detail"), id: try row.uuid("id"))
    }
}
