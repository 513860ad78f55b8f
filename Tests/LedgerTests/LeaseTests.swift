import Ledger
import Postgres
import Synchronization
import TestSupport
import Testing

extension LedgerSuite {
    @Suite(.timeLimit(.minutes(10))) struct LeaseTests {
        @Test func `an owner holds its lease, renews it and gives it up in good order`() async throws {
            let fixture = try await Fixture()
            let owner = fixture.owner()
            #expect(!owner.mayFinish)
            try await owner.start()
            let id = try #require(owner.holdingID)
            #expect(owner.mayFinish)
            #expect(await eventually { await Self.renewals(fixture, id) ?? 0 >= 3 })
            await owner.shutdown()
            #expect(!owner.mayFinish)
            #expect(await Self.renewals(fixture, id) == nil)
        }

        @Test func `a lost session sends no dot until the rows are claimed again under the same id`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let owner = fixture.owner()
            let events = Mutex<[String]>([])
            let memory = Mutex<[Owner.LeasedMessage]>([])
            try await owner.start {
                memory.withLock { $0 }
            } onEvent: { event in
                events.withLock { events in
                    switch event {
                    case .lost: events.append("lost")
                    case .reclaimed(_, let kept, let asked): events.append("reclaimed \(kept.count) of \(asked.count)")
                    case .startedAgain: events.append("started again")
                    case .resumed: events.append("resumed")
                    case .audited: return
                    }
                    #expect(owner.mayFinish == (events.last == "resumed"))
                }
            }
            let id = try #require(owner.holdingID)
            let acceptor = fixture.acceptor(
                owner: owner,
                onAccepted: { messages in
                    memory.withLock {
                        $0 += messages.map { Owner.LeasedMessage(tenantID: $0.tenantID, messageID: $0.id) }
                    }
                })
            _ = await acceptor.submit(try (0..<3).map { _ in try acme.request() })
            try await Self.killSession(fixture)
            #expect(await eventually { events.withLock { $0 } == ["lost", "reclaimed 3 of 3", "resumed"] })
            #expect(await eventually { owner.mayFinish })
            #expect(owner.holdingID == id)
            await acceptor.shutdown()
            await owner.shutdown()
        }

        @Test func `a claim in doubt while the session is lost too: what it may have leased is anybody's`() async throws
        {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let (one, two) = (fixture.owner("one"), fixture.owner("two"))
            let lost = Mutex<[MessageID]>([])
            let events = Mutex<[String]>([])
            try await one.start(onEvent: { event in
                switch event {
                case .lost:
                    events.withLock { $0.append("lost") }
                    // What `Queue.claim` does when its connection ends before the answer.
                    for id in lost.withLock({ $0 }) { one.startAgain(id) }
                case .reclaimed: events.withLock { $0.append("reclaimed") }
                case .startedAgain: events.withLock { $0.append("started again") }
                case .resumed, .audited: break
                }
            })
            try await two.start()
            let acceptor = fixture.acceptor()
            _ = await acceptor.submit(try (0..<3).map { _ in try acme.request() })
            let (mine, others) = (fixture.queue(one), fixture.queue(two))
            #expect(try await mine.claim(maxMessages: 10, maxBytes: 1 << 20).count == 3)
            lost.withLock { $0 = [one.holdingID].compactMap(\.self) }
            try await Self.killSession(fixture)
            #expect(await eventually { events.withLock { $0 } == ["lost", "started again"] })
            #expect(await eventually { two.mayFinish })
            #expect(try await others.claim(maxMessages: 10, maxBytes: 1 << 20).count == 3)
            await acceptor.shutdown()
            for queue in [mine, others] { await queue.shutdown() }
            for owner in [one, two] { await owner.shutdown() }
        }

        @Test func `what a reclaim of unknown outcome has leased is asked for again, though it is in no memory`()
            async throws
        {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let isFirst = Atomic(true)
            let proxy = CuttingProxy(to: fixture.database.cluster.port) { statement in
                statement.contains("owner_reclaim") && isFirst.exchange(false, ordering: .relaxed)
                    ? .cutBeforeReply : nil
            }
            let owner = fixture.owner(through: proxy)
            let memory = Mutex<[Owner.LeasedMessage]>([])
            let reclaimed = Mutex<[(kept: Set<MessageID>, asked: Set<MessageID>)]>([])
            try await owner.start {
                // As a forwarder that gives back what it holds while the question is on its way.
                let asked = memory.withLock { memory -> [Owner.LeasedMessage] in
                    defer { memory = [] }
                    return memory
                }
                if !asked.isEmpty {
                    _ = try? await fixture.operation.query("UPDATE gatepost.recipient SET owner_id = NULL")
                }
                return asked
            } onEvent: { event in
                guard case .reclaimed(_, let kept, let asked) = event else { return }
                reclaimed.withLock { $0.append((Set(kept.map(\.messageID)), Set(asked.map(\.messageID)))) }
            }
            let acceptor = fixture.acceptor(
                owner: owner,
                onAccepted: { messages in
                    memory.withLock {
                        $0 += messages.map { Owner.LeasedMessage(tenantID: $0.tenantID, messageID: $0.id) }
                    }
                })
            _ = await acceptor.submit(try (0..<2).map { _ in try acme.request() })
            let sent = Set(memory.withLock { $0.map(\.messageID) })
            try await Self.killSession(fixture)
            #expect(await eventually { owner.mayFinish && !reclaimed.withLock { $0 }.isEmpty })
            #expect(proxy.cuts == 1 && sent.count == 2)
            #expect(reclaimed.withLock { $0.map(\.kept) } == [sent])
            #expect(reclaimed.withLock { $0.map(\.asked) } == [sent])
            // Once it is answered, it is asked no more.
            try await Self.killSession(fixture)
            #expect(await eventually { reclaimed.withLock { $0.count } == 2 })
            #expect(reclaimed.withLock { $0.last?.asked } == [])
            await acceptor.shutdown()
            await owner.shutdown()
        }

        @Test func `while the lease is held its node hears time after time what is leased to it`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let owner = fixture.owner(auditEvery: .milliseconds(100))
            let audits = Mutex<[[Owner.LeasedRecipient: Int64]]>([])
            try await owner.start(onEvent: { event in
                if case .audited(let id, let leased) = event {
                    #expect(id == owner.holdingID)
                    audits.withLock { $0.append(leased) }
                }
            })
            let acceptor = fixture.acceptor(owner: owner)
            _ = await acceptor.submit([try acme.request()])
            let ids = try await fixture.operation.query("SELECT tenant_id, id FROM gatepost.message")
            let row = try #require(ids.first)
            let expected = [
                Owner.LeasedRecipient(messageID: try row.uuid("id"), number: 1, lease: 0): try row.int64("tenant_id")
            ]
            #expect(await eventually { audits.withLock { $0.filter { $0 == expected }.count } >= 2 })
            await acceptor.shutdown()
            await owner.shutdown()
        }

        @Test func `a lease that is given up while it is being reclaimed is given up then`() async throws {
            let fixture = try await Fixture()
            let isFirst = Atomic(true)
            let proxy = CuttingProxy(to: fixture.database.cluster.port) { statement in
                statement.contains("owner_reclaim") && isFirst.exchange(false, ordering: .relaxed)
                    ? .holdReply : nil
            }
            let owner = fixture.owner(through: proxy)
            let events = Mutex<[String]>([])
            try await owner.start(onEvent: { event in
                if case .startedAgain = event { events.withLock { $0.append("started again") } }
            })
            let id = try #require(owner.holdingID)
            try await Self.killSession(fixture)
            #expect(await eventually { proxy.count("owner_reclaim") == 1 })
            owner.startAgain(id)
            proxy.release()
            #expect(await eventually { events.withLock { $0 } == ["started again"] && owner.mayFinish })
            #expect(owner.holdingID != id)
            #expect(await Self.renewals(fixture, id) == nil)
            await owner.shutdown()
        }

        @Test func `an owner freed by another node starts again under a new id, and its rows are anybody's`()
            async throws
        {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let (one, two) = (fixture.owner("one"), fixture.owner("two"))
            let events = Mutex<[String]>([])
            try await one.start(onEvent: { event in
                if case .startedAgain = event { events.withLock { $0.append("started again") } }
            })
            try await two.start()
            let id = try #require(one.holdingID)
            let acceptor = fixture.acceptor(owner: one)
            _ = await acceptor.submit(try (0..<3).map { _ in try acme.request() })
            let queue = fixture.queue(two)
            #expect(try await queue.claim(maxMessages: 10, maxBytes: 1 << 20).isEmpty)

            var freed = false
            while !freed {  // between two of its renewals
                let row = try await fixture.operation.query(
                    "SELECT ledger.owner_free(id, renewals) AS freed FROM gatepost.owner WHERE id = $1", [.uuid(id)])
                freed = try row.first?.bool("freed") ?? false
            }
            #expect(await eventually { events.withLock { !$0.isEmpty } })
            #expect(owner(one, isNot: id))
            #expect(events.withLock { $0 } == ["started again"])
            #expect(try await queue.claim(maxMessages: 10, maxBytes: 1 << 20).count == 3)
            await acceptor.shutdown()
            await queue.shutdown()
            await one.shutdown()
            await two.shutdown()
        }

        @Test func `upkeep makes partitions, and frees rows whose owner is gone`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let (gone, here) = (fixture.owner("gone"), fixture.owner("here"))
            try await gone.start()
            try await here.start()
            let acceptor = fixture.acceptor(owner: gone)
            _ = await acceptor.submit(try (0..<3).map { _ in try acme.request() })
            await acceptor.shutdown()
            // As if it had been freed while an accept of its was still under way.
            try await fixture.operation.query(
                "DELETE FROM gatepost.owner WHERE id = $1", [.uuid(gone.holdingID ?? .init(high: 0, low: 0))])
            let report = try await Upkeep(fixture.database.configuration(as: .node), logger: .quiet).runOnce()
            #expect(report.orphansFreed == 3)
            #expect(report.ownersFreed == 0)
            let queue = fixture.queue(here)
            #expect(try await queue.claim(maxMessages: 10, maxBytes: 1 << 20).count == 3)
            await queue.shutdown()
            await gone.shutdown()
            await here.shutdown()
        }

        @Test func `a step of upkeep that fails stands in no other's way, and is told at the end`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let gone = fixture.owner("gone")
            try await gone.start()
            let acceptor = fixture.acceptor(owner: gone)
            _ = await acceptor.submit(try (0..<3).map { _ in try acme.request() })
            await acceptor.shutdown()
            try await fixture.operation.query(
                "DELETE FROM gatepost.owner WHERE id = $1", [.uuid(gone.holdingID ?? .init(high: 0, low: 0))])
            try await fixture.operation.query(
                "REVOKE EXECUTE ON FUNCTION ledger.upkeep_partitions(interval, interval) FROM gatepost_node")
            await #expect {
                try await Upkeep(fixture.database.configuration(as: .node), logger: .quiet).runOnce()
            } throws: {
                ($0 as? DatabaseError)?.sqlState == "42501"
            }
            let leased = try await fixture.operation.query(
                "SELECT count(*) AS n FROM gatepost.recipient WHERE owner_id IS NOT NULL")
            #expect(try leased.first?.int64("n") == 0)
            await gone.shutdown()
        }

        private func owner(_ owner: Owner, isNot id: MessageID) -> Bool { owner.mayFinish && owner.holdingID != id }

        private static func renewals(_ fixture: Fixture, _ id: MessageID) async -> Int64? {
            let rows = try? await fixture.operation.query(
                "SELECT renewals FROM gatepost.owner WHERE id = $1", [.uuid(id)])
            return try? rows?.first?.int64("renewals")
        }

        private static func killSession(_ fixture: Fixture) async throws {
            try await fixture.operation.query(
                """
                SELECT pg_terminate_backend(pid) FROM pg_locks
                WHERE locktype = 'advisory' AND classid = 1196445524
                  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                """)
        }
    }
}
