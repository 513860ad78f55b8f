import Ledger
import Logging
import NIOCore
import Network
import Postgres
import SMTP
import TLS

/// What comes before SMTP on a connection: the PROXY header where one is due, the count of who comes from where, and,
/// where TLS begins at once, its first octet or the want of one. Leaves the pipeline when the session begins.
final class Door: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum State {
        case proxyHeader  // → hello, done, closed
        case hello  // → done, closed
        case done, closed
    }

    private let shared: SubmissionShared
    private let isImplicitTLS: Bool
    private let port: Int
    private let session: MessageID
    private var state: State
    private var clientAddress: String
    private var visit: Visit?
    private var received = ByteBuffer()
    private var hasBegun = false
    private var deadline: Deadline?
    private var context: ChannelHandlerContext?

    init(shared: SubmissionShared, isImplicitTLS: Bool, port: Int, clientAddress: String) {
        self.shared = shared
        self.isImplicitTLS = isImplicitTLS
        self.port = port
        self.clientAddress = clientAddress
        session = MessageID(at: shared.acceptor.clock.now)
        state = shared.isBalancer(clientAddress) ? .proxyHeader : .hello
    }

    private var logger: Logger { shared.logger(of: session) }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { begin(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.cancel()
        deadline = nil
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    private func begin(_ context: ChannelHandlerContext) {
        guard !hasBegun else { return }
        hasBegun = true
        // Most are let through at once: nothing is awaited, and a timer would only be taken back.
        if isImplicitTLS || state == .proxyHeader {
            // Not weakly, which is dear (an object's references are counted beside it from then on): `handlerRemoved` takes
            // the timer back.
            deadline = Deadline(after: TimeAmount(shared.configuration.handshakeTimeout), on: context.eventLoop) {
                self.timedOut()
            }
        }
        if case .hello = state { enter(context) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        received.writeBuffer(&bytes)
        advance(context)
    }

    private func advance(_ context: ChannelHandlerContext) {
        switch state {
        case .proxyHeader:
            do throws(ProxyHeader.Fault) {
                guard let header = try ProxyHeader.read(&received) else { return }
                if case .client(let address, _) = header.origin { clientAddress = address }
                state = .hello
                enter(context)
            } catch {
                logger.warning(
                    "PROXY header refused", metadata: ["client": "\(clientAddress)", "reason": "\(error)"])
                close(nil)
            }
        case .hello: hello(context)
        case .done, .closed: received.clear()
        }
    }

    /// Whose connection it is is known: is there room for it?
    private func enter(_ context: ChannelHandlerContext) {
        let group = AddressGroup(clientAddress)
        let refusal: Reply
        switch shared.doorkeeper.enter(from: group) {
        case .admitted:
            let visit = Visit(session, clientAddress, group)
            self.visit = visit
            let bound = NIOLoopBound(visit, eventLoop: context.eventLoop)
            context.channel.closeFuture.whenComplete { [doorkeeper = shared.doorkeeper] _ in
                bound.value.end(doorkeeper)
            }
            return admitted(context)
        case .tooManyFromAddress: refusal = .tooManyConnectionsFromAddress
        case .tooMany: refusal = .tooManyConnections
        }
        if isImplicitTLS {
            logger.info("connection refused", metadata: ["client": "\(clientAddress)", "reply": "\(refusal)"])
            close(nil)
        } else {
            close(named(refusal))
        }
    }

    private func admitted(_ context: ChannelHandlerContext) {
        if isImplicitTLS {
            if received.readableBytes > 0 { hello(context) }
        } else {
            open(context, tls: false)
        }
    }

    /// The first octet where TLS begins at once: a handshake record's, or a mistake.
    private func hello(_ context: ChannelHandlerContext) {
        guard let first = received.getInteger(at: received.readerIndex, as: UInt8.self) else { return }
        guard first == 0x16 else { return clearText("clear text on a port that begins with TLS") }
        open(context, tls: true)
    }

    private func clearText(_ what: String) {
        logger.info(
            "\(what); its client should use STARTTLS on port 587, or TLS from the start",
            metadata: ["client": "\(clientAddress)", "port": .stringConvertible(port)])
        close(named(.beginsWithTLS))
    }

    private func timedOut() {
        switch state {
        case .proxyHeader:
            logger.warning("PROXY header did not come", metadata: ["client": "\(clientAddress)"])
            close(nil)
        case .hello: clearText("nothing came on a port that begins with TLS")
        case .done, .closed: break
        }
    }

    /// The session begins.
    private func open(_ context: ChannelHandlerContext, tls: Bool) {
        guard let visit else { return context.close(promise: nil) }
        state = .done
        deadline?.cancel()
        do {
            let pipeline = context.pipeline.syncOperations
            let handler = SubmissionHandler(shared: shared, visit: visit, port: port, isImplicitTLS: isImplicitTLS)
            if tls { try pipeline.addHandler(handler.makeTLSHandler()) }
            try pipeline.addHandler(handler)
            if received.readableBytes > 0 {
                let bytes = received
                received = ByteBuffer()
                context.fireChannelRead(NIOAny(bytes))
                context.fireChannelReadComplete()
            }
            pipeline.removeHandler(self, promise: nil)
        } catch {
            context.close(promise: nil)
        }
    }

    private func named(_ reply: Reply) -> Reply {
        let visit = visit ?? Visit(session, clientAddress, AddressGroup(clientAddress))
        return shared.refusals(of: visit).named(reply, stage: "session")
    }

    private func close(_ reply: Reply?) {
        guard let context else { return }
        if case .closed = state { return }
        state = .closed
        guard let reply else { return context.close(promise: nil) }
        var output = context.channel.allocator.buffer(capacity: 128)
        reply.write(into: &output)
        context.writeAndFlush(wrapOutboundOut(output), promise: nil)
        // What still comes is read for a moment, or the client sees a reset and not the sentence.
        context.channel.close(mode: .output, promise: nil)
        deadline?.cancel()
        deadline = Deadline(after: .milliseconds(500), on: context.eventLoop) {
            self.context?.close(promise: nil)
        }
    }
}

/// One connection as the doorkeeper counts it. Bound to its event loop.
final class Visit {
    /// UUIDv7: the session, as its log lines, its events and its messages name it.
    let session: MessageID
    let clientAddress: String
    let group: AddressGroup
    private(set) var isAuthenticated = false
    private var isInHandshake = false

    init(_ session: MessageID, _ clientAddress: String, _ group: AddressGroup) {
        self.session = session
        self.clientAddress = clientAddress
        self.group = group
    }

    /// False: too many are under way.
    func beginHandshake(on channel: any Channel, _ doorkeeper: Doorkeeper) -> Bool {
        isInHandshake = doorkeeper.beginHandshake(of: session, from: group, on: channel)
        return isInHandshake
    }

    func endHandshake(_ doorkeeper: Doorkeeper) {
        guard isInHandshake else { return }
        isInHandshake = false
        doorkeeper.endHandshake(of: session)
    }

    func authenticated(as login: String, _ doorkeeper: Doorkeeper) {
        isAuthenticated = true
        doorkeeper.succeeded(login: login, address: group)
    }

    func end(_ doorkeeper: Doorkeeper) {
        endHandshake(doorkeeper)
        doorkeeper.leave(from: group, wasAuthenticated: isAuthenticated)
    }
}
