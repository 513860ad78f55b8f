import DequeModule
import Glibc
import NIOCore
import Postgres

/// Keeps TLS handshakes from taking the time of sessions that are open: a hello costs its sender nothing, and this node a
/// key exchange and a signature.
///
/// Where the loop has to wait for a processor, handshakes get a fifth of its time, those from addresses that have logged
/// in before first, and strangers half of that; elsewhere they begin at once, but for what
/// would make a turn of the loop long. Whoever then logs in was no flood of
/// strangers': what that handshake took is given back. (What a login does with its sessions is its tenant's, whom an operator
/// knows.) One per event loop, and bound to it.
final class HandshakePacer {
    /// Time on a processor that may be spent, in nanoseconds: a share of an event loop's time, of which so much is saved up
    /// that a crowd's handshakes begin at once.
    private struct Credit {
        static let most: Int64 = 50_000_000
        let share: Double
        var left = most

        mutating func add(_ passed: TimeAmount) {
            left = min(Self.most, left + Int64(Double(passed.nanoseconds) * share))
        }

        /// How much of it was there to be spent.
        mutating func spend(_ used: Int64) -> Int64 {
            let before = left
            left = max(-Self.most, left - used)
            return before - left
        }

        mutating func giveBack(_ used: Int64) { left = min(Self.most, left + used) }
    }

    /// What one handshake has taken.
    final class Toll {
        fileprivate var everyones: Int64 = 0
        fileprivate var strangers: Int64 = 0
    }

    private struct Waiting {
        let isKnown: Bool
        let begin: () -> Void
        let toll = Toll()
    }

    private static let pause = TimeAmount.milliseconds(5)
    /// Long enough for the loop to look at its other sessions.
    private static let breath = TimeAmount.microseconds(100)

    private let eventLoop: any EventLoop
    private let isScarce: () -> Bool
    private let time: Time
    private var everyones = Credit(share: 0.2)
    private var strangers = Credit(share: 0.1)
    private var added: NIODeadline
    private var waitingKnown: Deque<Waiting> = []
    private var waitingStrangers: Deque<Waiting> = []
    private var isScheduled = false
    /// What handshakes have had of the loop's turn under way, and may have: its other sessions wait for its end.
    private var turn: Int64 = 0
    private let mostOfTurn: Int64

    /// What it is, and what the loop's thread has had of a processor, in nanoseconds.
    struct Time {
        var now: () -> NIODeadline = { .now() }
        var used: () -> Int64 = {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
        }
    }

    /// - Parameters:
    ///   - mostOfTurn: nanoseconds of one turn of the loop, beyond which no handshake is begun.
    ///   - isScarce: ``ProcessorScarcity``
    init(
        _ eventLoop: any EventLoop, time: Time = Time(), mostOfTurn: Int64 = 2_000_000, isScarce: @escaping () -> Bool
    ) {
        self.eventLoop = eventLoop
        self.time = time
        self.mostOfTurn = mostOfTurn
        self.isScarce = isScarce
        added = time.now()
    }

    /// - Parameter begin: called now or later; of one whose client has gone it does nothing, and costs nothing.
    /// - Returns: for ``giveBack(_:)``.
    func take(isKnown: Bool, _ begin: @escaping () -> Void) -> Toll {
        let waiting = Waiting(isKnown: isKnown, begin: begin)
        if isKnown { waitingKnown.append(waiting) } else { waitingStrangers.append(waiting) }
        if !isScheduled { work() }
        return waiting.toll
    }

    /// Its client has logged in.
    func giveBack(_ toll: Toll) {
        everyones.giveBack(toll.everyones)
        strangers.giveBack(toll.strangers)
        (toll.everyones, toll.strangers) = (0, 0)
    }

    private func work() {
        let now = time.now()
        everyones.add(now - added)
        strangers.add(now - added)
        added = now
        let isPaced = isScarce()
        while turn < mostOfTurn, !isPaced || everyones.left > 0 {
            let next = waitingKnown.popFirst() ?? (!isPaced || strangers.left > 0 ? waitingStrangers.popFirst() : nil)
            guard let next else { break }
            let before = time.used()
            next.begin()
            let used = time.used() - before
            note(used)
            next.toll.everyones = everyones.spend(used)
            if !next.isKnown { next.toll.strangers = strangers.spend(used) }
        }
        guard !(waitingKnown.isEmpty && waitingStrangers.isEmpty) else { return }
        isScheduled = true
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.scheduleTask(in: turn < mostOfTurn ? Self.pause : Self.breath) {
            bound.value.isScheduled = false
            bound.value.work()
        }
    }

    private func note(_ used: Int64) {
        let isFirst = turn == 0
        turn += max(used, 1)
        guard isFirst else { return }
        // What the loop does behind the sockets of this turn.
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.execute { bound.value.turn = 0 }
    }
}

/// The pacers of a group's event loops.
struct HandshakePacers: Sendable {
    private let pacers: [ObjectIdentifier: NIOLoopBoundBox<HandshakePacer?>]

    init(_ group: any EventLoopGroup) {
        var pacers: [ObjectIdentifier: NIOLoopBoundBox<HandshakePacer?>] = [:]
        for eventLoop in group.makeIterator() {
            pacers[ObjectIdentifier(eventLoop)] = .makeEmptyBox(valueType: HandshakePacer.self, eventLoop: eventLoop)
        }
        self.pacers = pacers
    }

    /// On the event loop itself.
    func pacer(of eventLoop: any EventLoop) -> HandshakePacer {
        guard let box = pacers[ObjectIdentifier(eventLoop)] else { return Self.make(eventLoop) }
        if let pacer = box.value { return pacer }
        let pacer = Self.make(eventLoop)
        box.value = pacer
        return pacer
    }

    private static func make(_ eventLoop: any EventLoop) -> HandshakePacer {
        var processors = ProcessorScarcity.ofThisThread(ratio: 0.5)
        return HandshakePacer(eventLoop) { processors.isScarce(at: .now) }
    }
}
