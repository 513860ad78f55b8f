internal import NIOCore
package import Postgres

/// What one of the acceptor's threads does, decided without doing it (LEDGER, "A commit in doubt").
///
/// The thread asks for ``next(now:)``, does what it says, and tells what came of it where the step names a method for
/// that; the others need no answer. Never waits, reads no clock, knows no connection.
package struct AcceptProcedure {
    package enum Step {
        /// ``connected(_:)``: whether there is a connection, if need be a new one.
        ///
        /// `probing`: also one that the server has closed while nothing was under way counts as none.
        case connect(probing: Bool)
        /// The thread has lost the database: ``AcceptLine/leave(_:)``, and what that gives back is answered
        /// `.unavailable`.
        case leave
        case comeBack
        /// Until the next attempt to connect, but no longer than the acceptor is open: ``paused(isClosing:)``.
        case pause
        /// The same while a commit is in doubt: a closing acceptor goes on asking, and not without a pause either.
        case pauseInDoubt
        /// A connection is there that could not be used just now.
        case sleep(Duration)
        /// ``took(_:)``: what there is to do; after so long nothing, where it says how long.
        case take(atMost: Duration?)
        /// ``decided(_:)`` or ``failed(_:)``
        case execute(AcceptCall, deadline: ContinuousClock.Instant)
        /// `ledger.resolve`: ``fenced(_:)`` or ``failed(_:)``. Without a deadline: nobody waits for it.
        case fence(AcceptCall, deadline: ContinuousClock.Instant?)
        /// Nothing that was said on this connection is to be trusted any more.
        case drop
        /// To the forwarder of this node, before the verdicts are given.
        case forward([QueuedMessage])
        /// Leased here and in no memory: it is given back.
        case release([Settlement])
        /// One verdict for each item.
        case answer([AcceptItem], [AcceptVerdict])
        case report(Report)
        /// The acceptor has closed.
        case end
    }

    /// What is worth a line in the log.
    package enum Report {
        case commitInDoubt(AcceptCall, DatabaseError)
        case fenceInDoubt(AcceptCall, DatabaseError)
        case outcomeUnknown(AcceptCall)
        case notStored([AcceptItem], DatabaseError)
    }

    private enum State {
        /// Between batches, perhaps without a connection → releasing, waiting, pausing
        case arriving
        case pausing  // → arriving, ended
        /// Calls of unknown outcome are fenced → waiting
        case releasing
        case waiting  // → working, ended
        /// Parts of a batch are to be sent → beginning, arriving
        case working
        case beginning(Parts.Part)  // → asking, working, arriving
        case asking(Parts.Part, AcceptCall, ContinuousClock.Instant)  // → working, doubting
        case doubting(Parts.Part, AcceptCall, ContinuousClock.Instant)  // → fencing, pausingInDoubt, working
        case pausingInDoubt(Parts.Part, AcceptCall, ContinuousClock.Instant)  // → doubting
        case fencing(Parts.Part, AcceptCall, ContinuousClock.Instant)  // → working, doubting
        case ended
    }

    private enum Outcome {
        case answered
        /// Under new ids: the old were stale, fenced, or the victim of something that passes.
        case again
        /// The same on another connection.
        case reconnect
        /// Something in it cannot be stored: find out which.
        case apart
        case byTenant
        case failed(DatabaseError)
    }

    private let makeCall: ([AcceptItem]) -> AcceptCall
    private var state = State.arriving
    /// Steps that belong together and are returned one by one.
    private var pending = CircularBuffer<Step>(initialCapacity: 4)
    private var parts = Parts([])
    /// Calls nobody waits for any more and whose outcome still decides whether rows are leased to this node.
    private var unresolved: [AcceptCall] = []
    /// Fences in a row that nobody waits for and that failed.
    private var releaseFailures = 0
    private static let maxReleaseFailures = 20
    /// Then messages go first, and where none comes it is tried again after so long: without that, rows would stay leased
    /// to this node, and sent by nobody, until the next message happens to come to this thread.
    private static let releasePause = Duration.seconds(10)

    /// - Parameter makeCall: gives messages a batch, ids and an owner, new ones each time.
    package init(makeCall: @escaping ([AcceptItem]) -> AcceptCall) { self.makeCall = makeCall }

    // MARK: Steps

    package mutating func next(now: ContinuousClock.Instant) -> Step {
        while true {
            if let step = pending.popFirst() { return step }
            switch state {
            case .arriving: return .connect(probing: false)
            case .pausing: return .pause
            case .releasing:
                if let call = unresolved.first { return .fence(call, deadline: nil) }
                state = .waiting
            case .waiting: return .take(atMost: unresolved.isEmpty ? nil : Self.releasePause)
            case .working:
                guard let part = parts.next() else {
                    state = .arriving
                    continue
                }
                state = .beginning(part)
                // What was idle may have been closed meanwhile: with nothing sent there is no doubt.
                return .connect(probing: true)
            case .beginning(let part): begin(part, now: now)
            case .asking(_, let call, let deadline): return .execute(call, deadline: deadline)
            case .doubting(_, let call, let deadline):
                guard now < deadline else {
                    pending.append(.report(.outcomeUnknown(call)))
                    forget(call)
                    state = .working
                    continue
                }
                return .connect(probing: false)
            case .pausingInDoubt: return .pauseInDoubt
            case .fencing(_, let call, let deadline): return .fence(call, deadline: deadline)
            case .ended: return .end
            }
        }
    }

    private mutating func begin(_ part: Parts.Part, now: ContinuousClock.Instant) {
        state = .working
        guard let deadline = part.items.map(\.deadline).min() else { return }
        guard now < deadline else {
            return conclude(
                .failed(DatabaseError(.unreachable, "waited for the database as long as a client waits")), part)
        }
        state = .asking(part, makeCall(part.items), deadline)
    }

    // MARK: What came of them

    package mutating func connected(_ isConnected: Bool) {
        switch state {
        case .arriving:
            pending.append(isConnected ? .comeBack : .leave)
            state = isConnected ? .releasing : .pausing
        case .beginning(let part):
            guard !isConnected else { return }
            answer(part.items, .unavailable)
            for rest in parts.rest() { answer(rest.items, .unavailable) }
            pending.append(.leave)
            state = .arriving
        case .doubting(let part, let call, let deadline):
            pending.append(isConnected ? .comeBack : .leave)
            state = isConnected ? .fencing(part, call, deadline) : .pausingInDoubt(part, call, deadline)
        case .pausing, .releasing, .waiting, .working, .asking, .pausingInDoubt, .fencing, .ended:
            preconditionFailure("nobody was asked to connect")
        }
    }

    package mutating func paused(isClosing: Bool) {
        switch state {
        case .pausing: state = isClosing ? .ended : .arriving
        case .pausingInDoubt(let part, let call, let deadline): state = .doubting(part, call, deadline)
        case .arriving, .releasing, .waiting, .working, .beginning, .asking, .doubting, .fencing, .ended:
            preconditionFailure("nobody was asked to pause")
        }
    }

    /// - Parameter taken: nil: nothing came for as long as was said.
    package mutating func took(_ taken: AcceptLine.Taken?) {
        guard case .waiting = state else { preconditionFailure("nobody was asked to take") }
        switch taken {
        case nil:
            // Once: a message may come while it is tried.
            releaseFailures = Self.maxReleaseFailures - 1
            state = .arriving
        case .closed: state = .ended
        case .batch(let items):
            parts = Parts(items)
            state = .working
        }
    }

    /// The call is committed, and this is what it said.
    package mutating func decided(_ answer: AcceptAnswer) {
        guard case .asking(let part, let call, _) = state else { preconditionFailure("no call was under way") }
        state = .working
        if answer.isStale { return conclude(.again, part) }
        deliver(answer, call, wasInDoubt: false)
    }

    /// The fence found the call committed, or (nil) has made sure that it never will be.
    package mutating func fenced(_ answer: AcceptAnswer?) {
        switch state {
        case .fencing(let part, let call, _):
            state = .working
            if let answer { deliver(answer, call, wasInDoubt: true) } else { conclude(.again, part) }
        case .releasing:
            releaseFailures = 0
            let call = unresolved.removeFirst()
            if let answer { release(answer, call) }
        case .arriving, .pausing, .waiting, .working, .beginning, .asking, .doubting, .pausingInDoubt, .ended:
            preconditionFailure("nobody was asked to fence")
        }
    }

    /// A call or a fence did not succeed.
    package mutating func failed(_ error: DatabaseError) {
        switch state {
        case .asking(let part, let call, let deadline):
            state = .working
            switch error.kind {
            case .doubt:
                pending.append(.report(.commitInDoubt(call, error)))
                state = .doubting(part, call, deadline)
            case .refused: conclude(Self.judge(error, part.items), part)
            case .unexpected:
                // It is committed and cannot be read: nobody may be told either way.
                pending.append(.report(.notStored(part.items, error)))
                forget(call)
            case .unreachable, .configuration: conclude(.failed(error), part)
            }
        case .fencing(let part, let call, let deadline):
            pending.append(.report(.fenceInDoubt(call, error)))
            if Self.needsAnotherConnection(error) { pending.append(.drop) }
            if error.kind == .refused || error.kind == .unexpected { pending.append(.sleep(.milliseconds(200))) }
            state = .doubting(part, call, deadline)
        case .releasing:
            if let call = unresolved.first { pending.append(.report(.fenceInDoubt(call, error))) }
            if Self.needsAnotherConnection(error) { pending.append(.drop) }
            releaseFailures += 1
            guard releaseFailures < Self.maxReleaseFailures else {
                // It goes on behind the next batch, or after a while: whoever waits has waited long enough.
                releaseFailures = 0
                state = .waiting
                return
            }
            pending.append(.sleep(.milliseconds(200)))
            state = .arriving
        case .arriving, .pausing, .waiting, .working, .beginning, .doubting, .pausingInDoubt, .ended:
            preconditionFailure("nothing was under way")
        }
    }

    // MARK: Decisions

    private mutating func conclude(_ outcome: Outcome, _ part: Parts.Part) {
        switch outcome {
        case .answered: break
        case .again:
            if !parts.again(part) {
                pending.append(.report(.notStored(part.items, DatabaseError(.refused, "tried too often"))))
                answer(part.items, .unavailable)
            }
        case .reconnect:
            pending.append(.drop)
            if !parts.again(part) { answer(part.items, .unavailable) }
        case .apart: parts.apart(part)
        case .byTenant: parts.byTenant(part)
        case .failed(let error):
            pending.append(.report(.notStored(part.items, error)))
            answer(part.items, error.sqlState == "53100" ? .outOfSpace : .unavailable)
        }
    }

    /// PostgreSQL's refusal of a call: it had no effect, so what follows is free to choose.
    private static func judge(_ error: DatabaseError, _ items: [AcceptItem]) -> Outcome {
        if needsAnotherConnection(error) { return .reconnect }
        switch error.sqlState {
        case "23505" where error.constraint == "batch_pkey": return .again
        case "40001", "40P01": return .again
        case "55P03": return isOfOneTenant(items) ? .failed(error) : .byTenant
        default: break
        }
        switch error.sqlStateClass {
        case "22", "23", "54": return items.count > 1 ? .apart : .failed(error)
        default: return .failed(error)
        }
    }

    /// This one's server is read-only now, or its statements are outdated.
    private static func needsAnotherConnection(_ error: DatabaseError) -> Bool {
        switch error.sqlState {
        case "25006", "26000", "0A000": error.kind == .refused
        default: false
        }
    }

    private static func isOfOneTenant(_ items: [AcceptItem]) -> Bool {
        items.allSatisfy { $0.request.tenantID == items.first?.request.tenantID }
    }

    private mutating func deliver(_ answer: AcceptAnswer, _ call: AcceptCall, wasInDoubt: Bool) {
        if wasInDoubt {
            release(answer, call)
        } else if call.owner != nil {
            var queued: [QueuedMessage] = []
            for (index, verdict) in answer.verdicts.enumerated() {
                if case .accepted(_, let handling) = verdict, let dropped = handling.dropped,
                    let message = call.queued(index, without: dropped, acceptedAt: answer.clock)
                {
                    queued.append(message)
                }
            }
            if !queued.isEmpty { pending.append(.forward(queued)) }
        }
        var verdicts: [AcceptVerdict] = []
        verdicts.reserveCapacity(call.items.count)
        for (index, verdict) in answer.verdicts.enumerated() {
            switch verdict {
            case .accepted(let remaining, _): verdicts.append(.accepted(call.ids[index], remaining: remaining))
            case .resubmitted(let first): verdicts.append(.resubmitted(first))
            case .refused(let refusal): verdicts.append(.refused(refusal))
            case .staleID: verdicts.append(.unavailable)
            }
        }
        pending.append(.answer(call.items, verdicts))
    }

    /// After a doubt this node forwards nothing from memory: whoever claims the rows next does.
    private mutating func release(_ answer: AcceptAnswer, _ call: AcceptCall) {
        var releases: [Settlement] = []
        for (index, verdict) in answer.verdicts.enumerated() {
            if case .accepted(_, let handling) = verdict, let dropped = handling.dropped {
                releases += call.releases(index, without: dropped)
            }
        }
        if !releases.isEmpty { pending.append(.release(releases)) }
    }

    /// Nobody learns what became of it. Its rows may be leased to this node, which forgets them: they are given back
    /// when the fence has told whether they are.
    private mutating func forget(_ call: AcceptCall) {
        answer(call.items, .unknown)
        if call.owner != nil { unresolved.append(call) }
    }

    private mutating func answer(_ items: [AcceptItem], _ verdict: AcceptVerdict) {
        guard !items.isEmpty else { return }
        pending.append(.answer(items, Array(repeating: verdict, count: items.count)))
    }
}
