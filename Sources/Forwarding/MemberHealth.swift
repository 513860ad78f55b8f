#if PLANTED_FAULTS
    import Postgres
#endif

/// Whether a pool member may be tried: it is left alone after a failure, ever longer, and comes back by itself.
package struct MemberHealth: Sendable, Equatable {
    private static let firstPause = Duration.seconds(1)
    /// Mail flows again within 5 s of a relay's return: so long until it is asked, as long again for what was given back
    /// just before.
    package static let longestPause = Duration.seconds(2)
    /// A probe that takes longer holds nobody up any more: its connection may be to a relay that has gone.
    private static let patience = Duration.seconds(2)

    private var failures = 0
    private var resumesAt: Duration = .zero
    /// One connection at a time finds out whether a member that failed is back: since when.
    private var probedSince: Duration?

    package init() {}

    package var isFailing: Bool { failures > 0 }

    /// May a message be sent that way at this time (any clock that only goes forward)?
    package func isAvailable(at now: Duration) -> Bool {
        failures == 0 || (now >= resumesAt && !isBeingProbed(at: now))
    }

    /// Whether it will soon be known if the member is back.
    package func isBeingProbed(at now: Duration) -> Bool { probedSince.map { now - $0 < Self.patience } ?? false }

    /// A message was given to the member; after a failure this is the one probe.
    package mutating func tried(at now: Duration) {
        if failures > 0 { probedSince = now }
    }

    package mutating func succeeded() { self = MemberHealth() }

    /// What was given to the member came to nothing that says anything of it: the next one is the probe.
    package mutating func learnedNothing() { probedSince = nil }

    package mutating func failed(at now: Duration) {
        failures += 1
        probedSince = nil
        let doublings = min(failures - 1, 5)
        resumesAt = now + min(Self.firstPause * (1 << doublings), Self.longestPause)
        #if PLANTED_FAULTS
            if Planted.active == .relayGivenUp { resumesAt = .seconds(Int64.max / 4) }
        #endif
    }

    /// When a member that failed may be tried again.
    package var nextTry: Duration? { failures > 0 ? resumesAt : nil }
}
