package import NIOCore

/// How slowly a message may come (THREATS, "one octet a minute"): so many octets a second on the average, after a
/// minute's grace. Time in which we were the ones that did not read does not count. Pure; time is an argument.
package struct MinimumRate: Sendable {
    package static let grace = TimeAmount.seconds(60)

    private let octetsPerSecond: Int
    private var began: NIODeadline
    private var octets = 0
    private var pausedAt: NIODeadline?

    package init(octetsPerSecond: Int, now: NIODeadline) {
        self.octetsPerSecond = octetsPerSecond
        began = now
    }

    package mutating func received(_ count: Int) { octets += count }

    package mutating func pause(now: NIODeadline) { pausedAt = pausedAt ?? now }

    package mutating func resume(now: NIODeadline) {
        guard let pausedAt else { return }
        began = began + (now - pausedAt)
        self.pausedAt = nil
    }

    /// Until when the client has paid for; nil while we are the ones not reading.
    package var paidUntil: NIODeadline? {
        guard pausedAt == nil else { return nil }
        // Ten years is enough, and adds up to no overflow.
        let seconds = min(Int64(octets) / Int64(max(1, octetsPerSecond)), 315_360_000)
        return began + Self.grace + .seconds(seconds)
    }

    package func isTooSlow(now: NIODeadline) -> Bool { paidUntil.map { $0 < now } ?? false }
}
