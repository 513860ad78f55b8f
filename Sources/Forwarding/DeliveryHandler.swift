import Logging
import NIOCore
import Network
import SMTP
import TLS

/// One connection to a pool member: turns octets into the dialogue's input, its actions into writes and events.
final class DeliveryHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Event {
        /// Greeted and secured, or done with the last transaction: may deliver.
        case ready
        /// One for each recipient of the transaction, in its order.
        case outcomes([DeliveryDialogue.Outcome])
        /// Closed because nothing was to be delivered for a while.
        case retired
        /// Stopped before the final dot, for the lease is not ours beyond doubt: nothing was sent, no one is to blame.
        case abandoned
        /// The connection is of no more use; a transaction under way has no outcome.
        case failed(String)
    }

    // RFC 5321 §4.5.3.2, the longest of those that apply while we wait.
    private static let replyLimit = TimeAmount.minutes(5)
    private static let finalReplyLimit = TimeAmount.minutes(10)
    private static let idleLimit = TimeAmount.seconds(60)

    private let tls: TLSContext?
    private let serverName: String
    private let mayFinish: () -> Bool
    private let report: (Event) -> Void
    private var dialogue: DeliveryDialogue
    private var context: ChannelHandlerContext?
    private var deadline: Deadline?
    private var isOver = false
    private var isIdle = false
    /// What TLS was agreed on, for the outcome's log line.
    private(set) var tlsVersion: String?

    /// - Parameters:
    ///   - mayFinish: asked before each final dot: is the lease on the recipients still ours beyond doubt?
    ///   - report: called on the channel's loop; nothing is reported after `.failed`.
    init(
        dialogue: DeliveryDialogue, tls: TLSContext?, serverName: String, mayFinish: @escaping () -> Bool,
        report: @escaping (Event) -> Void
    ) {
        self.dialogue = dialogue
        self.tls = tls
        self.serverName = serverName
        self.mayFinish = mayFinish
        self.report = report
    }

    func deliver(_ transaction: DeliveryDialogue.Transaction) {
        guard let context, !isOver else { return fail("the connection was closed") }
        isIdle = false
        var output = context.channel.allocator.buffer(capacity: 512)
        dialogue.deliver(transaction, into: &output)
        deadline?.move(to: Self.replyLimit)
        write(output)
        advance()
    }

    /// Says QUIT and closes; a transaction under way is the caller's to wait for first.
    func quit() {
        guard let context, !isOver else { return }
        isOver = true
        var output = context.channel.allocator.buffer(capacity: 16)
        dialogue.quit(into: &output)
        write(output)
        context.close(promise: nil)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        deadline = Deadline(after: Self.replyLimit, on: context.eventLoop) { [weak self] in self?.timedOut() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.cancel()
        deadline = nil
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isOver else { return }
        var bytes = unwrapInboundIn(data)
        deadline?.move(to: Self.replyLimit)
        dialogue.receive(&bytes)
        advance()
    }

    func channelInactive(context: ChannelHandlerContext) {
        if !isOver {
            if let action = dialogue.closed() { perform(action) }
            fail("the connection was closed")
        }
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSEvent.handshakeCompleted(let session) as TLSEvent = event {
            tlsVersion = session.version
            dialogue.secured()
            advance()
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(String(describing: error))
    }

    private func advance() {
        while let context, !isOver {
            var output = context.channel.allocator.buffer(capacity: 0)
            let action = dialogue.advance(into: &output)
            write(output)
            guard let action else { return }
            perform(action)
        }
    }

    private func perform(_ action: DeliveryDialogue.Action) {
        switch action {
        case .startTLS: startTLS()
        case .ready:
            isIdle = true
            deadline?.move(to: Self.idleLimit)
            report(.ready)
        case .sendContent: sendContent()
        case .outcomes(let outcomes): report(.outcomes(outcomes))
        case .failed(let reply): fail("\(reply.command): \(reply.code) \(reply.text)")
        }
    }

    private func sendContent() {
        guard let context else { return }
        // LEDGER, "Before the final dot": a lease that may have passed on must not end in a second delivery.
        guard mayFinish() else {
            isOver = true
            context.close(promise: nil)
            return report(.abandoned)
        }
        var output = context.channel.allocator.buffer(capacity: 0)
        dialogue.sendContent(into: &output)
        deadline?.move(to: Self.finalReplyLimit)
        write(output)
    }

    private func startTLS() {
        guard let context else { return }
        guard let tls else { return fail("STARTTLS without a certificate of the pool") }
        dialogue.discardInput()
        do {
            let handler = TLSHandler(context: tls, mode: .client(serverName: serverName))
            try context.pipeline.syncOperations.addHandler(handler, position: .first)
        } catch {
            fail(String(describing: error))
        }
    }

    private func write(_ output: ByteBuffer) {
        guard let context, output.readableBytes > 0 else { return }
        context.writeAndFlush(wrapOutboundOut(output), promise: nil)
    }

    private func timedOut() {
        guard isIdle else { return fail("no reply in time") }
        quit()
        report(.retired)
    }

    private func fail(_ reason: String) {
        guard !isOver else { return }
        isOver = true
        context?.close(promise: nil)
        report(.failed(reason))
    }
}
