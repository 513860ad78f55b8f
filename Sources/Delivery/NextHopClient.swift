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
        return outcomes ?? Self.deferred(transaction, "this relay is shutting down")
    }

    /// Closes what is idle; what is under way is the callers' to wait for first.
    package func close() { eventLoop.execute { [core] in core.value?.close() } }

    static func deferred(
        _ transaction: DeliveryDialogue.Transaction, _ reason: String
    ) -> [DeliveryDialogue.Outcome] {
        let reply = RemoteReply(
            code: 451, enhanced: EnhancedCode(4, 4, 1), text: reason, command: "nothing", isOurs: true)
        return transaction.recipients.map { _ in .deferred(reply) }
    }

    private struct Job {
        let transaction: DeliveryDialogue.Transaction
        let promise: EventLoopPromise<[DeliveryDialogue.Outcome]>
        let deadline: NIODeadline
        var isSecondTry = false

        var isOverdue: Bool { NIODeadline.now() >= deadline }
    }

    private final class Link {
        var connection: DeliveryConnection?
        var job: Job?
        var outcomes: [DeliveryDialogue.Outcome?]?
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
        private var isClosed = false
        private static let overdue = "it took too long to pass it on"

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
            idle = []
        }

        private func pump() {
            while let next = waiting.first {
                if next.isOverdue {
                    next.promise.succeed(NextHopClient.deferred(next.transaction, Self.overdue))
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
                if link.outcomes != nil { finish(link, "nobody was asked") }
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
                finish(link, Self.overdue)
                drop(link)
            case .exhausted:
                finish(link, "the next hop takes no more in one connection")
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
                finish(link, reason)
            }
            drop(link)
        }

        private func finish(_ link: Link, _ reason: String) {
            guard let job = link.job else { return }
            let heard = link.outcomes
            link.job = nil
            link.outcomes = nil
            link.hasServed = true
            let missing = NextHopClient.deferred(job.transaction, reason)
            job.promise.succeed(missing.indices.map { heard?[$0] ?? missing[$0] })
        }

        private func drop(_ link: Link) {
            idle.removeAll { $0 === link }
            link.connection = nil
            count -= 1
            pump()
        }
    }
}

extension DeliveryDialogue.Outcome {
    /// It says no more than that the connection was lost before anything was asked of it.
    package var isConnectionLost: Bool {
        if case .deferred(let reply) = self { reply.code == 421 && reply.command == "MAIL FROM" } else { false }
    }
}
