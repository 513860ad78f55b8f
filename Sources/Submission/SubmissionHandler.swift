internal import Glibc
import Ledger
import Logging
import NIOCore
import Network
import SASL
import SMTP
import Synchronization
import TLS
import Tenancy

/// One customer's connection: turns octets into the dialogue's input, its actions into look-ups, writes and commits.
///
/// It decides nothing about the protocol (`SubmissionDialogue` does) nor about a message (`ledger.accept` does).
final class SubmissionHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = Never
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let shared: SubmissionShared
    var dialogue: SubmissionDialogue
    var context: ChannelHandlerContext?
    var session: TLSSession?
    let visit: Visit
    var clientAddress: String { visit.clientAddress }
    var logger: Logger { shared.logger(of: visit.session) }
    private let port: Int
    private let isImplicitTLS: Bool
    /// Whom this session acts for, once AUTH has succeeded.
    var login: Login?
    /// A stranger's until AUTH has succeeded.
    var refusals: SessionRefusals
    /// When the login ends by itself.
    var expiry: Scheduled<Void>?
    /// How many changes the directory had heard of when the login was looked up.
    var askedAt = 0
    /// Who it will be if the AUTH under way succeeds; nil: nobody has that name, or may not be told from nobody.
    var pendingLogin: Login?
    /// Whose it is all the same, and why the client may not be told: for the log.
    var concealed: ConcealedLogin?
    /// The AUTH under way.
    var exchange: SASLExchange?
    var mechanism = ""
    var failedAuthentications = 0
    /// Which of the transaction's recipients cost nothing, as far as was asked.
    var spared = SparedRecipients()
    /// Why the session must end as soon as the answer it waits for has been given.
    private var ending: Reply?
    // Each holds this handler until it is removed (`handlerRemoved`). Not weakly: from the first weak reference on, Swift counts
    // an object's references in a table beside it, which costs a session's every step.
    private var deadline: Deadline?
    private var handshakeDeadline: Deadline?
    private var writeDeadline: Deadline?
    private var isClosing = false
    /// How long what still comes is read after our last word, at most; and how long nothing may come.
    private var drainEnd = NIODeadline.now()
    private static let drainTime = TimeAmount.seconds(5)
    private static let drainPause = TimeAmount.milliseconds(500)
    /// Between two reads, of 64 KiB at most each.
    private static let drainPace = TimeAmount.milliseconds(20)
    /// What a handshake takes of the heap for a moment: OpenSSL's two record buffers and its keys.
    private static let handshakeChurn = 48 * 1024
    private var isReadHeld = false
    /// Something has come since an answer is awaited.
    private var hasReadAhead = false
    /// What the handshake took of the time for handshakes, until there is a login.
    var toll: HandshakePacer.Toll?
    /// Nothing more will come.
    private var hasInputEnded = false
    private var hasReceived = false
    /// What the message under way holds of the budget, and how fast it must come.
    var body = BodyProgress()
    private let outlook = ReceiveOutlook()
    /// Nothing was said to what came last.
    private var isUnanswered = false

    init(shared: SubmissionShared, visit: Visit, port: Int, isImplicitTLS: Bool) {
        self.shared = shared
        self.visit = visit
        self.port = port
        self.isImplicitTLS = isImplicitTLS
        let refusals = shared.refusals(of: visit)
        self.refusals = refusals
        dialogue = SubmissionDialogue(
            configuration: shared.dialogue, security: isImplicitTLS ? .tls : .plaintext,
            naming: { refusals.name($0) })
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        try? context.channel.syncOptions?.setOption(.recvAllocator, value: ReceiveAllocator(outlook: outlook))
        if context.channel.isActive { begin(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        for timer in [deadline, handshakeDeadline, writeDeadline] { timer?.cancel() }
        (deadline, handshakeDeadline, writeDeadline) = (nil, nil, nil)
        exchange = nil
        body.end()
        expiry?.cancel()
        expiry = nil
        leaveLogin()
        self.context = nil
    }

    /// Its place is another session's from now on.
    private func leaveLogin() {
        guard let login else { return }
        shared.sessions.leave(login)
        shared.open.leave(login, visit.session)
        self.login = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    private func begin(_ context: ChannelHandlerContext) {
        guard deadline == nil else { return }
        let limit = TimeAmount(shared.configuration.authenticationTimeout)
        deadline = Deadline(after: limit, on: context.eventLoop) { self.timedOut() }
        if isImplicitTLS { watchHandshake(context) } else { greet(context) }
    }

    private func greet(_ context: ChannelHandlerContext) {
        var output = context.channel.allocator.buffer(capacity: 128)
        dialogue.greeting(into: &output)
        context.writeAndFlush(wrapOutboundOut(output), promise: nil)
    }

    private func watchHandshake(_ context: ChannelHandlerContext) {
        let limit = TimeAmount(shared.configuration.handshakeTimeout)
        handshakeDeadline = Deadline(after: limit, on: context.eventLoop) { [self] in
            logger.info(
                "handshake refused: it took too long", metadata: ["client": "\(clientAddress)"])
            self.context?.close(promise: nil)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        guard !isClosing else {
            // Whoever is in the middle of a message reads our last word when he has said his.
            if NIODeadline.now() < drainEnd { deadline?.move(to: Self.drainPause) }
            return
        }
        if !hasReceived, session == nil, bytes.getInteger(at: bytes.readerIndex, as: UInt8.self) == 0x16 {
            logger.info(
                "TLS hello on a port that begins in the clear; its client should use STARTTLS here, or port 465",
                metadata: ["client": "\(clientAddress)", "port": .stringConvertible(port)])
        }
        hasReceived = true
        body.received(bytes.readableBytes)
        hasReadAhead = isAwaitingAnswer
        dialogue.receive(&bytes)
        isUnanswered = true
        advance()
        if isUnanswered, !isClosing, !isAwaitingAnswer { acknowledge(context) }
        // (The last word's own deadline is shorter.)
        if login != nil, !isClosing { moveDeadline() }
    }

    /// Lets the kernel acknowledge what has come, for there is no answer yet that could carry it.
    ///
    /// Nagle's algorithm keeps a client's next small segment back until then: without this each message of more than one TLS
    /// record from Python's smtplib, or a command in two pieces, waits 40 ms for the kernel's delayed acknowledgement. To
    /// be said each time (tcp(7), `TCP_QUICKACK`).
    private func acknowledge(_ context: ChannelHandlerContext) {
        try? context.channel.syncOptions?.setOption(.tcpOption(Self.quickAcknowledgement), value: 1)
    }

    private static let quickAcknowledgement = NIOBSDSocket.Option(rawValue: TCP_QUICKACK)

    /// No more is read while an answer is awaited or replies wait unread: memory stays bounded. Only when something has come
    /// meanwhile, that is: most clients say nothing before they are answered, and to take the socket out of the loop's
    /// interest and into it again would be two system calls for each message.
    func read(context: ChannelHandlerContext) {
        if isClosing {
            readSlowly(context)
        } else if mustHoldRead(context) {
            isReadHeld = true
        } else {
            context.read()
        }
    }

    /// What comes after our last word is thrown away, at the pace that suits us: whoever pours it in keeps a processor busy
    /// otherwise.
    private func readSlowly(_ context: ChannelHandlerContext) {
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: Self.drainPace) { bound.value.context?.read() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        writeDeadline?.cancel()
        writeDeadline = nil
        if !context.channel.isWritable {
            let limit = TimeAmount(shared.configuration.writeTimeout)
            writeDeadline = Deadline(after: limit, on: context.eventLoop) { [self] in
                logger.info(
                    "connection refused: it does not read its replies", metadata: ["client": "\(clientAddress)"])
                self.context?.close(mode: .all, promise: nil)
            }
        }
        releaseRead()
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case TLSEvent.handshakeCompleted(let session) as TLSEvent:
            self.session = session
            handshakeDeadline?.cancel()
            handshakeDeadline = nil
            visit.endHandshake(shared.doorkeeper)
            shared.churn.add(Self.handshakeChurn, ordering: .relaxed)
            // From now on a commit may be asked for, which is answered also to those who have nothing more to say.
            try? context.channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
            secured(context)
        case is HandshakeDisplaced where session == nil:
            logger.info(
                "handshake ended: it has lasted long, and too many are under way",
                metadata: ["client": "\(clientAddress)"])
            context.close(promise: nil)
        case is ShutdownRequested:
            endWhenIdle(with: .shuttingDown)
        case is ShutdownOverdue:
            end(with: .shuttingDown)
        case TLSEvent.closedCleanly as TLSEvent, ChannelEvent.inputClosed as ChannelEvent:
            inputEnded(context)
        default:
            context.fireUserInboundEventTriggered(event)
        }
    }

    /// The client has said all it will say. What it said is answered, if it asked for a commit, and then it is over.
    private func inputEnded(_ context: ChannelHandlerContext) {
        hasInputEnded = true
        if isAwaitingAnswer, !isClosing {
            tlsHandler?.outlivesGoodbye = true
        } else {
            context.channel.close(promise: nil)
        }
    }

    private func secured(_ context: ChannelHandlerContext) {
        var configuration = shared.dialogue
        if certificate != nil { configuration.mechanisms.insert(SASLMechanism.external.rawValue, at: 0) }
        if tlsHandler?.hasChannelBinding != true { configuration.mechanisms.removeAll { $0.hasSuffix("-PLUS") } }
        if isImplicitTLS {
            let refusals = refusals
            dialogue = SubmissionDialogue(
                configuration: configuration, security: .tls, naming: { refusals.name($0) })
            greet(context)
        } else {
            dialogue.secured(mechanisms: configuration.mechanisms)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let isHandshake = if case TLSError.handshake = error { true } else { false }
        logger.log(
            level: isHandshake ? .info : .debug, isHandshake ? "handshake failed" : "connection failed",
            metadata: ["client": "\(clientAddress)", "error": "\(error)"])
        context.close(promise: nil)
    }

    private var isAwaitingAnswer: Bool { dialogue.standing().isAwaitingAnswer }

    /// Lets the dialogue go on until it needs bytes or an answer.
    func advance() {
        guard let context, !isClosing else { return }
        var output = context.channel.allocator.buffer(capacity: 0)
        while !isClosing, let action = dialogue.advance(into: &output) {
            switch action {
            case .startTLS:
                write(&output)
                startTLS(context)
                return
            case .authenticate(let mechanism, let initialResponse):
                authenticate(mechanism: mechanism, initialResponse: initialResponse, into: &output)
            case .authenticationResponse(let response):
                continueAuthentication(with: response, into: &output)
            case .authenticationCancelled:
                exchange = nil
            case .sender(let path, let declaredSize):
                body.declared = declaredSize
                judge(sender: path, declaredSize: declaredSize, into: &output)
            case .recipient(_, let count):
                judge(recipients: count, into: &output)
            case .data:
                if let login {
                    whileStoring(login, into: &output) { handler, output in handler.dialogue.allow(into: &output) }
                } else {
                    dialogue.refuse(.credentialsInvalid, into: &output)
                }
            case .message(let envelope, let content):
                submit(envelope, content, into: &output)
            case .close:
                close(saying: &output)
                return
            }
            if isAwaitingAnswer { break }
        }
        write(&output)
        updateBody()
        if let ending, !isAwaitingAnswer, !dialogue.isInTransaction { end(with: ending) }
    }

    func write(_ output: inout ByteBuffer) {
        guard let context, output.readableBytes > 0 else { return }
        isUnanswered = false
        context.writeAndFlush(wrapOutboundOut(output), promise: nil)
        output = context.channel.allocator.buffer(capacity: 0)
    }

    /// Gives the dialogue the answer it waits for, and lets it go on.
    func answer(_ body: (inout ByteBuffer) -> Void) {
        guard let context, !isClosing else { return }
        var output = context.channel.allocator.buffer(capacity: 128)
        body(&output)
        write(&output)
        if login != nil { moveDeadline() }
        advance()
        if hasInputEnded, !isClosing, !isAwaitingAnswer {
            var nothing = ByteBuffer()
            close(saying: &nothing)
        }
        releaseRead()
    }

    /// Keeps the budget and the minimum rate in step with what the dialogue holds.
    private func updateBody() {
        guard let eventLoop = context?.eventLoop else { return }
        let standing = dialogue.standing()
        outlook.isLong = standing.isReceivingContent
        body.update(
            isReceiving: standing.isReceivingContent, isDeciding: standing.isAwaitingAnswer,
            held: standing.bufferedBytes, budget: shared.budget, rate: shared.configuration.minDataRate
        ) {
            let bound = NIOLoopBound(self, eventLoop: eventLoop)
            return {
                eventLoop.execute {
                    bound.value.body.resume()
                    bound.value.releaseRead()
                }
            }
        }
    }

    private func startTLS(_ context: ChannelHandlerContext) {
        // Nothing read in the clear may be acted on inside TLS (CVE-2011-0411).
        dialogue.discardInput()
        watchHandshake(context)
        do {
            try context.pipeline.syncOperations.addHandler(makeTLSHandler(), position: .first)
        } catch {
            errorCaught(context: context, error: error)
        }
    }

    /// What it takes counts from the client's whole hello on: one that comes an octet at a time keeps nobody out.
    func makeTLSHandler() -> TLSHandler {
        TLSHandler(context: shared.tls.current, mode: .server) { [self] decide in
            guard let context else { return decide(false) }
            let isKnown = shared.doorkeeper.knows(visit.group)
            toll = shared.pacers.pacer(of: context.eventLoop).take(isKnown: isKnown) {
                decide(self.beginHandshake())
            }
        }
    }

    private func beginHandshake() -> Bool {
        guard let context else { return false }
        let isBegun = visit.beginHandshake(on: context.channel, shared.doorkeeper)
        if !isBegun {
            logger.info("handshake refused: too many are under way", metadata: ["client": "\(clientAddress)"])
        }
        return isBegun
    }

    func moveDeadline() {
        let patience = TimeAmount(shared.configuration.commandTimeout)
        guard let paidUntil = body.paidUntil else {
            deadline?.move(to: patience)
            return
        }
        deadline?.move(to: min(patience, max(.milliseconds(100), paidUntil - .now())))
    }

    private func timedOut() {
        // While we are the ones who owe an answer, the client is not idle.
        if isAwaitingAnswer || body.isHeld {
            deadline = context.map { context in
                Deadline(after: .seconds(30), on: context.eventLoop) { self.timedOut() }
            }
        } else {
            end(with: body.isTooSlow ? .tooSlow : .idleTooLong)
        }
    }

    private func mustHoldRead(_ context: ChannelHandlerContext) -> Bool {
        (isAwaitingAnswer && hasReadAhead) || body.isHeld || !context.channel.isWritable
    }

    private func releaseRead() {
        guard let context, isReadHeld, isClosing || !mustHoldRead(context) else { return }
        isReadHeld = false
        context.read()
    }

    /// Ends the session at once, or after the answer that is awaited: that answer is a commit's and must be given.
    func end(with reply: Reply) {
        guard let context, !isClosing else { return }
        guard !isAwaitingAnswer else {
            ending = ending ?? reply
            return
        }
        var output = context.channel.allocator.buffer(capacity: 128)
        dialogue.terminate(reply, into: &output)
        close(saying: &output)
    }

    private func endWhenIdle(with reply: Reply) {
        if dialogue.isInTransaction || isAwaitingAnswer {
            ending = ending ?? reply
        } else {
            end(with: reply)
        }
    }

    /// Closes so that the last reply is seen and not a reset: the sending side first, what still comes is drained
    /// for a moment, then all of it.
    private func close(saying lastWords: inout ByteBuffer) {
        guard let context, !isClosing else { return }
        isClosing = true
        leaveLogin()
        // (TLS sends it together with its own goodbye.)
        context.write(wrapOutboundOut(lastWords), promise: nil)
        if session == nil { context.flush() }
        context.channel.close(mode: .output, promise: nil)
        deadline?.cancel()
        drainEnd = .now() + Self.drainTime
        try? context.channel.syncOptions?.setOption(.maxMessagesPerRead, value: 1)
        deadline = Deadline(after: Self.drainPause, on: context.eventLoop) {
            self.context?.close(promise: nil)
        }
        releaseRead()
    }

    /// Closes without a word: the outcome is not known, and any reply might be wrong (LEDGER, "A commit in doubt").
    func closeWithoutReply() {
        isClosing = true
        context?.close(promise: nil)
    }
}

extension TimeAmount {
    init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self = .nanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}
