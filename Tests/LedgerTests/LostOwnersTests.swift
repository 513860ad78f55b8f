import Ledger
import Postgres
import Testing

/// LEDGER, "Leases": who is lost, by the looker's own clock.
@Suite struct LostOwnersTests {
    private let start = ContinuousClock.now
    private let id = MessageID(high: 1, low: 1)

    private func seen(_ renewals: Int64, locked: Bool = true, here: Bool = true) -> [OwnerSighting] {
        [OwnerSighting(id: id, renewals: renewals, isLocked: locked, isOnThisServer: here)]
    }

    @Test func `a free lock seen twice, ten seconds apart, is a lost owner`() {
        var lost = LostOwners()
        #expect(lost.observe(seen(5, locked: false), now: start).isEmpty)
        #expect(lost.hasSuspects)
        #expect(lost.observe(seen(5, locked: false), now: start + .seconds(9)).isEmpty)
        #expect(lost.observe(seen(5, locked: false), now: start + .seconds(10)) == seen(5, locked: false))
    }

    @Test func `a renewal or a lock in between clears the suspicion`() {
        var lost = LostOwners()
        _ = lost.observe(seen(5, locked: false), now: start)
        #expect(lost.observe(seen(6, locked: false), now: start + .seconds(10)).isEmpty)
        _ = lost.observe(seen(6), now: start + .seconds(15))
        #expect(lost.observe(seen(6, locked: false), now: start + .seconds(20)).isEmpty)
        #expect(lost.observe(seen(6, locked: false), now: start + .seconds(29)).isEmpty)
    }

    @Test func `a free lock says nothing on another server than the one it was renewed on`() {
        var lost = LostOwners()
        _ = lost.observe(seen(5, locked: false, here: false), now: start)
        #expect(lost.observe(seen(5, locked: false, here: false), now: start + .seconds(299)).isEmpty)
    }

    @Test func `renewals that stand still for five minutes are a lost owner, whatever its lock`() {
        var lost = LostOwners()
        _ = lost.observe(seen(5), now: start)
        #expect(lost.observe(seen(5), now: start + .seconds(299)).isEmpty)
        #expect(lost.observe(seen(5), now: start + .seconds(300)) == seen(5))
    }

    @Test func `an owner that has gone is forgotten`() {
        var lost = LostOwners()
        _ = lost.observe(seen(5, locked: false), now: start)
        #expect(lost.observe([], now: start + .seconds(5)).isEmpty)
        #expect(lost.observe(seen(5, locked: false), now: start + .seconds(11)).isEmpty)
    }
}
