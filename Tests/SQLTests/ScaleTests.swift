import Postgres
import TestSupport
import Testing

/// What one call reads does not grow with the tenants there are. (100,000 tenants, time and memory: `Benchmarks/scale`.)
@Suite struct ScaleTests {
    private static let tenants = 4000

    /// What operators and nodes ask, and the most rows that it may read of the 100,000 there are.
    private static let questions: [(what: String, sql: String, most: Int64)] = [
        ("AUTH", "SELECT * FROM ledger.login('scale-1777.k3')", 30),
        ("AUTH of nobody", "SELECT * FROM ledger.login('nobody')", 0),
        (
            "accept",
            """
            SELECT a.* FROM ledger.login('scale-1777.k3') l, LATERAL ledger.accept(
                batch => gatepost.uuid_new(ledger.clock()), owner => NULL,
                ids => ARRAY[gatepost.uuid_new(ledger.clock())], tenant_ids => ARRAY[l.tenant_id],
                credential_ids => ARRAY[l.credential_id], login_ids => ARRAY[l.login_id],
                senders => ARRAY['a@scale-1777.example'], sender_domains => ARRAY['scale-1777.example'],
                from_domains => ARRAY['scale-1777.example'], bodies => ARRAY['x'::bytea], sizes => ARRAY[1::bigint],
                digests => ARRAY[sha256('x')], clients => ARRAY[NULL::text], helos => ARRAY[NULL::bytea],
                message_id_headers => ARRAY[NULL::text], recipient_messages => ARRAY[1],
                recipient_addresses => ARRAY['a@remote.example'], recipient_domains => ARRAY['remote.example']) a
            """, 100
        ),
        ("usage", "SELECT * FROM admin.usage('scale-1777')", 100),
        ("a tenant", "SELECT * FROM admin.tenant WHERE slug = 'scale-1777'", 10),
        (
            "a page of tenants",
            "SELECT * FROM admin.tenant WHERE status <> 'deleted' AND slug > 'scale-2' ORDER BY slug LIMIT 50", 250
        ),
        (
            "a page of a tenant's credentials",
            """
            SELECT * FROM admin.credential WHERE tenant_id = (SELECT id FROM admin.tenant WHERE slug = 'scale-1777')
            ORDER BY tenant_id, id LIMIT 50
            """, 150
        ),
        (
            "a page of all credentials",
            """
            SELECT * FROM admin.credential
            WHERE (tenant_id, id) > ((SELECT id FROM admin.tenant WHERE slug = 'scale-1777'), 0)
            ORDER BY tenant_id, id LIMIT 50
            """, 2500
        ),
        ("a tenant's domains", "SELECT * FROM admin.sender_domain WHERE tenant = 'scale-1777' ORDER BY domain", 20),
        ("a changed cap", #"SELECT admin.tenant_set('tester', 'scale-1777', '{"daily": 5}')"#, 60),
        ("a revoked credential", "SELECT admin.credential_revoke('tester', 'scale-1777.k4', NULL)", 60),
        ("a suspended tenant", "SELECT admin.tenant_suspend('tester', 'scale-1778', NULL, false)", 60),
        ("what is counted is right", "SELECT * FROM admin.usage_verify('scale-1777', current_date, current_date)", 200),
        ("what is due", "SELECT * FROM ledger.claim('\(owner)', 10, 100000)", 100),
    ]
    private static let owner = MessageID(at: .now)

    @Test func `a call reads as many rows among 4,000 tenants and 40,000 credentials as among a few`() async throws {
        let fixture = try await Fixture()
        try await fixture.main.query("SELECT ledger.owner_start($1, 'here')", [.uuid(Self.owner)])
        try await fixture.main.script(Self.crowd)
        for question in Self.questions {
            // Twice: what a session reads once (its catalogue, time zones) is not the question's.
            for isCounted in [false, true] {
                try await fixture.main.query("BEGIN")
                let before = try await Self.read(fixture)
                try await fixture.main.query(question.sql)
                let after = try await Self.read(fixture)
                try await fixture.main.query("ROLLBACK")
                guard isCounted else { continue }
                let read = after.merging(before) { $0 - $1 }.filter { $0.value > 0 }
                #expect(read.values.reduce(0, +) <= question.most, "\(question.what): \(read)")
            }
        }
    }

    /// Rows of each table that this session has read so far (a session's figures outlive its transactions).
    private static func read(_ fixture: Fixture) async throws -> [String: Int64] {
        let rows = try await fixture.main.query(
            """
            SELECT s.relname, s.seq_tup_read + coalesce(s.idx_tup_fetch, 0) AS rows
            FROM pg_stat_xact_user_tables s WHERE s.schemaname = 'gatepost'
            """)
        return try rows.reduce(into: [:]) { $0[try $1.string("relname")] = try $1.int64("rows") }
    }

    /// Made as no operator would, in a second or so.
    private static let crowd = """
        INSERT INTO gatepost.tenant (slug, pool_id)
        SELECT 'scale-' || n, (SELECT id FROM gatepost.relay_pool) FROM generate_series(1, \(tenants)) n;
        INSERT INTO gatepost.meter (tenant_id) SELECT id FROM gatepost.tenant ON CONFLICT DO NOTHING;
        INSERT INTO gatepost.sender_domain (tenant_id, domain, verified_at, verified_by)
        SELECT id, slug || '.example', clock_timestamp(), 'operator' FROM gatepost.tenant WHERE slug LIKE 'scale-%';
        INSERT INTO gatepost.credential (tenant_id, name)
        SELECT t.id, t.slug || '.k' || n FROM gatepost.tenant t, generate_series(1, 10) n WHERE t.slug LIKE 'scale-%';
        INSERT INTO gatepost.login (tenant_id, credential_id, name, verifier)
        SELECT tenant_id, id, name, 'SCRAM-SHA-256$4096:c2FsdA==$a:b' FROM gatepost.credential WHERE name LIKE 'scale-%';
        INSERT INTO gatepost.usage (tenant_id, credential_id, period, starts, recipients, messages, bytes)
        SELECT tenant_id, x.credential_id, 'day', current_date, 1, 1, 1
        FROM gatepost.credential c, LATERAL (VALUES (c.id)) AS x (credential_id) WHERE c.name LIKE 'scale-%';
        ANALYZE gatepost.tenant, gatepost.meter, gatepost.sender_domain, gatepost.credential, gatepost.login,
            gatepost.usage;
        """
}
