/// When a recipient that was deferred is tried again, and when it is given up.
package struct RetrySchedule: Sendable {
    /// The wait after the first, second, … attempt; the last one repeats.
    package let waits: [Duration]
    /// How long after acceptance a recipient that still cannot be delivered bounces (RFC 5321 §4.5.4.1: 4–5 days).
    package let expiry: Duration

    /// - Precondition: `waits` is not empty.
    package init(waits: [Duration], expiry: Duration) {
        precondition(!waits.isEmpty, "a schedule without waits")
        self.waits = waits
        self.expiry = expiry
    }

    /// RFC 5321 §4.5.4.1 asks for 30 minutes between attempts, after a few quick ones.
    package static let standard = RetrySchedule(
        waits: [
            .seconds(60), .seconds(300), .seconds(900), .seconds(1800), .seconds(3600), .seconds(7200),
            .seconds(14400),
        ], expiry: .seconds(5 * 86_400))

    /// The wait before the next attempt.
    ///
    /// - Parameters:
    ///   - attempts: how many have failed so far, at least 1.
    ///   - jitter: 0 to 1, chosen at random: spreads the wait by ±10 %, so that one outage is not answered by one wave.
    package func wait(after attempts: Int, jitter: Double) -> Duration {
        let base = waits[min(max(attempts, 1), waits.count) - 1]
        return base * (0.9 + 0.2 * min(max(jitter, 0), 1))
    }
}
