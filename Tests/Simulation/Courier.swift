// swift-format-ignore-file: OnlyOneTrailingClosureArgument

import Delivery
import Forwarding
import Ledger
import Logging
import Postgres
import SMTP
import Tenancy

/// A node's forwarder: the real core, memory, line of outcomes and rules, over the model's connections and relays.
final class Courier {
    let world: World
    private let machine: Machine
    private let ledger: ModelLedger
    private var held: HeldMessages
    private var core: ForwarderCore?
    private(set) var keeper: Keeper?
    private let rules: AttemptRules
    private let renewEvery: Moment
    private var line = SettleLine()
    private var parts: [SettleCall] = []
    private var isSettling = false
    private var settling: ModelConnection?
    private var claiming: ModelConnection?
    private var isClaiming = false
    /// The moment for which the next claim is arranged.
    private var nextClaim: Moment?
    private var lost = LostOwners()
    private var upkeep: ModelConnection?
    private static let logger = Logger(label: "simulation") { _ in SwiftLogNoOpLogHandler() }

    init(
        _ machine: Machine, _ ledger: ModelLedger, relays: Relays, schedule: RetrySchedule, renewEvery: Moment
    ) {
        self.machine = machine
        self.ledger = ledger
        self.renewEvery = renewEvery
        world = machine.world
        rules = AttemptRules(schedule: schedule)
        held = HeldMessages(
            maxMessages: world.chance.pick([2, 20, 1000]), maxOctets: world.chance.pick([20_000, 1 << 20]))
        keeper = Keeper(
            machine, ledger, renewEvery: renewEvery,
            inMemory: { [unowned self] in held.leased.sorted { $0.messageID < $1.messageID } },
            onEvent: { [unowned self] in leaseChanged($0) })
        core = ForwarderCore(
            on: machine.world.eventLoop, connectionsPerMember: world.chance.pick([1, 2, 20]),
            makeHop: { member, mayFinish, report in
                SimulatedHop(machine, relays, member, mayFinish: mayFinish, report: report)
            }, clock: { [world] in .microseconds(world.now) },
            mayBegin: { [unowned self] in keeper?.mayFinish ?? false },
            mayFinish: { [unowned self] in mayFinish($0) }, logger: Self.logger,
            finished: { [unowned self] in finished($0, $1) })
        core?.configure([Pool(id: 1, name: "default", members: relays.members)])
    }

    func start() {
        keeper?.start()
        machine.after(Moment(world.chance.within(0...5_000_000))) { [self] in keepUp() }
    }

    /// Nothing of it outlives its world.
    func dissolve() {
        core = nil
        keeper = nil
    }

    // MARK: Messages

    func take(_ messages: [QueuedMessage], isClaimed: Bool) {
        let (taken, returned, bodiless) = held.take(messages, isClaimed: isClaimed, now: world.instant)
        settle(returned)
        for message in bodiless { world.violate("\(message.id) has no body") }
        core?.take(taken)
    }

    private func mayFinish(_ message: QueuedMessage) -> Bool {
        let may =
            (keeper?.holdingID == message.owner || world.plant == .leaseIgnored) && keeper?.mayFinish == true
            && (held.holds(message) || world.plant == .leaseIgnored)
        guard may else { return false }
        for one in message.recipients {
            guard let row = ledger.message(message.id)?.recipients[Int(one.number) - 1] else {
                world.violate("\(message.id) is sent and not stored")
                continue
            }
            world.check(
                row.owner == message.owner && row.lease == one.lease && !row.isFinal,
                "\(message.id) \(one.number) is sent by \(message.owner) under lease \(one.lease), and is \(row.state) and "
                    + "leased to \(row.owner.map { "\($0)" } ?? "nobody") under \(row.lease)")
            world.check(row.next <= world.now, "\(message.id) \(one.number) is tried before its time")
        }
        return true
    }

    private func finished(_ message: QueuedMessage, _ result: DeliveryResult) {
        let now = world.instant
        let verdicts = rules.verdicts(on: message, result, now: now, jitter: world.chance.fraction())
        world.check(verdicts.count == message.recipients.count, "\(verdicts.count) verdicts for \(message.id)")
        let isInterrupted = if case .interrupted = result { true } else { false }
        for verdict in verdicts {
            world.tell("courier: \(message.id) \(verdict.recipient.number) is \(verdict.outcome)")
            if case .deferred(let until?) = verdict.outcome {
                check(until.microseconds - now.microseconds, verdict, isInterrupted: isInterrupted)
            }
        }
        if world.plant == .lostOutcome, world.chance.permille(50) {
            held.finish(message)
            return
        }
        settle(
            verdicts.map {
                Settlement(
                    $0.outcome, of: $0.recipient, in: message, replyCode: Int32(clamping: $0.reply.code),
                    replyEnhanced: $0.reply.enhanced.map { "\($0)" }, reply: Array($0.reply.text.utf8))
            })
        held.finish(message)
    }

    /// The wait after the n-th attempt is the schedule's n-th, give or take a tenth. Where a connection broke before all was
    /// sent, the first one is short and counts for none.
    private func check(_ wait: Moment, _ verdict: AttemptRules.Verdict, isInterrupted: Bool) {
        var attempts = Int(verdict.recipient.attempts) + 1
        let reply = verdict.reply
        if isInterrupted, reply.code == 421, reply.isOurs || reply.isFromOurRelay, !reply.mayHaveBeenTaken {
            guard attempts > 1 else {
                // By the schedule, where that is shorter.
                let least = min(2_000_000, rules.schedule.waits[0].inMicroseconds * 9 / 10 - 1)
                return world.check(wait >= least && wait <= 2_000_000, "\(wait) µs after the first interruption")
            }
            attempts -= 1
        }
        let planned = rules.schedule.waits[min(attempts, rules.schedule.waits.count) - 1].inMicroseconds
        world.check(
            wait >= planned * 9 / 10 - 1 && wait <= planned * 11 / 10 + 1, "\(wait) µs after attempt \(attempts)")
    }

    private func leaseChanged(_ event: Owner.Event) {
        switch event {
        case .lost: return
        case .audited(let id, let leased): return settle(held.audit(leased, by: id))
        case .reclaimed(let id, let recipients, let asked): settle(held.keep(recipients, by: id, of: asked))
        case .startedAgain: held.removeAll()
        case .resumed:
            core?.resume()
            return arrangeClaim()
        }
        if world.plant != .leaseIgnored { core?.drop { [self] in !held.holds($0) } }
    }

    // MARK: Settling

    func settle(_ settlements: [Settlement]) {
        line.add(settlements)
        pump()
    }

    private func pump() {
        guard !isSettling, let call = parts.popLast() ?? line.next() else { return }
        isSettling = true
        guard let settling, settling.isUsable, !settling.isClosedByServer else {
            return ledger.connect { [self] made in
                machine.perform { [self] in
                    self.settling = made
                    parts.append(call)
                    isSettling = false
                    if made == nil { machine.noteTrouble() }
                    if made == nil { machine.after(200_000) { self.pump() } } else { pump() }
                }
            }
        }
        let world = world
        ledger.perform(
            "settle of \(call.settlements.count)", on: settling, deadline: world.now + 60_000_000,
            { $0.settle(call, at: world.now, takesAnyLease: world.plant == .lateOutcome) },
            done: { [self] result in machine.perform { self.settled(call, result) } })
    }

    private func settled(_ call: SettleCall, _ result: Result<Answer, DatabaseError>) {
        isSettling = false
        guard case .failure(let error) = result else { return pump() }
        machine.noteTrouble()
        switch call.consequence(of: error) {
        case .apart(let parts): self.parts += parts
        case .againLater:
            settling = nil
            parts.append(call)
            return machine.after(200_000) { self.pump() }
        case .again: parts.append(call)
        }
        pump()
    }

    // MARK: Claiming

    /// As often as a forwarder polls, but only where a poll could find something: what it would find is known here.
    func arrangeClaim() {
        guard !isClaiming, !machine.isDead, let due = ledger.contents.nextDue else { return }
        let time = max(due, world.now) + Moment(world.chance.within(0...200_000))
        if let nextClaim, nextClaim <= time, nextClaim >= world.now { return }
        nextClaim = time
        world.at(time) { [self] in
            guard nextClaim == time else { return }
            nextClaim = nil
            machine.perform { self.claim() }
        }
    }

    private func claim() {
        let room = min(held.room, 500)
        guard !isClaiming, let id = keeper?.holdingID else { return }
        guard room > 0 else { return machine.after(200_000) { self.arrangeClaim() } }
        guard let claiming, claiming.isUsable, !claiming.isClosedByServer else {
            isClaiming = true
            return ledger.connect { [self] made in
                machine.perform { [self] in
                    self.claiming = made
                    isClaiming = false
                    if made == nil { machine.after(1_000_000) { self.arrangeClaim() } } else { claim() }
                }
            }
        }
        isClaiming = true
        let world = world
        ledger.perform(
            "claim", on: claiming, deadline: world.now + 60_000_000,
            { contents throws(DatabaseError) in
                try contents.claim(id, at: world.now, maxMessages: room, ignoresTime: world.plant == .earlyRetry)
            },
            done: { [self] result in machine.perform { self.claimed(id, result) } })
    }

    private func claimed(_ id: MessageID, _ result: Result<Answer, DatabaseError>) {
        isClaiming = false
        switch result {
        case .success(.claimed(let messages)):
            world.tally.claimed += messages.count
            take(messages, isClaimed: true)
            arrangeClaim()
        case .success: world.violate("claim answers something else")
        case .failure(let error):
            if error.kind == .doubt || error.kind == .unexpected || error.sqlState == "GP001" { keeper?.startAgain(id) }
            machine.after(1_000_000) { self.arrangeClaim() }
        }
    }

    // MARK: Upkeep

    /// Looks for owners that are lost, as often as leases are renewed, and for what was leased to those that are gone.
    private func keepUp() {
        guard machine.isNeeded() else { return }
        let next = { [self] in machine.after(renewEvery) { self.keepUp() } }
        guard let upkeep, upkeep.isUsable, !upkeep.isClosedByServer else {
            return ledger.connect { [self] made in
                machine.perform { [self] in
                    self.upkeep = made
                    if made == nil { next() } else { keepUp() }
                }
            }
        }
        let incarnation = ledger.incarnation
        perform("owners", { $0.sightings(incarnation: incarnation) }) { [self] result in
            guard case .success(.owners(let sightings)) = result else { return next() }
            free(lost.observe(sightings, now: world.continuous)[...], next)
        }
    }

    private func free(_ owners: ArraySlice<OwnerSighting>, _ next: @escaping () -> Void) {
        guard let owner = owners.first else {
            return perform("upkeep_orphans", { $0.freeOrphans() }) { _ in next() }
        }
        world.tell("courier: frees \(owner.id)")
        perform("owner_free", { $0.free(owner.id, seen: owner.renewals) }) { [self] _ in free(owners.dropFirst(), next)
        }
    }

    private func perform(
        _ name: String, _ body: @escaping (inout ModelLedger.Contents) throws(DatabaseError) -> Answer,
        done: @escaping (Result<Answer, DatabaseError>) -> Void
    ) {
        guard let upkeep, upkeep.isUsable else { return done(.failure(DatabaseError(.unreachable, "no connection"))) }
        ledger.perform(name, on: upkeep, deadline: world.now + 30_000_000, body) { [machine] result in
            machine.perform { done(result) }
        }
    }

    /// The connections that a process leaves behind when it ends.
    var sessions: [ModelConnection?] { [settling, claiming, upkeep, keeper?.session] }
}
