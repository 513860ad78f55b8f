import Foundation
import NIOCore
import NIOPosix
import SubmissionClient
import TLS

/// One of a load's clients. Never leaves its loop; keeps itself until its promise is kept.
final class LoadClient: ClientOwner {
    private struct Message {
        var token: String
        var isKeyed: Bool
        var member: Population.Member
        var envelope: ClientDialogue.Envelope
        var content: ByteBuffer
        var begun = ContinuousClock.now
    }

    private let number: Int
    private let load: Load
    private let loop: any EventLoop
    private let promise: EventLoopPromise<Void>
    private let secrets = SaltedSecrets()
    private var random: Seeded
    private var member: Population.Member
    private var made = 0
    private var connections = 0
    private var sentHere = 0
    private var failures = 0
    /// Under way: its outcome is not known yet.
    private var current: Message?
    /// Its outcome will never be known; to be sent again as it was.
    private var again: Message?
    private var keepAlive: LoadClient?

    init(_ number: Int, _ load: Load, on loop: any EventLoop, _ promise: EventLoopPromise<Void>) {
        self.number = number
        self.load = load
        self.loop = loop
        self.promise = promise
        random = Seeded(state: load.plan.seed &+ UInt64(number) &* 7919)
        member = load.plan.members[number % load.plan.members.count]
        keepAlive = self
    }

    func begin() { connect() }

    private func connect() {
        guard !load.isStopping else { return end() }
        if let again { member = again.member }
        connections += 1
        sentHere = 0
        let plan = load.plan
        let configuration = ClientDialogue.Configuration(
            heloName: "client.example",
            credentials: ClientCredentials(
                username: member.username, secret: member.secret,
                mechanism: number.isMultiple(of: 2) ? .plain : .scramSHA256),
            pipelines: number.isMultiple(of: 3), keepsReplies: true)
        let bound = NIOLoopBound(self, eventLoop: loop)
        ClientBootstrap(group: loop).connectTimeout(.seconds(5))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let me = bound.value
                    try channel.pipeline.syncOperations.addHandler(
                        ClientHandler(
                            configuration, tls: me.load.tls, secrets: me.secrets, timeout: plan.patience, owner: me))
                }
            }
            .connect(host: "127.0.0.1", port: plan.ports[(number + connections) % plan.ports.count])
            .assumeIsolated().whenFailure { _ in bound.value.connectAgain() }
    }

    private func connectAgain() {
        failures += 1
        let bound = NIOLoopBound(self, eventLoop: loop)
        loop.scheduleTask(in: .milliseconds(Int64(min(failures, 10)) * 20)) { bound.value.connect() }
    }

    // MARK: ClientOwner

    func clientIsReady(_ client: ClientHandler) {
        failures = 0
        guard !load.isStopping, sentHere < 40 else { return client.quit() }
        let pause =
            Double(load.plan.clients) / Double(load.plan.messagesPerSecond)
            * Double.random(
                in: 0...2, using: &random)
        let bound = NIOLoopBound((me: self, client: client), eventLoop: loop)
        loop.scheduleTask(in: .microseconds(Int64(pause * 1_000_000))) {
            if bound.value.client.isOpen { bound.value.me.send(bound.value.client) }
        }
    }

    private func send(_ client: ClientHandler) {
        guard !load.isStopping || again != nil else { return client.quit() }
        var message = again ?? make()
        message.begun = .now
        again = nil
        current = message
        sentHere += 1
        load.willTry(message.token, isKeyed: message.isKeyed)
        client.send(message.envelope, content: message.content)
    }

    func client(_ client: ClientHandler, finished outcome: ClientDialogue.Outcome) {
        guard let message = current else { return }
        current = nil
        load.heard(outcome, message.token, after: message.begun.duration(to: .now))
    }

    func client(_ client: ClientHandler, ended failure: (any Error)?) {
        if let message = current {
            current = nil
            let time = message.begun.duration(to: .now)
            if case ClientDialogue.Failure.refused(let stage, let reply)? = failure {
                load.heard(.refused(stage, reply), message.token, after: time)
            } else {
                load.heard(nil, message.token, after: time)
                if message.isKeyed, Int.random(in: 0..<10, using: &random) < 8 { again = message }
            }
        } else if case ClientDialogue.Failure.refused(.authentication, let reply)? = failure, reply.code == 535 {
            // Revoked, or its tenant is suspended: somebody else's turn.
            load.note("535")
            again = nil
            member = load.plan.members.randomElement(using: &random) ?? member
        }
        guard failure == nil else { return connectAgain() }
        member = load.plan.members.randomElement(using: &random) ?? member
        connect()
    }

    private func end() {
        promise.succeed()
        keepAlive = nil
    }

    // MARK: Messages

    private func make() -> Message {
        made += 1
        let token = "t\(String(load.plan.seed % 100_000, radix: 36))x\(number)x\(made)"
        let isKeyed = Bool.random(using: &random)
        let count = [1, 1, 1, 2, 5].randomElement(using: &random) ?? 1
        let recipients = (1...count).map { place in
            let domain =
                switch Int.random(in: 0..<100, using: &random) {
                case 0..<3: "bounce.example"
                case 3..<8: "later.example"
                default: "remote.example"
                }
            return "\(token).\(place)@\(domain)"
        }
        var text = "From: <\(member.sender)>\r\nTo: <\(recipients[0])>\r\nSubject: \(token)\r\n"
        if isKeyed { text += "Message-ID: <\(token)@load.example>\r\nDate: Sat, 28 Nov 2026 12:00:00 +0000\r\n" }
        text += "\r\n" + String(repeating: "x", count: Int.random(in: 10...900, using: &random)) + "\r\n"
        return Message(
            token: token, isKeyed: isKeyed, member: member,
            envelope: ClientDialogue.Envelope(sender: member.sender, recipients: recipients),
            content: ByteBuffer(string: text))
    }
}
