import NIOCore
import Network

/// The message a session is taking: its part of the process's memory, and how fast it must come.
struct BodyProgress {
    /// `SIZE=` of MAIL.
    var declared: Int?
    private var claim: BodyClaim?
    private var rate: MinimumRate?
    /// The budget is used up: nothing is read until the wake-up.
    private(set) var isHeld = false

    var isTooSlow: Bool { rate?.isTooSlow(now: .now()) ?? false }
    /// Until when the client may be silent by the minimum rate; nil where none counts.
    var paidUntil: NIODeadline? { rate?.paidUntil }

    mutating func received(_ count: Int) { rate?.received(count) }

    /// After each step of the dialogue. `makeWake` is asked where a body begins; what it makes is called, from any
    /// thread, after `isHeld` has become true.
    mutating func update(
        isReceiving: Bool, isDeciding: Bool, held: Int, budget: BodyBudget, rate octetsPerSecond: Int,
        makeWake: () -> @Sendable () -> Void
    ) {
        if isReceiving {
            rate = rate ?? MinimumRate(octetsPerSecond: octetsPerSecond, now: .now())
        } else {
            rate = nil
        }
        if isDeciding {
            claim?.complete()
        } else if isReceiving || held > BodyBudget.allowance {
            let claim = claim ?? budget.begin(declared: declared, wake: makeWake())
            self.claim = claim
            if !claim.grow(to: held) {
                isHeld = true
                rate?.pause(now: .now())
            }
        } else {
            end()
        }
    }

    mutating func resume() {
        isHeld = false
        rate?.resume(now: .now())
    }

    /// The verdict is known, or the session is over.
    mutating func end() {
        claim?.finish()
        claim = nil
        isHeld = false
    }
}
