import Ledger
import NIOCore
import Postgres
import SMTP
import Synchronization
import TestSupport
import Testing

extension LedgerSuite {
    @Suite(.timeLimit(.minutes(10))) struct QueueTests {
        @Test func `what was accepted is claimed whole, settled and not seen again`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let acceptor = fixture.acceptor()
            let tally = await acceptor.submit([
                try acme.request(to: ["b@x.example", "c@y.example", "\"d d\"@z.example"])
            ])
            let owner = fixture.owner()
            try await owner.start()
            let queue = fixture.queue(owner)

            let claimed = try await queue.claim(maxMessages: 10, maxBytes: 1 << 20)
            let message = try #require(claimed.first)
            #expect(claimed.count == 1)
            #expect(["\(message.id)"] == tally.acknowledged)
            #expect(message.tenantSlug == "acme")
            #expect(message.credentialName == "acme.k1")
            #expect(message.sender.description == "a@acme.example")
            #expect(
                message.recipients.map(\.mailbox.description) == ["b@x.example", "c@y.example", "\"d d\"@z.example"])
            #expect(message.recipients.map(\.number) == [1, 2, 3])
            #expect(String(buffer: message.content).hasSuffix("Subject: hello\r\n\r\nhello\r\n"))
            #expect(!message.isEightBit)
            #expect(message.clientAddress == "192.0.2.1")
            #expect(try await queue.claim(maxMessages: 10, maxBytes: 1 << 20).isEmpty)

            queue.settle([
                Settlement(
                    .delivered, of: message.recipients[0], in: message, replyCode: 250, replyEnhanced: "2.1.5",
                    reply: Array("ok".utf8)),
                Settlement(
                    .bounced, of: message.recipients[1], in: message, replyCode: 550, replyEnhanced: "5.1.1",
                    reply: [0xff, 0]),
                Settlement(.deferred(until: nil), of: message.recipients[2], in: message, replyCode: 451),
            ])
            await queue.drain()
            let states = try await fixture.operation.query("SELECT state FROM gatepost.recipient ORDER BY number")
            #expect(try states.map { try $0.string("state") } == ["delivered", "bounced", "deferred"])
            let again = try await queue.claim(maxMessages: 10, maxBytes: 1 << 20)
            #expect(again.first?.recipients.map(\.number) == [3])
            #expect(again.first?.recipients.map(\.attempts) == [1])
            try await fixture.expectExact(acme, tally)  // a retry is not charged
            await acceptor.shutdown()
            await queue.shutdown()
            await owner.shutdown()
        }

        @Test func `a message that cannot be read is set apart, and keeps no other waiting`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let acceptor = fixture.acceptor()
            let tally = await acceptor.submit(try (0..<3).map { _ in try acme.request() })
            let bad = try #require(tally.acknowledged.min())
            try await fixture.operation.query(
                "UPDATE gatepost.recipient SET address = 'no address' WHERE message_id = $1::uuid", [.text(bad)])
            let owner = fixture.owner()
            try await owner.start()
            let queue = fixture.queue(owner)
            let claimed = try await queue.claim(maxMessages: 10, maxBytes: 1 << 20)
            #expect(Set(claimed.map { "\($0.id)" }) == tally.acknowledged.subtracting([bad]))
            await queue.drain()
            #expect(try await queue.claim(maxMessages: 10, maxBytes: 1 << 20).isEmpty)
            let rows = try await fixture.operation.query(
                """
                SELECT message_id::text AS id, attempts, next_attempt > ledger.clock() + interval '50 minutes' AS waits
                FROM gatepost.recipient WHERE owner_id IS NULL AND state = 'queued'
                """)
            #expect(try rows.map { try $0.string("id") } == [bad])
            #expect(try rows.map { try $0.int64("attempts") } == [0] && rows.map { try $0.bool("waits") } == [true])
            let told = try await fixture.operation.query(
                """
                SELECT e.message_id::text AS id, e.tenant_id = m.tenant_id AND e.credential_id = m.credential_id AS theirs,
                       e.detail ->> 'reason' AS reason, (e.detail ->> 'until')::timestamptz = r.next_attempt AS ends,
                       convert_from(r.reply, 'UTF8') AS reply
                FROM gatepost.event e JOIN gatepost.message m ON m.id = e.message_id
                JOIN gatepost.recipient r ON r.message_id = m.id WHERE e.kind = 'unreadable'
                """)
            let reason = "the address of recipient 1 cannot be read: it is no mailbox (RFC 5321)"
            #expect(try told.map { try $0.string("id") } == [bad])
            #expect(try told.map { try $0.bool("theirs") } == [true] && told.map { try $0.bool("ends") } == [true])
            #expect(try told.map { try $0.string("reason") } == [reason])
            #expect(try told.map { try $0.string("reply") } == [reason])
            await acceptor.shutdown()
            await queue.shutdown()
            await owner.shutdown()
        }

        @Test func `an outcome that is written again ends no lease that came after it`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let acceptor = fixture.acceptor()
            _ = await acceptor.submit([try acme.request()])
            let owner = fixture.owner()
            try await owner.start()
            let isFirst = Atomic<Bool>(true)
            let proxy = CuttingProxy(to: fixture.database.cluster.port) { statement in
                statement == "settle" && isFirst.exchange(false, ordering: .relaxed) ? .holdReply : nil
            }
            let queue = Queue(
                DatabaseConfiguration(url: fixture.database.tcpURL(as: .node, port: proxy.port)), owner: owner,
                clock: DatabaseClock(), logger: .quiet)
            let first = try #require(try await queue.claim(maxMessages: 1, maxBytes: 1 << 20).first)
            queue.settle([Settlement(.released(until: nil), of: first.recipients[0], in: first)])
            // It is committed, and its answer is on its way; meanwhile the recipient is leased anew.
            var again: [QueuedMessage] = []
            #expect(
                try await eventually {
                    again = try await queue.claim(maxMessages: 1, maxBytes: 1 << 20)
                    return !again.isEmpty
                })
            #expect(first.recipients.map(\.lease) == [1] && again.first?.recipients.map(\.lease) == [2])
            proxy.cutAll()
            await queue.drain()
            #expect(proxy.count("settle") == 2)
            let rows = try await fixture.operation.query("SELECT owner_id, lease FROM gatepost.recipient")
            #expect(try rows.map { try $0.uuidOrNil("owner_id") } == [owner.holdingID])
            #expect(try rows.map { try $0.int64("lease") } == [2])
            await acceptor.shutdown()
            await queue.shutdown()
            await owner.shutdown()
        }

        @Test func `a database whose clock was set is heard of with the mail that it calls due`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let acceptor = fixture.acceptor()
            _ = await acceptor.submit([try acme.request()])
            let owner = fixture.owner()
            try await owner.start()
            let clock = DatabaseClock()
            let queue = Queue(
                DatabaseConfiguration(url: fixture.database.url(as: .node)), owner: owner, clock: clock, logger: .quiet)
            let before = clock.now
            clock.adjust(to: before.advanced(by: .seconds(-30 * 3600)))
            #expect(try await queue.claim(maxMessages: 1, maxBytes: 1 << 20).count == 1)
            #expect(abs(clock.now.microseconds - before.microseconds) < 3_600_000_000)
            await acceptor.shutdown()
            await queue.shutdown()
            await owner.shutdown()
        }

        @Test func `an outcome on a day that has no partitions yet waits for them`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let acceptor = fixture.acceptor()
            _ = await acceptor.submit([try acme.request()])
            let owner = fixture.owner()
            try await owner.start()
            let queue = fixture.queue(owner)
            let message = try #require(try await queue.claim(maxMessages: 1, maxBytes: 1 << 20).first)
            let upkeep = Task {
                await Upkeep(DatabaseConfiguration(url: fixture.database.url(as: .node)), logger: .quiet).run()
            }
            // It has looked at the clock once: this is what it does last.
            #expect(
                try await eventually(within: .seconds(60)) {
                    let last =
                        "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%ledger.upkeep_expired(%' AND pid <> pg_backend_pid()"
                    return try await !fixture.operation.query(last + " AND datname = current_database()").isEmpty
                })
            try await fixture.operation.query(
                """
                CREATE OR REPLACE FUNCTION gatepost.clock() RETURNS timestamptz LANGUAGE sql
                AS $$ SELECT clock_timestamp() + interval '9 days' $$
                """)
            queue.settle([Settlement(.bounced, of: message.recipients[0], in: message, replyCode: 550)])
            await queue.drain()
            upkeep.cancel()
            let rows = try await fixture.operation.query(
                "SELECT state, reply_code::bigint AS code FROM gatepost.recipient")
            #expect(try rows.map { try $0.string("state") } == ["bounced"])
            #expect(try rows.map { try $0.int64("code") } == [550], "with the words")
            await acceptor.shutdown()
            await queue.shutdown()
            await owner.shutdown()
        }

        @Test func `outcomes outlive cut connections, and a repeat changes nothing`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let acceptor = fixture.acceptor()
            _ = await acceptor.submit(try (0..<200).map { _ in try acme.request() })
            let owner = fixture.owner()
            try await owner.start()
            let faults = CuttingProxy.Fault.allCases.filter { $0 != .holdReply }
            let calls = Atomic<Int>(0)
            let proxy = CuttingProxy(to: fixture.database.cluster.port) { statement in
                guard statement == "settle" else { return nil }
                let call = calls.add(1, ordering: .relaxed).newValue
                return call % 2 == 1 && call < 40 ? faults[(call / 2) % faults.count] : nil
            }
            let queue = Queue(
                DatabaseConfiguration(url: fixture.database.tcpURL(as: .node, port: proxy.port)), owner: owner,
                clock: DatabaseClock(), logger: .quiet)
            var delivered = 0
            while delivered < 200 {
                let claimed = try await queue.claim(maxMessages: 10, maxBytes: 1 << 20)
                delivered += claimed.count
                queue.settle(claimed.map { Settlement(.delivered, of: $0.recipients[0], in: $0, replyCode: 250) })
                await queue.drain()
            }
            #expect(proxy.cuts >= 15)
            let counts = try await fixture.operation.query(
                """
                SELECT (SELECT count(*) FROM gatepost.recipient WHERE state = 'delivered') AS delivered,
                       (SELECT count(*) FROM gatepost.event WHERE kind = 'delivered') AS events
                """)[0]
            #expect(try counts.int64("delivered") == 200)
            #expect(try counts.int64("events") == 200)
            await acceptor.shutdown()
            await queue.shutdown()
            await owner.shutdown()
        }

        @Test func `a claim in doubt frees what it may have leased`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let acceptor = fixture.acceptor()
            _ = await acceptor.submit(try (0..<5).map { _ in try acme.request() })
            let owner = fixture.owner()
            try await owner.start()
            let isFirst = Atomic<Bool>(true)
            let proxy = CuttingProxy(to: fixture.database.cluster.port) { statement in
                statement.contains("ledger.claim") && isFirst.exchange(false, ordering: .relaxed)
                    ? .cutBeforeReply : nil
            }
            let queue = Queue(
                DatabaseConfiguration(url: fixture.database.tcpURL(as: .node, port: proxy.port)), owner: owner,
                clock: DatabaseClock(), logger: .quiet)
            let id = owner.holdingID
            await #expect(throws: DatabaseError.self) { try await queue.claim(maxMessages: 10, maxBytes: 1 << 20) }
            #expect(await eventually { owner.mayFinish && owner.holdingID != id })
            #expect(try await queue.claim(maxMessages: 10, maxBytes: 1 << 20).count == 5)
            await acceptor.shutdown()
            await queue.shutdown()
            await owner.shutdown()
        }

        @Test func `polling claims at once while there is more, as far as there is room`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let acceptor = fixture.acceptor()
            _ = await acceptor.submit(try (0..<50).map { _ in try acme.request() })
            let owner = fixture.owner()
            try await owner.start()
            let queue = fixture.queue(owner)
            let seen = Mutex<[Int]>([])
            let polling = Task {
                // An hour's pause between idle looks: only full claims come at once.
                await queue.poll(
                    every: .seconds(3600), room: { 20 }, take: { batch in seen.withLock { $0.append(batch.count) } })
            }
            #expect(await eventually { seen.withLock { $0 } == [20, 20, 10] })
            polling.cancel()
            await polling.value
            await acceptor.shutdown()
            await queue.shutdown()
            await owner.shutdown()
        }
    }
}
