package import Postgres

/// What one look at `ledger.owners` shows of a lease holder.
package struct OwnerSighting: Sendable, Hashable {
    package var id: MessageID
    package var renewals: Int64
    /// Its session's advisory lock is held.
    package var isLocked: Bool
    /// Its last renewal was written on this very server since its start: only then does a free lock mean anything.
    package var isOnThisServer: Bool

    package init(id: MessageID, renewals: Int64, isLocked: Bool, isOnThisServer: Bool) {
        self.id = id
        self.renewals = renewals
        self.isLocked = isLocked
        self.isOnThisServer = isOnThisServer
    }
}

/// Decides which owners are lost (LEDGER, "Leases"): by looking at them twice, never by trying their locks.
package struct LostOwners: Sendable {
    package static let freeLockFor = Duration.seconds(10)
    package static let standsStillFor = Duration.seconds(300)

    private struct Watch {
        var renewals: Int64
        var since: ContinuousClock.Instant
        /// First seen without its lock, at this count.
        var unlockedSince: ContinuousClock.Instant?
    }

    private var watched: [MessageID: Watch] = [:]

    package init() {}

    /// The owners to be freed, each at the count it was seen lost at. `now` is this looker's own clock.
    package mutating func observe(
        _ sightings: [OwnerSighting], now: ContinuousClock.Instant
    ) -> [OwnerSighting] {
        var lost: [OwnerSighting] = []
        var next: [MessageID: Watch] = [:]
        for sighting in sightings {
            var watch = watched[sighting.id] ?? Watch(renewals: sighting.renewals, since: now)
            if watch.renewals != sighting.renewals { watch = Watch(renewals: sighting.renewals, since: now) }
            if sighting.isLocked || !sighting.isOnThisServer {
                watch.unlockedSince = nil
            } else if watch.unlockedSince == nil {
                watch.unlockedSince = now
            }
            let isUnlocked = watch.unlockedSince.map { now - $0 >= Self.freeLockFor } ?? false
            if isUnlocked || now - watch.since >= Self.standsStillFor { lost.append(sighting) }
            next[sighting.id] = watch
        }
        watched = next
        return lost
    }

    /// Whether some owner must be looked at again before it can be judged.
    package var hasSuspects: Bool { watched.values.contains { $0.unlockedSince != nil } }
}
