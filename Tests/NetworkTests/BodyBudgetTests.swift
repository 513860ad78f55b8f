import Network
import Synchronization
import Testing

/// THREATS §7, "1,000 × 100 MB bodies": one budget, the oldest first, nobody starves.
@Suite struct BodyBudgetTests {
    static let mebibyte = 1 << 20

    /// A client that sends in pieces whenever it may.
    final class Sender {
        let size: Int
        let claim: BodyClaim
        var sent = 0
        var isCommitted = false

        init(_ budget: BodyBudget, size: Int, declares: Bool) {
            let held = Held()
            claim = budget.begin(declared: declares ? size : nil) { held.value.store(false, ordering: .relaxed) }
            self.size = size
            self.held = held
        }

        final class Held: Sendable { let value = Atomic(false) }
        private let held: Held

        /// One read's worth; false when nothing could be done.
        func step(_ piece: Int = 16 * 1024) -> Bool {
            guard !isCommitted, !held.value.load(ordering: .relaxed) else { return false }
            if sent == size {
                claim.complete()
                claim.finish()
                isCommitted = true
                return true
            }
            sent = min(size, sent + piece)
            if !claim.grow(to: sent) { held.value.store(true, ordering: .relaxed) }
            // A wake-up may have come inside grow.
            return true
        }
    }

    @Test(arguments: [true, false])
    func `five hundred big messages all get through, within the budget and one message`(declares: Bool) {
        let (limit, size) = (64 * Self.mebibyte, 6 * Self.mebibyte)
        let budget = BodyBudget(limit: limit)
        var generator = SeededGenerator(seed: 7)
        var senders = (0..<500).map { _ in Sender(budget, size: size, declares: declares) }
        var rounds = 0
        while !senders.isEmpty {
            senders.shuffle(using: &generator)
            var moved = false
            for sender in senders where sender.step(256 * 1024) { moved = true }
            senders.removeAll { $0.isCommitted }
            rounds += 1
            guard moved else {
                Issue.record("nobody can go on: \(senders.count) left, \(budget.held) held, \(budget.waiting) wait")
                return
            }
        }
        #expect(budget.held == 0)
        #expect(budget.waiting == 0)
        // One read of each may lie above the promise.
        #expect(budget.highestHeld <= limit + size + 500 * 256 * 1024, "\(budget.highestHeld)")
    }

    @Test func `the one that began first is let on first, however small the others are`() {
        let budget = BodyBudget(limit: 10 * Self.mebibyte)
        let order = Mutex<[String]>([])
        func begin(_ name: String, _ size: Int) -> BodyClaim {
            budget.begin(declared: size) { order.withLock { $0.append(name) } }
        }
        let first = begin("first", 8 * Self.mebibyte)
        let big = begin("big", 9 * Self.mebibyte)
        let small = begin("small", 2 * Self.mebibyte)
        #expect(first.grow(to: 40_000))
        #expect(!big.grow(to: 40_000))
        #expect(!small.grow(to: 40_000))
        first.finish()
        #expect(order.withLock { $0 } == ["big"])
        big.finish()
        #expect(order.withLock { $0 } == ["big", "small"])
        small.finish()
        #expect(budget.held == 0)
    }

    @Test func `a client that makes no use of its promise loses it to those that wait`() {
        let budget = BodyBudget(limit: 10 * Self.mebibyte)
        let woken = Mutex(false)
        let slow = budget.begin(declared: 9 * Self.mebibyte) {}
        #expect(slow.grow(to: 100_000))
        let other = budget.begin(declared: 5 * Self.mebibyte) { woken.withLock { $0 = true } }
        #expect(!other.grow(to: 100_000))
        budget.reviewPromises()
        budget.reviewPromises()
        #expect(woken.withLock { $0 })
        // What it holds it keeps, and waits when it goes on.
        #expect(!slow.grow(to: 200_000))
        other.finish()
        slow.finish()
    }

    @Test func `small messages need no promise, and others' memory counts`() {
        let budget = BodyBudget(limit: 10 * Self.mebibyte)
        #expect(budget.take(10 * Self.mebibyte - 50_000))
        #expect(!budget.take(100_000))
        let small = budget.begin(declared: nil) {}
        #expect(small.grow(to: 20_000))
        budget.giveBack(10 * Self.mebibyte - 50_000)
        small.finish()
        #expect(budget.held == 0)
    }

    @Test func `a claim that is dropped gives back what it held`() {
        let budget = BodyBudget(limit: Self.mebibyte)
        do {
            let claim = budget.begin(declared: 500_000) {}
            #expect(claim.grow(to: 400_000))
            #expect(budget.held == 400_000)
        }
        #expect(budget.held == 0)
    }
}

struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ (state >> 29)
    }
}
