/// Whether a pool member may be tried: it is left alone after a failure, ever longer, and comes back by itself.
package struct MemberHealth: Sendable, Equatable {
    private static let firstPause = Duration.seconds(1)
    private static let longestPause = Duration.seconds(5)

    private var failures = 0
    private var resumesAt: Duration = .zero
    /// One connection at a time finds out whether a member that failed is back.
    private var isProbing = false
    private var probeBegan: Duration = .zero
    /// A probe that takes longer holds nobody up any more.
    private static let patience = Duration.seconds(10)

    package init() {}

    package var isFailing: Bool { failures > 0 }

    /// May a message be sent that way at this time (any clock that only goes forward)?
    package func isAvailable(at now: Duration) -> Bool {
        failures == 0 || (now >= resumesAt && !isProbing)
    }

    /// Whether it will soon be known if the member is back.
    package func isBeingProbed(at now: Duration) -> Bool { isProbing && now - probeBegan < Self.patience }

    /// A message was given to the member; after a failure this is the one probe.
    package mutating func tried(at now: Duration = .zero) {
        guard failures > 0 else { return }
        isProbing = true
        probeBegan = now
    }

    package mutating func succeeded() { self = MemberHealth() }

    /// What was given to the member came to nothing that says anything of it: the next one is the probe.
    package mutating func learnedNothing() { isProbing = false }

    package mutating func failed(at now: Duration) {
        failures += 1
        isProbing = false
        let doublings = min(failures - 1, 5)
        resumesAt = now + min(Self.firstPause * (1 << doublings), Self.longestPause)
    }

    /// When the member may be tried again, for the timer that wakes the pool.
    package var nextTry: Duration? { failures > 0 && !isProbing ? resumesAt : nil }
}
