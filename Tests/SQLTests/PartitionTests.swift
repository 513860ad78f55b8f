import Postgres
import TestSupport
import Testing

/// Partitions made ahead, emptied and dropped; what is still alive in them moves on.
@Suite struct PartitionTests {
    /// Runs upkeep until nothing is left to do; what it did.
    private func upkeep(_ fixture: Fixture) async throws -> [String] {
        var done: [String] = []
        while done.count < 200, let step = try await fixture.text("SELECT ledger.upkeep_partitions()") {
            done.append(step)
        }
        return done
    }

    private func now(_ fixture: Fixture, _ later: String) async throws {
        try await fixture.main.query("DELETE FROM gatepost.test_clock")
        try await fixture.main.query(
            "INSERT INTO gatepost.test_clock (at) VALUES (clock_timestamp() + interval '\(later)')")
    }

    @Test func `a migrated database has what three days need, and the fourth is made when it comes near`() async throws
    {
        let fixture = try await Fixture()
        #expect(try await upkeep(fixture) == [])
        try await now(fixture, "1 day")
        let made = try await upkeep(fixture)
        #expect(made.count(where: { $0.hasPrefix("made the partition of body") }) == 4)
        #expect(made.count(where: { $0.hasPrefix("made") }) == 7)
        #expect(
            try await fixture.number(
                """
                SELECT count(*) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
                WHERE c.relname LIKE 'body\\_%' AND a.attname = 'content' AND c.relkind = 'r'
                  AND (a.attcompression <> 'l' OR a.attstorage <> 'x')
                """) == 0, "a partition lost the compression")
    }

    @Test func `bodies go by dropping, and what is alive is moved whole, claimed and cancelled as before`() async throws
    {
        let fixture = try await Fixture()
        let owner = MessageID(at: .now)
        try await fixture.main.query("SELECT ledger.owner_start($1, 'here')", [.uuid(owner)])
        let sent = try await fixture.send([Mail(recipients: 2), Mail(recipients: 2)])
        let claimed = try await fixture.main.query("SELECT id FROM ledger.claim($1, 1, 1000000)", [.uuid(owner)])
        #expect(claimed.count == 1)
        try await now(fixture, "3 days")
        let done = try await upkeep(fixture)
        // One is under way: its partition stays, the other message has moved.
        #expect(done.count(where: { $0.hasPrefix("moved 1 stragglers") }) == 1)
        #expect(try await fixture.number("SELECT count(*) FROM gatepost.body") == 1)
        #expect(try await fixture.number("SELECT count(*) FROM gatepost.recipient_straggler") == 2)
        #expect(try await fixture.number("SELECT ledger.owner_stop($1)", [.uuid(owner)]) == 2)
        #expect(try await upkeep(fixture).count(where: { $0.hasPrefix("moved 1 stragglers") }) == 1)
        #expect(try await fixture.number("SELECT count(*) FROM gatepost.body_straggler") == 2)
        #expect(try await fixture.balance() == [4, 4, 4, 4, 4, 4])

        let next = MessageID(at: .now)
        try await fixture.main.query("SELECT ledger.owner_start($1, 'here')", [.uuid(next)])
        let again = try await fixture.main.query(
            "SELECT id, octet_length(content) AS size FROM ledger.claim($1, 1, 1000000)", [.uuid(next)])
        #expect(try again.map { try $0.int64("size") } == [2])
        let mine = try again.first?.uuid("id").description ?? ""
        // Of the lease before, and of this one.
        for (lease, verdicts) in [("lease - 1", "lease_lost lease_lost"), ("lease", "settled settled")] {
            #expect(
                try await fixture.text(
                    """
                    SELECT string_agg(s.verdict, ' ') FROM (
                        SELECT array_agg(tenant_id) t, array_agg(message_id) m, array_agg(number) n,
                               array_agg(\(lease)) l
                        FROM gatepost.recipient_straggler WHERE message_id = '\(mine)') a,
                    LATERAL ledger.settle($1, a.t, a.m, a.n, '{delivered,deferred}', '{250,450}', '{2.0.0,4.2.1}',
                        '{ok,no}', ARRAY[NULL, NULL]::timestamptz[], leases => a.l) s
                    """, [.uuid(next)]) == verdicts)
        }
        for message in sent {
            try await fixture.main.query("SELECT ledger.cancel('tester', ARRAY[$1::uuid], 'old')", [.text(message.id)])
        }
        #expect(
            try await fixture.text("SELECT string_agg(DISTINCT state, ' ') FROM gatepost.recipient_straggler")
                == "cancelled delivered")
        #expect(try await fixture.balance() == [1, 1, 1, 1, 1, 1])
        #expect(try await fixture.number("SELECT count(*) FROM admin.queue_list('acme', true, 10, NULL)") == 2)
        try await now(fixture, "5 days")
        _ = try await upkeep(fixture)
        #expect(try await fixture.number("SELECT count(*) FROM gatepost.body_straggler") == 0)
    }

    @Test func `the drop horizon is committed before anything is dropped that the ledger counts`() async throws {
        let fixture = try await Fixture()
        _ = try await fixture.send(Mail(recipients: 2))
        try await fixture.main.query("UPDATE gatepost.recipient SET state = 'delivered', final_at = clock_timestamp()")
        try await now(fixture, "40 days")
        let done = try await upkeep(fixture)
        let horizon = try #require(done.firstIndex { $0.hasPrefix("moved the drop horizon") })
        let drop = try #require(done.firstIndex { $0.hasPrefix("dropped recipient_") })
        #expect(horizon < drop)
        #expect(try await fixture.number("SELECT count(*) FROM gatepost.recipient") == 0)
        #expect(
            try await fixture.text("SELECT below > clock_timestamp() FROM gatepost.drop_horizon") == "true")
        #expect(try await fixture.balance() == [2, 2, 2, 2, 2, 0])
    }

    @Test func `upkeep does not wait for anybody`() async throws {
        let fixture = try await Fixture()
        let reader = fixture.session()
        try await reader.query("BEGIN")
        try await reader.query("LOCK TABLE gatepost.body IN ACCESS SHARE MODE")
        try await reader.query("LOCK TABLE gatepost.message IN ROW EXCLUSIVE MODE")
        try await now(fixture, "40 days")
        await #expect {
            while try await fixture.text("SELECT ledger.upkeep_partitions()") != nil {}
        } throws: {
            ($0 as? DatabaseError)?.sqlState == "55P03"
        }
        try await reader.query("ROLLBACK")
        _ = try await upkeep(fixture)
    }

    @Test func `what has had its time is deleted, and nothing else`() async throws {
        let fixture = try await Fixture()
        _ = try await fixture.send(Mail(digest: "x"))
        #expect(try await fixture.number("SELECT ledger.upkeep_expired(100)") == 0)
        try await now(fixture, "11 minutes")
        #expect(try await fixture.number("SELECT ledger.upkeep_expired(100)") == 1)  // the resubmission key
        try await now(fixture, "25 hours")
        #expect(try await fixture.number("SELECT ledger.upkeep_expired(100)") == 1)  // the batch
        try await now(fixture, "50 hours")
        #expect(try await fixture.number("SELECT ledger.upkeep_expired(100)") == 1)  // the hour
        #expect(try await fixture.number("SELECT count(*) FROM gatepost.ledger") == 1)
    }
}
