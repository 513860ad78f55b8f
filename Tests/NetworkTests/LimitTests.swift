import NIOCore
import Network
import Testing

/// THREATS §7: one address, many addresses, one octet a minute.
@Suite struct LimitTests {
    @Test func `an address has so many connections until somebody logs in on them`() {
        var limits = ConnectionLimits(.init(connections: 100, perAddress: 2))
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
        var limits = ConnectionLimits(.init(connections: 10, perAddress: 100))
        let (stranger, known) = (AddressGroup("192.0.2.1"), AddressGroup("192.0.2.2"))
        for _ in 0..<9 { #expect(limits.enter(from: stranger, isKnown: false) == .admitted) }
        #expect(limits.enter(from: stranger, isKnown: false) == .tooMany)
        #expect(limits.enter(from: known, isKnown: true) == .admitted)
        #expect(limits.enter(from: known, isKnown: true) == .tooMany)
    }

    @Test(arguments: [(40, 30), (256, 192), (1024, 768), (16_384, 16_128)])
    func `open files leave room for so many connections`(limit: Int, room: Int) {
        #expect(DescriptorRoom.connections(within: limit) == room)
        #expect(DescriptorRoom.connections(within: DescriptorRoom.limit(for: room)) >= room)
        var limits = ConnectionLimits(.init(connections: 10_000, perAddress: 20_000))
        let address = AddressGroup("192.0.2.1")
        let admitted = (0..<20_000).prefix { _ in
            limits.enter(from: address, isKnown: true, room: room) == .admitted
        }
        #expect(admitted.count == min(room, 10_000))
    }

    @Test func `strangers' handshakes leave a quarter, and make room for one another`() {
        let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
        var limits = HandshakeLimits<Int>(limit: 4)
        for id in 1...3 { #expect(limits.begin(id, isKnown: false, now: start + .milliseconds(Int64(id))) == .begun) }
        #expect(limits.begin(4, isKnown: false, now: start + .seconds(1)) == .tooMany)
        #expect(limits.begin(5, isKnown: true, now: start + .milliseconds(900)) == .begun)
        #expect(limits.begin(6, isKnown: true, now: start + .milliseconds(1_000)) == .tooMany)
        // 1 has had a second, then 2 and 3; nobody else's is theirs to end.
        #expect(limits.begin(7, isKnown: true, now: start + .milliseconds(1_001)) == .begunInsteadOf(1))
        #expect(limits.begin(8, isKnown: false, now: start + .milliseconds(1_002)) == .begunInsteadOf(2))
        limits.end(1)
        limits.end(2)
        #expect(limits.count == 4, "what gave way has ended before")
        limits.end(8)
        #expect(limits.begin(9, isKnown: true, now: start + .milliseconds(1_002)) == .begun)
        #expect(limits.begin(10, isKnown: true, now: start + .milliseconds(1_500)) == .begunInsteadOf(3))
        #expect(limits.begin(11, isKnown: false, now: start + .seconds(9)) == .tooMany)
        #expect(limits.begin(12, isKnown: true, now: start + .seconds(9)) == .begunInsteadOf(5))
        for id in [7, 9, 10, 12] { limits.end(id) }
        #expect(limits.count == 0)
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
        #expect(memory.oldestEntry?.key == 998)
        for key in [999, 0, 998, 1000] {
            memory.remove(key)
            #expect(memory.peek(key) == nil)
        }
        #expect(memory.oldestEntry == nil && memory.count == 0)
    }

    @Test func `what is removed leaves the order of the rest as it is`() {
        var memory = LeastRecentlyUsed<Int, Int>(capacity: 100)
        var expected: [Int] = []
        var seed: UInt64 = 1
        for _ in 0..<10_000 {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let key = Int(seed >> 33) % 40
            expected.removeAll { $0 == key }
            if seed >> 62 == 0 {
                memory.remove(key)
            } else {
                memory.set(key, key)
                expected.append(key)
            }
            #expect(memory.count == expected.count && memory.oldestEntry?.key == expected.first)
        }
        while let oldest = memory.oldestEntry {
            #expect(oldest.key == expected.removeFirst())
            memory.remove(oldest.key)
        }
        #expect(expected.isEmpty)
    }
}
