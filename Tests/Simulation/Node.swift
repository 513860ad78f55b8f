import Ledger
import NIOCore
import Postgres

/// A node's acceptor: the real line and the real procedure of each of its threads, over the model's connections.
final class Node {
    private final class Worker {
        var procedure: AcceptProcedure
        var connection: ModelConnection?
        var failures = 0
        var isAsleep = false
        var sleeps = 0

        init(_ procedure: AcceptProcedure) { self.procedure = procedure }
    }

    let world: World
    let ledger: ModelLedger
    private var line: AcceptLine
    private var workers: [Worker] = []
    /// What this node believes of the database's clock.
    private var clockError: Moment
    private var lastCall: AcceptCall?
    /// Messages without a verdict.
    private(set) var unanswered = 0
    private let answered: (AcceptItem, AcceptVerdict) -> Void
    let machine: Machine
    /// Where the node has the forwarder's role.
    private(set) var courier: Courier?

    /// - Parameter answered: told each item's verdict, once.
    init(
        _ machine: Machine, _ ledger: ModelLedger, courier: Courier?,
        answered: @escaping (AcceptItem, AcceptVerdict) -> Void
    ) {
        self.machine = machine
        self.courier = courier
        world = machine.world
        self.ledger = ledger
        self.answered = answered
        let count = world.chance.within(1...2)
        line = AcceptLine(
            workers: count, limits: AcceptLine.Limits(messages: world.chance.pick([2, 5, 100]), join: 3))
        clockError = world.chance.permille(50) ? Moment(world.chance.within(-7_200_000_000...7_200_000_000)) : 0
        for _ in 0..<count {
            workers.append(Worker(AcceptProcedure { [unowned self] in makeCall($0) }))
        }
    }

    func start() {
        courier?.start()
        for index in workers.indices { machine.after(0) { self.run(index) } }
    }

    /// The process is gone, and with it its connections.
    func kill() {
        machine.kill()
        for session in workers.map(\.connection) + (courier?.sessions ?? []) { session?.isClosedByServer = true }
    }

    /// Nothing of it outlives its world.
    func dissolve() {
        courier?.dissolve()
        courier = nil
        workers = []
    }

    // MARK: For sessions

    var isAvailable: Bool { line.isAvailable }
    /// For Date and Received fields.
    var seconds: Int64 { (world.instant.microseconds + clockError) / 1_000_000 }

    /// Never answers before it returns.
    func submit(_ request: AcceptRequest) {
        let item = AcceptItem(
            request: request, eventLoop: world.eventLoop, completion: { _ in },
            deadline: world.continuous + .seconds(60))
        let (isTaken, waking) = line.put(item)
        unanswered += 1
        guard isTaken else { return machine.after(0) { self.answer([item], [.unavailable]) } }
        if let waking { wake(waking) }
    }

    private func wake(_ index: Int) {
        guard workers[index].isAsleep else { return }
        workers[index].isAsleep = false
        machine.after(Moment(world.chance.within(1...50))) { self.run(index) }
    }

    /// Where nobody woke it before.
    private func wake(_ index: Int, after patience: Duration, of sleep: Int) {
        machine.after(patience.inMicroseconds) { [unowned self] in
            let worker = workers[index]
            guard worker.isAsleep, worker.sleeps == sleep else { return }
            worker.isAsleep = false
            worker.procedure.took(nil)
            run(index)
        }
    }

    // MARK: A thread

    private func makeCall(_ items: [AcceptItem]) -> AcceptCall {
        if world.plant == .oldBatchID, let lastCall,
            lastCall.items.map(\.request.session) == items.map(\.request.session)
        {
            return lastCall
        }
        let call = AcceptCall(
            items, owner: courier?.keeper?.holdingID,
            now: Instant(microseconds: world.instant.microseconds + clockError),
            makeID: { self.world.makeID($0) })
        lastCall = call
        return call
    }

    /// Does what the procedure says until it has to wait for something.
    private func run(_ index: Int) {
        let worker = workers[index]
        while world.violation == nil {
            switch worker.procedure.next(now: world.continuous) {
            case .connect(let isProbing):
                if let connection = worker.connection, connection.isUsable {
                    // Without asking, a thread learns of its connection's end only by using it.
                    if !isProbing || !connection.isClosedByServer {
                        worker.procedure.connected(true)
                        continue
                    }
                }
                return connect(index)
            case .leave:
                let (refused, waking) = line.leave(index)
                answer(refused, Array(repeating: .unavailable, count: refused.count))
                if let waking { wake(waking) }
            case .comeBack: line.comeBack(index)
            case .pause, .pauseInDoubt:
                let pause = Moment(min(1000, 50 << min(worker.failures, 5))) * 1000
                return machine.after(pause) {
                    worker.procedure.paused(isClosing: false)
                    self.run(index)
                }
            case .sleep(let duration):
                return machine.after(duration.inMicroseconds) { self.run(index) }
            case .take(let patience):
                let (next, waking) = line.take(
                    index, at: world.continuous, processorsAreScarce: world.chance.permille(500))
                if let waking { wake(waking) }
                switch next {
                case .take(let taken): worker.procedure.took(taken)
                case .sleep:
                    worker.isAsleep = true
                    worker.sleeps += 1
                    if let patience { wake(index, after: patience, of: worker.sleeps) }
                    return
                case .pause(let until):
                    worker.isAsleep = true
                    worker.sleeps += 1
                    return machine.after(max(1, world.continuous.duration(to: until).inMicroseconds)) {
                        // Woken or not: whoever is woken while awake only looks once more.
                        if worker.isAsleep { self.wake(index) }
                    }
                }
            case .execute(let call, let deadline): return execute(call, deadline, index)
            case .fence(let call, let deadline): return fence(call, deadline, index)
            case .drop: worker.connection = nil
            case .forward(let messages): courier?.take(messages, isClaimed: false)
            case .release(let settlements): courier?.settle(settlements)
            case .answer(let items, let verdicts):
                line.decided(index)
                answer(items, verdicts)
            case .report(let report): note(report)
            case .end: return
            }
        }
    }

    private func connect(_ index: Int) {
        let worker = workers[index]
        worker.connection = nil
        ledger.connect { [self] connection in
            machine.perform { [self] in
                worker.connection = connection
                worker.failures = connection == nil ? worker.failures + 1 : 0
                worker.procedure.connected(connection != nil)
                run(index)
            }
        }
    }

    private func execute(_ call: AcceptCall, _ deadline: ContinuousClock.Instant, _ index: Int) {
        let worker = workers[index]
        guard let connection = worker.connection else {
            worker.procedure.failed(DatabaseError(.unreachable, "no connection"))
            return run(index)
        }
        if world.plant == .replyBeforeCommit {
            answer(call.items, call.ids.map { .accepted($0, remaining: nil) })
        }
        ledger.execute(call, on: connection, deadline: Calendar.moment(deadline)) { [self] result in
            machine.perform { [self] in
                switch result {
                case .success(.verdicts(let answer?)):
                    clockError = answer.clock.microseconds - world.instant.microseconds
                    worker.procedure.decided(answer)
                case .success: worker.procedure.failed(DatabaseError(.unexpected, "no rows"))
                case .failure(let error): worker.procedure.failed(error)
                }
                run(index)
            }
        }
    }

    private func fence(_ call: AcceptCall, _ deadline: ContinuousClock.Instant?, _ index: Int) {
        let worker = workers[index]
        if world.plant == .noFence || world.plant == .oldBatchID {
            worker.procedure.fenced(nil)
            return run(index)
        }
        guard let connection = worker.connection else {
            worker.procedure.failed(DatabaseError(.unreachable, "no connection"))
            return run(index)
        }
        let limit = deadline.map { Calendar.moment($0) } ?? world.now + 60_000_000
        ledger.resolve(call.batch, on: connection, deadline: limit) { [self] result in
            machine.perform { [self] in
                switch result {
                case .success(.verdicts(let answer)):
                    world.tell("node: \(call.batch) is \(answer == nil ? "fenced" : "found committed")")
                    if answer == nil { world.tally.fenced += 1 } else { world.tally.foundCommitted += 1 }
                    worker.procedure.fenced(answer)
                case .success: worker.procedure.failed(DatabaseError(.unexpected, "no rows"))
                case .failure(let error): worker.procedure.failed(error)
                }
                run(index)
            }
        }
    }

    private func answer(_ items: [AcceptItem], _ verdicts: [AcceptVerdict]) {
        world.check(items.count == verdicts.count, "\(verdicts.count) verdicts for \(items.count) messages")
        unanswered -= items.count
        var verdicts = verdicts
        if world.plant == .crossedReplies { verdicts.reverse() }
        for (item, verdict) in zip(items, verdicts) { answered(item, verdict) }
    }

    private func note(_ report: AcceptProcedure.Report) {
        switch report {
        case .commitInDoubt(let call, let error):
            world.tally.doubts += 1
            world.tell("node: \(call.batch) is in doubt: \(error.message)")
        case .fenceInDoubt(let call, let error): world.tell("node: the fence of \(call.batch) failed: \(error)")
        case .outcomeUnknown(let call): world.tell("node: the outcome of \(call.batch) is unknown")
        case .notStored(let items, let error): world.tell("node: \(items.count) not stored: \(error)")
        }
    }
}
