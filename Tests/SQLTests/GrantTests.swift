import Postgres
import SQL
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

    @Test func `each function may be executed by those whom its file's Role names, and by nobody else`() async throws {
        let fixture = try await Fixture(tenant: false)
        var granted: [String: Set<String>] = [:]
        for row in try await fixture.main.query(
            """
            SELECT p.pronamespace::regnamespace || '.' || p.proname AS name,
                   ARRAY(SELECT CASE a.grantee WHEN 0 THEN 'public' ELSE a.grantee::regrole::text END
                         FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
                         WHERE a.grantee <> p.proowner) AS roles
            FROM pg_proc p
            WHERE p.pronamespace::regnamespace::text IN ('gatepost', 'ledger', 'admin', 'report')
            """)
        {
            granted[try row.string("name"), default: []].formUnion(try row.strings("roles"))
        }
        for file in SQLFiles.functions {
            let contract = Contract(file.text)
            guard let name = contract.name, let roles = granted.removeValue(forKey: name) else { continue }
            #expect(roles == contract.roles, "\(name): granted to \(roles.sorted()), its file says otherwise")
            #expect(name.hasPrefix("gatepost.") || !contract.roles.isEmpty, "\(name): nobody may call it")
        }
        // What is left was made by migrations, for the others to use.
        for (name, roles) in granted { #expect(roles == [], "\(name)") }
    }

    @Test func `nodes administer nothing, operators accept nothing, who only reads changes nothing`() async throws {
        let fixture = try await Fixture(tenant: false)
        for row in try await fixture.main.query(
            """
            SELECT p.pronamespace::regnamespace::text AS schema, p.proname AS name, p.provolatile <> 'v' AS reads,
                   has_function_privilege('gatepost_node', p.oid, 'EXECUTE') AS node,
                   has_function_privilege('gatepost_admin', p.oid, 'EXECUTE') AS admin,
                   has_function_privilege('gatepost_viewer', p.oid, 'EXECUTE') AS viewer
            FROM pg_proc p WHERE p.pronamespace::regnamespace::text IN ('gatepost', 'ledger', 'admin', 'report')
            """)
        {
            let name = "\(try row.string("schema")).\(try row.string("name"))"
            if try row.bool("node") { #expect(name.hasPrefix("ledger."), "a node may execute \(name)") }
            // The clock only looks, though it is another instant each time.
            if try row.bool("viewer"), name != "ledger.clock" {
                #expect(try row.bool("reads"), "gatepost_viewer may execute \(name), which may write")
            }
            if try row.bool("admin") {
                let isTheNodes = [
                    "ledger.accept", "ledger.claim", "ledger.settle", "ledger.login", "ledger.secret", "ledger.resolve",
                ].contains(name)
                #expect(!isTheNodes && !name.hasPrefix("ledger.owner_"), "gatepost_admin may execute \(name)")
            }
        }
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

/// What the comment at the head of a function's file says.
private struct Contract {
    /// Null where the file holds something else (views).
    let name: String?
    /// Who may execute it.
    let roles: Set<String>

    init(_ text: String) {
        let head = text.split(separator: "\n").prefix { $0.hasPrefix("--") }.map { $0.dropFirst(2) }.joined(
            separator: " ")
        name = head.firstMatch(of: /^ ([a-z]+\.[a-z_0-9]+):/).map { String($0.1) }
        // The last field of the head, or followed by one more after four spaces.
        let role = head.firstMatch(of: /\bRole  +(.*?)(?:\.    |$)/).map { String($0.1) } ?? ""
        roles =
            role.hasPrefix("none")
            ? [] : Set(role.matches(of: /gatepost_(?:node|admin|viewer|report_view|report)/).map { String($0.0) })
    }
}
