import Postgres
import TestSupport
import Testing

/// Owners: seen alive, seen lost, freed, come back.
@Suite struct LeaseTests {
    private func locked(_ fixture: Fixture, _ owner: MessageID) async throws -> Bool? {
        try await fixture.main.query("SELECT locked FROM ledger.owners() WHERE id = $1", [.uuid(owner)]).first?
            .bool("locked")
    }

    @Test func `an owner's lock is held by its session and seen, not tried, by others`() async throws {
        let fixture = try await Fixture()
        let session = fixture.session()
        let owner = MessageID(at: .now)
        try await session.query("SELECT ledger.owner_start($1, 'here')", [.uuid(owner)])
        for _ in 1...2 { #expect(try await locked(fixture, owner) == true) }
        #expect(
            try await fixture.text("SELECT (renewals, locked) FROM ledger.owner_renew($1)", [.uuid(owner)]) == "(1,t)")
        #expect(try await fixture.text("SELECT same_server FROM ledger.owners()") == "true")
        await session.close()
        #expect(try await eventually { try await locked(fixture, owner) == false })
    }

    @Test func `whoever may connect may lock any number: an owner does not wait for it, and no lost one seems alive`()
        async throws
    {
        let fixture = try await Fixture()
        let stranger = fixture.session(as: .viewer)
        try await stranger.query("SELECT pg_advisory_lock(1196445524, n) FROM generate_series(1, 50) AS n")
        let session = fixture.session()
        let owner = MessageID(at: .now)
        try await session.query("SET statement_timeout = '5s'")
        let start = "SELECT lock_object FROM ledger.owner_start($1, 'here')"
        let object = try #require(await session.query(start, [.uuid(owner)]).first).int64("lock_object")
        #expect(object > 50)
        #expect(try await locked(fixture, owner) == true)
        #expect(try await session.query(start, [.uuid(owner)]).first?.int64("lock_object") == object)

        // The same after its session was lost, while the stranger waits for that very number.
        await session.close()
        #expect(try await eventually { try await locked(fixture, owner) == false })
        try await stranger.query("SELECT pg_advisory_lock(1196445524, $1::int)", [.text("\(object)")])
        #expect(try await locked(fixture, owner) == false, "a stranger's lock is taken for its")
        let next = fixture.session()
        try await next.query("SELECT * FROM ledger.owner_reclaim($1, '{}', '{}')", [.uuid(owner)])
        #expect(try await locked(fixture, owner) == true)

        // Another session of a node still has it: that one is waited for, and given no new number.
        await #expect {
            try await fixture.main.query("SELECT * FROM ledger.owner_reclaim($1, '{}', '{}')", [.uuid(owner)])
        } throws: {
            ($0 as? DatabaseError)?.sqlState == "55P03"
        }
    }

    @Test func `a lost owner is freed at the count seen, and its rows with it`() async throws {
        let fixture = try await Fixture()
        let owner = MessageID(at: .now)
        let session = fixture.session()
        try await session.query("SELECT ledger.owner_start($1, 'here')", [.uuid(owner)])
        _ = try await fixture.send([Mail(recipients: 2)], owner: owner)
        let free = "SELECT ledger.owner_free($1, 0)"
        try await fixture.main.query("SELECT ledger.owner_renew($1)", [.uuid(owner)])
        #expect(try await fixture.text(free, [.uuid(owner)]) == "false", "freed although it had renewed")
        #expect(try await fixture.text("SELECT ledger.owner_free($1, 1)", [.uuid(owner)]) == "true")
        #expect(try await fixture.number("SELECT count(*) FROM gatepost.recipient WHERE owner_id IS NOT NULL") == 0)
        #expect(try await fixture.main.query("SELECT * FROM ledger.owner_renew($1)", [.uuid(owner)]).isEmpty)
        for call in ["ledger.claim($1, 1, 1)", "ledger.owner_reclaim($1, '{}', '{}')"] {
            await #expect {
                try await fixture.main.query("SELECT * FROM \(call)", [.uuid(owner)])
            } throws: {
                ($0 as? DatabaseError)?.sqlState == "GP001"
            }
        }
    }

    @Test func `rows leased to an owner nobody knows are found and freed`() async throws {
        let fixture = try await Fixture()
        let known = MessageID(at: .now)
        try await fixture.main.query("SELECT ledger.owner_start($1, 'here')", [.uuid(known)])
        _ = try await fixture.send([Mail(recipients: 3)], owner: known)
        _ = try await fixture.send([Mail(recipients: 2)], owner: MessageID(at: .now))
        _ = try await fixture.send([Mail(recipients: 2)], owner: MessageID(at: .now))
        #expect(try await fixture.number("SELECT ledger.upkeep_orphans(100)") == 4)
        #expect(try await fixture.number("SELECT ledger.upkeep_orphans(100)") == 0)
        #expect(try await fixture.number("SELECT count(*) FROM gatepost.recipient WHERE owner_id IS NOT NULL") == 3)
    }

    @Test func `reclaim gives back what nobody took, takes its lock again, and lets go of what was cancelled`()
        async throws
    {
        let fixture = try await Fixture()
        let owner = MessageID(at: .now)
        let other = MessageID(at: .now)
        let session = fixture.session()
        try await session.query("SELECT ledger.owner_start($1, 'here')", [.uuid(owner)])
        try await fixture.main.query("SELECT ledger.owner_start($1, 'there')", [.uuid(other)])
        let sent = try await fixture.send([Mail(), Mail(), Mail(), Mail()], owner: owner).map(\.id)
        try await fixture.main.query(
            "UPDATE gatepost.recipient SET owner_id = $1 WHERE message_id = $2::uuid", [.uuid(other), .text(sent[0])])
        try await fixture.main.query(
            "UPDATE gatepost.recipient SET owner_id = NULL WHERE message_id = $1::uuid", [.text(sent[1])])
        try await fixture.main.query("SELECT ledger.cancel('tester', ARRAY[$1::uuid], 'typo')", [.text(sent[2])])

        let call = "SELECT message_id FROM ledger.owner_reclaim($1, $2, $3)"
        let parameters: [DatabaseValue] = [
            .uuid(owner), .int64Array([1, 1, 1, 1]), .uuidArray(sent.compactMap { MessageID($0) }),
        ]
        let next = fixture.session()
        await #expect {
            try await next.query(call, parameters)  // the old session still lives
        } throws: {
            ($0 as? DatabaseError)?.sqlState == "55P03"
        }
        await session.close()
        #expect(try await eventually { try await locked(fixture, owner) == false })
        let mine = try await next.query(call, parameters).map { try $0.uuid("message_id").description }
        #expect(mine.sorted() == [sent[1], sent[3]].sorted())
        #expect(try await locked(fixture, owner) == true)
        #expect(try await fixture.number("SELECT ledger.upkeep_cancelled(10)") == 1)
        #expect(try await fixture.balance() == [3, 3, 3, 3, 3, 3])
    }

    @Test func `an owner that stops in good order leaves its rows free and no lock`() async throws {
        let fixture = try await Fixture()
        let owner = MessageID(at: .now)
        try await fixture.main.query("SELECT ledger.owner_start($1, 'here')", [.uuid(owner)])
        _ = try await fixture.send([Mail(recipients: 2)], owner: owner)
        #expect(try await fixture.number("SELECT ledger.owner_stop($1)", [.uuid(owner)]) == 2)
        #expect(try await fixture.number("SELECT ledger.owner_stop($1)", [.uuid(owner)]) == 0)
        #expect(
            try await fixture.number(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()") == 0)
    }
}
