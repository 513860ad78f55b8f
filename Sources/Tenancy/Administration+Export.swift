import Postgres

// What is held on a tenant, and many tenants at once, in pages.

extension Administration {
    /// The parts of an export that have many rows.
    package enum ExportPart: String, Sendable, CaseIterable {
        case credentials, limits, usage, outcomes, warnings, suppressions, ledger, messages, recipients, events, audit
        case usageDomains = "usage_domains"
        case reportLogins = "report_logins"
    }

    /// Goes through one part, a page at a time; each line is a JSON object.
    package func export(
        _ part: ExportPart, of slug: String, line: (String) -> Void
    ) async throws(AdministrationError) {
        var after: [String] = []
        let pageSize: Int32 = 1000
        while true {
            let page = try await read(
                "SELECT key, line::text AS line FROM admin.tenant_export($1, $2, $3, $4)",
                [.text(slug), .text(part.rawValue), .textArray(after), .int32(pageSize)]
            ) { (key: try $0.strings("key"), line: try $0.string("line")) }
            for row in page { line(row.line) }
            guard page.count == Int(pageSize), let last = page.last else { return }
            after = last.key
        }
    }

    /// Those of these that there are, deleted ones left out.
    package func tenants(named slugs: [String]) async throws(AdministrationError) -> [TenantRecord] {
        try await tenants("WHERE t.slug = ANY ($1) AND t.status <> 'deleted' ORDER BY t.slug", [.textArray(slugs)])
    }

    /// Those of these whose names nobody can have any more.
    package func deletedSlugs(among slugs: [String]) async throws(AdministrationError) -> Set<String> {
        Set(
            try await tenants("WHERE t.slug = ANY ($1) AND t.status = 'deleted' ORDER BY t.slug", [.textArray(slugs)])
                .map(\.slug))
    }

    package func domains(ofAll slugs: [String]) async throws(AdministrationError) -> [DomainRecord] {
        try await domains("WHERE tenant = ANY ($1) ORDER BY tenant, domain", [.textArray(slugs)])
    }

    // MARK: Reporting logins

    /// - Parameter remove: it no longer reads the tenant's rows.
    /// - Throws: `taken` where it is another tenant's; `invalid` where the role sees more than its rows.
    package func setReportLogin(
        _ role: String, of slug: String, remove: Bool
    ) async throws(AdministrationError) -> Bool {
        try await change(
            "SELECT admin.tenant_report_login($1, $2, $3, $4)",
            [.text(user), .text(slug), .text(role), .bool(remove)]
        ).mayHaveChanged
    }

    /// What stands between a role and its reports.
    package struct RoleState: Sendable, Hashable {
        package var exists, reports: Bool
        /// Whether this connection's role may make roles.
        package var canCreate: Bool
    }

    package func roleState(_ role: String) async throws(AdministrationError) -> RoleState {
        let rows = try await read(
            """
            SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = $1) AS there,
                   EXISTS (SELECT FROM pg_catalog.pg_roles
                           WHERE rolname = $1 AND pg_catalog.pg_has_role(oid, 'gatepost_report', 'MEMBER')) AS reports,
                   (SELECT rolsuper OR rolcreaterole FROM pg_catalog.pg_roles WHERE rolname = current_user) AS may
            """, [.text(role)]
        ) {
            RoleState(exists: try $0.bool("there"), reports: try $0.bool("reports"), canCreate: try $0.bool("may"))
        }
        guard let state = rows.first else { throw .failed("the database gave no answer") }
        return state
    }

    /// Makes the role where it is missing and lets it report, as whoever this connection is.
    ///
    /// The name is an identifier, which cannot be a parameter: the statement is put together by PostgreSQL.
    package func createReportRole(_ role: String) async throws(AdministrationError) {
        _ = try await read("SELECT set_config('gatepost.role', $1, false)", [.text(role)]) { _ in () }
        _ = try await read(
            """
            DO $$
            DECLARE
                wanted text := current_setting('gatepost.role');
            BEGIN
                IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
                    EXECUTE format('CREATE ROLE %I LOGIN CONNECTION LIMIT 10', wanted);
                END IF;
                EXECUTE format('GRANT gatepost_report TO %I', wanted);
            END
            $$
            """
        ) { _ in () }
    }
}
