import Ledger
import Postgres
import Synchronization
import TestSupport
import Testing

extension LedgerSuite {
    /// LEDGER, "A commit in doubt": acknowledged ⊆ stored ⊆ acknowledged + unknown, and used = Σ ledger = stored.
    @Suite(.timeLimit(.minutes(10))) struct DoubtTests {
        @Test(arguments: CuttingProxy.Fault.allCases.filter { $0 != .holdReply })
        func `a call cut at any point is stored once and acknowledged`(fault: CuttingProxy.Fault) async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let isFirst = Atomic<Bool>(true)
            let proxy = CuttingProxy(to: fixture.database.cluster.port) { statement in
                statement == "accept" && isFirst.exchange(false, ordering: .relaxed) ? fault : nil
            }
            let acceptor = fixture.acceptor(through: proxy.port)
            let tally = await acceptor.submit([try acme.request(to: ["b@example.net", "c@example.net"])])
            #expect(proxy.cuts == 1)
            #expect(proxy.count("ledger.resolve") == 1)
            #expect(tally.acknowledged.count == 1)
            #expect(try await fixture.truth(acme).stored == tally.acknowledged)
            try await fixture.expectExact(acme, tally)
            await acceptor.shutdown()
        }

        @Test func `eighty cuts under load, the fence's own among them, leave everything exact`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant(limits: #"{"daily":2500}"#)
            let faults = CuttingProxy.Fault.allCases.filter { $0 != .holdReply }
            let calls = Atomic<Int>(0)
            let proxy = CuttingProxy(to: fixture.database.cluster.port) { statement in
                guard statement == "accept" || statement.contains("ledger.resolve") else { return nil }
                let call = calls.add(1, ordering: .relaxed).newValue
                // Every other call, in turn by each fault, until there were enough.
                return call % 2 == 0 && call <= 160 ? faults[(call / 2) % faults.count] : nil
            }
            let acceptor = fixture.acceptor(through: proxy.port)
            var tally = Tally()
            while proxy.cuts < 80 {
                let round = try (0..<24).map {
                    try acme.request(to: $0 % 3 == 0 ? ["b@x.example", "c@x.example"] : ["b@x.example"])
                }
                let part = await acceptor.submit(round)
                tally.acknowledged.formUnion(part.acknowledged)
                tally.unavailable += part.unavailable
                tally.unknown += part.unknown
                tally.refused += part.refused
            }
            #expect(!tally.acknowledged.isEmpty)
            #expect(tally.unknown == 0)
            #expect(tally.refused.allSatisfy { $0 == .dailyCap })
            try await fixture.expectExact(acme, tally)
            await acceptor.shutdown()
        }

        /// The old transaction still runs when its client asks: a fence that only looks would find nothing, the message
        /// would be sent again, and both would commit. The planted fault shows that this test would see it.
        @Test(arguments: [false, true])
        func `a fence waits for the old transaction; one that only reads would store twice`(planted: Bool) async throws
        {
            let fixture = try await Fixture()
            if planted {
                try await fixture.operation.script(
                    """
                    CREATE OR REPLACE FUNCTION ledger.resolve(batch uuid) RETURNS SETOF ledger.verdict
                    LANGUAGE sql SECURITY DEFINER AS
                    'SELECT v.* FROM gatepost.batch b, unnest(b.verdicts) v WHERE b.id = batch'
                    """)
            }
            // The call waits a second for its meter; on a busy machine the scene may take longer to set up.
            for attempt in 1...10 {
                let sender = try await fixture.tenant("tenant\(attempt)")
                guard let stored = try await storedAfterCut(fixture, sender) else { continue }
                if planted, stored == 1 { continue }  // one of the two calls gave up on the meter
                #expect(stored == (planted ? 2 : 1))
                return
            }
            Issue.record("the scene could not be set up")
        }

        /// How often one message is stored whose connection is cut while its transaction waits for the meter.
        private func storedAfterCut(_ fixture: Fixture, _ sender: Fixture.Sender) async throws -> Int? {
            let proxy = CuttingProxy(to: fixture.database.cluster.port)
            let acceptor = fixture.acceptor(through: proxy.port)
            let lock = fixture.database.connection()
            try await lock.query("BEGIN")
            try await lock.query(
                "SELECT FROM gatepost.meter WHERE tenant_id = $1 FOR UPDATE", [.int64(sender.tenantID)])
            let request = try sender.request()
            async let verdict = acceptor.submit(request)
            // The call waits for the meter; cut, its fence waits behind it, or (planted) the call that repeats it.
            var isSet = await eventually(within: .seconds(2), every: .milliseconds(1)) {
                await Self.waiters(fixture) == 1
            }
            proxy.cutAll()
            if isSet {
                isSet = await eventually(within: .seconds(1), every: .milliseconds(1)) {
                    await Self.waiters(fixture) == 2
                }
            }
            try await lock.query("ROLLBACK")
            let answer = await verdict
            _ = await eventually { await Self.waiters(fixture) == 0 }
            await acceptor.shutdown()
            guard isSet, case .accepted(let id, _) = answer else { return nil }
            let truth = try await fixture.truth(sender)
            #expect(truth.stored.contains("\(id)"))
            return truth.stored.count
        }

        @Test
        func `an answer that does not come within the client's patience is unknown, and what was stored is given back`()
            async throws
        {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let owner = fixture.owner()
            try await owner.start()
            let isFirst = Atomic<Bool>(true)
            let proxy = CuttingProxy(to: fixture.database.cluster.port) { statement in
                statement == "accept" && isFirst.exchange(false, ordering: .relaxed) ? .holdReply : nil
            }
            let handed = Atomic<Int>(0)
            let acceptor = fixture.acceptor(through: proxy.port, owner: owner) {
                $0.patience = .seconds(3)
            } onAccepted: {
                handed.add($0.count, ordering: .relaxed)
            }
            let tally = await acceptor.submit([try acme.request()])
            #expect(tally.unknown == 1)
            #expect(handed.load(ordering: .relaxed) == 0)
            try await fixture.expectExact(acme, tally)
            // The fence finds it stored and leased to this node, which has forgotten it: free, and claimed like any other.
            #expect(
                await eventually {
                    (try? await fixture.operation.query("SELECT FROM gatepost.recipient WHERE owner_id IS NULL"))?.count
                        == 1
                })
            let queue = fixture.queue(owner)
            #expect(try await queue.claim(maxMessages: 10, maxBytes: 1 << 20).count == 1)
            await acceptor.shutdown()
            await queue.shutdown()
            await owner.shutdown()
            proxy.release()
        }

        @Test func `what nobody waits for is given back however long the fence fails, though no message comes`()
            async throws
        {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let owner = fixture.owner()
            try await owner.start()
            let isFirst = Atomic<Bool>(true)
            let proxy = CuttingProxy(to: fixture.database.cluster.port) { statement in
                statement == "accept" && isFirst.exchange(false, ordering: .relaxed) ? .holdReply : nil
            }
            let acceptor = fixture.acceptor(through: proxy.port, owner: owner) { $0.patience = .seconds(2) }
            try await fixture.operation.script("REVOKE EXECUTE ON FUNCTION ledger.resolve(uuid) FROM gatepost_node")
            let tally = await acceptor.submit([try acme.request()])
            #expect(tally.unknown == 1)
            // Oftener than it is tried at once.
            let tries = proxy.count("ledger.resolve")
            #expect(await eventually(within: .seconds(30)) { proxy.count("ledger.resolve") > tries + 20 })
            try await fixture.operation.script("GRANT EXECUTE ON FUNCTION ledger.resolve(uuid) TO gatepost_node")
            #expect(
                await eventually(within: .seconds(30)) {
                    (try? await fixture.operation.query("SELECT FROM gatepost.recipient WHERE owner_id IS NULL"))?.count
                        == 1
                })
            try await fixture.expectExact(acme, tally)
            await acceptor.shutdown()
            await owner.shutdown()
            proxy.release()
        }

        @Test func `what was in doubt is not forwarded from memory but claimed`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let owner = fixture.owner()
            try await owner.start()
            let isFirst = Atomic<Bool>(true)
            let proxy = CuttingProxy(to: fixture.database.cluster.port) { statement in
                statement == "accept" && isFirst.exchange(false, ordering: .relaxed) ? .cutBeforeReply : nil
            }
            let handed = Mutex<[String]>([])
            let acceptor = fixture.acceptor(
                through: proxy.port, owner: owner,
                onAccepted: { messages in
                    handed.withLock { $0 += messages.map { "\($0.id)" } }
                })
            let inDoubt = await acceptor.submit([try acme.request()])
            let after = await acceptor.submit([try acme.request()])
            #expect(inDoubt.acknowledged.count == 1)
            #expect(Set(handed.withLock { $0 }) == after.acknowledged)
            let queue = fixture.queue(owner)
            var claimed: [QueuedMessage] = []
            #expect(
                try await eventually {
                    claimed += try await queue.claim(maxMessages: 10, maxBytes: 1 << 20)
                    return !claimed.isEmpty
                })
            #expect(Set(claimed.map { "\($0.id)" }) == inDoubt.acknowledged)
            await acceptor.shutdown()
            await queue.shutdown()
            await owner.shutdown()
        }

        private static func waiters(_ fixture: Fixture) async -> Int {
            let rows = try? await fixture.operation.query(
                """
                SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                AND (query LIKE '%ledger.accept%' OR query LIKE '%ledger.resolve%')
                """)
            return rows?.count ?? -1
        }
    }
}
