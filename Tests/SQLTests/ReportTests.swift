import Postgres
import TestSupport
import Testing

/// A tenant's own database login, and every way it could try to see another's rows.
@Suite struct ReportTests {
    static let views = ["tenant", "usage", "outcome", "message", "recipient", "event", "domain", "ledger"]

    /// Two tenants with mail, and a login for each. Roles are the cluster's, so their names are this database's.
    private struct Office {
        let fixture: Fixture
        let acme: DatabaseConnection
        let acmeRole, boltRole: String
        let boltID: Int64

        init() async throws {
            fixture = try await Fixture()
            try await fixture.tenant("bolt")
            _ = try await fixture.send([Mail(recipients: 2), Mail(tenant: "bolt", recipients: 3)])
            acmeRole = "acme_\(fixture.database.name)"
            boltRole = "bolt_\(fixture.database.name)"
            for (slug, role) in [("acme", acmeRole), ("bolt", boltRole)] {
                try await fixture.main.script("CREATE ROLE \(role) LOGIN; GRANT gatepost_report TO \(role)")
                try await fixture.main.query(
                    "SELECT admin.tenant_report_login('tester', $1, $2, false)", [.text(slug), .text(role)])
            }
            // Statistics, which could tell of others.
            try await fixture.main.query("ANALYZE")
            boltID = try await fixture.number("SELECT id FROM gatepost.tenant WHERE slug = 'bolt'")
            acme = DatabaseConnection(
                DatabaseConfiguration(
                    url: fixture.database.cluster.url(user: acmeRole, database: fixture.database.name)))
        }

        /// Roles outlive a test's database.
        func end() async throws {
            await acme.close()
            try await fixture.main.script(
                "DROP OWNED BY \(acmeRole), \(boltRole); DROP ROLE \(acmeRole); DROP ROLE \(boltRole)")
        }

        func count(_ sql: String) async throws -> Int64 {
            try await acme.query("SELECT count(*) AS n FROM (\(sql)) AS q").first?.int64("n") ?? -1
        }

        func state(_ sql: String) async -> String? {
            do {
                try await acme.query(sql)
                return nil
            } catch {
                return error.sqlState
            }
        }
    }

    @Test func `a tenant's login sees its rows in every view, and nobody else's`() async throws {
        let office = try await Office()
        let rows: [(String, Int64)] = [
            ("tenant", 1), ("message", 1), ("recipient", 2), ("ledger", 1), ("domain", 1), ("usage", 3), ("outcome", 0),
        ]
        for (view, expected) in rows {
            #expect(try await office.count("SELECT FROM report.\(view)") == expected, "\(view)")
        }
        #expect(try await office.count("SELECT FROM report.event WHERE kind = 'accepted'") == 1)
        #expect(try await office.count("SELECT FROM report.event WHERE detail ? 'by'") == 0)
        for view in Self.views {
            let all = try await office.acme.query(
                "SELECT coalesce(string_agg(v::text, ' '), '') AS t FROM report.\(view) v")
            #expect(try all.first?.string("t").contains("bolt") == false, "\(view)")
        }
        // Taken away, it sees nothing.
        try await office.fixture.main.query(
            "SELECT admin.tenant_report_login('tester', 'acme', $1, true)", [.text(office.acmeRole)])
        for view in Self.views { #expect(try await office.count("SELECT FROM report.\(view)") == 0, "\(view)") }
        try await office.end()
    }

    @Test func `it has no right to a table, a partition, a function or a view of others`() async throws {
        let office = try await Office()
        let relations = try await office.fixture.main.query(
            """
            SELECT c.oid::regclass::text AS name FROM pg_class c
            WHERE c.relnamespace::regnamespace::text IN ('gatepost', 'admin') AND c.relkind IN ('r', 'p', 'v', 'S')
            """
        ).map { try $0.string("name") }
        #expect(relations.count > 50)
        for relation in relations { #expect(await office.state("SELECT FROM \(relation)") == "42501", "\(relation)") }
        let functions = try await office.fixture.main.query(
            """
            SELECT p.oid::regprocedure::text AS name FROM pg_proc p
            WHERE p.pronamespace::regnamespace::text IN ('gatepost', 'ledger', 'admin', 'report')
              AND has_function_privilege($1, p.oid, 'EXECUTE')
            """, [.text(office.acmeRole)]
        ).map { try $0.string("name") }
        #expect(functions == ["report.tenant_id()"])
        for sql in [
            "UPDATE gatepost.report_login SET tenant_id = \(office.boltID)",
            "INSERT INTO gatepost.report_login (role, tenant_id) VALUES (session_user, \(office.boltID))",
            "DELETE FROM report.outcome", "UPDATE report.tenant SET status = 'active'", "DROP VIEW report.message",
            "CREATE OR REPLACE VIEW report.mine AS SELECT 1",
            "CREATE FUNCTION report.f() RETURNS int LANGUAGE sql RETURN 1",
            "ALTER VIEW report.message RESET (security_barrier)", "DROP POLICY report ON gatepost.message",
            "ALTER TABLE gatepost.message DISABLE ROW LEVEL SECURITY", "SET ROLE gatepost_report_view",
            "SET ROLE gatepost_owner", "SET ROLE \(office.boltRole)", "SET SESSION AUTHORIZATION \(office.boltRole)",
            "SELECT admin.tenant_report_login('me', 'bolt', session_user, false)",
        ] {
            let state = await office.state(sql)
            #expect(state == "42501", "\(sql): \(state ?? "done")")
        }
        try await office.end()
    }

    @Test func `roles it takes on, and functions of others that run as their owners, widen nothing`() async throws {
        let office = try await Office()
        // The group of all reporting logins: its members are nobody in particular.
        try await office.acme.query("SET ROLE gatepost_report")
        #expect(try await office.count("SELECT FROM report.recipient") == 2)
        try await office.acme.query("RESET ROLE")
        // Even where it is made a member of the other login's role.
        try await office.fixture.main.query("GRANT \(office.boltRole) TO \(office.acmeRole)")
        try await office.acme.query("SET ROLE \(office.boltRole)")
        #expect(try await office.acme.query("SELECT current_user::text AS u").first?.string("u") == office.boltRole)
        #expect(try await office.count("SELECT FROM report.recipient") == 2)
        try await office.acme.query("RESET ROLE")
        // A function of the other login's, as that login.
        try await office.fixture.main.script(
            """
            CREATE SCHEMA lent; GRANT USAGE ON SCHEMA lent TO PUBLIC;
            CREATE FUNCTION lent.look() RETURNS bigint LANGUAGE sql SECURITY DEFINER
                AS 'SELECT count(*) FROM report.recipient';
            ALTER FUNCTION lent.look() OWNER TO \(office.boltRole);
            """)
        #expect(try await office.acme.query("SELECT lent.look() AS n").first?.int64("n") == 2)
        try await office.end()
    }

    @Test func `names of its own before ours change nothing`() async throws {
        let office = try await Office()
        try await office.acme.script(
            """
            CREATE TEMPORARY TABLE report_login (role name, tenant_id bigint);
            INSERT INTO report_login VALUES (session_user, \(office.boltID));
            CREATE FUNCTION pg_temp.tenant_id() RETURNS bigint LANGUAGE sql AS 'SELECT \(office.boltID)::bigint';
            SET search_path = pg_temp, report, gatepost, pg_catalog;
            SET row_security = on;
            """)
        #expect(try await office.count("SELECT FROM report.recipient") == 2)
        #expect(try await office.acme.query("SELECT report.tenant_id() AS id").first?.int64("id") != office.boltID)
        // Asking for everything is refused, or still filtered, never granted.
        try await office.acme.query("SET row_security = off")
        #expect(await office.state("SELECT FROM report.recipient") == "42501")
        try await office.end()
    }

    @Test func `a function that tells what it sees is never shown another's row`() async throws {
        let office = try await Office()
        try await office.acme.script(
            """
            CREATE TEMPORARY TABLE seen (what text);
            CREATE FUNCTION pg_temp.tell(what text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS
                $$ BEGIN INSERT INTO seen VALUES (what); RETURN true; END $$;
            CREATE OPERATOR pg_temp.<<< (LEFTARG = text, RIGHTARG = text, FUNCTION = textne);
            """)
        for sql in [
            "SELECT FROM report.ledger l WHERE pg_temp.tell(l.credential)",
            "SELECT FROM report.message m WHERE pg_temp.tell(m.sender || ' ' || m.credential)",
            "SELECT FROM report.tenant t WHERE pg_temp.tell(t.tenant)",
            "SELECT FROM report.domain d WHERE pg_temp.tell(d.domain) AND d.domain OPERATOR(pg_temp.<<<) ''",
            "SELECT FROM report.event e WHERE pg_temp.tell(e.detail::text)",
        ] {
            try await office.acme.query(sql)
        }
        let seen = try await office.acme.query("SELECT string_agg(what, ' ') AS t FROM seen").first?.string("t") ?? ""
        #expect(seen.contains("acme") && !seen.contains("bolt"), "\(seen)")
        try await office.end()
    }

    @Test func `neither statistics nor EXPLAIN tell of others`() async throws {
        let office = try await Office()
        #expect(
            try await office.count("SELECT FROM pg_stats WHERE schemaname IN ('gatepost', 'report')") == 0)
        #expect(await office.state("SELECT FROM pg_statistic") == "42501")
        // The same estimate for a value that only others have as for one that nobody has.
        func plan(_ condition: String) async throws -> String {
            try await office.acme.query("EXPLAIN SELECT FROM report.\(condition)").map { row in
                try row.string("QUERY PLAN").replacing(/'[^']*'/, with: "''")
            }.joined(separator: "\n")
        }
        for (mine, others, nobodys) in [
            (
                "message WHERE from_domain = 'acme.example'", "message WHERE from_domain = 'bolt.example'",
                "message WHERE from_domain = 'none.example'"
            ),
            ("tenant WHERE tenant = 'acme'", "tenant WHERE tenant = 'bolt'", "tenant WHERE tenant = 'none'"),
            (
                "recipient WHERE address = 'r1@remote.example'", "recipient WHERE address = 'r3@remote.example'",
                "recipient WHERE address = 'no@none.example'"
            ),
            (
                "domain WHERE domain = 'acme.example'", "domain WHERE domain = 'bolt.example'",
                "domain WHERE domain = 'none.example'"
            ),
        ] {
            let plans = Set([try await plan(mine), try await plan(others), try await plan(nobodys)])
            #expect(plans.count == 1, "\(plans.joined(separator: "\n---\n"))")
        }
        try await office.end()
    }

    @Test func `what runs on the way of a message is under none of it`() async throws {
        let fixture = try await Fixture()
        let bound = try await fixture.main.query(
            """
            SELECT c.relname::text AS name FROM pg_class c
            WHERE c.relnamespace = 'gatepost'::regnamespace AND c.relrowsecurity
              AND (c.relforcerowsecurity OR c.relowner <> 'gatepost_owner'::regrole)
            """)
        #expect(bound.isEmpty, "the owner, as whom accept runs, passes by its policies")
        #expect(
            try await fixture.number("SELECT count(*) FROM pg_policies WHERE schemaname = 'gatepost'") == 12)
        #expect(try await fixture.verdicts([Mail(recipients: 2)]) == ["accepted"])
    }
}
