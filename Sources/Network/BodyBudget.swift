import Synchronization

/// The memory for messages that a process may hold at a time: one budget for all sessions, from the first octet of a
/// body to the commit's verdict, and for what else holds bodies.
///
/// A body takes a promise of its whole size before it grows past a small allowance, and waits where that does not fit:
/// in the order in which bodies began, so that big ones are not starved by small ones. So there are never more half
/// bodies than can all become whole, but for those whose size nobody announced: where nobody who has a promise can go
/// on, the oldest that waits is let through whatever is left. A promise that its client makes no use of while others
/// wait is taken back. What is held stays within the limit and one largest message.
package final class BodyBudget: Sendable {
    /// What each body may hold without a promise.
    package static let allowance = 32 * 1024
    /// What a body of unknown size is promised first.
    static let firstGuess = 256 * 1024

    fileprivate struct Claim {
        var held = 0
        var promised = 0
        var isWaiting = false
        /// All of it has come, and its verdict will free it.
        var isComplete = false
        var wanted = 0
        /// Octets since the last look, for telling who makes no use of a promise.
        var moved = 0
        let wake: @Sendable () -> Void
    }

    fileprivate struct State {
        var claims: [UInt64: Claim] = [:]
        /// Those that wait, oldest first.
        var queue: [UInt64] = []
        var next: UInt64 = 0
        var held = 0
        var promised = 0  // of each claim the greater of what it holds and what it was promised
        var others = 0
        var highest = 0
    }

    private let limit: Mutex<Int>
    private let state = Mutex(State())

    package init(limit: Int) { self.limit = Mutex(limit) }

    package func setLimit(_ octets: Int) {
        limit.withLock { $0 = octets }
        wakeWhoFits()
    }

    /// Octets held now, by sessions and others.
    package var held: Int { state.withLock { $0.held + $0.others } }
    package var highestHeld: Int { state.withLock { $0.highest } }
    package var waiting: Int { state.withLock { $0.queue.count } }

    /// A body begins. `wake` is called, from any thread, when one that was told to wait may go on.
    package func begin(declared: Int?, wake: @escaping @Sendable () -> Void) -> BodyClaim {
        let id = state.withLock { state in
            state.next += 1
            state.claims[state.next] = Claim(wanted: declared ?? 0, wake: wake)
            return state.next
        }
        return BodyClaim(id: id, budget: self, declared: declared)
    }

    /// Memory for a body outside a session, as a forwarder holds it: taken if it fits, else the caller must do without.
    package func take(_ octets: Int) -> Bool {
        let limit = limit.withLock { $0 }
        return state.withLock { state in
            guard state.promised + state.others + octets <= limit, state.queue.isEmpty else { return false }
            state.others += octets
            state.highest = max(state.highest, state.held + state.others)
            return true
        }
    }

    /// The same without asking: for what a forwarder has fetched already.
    package func hold(_ octets: Int) {
        state.withLock { state in
            state.others += octets
            state.highest = max(state.highest, state.held + state.others)
        }
    }

    /// Whether there is nothing left, or somebody waits: not the time to fetch more.
    package var isUsedUp: Bool {
        let limit = limit.withLock { $0 }
        return state.withLock { $0.promised + $0.others >= limit || !$0.queue.isEmpty }
    }

    package func giveBack(_ octets: Int) {
        state.withLock { $0.others -= octets }
        wakeWhoFits()
    }

    /// Takes promises back from those who make no use of them while others wait. Call it every few seconds.
    package func reviewPromises() {
        state.withLock { state in
            guard !state.queue.isEmpty else {
                for id in state.claims.keys { state.claims[id]?.moved = 0 }
                return
            }
            for (id, claim) in state.claims where !claim.isWaiting {
                if claim.moved < 64 * 1024, claim.promised > claim.held {
                    state.promised -= claim.promised - claim.held
                    state.claims[id]?.promised = claim.held
                }
                state.claims[id]?.moved = 0
            }
        }
        wakeWhoFits()
    }

    // MARK: For claims

    /// The body has grown to `size` and may become `expected`. False: read no more until `wake`.
    fileprivate func grow(_ id: UInt64, to size: Int, expected: Int) -> Bool {
        let limit = limit.withLock { $0 }
        let (goesOn, wakes) = state.withLock { state -> (Bool, [@Sendable () -> Void]) in
            guard var claim = state.claims[id] else { return (true, []) }
            let before = max(claim.held, claim.promised)
            state.held += size - claim.held
            claim.moved += size - claim.held
            claim.held = size
            state.promised += max(claim.held, claim.promised) - before
            state.highest = max(state.highest, state.held + state.others)
            claim.wanted = max(expected, size)
            defer { state.claims[id] = claim }
            if claim.isWaiting { return (false, []) }
            let isSmall = size <= Self.allowance && state.promised + state.others <= limit
            if claim.promised > size || isSmall { return (true, []) }
            // Whoever began before and waits goes first.
            let more = claim.wanted - max(claim.held, claim.promised)
            if state.queue.isEmpty, state.promised + state.others + more <= limit {
                claim.promised = claim.wanted
                state.promised += more
                return (true, [])
            }
            claim.isWaiting = true
            let place = state.queue.firstIndex { $0 > id } ?? state.queue.count
            state.queue.insert(id, at: place)
            state.claims[id] = claim
            let wakes = state.admit(within: limit)
            claim = state.claims[id] ?? claim
            return (!claim.isWaiting, wakes)
        }
        for wake in wakes { wake() }
        return goesOn
    }

    fileprivate func finish(_ id: UInt64) {
        state.withLock { state in
            guard let claim = state.claims.removeValue(forKey: id) else { return }
            state.held -= claim.held
            state.promised -= max(claim.held, claim.promised)
            if claim.isWaiting { state.queue.removeAll { $0 == id } }
        }
        wakeWhoFits()
    }

    /// All of it has come: nothing more is expected.
    fileprivate func complete(_ id: UInt64) {
        state.withLock { state in
            guard let claim = state.claims[id] else { return }
            state.promised -= max(claim.held, claim.promised) - claim.held
            state.claims[id]?.promised = 0
            state.claims[id]?.isComplete = true
        }
        wakeWhoFits()
    }

    private func wakeWhoFits() {
        let limit = limit.withLock { $0 }
        let wakes = state.withLock { $0.admit(within: limit) }
        for wake in wakes { wake() }
    }
}

extension BodyBudget.State {
    /// Lets those go on that fit, the oldest first; and where nobody else can go on, the oldest in any case.
    fileprivate mutating func admit(within limit: Int) -> [@Sendable () -> Void] {
        var wakes: [@Sendable () -> Void] = []
        while let id = queue.first, var claim = claims[id] {
            let more = claim.wanted - max(claim.held, claim.promised)
            let isAnyoneGoingOn = claims.values.contains { $0.isComplete || (!$0.isWaiting && $0.promised > $0.held) }
            guard promised + others + more <= limit || !isAnyoneGoingOn else { break }
            claim.promised = claim.wanted
            promised += max(0, more)
            claim.isWaiting = false
            claim.moved = 0
            claims[id] = claim
            queue.removeFirst()
            wakes.append(claim.wake)
        }
        return wakes
    }
}

/// One body's part of the budget, given back by `finish()` or when it goes.
package final class BodyClaim: Sendable {
    private let id: UInt64
    private let budget: BodyBudget
    private let declared: Int?

    fileprivate init(id: UInt64, budget: BodyBudget, declared: Int?) {
        self.id = id
        self.budget = budget
        self.declared = declared
    }

    deinit { budget.finish(id) }

    /// The body has `size` octets now. False: read no more until the wake-up.
    package func grow(to size: Int) -> Bool {
        let expected =
            declared.map { $0 > size ? $0 : size + BodyBudget.firstGuess } ?? max(BodyBudget.firstGuess, size * 2)
        return budget.grow(id, to: size, expected: expected)
    }

    /// All of it has come.
    package func complete() { budget.complete(id) }

    /// The verdict is known: nothing is held any more.
    package func finish() { budget.finish(id) }
}
