import Postgres
import TestSupport
import Testing

/// plpgsql_check over every function: names that do not exist, types that do not fit, variables nobody uses,
/// values put into dynamic SQL, functions more volatile than they are.
@Suite struct PlpgsqlCheckTests {
    /// What it says and we leave so. A finding that is listed and no longer there fails too.
    private static let listed: [(function: String, message: String, reason: String)] = [
        ("ledger.accept", #"never read variable "v_timeout""#, "an assignment sets lock_timeout cheaper than PERFORM"),
        (
            "gatepost.make_partition", "routine is marked as VOLATILE, should be STABLE",
            "its dynamic SQL makes tables, which plpgsql_check cannot see"
        ),
    ]

    @Test func `plpgsql_check has nothing to say that is not listed with its reason`() async throws {
        let fixture = try await Fixture(tenant: false)
        try await fixture.main.script("CREATE SCHEMA tap; CREATE EXTENSION plpgsql_check SCHEMA tap")
        let checked = try await fixture.main.query(Self.functions)
        #expect(checked.count > 50)
        let rows = try await fixture.main.query(
            """
            SELECT f.name, c.level, c.message, coalesce(c.detail, '') AS detail, c.lineno, c.query
            FROM (\(Self.functions)) AS f
            CROSS JOIN LATERAL tap.plpgsql_check_function_tb(
                f.oid, f.relation, fatal_errors => false, performance_warnings => true, security_warnings => true,
                compatibility_warnings => true) AS c
            """)
        var unused = Set(Self.listed.map { "\($0.function): \($0.message)" })
        for row in rows {
            let name = try row.string("name")
            let message = try row.string("message")
            let detail = try row.string("detail")
            guard !Self.isNoise(level: try row.string("level"), message: message, detail: detail) else { continue }
            let finding = "\(name): \(message)"
            if Self.listed.contains(where: { "\($0.function): \($0.message)" == finding }) {
                unused.remove(finding)
            } else {
                let line = try row.int64OrNil("lineno") ?? 0
                Issue.record("\(finding) (\(detail), line \(line), \(try row.stringOrNil("query") ?? "-"))")
            }
        }
        #expect(unused == [], "listed, and not so any more")
    }

    /// Three kinds of findings mean nothing here: a literal ('{}') as a variable's first value is read by the type's own
    /// input, which is what is meant; a cast between numbers costs nothing beside the statement it stands in; and what
    /// dynamic SQL returns it cannot see.
    private static func isNoise(level: String, message: String, detail: String) -> Bool {
        if detail == "cannot to determine result of dynamic SQL" { return true }
        guard message == "target type is different type than source type" else { return false }
        return detail.hasPrefix(#"cast "text" value to "#) && level == "warning" || level == "performance"
    }

    /// Every plpgsql function of ours; a trigger's with the table that it is on.
    private static let functions = """
        SELECT p.oid, p.pronamespace::regnamespace || '.' || p.proname AS name,
               coalesce((SELECT t.tgrelid FROM pg_trigger t WHERE t.tgfoid = p.oid LIMIT 1), 0)::regclass AS relation
        FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
        WHERE l.lanname = 'plpgsql' AND p.pronamespace::regnamespace::text IN ('gatepost', 'ledger', 'admin', 'report')
        """

    @Test func `it finds what it is for`() async throws {
        let fixture = try await Fixture(tenant: false)
        try await fixture.main.script(
            """
            CREATE SCHEMA tap; CREATE EXTENSION plpgsql_check SCHEMA tap;
            CREATE FUNCTION test.wrong(name text) RETURNS int LANGUAGE plpgsql AS $$
            BEGIN
                EXECUTE 'SELECT ' || name;
                RETURN (SELECT t.colour FROM gatepost.tenant t);
            END $$
            """)
        let rows = try await fixture.main.query(
            """
            SELECT c.message FROM tap.plpgsql_check_function_tb('test.wrong(text)', fatal_errors => false,
                security_warnings => true) AS c ORDER BY c.message
            """)
        let messages = try rows.map { try $0.string("message") }
        #expect(messages.contains("column t.colour does not exist"))
        #expect(messages.contains { $0.contains("text type variable is not sanitized") })
    }
}
