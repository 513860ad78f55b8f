import NIOCore
import NIOPosix
import Network
import SASL
import SMTP
import TLS

/// One channel to a next hop: turns octets into the dialogue's input, its actions into writes and events.
final class DeliveryHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let idleLimit = TimeAmount.seconds(60)
    /// RFC 5321 §4.5.3.2.5: for each piece of the content.
    private static let pieceLimit = TimeAmount.minutes(3)

    private let hop: NextHop
    private let tls: TLSContext?
    private let mayFinish: () -> Bool
    private let report: (DeliveryEvent) -> Void
    private let handshakeFailed: (String) -> Void
    private var dialogue: DeliveryDialogue
    private var context: ChannelHandlerContext?
    private var deadline: Deadline?
    private var tlsHandler: TLSHandler?
    private var exchange: ClientExchange?
    private var batch: DeliveryBatch?
    private var isOver = false
    private var isIdle = false
    private var isHandshaking = false
    private var repliesSeen = 0
    private(set) var tlsVersion: String?
    /// Whose certificate the handshake showed.
    private(set) var peer: PeerCertificate?

    init(
        dialogue: DeliveryDialogue, hop: NextHop, tls: TLSContext?, mayFinish: @escaping () -> Bool,
        report: @escaping (DeliveryEvent) -> Void, handshakeFailed: @escaping (String) -> Void
    ) {
        self.dialogue = dialogue
        self.hop = hop
        self.tls = tls
        self.mayFinish = mayFinish
        self.report = report
        self.handshakeFailed = handshakeFailed
    }

    var capabilities: DeliveryCapabilities? { dialogue.capabilities }

    // MARK: What the owner asks for

    func deliver(_ transaction: DeliveryDialogue.Transaction) {
        guard let context, !isOver, let capabilities = dialogue.capabilities else {
            return fail("the connection was closed")
        }
        isIdle = false
        extend()
        let wire = hop.wire
        guard Adaptation.isLong(transaction, capabilities) else {
            return begin(DeliveryBatch(transaction, capabilities, wire))
        }
        // A conversion of many megabytes is no work for a loop that others share.
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        NIOThreadPool.singleton.runIfActive(eventLoop: context.eventLoop) {
            DeliveryBatch(transaction, capabilities, wire)
        }.whenComplete { result in
            switch result {
            case .success(let batch): bound.value.begin(batch)
            case .failure(let error): bound.value.fail("\(error)")
            }
        }
    }

    /// Says QUIT and closes.
    func quit() {
        guard let context, !isOver else { return }
        isOver = true
        var output = context.channel.allocator.buffer(capacity: 16)
        dialogue.quit(into: &output)
        write(output)
        context.close(promise: nil)
    }

    private func begin(_ batch: DeliveryBatch) {
        guard !isOver else { return }
        self.batch = batch
        continueBatch(mayBegin: true)
    }

    /// The next transaction of the message, or its outcomes.
    private func continueBatch(mayBegin: Bool) {
        guard var batch else {
            isIdle = true
            deadline?.move(to: Self.idleLimit)
            return report(.ready)
        }
        if mayBegin, let next = batch.next(), let context {
            self.batch = batch
            var output = context.channel.allocator.buffer(capacity: 512)
            dialogue.deliver(next, into: &output)
            extend()
            write(output)
            return advance()
        }
        self.batch = nil
        report(.outcomes(batch.outcomes))
        guard mayBegin else {
            quit()
            return report(.exhausted)
        }
        guard !isOver else { return }
        isIdle = true
        deadline?.move(to: Self.idleLimit)
        report(.ready)
    }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        // Not weakly, which is dear: `handlerRemoved` takes the timer back.
        deadline = Deadline(after: .seconds(dialogue.patience), on: context.eventLoop) { self.timedOut() }
        if dialogue.isImplicit { startTLS() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.cancel()
        deadline = nil
        self.context = nil
        tlsHandler = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isOver else { return }
        var bytes = unwrapInboundIn(data)
        dialogue.receive(&bytes)
        advance()
    }

    func channelInactive(context: ChannelHandlerContext) {
        if !isOver {
            if let action = dialogue.closed(lost) { perform(action) }
            fail("the connection was closed")
        }
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSEvent.handshakeCompleted(let session) as TLSEvent = event {
            isHandshaking = false
            tlsVersion = session.version
            peer = session.peer
            dialogue.secured()
            extend()
            advance()
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(String(describing: error))
    }

    // MARK: The dialogue

    private func advance() {
        while let context, !isOver {
            var output = context.channel.allocator.buffer(capacity: 0)
            let action = dialogue.advance(into: &output)
            // The time counts from reply to reply: who sends an octet a minute has not answered.
            if dialogue.replyCount != repliesSeen {
                repliesSeen = dialogue.replyCount
                extend()
            }
            write(output)
            guard let action else { return }
            perform(action)
        }
    }

    private func perform(_ action: DeliveryDialogue.Action) {
        switch action {
        case .startTLS: startTLS()
        case .authenticate: authenticate()
        case .challenge(let challenge): respond(to: challenge)
        case .authenticated: dialogue.confirm(isGenuine: exchange?.isComplete ?? false)
        case .ready: continueBatch(mayBegin: true)
        case .exhausted: continueBatch(mayBegin: false)
        case .sendContent: sendContent()
        case .outcomes(let outcomes): batch?.take(outcomes)
        case .failed(let reply):
            fail(reply.isOurs ? "\(reply.command): \(reply.text)" : "\(reply.command): \(reply.code) \(reply.text)")
        }
    }

    /// Piece by piece, each when the one before it is with the kernel.
    private func sendContent() {
        guard let context, !isOver else { return }
        // LEDGER, "Before the final dot": a lease that may have passed on must not end in a second delivery.
        guard mayFinish() else {
            isOver = true
            batch = nil
            context.close(promise: nil)
            return report(.abandoned)
        }
        var output = context.channel.allocator.buffer(capacity: 0)
        let isLast = dialogue.sendContent(into: &output)
        if isLast {
            extend()
            write(output)
            return advance()
        }
        deadline?.move(to: Self.pieceLimit)
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(output)).whenSuccess { bound.value.sendContent() }
    }

    private func startTLS() {
        guard let context else { return }
        guard let tls else { return fail("STARTTLS without certificates for it") }
        dialogue.discardInput()
        isHandshaking = true
        extend()
        do {
            let handler = TLSHandler(context: tls, mode: .client(serverName: hop.serverName))
            tlsHandler = handler
            try context.pipeline.syncOperations.addHandler(handler, position: .first)
        } catch {
            fail(String(describing: error))
        }
    }

    private func write(_ output: ByteBuffer) {
        guard let context, output.readableBytes > 0 else { return }
        context.writeAndFlush(wrapOutboundOut(output), promise: nil)
    }

    /// A later deadline costs nothing; an earlier one would cut short what was promised before.
    private func extend() { deadline?.move(to: .seconds(dialogue.patience)) }

    private func timedOut() {
        guard isIdle else { return fail("no reply in time", silence: "\(hop.host) gave no reply in time") }
        quit()
        report(.retired)
    }

    /// For the sender of the message as well, who may know the server by nothing but this.
    private var lost: String { "the connection to \(hop.host) was lost" }

    /// Closes, and says what became of whom.
    ///
    /// - Parameter silence: what is told of recipients that are without their last reply; nil: ``lost``.
    func fail(_ reason: String, silence: String? = nil) {
        guard !isOver else { return }
        isOver = true
        context?.close(promise: nil)
        if isHandshaking { return handshakeFailed(reason) }
        // However the connection ended: what was answered stays answered, and the rest may have been taken.
        if case .outcomes(let outcomes)? = dialogue.closed(silence ?? lost) { batch?.take(outcomes) }
        if let batch {
            self.batch = nil
            report(.outcomes(batch.outcomes))
        }
        report(.failed(reason: reason))
    }
}

// MARK: AUTH

extension DeliveryHandler {
    private func authenticate() {
        guard let login = hop.login, let capabilities = dialogue.capabilities else { return }
        let binding = tlsVersion == nil ? nil : try? tlsHandler?.channelBinding()
        guard
            let mechanism = ClientExchange.choose(
                from: capabilities.mechanisms, isEncrypted: tlsVersion != nil, hasBinding: binding != nil)
        else {
            let offered = capabilities.mechanisms.joined(separator: " ")
            return dialogue.abandonAuthentication(
                "no way to log in: offered \(offered.isEmpty ? "nothing" : offered)"
                    + (tlsVersion == nil ? ", and no password goes in the clear" : ""))
        }
        do {
            let exchange = try ClientExchange(
                login, mechanism: mechanism, host: hop.serverName, channelBinding: binding)
            self.exchange = exchange
            answer(exchange.start()) { dialogue, response, output in
                dialogue.authenticate(mechanism: mechanism.rawValue, initialResponse: response, into: &output)
            }
        } catch {
            dialogue.abandonAuthentication("\(error)")
        }
    }

    private func respond(to challenge: [UInt8]) {
        guard let exchange, let context else { return }
        switch exchange.mechanism {
        case .plain, .login, .external: respond(with: exchange.respond(to: challenge))
        case .scramSHA256, .scramSHA256Plus:
            // It derives a key. Nobody else touches the exchange until the answer is here.
            let lent = LentExchange(exchange)
            let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
            NIOThreadPool.singleton.runIfActive(eventLoop: context.eventLoop) {
                lent.exchange.respond(to: challenge)
            }.whenComplete { result in
                bound.value.respond(with: (try? result.get()) ?? .failed(reason: "no thread to log in on"))
                bound.value.advance()
            }
        }
    }

    private func respond(with step: ClientExchange.Step) {
        answer(step) { dialogue, response, output in dialogue.respond(response ?? [], into: &output) }
    }

    private func answer(
        _ step: ClientExchange.Step, _ say: (inout DeliveryDialogue, [UInt8]?, inout ByteBuffer) -> Void
    ) {
        guard let context, !isOver else { return }
        switch step {
        case .failed(let reason): dialogue.abandonAuthentication(reason)
        case .respond(let response):
            var output = context.channel.allocator.buffer(capacity: 128)
            say(&dialogue, response, &output)
            write(output)
        }
    }
}

/// An exchange on its way to a worker thread and back.
private struct LentExchange: @unchecked Sendable {
    // Sendable: while it is lent the dialogue waits for its answer, and no one else asks it anything.
    let exchange: ClientExchange

    init(_ exchange: ClientExchange) { self.exchange = exchange }
}
