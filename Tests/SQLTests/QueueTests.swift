import Postgres
import TestSupport
import Testing

/// Claim, settle, cancel and what upkeep finishes.
@Suite struct QueueTests {
    private static let node = MessageID(at: .now)

    /// A fixture with a registered owner, whose lock session is `main`.
    private func fixture(owner: MessageID = node) async throws -> Fixture {
        let fixture = try await Fixture()
        try await fixture.main.query("SELECT ledger.owner_start($1, 'here')", [.uuid(owner)])
        return fixture
    }

    private func claim(_ fixture: Fixture, messages: Int32 = 100, bytes: Int64 = 1_000_000) async throws -> [[Int64]] {
        try await fixture.main.query(
            "SELECT numbers FROM ledger.claim($1, $2, $3) ORDER BY id",
            [.uuid(Self.node), .int32(messages), .int64(bytes)]
        ).map { try $0.int64s("numbers") }
    }

    /// Settles every recipient there is with these states, in (message, number) order.
    private func settle(
        _ fixture: Fixture, _ states: [String], next: String = "NULL", owner: MessageID = node
    ) async throws -> [String] {
        try await fixture.main.query(
            """
            SELECT s.verdict FROM (
                SELECT array_agg(tenant_id) AS t, array_agg(message_id) AS m, array_agg(number) AS n
                FROM (SELECT * FROM gatepost.recipient ORDER BY message_id, number) r) AS a,
            LATERAL ledger.settle($1, a.t, a.m, a.n, $2, array_fill(250, ARRAY[cardinality(a.n)]),
                array_fill('2.0.0'::text, ARRAY[cardinality(a.n)]), array_fill('ok'::bytea, ARRAY[cardinality(a.n)]),
                array_fill(\(next)::timestamptz, ARRAY[cardinality(a.n)])) s
            """, [.uuid(owner), .textArray(states)]
        ).map { try $0.string("verdict") }
    }

    private func states(_ fixture: Fixture) async throws -> String? {
        try await fixture.text(
            "SELECT string_agg(state || CASE WHEN owner_id IS NULL THEN '' ELSE '*' END, ' ' ORDER BY message_id, number) "
                + "FROM (SELECT * FROM gatepost.recipient UNION ALL SELECT * FROM gatepost.recipient_straggler) r")
    }

    @Test func `free mail is claimed once, whole messages, within the number and the bytes asked for`() async throws {
        let fixture = try await fixture()
        _ = try await fixture.send([Mail(recipients: 3, size: 600), Mail(size: 600), Mail(size: 600)])
        #expect(try await claim(fixture, bytes: 100).count == 1)  // one is given however large
        #expect(try await claim(fixture, messages: 1).count == 1)
        #expect(try await claim(fixture).count == 1)
        #expect(try await claim(fixture).isEmpty)
        #expect(try await states(fixture) == "queued* queued* queued* queued* queued*")
    }

    @Test func `mail accepted with an owner is nobody else's to claim`() async throws {
        let fixture = try await fixture()
        _ = try await fixture.send([Mail()], owner: Self.node)
        #expect(try await claim(fixture).isEmpty)
        #expect(try await settle(fixture, ["delivered"], owner: MessageID(at: .now)) == ["lease_lost"])
        #expect(try await settle(fixture, ["delivered"]) == ["settled"])
        #expect(try await settle(fixture, ["delivered"]) == ["lease_lost"])
    }

    @Test func `two claims at once share what is due and wait for nothing`() async throws {
        let fixture = try await fixture()
        _ = try await fixture.send((1...10).map { _ in Mail(recipients: 2) })
        let other = fixture.session()
        try await other.query("BEGIN")
        let id = MessageID(at: .now)
        try await other.query("SELECT ledger.owner_start($1, 'there')", [.uuid(id)])
        let theirs = try await other.query("SELECT id FROM ledger.claim($1, 4, 1000000)", [.uuid(id)]).count
        let ours = try await claim(fixture).count
        try await other.query("COMMIT")
        #expect(theirs > 0)
        #expect(theirs + ours == 10)
    }

    @Test func `settled recipients are final, deferred ones come back at their time and are not charged again`()
        async throws
    {
        let fixture = try await fixture()
        try await fixture.clock("2026-06-01 10:00:00+00")
        _ = try await fixture.send([Mail(recipients: 4)])
        #expect(try await claim(fixture) == [[1, 2, 3, 4]])
        #expect(
            try await settle(
                fixture, ["delivered", "deferred", "bounced", "released"], next: "'2026-06-01 10:05Z'")
                == ["settled", "settled", "settled", "settled"])
        #expect(try await states(fixture) == "delivered deferred bounced queued")
        #expect(try await fixture.text("SELECT state FROM admin.queue_list(NULL, false, 10, NULL)") == "deferred")
        #expect(try await claim(fixture).isEmpty)
        try await fixture.clock("2026-06-01 10:05:00+00")
        #expect(try await claim(fixture) == [[2, 4]])
        #expect(
            try await fixture.text("SELECT string_agg(attempts::text, ' ' ORDER BY number) FROM gatepost.recipient")
                == "1 1 1 0")
        #expect(try await fixture.balance() == [4, 4, 4, 4, 4, 4])
        #expect(
            try await fixture.text("SELECT (delivered, deferred, bounced) FROM gatepost.outcome_hour") == "(1,1,1)")
        #expect(try await fixture.number("SELECT count(*) FROM gatepost.event WHERE number IS NOT NULL") == 3)
    }

    @Test func `what cannot be sent as it is stored waits untried, and its message has one event`() async throws {
        let fixture = try await fixture()
        try await fixture.clock("2026-06-01 10:00:00+00")
        let sent = try await fixture.send([Mail(recipients: 3)])[0]
        #expect(try await claim(fixture) == [[1, 2, 3]])
        let outcomes = ["unreadable", "unreadable", "unreadable"]
        #expect(
            try await settle(fixture, outcomes, next: "'2026-06-01 11:00Z'") == ["settled", "settled", "settled"])
        #expect(
            try await settle(fixture, outcomes, next: "'2026-06-01 11:00Z'")
                == ["lease_lost", "lease_lost", "lease_lost"])
        #expect(try await states(fixture) == "queued queued queued")
        #expect(try await fixture.number("SELECT sum(attempts) FROM gatepost.recipient") == 0)
        #expect(
            try await fixture.text(
                "SELECT string_agg(message_id || ' ' || (detail ->> 'until'), ', ') FROM gatepost.event "
                    + "WHERE kind = 'unreadable'") == "\(sent.id) 2026-06-01T11:00:00+00:00")
        #expect(try await fixture.number("SELECT count(*) FROM gatepost.outcome_hour WHERE deferred > 0") == 0)
        #expect(try await claim(fixture).isEmpty)
        try await fixture.clock("2026-06-01 11:00:00+00")
        #expect(try await claim(fixture) == [[1, 2, 3]])
    }

    @Test func `a settle that finds nothing to do writes all the same`() async throws {
        let fixture = try await fixture()
        _ = try await fixture.send([Mail()])
        for _ in 1...2 { #expect(try await settle(fixture, ["delivered"]) == ["lease_lost"]) }
        #expect(try await fixture.number("SELECT repeats FROM gatepost.settle_repeat") == 2)
    }

    @Test func `a held queue is left alone until the tenant is resumed`() async throws {
        let fixture = try await fixture()
        _ = try await fixture.send([Mail()])
        try await fixture.main.query("SELECT admin.tenant_suspend('tester', 'acme', NULL, true)")
        #expect(try await claim(fixture).isEmpty)
        try await fixture.main.query("SELECT admin.tenant_suspend('tester', 'acme', NULL, false)")
        #expect(try await claim(fixture).count == 1)
    }

    @Test func `cancelled before delivery is refunded to the day, the month and the credential that paid`()
        async throws
    {
        let fixture = try await fixture()
        try await fixture.clock("2026-05-31 23:59:00+00")
        let sent = try await fixture.send(Mail(credential: "acme.b", recipients: 3, digest: "x"))
        try await fixture.clock("2026-06-01 00:01:00+00")
        _ = try await fixture.send(Mail(recipients: 2))
        #expect(
            try await fixture.main.query(
                "SELECT verdict FROM ledger.cancel('tester', ARRAY[$1::uuid, gen_random_uuid()], 'typo')",
                [.text(sent.id)]
            ).map { try $0.string("verdict") }.sorted() == ["cancelled", "cancelled", "cancelled", "unknown"])
        #expect(
            try await fixture.text(
                "SELECT string_agg(credential_id || period || starts || '=' || recipients, ' ' "
                    + "ORDER BY credential_id, period, starts) FROM gatepost.usage")
                == "0day2026-05-31=0 0day2026-06-01=2 0month2026-05-01=0 0month2026-06-01=2 1day2026-06-01=2 2day2026-05-31=0"
        )
        #expect(try await fixture.balance() == [2, 2, 2, 2, 2, 2])
        // Again: nothing more to refund. And sent again, it is new mail.
        try await fixture.main.query("SELECT ledger.cancel('tester', ARRAY[$1::uuid], 'typo')", [.text(sent.id)])
        #expect(try await fixture.balance() == [2, 2, 2, 2, 2, 2])
        #expect(
            try await fixture.send(Mail(credential: "acme.b", recipients: 3, digest: "x")).verdict == "accepted")
        #expect(try await fixture.number("SELECT count(*) FROM admin.audit WHERE action = 'queue cancel'") == 2)
    }

    @Test(arguments: [("delivered", "delivered", 1), ("deferred", "deferred", 0), ("bounced", "bounced", 1)])
    func `cancelled while under way: only marked, and refunded only if it was not delivered`(
        outcome: String, state: String, charged: Int64
    ) async throws {
        let fixture = try await fixture()
        let sent = try await fixture.send([Mail()], owner: Self.node)[0]
        let cancel = "SELECT string_agg(verdict, ' ') FROM ledger.cancel('tester', ARRAY['\(sent.id)'::uuid], 'typo')"
        #expect(try await fixture.text(cancel) == "marked")
        #expect(try await fixture.number("SELECT ledger.upkeep_cancelled(10)") == 0)
        #expect(try await fixture.balance() == [1, 1, 1, 1, 1, 1])
        #expect(try await settle(fixture, [outcome]) == ["settled"])
        #expect(try await claim(fixture).isEmpty, "marked mail was claimed")
        #expect(try await states(fixture) == state)
        #expect(try await fixture.number("SELECT ledger.upkeep_cancelled(10)") == 1 - charged)
        #expect(try await fixture.number("SELECT ledger.upkeep_cancelled(10)") == 0)
        #expect(try await fixture.balance().allSatisfy { $0 == charged })
        #expect(try await fixture.text(cancel) == "final")
    }

    @Test func `a claim stays quick beside a hundred thousand deferred recipients`() async throws {
        let fixture = try await fixture()
        let sent = try await fixture.send([Mail()])[0]
        try await fixture.main.query(
            """
            INSERT INTO gatepost.recipient (tenant_id, message_id, number, next_attempt, state, address, domain)
            SELECT r.tenant_id, o.id, g, ledger.clock() + interval '1 hour', 'deferred', 'a@b.example', 'b.example'
            FROM gatepost.recipient r,
                 (SELECT gatepost.uuid_new(ledger.clock()) AS id FROM generate_series(1, 1000) OFFSET 0) o,
                 generate_series(1, 100) g WHERE r.message_id = $1::uuid
            """, [.text(sent.id)])
        #expect(try await claim(fixture) == [[1]])  // and plans are made
        // Counted in the rows that this session fetches: blocks would count autovacuum's too where they are the table's, and
        // where they are the statement's what is read of the catalogue, when changes elsewhere made plans void.
        let fetched = """
            SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::bigint
            FROM pg_stat_xact_all_tables WHERE relname LIKE 'recipient%'
            """
        for statistics in ["SELECT", "ANALYZE gatepost.recipient"] {
            try await fixture.main.query(statistics)
            _ = try await fixture.send([Mail()])
            try await fixture.main.query("BEGIN")
            let before = try await fixture.number(fetched)
            #expect(try await claim(fixture) == [[1]])
            let rows = try await fixture.number(fetched) - before
            try await fixture.main.query("COMMIT")
            #expect(rows > 0 && rows < 100, "\(rows) rows fetched after \(statistics)")
        }
    }
}
