// The forwarder role: brings accepted mail to the relay pools and records what became of each recipient. It owns no
// state but its lease: what it holds in memory is in PostgreSQL too, and another node takes over when this one ends.

package import Delivery
package import Ledger
package import Logging
package import NIOCore
import Postgres
import SMTP
import Synchronization
package import Tenancy

/// Takes messages from the acceptor's memory and from the queue, and delivers them at least once.
package final class Forwarder: Sendable {
    package struct Configuration: Sendable {
        /// The name in LHLO.
        package var hostname: String
        package var schedule: RetrySchedule
        package var connectionsPerMember: Int
        /// Bounds of what is held in memory.
        package var maxMessages: Int
        package var maxOctets: Int

        package init(
            hostname: String, schedule: RetrySchedule = .standard, connectionsPerMember: Int = 20,
            maxMessages: Int = 5_000, maxOctets: Int = 128 << 20
        ) {
            self.hostname = hostname
            self.schedule = schedule
            self.connectionsPerMember = connectionsPerMember
            self.maxMessages = maxMessages
            self.maxOctets = maxOctets
        }
    }

    private let configuration: Configuration
    private let queue: Queue
    private let owner: Owner
    private let pools: PoolDirectory
    private let eventLoop: any EventLoop
    private let logger: Logger
    private let held: Mutex<HeldMessages>
    private let core: NIOLoopBoundBox<ForwarderCore?>

    /// - Parameter tls: for every way of TLS that a member may ask for.
    package init(
        configuration: Configuration, queue: Queue, owner: Owner, pools: PoolDirectory, tls: NextHopTLS,
        on eventLoop: any EventLoop, logger: Logger
    ) {
        self.configuration = configuration
        self.queue = queue
        self.owner = owner
        self.pools = pools
        self.eventLoop = eventLoop
        self.logger = logger
        held = Mutex(HeldMessages(maxMessages: configuration.maxMessages, maxOctets: configuration.maxOctets))
        core = .makeBoxSendingValue(nil, eventLoop: eventLoop)
        eventLoop.execute { [self] in
            core.value = ForwarderCore(
                on: eventLoop, hostname: configuration.hostname,
                connectionsPerMember: configuration.connectionsPerMember, tls: tls,
                mayFinish: { [weak self] message in self?.mayFinish(message) ?? false }, logger: logger,
                finished: { [weak self] message, result in self?.finished(message, result) })
        }
    }

    /// Takes messages that are leased to this node; those there is no room for are given back.
    package func take(_ messages: [QueuedMessage]) {
        var taken: [QueuedMessage] = []
        var returned: [Settlement] = []
        held.withLock { held in
            for message in messages {
                if message.content.readableBytes == 0 {
                    returned += settlements(of: message, .bounced, "the stored message is no longer there")
                } else if held.add(message) {
                    taken.append(message)
                } else {
                    returned += message.recipients.map { Settlement(.released(until: nil), of: $0.number, in: message) }
                }
            }
        }
        if !returned.isEmpty { queue.settle(returned) }
        guard !taken.isEmpty else { return }
        eventLoop.execute { [core, taken] in core.value?.take(taken) }
    }

    /// Claims and delivers until cancelled; then lets what is under way finish, `grace` at most.
    package func run(grace: Duration) async {
        // Not a child task: it must go on until the last delivery after the cancellation.
        let watching = Task { await self.watchPools() }
        await queue.poll(
            maxBytes: configuration.maxOctets / 2,
            room: { self.held.withLock { $0.room } }, take: { self.take($0) })
        let stopping = Task {
            try? await eventLoop.flatSubmit { [core, eventLoop] in
                core.value?.stop() ?? eventLoop.makeSucceededVoidFuture()
            }.get()
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await stopping.value }
            group.addTask { try? await ContinuousClock().sleep(for: grace) }
            await group.next()
            group.cancelAll()
        }
        watching.cancel()
    }

    /// What the lease holder must know before it claims rows again.
    package var inMemory: [Owner.LeasedMessage] { held.withLock { $0.leased } }

    /// The lease was lost or has come back: what is not ours any more is dropped before anything more is sent.
    package func leaseChanged(_ event: Owner.Event) async {
        switch event {
        case .lost:
            return
        case .reclaimed(let recipients):
            let returned = held.withLock { $0.keep(recipients) }
            if !returned.isEmpty { queue.settle(returned) }
        case .startedAgain:
            held.withLock { $0.removeAll() }
        }
        try? await eventLoop.submit { [self] in
            core.value?.drop { message in held.withLock { !$0.holds(message) } }
        }.get()
    }

    private func mayFinish(_ message: QueuedMessage) -> Bool {
        owner.holdingID == message.owner && owner.mayFinish && held.withLock { $0.holds(message) }
    }

    /// Pools change rarely and are remembered: asking is free unless an operator has changed one.
    private func watchPools() async {
        var last: [Int64: Pool] = [:]
        while !Task.isCancelled {
            if let now = try? await pools.pools(), now != last {
                last = now
                let list = Array(now.values)
                eventLoop.execute { [core] in core.value?.configure(list) }
            }
            try? await Task.sleep(for: .milliseconds(500))
        }
    }

    private func finished(_ message: QueuedMessage, _ result: DeliveryResult) {
        queue.settle(settlements(of: message, result))
        held.withLock { $0.finish(message.recipients.count, of: message) }
    }
}

extension Forwarder {
    private func settlements(of message: QueuedMessage, _ result: DeliveryResult) -> [Settlement] {
        switch result {
        case .answered(let outcomes, let relay, let tlsVersion, _):
            zip(message.recipients, outcomes).map { recipient, outcome in
                settlement(of: recipient, in: message, outcome, relay, tlsVersion, isInterruption: false)
            }
        case .interrupted(let outcomes, let relay):
            zip(message.recipients, outcomes).map { recipient, outcome in
                settlement(of: recipient, in: message, outcome, relay, nil, isInterruption: true)
            }
        case .noRelay(let reason, let wait):
            isExpired(message)
                ? settlements(of: message, .bounced, "expired: \(reason)")
                : settlements(of: message, .released(until: queue.clock.now.advanced(by: wait)), reason)
        }
    }

    /// The same, said by ourselves, for everyone.
    private func settlements(
        of message: QueuedMessage, _ outcome: Settlement.Outcome, _ reason: String
    ) -> [Settlement] {
        message.recipients.map { recipient in
            let code: Int32 = outcome == .bounced ? 554 : 451
            log(outcome, recipient, message, reply: "\(code) \(reason)", relay: "none", tlsVersion: nil)
            return Settlement(
                outcome, of: recipient.number, in: message, replyCode: code,
                replyEnhanced: outcome == .bounced ? "5.4.7" : "4.4.1", reply: Array(reason.utf8))
        }
    }

    private func settlement(
        of recipient: QueuedMessage.Recipient, in message: QueuedMessage, _ outcome: DeliveryDialogue.Outcome,
        _ relay: String, _ tlsVersion: String?, isInterruption: Bool
    ) -> Settlement {
        let reply = outcome.reply
        let settled: Settlement.Outcome
        switch outcome {
        case .delivered: settled = .delivered
        case .bounced: settled = .bounced
        case .deferred:
            let attempts = Int(recipient.attempts) + 1
            // A relay that died in the middle is back soon: the first tries need not wait for the schedule.
            let wait =
                isInterruption && attempts <= 3
                ? Duration.seconds(1 << attempts)
                : configuration.schedule.wait(after: attempts, jitter: Double.random(in: 0...1))
            settled = isExpired(message) ? .bounced : .deferred(until: queue.clock.now.advanced(by: wait))
        }
        log(
            settled, recipient, message, reply: "\(reply.code) \(reply.text)", relay: relay, tlsVersion: tlsVersion)
        return Settlement(
            settled, of: recipient.number, in: message, replyCode: Int32(clamping: reply.code),
            replyEnhanced: reply.enhanced.map { "\($0)" }, reply: Array(reply.text.utf8))
    }

    private func isExpired(_ message: QueuedMessage) -> Bool {
        queue.clock.now >= message.acceptedAt.advanced(by: configuration.schedule.expiry)
    }

    private func log(
        _ outcome: Settlement.Outcome, _ recipient: QueuedMessage.Recipient, _ message: QueuedMessage, reply: String,
        relay: String, tlsVersion: String?
    ) {
        let (word, level): (String, Logger.Level) =
            switch outcome {
            case .delivered: ("delivered", .info)
            case .bounced: ("bounced", .notice)
            case .deferred: ("deferred", .info)
            case .released: ("waiting for a relay", .info)
            }
        logger.log(
            level: level, "\(word)",
            metadata: [
                "id": "\(message.id)", "tenant": "\(message.tenantSlug)", "credential": "\(message.credentialName)",
                "client": "\(message.clientAddress ?? "")", "recipient": "\(recipient.mailbox)",
                "attempt": .stringConvertible(recipient.attempts + 1), "relay": "\(relay)",
                "tls": "\(tlsVersion ?? "")",
                "reply": "\(reply)",
            ])
    }
}
