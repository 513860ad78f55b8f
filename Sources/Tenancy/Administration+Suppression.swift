package import Postgres

/// Whom a tenant does not write to any more.
package struct SuppressionRecord: Sendable, Hashable {
    /// local-part@domain in small letters, the domain as A-label.
    package var address, reason: String
    /// Not from then on; nil: for good.
    package var until: Instant?
    package var createdAt: Instant
    /// Whether `until` is still to come.
    package var isInForce: Bool
}

extension Administration {
    /// When this returns, no message of the tenant is accepted to them, not even what is under way. What is queued stays.
    ///
    /// - Parameters:
    ///   - addresses: local-part@domain, in any case.
    ///   - reason: told to clients whose every recipient is suppressed.
    /// - Returns: how many were not there, or otherwise; nil: the first answer was lost, and the repeat cannot tell.
    package func suppress(
        _ addresses: [String], of slug: String, reason: String, until: Instant?
    ) async throws(AdministrationError) -> Int64? {
        try await count(
            "SELECT admin.suppression_add($1, $2, $3, $4, $5) AS n",
            [.text(user), .text(slug), .textArray(addresses), .text(reason), .optional(until)])
    }

    /// The tenant may write to them again.
    ///
    /// - Returns: as `suppress`: how many were there.
    package func unsuppress(_ addresses: [String], of slug: String) async throws(AdministrationError) -> Int64? {
        try await count(
            "SELECT admin.suppression_remove($1, $2, $3) AS n", [.text(user), .text(slug), .textArray(addresses)])
    }

    /// Those of the addresses that are not on the list, as they were given.
    package func unknownSuppressions(
        among addresses: [String], of slug: String
    ) async throws(AdministrationError) -> [String] {
        try await read(
            """
            SELECT n.address FROM unnest($2::text[]) WITH ORDINALITY AS n (address, place)
            WHERE NOT EXISTS (SELECT FROM admin.suppression_list($1, n.address, NULL, 1)) ORDER BY n.place
            """, [.text(slug), .textArray(addresses)]
        ) { try $0.string("address") }
    }

    /// By address, a page at a time; those too whose end has come.
    ///
    /// - Parameters:
    ///   - address: only this one, in any case.
    ///   - after: the last address of the page before.
    package func suppressions(
        of slug: String, address: String? = nil, after: String? = nil, pageSize: Int64
    ) async throws(AdministrationError) -> [SuppressionRecord] {
        try await read(
            """
            SELECT suppressed, reason, until, created_at, in_force FROM admin.suppression_list($1, $2, $3, $4)
            """, [.text(slug), .optional(address), .optional(after), .int32(Int32(clamping: pageSize))]
        ) { row in
            SuppressionRecord(
                address: try row.string("suppressed"), reason: try row.string("reason"),
                until: try row.timestampOrNil("until"), createdAt: try row.timestamp("created_at"),
                isInForce: try row.bool("in_force"))
        }
    }

    private func count(_ sql: String, _ parameters: [DatabaseValue]) async throws(AdministrationError) -> Int64? {
        let answer = try await repeated(sql, parameters)
        do {
            let count = try answer.rows.first?.int64("n") ?? 0
            return answer.wasInDoubt && count == 0 ? nil : count
        } catch {
            throw Self.translated(error)
        }
    }
}
