package import Postgres

/// What accept said to a message that nobody sent (`admin.explain_trial`): the same rows, read by the same code.
package enum AcceptTrial {
    /// - Returns: nil without rows: nobody has the username.
    package static func verdict(_ rows: Rows) throws(DatabaseError) -> AcceptVerdict? {
        guard let answer = try AcceptAnswer(rows, expected: 1), let first = rows.first else { return nil }
        switch answer.verdicts[0] {
        case .accepted(let remaining, _): return .accepted(try first.uuid("id"), remaining: remaining)
        case .resubmitted(let id): return .resubmitted(id)
        case .refused(let refusal): return .refused(refusal)
        case .staleID: throw DatabaseError(.unexpected, "an id made by the database is far from its own clock")
        }
    }
}
