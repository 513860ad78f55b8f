package import Postgres

/// The rows that `ledger.accept` and `ledger.resolve` return: a verdict per message, in order.
package struct AcceptAnswer: Sendable {
    package enum Verdict: Sendable {
        case accepted(remaining: Int64?, Handling)
        case resubmitted(MessageID)
        case staleID
        case refused(AcceptRefusal)
    }

    /// What becomes of a message that was accepted.
    package enum Handling: Sendable {
        case forwarded
        /// The recipients of these numbers, from 1, are suppressed: they are not stored, and nobody sends to them.
        case forwardedWithout([Int])
        /// Of a credential in test mode: it is stored as final, and nobody forwards it.
        case heldForTest

        /// From the verdict's `detail`: `test`, `suppressed 2 5`, or none.
        init(_ detail: String?) throws(DatabaseError) {
            guard let detail else {
                self = .forwarded
                return
            }
            if detail == "test" {
                self = .heldForTest
                return
            }
            let words = detail.split(separator: " ")
            let numbers = words.dropFirst().compactMap { Int($0) }
            guard words.first == "suppressed", !numbers.isEmpty, numbers.count == words.count - 1 else {
                // To forward what was not understood could be to send to those whom it names.
                throw DatabaseError(.unexpected, "the detail `\(detail)` of an accepted message is not known")
            }
            self = .forwardedWithout(numbers)
        }

        /// nil: nobody of it is to be written to.
        var dropped: [Int]? {
            switch self {
            case .forwarded: []
            case .forwardedWithout(let numbers): numbers
            case .heldForTest: nil
            }
        }
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
                        remaining: try row.int64OrNil(at: remaining), try Handling(try row.stringOrNil(at: detail))))
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
