import Postgres
import TestSupport
import Testing

/// The three roles: functions only, and nobody else's.
@Suite struct GrantTests {
    private func state(_ role: PrivateDatabase.Role, _ fixture: Fixture, _ sql: String) async throws -> String? {
        let session = fixture.session(as: role)
        do {
            try await session.query(sql)
            return nil
        } catch {
            return error.sqlState
        }
    }

    @Test func `no role but the owner reads or writes a table`() async throws {
        let fixture = try await Fixture()
        let tables = try await fixture.main.query(
            """
            SELECT c.oid::regclass::text AS name FROM pg_class c
            WHERE c.relnamespace = 'gatepost'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'schema_file'
            """
        ).map { try $0.string("name") }
        #expect(tables.count > 30)
        for role in ["gatepost_node", "gatepost_admin", "public"] {
            let rights = try await fixture.main.query(
                """
                SELECT t AS name FROM unnest($1::text[]) t
                WHERE has_table_privilege($2, t, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
                """, [.textArray(tables), .text(role)])
            #expect(try rights.map { try $0.string("name") } == [], "\(role)")
        }
    }

    @Test func `every function is the owner's, closed to the public, and pinned to its search path`() async throws {
        let fixture = try await Fixture()
        let open = try await fixture.main.query(
            """
            SELECT p.oid::regprocedure::text AS name FROM pg_proc p
            WHERE p.pronamespace IN ('gatepost'::regnamespace, 'ledger'::regnamespace, 'admin'::regnamespace)
              AND (has_function_privilege('public', p.oid, 'EXECUTE') OR p.proowner <> 'gatepost_owner'::regrole
                   OR p.prosecdef AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c LIKE 'search_path=pg_catalog%'))
            """)
        #expect(try open.map { try $0.string("name") } == [])
    }

    @Test func `a node calls the ledger, and cannot administer; an operator cannot accept`() async throws {
        let fixture = try await Fixture()
        let id = MessageID(at: .now)
        for (role, sql, expected) in [
            (.node, "SELECT * FROM ledger.login('acme.a')", nil),
            (.node, "SELECT * FROM ledger.pools()", nil),
            (.node, "SELECT ledger.secret('ticket')", nil),
            (.node, "SELECT * FROM ledger.owner_start('\(id)', 'here')", nil),
            (.node, "SELECT * FROM ledger.claim('\(id)', 1, 1)", nil),
            (.node, "SELECT ledger.upkeep_partitions()", nil),
            (.node, "SELECT name FROM gatepost.schema_file", nil),
            (.node, "LISTEN gatepost_directory", nil),
            (.node, "SELECT admin.tenant_resume('me', 'acme')", "42501"),
            (.node, "SELECT ledger.cancel('me', '{}', NULL)", "42501"),
            (.node, "SELECT * FROM admin.tenant", "42501"),
            (.node, "INSERT INTO gatepost.test_clock (at) VALUES (now())", "42501"),
            (.node, "CREATE TABLE gatepost.mine (a int)", "42501"),
            (.node, "CREATE FUNCTION ledger.mine() RETURNS int LANGUAGE sql RETURN 1", "42501"),
            (.admin, "SELECT * FROM admin.tenant", nil),
            (.admin, "SELECT admin.tenant_resume('me', 'acme')", nil),
            (.admin, "SELECT * FROM ledger.cancel('me', '{}', NULL)", nil),
            (.admin, "SELECT ledger.upkeep_partitions()", nil),
            (.admin, "DELETE FROM gatepost.audit", "42501"),
            (.admin, "SELECT * FROM gatepost.login", "42501"),
            (.admin, "SELECT * FROM ledger.login('acme.a')", "42501"),
            (.admin, "INSERT INTO gatepost.test_clock (at) VALUES (now())", "42501"),
        ] as [(PrivateDatabase.Role, String, String?)] {
            #expect(try await state(role, fixture, sql) == expected, "\(role): \(sql)")
        }
    }
}
