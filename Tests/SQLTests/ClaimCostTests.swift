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
        for (slug, count) in [("big", 20_000), ("acme", 10)] {
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
}
