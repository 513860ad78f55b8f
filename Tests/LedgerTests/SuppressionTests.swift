import Ledger
import Postgres
import SMTP
import Synchronization
import TestSupport
import Testing

extension LedgerSuite {
    /// Whom accept dropped, nobody sends to: neither from memory nor after a doubt.
    @Suite struct SuppressionTests {
        private func suppress(_ fixture: Fixture, _ addresses: String) async throws {
            try await fixture.operation.query(
                "SELECT admin.suppression_add('tester', 'acme', $1::text::text[], 'hard bounce', NULL)",
                [.text(addresses)])
        }

        @Test func `who was dropped is not in what the forwarder gets from memory`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            try await suppress(fixture, "{b@x.example, d@x.example}")
            let owner = fixture.owner()
            try await owner.start()
            let handed = Mutex<[[String]]>([])
            let acceptor = fixture.acceptor(
                owner: owner,
                onAccepted: { messages in
                    handed.withLock {
                        $0 += messages.map { $0.recipients.map { "\($0.number) \($0.envelope.mailbox)" } }
                    }
                })
            let to = ["a@x.example", "B@x.example", "c@x.example", "d@x.example", "e@x.example"]
            guard case .accepted = await acceptor.submit(try acme.request(to: to)) else {
                Issue.record("not accepted")
                return
            }
            #expect(handed.withLock { $0 } == [["1 a@x.example", "3 c@x.example", "5 e@x.example"]])
            let truth = try await fixture.truth(acme)
            #expect(truth.storedRecipients == 3 && truth.used == 3 && truth.ledger == 3)

            guard case .refused(let refusal) = await acceptor.submit(try acme.request(to: ["d@x.example"])) else {
                Issue.record("a message to nobody was accepted")
                return
            }
            #expect(refusal.verdict == .suppressed && refusal.used == 1)
            #expect(refusal.detail == "d@x.example: hard bounce")
            #expect(handed.withLock { $0.count } == 1)
            #expect(try await fixture.truth(acme).stored.count == 1)
            await acceptor.shutdown()
            await owner.shutdown()
        }

        @Test func `after a doubt the others are claimed, and only they`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            try await suppress(fixture, "{a@x.example}")
            let owner = fixture.owner()
            try await owner.start()
            let isFirst = Atomic<Bool>(true)
            let proxy = CuttingProxy(to: fixture.database.cluster.port) { statement in
                statement == "accept" && isFirst.exchange(false, ordering: .relaxed) ? .cutBeforeReply : nil
            }
            let acceptor = fixture.acceptor(through: proxy.port, owner: owner)
            let tally = await acceptor.submit([try acme.request(to: ["a@x.example", "b@x.example"])])
            #expect(tally.acknowledged.count == 1)
            let queue = fixture.queue(owner)
            var claimed: [QueuedMessage] = []
            #expect(
                try await eventually {
                    claimed += try await queue.claim(maxMessages: 10, maxBytes: 1 << 20)
                    return !claimed.isEmpty
                })
            #expect(claimed.map { $0.recipients.map { "\($0.number) \($0.envelope.mailbox)" } } == [["2 b@x.example"]])
            try await fixture.expectExact(acme, tally)
            await acceptor.shutdown()
            await queue.shutdown()
            await owner.shutdown()
        }
    }
}
