import Logging
import NIOCore
import Network
import SMTP
import TLS

/// One connection to the relay: turns octets into the dialogue's input, its actions into writes and deliveries.
final class RelayHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = Never
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// RFC 5321 §4.5.3.2.7: a server waits at least five minutes for the next command.
    private static let idleLimit = TimeAmount.minutes(5)
    private static let handshakeLimit = TimeAmount.seconds(10)
    /// For all that strangers have to say. (Forwarders show their certificate at once.)
    private static let strangerLimit = TimeAmount.seconds(30)

    private let shared: RelayShared
    private var dialogue: RelayDialogue
    private var context: ChannelHandlerContext?
    private var deadline: Deadline?
    private var peerName = "stranger"
    private var session: TLSSession?
    private var certificate: PeerCertificate? { session?.peer }
    private var clientAddress = ""
    /// Counted at the door, from there; nil: not let in.
    private var address: AddressGroup?
    private var isMember = false
    private var isShuttingDown = false
    /// Why it is to end as soon as the message under way is answered: the route may have taken that already, and an
    /// answer that is not given has it sent twice.
    private var ending: Reply?
    private var isReadHeld = false

    init(shared: RelayShared) {
        self.shared = shared
        dialogue = RelayDialogue(configuration: shared.dialogue)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { begin(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.cancel()
        deadline = nil
        if let address { shared.door.leave(from: address, hadProved: isMember) }
        address = nil
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    private func begin(_ context: ChannelHandlerContext) {
        guard deadline == nil else { return }
        clientAddress = context.remoteAddress?.ipAddress ?? "unknown"
        // Not weakly, which is dear: `handlerRemoved` takes the timer back.
        deadline = Deadline(after: Self.strangerLimit, on: context.eventLoop) { self.timedOut() }
        let address = AddressGroup(clientAddress)
        switch shared.door.enter(from: address) {
        case .admitted: self.address = address
        case .tooMany: return refuse(.tooManyConnections)
        case .tooManyFromAddress: return refuse(.tooManyConnectionsFromAddress)
        }
        var output = context.channel.allocator.buffer(capacity: 128)
        dialogue.greeting(into: &output)
        context.writeAndFlush(wrapOutboundOut(output), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if isMember {
            deadline?.move(to: Self.idleLimit)
            if certificate?.hasEnded == true, ending == nil, judgeAgain() { return }
        }
        dialogue.receive(&bytes)
        advance()
    }

    /// No more is read while a message is being delivered or replies wait unread: memory stays bounded.
    func read(context: ChannelHandlerContext) {
        if dialogue.isAwaitingAnswer || !context.channel.isWritable {
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
            secured(session)
        case is RevocationsChanged:
            judgeAgain()
        case is ShutdownRequested:
            isShuttingDown = true
            if !dialogue.isInTransaction, !dialogue.isAwaitingAnswer {
                end(with: .shuttingDown)
            }
        default:
            context.fireUserInboundEventTriggered(event)
        }
    }

    /// Whether the connection has ended now: what its certificate was judged by is no more. Where nobody has taken that back, a
    /// message under way is finished first.
    @discardableResult
    private func judgeAgain() -> Bool {
        guard let certificate, certificate.isTrusted,
            let condemnation = shared.tls.current.condemnation(of: certificate)
        else { return false }
        let goesOn = dialogue.isAwaitingAnswer || condemnation.spares && dialogue.isInTransaction
        if ending == nil || !goesOn {
            shared.logger.warning(
                "connection ended: its certificate does not count any more",
                metadata: [
                    "client": "\(clientAddress)", "peer": "\(peerName)", "reason": "\(condemnation)",
                    "after": goesOn ? "its message" : "nothing",
                ])
        }
        ending = .untrusted(condemnation)
        if goesOn { return false }
        end(with: .untrusted(condemnation))
        return true
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        shared.logger.debug("connection failed", metadata: ["client": "\(clientAddress)", "error": "\(error)"])
        context.close(promise: nil)
    }

    private func advance() {
        guard let context else { return }
        var output = context.channel.allocator.buffer(capacity: 0)
        while let action = dialogue.advance(into: &output) {
            switch action {
            case .startTLS:
                write(output)
                startTLS(context)
                return
            case .message(let envelope, let content):
                write(output)
                deliver(envelope, content, on: context.eventLoop)
                return
            case .denied(let command):
                shared.logger.warning(
                    "relaying denied",
                    metadata: ["client": "\(clientAddress)", "peer": "\(peerName)", "command": "\(command)"])
            case .close:
                write(output)
                context.close(promise: nil)
                return
            }
        }
        write(output)
        if let ending, !dialogue.isInTransaction, !dialogue.isAwaitingAnswer { return end(with: ending) }
        if isShuttingDown, !dialogue.isInTransaction { end(with: .shuttingDown) }
    }

    private func write(_ output: ByteBuffer) {
        guard let context, output.readableBytes > 0 else { return }
        context.writeAndFlush(wrapOutboundOut(output), promise: nil)
    }

    private func startTLS(_ context: ChannelHandlerContext) {
        dialogue.discardInput()
        deadline?.move(to: Self.handshakeLimit)
        do {
            try context.pipeline.syncOperations.addHandler(
                TLSHandler(context: shared.tls.current, mode: .server), position: .first)
        } catch {
            errorCaught(context: context, error: error)
        }
    }

    private func secured(_ session: TLSSession) {
        var peer = RelayDialogue.Peer.stranger
        self.session = session
        if let certificate = session.peer {
            switch certificate.verification {
            case .trusted:
                peerName = certificate.commonName ?? certificate.serial
                // The list may be newer than the one that the handshake was judged by.
                if shared.tls.current.condemnation(of: certificate) != nil {
                    peerName += " (its certificate does not count any more)"
                } else {
                    peer = .poolMember
                }
            case .untrusted(let reason):
                peerName = "stranger with a certificate that is not trusted (\(reason))"
            }
        }
        dialogue.secured(peer: peer)
        isMember = peer == .poolMember
        if isMember, let address { shared.door.proved(from: address) }
        deadline?.move(to: isMember ? Self.idleLimit : Self.strangerLimit)
    }

    private func deliver(_ envelope: RelayDialogue.Envelope, _ content: ByteBuffer, on eventLoop: any EventLoop) {
        deadline?.move(to: .minutes(10))
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        let route = shared.route
        let arrival = Arrival(
            envelope, content: content, from: clientAddress, over: session, at: shared.dialogue.hostname)
        Task {
            let replies = await route.deliver(arrival)
            eventLoop.execute { bound.value.delivered(arrival, replies) }
        }
    }

    private func delivered(_ arrival: Arrival, _ replies: [Reply]) {
        let envelope = arrival.envelope
        shared.logger.info(
            "relayed",
            metadata: [
                "id": "\(arrival.id)", "client": "\(clientAddress)", "peer": "\(peerName)",
                "tenant": "\(envelope.submitter)", "recipients": .stringConvertible(replies.count),
                "size": .stringConvertible(arrival.content.readableBytes),
                "reply": "\(replies.first.map { "\($0.code) \($0.lines.first ?? "")" } ?? "")",
            ])
        guard let context else { return }
        deadline?.move(to: Self.idleLimit)
        var output = context.channel.allocator.buffer(capacity: 64 * replies.count)
        dialogue.answer(envelope.isLMTP ? replies : Array(replies.prefix(1)), into: &output)
        write(output)
        if let ending { return end(with: ending) }
        advance()
        releaseRead()
    }

    private func releaseRead() {
        guard let context, isReadHeld, !dialogue.isAwaitingAnswer, context.channel.isWritable else { return }
        isReadHeld = false
        context.read()
    }

    private func refuse(_ reply: Reply) {
        shared.logger.info("connection refused", metadata: ["client": "\(clientAddress)", "reply": "\(reply)"])
        end(with: reply)
    }

    private func timedOut() {
        end(with: .idleTooLong)
    }

    private func end(with reply: Reply) {
        guard let context else { return }
        var output = context.channel.allocator.buffer(capacity: 128)
        dialogue.terminate(reply, into: &output)
        write(output)
        context.close(promise: nil)
    }
}
