package import Postgres

/// One change, and who made it.
package struct AuditRecord: Sendable, Hashable {
    package var id: Int64
    package var at: Instant
    package var operatingSystemUser, databaseUser: String
    package var tenant: String?
    package var action, object: String
    /// A JSON object.
    package var detail: String
}

extension Administration {
    /// One page, newest first.
    ///
    /// - Parameters:
    ///   - slug: nil: every tenant's, and what is no tenant's.
    ///   - since: nothing older.
    ///   - before: the last id of the page before.
    package func audit(
        of slug: String?, since: Instant?, pageSize: Int64, before: Int64?
    ) async throws(AdministrationError) -> [AuditRecord] {
        if let slug { _ = try await tenant(slug) }
        return try await read(
            """
            SELECT id, at, os_user, database_user, tenant, action, object, detail::text AS detail FROM admin.audit
            WHERE (tenant = $1 OR $1 IS NULL) AND (at >= $2 OR $2 IS NULL) AND (id < $3 OR $3 IS NULL)
            ORDER BY id DESC LIMIT $4
            """, [.optional(slug), .optional(since), .optional(before), .int64(pageSize)]
        ) { row in
            AuditRecord(
                id: try row.int64("id"), at: try row.timestamp("at"), operatingSystemUser: try row.string("os_user"),
                databaseUser: try row.string("database_user"), tenant: try row.stringOrNil("tenant"),
                action: try row.string("action"), object: try row.string("object"), detail: try row.string("detail"))
        }
    }
}
