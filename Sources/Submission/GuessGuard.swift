import NIOCore
import Network
import Postgres
import Synchronization

/// Failed logins, counted for each address (IPv6: its /64) and each canonical login name, so that guessing gets slower
/// and slower (CWE-307). Pure: time is an argument; its memory is bounded.
///
/// It never locks anyone out. Past a limit, an address or name gets one attempt in two seconds, from all connections
/// together, and every connection ends after three failures. Whoever has logged in from an address before may do so
/// again from there, however often strangers have failed in his name.
struct GuessLedger {
    struct Figures: Hashable, Sendable {
        var perConnection = 5
        var perAddress = 100
        var perLogin = 30
    }

    enum Permission: Equatable {
        case attempt
        /// `454 4.7.0`: others are before him.
        case later
    }

    /// Counts halve in this time.
    static let halfLife = TimeAmount.minutes(10)
    /// Between two attempts of one that is past its limit.
    static let pace = TimeAmount.seconds(2)
    static let capacity = 50_000
    /// RFC 4954 §9: no connection ends before its third failure.
    static let fewest = 3

    fileprivate struct Count {
        var failures: Double
        var at: NIODeadline
        var lastAttempt: NIODeadline?
    }

    private struct Acquaintance: Hashable {
        let login: String
        let address: AddressGroup
    }

    var figures: Figures
    private var addresses = LeastRecentlyUsed<AddressGroup, Count>(capacity: capacity)
    private var logins = LeastRecentlyUsed<String, Count>(capacity: capacity)
    private var acquainted = LeastRecentlyUsed<Acquaintance, Bool>(capacity: capacity)
    private var knownAddresses = LeastRecentlyUsed<AddressGroup, Bool>(capacity: capacity)

    init(_ figures: Figures = Figures()) { self.figures = figures }

    /// Before a secret is looked at.
    mutating func permission(login: String, address: AddressGroup, now: NIODeadline) -> Permission {
        if acquainted.peek(Acquaintance(login: login, address: address)) != nil { return .attempt }
        let excess = excessive(login: login, address: address, now: now)
        guard excess.address || excess.login else { return .attempt }
        if excess.address, Self.isTooSoon(addresses.peek(address), now) { return .later }
        if excess.login, Self.isTooSoon(logins.peek(login), now) { return .later }
        if excess.address { addresses.touch(address, now) { $0.lastAttempt = now } }
        if excess.login { logins.touch(login, now) { $0.lastAttempt = now } }
        return .attempt
    }

    /// - Parameters:
    ///   - login: nil where none could be made out.
    ///   - onConnection: failures on this connection, this one included.
    /// - Returns: how long the answer waits, and whether the connection ends with it.
    mutating func failed(
        login: String?, address: AddressGroup, onConnection: Int, now: NIODeadline
    ) -> (delay: TimeAmount, ends: Bool) {
        addresses.touch(address, now) { $0.failures += 1 }
        if let login { logins.touch(login, now) { $0.failures += 1 } }
        let excess = excessive(login: login, address: address, now: now)
        let isOver = excess.address || excess.login
        let worst = max(Double(onConnection), isOver ? 5 : 0)
        // 0.1 s, 0.2 s, 0.4 s … 5 s.
        let milliseconds = min(5000, Int64(100 * Double(1 << Int(min(worst - 1, 6)))))
        let allowed = isOver ? Self.fewest : max(Self.fewest, figures.perConnection)
        return (.milliseconds(milliseconds), onConnection >= allowed)
    }

    mutating func succeeded(login: String, address: AddressGroup) {
        acquainted.set(Acquaintance(login: login, address: address), true)
        knownAddresses.set(address, true)
    }

    /// Whether somebody has logged in from there.
    func knows(_ address: AddressGroup) -> Bool { knownAddresses.peek(address) != nil }

    private func excessive(login: String?, address: AddressGroup, now: NIODeadline) -> (address: Bool, login: Bool) {
        (
            Self.decayed(addresses.peek(address), now) >= Double(figures.perAddress),
            Self.decayed(login.flatMap { logins.peek($0) }, now) >= Double(figures.perLogin)
        )
    }

    private static func isTooSoon(_ count: Count?, _ now: NIODeadline) -> Bool {
        guard let last = count?.lastAttempt else { return false }
        return now < last + pace
    }

    private static func decayed(_ count: Count?, _ now: NIODeadline) -> Double {
        guard let count else { return 0 }
        return count.failures * fraction(of: now - count.at)
    }

    /// Half for each half-life that is over, in a straight line within one.
    fileprivate static func fraction(of elapsed: TimeAmount) -> Double {
        let halves = Double(max(0, elapsed.nanoseconds)) / Double(halfLife.nanoseconds)
        guard halves < 40 else { return 0 }
        return (1 - (halves - halves.rounded(.down)) / 2) / Double(1 << Int(halves))
    }
}

extension LeastRecentlyUsed where Value == GuessLedger.Count {
    fileprivate mutating func touch(_ key: Key, _ now: NIODeadline, _ change: (inout GuessLedger.Count) -> Void) {
        var count = peek(key) ?? GuessLedger.Count(failures: 0, at: now)
        count.failures *= GuessLedger.fraction(of: now - count.at)
        count.at = now
        change(&count)
        set(key, count)
    }
}

/// A node's ledger of failures and its counts of connections, for all event loops.
package final class Doorkeeper: Sendable {
    private struct State {
        var guesses: GuessLedger
        var limits: ConnectionLimits
        var handshakes: HandshakeLimits<MessageID>
        /// Of the handshakes under way.
        var channels: [MessageID: any Channel] = [:]
    }

    private let state: Mutex<State>

    init(_ configuration: SubmissionConfiguration) {
        state = Mutex(
            State(
                guesses: GuessLedger(configuration.guesses), limits: ConnectionLimits(configuration.connectionLimits),
                handshakes: HandshakeLimits(limit: configuration.maxHandshakes)))
    }

    func change(_ configuration: SubmissionConfiguration) {
        state.withLock {
            $0.guesses.figures = configuration.guesses
            $0.limits.figures = configuration.connectionLimits
            $0.handshakes.limit = configuration.maxHandshakes
        }
    }

    func permission(login: String, address: AddressGroup) -> GuessLedger.Permission {
        state.withLock { $0.guesses.permission(login: login, address: address, now: .now()) }
    }

    func failed(login: String?, address: AddressGroup, onConnection: Int) -> (delay: TimeAmount, ends: Bool) {
        state.withLock {
            $0.guesses.failed(login: login, address: address, onConnection: onConnection, now: .now())
        }
    }

    func succeeded(login: String, address: AddressGroup) {
        state.withLock {
            $0.guesses.succeeded(login: login, address: address)
            $0.limits.authenticated(from: address)
        }
    }

    func enter(from address: AddressGroup) -> ConnectionLimits.Verdict {
        let room = DescriptorRoom.connections()
        return state.withLock { $0.limits.enter(from: address, isKnown: $0.guesses.knows(address), room: room) }
    }

    func leave(from address: AddressGroup, wasAuthenticated: Bool) {
        state.withLock { $0.limits.leave(from: address, wasAuthenticated: wasAuthenticated) }
    }

    /// Whether somebody has logged in from there.
    func knows(_ address: AddressGroup) -> Bool { state.withLock { $0.guesses.knows(address) } }

    /// - Returns: false where too many are under way, and none of them long enough to give way.
    func beginHandshake(of session: MessageID, from address: AddressGroup, on channel: any Channel) -> Bool {
        let (isBegun, displaced) = state.withLock { state -> (Bool, (any Channel)?) in
            let isKnown = state.guesses.knows(address)
            let verdict = state.handshakes.begin(session, isKnown: isKnown, now: .now())
            if verdict == .tooMany { return (false, nil) }
            state.channels[session] = channel
            guard case .begunInsteadOf(let other) = verdict else { return (true, nil) }
            return (true, state.channels.removeValue(forKey: other))
        }
        displaced?.pipeline.fireUserInboundEventTriggered(HandshakeDisplaced())
        return isBegun
    }

    func endHandshake(of session: MessageID) {
        state.withLock {
            $0.handshakes.end(session)
            $0.channels[session] = nil
        }
    }

    var connections: Int { state.withLock { $0.limits.connections } }
}

/// Sent to a channel whose handshake has given way to another.
struct HandshakeDisplaced: Sendable {}
