import Ledger
import NIOCore
import Postgres
import SMTP

/// PostgreSQL and the ledger's rules, as far as a node can tell: transactions that hold locks, wait for them, commit or
/// are lost, on connections that break at any moment (LEDGER, "accept" and "A commit in doubt").
///
/// It decides by rules of its own, plainly, and checks after each commit what the rules promise.
final class ModelLedger {
    struct Tenant {
        var cap: Int
        var used = 0
        /// Recipient rows that are there; counted apart from `used`.
        var stored = 0
        var isSuspended = false
    }

    enum Batch {
        case decided([AcceptAnswer.Verdict], at: Moment)
        case fenced
    }

    struct Recent {
        var id: MessageID
        var at: Moment
    }

    struct OwnerRow {
        var id: MessageID
        var renewals: Int64 = 0
        /// Whose advisory lock it is.
        var session: ModelConnection
        /// The server it was renewed on last.
        var incarnation: Int
    }

    /// All that is committed.
    struct Contents {
        var tenants: [Tenant]
        var batches: [MessageID: Batch] = [:]
        var messages: [StoredMessage] = []
        var places: [MessageID: Int] = [:]
        var recent: [[UInt8]: Recent] = [:]
        var owners: [OwnerRow] = []
    }

    let world: World
    private(set) var contents: Contents
    private(set) var incarnation = 0
    /// Told whenever rows may have become free, or fewer.
    var changed: () -> Void = {}
    private var running: [Transaction] = []
    private var connections: [ModelConnection] = []
    private var downUntil: Moment = 0
    /// What was there before a commit that no standby has: all there is when that one takes over.
    private var replicated: Contents?

    init(_ world: World, tenants: [Tenant]) {
        self.world = world
        contents = Contents(tenants: tenants)
    }

    func message(_ id: MessageID) -> StoredMessage? { contents.places[id].map { contents.messages[$0] } }

    /// Whether anything is under way that may still commit.
    var isAtRest: Bool { running.isEmpty && late == 0 }
    /// Requests on their way whose client has gone.
    private var late = 0

    // MARK: Connections

    /// Tells after a while whether a connection could be had.
    func connect(_ done: @escaping (ModelConnection?) -> Void) {
        world.after(world.latency() + 200) { [self] in
            guard world.now >= downUntil else { return done(nil) }
            let connection = ModelConnection()
            connections.append(connection)
            done(connection)
        }
    }

    /// The node has let go of it. The server learns that sooner or later, and with it what locks the session held.
    private func leave(_ connection: ModelConnection) {
        let delay = world.chance.permille(50) ? Moment(world.chance.within(1_000_000...400_000_000)) : world.latency()
        world.after(delay) { connection.isClosedByServer = true }
    }

    /// The server ends: what had not committed never will, and every connection breaks.
    func crash(failingOver: Bool, for outage: Moment) {
        world.tell("database: \(failingOver ? "fails over" : "crashes"), away for \(outage / 1000) ms")
        downUntil = max(downUntil, world.now + outage)
        let lost = running
        running = []
        for transaction in lost { transaction.hasEnded = true }
        incarnation += 1
        if failingOver, let replicated {
            world.tell("database: what the old primary had alone is lost")
            contents = replicated
        }
        replicated = nil
        let broken = connections
        connections = []
        for connection in broken { connection.close(after: world.latency(), world) }
    }

    // MARK: Requests

    func execute(
        _ call: AcceptCall, on connection: ModelConnection, deadline: Moment,
        done: @escaping (Result<Answer, DatabaseError>) -> Void
    ) { request(.accept(call), on: connection, deadline: deadline, done: done) }

    /// `ledger.resolve`.
    func resolve(
        _ batch: MessageID, on connection: ModelConnection, deadline: Moment,
        done: @escaping (Result<Answer, DatabaseError>) -> Void
    ) { request(.resolve(batch), on: connection, deadline: deadline, done: done) }

    func perform(
        _ name: String, on connection: ModelConnection, deadline: Moment,
        _ body: @escaping (inout Contents) throws(DatabaseError) -> Answer,
        done: @escaping (Result<Answer, DatabaseError>) -> Void
    ) { request(.statement(name, body), on: connection, deadline: deadline, done: done) }

    /// An operator's change, certain to come sooner or later.
    func administer(tenant: Int, _ change: @escaping (inout Tenant) -> Void) {
        begin(Transaction(.administer(tenant, change), Exchange(nil) { _ in }, .served))
    }

    private func request(
        _ work: Transaction.Work, on connection: ModelConnection, deadline: Moment,
        done: @escaping (Result<Answer, DatabaseError>) -> Void
    ) {
        let exchange = Exchange(connection) { [self] result in
            if case .failure(let error) = result, error.kind != .refused { leave(connection) }
            done(result)
        }
        connection.exchange = exchange
        guard !connection.isClosedByServer else {
            // Nobody reads it any more; the client cannot know.
            return world.after(world.latency()) { exchange.end(.failure(.inDoubt("connection reset"))) }
        }
        var fate = world.areFaultsOver ? .served : Fate.choose(&world.chance)
        // Where leases are not told apart, many worlds have what makes that matter.
        if world.plant == .lateOutcome, work.isSettle, !world.areFaultsOver, world.chance.permille(200) { fate = .late }
        world.tell("database: \(work) is sent, to be \(fate)")
        let way = world.latency()
        let server = incarnation
        switch fate {
        case .lost:
            world.after(way) { exchange.end(.failure(.inDoubt("cut before the request"))) }
            return
        case .late:
            world.after(way) { exchange.end(.failure(.inDoubt("cut, and the request is on its way"))) }
            late += 1
            world.after(way + world.latency() * Moment(world.chance.within(1...2000))) { [self] in
                late -= 1
                if incarnation == server { begin(Transaction(work, exchange, fate)) }
            }
        case .cut:
            world.after(way + Moment(world.chance.within(0...3000))) {
                exchange.end(.failure(.inDoubt("cut before the reply")))
            }
            fallthrough
        case .served, .slow, .aborted, .warned, .garbled:
            late += 1
            world.after(way) { [self] in
                late -= 1
                if incarnation == server { begin(Transaction(work, exchange, fate)) }
            }
        }
        world.at(deadline) { exchange.end(.failure(.inDoubt("no answer in time"))) }
    }

    // MARK: Transactions

    private func begin(_ transaction: Transaction) {
        guard world.now >= downUntil else { return }  // it went to a server that is gone
        if case .accept(let call) = transaction.work {
            if let first = call.ids.first, abs(Calendar.moment(first.instant) - world.now) > 60_000_000 {
                let stale = AcceptAnswer(call.items.map { _ in .staleID }, clock: world.instant)
                return transaction.exchange.end(.success(.verdicts(stale)), after: world.latency(), world)
            }
        }
        if world.plant == .fenceAsSelect, case .resolve(let batch) = transaction.work {
            return transaction.exchange.end(.success(.verdicts(verdicts(of: batch))), after: world.latency(), world)
        }
        running.append(transaction)
        proceed(transaction)
    }

    /// As far as locks allow.
    private func proceed(_ transaction: Transaction) {
        if transaction.step == .arrived {
            if let batch = transaction.work.batch {
                guard !running.contains(where: { $0 !== transaction && $0.step != .arrived && $0.work.batch == batch })
                else { return }
                if case .accept = transaction.work, contents.batches[batch] != nil {
                    return fail(transaction, .refused("duplicate key", "23505", constraint: "batch_pkey"))
                }
            }
            transaction.step = .begun
            if case .accept(let call) = transaction.work {
                if world.plant == .noRecheck { transaction.verdicts = decide(call) }
                let patience: Moment = transaction.work.tenants.count > 1 ? 50_000 : 1_000_000
                world.after(patience) { [self] in
                    guard transaction.step == .begun, !transaction.hasEnded else { return }
                    fail(transaction, .refused("lock timeout", "55P03"))
                }
            }
        }
        guard transaction.step == .begun else { return }
        let tenants = transaction.work.tenants
        guard
            !running.contains(where: { $0.step == .holding && !$0.work.tenants.isDisjoint(with: tenants) })
        else { return }
        transaction.step = .holding
        if case .accept(let call) = transaction.work, transaction.verdicts == nil {
            transaction.verdicts = decide(call)
        }
        transaction.decidedAt = world.now
        let isSlow = transaction.fate == .slow
        let work = Moment(isSlow ? world.chance.within(10_000...90_000_000) : world.chance.within(100...1500))
        world.after(work) { [self] in
            guard !transaction.hasEnded else { return }
            if case .aborted(let error) = transaction.fate {
                fail(transaction, error)
            } else if let error = transaction.work.fault {
                fail(transaction, error)
            } else {
                commit(transaction)
            }
        }
    }

    private func end(_ transaction: Transaction) {
        transaction.hasEnded = true
        running.removeAll { $0 === transaction }
        // Who waited goes on, in the order they came.
        for waiting in running where !waiting.hasEnded { proceed(waiting) }
    }

    private func fail(_ transaction: Transaction, _ error: DatabaseError) {
        world.tell("database: \(transaction.work) is rolled back: \(error)")
        if world.plant == .debitOutside, case .accept(let call) = transaction.work, let verdicts = transaction.verdicts
        {
            for (item, verdict) in zip(call.items, verdicts) {
                if case .accepted = verdict { contents.tenants[item.tenant].used += item.request.recipients.count }
            }
        }
        end(transaction)
        if world.plant == .swallowedError, case .accept(let call) = transaction.work {
            let answer = AcceptAnswer(
                call.items.map { _ in .accepted(remaining: nil, .forwarded) }, clock: world.instant)
            return transaction.exchange.end(.success(.verdicts(answer)), after: world.latency(), world)
        }
        transaction.exchange.end(.failure(error), after: world.latency(), world)
    }

    private func commit(_ transaction: Transaction) {
        let before = transaction.fate == .warned ? contents : nil
        let answer: Answer
        switch transaction.work {
        case .accept(let call):
            let verdicts = transaction.verdicts ?? []
            store(call, verdicts, decidedAt: transaction.decidedAt)
            answer = .verdicts(AcceptAnswer(verdicts, clock: Calendar.instant(transaction.decidedAt)))
        case .resolve(let batch):
            if contents.batches[batch] == nil { contents.batches[batch] = .fenced }
            answer = .verdicts(verdicts(of: batch))
        case .administer(let tenant, let change):
            change(&contents.tenants[tenant])
            answer = .done(true)
        case .statement(_, let body):
            do throws(DatabaseError) {
                answer = try body(&contents)
            } catch {
                return fail(transaction, error)
            }
        }
        world.tell("database: \(transaction.work) commits")
        // The log is replicated in order: what follows takes with it what came before.
        replicated = transaction.fate == .warned ? replicated ?? before : nil
        check(transaction.work.tenants)
        end(transaction)
        switch transaction.fate {
        case .warned:
            let result: Result<Answer, DatabaseError> =
                world.plant == .warningAsSuccess ? .success(answer) : .failure(.inDoubt("committed locally"))
            transaction.exchange.end(result, after: world.latency(), world)
            // Mostly it is a failover that interrupts the wait.
            if world.chance.permille(500), !world.areFaultsOver {
                world.after(world.latency()) { [self] in crash(failingOver: true, for: 100_000) }
            }
        case .garbled:
            transaction.exchange.end(
                .failure(DatabaseError(.unexpected, "no such column")), after: world.latency(), world)
        case .served, .slow, .aborted, .lost, .late, .cut:
            transaction.exchange.end(.success(answer), after: world.latency(), world)
        }
        changed()
    }

    private func verdicts(of batch: MessageID) -> AcceptAnswer? {
        guard case .decided(let verdicts, let moment)? = contents.batches[batch] else { return nil }
        return AcceptAnswer(verdicts, clock: Calendar.instant(moment))
    }

    // MARK: accept

    private func decide(_ call: AcceptCall) -> [AcceptAnswer.Verdict] {
        var debits: [Int: Int] = [:]
        var keys: [[UInt8]: MessageID] = [:]
        return call.items.enumerated().map { index, item in
            let tenant = contents.tenants[item.tenant]
            let count = item.request.recipients.count
            if tenant.isSuspended { return .refused(AcceptRefusal(verdict: .tenantSuspended)) }
            if let digest = item.request.resubmissionDigest {
                if let first = keys[digest] { return .resubmitted(first) }
                if let first = contents.recent[digest], world.now - first.at < 600_000_000 {
                    return .resubmitted(first.id)
                }
            }
            let used = tenant.used + debits[item.tenant, default: 0]
            guard used + count <= tenant.cap else {
                return .refused(
                    AcceptRefusal(
                        verdict: .dailyCap, limit: "daily", cap: Int64(tenant.cap), used: Int64(used),
                        resetsText: "tomorrow"))
            }
            debits[item.tenant, default: 0] += count
            if let digest = item.request.resubmissionDigest { keys[digest] = call.ids[index] }
            return .accepted(remaining: Int64(tenant.cap - used - count), .forwarded)
        }
    }

    private func store(_ call: AcceptCall, _ verdicts: [AcceptAnswer.Verdict], decidedAt: Moment) {
        world.check(contents.batches[call.batch] == nil, "batch \(call.batch) was written twice")
        contents.batches[call.batch] = .decided(verdicts, at: decidedAt)
        for (index, verdict) in verdicts.enumerated() {
            guard case .accepted = verdict else { continue }
            let item = call.items[index]
            let count = item.request.recipients.count
            contents.tenants[item.tenant].used += count
            contents.tenants[item.tenant].stored += count
            let tenant = contents.tenants[item.tenant]
            world.check(tenant.used <= tenant.cap, "\(tenant.used) of \(tenant.cap) used by tenant \(item.tenant)")
            world.check(contents.places[call.ids[index]] == nil, "message \(call.ids[index]) was stored twice")
            contents.places[call.ids[index]] = contents.messages.count
            contents.messages.append(StoredMessage(call, index, at: decidedAt))
            if let digest = item.request.resubmissionDigest {
                contents.recent[digest] = Recent(id: call.ids[index], at: decidedAt)
            }
            world.note(call.ids[index].low)
        }
    }

    /// `used` = stored − refunded, for whom something has changed.
    private func check(_ changed: Set<Int>) {
        for tenant in changed {
            let one = contents.tenants[tenant]
            world.check(one.used == one.stored, "tenant \(tenant) has \(one.used) used and \(one.stored) stored")
        }
    }
}
