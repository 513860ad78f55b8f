import Postgres
import TestSupport
import Testing

/// What a claim reads, where most of what is due is not for it.
@Suite struct ClaimCostTests {
    @Test(arguments: [true, false])
    func `a long queue that is left out is not read`(isHeld: Bool) async throws {
        let fixture = try await Fixture()
        try await fixture.tenant("big")
        try await fixture.main.query("SELECT admin.pool_create('tester', 'slow')")
        try await fixture.main.query(#"SELECT admin.tenant_set('tester', 'big', '{"pool": "slow"}')"#)
        for (slug, count) in [("big", 20_000), ("acme", 10)] { try await Self.store(count, slug, fixture) }
        if isHeld { try await fixture.main.query("SELECT admin.tenant_suspend('tester', 'big', NULL, true)") }
        let owner = MessageID(at: .now)
        try await fixture.main.query("SELECT * FROM ledger.owner_start($1, 'node')", [.uuid(owner)])
        try await fixture.main.query("BEGIN")
        let read = """
            SELECT coalesce(sum(idx_tup_fetch + seq_tup_read), 0) FROM pg_stat_xact_all_tables
            WHERE relname LIKE 'recipient%'
            """
        let before = try await fixture.number(read)
        let pools = isHeld ? "NULL" : "ARRAY(SELECT id FROM gatepost.relay_pool WHERE name = 'default')"
        let claimed = try await fixture.main.query(
            "SELECT tenant FROM ledger.claim($1, 50, 1000000, \(pools))", [.uuid(owner)])
        #expect(try claimed.map { try $0.string("tenant") } == Array(repeating: "acme", count: 10))
        let after = try await fixture.number(read)
        #expect(after - before < 1000)
        try await fixture.main.query("COMMIT")
    }

    @Test func `many are claimed as one by one, whatever the statistics say of the tables`() async throws {
        let fixture = try await Fixture()
        try await Self.store(60, "acme", fixture)
        try await fixture.main.script("ANALYZE gatepost.message; ANALYZE gatepost.recipient; ANALYZE gatepost.body")
        try await Self.store(5_000, "acme", fixture)
        let owner = MessageID(at: .now)
        try await fixture.main.query("SELECT * FROM ledger.owner_start($1, 'node')", [.uuid(owner)])
        try await fixture.main.query("BEGIN")
        let read = """
            SELECT coalesce(sum(idx_tup_fetch + seq_tup_read), 0) FROM pg_stat_xact_all_tables
            WHERE relname LIKE 'recipient%' OR relname LIKE 'message%' OR relname LIKE 'body%'
            """
        let before = try await fixture.number(read)
        let claimed = try await fixture.main.query(
            "SELECT tenant_id, id FROM ledger.claim($1, 300, 1000000)", [.uuid(owner)])
        #expect(claimed.count == 300)
        // The recipient as due, by its key to be locked and to be leased; the message for its size and for itself.
        #expect(try await fixture.number(read) - before < 10 * 300)
        let beforeReclaim = try await fixture.number(read)
        let reclaimed = try await fixture.main.query(
            "SELECT * FROM ledger.owner_reclaim($1, $2, $3)",
            [
                .uuid(owner), .int64Array(try claimed.map { try $0.int64("tenant_id") }),
                .uuidArray(try claimed.map { try $0.uuid("id") }),
            ])
        #expect(reclaimed.count == 300)
        #expect(try await fixture.number(read) - beforeReclaim < 10 * 300)
        try await fixture.main.query("COMMIT")
    }

    /// As accept does, each with one recipient that is due.
    private static func store(_ count: Int, _ slug: String, _ fixture: Fixture) async throws {
        try await fixture.main.query(
            """
            WITH sent AS (
                INSERT INTO gatepost.message (tenant_id, id, credential_id, login_id, accepted_at, size, recipients,
                                              sender, from_domain)
                SELECT t.id, gatepost.uuid_new(clock_timestamp()), 1, 1, clock_timestamp(), 2, 1, '', ''
                FROM gatepost.tenant t, generate_series(1, $2::int) WHERE t.slug = $1
                RETURNING tenant_id, id)
            INSERT INTO gatepost.recipient (tenant_id, message_id, number, next_attempt, state, address, domain)
            SELECT s.tenant_id, s.id, 1, clock_timestamp(), 'deferred', 'b@x.example', 'x.example' FROM sent s
            """, [.text(slug), .int32(Int32(count))])
    }
}
