internal import Foundation
internal import NIOCore
internal import NIOPosix
internal import SiteSupport
internal import SubmissionClient
internal import Synchronization
internal import TLS

/// Sends one message on a connection of its own, from greeting to QUIT, and journals what it heard.
final class OneMessage: Sendable {
    enum Outcome: Sendable { case accepted, delivered, refused, unknown, notTried }

    private let member: Population.Member
    private let port: Int
    private let journal: JournalWriter
    private let tls: ClientHandler.TLSOptions
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let made = Atomic<Int>(0)
    private let seed: UInt64
    private let content: ByteBuffer

    init(_ member: Population.Member, port: Int, ca: String, journal: JournalWriter, seed: UInt64) throws {
        self.member = member
        self.port = port
        self.journal = journal
        self.seed = seed
        tls = ClientHandler.TLSOptions(context: try TLSContext.client(authorities: ca), serverName: "127.0.0.1")
        var text = "From: <\(member.sender)>\r\nSubject: one\r\n\r\n"
        for _ in 0..<1400 { text += String(repeating: "x", count: 72) + "\r\n" }
        content = ByteBuffer(string: text)
    }

    func send() async -> (outcome: Outcome, id: String?) {
        let number = made.add(1, ordering: .relaxed).newValue
        let token = "n\(String(seed % 100_000, radix: 36))x\(number)"
        let loop = group.next()
        let promise = loop.makePromise(of: (Outcome, String?).self)
        let configuration = ClientDialogue.Configuration(
            heloName: "client.example",
            credentials: ClientCredentials(
                username: member.username, secret: member.secret,
                mechanism: number.isMultiple(of: 2) ? .plain : .scramSHA256),
            pipelines: false, keepsReplies: true)
        loop.execute { [self] in
            let attempt = Attempt(
                token, journal,
                ClientDialogue.Envelope(sender: member.sender, recipients: ["\(token).1@remote.example"]), content,
                promise)
            let bound = NIOLoopBound(attempt, eventLoop: loop)
            ClientBootstrap(group: loop).connectTimeout(.seconds(5))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(
                            ClientHandler(
                                configuration, tls: self.tls, secrets: SaltedSecrets(), timeout: .seconds(75),
                                owner: bound.value))
                    }
                }
                .connect(host: "127.0.0.1", port: port)
                .assumeIsolated().whenFailure { _ in promise.succeed((.notTried, nil)) }
        }
        return (try? await promise.futureResult.get()) ?? (.notTried, nil)
    }
}

/// Never leaves its loop; keeps itself until its promise is kept.
private final class Attempt: ClientOwner {
    private let token: String
    private let journal: JournalWriter
    private let envelope: ClientDialogue.Envelope
    private let content: ByteBuffer
    private let promise: EventLoopPromise<(OneMessage.Outcome, String?)>
    private var answer: (OneMessage.Outcome, String?)?
    private var isUnderWay = false
    private var keepAlive: Attempt?

    init(
        _ token: String, _ journal: JournalWriter, _ envelope: ClientDialogue.Envelope, _ content: ByteBuffer,
        _ promise: EventLoopPromise<(OneMessage.Outcome, String?)>
    ) {
        self.token = token
        self.journal = journal
        self.envelope = envelope
        self.content = content
        self.promise = promise
        keepAlive = self
    }

    func clientIsReady(_ client: ClientHandler) {
        guard !isUnderWay, answer == nil else { return client.quit() }
        isUnderWay = true
        journal.note("try \(token)")
        client.send(envelope, content: content)
    }

    func client(_ client: ClientHandler, finished outcome: ClientDialogue.Outcome) { hear(outcome) }

    func client(_ client: ClientHandler, ended failure: (any Error)?) {
        if isUnderWay {
            if case ClientDialogue.Failure.refused(let stage, let reply)? = failure {
                hear(.refused(stage, reply))
            } else {
                hear(nil)
            }
        }
        promise.succeed(answer ?? (.notTried, nil))
        keepAlive = nil
    }

    private func hear(_ outcome: ClientDialogue.Outcome?) {
        isUnderWay = false
        switch outcome {
        case .accepted(let reply):
            let id = reply.text.split(separator: " ").last.map(String.init) ?? ""
            journal.note("ack \(token) \(id)")
            answer = (.accepted, id)
        case .refused(_, let reply):
            journal.note("refused \(token) \(reply)")
            answer = (.refused, nil)
        case nil:
            journal.note("unknown \(token)")
            answer = (.unknown, nil)
        }
    }
}
