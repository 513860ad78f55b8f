import Foundation
import NIOCore
import NIOPosix
import SiteSupport
import SubmissionClient
import Synchronization
import TLS

/// Many clients that submit to several nodes until told to stop, and journal what they hear before they go on.
///
/// Half of the messages bring a Message-ID; of these, what ended without a reply is mostly sent again as it was, to
/// whichever node answers. The others are never sent again.
final class Load: Sendable {
    struct Plan: Sendable {
        var ports: [Int]
        var members: [Population.Member]
        var clients = 24
        /// Of all clients together; each waits its share of it between messages.
        var messagesPerSecond = 250
        var seed: UInt64
        /// How long a client waits for a reply: more than the 60 s after which a doubt ends it.
        var patience = TimeAmount.seconds(90)
    }

    let plan: Plan
    let tls: ClientHandler.TLSOptions
    private let journal: JournalWriter
    private let state = Mutex(State())
    private let group: MultiThreadedEventLoopGroup

    private struct State {
        var isStopping = false
        var acknowledged: [(token: String, id: String)] = []
        var counts: [String: Int] = [:]
        var lastAnswer = ContinuousClock.now
        var oddities: [String] = []
        var silences: [(token: String, after: Duration)] = []
    }

    init(_ plan: Plan, ca: String, journal: JournalWriter) throws {
        self.plan = plan
        self.journal = journal
        tls = ClientHandler.TLSOptions(
            context: try TLSContext.client(authorities: ca), serverName: "127.0.0.1")
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    }

    // MARK: What rows ask

    var acknowledged: Int { state.withLock { $0.acknowledged.count } }
    func count(_ name: String) -> Int { state.withLock { $0.counts[name, default: 0] } }
    /// When a client last had a 250.
    var lastAnswer: ContinuousClock.Instant { state.withLock { $0.lastAnswer } }
    /// Answers that no client should see.
    var oddities: [String] { state.withLock { $0.oddities } }
    /// Attempts that ended without a reply, and after how long.
    var silences: [(token: String, after: Duration)] { state.withLock { $0.silences } }
    /// The ids of messages accepted lately.
    func recent(_ count: Int) -> [String] { state.withLock { $0.acknowledged.suffix(count).map(\.id) } }
    var isStopping: Bool { state.withLock { $0.isStopping } }

    /// Runs until `stop`; returns when every client has had its last answer.
    func run() async {
        await withTaskGroup(of: Void.self) { tasks in
            for number in 0..<plan.clients {
                let loop = group.next()
                tasks.addTask { [self] in
                    let promise = loop.makePromise(of: Void.self)
                    loop.execute { LoadClient(number, self, on: loop, promise).begin() }
                    try? await promise.futureResult.get()
                }
            }
            await tasks.waitForAll()
        }
        journal.note("done")
        try? await group.shutdownGracefully()
    }

    func stop() { state.withLock { $0.isStopping = true } }

    // MARK: What clients tell

    func willTry(_ token: String, isKeyed: Bool) { journal.note("try \(token)\(isKeyed ? " keyed" : "")") }

    /// - Parameter time: since the message was begun.
    func heard(_ outcome: ClientDialogue.Outcome?, _ token: String, after time: Duration) {
        switch outcome {
        case .accepted(let reply):
            let id = reply.text.split(separator: " ").last.map(String.init) ?? ""
            journal.note("ack \(token) \(id)")
            state.withLock { state in
                state.acknowledged.append((token, id))
                state.lastAnswer = .now
            }
        case .refused(_, let reply):
            journal.note("refused \(token) \(reply)")
            let kind = "\(reply.code) \(reply.enhanced ?? "")"
            state.withLock { state in
                state.counts[kind, default: 0] += 1
                // Caps defer, suspensions and revocations are for good; nothing else is about the message.
                if reply.code >= 500, !["535", "550", "554"].contains("\(reply.code)"), state.oddities.count < 20 {
                    state.oddities.append("\(reply)")
                }
            }
        case nil:
            journal.note("unknown \(token)")
            state.withLock { $0.silences.append((token, time)) }
        }
    }

    func note(_ name: String) { state.withLock { $0.counts[name, default: 0] += 1 } }
}
