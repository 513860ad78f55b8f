import NIOCore
import Network
import Testing

/// THREATS §7: one address, many addresses, one octet a minute.
@Suite struct LimitTests {
    @Test func `an address has so many connections until somebody logs in on them`() {
        var limits = ConnectionLimits(.init(connections: 100, perAddress: 2, handshakes: 8))
        let address = AddressGroup("192.0.2.1")
        #expect(limits.enter(from: address, isKnown: false) == .admitted)
        #expect(limits.enter(from: address, isKnown: false) == .admitted)
        #expect(limits.enter(from: address, isKnown: false) == .tooManyFromAddress)
        #expect(limits.enter(from: AddressGroup("192.0.2.2"), isKnown: false) == .admitted)
        limits.authenticated(from: address)
        #expect(limits.enter(from: address, isKnown: false) == .admitted)
        limits.leave(from: address, wasAuthenticated: true)
        for _ in 0..<2 { limits.leave(from: address, wasAuthenticated: false) }
        limits.leave(from: AddressGroup("192.0.2.2"), wasAuthenticated: false)
        #expect((limits.connections, limits.countedAddresses) == (0, 0))
    }

    @Test func `strangers cannot fill the house`() {
        var limits = ConnectionLimits(.init(connections: 10, perAddress: 100, handshakes: 4))
        let (stranger, known) = (AddressGroup("192.0.2.1"), AddressGroup("192.0.2.2"))
        for _ in 0..<9 { #expect(limits.enter(from: stranger, isKnown: false) == .admitted) }
        #expect(limits.enter(from: stranger, isKnown: false) == .tooMany)
        #expect(limits.enter(from: known, isKnown: true) == .admitted)
        #expect(limits.enter(from: known, isKnown: true) == .tooMany)
        for _ in 0..<3 { #expect(limits.beginHandshake(isKnown: false) == true) }
        #expect(limits.beginHandshake(isKnown: false) == false)
        #expect(limits.beginHandshake(isKnown: true) == true)
        limits.endHandshake()
        limits.endHandshake()
        #expect(limits.beginHandshake(isKnown: false) == true)
    }

    @Test func `an IPv6 network of 64 bits is one address, and IPv4 in IPv6 is IPv4`() {
        #expect(AddressGroup("2001:db8:1:2::1") == AddressGroup("2001:db8:1:2:ffff::9"))
        #expect(AddressGroup("2001:db8:1:2::1") != AddressGroup("2001:db8:1:3::1"))
        #expect(AddressGroup("::ffff:192.0.2.1") == AddressGroup("192.0.2.1"))
        #expect(AddressGroup("192.0.2.1") != AddressGroup("192.0.2.2"))
    }

    @Test func `a message must come at the rate, and our own pauses do not count`() {
        let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
        var rate = MinimumRate(octetsPerSecond: 100, now: start)
        #expect(!rate.isTooSlow(now: start + .seconds(60)))
        #expect(rate.isTooSlow(now: start + .seconds(61)))
        rate.received(1000)
        #expect(!rate.isTooSlow(now: start + .seconds(70)))
        #expect(rate.isTooSlow(now: start + .seconds(71)))
        rate.pause(now: start + .seconds(65))
        #expect(!rate.isTooSlow(now: start + .seconds(500)))
        rate.resume(now: start + .seconds(500))
        #expect(!rate.isTooSlow(now: start + .seconds(505)))
        #expect(rate.isTooSlow(now: start + .seconds(506)))
    }

    @Test func `what was touched longest ago makes room`() {
        var memory = LeastRecentlyUsed<Int, String>(capacity: 3)
        for number in 1...3 { memory.set(number, "\(number)") }
        memory.set(1, "one")
        memory.set(4, "4")
        #expect((1...4).map { memory.peek($0) } == ["one", nil, "3", "4"])
        for number in 5...1000 { memory.set(number, "") }
        #expect(memory.count == 3)
        #expect(memory.peek(1000) != nil)
    }
}
