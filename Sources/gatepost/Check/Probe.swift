import NIOCore
import NIOPosix
import SASL
import SubmissionClient
import TLS

/// Says EHLO to a server, with TLS where that is asked for, and QUIT.
struct Probe {
    let host: String
    let port: Int
    let heloName: String
    /// TLS before the greeting, as on port 465.
    var isTLSAtOnce = false
    /// Begins with a PROXY header that speaks for nobody, as a balancer's health check does.
    var isBalancer = false
    var timeout = TimeAmount.seconds(5)

    struct Seen: Sendable {
        var session: TLSSession?
        /// Whether a login could be bound to its TLS.
        var hasBinding = false
        /// What the last EHLO listed, upper case, a line each.
        var offered: [String]

        /// What AUTH lists.
        var mechanisms: [String] {
            offered.flatMap { line -> [String] in
                let words = line.split(separator: " ").map(String.init)
                return words.first == "AUTH" ? Array(words.dropFirst()) : []
            }
        }

        /// One of Gatepost's own relays, spoken to by SMTP: nobody else takes a recipient at a time. It takes mail by LMTP
        /// alone, also of those whom it knows.
        var isGateOfOurs: Bool {
            offered.contains("LIMITS RCPTMAX=1") && mechanisms.allSatisfy { $0 == "EXTERNAL" }
        }

        /// Why no delivery could log in there, by what a delivery would choose; nil: it could try.
        var loginFault: String? {
            let mechanism = ClientExchange.choose(
                from: mechanisms, isEncrypted: session != nil, hasBinding: hasBinding)
            guard mechanism == nil else { return nil }
            guard !mechanisms.isEmpty else { return "offers no login: mail waits" }
            return "offers no login that Gatepost knows (offered \(mechanisms.joined(separator: " "))): mail waits"
        }

        /// A login that failed would count at the server: what it offers must do.
        var untriedLogin: String {
            "offers AUTH \(mechanisms.joined(separator: " ")); the login itself was not tried"
        }
    }

    /// Whether a delivery that wants TLS where there is some goes on without: not with a server that breaks the protocol.
    static func mayGoOnInTheClear(after error: any Error) -> Bool {
        switch error as? ClientDialogue.Failure {
        case .protocolViolation, .server: false
        case .refused, .notOffered, nil: true
        }
    }

    /// - Throws: what a person would say of it.
    func run(tls: TLSContext?, serverName: String) async throws -> Seen {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let promise = eventLoop.makePromise(of: Seen.self)
        let configuration = ClientDialogue.Configuration(
            heloName: heloName, startsTLS: tls != nil && !isTLSAtOnce, credentials: nil, mayBeBasic: tls == nil)
        let options = tls.map {
            ClientHandler.TLSOptions(context: $0, serverName: serverName, isAtOnce: isTLSAtOnce)
        }
        ClientBootstrap(group: eventLoop).connectTimeout(timeout)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let owner = Owner(promise)
                    let handler = ClientHandler(
                        configuration, tls: options, secrets: SaltedSecrets(), timeout: timeout, owner: owner)
                    owner.keepAlive = owner
                    if isBalancer { try channel.pipeline.syncOperations.addHandler(ProxyPreface()) }
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .connect(host: host, port: port).whenFailure { promise.fail(Unreachable($0, host, port)) }
        return try await promise.futureResult.get()
    }

    private final class ProxyPreface: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        func channelActive(context: ChannelHandlerContext) {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "PROXY UNKNOWN\r\n")), promise: nil)
            context.fireChannelActive()
        }
    }

    private final class Owner: ClientOwner {
        private let promise: EventLoopPromise<Seen>
        private var seen: Seen?
        /// The handler does not own its owner: this one owns itself until the connection has ended.
        var keepAlive: Owner?

        init(_ promise: EventLoopPromise<Seen>) { self.promise = promise }

        func clientIsReady(_ client: ClientHandler) {
            seen = Seen(session: client.session, hasBinding: client.hasBinding, offered: client.offered)
            client.quit()
        }

        func client(_ client: ClientHandler, finished outcome: ClientDialogue.Outcome) {}

        func client(_ client: ClientHandler, ended failure: (any Error)?) {
            if let seen { promise.succeed(seen) } else { promise.fail(failure ?? ClientHandler.ConnectionLost()) }
            keepAlive = nil
        }
    }
}
