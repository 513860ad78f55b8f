import Histogram
import NIOCore
import NIOPosix
import TLS

/// One of the connections that are to stand at the same time; when one ends it opens the next.
final class LoadSlot: ClientOwner {
    /// Without one reply to a message between them.
    private static let maxFailuresInARow = 5

    /// A message to send, and when it should have begun.
    private struct Ticket {
        let number: Int
        let due: NIODeadline?
    }

    /// A message whose reply is awaited.
    private struct Sent {
        let begun: NIODeadline
        let octets: Int
    }

    private unowned let worker: LoadWorker
    private let promise: EventLoopPromise<Void>
    private var isConnecting = false
    private var connectingSince = NIODeadline.now()
    private var hasStood = false
    private var hasHeld = false
    private var sent = 0
    private var failuresInARow = 0
    /// Taken and not yet sent: it outlives the connection that it was meant for.
    private var ticket: Ticket?
    /// In the order of their replies; more than one where messages go out behind each other.
    private var underWay: [Sent] = []

    private var shared: LoadState { worker.shared }
    private var plan: LoadPlan { worker.shared.plan }

    init(_ worker: LoadWorker, _ promise: EventLoopPromise<Void>) {
        self.worker = worker
        self.promise = promise
    }

    func begin() {
        guard plan.rate != nil, plan.messagesPerConnection > 0 else { return worker.wantsConnection(self) }
        // Connections that come and go belong to the load: the first message's time is theirs too.
        guard takeTicket() else { return ended(nil) }
        wait(until: ticket?.due) { $0.worker.wantsConnection($0) }
    }

    func connect() {
        isConnecting = true
        guard shared.hasMore || ticket != nil else { return ended(nil) }
        sent = 0
        connectingSince = .now()
        let plan = plan
        let worker = NIOLoopBound(worker, eventLoop: worker.loop)
        let slot = NIOLoopBound(self, eventLoop: worker.value.loop)
        let bootstrap = ClientBootstrap(group: worker.value.loop)
            .connectTimeout(plan.timeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            // A reply is one read: without this NIO reads again only to be told that there is no more.
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        ClientHandler(
                            slot.value.shared.nextClient(), tls: plan.tls, secrets: worker.value.secrets,
                            timeout: plan.timeout, owner: slot.value))
                }
            }
        // A name is looked up by another thread, which for an address is a waste at each connection.
        let connected =
            if let address = try? SocketAddress(ipAddress: plan.host, port: plan.port) {
                bootstrap.connect(to: address)
            } else {
                bootstrap.connect(host: plan.host, port: plan.port)
            }
        connected
            .assumeIsolated().whenFailure { error in
                // The server cannot be reached at all: no other connection will do better.
                let unreachable = Unreachable(error, plan.host, plan.port)
                if !slot.value.hasStood { slot.value.shared.fail("\(unreachable)") }
                slot.value.ended(unreachable)
            }
    }

    private func wait(until due: NIODeadline?, then action: @escaping (LoadSlot) -> Void) {
        guard let due, due > .now() else { return action(self) }
        worker.loop.assumeIsolated().scheduleTask(deadline: due) { action(self) }
    }

    func clientIsReady(_ client: ClientHandler) {
        guard isConnecting else { return next(client) }
        isConnecting = false
        worker.connectionSettled()
        worker.tally.sessions += 1
        worker.tally.setUp.record(microseconds(since: connectingSince))
        worker.tally.mechanism = client.mechanism
        if let session = client.session { worker.tally.tls = "\(session.version) \(session.cipher)" }
        if !hasStood {
            hasStood = true
            shared.connectionStands()
        }
        // Connections that are lost before all of them stand are made again, and wait again.
        let bound = NIOLoopBound((slot: self, client: client), eventLoop: worker.loop)
        shared.gate?.hop(to: worker.loop).whenComplete { _ in
            if bound.value.client.isOpen { bound.value.slot.next(bound.value.client) }
        }
    }

    func clientMayFollow(_ client: ClientHandler) {
        // Ahead of time nothing is sent, and what is late goes when its turn comes.
        guard plan.hold == nil, mayBeginAnother, takeTicket() else { return }
        if let due = ticket?.due, due > .now() { return }
        send(by: client)
    }

    private func next(_ client: ClientHandler) {
        if plan.hold != nil, sent >= plan.messagesBeforeHold { return hold(client) }
        guard mayBeginAnother, takeTicket() else { return plan.hold == nil ? client.quit() : hold(client) }
        wait(until: ticket?.due) { slot in
            if client.isOpen { slot.send(by: client) }
        }
    }

    private var mayBeginAnother: Bool { plan.messagesPerConnection == 0 || sent < plan.messagesPerConnection }

    /// False when no message is to be begun any more.
    private func takeTicket() -> Bool {
        if ticket == nil {
            ticket = shared.takeTicket().map { Ticket(number: $0, due: shared.due($0)) }
        }
        return ticket != nil
    }

    private func send(by client: ClientHandler) {
        guard let ticket else { return }
        self.ticket = nil
        sent += 1
        let content = shared.message.numbered(ticket.number, size: plan.sizes.size(of: ticket.number))
        underWay.append(Sent(begun: ticket.due ?? .now(), octets: content.readableBytes))
        client.send(shared.envelope, content: content)
    }

    private func hold(_ client: ClientHandler) {
        client.rest()
        countHold()
        let bound = NIOLoopBound(client, eventLoop: worker.loop)
        shared.release?.hop(to: worker.loop).whenComplete { _ in
            if bound.value.isOpen { bound.value.quit() }
        }
    }

    private func countHold() {
        guard !hasHeld else { return }
        hasHeld = true
        shared.connectionHolds()
    }

    func client(_ client: ClientHandler, finished outcome: ClientDialogue.Outcome) {
        failuresInARow = 0
        guard !underWay.isEmpty else { return }
        let message = underWay.removeFirst()
        switch outcome {
        case .accepted:
            worker.tally.accepted += 1
            worker.tally.octets += message.octets
            worker.tally.latency.record(microseconds(since: message.begun))
            shared.count(isAccepted: true)
        case .refused(_, let reply):
            count(refusal: reply)
            shared.count(isAccepted: false)
        }
    }

    private func microseconds(since begun: NIODeadline) -> UInt64 {
        UInt64(max(1, (NIODeadline.now() - begun).nanoseconds / 1000))
    }

    private func count(refusal reply: ClientReply) {
        let key = reply.enhanced.map { "\(reply.code) \($0)" } ?? "\(reply.code)"
        worker.tally.refusals[key, default: 0] += 1
        if worker.tally.examples[key] == nil { worker.tally.examples[key] = reply.description }
    }

    func client(_ client: ClientHandler, ended failure: (any Error)?) {
        // A refused session will be refused to every other connection as well; a server that goes away may come back.
        switch failure {
        case ClientDialogue.Failure.notOffered?, ClientDialogue.Failure.server?,
            ClientDialogue.Failure.refused(.authentication, _)?, TLSError.untrustedServer?:
            shared.fail(failure.map { "\($0)" } ?? "")
        default: break
        }
        ended(failure)
    }

    private func ended(_ failure: (any Error)?) {
        if isConnecting {
            isConnecting = false
            worker.connectionSettled()
        }
        if !underWay.isEmpty {
            var unanswered = underWay.count
            if case ClientDialogue.Failure.refused(_, let reply)? = failure {
                count(refusal: reply)
                unanswered -= 1
            }
            worker.tally.unanswered += unanswered
            for _ in underWay { shared.count(isAccepted: false) }
            underWay.removeAll()
        }
        if let failure {
            worker.count(failure: failure)
            failuresInARow += 1
            if failuresInARow >= Self.maxFailuresInARow {
                shared.fail("\(failure), \(failuresInARow) times in a row")
            }
        }
        guard (shared.hasMore || ticket != nil) && !shared.hasStopped else {
            // Those that hold are not to wait for one that cannot.
            if plan.hold != nil { countHold() }
            return promise.succeed()
        }
        let bound = NIOLoopBound(self, eventLoop: worker.loop)
        worker.loop.scheduleTask(in: .milliseconds(Int64(failuresInARow) * 50)) { bound.value.begin() }
    }
}
