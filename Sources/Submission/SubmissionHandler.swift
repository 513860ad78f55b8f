import Logging
import NIOCore
import Network
import SASL
import SMTP
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

    /// From the first octet to a successful AUTH (THREATS, "one octet a minute").
    static let authenticationLimit = TimeAmount.seconds(60)
    static let handshakeLimit = TimeAmount.seconds(10)

    let shared: SubmissionShared
    var dialogue: SubmissionDialogue
    var context: ChannelHandlerContext?
    var session: TLSSession?
    var clientAddress = ""
    /// Whom this session acts for, once AUTH has succeeded.
    var login: Login?
    /// Who it will be if the AUTH under way succeeds; nil: nobody has that name, or may not be told from nobody.
    var pendingLogin: Login?
    /// The AUTH under way.
    var exchange: SASLExchange?
    var mechanism = ""
    var failedAuthentications = 0
    /// Why the session must end as soon as the answer it waits for has been given.
    private var ending: Reply?
    private var deadline: Deadline?
    private var isClosing = false
    private var isReadHeld = false

    init(shared: SubmissionShared) {
        self.shared = shared
        dialogue = SubmissionDialogue(configuration: shared.dialogue, security: .plaintext)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { begin(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.cancel()
        deadline = nil
        exchange = nil
        if let login { shared.sessions.leave(tenant: login.tenantID) }
        login = nil
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    private func begin(_ context: ChannelHandlerContext) {
        guard deadline == nil else { return }
        clientAddress = context.remoteAddress?.ipAddress ?? "unknown"
        deadline = Deadline(after: Self.authenticationLimit, on: context.eventLoop) { [weak self] in self?.timedOut() }
        var output = context.channel.allocator.buffer(capacity: 128)
        dialogue.greeting(into: &output)
        context.writeAndFlush(wrapOutboundOut(output), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        guard !isClosing else { return }
        if login != nil { moveDeadline() }
        dialogue.receive(&bytes)
        advance()
    }

    /// No more is read while an answer is awaited or replies wait unread: memory stays bounded.
    func read(context: ChannelHandlerContext) {
        if !isClosing, dialogue.isAwaitingAnswer || !context.channel.isWritable {
            isReadHeld = true
        } else {
            context.read()
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        releaseRead()
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case TLSEvent.handshakeCompleted(let session) as TLSEvent:
            self.session = session
            dialogue.secured()
        case let change as DirectoryChange:
            directoryChanged(change)
        case is ShutdownRequested:
            endWhenIdle(with: .shuttingDown)
        default:
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        shared.logger.debug("connection failed", metadata: ["client": "\(clientAddress)", "error": "\(error)"])
        context.close(promise: nil)
    }

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
            case .sender(let path, _):
                judge(sender: path, into: &output)
            case .recipient(_, let count):
                judge(recipients: count, into: &output)
            case .data:
                dialogue.allow(into: &output)
            case .message(let envelope, let content):
                submit(envelope, content, into: &output)
            case .close:
                write(&output)
                close()
                return
            }
            if dialogue.isAwaitingAnswer { break }
        }
        write(&output)
        if let ending, !dialogue.isAwaitingAnswer, !dialogue.isInTransaction { end(with: ending) }
    }

    func write(_ output: inout ByteBuffer) {
        guard let context, output.readableBytes > 0 else { return }
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
        releaseRead()
    }

    private func startTLS(_ context: ChannelHandlerContext) {
        // Nothing read in the clear may be acted on inside TLS (CVE-2011-0411).
        dialogue.discardInput()
        do {
            try context.pipeline.syncOperations.addHandler(
                TLSHandler(context: shared.tls, mode: .server), position: .first)
        } catch {
            errorCaught(context: context, error: error)
        }
    }

    func moveDeadline() {
        deadline?.move(to: TimeAmount(shared.configuration.commandTimeout))
    }

    private func timedOut() {
        // While we are the ones who owe an answer, the client is not idle.
        if dialogue.isAwaitingAnswer {
            deadline = context.map { context in
                Deadline(after: .seconds(30), on: context.eventLoop) { [weak self] in self?.timedOut() }
            }
        } else {
            end(with: .idleTooLong)
        }
    }

    private func releaseRead() {
        guard let context, isReadHeld, isClosing || (!dialogue.isAwaitingAnswer && context.channel.isWritable) else {
            return
        }
        isReadHeld = false
        context.read()
    }

    /// Ends the session at once, or after the answer that is awaited: that answer is a commit's and must be given.
    func end(with reply: Reply) {
        guard let context, !isClosing else { return }
        guard !dialogue.isAwaitingAnswer else {
            ending = ending ?? reply
            return
        }
        var output = context.channel.allocator.buffer(capacity: 128)
        dialogue.terminate(reply, into: &output)
        write(&output)
        close()
    }

    private func endWhenIdle(with reply: Reply) {
        if dialogue.isInTransaction || dialogue.isAwaitingAnswer {
            ending = ending ?? reply
        } else {
            end(with: reply)
        }
    }

    /// Closes so that the last reply is seen and not a reset: the sending side first, what still comes is drained
    /// for a moment, then all of it.
    private func close() {
        guard let context, !isClosing else { return }
        isClosing = true
        context.channel.close(mode: .output, promise: nil)
        deadline?.cancel()
        deadline = Deadline(after: .milliseconds(500), on: context.eventLoop) { [weak self] in
            self?.context?.close(promise: nil)
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
