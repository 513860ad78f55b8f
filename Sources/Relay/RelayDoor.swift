import Network
import Synchronization

/// Who may come in at a relay: its port is public, and strangers must not fill the house.
///
/// Those who have shown no certificate of the pool's are few at a time from one address, and short of all by a tenth, which is
/// kept for addresses that have shown one before.
final class RelayDoor: Sendable {
    /// Connections from one address that have not shown a certificate yet, where none has been shown from it before.
    static let perAddress = 100

    private struct State {
        var limits: ConnectionLimits
        var known = LeastRecentlyUsed<AddressGroup, Bool>(capacity: 10_000)
    }

    private let state: Mutex<State>

    init(connections: Int) {
        state = Mutex(State(limits: ConnectionLimits(.init(connections: connections, perAddress: Self.perAddress))))
    }

    func enter(from address: AddressGroup) -> ConnectionLimits.Verdict {
        state.withLock { state in
            let isKnown = state.known.peek(address) != nil
            return state.limits.enter(from: address, isKnown: isKnown, isLimitedAlone: !isKnown)
        }
    }

    /// It has shown a certificate of the pool's.
    func proved(from address: AddressGroup) {
        state.withLock { state in
            state.limits.authenticated(from: address)
            state.known.set(address, true)
        }
    }

    func leave(from address: AddressGroup, hadProved: Bool) {
        state.withLock { $0.limits.leave(from: address, wasAuthenticated: hadProved) }
    }
}
