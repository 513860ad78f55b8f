import DequeModule
package import NIOCore
package import SMTP

/// Delivers to one next hop over a few connections that it keeps open: for those who have one place to deliver to and
/// wait for the outcome. Any thread may use it.
package final class NextHopClient: Sendable {
    private let core: NIOLoopBoundBox<Core?>
    private let eventLoop: any EventLoop

    /// - Parameters:
    ///   - limit: connections at a time; what comes beyond waits its turn.
    package init(to hop: NextHop, hostname: String, tls: NextHopTLS, limit: Int, on eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        let core = NIOLoopBoundBox<Core?>.makeBoxSendingValue(nil, eventLoop: eventLoop)
        self.core = core
        eventLoop.execute {
            core.value = Core(hop: hop, hostname: hostname, tls: tls, limit: limit, eventLoop: eventLoop)
        }
    }

    /// What became of each recipient, in order. Whoever was not answered for is deferred.
    ///
    /// - Parameter patience: after so long the message is somebody else's: its content is not sent any more.
    @concurrent package func deliver(
        _ transaction: DeliveryDialogue.Transaction, within patience: Duration
    ) async -> [DeliveryDialogue.Outcome] {
        let deadline = NIODeadline.now() + TimeAmount(patience)
        let outcomes = try? await eventLoop.flatSubmit { [core, eventLoop] in
            let promise = eventLoop.makePromise(of: [DeliveryDialogue.Outcome].self)
            core.value?.deliver(Job(transaction: transaction, promise: promise, deadline: deadline))
            return promise.futureResult
        }.get()
        let missing = Self.deferred(EnhancedCode(4, 3, 2), "this relay is shutting down")
        return outcomes ?? transaction.recipients.map { _ in missing }
    }

    /// Closes what is idle; what is under way is the callers' to wait for first.
    package func close() { eventLoop.execute { [core] in core.value?.close() } }

    private static func deferred(_ enhanced: EnhancedCode, _ reason: String) -> DeliveryDialogue.Outcome {
        .deferred(RemoteReply(code: 451, enhanced: enhanced, text: reason, command: "nothing", isOurs: true))
    }

    /// A message, and what became of its recipients in the transactions so far: a server may have room for some only.
    private struct Job {
        /// With those that are left.
        private(set) var transaction: DeliveryDialogue.Transaction
        private let promise: EventLoopPromise<[DeliveryDialogue.Outcome]>
        private let deadline: NIODeadline
        private var outcomes: [DeliveryDialogue.Outcome?]
        /// Of those that are left, in `outcomes`.
        private var places: [Int]
        var isSecondTry = false

        init(
            transaction: DeliveryDialogue.Transaction, promise: EventLoopPromise<[DeliveryDialogue.Outcome]>,
            deadline: NIODeadline
        ) {
            self.transaction = transaction
            self.promise = promise
            self.deadline = deadline
            outcomes = Array(repeating: nil, count: transaction.recipients.count)
            places = Array(outcomes.indices)
        }

        var isOverdue: Bool { NIODeadline.now() >= deadline }

        /// Takes what was heard of those that are left. True: some of them are to be asked about in another transaction,
        /// for this one had no room for them (RFC 5321 §4.5.3.1.10), or came to an end, and has brought others forward.
        mutating func hears(_ heard: [DeliveryDialogue.Outcome?]) -> Bool {
            let hasProgressed = heard.contains { if case .delivered = $0 { true } else { false } }
            var left: [Int] = []
            for (index, outcome) in heard.enumerated() {
                if hasProgressed, outcome?.isLackOfRoom ?? true { left.append(index) }
                if let outcome { outcomes[places[index]] = outcome }
            }
            guard !left.isEmpty, !isOverdue else { return false }
            transaction.recipients = left.map { transaction.recipients[$0] }
            places = left.map { places[$0] }
            return true
        }

        /// - Parameter reason: why those nobody has answered for have no other answer.
        func finish(_ enhanced: EnhancedCode, _ reason: String) {
            let missing = NextHopClient.deferred(enhanced, reason)
            promise.succeed(outcomes.map { $0 ?? missing })
        }
    }

    private final class Link {
        var connection: DeliveryConnection?
        var job: Job?
        var outcomes: [DeliveryDialogue.Outcome?]?
        var isOpen = false
        var hasServed = false
    }

    /// Bound to the loop.
    private final class Core {
        private let hop: NextHop
        private let hostname: String
        private let tls: NextHopTLS
        private let limit: Int
        private let eventLoop: any EventLoop
        private var waiting: Deque<Job> = []
        private var idle: [Link] = []
        private var count = 0
        /// Of them, those that are greeted, secured and logged in.
        private var openCount = 0
        private var isClosed = false
        private static let overdue = "it took too long to pass it on"
        /// RFC 3463: bad connection. (What is no connection yet has its own.)
        private static let broken = EnhancedCode(4, 4, 2)

        init(hop: NextHop, hostname: String, tls: NextHopTLS, limit: Int, eventLoop: any EventLoop) {
            self.hop = hop
            self.hostname = hostname
            self.tls = tls
            self.limit = limit
            self.eventLoop = eventLoop
        }

        func deliver(_ job: Job) {
            waiting.append(job)
            pump()
        }

        func close() {
            isClosed = true
            for link in idle { link.connection?.quit() }
            count -= idle.count
            openCount -= idle.count
            idle = []
        }

        private func pump() {
            while let next = waiting.first {
                if next.isOverdue {
                    next.finish(Self.broken, Self.overdue)
                    waiting.removeFirst()
                } else if let link = idle.popLast() {
                    link.job = waiting.removeFirst()
                    begin(link)
                } else if count < limit {
                    open(waiting.removeFirst())
                } else {
                    return
                }
            }
        }

        private func open(_ job: Job) {
            let link = Link()
            link.job = job
            count += 1
            let connection = DeliveryConnection(
                to: hop, hostname: hostname, tls: tls, on: eventLoop,
                mayFinish: { [weak link] in link?.job?.isOverdue == false },
                report: { [weak self] event in self?.happened(event, on: link) })
            link.connection = connection
            connection.open()
        }

        private func begin(_ link: Link) {
            guard let job = link.job else { return }
            link.connection?.deliver(job.transaction)
        }

        private func happened(_ event: DeliveryEvent, on link: Link) {
            switch event {
            case .ready:
                if !link.isOpen { openCount += 1 }
                link.isOpen = true
                if link.outcomes != nil, !goesOn(link) { finish(link, Self.broken, "nobody was asked") }
                if link.job != nil {
                    begin(link)
                } else if isClosed {
                    link.connection?.quit()
                    drop(link)
                } else {
                    idle.append(link)
                    pump()
                }
            case .outcomes(let outcomes):
                link.outcomes = outcomes
            case .retired:
                drop(link)
            case .abandoned:
                finish(link, Self.broken, Self.overdue)
                drop(link)
            case .exhausted:
                if goesOn(link), let job = link.job {
                    link.job = nil
                    waiting.prepend(job)
                } else {
                    finish(link, Self.broken, "the next hop takes no more in one connection")
                }
                drop(link)
            case .failed(let reason):
                failed(link, reason)
            }
        }

        private func failed(_ link: Link, _ reason: String) {
            let heardNothing = link.outcomes?.allSatisfy { $0.map(\.isConnectionLost) ?? true } ?? true
            // Kept open for nothing: the other side had closed it already, which is no failure of this message.
            if link.hasServed, heardNothing, var job = link.job, !job.isSecondTry {
                link.job = nil
                job.isSecondTry = true
                waiting.prepend(job)
            } else {
                // (Where others are open it is one connection too many, perhaps, and no word on the server.)
                finish(link, openCount > 0 ? Self.broken : RemoteReply.notReachedCode, reason)
            }
            drop(link)
        }

        /// Whether its message needs another transaction, behind one that went well.
        private func goesOn(_ link: Link) -> Bool {
            guard let heard = link.outcomes, link.job?.hears(heard) == true else { return false }
            link.outcomes = nil
            link.hasServed = true
            return true
        }

        private func finish(_ link: Link, _ enhanced: EnhancedCode, _ reason: String) {
            guard var job = link.job else { return }
            if let heard = link.outcomes { _ = job.hears(heard) }
            link.job = nil
            link.outcomes = nil
            link.hasServed = true
            job.finish(enhanced, reason)
        }

        private func drop(_ link: Link) {
            idle.removeAll { $0 === link }
            link.connection = nil
            count -= 1
            if link.isOpen { openCount -= 1 }
            pump()
        }
    }
}

extension DeliveryDialogue.Outcome {
    /// It says no more than that the connection was lost before anything was asked of it.
    package var isConnectionLost: Bool {
        if case .deferred(let reply) = self { reply.code == 421 && reply.command == "MAIL FROM" } else { false }
    }

    /// The transaction had no room for this recipient beside the others (RFC 5321 §4.5.3.1.10).
    package var isLackOfRoom: Bool {
        if case .deferred(let reply) = self {
            [452, 552].contains(reply.code) && reply.command == "RCPT TO"
        } else {
            false
        }
    }
}
