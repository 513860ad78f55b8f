// The forwarder role: brings accepted mail to the relay pools and records what became of each recipient. It owns no
// state but its lease: what it holds in memory is in PostgreSQL too, and another node takes over when this one ends.

package import Delivery
package import Ledger
package import Logging
package import NIOCore
package import Network
package import Postgres
import SMTP
import Synchronization
package import Tenancy

/// Takes messages from the acceptor's memory and from the queue, and delivers them at least once.
package final class Forwarder: Sendable {
    package struct Configuration: Sendable {
        /// The name in LHLO.
        package var hostname: String
        package var schedule: RetrySchedule
        /// The age at which senders who asked for it hear that a recipient is still being tried (NOTIFY=DELAY).
        package var delayWarning: Duration
        package var connectionsPerMember: Int
        /// Bounds of what is held in memory.
        package var maxMessages: Int
        package var maxOctets: Int

        package init(
            hostname: String, schedule: RetrySchedule = .standard, delayWarning: Duration = .seconds(4 * 3600),
            connectionsPerMember: Int = 20,
            maxMessages: Int = 5_000, maxOctets: Int = 128 << 20
        ) {
            self.hostname = hostname
            self.schedule = schedule
            self.delayWarning = delayWarning
            self.connectionsPerMember = connectionsPerMember
            self.maxMessages = maxMessages
            self.maxOctets = maxOctets
        }
    }

    let configuration: Configuration
    let queue: Queue
    private let owner: Owner
    private let pools: PoolDirectory
    private let eventLoop: any EventLoop
    let logger: Logger
    private let held: Mutex<HeldMessages>
    /// Pools of which no relay answers, and until when: claiming more for them would only move it from hand to hand.
    private let outages = Mutex<[Int64: ContinuousClock.Instant]>([:])
    private let core: NIOLoopBoundBox<ForwarderCore?>
    /// Tenants of whom something has changed, and how often it is still asked what: an answer of accept or claim of before
    /// the change may be on its way yet.
    private let changed = Mutex<[Int64: Int]>([:])

    /// - Parameters:
    ///   - tls: for every way of TLS that a member may ask for.
    ///   - budget: what the process may hold of messages, its sessions' included.
    package init(
        configuration: Configuration, queue: Queue, owner: Owner, pools: PoolDirectory, tls: NextHopTLS,
        budget: BodyBudget, on eventLoop: any EventLoop, logger: Logger
    ) {
        self.configuration = configuration
        self.queue = queue
        self.owner = owner
        self.pools = pools
        self.eventLoop = eventLoop
        self.logger = logger
        held = Mutex(
            HeldMessages(
                maxMessages: configuration.maxMessages, maxOctets: configuration.maxOctets, budget: budget))
        core = .makeBoxSendingValue(nil, eventLoop: eventLoop)
        eventLoop.execute { [self] in
            core.value = ForwarderCore(
                on: eventLoop, connectionsPerMember: configuration.connectionsPerMember,
                makeHop: { member, mayFinish, report in
                    DeliveryConnection(
                        to: NextHop(member), hostname: configuration.hostname, tls: tls, on: eventLoop,
                        mayFinish: mayFinish, report: report)
                }, clock: { .nanoseconds(Int64(clamping: NIODeadline.now().uptimeNanoseconds)) },
                mayBegin: { [owner] in owner.mayFinish },
                mayFinish: { [weak self] message in self?.mayFinish(message) ?? false }, logger: logger,
                finished: { [weak self] message, result in self?.finished(message, result) })
        }
    }

    /// Takes messages that are leased to this node; those there is no room for are given back.
    package func take(_ messages: [QueuedMessage]) { take(messages, isClaimed: false) }

    private func take(_ messages: [QueuedMessage], isClaimed: Bool) {
        let now = queue.clock.now
        let (taken, returned, bodiless) = held.withLock { $0.take(messages, isClaimed: isClaimed, now: now) }
        if !returned.isEmpty { queue.settle(returned) }
        for message in bodiless { giveUp(message, "the stored message is no longer there") }
        #if PLANTED_FAULTS
            if Planted.active == .deliveredBeforeReply {
                queue.settle(
                    taken.flatMap { one in one.recipients.map { Settlement(.delivered, of: $0, in: one) } })
            }
        #endif
        guard !taken.isEmpty else { return }
        eventLoop.execute { [core, taken] in core.value?.take(taken) }
    }

    /// Claims and delivers until cancelled; then lets what is under way finish, however long that takes.
    package func run() async {
        // Not a child task: it must go on until the last delivery after the cancellation.
        let watching = Task { await self.watchPools() }
        let recalling = Task { await self.recall() }
        await queue.poll(
            maxBytes: configuration.maxOctets / 2,
            room: { self.held.withLock { $0.room } }, pools: { await self.poolsWithRoom() },
            take: { self.take($0, isClaimed: true) })
        // Not cancelled with the caller.
        await Task {
            try? await eventLoop.flatSubmit { [core, eventLoop] in
                core.value?.stop() ?? eventLoop.makeSucceededVoidFuture()
            }.get()
        }.value
        watching.cancel()
        recalling.cancel()
    }

    /// Nil: all of them.
    private func poolsWithRoom() async -> [Int64]? {
        guard let all = try? await pools.pools().keys else { return nil }
        let now = ContinuousClock.now
        let out = outages.withLock { outages in
            outages = outages.filter { now < $0.value }
            return Set(outages.keys)
        }
        let free = held.withLock { held in all.filter { held.hasRoom(for: $0) && !out.contains($0) } }
        return free.count == all.count ? nil : Array(free)
    }

    /// What the lease holder must know before it claims rows again.
    package var inMemory: [Owner.LeasedMessage] { held.withLock { $0.leased } }

    /// The lease was lost or has come back: what is not ours any more is dropped before anything more is sent.
    package func leaseChanged(_ event: Owner.Event) async {
        switch event {
        case .lost:
            return
        case .reclaimed(let id, let recipients, let asked):
            let returned = held.withLock { $0.keep(recipients, by: id, of: asked) }
            if !returned.isEmpty { queue.settle(returned) }
        case .audited(let id, let leased):
            let lost = held.withLock { $0.audit(leased, by: id) }
            if !lost.isEmpty {
                logger.warning(
                    "leased to this node and in no memory: given back",
                    metadata: [
                        "recipients": .stringConvertible(lost.count), "first": "\(lost[0].messageID)",
                    ])
                queue.settle(lost)
            }
            return
        case .startedAgain:
            held.withLock { $0.removeAll() }
        case .resumed:
            try? await eventLoop.submit { [self] in core.value?.resume() }.get()
            return
        }
        try? await eventLoop.submit { [self] in
            core.value?.drop { message in held.withLock { !$0.holds(message) } }
        }.get()
    }

    private func mayFinish(_ message: QueuedMessage) -> Bool {
        owner.holdingID == message.owner && owner.mayFinish && held.withLock { $0.holds(message) }
    }

    /// What the listener heard: of tenants whose queue is held, who are deleted or go by another pool, and of messages that
    /// are cancelled, what waits here is given back.
    package func hear(_ event: Listener.Event) {
        let tenants: [Int64]
        switch event {
        case .notification(let channel, let payload):
            guard channel == "\(DirectoryChange.channel)" else { return }
            switch DirectoryChange(payload: payload) {
            case .tenant(let id): tenants = [id]
            case .everything: tenants = held.withLock { $0.tenants }
            case .credential, .pool: return
            }
        case .connected: tenants = held.withLock { $0.tenants }
        case .lost: return
        }
        changed.withLock { changed in for tenant in tenants { changed[tenant] = 2 } }
    }

    private func recall() async {
        while (try? await Task.sleep(for: .milliseconds(300))) != nil { await recallChanged() }
    }

    private func recallChanged() async {
        let tenants = changed.withLock { Array($0.keys) }
        guard !tenants.isEmpty, owner.holdingID != nil, let recall = try? await queue.recalled(tenants: tenants) else {
            return
        }
        changed.withLock { changed in
            for tenant in tenants { changed[tenant] = changed[tenant].flatMap { $0 > 1 ? $0 - 1 : nil } }
        }
        try? await eventLoop.submit { [self] in
            for message in core.value?.giveBack(recall) ?? [] {
                queue.settle(message.recipients.map { Settlement(.released(until: nil), of: $0, in: message) })
                held.withLock { $0.finish(message) }
            }
        }.get()
    }

    /// Pools change rarely and are remembered: asking is free unless an operator has changed one.
    private func watchPools() async {
        var last: [Int64: Pool] = [:]
        while !Task.isCancelled {
            eventLoop.execute { [core] in core.value?.resume() }
            if let now = try? await pools.pools(), now != last {
                last = now
                let list = Array(now.values)
                outages.withLock { $0 = [:] }
                eventLoop.execute { [core] in core.value?.configure(list) }
            }
            try? await Task.sleep(for: .milliseconds(500))
        }
    }

    private func finished(_ message: QueuedMessage, _ result: DeliveryResult) {
        switch result {
        case .noRelay(_, let wait, let isOutage):
            if isOutage { outages.withLock { $0[message.poolID] = .now + wait } }
        case .notTried(let reason, _):
            // A claim would not have given it: it is heard of again whether that still is so.
            if reason == ForwarderCore.heldReason { changed.withLock { $0[message.tenantID] = 2 } }
        case .answered, .interrupted:
            outages.withLock { _ = $0.removeValue(forKey: message.poolID) }
        }
        settle(message, result)
        held.withLock { $0.finish(message) }
    }
}
