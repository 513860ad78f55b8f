import Glibc
import Ledger
import Postgres
import TestSupport
import Testing

extension LedgerSuite {
    /// A PostgreSQL of the test's own goes away under load and comes back.
    @Suite(.timeLimit(.minutes(10))) struct OutageTests {
        @Test func `stopped three ways under load, it is refused at once, back by itself, and all is exact`()
            async throws
        {
            let cluster = try await PrivateCluster.create()
            let database = PrivateDatabase(cluster: cluster, name: "postgres")
            try await Migrator.embedded.migrate(database.connection())
            let fixture = Fixture(database)
            let acme = try await fixture.tenant()
            let owner = fixture.owner()
            try await owner.start()
            let acceptor = fixture.acceptor(owner: owner)

            let load = Task {
                var tally = Tally()
                while !Task.isCancelled {
                    let requests = try (0..<20).map { _ in try acme.request() }
                    let part = await acceptor.submit(requests)
                    tally.acknowledged.formUnion(part.acknowledged)
                    tally.unknown += part.unknown
                    if part.unavailable > 0 { try? await Task.sleep(for: .milliseconds(5)) }
                }
                return tally
            }
            var stored = 0
            for signal in [SIGINT, SIGQUIT, SIGKILL] {
                #expect(await eventually { ((try? await fixture.truth(acme))?.stored.count ?? 0) > stored + 100 })
                try await onThread { cluster.stop(signal) }
                let asked = ContinuousClock.now
                let refused = await acceptor.submit([try acme.request()])
                #expect(refused.unavailable == 1)
                #expect(ContinuousClock.now - asked < .seconds(2))
                #expect(await eventually { !owner.mayFinish })

                try await onThread { try cluster.start() }
                #expect(await eventually(within: .seconds(10)) { await acceptor.submitOne(try? acme.request()) })
                #expect(await eventually(within: .seconds(10)) { owner.mayFinish })
                stored = try await fixture.truth(acme).stored.count
            }
            load.cancel()
            let tally = try await load.value
            #expect(tally.unknown == 0)
            let truth = try await fixture.truth(acme)
            #expect(tally.acknowledged.isSubset(of: truth.stored))
            #expect(truth.used == truth.storedRecipients && truth.ledger == truth.storedRecipients)
            await acceptor.shutdown()
            await owner.shutdown()
        }
    }
}

extension Acceptor {
    fileprivate func submitOne(_ request: AcceptRequest?) async -> Bool {
        guard let request, case .accepted = await submit(request) else { return false }
        return true
    }
}
