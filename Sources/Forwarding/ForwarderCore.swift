package import Delivery
import DequeModule
package import Ledger
package import Logging
package import NIOCore
import SMTP
package import Tenancy

/// Brings deliveries to the pools' members over connections it keeps open. Bound to one event loop; knows no database,
/// no clock and no socket but those it is given.
package final class ForwarderCore {
    /// Makes a connection: to whom; asked before the content is sent, whether the message is still ours; told what
    /// happens.
    package typealias HopMaker = (Member, @escaping () -> Bool, @escaping (DeliveryEvent) -> Void) -> any Hop
    typealias Job = PoolState.Job
    typealias Connection = PoolState.Connection
    typealias MemberState = PoolState.MemberState

    private static let maxRestarts = 3
    static let heldReason = "its queue is held"
    private static let held = DeliveryResult.notTried(reason: heldReason, wait: .seconds(1))

    private let eventLoop: any EventLoop
    private let connectionsPerMember: Int
    private let makeHop: HopMaker
    private let clock: () -> Duration
    private let mayBegin: () -> Bool
    private let mayFinish: (QueuedMessage) -> Bool
    private let finished: (QueuedMessage, DeliveryResult) -> Void
    private let logger: Logger
    private var pools: [Int64: PoolState] = [:]
    /// The directory has been heard: until then nobody knows that a pool has no members.
    private var isConfigured = false
    /// Tenants of whom nothing is to be sent, as last heard.
    private var heldTenants: Set<Int64> = []
    private var isStopping = false
    private var stopped: EventLoopPromise<Void>?

    /// - Parameters:
    ///   - clock: any that only goes forward.
    ///   - mayBegin: whether the lease is held: while it is not, nothing is begun (`resume`).
    ///   - mayFinish: asked before each final dot, on the loop.
    ///   - finished: called once for each delivery taken, on the loop, unless `stop` gave it back.
    package init(
        on eventLoop: any EventLoop, connectionsPerMember: Int, makeHop: @escaping HopMaker,
        clock: @escaping () -> Duration, mayBegin: @escaping () -> Bool = { true },
        mayFinish: @escaping (QueuedMessage) -> Bool,
        logger: Logger, finished: @escaping (QueuedMessage, DeliveryResult) -> Void
    ) {
        self.eventLoop = eventLoop
        self.connectionsPerMember = connectionsPerMember
        self.makeHop = makeHop
        self.clock = clock
        self.mayBegin = mayBegin
        self.mayFinish = mayFinish
        self.logger = logger
        self.finished = finished
    }

    package func take(_ deliveries: [QueuedMessage]) {
        eventLoop.preconditionInEventLoop()
        var touched: Set<Int64> = []
        for delivery in deliveries {
            if heldTenants.contains(delivery.tenantID) {
                finished(delivery, Self.held)
                continue
            }
            pool(delivery.poolID).waiting.append(Job(delivery: delivery))
            touched.insert(delivery.poolID)
        }
        for id in touched { pump(pool(id)) }
    }

    /// Takes over what the directory says of pools and members; who has left finishes what is under way.
    package func configure(_ configured: [Pool]) {
        eventLoop.preconditionInEventLoop()
        isConfigured = true
        for pool in configured {
            let state = self.pool(pool.id)
            state.name = pool.name
            for member in pool.members {
                let known = state.members.first { $0.member.id == member.id && !$0.isReplaced }
                if let known, NextHop(known.member) == NextHop(member) {
                    known.member = member
                    known.isLeaving = false
                } else {
                    // Another address, or way of speaking to it, is another member: its connections are the old one's, who
                    // leaves when they are done.
                    known?.isReplaced = true
                    state.members.append(MemberState(member, connectionLimit: connectionsPerMember))
                }
            }
            let ids = Set(pool.members.map(\.id))
            for gone in state.members where gone.isReplaced || !ids.contains(gone.member.id) { gone.isLeaving = true }
            for member in state.members {
                if member.takesMail { retireSurplus(member) } else { retireIdle(member) }
            }
            state.members.removeAll { $0.isLeaving && $0.connections.isEmpty }
            state.rotation.keep(ids)
        }
        let known = Set(configured.map(\.id))
        for state in pools.values where !known.contains(state.id) {
            for member in state.members { member.isLeaving = true }
        }
        for state in pools.values { pump(state) }
    }

    /// Forgets messages that are not this node's any more; one that is under way is stopped before its final dot.
    package func drop(where isGone: (QueuedMessage) -> Bool) {
        eventLoop.preconditionInEventLoop()
        for state in pools.values { state.waiting.removeAll { isGone($0.delivery) } }
    }

    /// Takes out of the line what is not to be sent from here any more, or not just now; what is under way goes on.
    ///
    /// Of a tenant of whom nothing is to be sent, what comes or fails later is given back too, until another answer.
    package func giveBack(_ recall: Queue.Recall) -> [QueuedMessage] {
        eventLoop.preconditionInEventLoop()
        for (tenant, pool) in recall.pools {
            if pool == nil { heldTenants.insert(tenant) } else { heldTenants.remove(tenant) }
        }
        var given: [QueuedMessage] = []
        for state in pools.values where !state.waiting.isEmpty {
            var kept: Deque<Job> = []
            for var job in state.waiting {
                let gone = recall.places(in: job.delivery)
                guard !gone.isEmpty else {
                    kept.append(job)
                    continue
                }
                given.append(job.delivery.part(gone))
                let rest = job.delivery.recipients.indices.filter { !gone.contains($0) }
                guard !rest.isEmpty else { continue }
                job.narrow(to: rest)
                kept.append(job)
            }
            state.waiting = kept
        }
        return given
    }

    /// What waits goes on if it may: the lease is held again, or some time has passed. (A probe may have gone unanswered for
    /// too long, or a member's pause be over; nothing else tells of that.)
    package func resume() {
        eventLoop.preconditionInEventLoop()
        for state in pools.values { pump(state) }
    }

    /// Begins no more deliveries; completes when those under way have their outcome.
    package func stop() -> EventLoopFuture<Void> {
        eventLoop.preconditionInEventLoop()
        let promise = stopped ?? eventLoop.makePromise(of: Void.self)
        stopped = promise
        isStopping = true
        for state in pools.values {
            // Their lease ends with the owner; another node, or the next start, takes them up.
            state.waiting.removeAll()
            state.members.forEach(retireIdle)
        }
        completeStop()
        return promise.futureResult
    }

    private func completeStop() {
        guard isStopping, !pools.values.contains(where: { $0.members.contains { !$0.connections.isEmpty } }) else {
            return
        }
        stopped?.succeed()
    }

    private func pool(_ id: Int64) -> PoolState {
        if let known = pools[id] { return known }
        let state = PoolState(id: id)
        pools[id] = state
        return state
    }

    private var now: Duration { clock() }

    /// Gives what waits to whoever may take it.
    private func pump(_ pool: PoolState) {
        guard !isStopping, isConfigured, mayBegin() else { return }
        // Those that have failed somewhere may have to wait for one member while another is free: they are passed over, and
        // looked at first again after each step, which may have changed what waits.
        var place = 0
        while place < pool.waiting.count {
            let job = pool.waiting[place]
            switch pool.choose(for: job, at: now) {
            case .wait:
                // Whom none has failed can go to no member: nor can anybody behind it.
                if job.failedAt.isEmpty { return }
                place += 1
            case .send(let member):
                pool.waiting.remove(at: place)
                send(job, to: member, of: pool)
                place = 0
            case .nobody:
                pool.waiting.remove(at: place)
                giveUp(job, of: pool)
                place = 0
            }
        }
    }

    /// No member is left to try now.
    private func giveUp(_ job: Job, of pool: PoolState) {
        if let (outcomes, relay) = job.interruption {
            finished(job.delivery, .interrupted(outcomes, relay: relay))
        } else if isStopping || pool.name == nil {
            let reason = isStopping ? "this node is shutting down" : pool.reasonForNobody
            finished(job.delivery, .notTried(reason: reason, wait: pool.waitForRelay(at: now)))
        } else {
            finished(
                job.delivery,
                .noRelay(reason: pool.reasonForNobody, wait: pool.waitForRelay(at: now), isOutage: pool.isOut))
        }
    }

    private func send(_ job: Job, to member: MemberState, of pool: PoolState) {
        member.health.tried(at: now)
        if let connection = member.idle.popLast() {
            connection.job = job
            begin(connection)
        } else {
            let connection = Connection(member: member, job: job)
            member.connections.append(connection)
            connect(connection, of: pool)
        }
    }

    private func begin(_ connection: Connection) {
        guard let job = connection.job else { return }
        let transaction = job.delivery.transaction(over: connection.member.member.wire)
        connection.hop?.deliver(transaction)
    }

    private func connect(_ connection: Connection, of pool: PoolState) {
        let hop = makeHop(
            connection.member.member, { [mayFinish] in connection.job.map { mayFinish($0.delivery) } ?? false },
            { [weak self] event in self?.happened(event, on: connection, of: pool) })
        connection.hop = hop
        hop.open()
    }

    private func happened(_ event: DeliveryEvent, on connection: Connection, of pool: PoolState) {
        switch event {
        case .ready:
            if isDenied(connection) {
                connection.outcomes = nil
                connection.hop?.quit()
                return failed(
                    connection, of: pool, "it does not know this forwarder's certificate: Relaying denied",
                    isRefusal: true)
            }
            if let reason = isBroken(connection) {
                connection.outcomes = nil
                connection.hop?.quit()
                return failed(connection, of: pool, reason, isRefusal: true)
            }
            finishTransaction(on: connection, of: pool)
            if connection.job != nil {
                begin(connection)
            } else if connection.member.takesMail, !connection.isUnwelcome, !connection.member.isCrowded, !isStopping {
                connection.member.idle.append(connection)
                pump(pool)
            } else {
                connection.hop?.quit()
                remove(connection, of: pool)
                pump(pool)
            }
        case .outcomes(let outcomes):
            connection.outcomes = outcomes
        case .retired:
            remove(connection, of: pool)
        case .exhausted:
            finishTransaction(on: connection, of: pool)
            remove(connection, of: pool)
            if let job = connection.job {
                connection.job = nil
                putBack(job, of: pool)
            } else {
                pump(pool)
            }
        case .abandoned:
            remove(connection, of: pool)
            guard let job = connection.job else { return }
            connection.job = nil
            connection.member.health.succeeded()
            finished(job.delivery, .notTried(reason: "the lease is not ours beyond doubt", wait: .zero))
            pump(pool)
        case .failed(let reason):
            failed(connection, of: pool, reason)
        }
    }

    /// Our own relay takes nothing of this forwarder's, whatever it is: that is no word about the message.
    private func isDenied(_ connection: Connection) -> Bool {
        guard connection.member.member.wire == .lmtp, connection.job != nil, let outcomes = connection.outcomes else {
            return false
        }
        return outcomes.allSatisfy { $0?.isRelayingDenied == true }
    }

    /// Why our own relay can pass nothing on at all, whatever the message: another can, or this one later.
    private func isBroken(_ connection: Connection) -> String? {
        guard connection.job != nil, let outcomes = connection.outcomes, let first = outcomes.first,
            outcomes.allSatisfy({ outcome in
                if case .deferred(let reply)? = outcome { reply.isAboutRelay } else { false }
            }), case .deferred(let reply)? = first
        else { return nil }
        return reply.text
    }

    private func finishTransaction(on connection: Connection, of pool: PoolState) {
        // Our own relay may greet and then take nothing: it is well when it has answered for a message.
        if connection.outcomes != nil || connection.member.member.wire != .lmtp {
            connection.member.health.succeeded()
        }
        guard let outcomes = connection.outcomes, var job = connection.job else { return }
        connection.outcomes = nil
        connection.job = nil
        connection.transactions += 1
        connection.isUnwelcome = outcomes.contains { outcome in
            switch outcome {
            case .deferred(let reply)?, .bounced(let reply)?: reply.command == "MAIL FROM" && !reply.isOurs
            default: false
            }
        }
        // Those nobody was asked about, for the connection takes no more transactions, go on by another; those there was
        // no room for in this transaction (RFC 5321 §4.5.3.1.10) in the next, if it has brought others forward.
        let hasProgressed = outcomes.contains { if case .delivered = $0 { true } else { false } }
        let unasked = settle(job, outcomes, on: connection) { outcome in
            guard let outcome else { return true }
            return hasProgressed && outcome.isLackOfRoom
        }
        guard !unasked.isEmpty else { return }
        job.narrow(to: unasked)
        connection.job = job
    }

    /// Hands over the outcomes of a job but those that are still `open`, whose places are returned.
    private func settle(
        _ job: Job, _ outcomes: [DeliveryDialogue.Outcome?], on connection: Connection,
        open isOpen: (DeliveryDialogue.Outcome?) -> Bool
    ) -> [Int] {
        let open = outcomes.indices.filter { isOpen(outcomes[$0]) }
        let done = outcomes.indices.filter { !isOpen(outcomes[$0]) }
        guard !done.isEmpty else { return open }
        finished(
            open.isEmpty ? job.delivery : job.delivery.part(done),
            .answered(
                done.compactMap { outcomes[$0] }, relay: connection.member.name,
                tlsVersion: connection.hop?.tlsVersion))
        return open
    }

    /// - Parameter isRefusal: it answered, and not as one that had been idle and closed.
    private func failed(_ connection: Connection, of pool: PoolState, _ reason: String, isRefusal: Bool = false) {
        let member = connection.member
        guard var job = connection.job else { return remove(connection, of: pool) }
        connection.job = nil
        let outcomes = connection.outcomes ?? []
        // What is final stays so; the others are tried elsewhere at once.
        let open = settle(job, outcomes, on: connection) { $0.map(\.isDeferred) ?? true }
        remove(connection, of: pool)
        if !isRefusal, connection.transactions > 0, job.restarts < Self.maxRestarts,
            outcomes.allSatisfy({ $0.map(\.isConnectionLost) ?? true })
        {
            // A connection that had served and was closed while idle says nothing of the member. (Where more than MAIL was
            // heard of it was not idle, and the message may have been taken.)
            job.restarts += 1
            member.health.learnedNothing()
        } else {
            blame(member, of: pool, reason)
            job.failedAt.insert(member.member.id)
        }
        if !outcomes.isEmpty {
            guard !open.isEmpty else {
                pump(pool)
                return completeStop()
            }
            job.interrupted(outcomes, by: member.name)
            job.narrow(to: open)
        }
        putBack(job, of: pool)
    }

    /// To the head of the line, or back to the queue where nothing more is begun.
    private func putBack(_ job: Job, of pool: PoolState) {
        if isStopping {
            giveUp(job, of: pool)
            completeStop()
        } else if heldTenants.contains(job.delivery.tenantID) {
            finished(
                job.delivery,
                job.interruption.map { .interrupted($0.outcomes, relay: $0.relay) } ?? Self.held)
            pump(pool)
        } else {
            pool.waiting.prepend(job)
            pump(pool)
        }
    }

    private func blame(_ member: MemberState, of pool: PoolState, _ reason: String) {
        let isFirst = !member.health.isFailing
        member.health.failed(at: now)
        pool.lastFailure = "\(member.name): \(reason)"
        if isFirst {
            logger.warning(
                "relay failing",
                metadata: ["relay": "\(member.name)", "pool": "\(pool.name ?? "")", "reason": "\(reason)"])
        }
    }

    private func remove(_ connection: Connection, of pool: PoolState) {
        let member = connection.member
        member.connections.removeAll { $0 === connection }
        member.idle.removeAll { $0 === connection }
        connection.hop = nil
        if member.isLeaving, member.connections.isEmpty { pool.members.removeAll { $0 === member } }
        completeStop()
    }

    /// Those that are busy are retired when they are done.
    private func retireSurplus(_ member: MemberState) {
        while member.isCrowded, let connection = member.idle.popLast() {
            connection.hop?.quit()
            member.connections.removeAll { $0 === connection }
        }
    }

    private func retireIdle(_ member: MemberState) {
        for connection in member.idle {
            connection.hop?.quit()
            member.connections.removeAll { $0 === connection }
        }
        member.idle = []
    }
}
