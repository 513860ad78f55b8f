import Histogram
import NIOCore
import NIOPosix
import TLS

/// One event loop's part of a load run: its connections and its tally. Never leaves its loop.
final class LoadWorker {
    /// Handshakes at a time: a listener's backlog holds no thousand.
    private static let maxConnecting = 64

    let shared: LoadState
    let loop: any EventLoop
    let secrets = SaltedSecrets()
    var tally = LoadReport()
    private var slots: [LoadSlot] = []
    private var connecting = 0
    private var waiting: [LoadSlot] = []

    init(_ shared: LoadState, on loop: any EventLoop) {
        self.shared = shared
        self.loop = loop
    }

    /// `promise` is fulfilled when the slot has nothing left to do.
    func add(_ promise: EventLoopPromise<Void>) {
        let slot = LoadSlot(self, promise)
        slots.append(slot)
        wantsConnection(slot)
    }

    func wantsConnection(_ slot: LoadSlot) {
        guard connecting < Self.maxConnecting else { return waiting.append(slot) }
        connecting += 1
        slot.connect()
    }

    func connectionSettled() {
        connecting -= 1
        if let next = waiting.popLast() { wantsConnection(next) }
    }

    func count(failure: any Error) {
        tally.failures["\(failure)", default: 0] += 1
    }
}

/// One of the connections that are to stand at the same time; when one ends it opens the next.
final class LoadSlot: ClientOwner {
    /// Without one reply to a message between them.
    private static let maxFailuresInARow = 5

    private unowned let worker: LoadWorker
    private let promise: EventLoopPromise<Void>
    private var isConnecting = false
    private var hasStood = false
    private var sent = 0
    private var failuresInARow = 0
    private var begun: NIODeadline?

    init(_ worker: LoadWorker, _ promise: EventLoopPromise<Void>) {
        self.worker = worker
        self.promise = promise
    }

    func connect() {
        isConnecting = true
        guard worker.shared.hasMore else { return ended(nil) }
        sent = 0
        let plan = worker.shared.plan
        let worker = NIOLoopBound(worker, eventLoop: worker.loop)
        let slot = NIOLoopBound(self, eventLoop: worker.value.loop)
        ClientBootstrap(group: worker.value.loop)
            .connectTimeout(plan.timeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            // A reply is one read: without this NIO reads again only to be told that there is no more.
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        ClientHandler(
                            plan.client, tls: plan.tls, secrets: worker.value.secrets, timeout: plan.timeout,
                            owner: slot.value))
                }
            }
            .connect(host: plan.host, port: plan.port)
            .assumeIsolated().whenFailure { error in
                // The server cannot be reached at all: no other connection will do better.
                let unreachable = Unreachable(error, plan.host, plan.port)
                if !slot.value.hasStood { slot.value.worker.shared.fail("\(unreachable)") }
                slot.value.ended(unreachable)
            }
    }

    func clientIsReady(_ client: ClientHandler) {
        guard isConnecting else { return next(client) }
        isConnecting = false
        worker.connectionSettled()
        worker.tally.sessions += 1
        if let session = client.session { worker.tally.tls = "\(session.version) \(session.cipher)" }
        if !hasStood {
            hasStood = true
            worker.shared.connectionStands()
        }
        // Connections that are lost before all of them stand are made again, and wait again.
        let bound = NIOLoopBound((slot: self, client: client), eventLoop: worker.loop)
        worker.shared.gate?.hop(to: worker.loop).whenComplete { _ in
            if bound.value.client.isOpen { bound.value.slot.next(bound.value.client) }
        }
    }

    private func next(_ client: ClientHandler) {
        let limit = worker.shared.plan.messagesPerConnection
        guard limit == 0 || sent < limit, let number = worker.shared.takeTicket() else { return client.quit() }
        sent += 1
        begun = .now()
        client.send(worker.shared.envelope, content: worker.shared.message.numbered(number))
    }

    func client(_ client: ClientHandler, finished outcome: ClientDialogue.Outcome) {
        failuresInARow = 0
        switch outcome {
        case .accepted:
            worker.tally.accepted += 1
            if let begun {
                let microseconds = max(1, (NIODeadline.now() - begun).nanoseconds / 1000)
                worker.tally.latency.record(UInt64(microseconds))
            }
            worker.shared.count(isAccepted: true)
        case .refused(_, let reply):
            count(refusal: reply)
            worker.shared.count(isAccepted: false)
        }
        begun = nil
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
            worker.shared.fail("\(failure.map { "\($0)" } ?? "")")
        default: break
        }
        ended(failure)
    }

    private func ended(_ failure: (any Error)?) {
        if isConnecting {
            isConnecting = false
            worker.connectionSettled()
        }
        if begun != nil {
            begun = nil
            if case ClientDialogue.Failure.refused(_, let reply)? = failure {
                count(refusal: reply)
            } else {
                worker.tally.unanswered += 1
            }
            worker.shared.count(isAccepted: false)
        }
        if let failure {
            worker.count(failure: failure)
            failuresInARow += 1
            if failuresInARow >= Self.maxFailuresInARow {
                worker.shared.fail("\(failure), \(failuresInARow) times in a row")
            }
        }
        guard worker.shared.hasMore else { return promise.succeed() }
        let bound = NIOLoopBound(self, eventLoop: worker.loop)
        worker.loop.scheduleTask(in: .milliseconds(Int64(failuresInARow) * 50)) {
            bound.value.worker.wantsConnection(bound.value)
        }
    }
}
