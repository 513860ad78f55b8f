import Logging
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import Ledger

@Suite struct `The journal of refusals` {
    private func event(_ text: String = "Daily cap of 3 recipients reached", tenant: Int64 = 1) -> RefusalEvent {
        RefusalEvent(
            id: MessageID(at: .now), at: .now, tenantID: tenant, credentialID: 2, session: MessageID(at: .now),
            stage: "RCPT", code: 450, enhanced: "4.7.1", text: text, argument: "TO:<a@b.example>",
            limit: .init("daily", cap: 3, used: 3, resets: "2027-01-01T00:00:00+00:00"), client: "192.0.2.1")
    }

    private func journal(_ write: @escaping @Sendable (Int) throws -> Void) -> RefusalJournal {
        RefusalJournal(logger: Logger(label: "test")) { parameters in
            guard case .uuidArray(let ids)? = parameters.first else { return }
            try write(ids.count)
        }
    }

    @Test func `writes many in few calls`() async {
        let calls = Mutex<[Int]>([])
        let journal = journal { count in calls.withLock { $0.append(count) } }
        for _ in 0..<1200 { journal.note(event()) }
        await journal.flush()
        #expect(calls.withLock { $0 } == [500, 500, 200])
        #expect(journal.figures == (0, 0))
    }

    @Test func `keeps what cannot be written for want of a database, so many at most, and counts the rest`() async {
        let isAway = Mutex(true)
        let written = Mutex(0)
        let journal = journal { count in
            if isAway.withLock({ $0 }) { throw DatabaseError(.unreachable, "away") }
            written.withLock { $0 += count }
        }
        for _ in 0..<RefusalJournal.capacity + 5 { journal.note(event()) }
        await journal.flush()
        #expect(journal.figures == (RefusalJournal.capacity, 5))
        isAway.withLock { $0 = false }
        await journal.flush()
        #expect(written.withLock { $0 } == RefusalJournal.capacity)
    }

    @Test func `strangers fill neither the memory nor the database`() async {
        let written = Mutex<[Int]>([])
        let journal = journal { count in written.withLock { $0.append(count) } }
        for _ in 0..<1000 { journal.note(event(tenant: 0)) }
        journal.note(event())
        #expect(journal.figures == (RefusalJournal.capacityOfStrangers + 1, 0))
        await journal.flush()
        for _ in 0..<1000 { journal.note(event(tenant: 0)) }
        await journal.flush()
        #expect(
            written.withLock { $0 } == [RefusalJournal.capacityOfStrangers + 1, RefusalJournal.capacityOfStrangers])
    }

    @Test func `what the database will never take is lost, and not tried for ever`() async {
        let journal = journal { _ in throw DatabaseError(.refused, "no partition") }
        journal.note(event())
        await journal.flush()
        #expect(journal.figures == (0, 1))
    }

    @Test func `an event says it all, once, however often it is written`() async throws {
        let database = try await PrivateDatabase.create()
        let pool = DatabasePool(database.configuration(as: .node))
        let one = event()
        for _ in 0..<2 {
            let journal = RefusalJournal(pool, logger: Logger(label: "test"))
            journal.note(one)
            var bare = event("no command \u{e9}")
            (bare.argument, bare.limit, bare.client, bare.enhanced) = (nil, nil, nil, nil)
            journal.note(bare)
            await journal.flush()
            #expect(journal.figures == (0, 0))
        }
        let rows = try await database.connection().query(
            """
            SELECT e.kind, e.session, e.reply_code::bigint AS code, e.reply_enhanced,
                   e.detail->>'stage' AS stage, e.detail->>'reply' AS reply, e.detail->>'limit' AS name,
                   (e.detail->>'cap')::bigint AS cap, e.detail->>'argument' AS argument, e.detail->>'client' AS client
            FROM gatepost.event e WHERE e.message_id = $1
            """, [.uuid(one.id)])
        #expect(rows.count == 1)
        let row = try #require(rows.first)
        #expect(try row.string("kind") == "refused")
        #expect(try row.uuid("session") == one.session)
        #expect(try row.int64("code") == 450)
        #expect(try row.string("reply_enhanced") == "4.7.1")
        #expect(try row.string("stage") == "RCPT")
        #expect(try row.string("reply") == "450 4.7.1 Daily cap of 3 recipients reached")
        #expect(try row.string("name") == "daily")
        #expect(try row.int64("cap") == 3)
        #expect(try row.string("argument") == "TO:<a@b.example>")
        #expect(try row.string("client") == "192.0.2.1")
    }

    @Test func `a node whose clock is weeks ahead can write its refusals all the same`() async throws {
        let database = try await PrivateDatabase.create()
        let journal = RefusalJournal(
            DatabasePool(database.configuration(as: .node)), logger: Logger(label: "test"))
        var late = event()
        late.at = Instant.now.advanced(by: .seconds(20 * 86_400))
        late.id = MessageID(at: late.at)
        journal.note(late)
        await journal.flush()
        #expect(journal.figures == (0, 0))
    }
}
