package import NIOCore
package import TLS

/// What a connection tells its owner, on the connection's event loop.
package protocol ClientOwner: AnyObject {
    /// The session stands (after AUTH, and after each message): call `send` or `quit`.
    func clientIsReady(_ client: ClientHandler)
    /// A message's content is on its way and the dialogue pipelines: `send` may be called for the next one.
    func clientMayFollow(_ client: ClientHandler)
    func client(_ client: ClientHandler, finished outcome: ClientDialogue.Outcome)
    /// The last call, once for each connection; nil after QUIT.
    func client(_ client: ClientHandler, ended failure: (any Error)?)
}

extension ClientOwner {
    package func clientMayFollow(_ client: ClientHandler) {}
}

/// Turns bytes into calls of a `ClientDialogue` and its actions into writes, TLS and calls of the owner.
package final class ClientHandler: ChannelInboundHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    package struct TLSOptions: Sendable {
        package let context: TLSContext
        package let serverName: String
        /// TLS comes before the greeting (RFC 8314 §3.3), not by STARTTLS.
        package let isAtOnce: Bool

        package init(context: TLSContext, serverName: String, isAtOnce: Bool = false) {
            self.context = context
            self.serverName = serverName
            self.isAtOnce = isAtOnce
        }
    }

    package struct ConnectionLost: Error, CustomStringConvertible {
        package init() {}

        package var description: String { "the server closed the connection" }
    }

    package struct TimedOut: Error, CustomStringConvertible {
        package let after: TimeAmount
        package var description: String { "no reply within \(after.nanoseconds / 1_000_000_000) s" }
    }

    private var dialogue: ClientDialogue
    private let tls: TLSOptions?
    private let bindsChannel: Bool
    private let secrets: SaltedSecrets
    private let timeout: TimeAmount
    private unowned let owner: any ClientOwner
    private var context: ChannelHandlerContext?
    private var tlsHandler: TLSHandler?
    private var output = ByteBuffer()
    private var lastOctets = NIODeadline.now()
    private var watch: Scheduled<Void>?
    private var isEnded = false
    private var isResting = false
    /// What TLS settled, once it is up.
    package private(set) var session: TLSSession?

    package init(
        _ configuration: ClientDialogue.Configuration, tls: TLSOptions?, secrets: SaltedSecrets, timeout: TimeAmount,
        owner: any ClientOwner
    ) {
        dialogue = ClientDialogue(configuration)
        self.tls = tls
        bindsChannel = configuration.credentials?.mechanism == .scramSHA256Plus
        self.secrets = secrets
        self.timeout = timeout
        self.owner = owner
    }

    package var isOpen: Bool { !isEnded }
    package var offered: [String] { dialogue.offered }
    package var mechanism: ClientCredentials.Mechanism? { dialogue.mechanism }

    /// Whether a login could be bound to its TLS (`tls-exporter`).
    package var hasBinding: Bool { (try? tlsHandler?.channelBinding()) != nil }

    /// Nothing is expected from now on: the time-out does not run until `quit`.
    package func rest() { isResting = true }

    package func send(_ envelope: ClientDialogue.Envelope, content: ByteBuffer) {
        dialogue.send(envelope, content: content, into: &output)
        flush()
    }

    package func quit() {
        isResting = false
        lastOctets = .now()
        dialogue.quit(into: &output)
        flush()
    }

    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if tls?.isAtOnce == true { startTLS() }
        if context.channel.isActive { watchProgress(context) }
    }

    package func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    package func channelActive(context: ChannelHandlerContext) { watchProgress(context) }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        lastOctets = .now()
        dialogue.receive(&bytes)
        advance()
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSEvent.handshakeCompleted(let session) = event {
            self.session = session
            // In front of everything, the greeting is what comes next.
            if tls?.isAtOnce == true { return }
            dialogue.secured(into: &output)
            advance()
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) { end(error) }

    package func channelInactive(context: ChannelHandlerContext) { end(ConnectionLost()) }

    private func advance() {
        while let action = dialogue.advance(into: &output) {
            switch action {
            case .startTLS: startTLS()
            case .authenticate: authenticate()
            case .ready: owner.clientIsReady(self)
            case .mayFollow: owner.clientMayFollow(self)
            case .outcome(let outcome):
                owner.client(self, finished: outcome)
                if dialogue.isIdle { owner.clientIsReady(self) }
            case .failed(let failure): end(failure)
            case .closed: end(nil)
            }
            if isEnded { return }
        }
        flush()
    }

    private func startTLS() {
        guard let context, let tls else { return end(ConnectionLost()) }
        let handler = TLSHandler(context: tls.context, mode: .client(serverName: tls.serverName))
        tlsHandler = handler
        do {
            try context.pipeline.syncOperations.addHandler(handler, position: .before(self))
        } catch {
            end(error)
        }
    }

    private func authenticate() {
        var binding: [UInt8] = []
        if bindsChannel {
            do {
                guard let tlsHandler else { throw TLSError.notEstablished }
                binding = try tlsHandler.channelBinding()
            } catch {
                return end(error)
            }
        }
        dialogue.authenticate(channelBinding: binding, secrets: secrets, into: &output)
    }

    private func flush() {
        guard output.readableBytes > 0, let context else { return }
        context.writeAndFlush(wrapOutboundOut(output), promise: nil)
        // A fresh buffer: the written one may still be on its way, and clearing it would copy it.
        output = context.channel.allocator.buffer(capacity: 256)
    }

    private func end(_ failure: (any Error)?) {
        guard !isEnded else { return }
        isEnded = true
        watch?.cancel()
        owner.client(self, ended: failure)
        context?.close(promise: nil)
    }

    /// One timer for the whole connection: it looks when the last octets came and sleeps on.
    private func watchProgress(_ context: ChannelHandlerContext) {
        guard watch == nil else { return }
        lastOctets = .now()
        schedule(on: context.eventLoop, at: lastOctets + timeout)
    }

    private func schedule(on eventLoop: any EventLoop, at deadline: NIODeadline) {
        // Not weakly: an object that anything refers to weakly has its references counted beside it from then on, which costs
        // more than the timer. `end` takes the timer back, and each connection comes to it.
        watch = eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
            guard !self.isEnded else { return }
            if self.isResting {
                self.schedule(on: eventLoop, at: .now() + self.timeout)
            } else if NIODeadline.now() >= self.lastOctets + self.timeout {
                self.end(TimedOut(after: self.timeout))
            } else {
                self.schedule(on: eventLoop, at: self.lastOctets + self.timeout)
            }
        }
    }
}
