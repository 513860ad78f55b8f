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

    /// A journal whose clock stands still but for `pass`.
    private final class Timed: Sendable {
        let journal: RefusalJournal
        private let passed: Passed

        final class Passed: Sendable {
            let duration = Mutex(Duration.zero)
        }

        init(_ write: @escaping @Sendable (Int) throws -> Void) {
            let start = ContinuousClock.now
            let passed = Passed()
            self.passed = passed
            journal = RefusalJournal(
                logger: Logger(label: "test"),
                write: { parameters in
                    guard case .uuidArray(let ids)? = parameters.first else { return }
                    try write(ids.count)
                },
                now: { start + passed.duration.withLock { $0 } })
        }

        func pass(_ duration: Duration) { passed.duration.withLock { $0 += duration } }
    }

    @Test func `of strangers' refusals forty a second are written down, and the others are counted`() async {
        let written = Mutex<[Int]>([])
        let timed = Timed { count in written.withLock { $0.append(count) } }
        for _ in 0..<100 { timed.journal.note(event(tenant: 0)) }
        timed.journal.note(event())
        #expect(timed.journal.figures == (41, 60))
        await timed.journal.flush()
        timed.pass(.milliseconds(999))
        timed.journal.note(event(tenant: 0))
        #expect(timed.journal.figures == (0, 61), "written or not, it is the same second")
        timed.pass(.milliseconds(1))
        for _ in 0..<20 { timed.journal.note(event(tenant: 0)) }
        timed.pass(.milliseconds(500))
        for _ in 0..<100 { timed.journal.note(event(tenant: 0)) }
        #expect(timed.journal.figures == (40, 141))
        timed.pass(.milliseconds(500))
        for _ in 0..<100 { timed.journal.note(event(tenant: 0)) }
        #expect(timed.journal.figures == (60, 221), "no second has more, wherever it begins")
        await timed.journal.flush()
        #expect(written.withLock { $0 } == [41, 60])
    }

    @Test func `while the database is away a thousand of strangers' wait, and leave room for the others`() async {
        let isAway = Mutex(true)
        let written = Mutex(0)
        let timed = Timed { count in
            if isAway.withLock({ $0 }) { throw DatabaseError(.unreachable, "away") }
            written.withLock { $0 += count }
        }
        func second() async {
            for _ in 0..<40 { timed.journal.note(event(tenant: 0)) }
            timed.pass(.seconds(1))
            await timed.journal.flush()
        }
        for _ in 0..<30 { await second() }
        #expect(timed.journal.figures == (RefusalJournal.capacityOfStrangers, 200))
        timed.journal.note(event())
        #expect(timed.journal.figures == (RefusalJournal.capacityOfStrangers + 1, 200))
        isAway.withLock { $0 = false }
        await timed.journal.flush()
        #expect(written.withLock { $0 } == RefusalJournal.capacityOfStrangers + 1)
        await second()
        #expect(written.withLock { $0 } == RefusalJournal.capacityOfStrangers + 41, "there is room again")
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
