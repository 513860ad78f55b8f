package import NIOCore

/// TLS handshakes under way, so many at a time: each holds several times the memory of the session it becomes.
///
/// Where all are taken, the one that has lasted longest gives way to the next if it has had ``patience``: whoever stalls
/// in the middle of his handshake keeps nobody out for longer. A quarter is kept for addresses from which somebody has
/// logged in, and a stranger's never ends one of theirs.
package struct HandshakeLimits<ID: Hashable & Sendable>: Sendable {
    package enum Verdict: Sendable, Hashable {
        case begun
        /// The other's connection is to be closed.
        case begunInsteadOf(ID)
        case tooMany
    }

    /// A round trip that takes longer than TCP's first retransmission time-out (RFC 6298 §2.1) is not one that goes well.
    package static var patience: TimeAmount { .seconds(1) }

    package var limit: Int
    private var known = LeastRecentlyUsed<ID, NIODeadline>(capacity: .max)
    private var strangers = LeastRecentlyUsed<ID, NIODeadline>(capacity: .max)

    package init(limit: Int) { self.limit = limit }

    package var count: Int { known.count + strangers.count }

    package mutating func begin(_ id: ID, isKnown: Bool, now: NIODeadline) -> Verdict {
        var displaced: ID?
        if count >= (isKnown ? limit : limit - limit / 4) {
            displaced = Self.giveWay(&strangers, now) ?? (isKnown ? Self.giveWay(&known, now) : nil)
            if displaced == nil { return .tooMany }
        }
        if isKnown { known.set(id, now) } else { strangers.set(id, now) }
        return displaced.map { .begunInsteadOf($0) } ?? .begun
    }

    /// It is complete, or its connection has ended. Of one that has given way, or never begun, nothing is left to end.
    package mutating func end(_ id: ID) {
        known.remove(id)
        strangers.remove(id)
    }

    private static func giveWay(_ underWay: inout LeastRecentlyUsed<ID, NIODeadline>, _ now: NIODeadline) -> ID? {
        guard let (id, since) = underWay.oldestEntry, now - since >= patience else { return nil }
        underWay.remove(id)
        return id
    }
}
