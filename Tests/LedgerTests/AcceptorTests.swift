import Ledger
import NIOCore
import Postgres
import Synchronization
import TestSupport
import Testing

extension LedgerSuite {
    @Suite(.timeLimit(.minutes(10))) struct AcceptorTests {
        @Test func `an accepted message is stored with its Received field, charged and named`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant(limits: #"{"daily":10}"#)
            let acceptor = fixture.acceptor()
            let verdict = await acceptor.submit(try acme.request(to: ["b@example.net", "c@example.org"]))
            guard case .accepted(let id, let remaining) = verdict else {
                Issue.record("\(verdict)")
                return
            }
            #expect(remaining == 8)
            let row = try await fixture.operation.query(
                """
                SELECT m.sender, m.from_domain, host(m.client) AS client, m.helo, m.size, b.content,
                       (SELECT array_agg(address ORDER BY number) FROM gatepost.recipient) AS addresses
                FROM gatepost.message m JOIN gatepost.body b ON b.message_id = m.id WHERE m.id = $1
                """, [.uuid(id)])[0]
            #expect(try row.string("sender") == "a@acme.example")
            #expect(try row.string("client") == "192.0.2.1")
            #expect(try row.bytes("helo") == Array("client".utf8))
            #expect(try row.strings("addresses") == ["b@example.net", "c@example.org"])
            let content = String(decoding: try row.bytes("content"), as: UTF8.self)
            #expect(content == "Received: by test with ESMTPSA id \(id)\r\nSubject: hello\r\n\r\nhello\r\n")
            try await fixture.expectExact(acme, Tally(acknowledged: ["\(id)"]))
            await acceptor.shutdown()
        }

        @Test func `each refusal comes with what its reply names`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant(limits: #"{"daily":2,"policy":"reject","zone":"Europe/Brussels"}"#)
            let acceptor = fixture.acceptor()
            guard case .refused(let domain) = await acceptor.submit(try acme.request(from: "other.example")) else {
                Issue.record("a foreign domain passed")
                return
            }
            #expect(domain.verdict == .senderDomain)
            #expect(domain.detail == "other.example")

            let three = ["a@x.example", "b@x.example", "c@x.example"]
            guard case .refused(let cap) = await acceptor.submit(try acme.request(to: three)) else {
                Issue.record("three passed a cap of two")
                return
            }
            #expect(cap.verdict == .dailyCap)
            #expect(cap.cap == 2)
            #expect(cap.used == 0)
            #expect(cap.policy == .rejection)
            #expect(cap.resetsAt != nil)
            #expect(cap.resetsText?.contains("T00:00:00+0") == true)

            var stranger = acme
            stranger.credentialID += 1000
            guard case .refused(let unknown) = await acceptor.submit(try stranger.request()) else {
                Issue.record("an unknown credential passed")
                return
            }
            #expect(unknown.verdict == .credentialUnknown)
            await acceptor.shutdown()
        }

        @Test func `a message seen before is answered with the first id and not charged`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let acceptor = fixture.acceptor()
            let request = try acme.request(digest: Array(repeating: 7, count: 32), messageIDHeader: "<1@acme.example>")
            guard case .accepted(let first, _) = await acceptor.submit(request),
                case .resubmitted(let again) = await acceptor.submit(request)
            else {
                Issue.record("not matched")
                return
            }
            #expect(again == first)
            try await fixture.expectExact(acme, Tally(acknowledged: ["\(first)"]))
            await acceptor.shutdown()
        }

        @Test func `what comes while a call is under way goes together; a second connection joins where many wait`()
            async throws
        {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let held = Atomic<Int>(0)
            let proxy = CuttingProxy(to: fixture.database.cluster.port) { statement in
                // The first call's answer waits.
                statement == "accept" && held.add(1, ordering: .relaxed).oldValue == 0 ? .holdReply : nil
            }
            let acceptor = fixture.acceptor(through: proxy.port)
            let request = try acme.request()
            async let first = acceptor.submit(request)
            #expect(await eventually { proxy.count("accept") == 1 })
            let many = try (0..<32).map { _ in try acme.request() }
            async let others = acceptor.submit(many)
            // Only when all of them wait does the idle connection take them, and takes all of them.
            #expect(await others.acknowledged.count == 32)
            #expect(proxy.count("accept") == 2)
            // The first may commit after them.
            #expect(await eventually { (try? await fixture.calls()) ?? (0, 0) == (2, 32) })
            proxy.release()
            guard case .accepted = await first else {
                Issue.record("the held one was not accepted")
                return
            }
            await acceptor.shutdown()
        }

        @Test func `a flood of a thousand takes far fewer calls, each one round trip`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let proxy = CuttingProxy(to: fixture.database.cluster.port)
            let acceptor = fixture.acceptor(through: proxy.port)
            let tally = await acceptor.submit(try (0..<1000).map { _ in try acme.request() })
            #expect(tally.acknowledged.count == 1000)
            let calls = try await fixture.calls()
            #expect(calls.count < 300)
            #expect(calls.largest <= 100)
            #expect(Int64(proxy.count("accept")) == calls.count)
            try await fixture.expectExact(acme, tally)
            await acceptor.shutdown()
        }

        @Test func `ids far from the database's time are made anew, and so is the Received field`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let clock = DatabaseClock()
            let acceptor = Acceptor(
                Acceptor.Configuration(database: fixture.database.configuration(as: .node)), clock: clock,
                logger: .quiet)
            guard case .accepted = await acceptor.submit(try acme.request()) else {
                Issue.record("refused")
                return
            }
            clock.adjust(to: Instant.now.advanced(by: .seconds(3600)))
            guard case .accepted(let id, _) = await acceptor.submit(try acme.request()) else {
                Issue.record("refused for its id")
                return
            }
            #expect(abs(id.instant.microseconds - Instant.now.microseconds) < 60_000_000)
            let stored = try await fixture.operation.query(
                "SELECT convert_from(content, 'UTF8') AS content FROM gatepost.body WHERE message_id = $1", [.uuid(id)])
            #expect(try stored[0].string("content").hasPrefix("Received: by test with ESMTPSA id \(id)\r\n"))
            await acceptor.shutdown()
        }

        @Test func `one message that cannot be stored is refused alone, its neighbours are stored`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let held = Atomic<Int>(0)
            let proxy = CuttingProxy(to: fixture.database.cluster.port) { statement in
                statement == "accept" && held.add(1, ordering: .relaxed).oldValue == 0 ? .holdReply : nil
            }
            let acceptor = fixture.acceptor(through: proxy.port) { $0.connections = 1 }
            let request = try acme.request()
            async let first = acceptor.submit(request)
            #expect(await eventually { proxy.count("accept") == 1 })
            var requests = try (0..<20).map { _ in try acme.request() }
            requests[7].messageIDHeader = "<a\0b>"  // 22021
            requests[13].clientAddress = "not an address"  // 22P02
            let all = requests
            async let others = acceptor.submit(all)
            proxy.release()
            let tally = await others
            #expect(tally.acknowledged.count == 18)
            #expect(tally.unavailable == 2)
            _ = await first
            #expect(try await fixture.truth(acme).stored.count == 19)
            await acceptor.shutdown()
        }

        @Test func `a tenant whose meter is held does not hold up the others of its batch`() async throws {
            let fixture = try await Fixture()
            let (acme, zoo) = (try await fixture.tenant("acme"), try await fixture.tenant("zoo"))
            let held = Atomic<Int>(0)
            let proxy = CuttingProxy(to: fixture.database.cluster.port) { statement in
                statement == "accept" && held.add(1, ordering: .relaxed).oldValue == 0 ? .holdReply : nil
            }
            let acceptor = fixture.acceptor(through: proxy.port) { $0.connections = 1 }
            let request = try acme.request()
            async let first = acceptor.submit(request)
            #expect(await eventually { proxy.count("accept") == 1 })
            let lock = fixture.database.connection()
            try await lock.query("BEGIN")
            try await lock.query("SELECT FROM gatepost.meter WHERE tenant_id = $1 FOR UPDATE", [.int64(acme.tenantID)])
            let (ofAcme, ofZoo) = (
                try (0..<3).map { _ in try acme.request() }, try (0..<3).map { _ in try zoo.request() }
            )
            async let stuck = acceptor.submit(ofAcme)
            async let free = acceptor.submit(ofZoo)
            try await Task.sleep(for: .milliseconds(50))  // so that they share a batch; nothing is decided by it
            proxy.release()
            #expect(await free.acknowledged.count == 3)
            #expect(await stuck.unavailable == 3)  // after the second its single tenant has
            try await lock.query("ROLLBACK")
            _ = await first
            await acceptor.shutdown()
        }

        @Test func `a credential revoked while its message waits at the lock is refused`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let acceptor = fixture.acceptor()
            let administration = fixture.database.connection(as: .admin)
            try await administration.query("BEGIN")
            try await administration.query("SELECT admin.credential_revoke('tester', 'acme.k1', 'leaked')")
            let request = try acme.request()
            async let verdict = acceptor.submit(request)
            #expect(
                await eventually {
                    let waiting = try? await fixture.operation.query(
                        """
                        SELECT FROM pg_stat_activity
                        WHERE wait_event_type = 'Lock' AND query LIKE '%ledger.accept%' AND datname = current_database()
                        """)
                    return waiting?.isEmpty == false
                })
            try await administration.query("COMMIT")
            guard case .refused(let refusal) = await verdict else {
                Issue.record("a revoked credential sent mail")
                return
            }
            #expect(refusal.verdict == .credentialRevoked)
            #expect(try await fixture.truth(acme).stored.isEmpty)
            await acceptor.shutdown()
        }

        @Test func `accepted messages are handed on from memory, leased to this node`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let owner = fixture.owner()
            try await owner.start()
            let handed = Mutex<[AcceptedMessage]>([])
            let acceptor = fixture.acceptor(
                owner: owner, onAccepted: { messages in handed.withLock { $0 += messages } })
            let tally = await acceptor.submit(try (0..<20).map { _ in try acme.request() })
            #expect(tally.acknowledged.count == 20)
            let messages = handed.withLock { $0 }
            #expect(Set(messages.map { "\($0.id)" }) == tally.acknowledged)
            #expect(messages.allSatisfy { $0.owner == owner.holdingID })
            let message = try #require(messages.first)
            #expect(
                String(buffer: message.content).hasPrefix("Received: by test with ESMTPSA id \(message.id)\r\nSubject"))
            let leased = try await fixture.operation.query("SELECT DISTINCT owner_id FROM gatepost.recipient")
            #expect(try leased.map { try $0.uuid("owner_id") } == [owner.holdingID])
            await acceptor.shutdown()
            await owner.shutdown()
        }

        @Test func `a shutdown answers what was taken and refuses what comes`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let acceptor = fixture.acceptor()
            let requests = try (0..<200).map { _ in try acme.request() }
            async let tally = acceptor.submit(requests)
            await acceptor.shutdown()
            await acceptor.drain()
            let answered = await tally
            #expect(answered.acknowledged.count + answered.unavailable == 200)
            #expect(answered.unknown == 0)
            guard case .unavailable = await acceptor.submit(try acme.request()) else {
                Issue.record("taken after the end")
                return
            }
            try await fixture.expectExact(acme, answered)
        }
    }
}
