package import NIOCore

/// TLS on one connection, on that connection's event loop.
///
/// Add it in front of everything else. On a channel that is active already (STARTTLS) it starts at once, else when the
/// channel becomes active. Writes wait for the handshake. What fails comes as `errorCaught(TLSError)`, then the channel
/// closes. Closing the channel sends `close_notify`; closing its output sends what was written and not flushed with it.
package final class TLSHandler: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    package enum Mode: Sendable, Hashable {
        case server
        /// A DNS name or an IP address. Checked against the certificate when the context has authorities.
        case client(serverName: String)
    }

    private enum State {
        case idle  // → awaitingHello, handshaking, ended
        /// A server's, for which nothing is spent before its client's hello is there.
        case awaitingHello(ByteBuffer)  // → awaitingAdmission, ended
        /// Nothing more is read.
        case awaitingAdmission(ByteBuffer)  // → handshaking, ended
        case handshaking(TLSConnection)  // → open, ended
        case open(TLSConnection)  // → ended
        case ended
    }

    /// Is given what to say, at once or later, on the event loop: true, and the handshake begins then and there; false, and
    /// the connection is closed.
    package typealias Admission = (_ decide: @escaping (Bool) -> Void) -> Void

    private struct Write {
        let data: ByteBuffer
        let promise: EventLoopPromise<Void>?
    }

    private let context: TLSContext
    private let mode: Mode
    private let admission: Admission
    private var state = State.idle
    private var writes: [Write] = []
    /// How many of `writes` may go: those written before the last flush.
    private var flushed = 0
    /// Someone asked for a read and has not been given anything since.
    private var isReadOutstanding = false

    /// Octets of session tickets that wait for a reply to go along with: a segment of its own would cost both ends as much as
    /// a reply does. Only where the client's first words came with its Finished, so that there is one to come: else many a
    /// client (Python's, whose sockets have Nagle's algorithm) holds those back until the Finished is acknowledged, and
    /// without anything to send we acknowledge after 40 ms. Half a record of words waits no longer than ``ticketPatience``.
    private var heldOctets = 0
    private static let ticketPatience = TimeAmount.milliseconds(500)

    /// A peer's goodbye ends what it says and not what it is told (RFC 8446 §6.1): whoever still owes it a reply sets this when
    /// it is told of the goodbye, and closes the channel when all is said.
    package var outlivesGoodbye = false

    /// What the handshake settled, once it is complete.
    package private(set) var session: TLSSession?

    /// - Parameter admission: whether a server's handshake may begin, asked when the client's hello is there.
    package init(context: TLSContext, mode: Mode, admission: @escaping Admission = { $0(true) }) {
        self.context = context
        self.mode = mode
        self.admission = admission
    }

    /// RFC 5705, RFC 8446 §7.5, with an empty context.
    package func exportKeyingMaterial(label: String, length: Int) throws(TLSError) -> [UInt8] {
        guard case .open(let connection) = state else { throw .notEstablished }
        return try connection.exportKeyingMaterial(label: label, length: length)
    }

    /// `tls-exporter` (RFC 9266): what SCRAM-SHA-256-PLUS binds itself to.
    package func channelBinding() throws(TLSError) -> [UInt8] {
        try exportKeyingMaterial(label: "EXPORTER-Channel-Binding", length: 32)
    }

    /// `tls-server-end-point` (RFC 5929): the server's certificate. Nil before the handshake is complete, and where
    /// the certificate's signature names no hash.
    package func serverEndPointBinding() -> [UInt8]? {
        guard case .open(let connection) = state else { return nil }
        return connection.serverEndPoint()
    }

    /// Whether there is a binding of either kind, without the cost of making one.
    package var hasChannelBinding: Bool {
        guard case .open(let connection) = state else { return false }
        return connection.canExportKeyingMaterial || connection.serverEndPoint() != nil
    }

    // MARK: Life

    package func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { start(context) }
    }

    package func channelActive(context: ChannelHandlerContext) {
        start(context)
        context.fireChannelActive()
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        end(ChannelError.ioOnClosedChannel)
    }

    package func channelInactive(context: ChannelHandlerContext) {
        switch state {
        case .awaitingHello, .awaitingAdmission, .handshaking:
            end(ChannelError.ioOnClosedChannel)
            context.fireErrorCaught(TLSError.handshake(reason: "the peer closed the connection before it was complete"))
        case .idle, .open, .ended: break
        }
        end(ChannelError.ioOnClosedChannel)
        context.fireChannelInactive()
    }

    private func start(_ context: ChannelHandlerContext) {
        guard case .idle = state else { return }
        if mode == .server {
            state = .awaitingHello(ByteBuffer())
        } else {
            begin(with: ByteBuffer(), context)
        }
    }

    private func begin(with received: ByteBuffer, _ context: ChannelHandlerContext) {
        do throws(TLSError) {
            let connection = try TLSConnection(context: self.context, mode: mode)
            connection.ciphertextIn = received
            state = .handshaking(connection)
            continueHandshake(connection, context)
        } catch {
            fail(error, nil, context)
        }
    }

    /// Lets go of OpenSSL's memory now, not when the channel's last reference goes.
    private func end(_ error: any Error) {
        state = .ended
        heldOctets = 0
        let unsent = writes
        writes = []
        flushed = 0
        for write in unsent { write.promise?.fail(error) }
    }

    private func fail(_ error: TLSError, _ connection: TLSConnection?, _ context: ChannelHandlerContext) {
        // The alert that tells the peer why.
        if let connection { send(connection, promise: nil, context) }
        end(error)
        context.fireErrorCaught(error)
        context.close(promise: nil)
    }

    // MARK: In

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let ciphertext = unwrapInboundIn(data)
        if case .idle = state { start(context) }
        switch state {
        case .awaitingHello(var received):
            state = .awaitingHello(ByteBuffer())
            received.append(ciphertext)
            guard Self.isWholeRecord(received) else {
                state = .awaitingHello(received)
                return
            }
            state = .awaitingAdmission(received)
            admission { isAdmitted in self.decide(isAdmitted, context) }
        case .awaitingAdmission(var received):
            received.append(ciphertext)
            state = .awaitingAdmission(received)
        case .idle: break
        case .handshaking(let connection):
            connection.ciphertextIn.append(ciphertext)
            continueHandshake(connection, context)
        case .open(let connection):
            connection.ciphertextIn.append(ciphertext)
            decrypt(connection, context)
        case .ended: break
        }
    }

    private func decide(_ isAdmitted: Bool, _ context: ChannelHandlerContext) {
        guard case .awaitingAdmission(let received) = state else { return }
        guard isAdmitted else {
            end(ChannelError.ioOnClosedChannel)
            return context.close(promise: nil)
        }
        begin(with: received, context)
        if case .handshaking = state { context.read() }
    }

    /// Whether the first record has come (RFC 8446 §5.1), or what can be none, about which OpenSSL then says what there is to
    /// say. Of a longer hello than any client's, or one of more than one record, the rest comes to a handshake under way.
    private static func isWholeRecord(_ received: ByteBuffer) -> Bool {
        let start = received.readerIndex
        guard let type = received.getInteger(at: start, as: UInt8.self) else { return false }
        guard type == 0x16 else { return true }
        guard let length = received.getInteger(at: start + 3, as: UInt16.self) else { return false }
        return length > 4_096 || received.readableBytes >= 5 + Int(length)
    }

    private func continueHandshake(_ connection: TLSConnection, _ context: ChannelHandlerContext) {
        switch connection.handshake() {
        case .needsInput, .closed:
            releaseInput(connection)
            send(connection, promise: nil, context)
        case .failed(let error): fail(error, connection, context)
        case .complete:
            state = .open(connection)
            let session = connection.makeSession()
            self.session = session
            context.fireUserInboundEventTriggered(TLSEvent.handshakeCompleted(session))
            // Whoever was told may have closed the channel.
            guard case .open = state else { return }
            encrypt(connection, context)
            guard case .open = state else { return }
            // A client's last word goes now, with whatever there is to say behind it; a server's tickets may have time.
            if mode == .server, session.version == "TLSv1.3", connection.ciphertextIn.readableBytes > 0 {
                holdTickets(connection, context)
            } else {
                send(connection, promise: nil, context)
            }
            decrypt(connection, context)
        }
    }

    private func holdTickets(_ connection: TLSConnection, _ context: ChannelHandlerContext) {
        heldOctets = connection.ciphertextOut.readableBytes
        guard heldOctets > 0 else { return }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: Self.ticketPatience) {
            let (handler, context) = bound.value
            guard handler.heldOctets > 0, case .open(let connection) = handler.state else { return }
            handler.send(connection, promise: nil, context)
        }
    }

    private func decrypt(_ connection: TLSConnection, _ context: ChannelHandlerContext) {
        guard connection.ciphertextIn.readableBytes > 0 else { return releaseInput(connection) }
        var plaintext = context.channel.allocator.buffer(capacity: connection.ciphertextIn.readableBytes)
        let outcome = connection.decrypt(into: &plaintext)
        releaseInput(connection)
        if connection.ciphertextOut.readableBytes > heldOctets { send(connection, promise: nil, context) }
        if plaintext.readableBytes > 0 {
            isReadOutstanding = false
            context.fireChannelRead(wrapInboundOut(plaintext))
        }
        guard case .open = state else { return }
        switch outcome {
        case .complete, .needsInput: break
        case .closed:
            context.fireUserInboundEventTriggered(TLSEvent.closedCleanly)
            if case .open = state, !outlivesGoodbye { context.channel.close(promise: nil) }
        case .failed(let error): fail(error, connection, context)
        }
    }

    /// An idle connection holds no receive buffer.
    private func releaseInput(_ connection: TLSConnection) {
        if connection.ciphertextIn.readableBytes == 0 { connection.ciphertextIn = ByteBuffer() }
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
        // A read that brought half a record or a handshake message has brought nobody anything yet.
        switch state {
        case .awaitingHello, .handshaking: context.read()
        case .open: if isReadOutstanding { context.read() }
        case .idle, .awaitingAdmission, .ended: break
        }
    }

    package func read(context: ChannelHandlerContext) {
        isReadOutstanding = true
        if case .awaitingAdmission = state { return }
        context.read()
    }

    // MARK: Out

    package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .ended = state {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        writes.append(Write(data: unwrapOutboundIn(data), promise: promise))
    }

    package func flush(context: ChannelHandlerContext) {
        flushed = writes.count
        if case .open(let connection) = state { encrypt(connection, context) }
        context.flush()
    }

    /// Encrypts everything that was flushed and writes it as one.
    ///
    /// - Parameter ends: nothing will follow, which is said as well.
    private func encrypt(_ connection: TLSConnection, _ context: ChannelHandlerContext, ends: Bool = false) {
        guard flushed > 0 || ends else { return }
        var ready: [Write] = []
        if flushed == writes.count {
            swap(&ready, &writes)
        } else {
            ready = Array(writes[..<flushed])
            writes.removeFirst(flushed)
        }
        flushed = 0
        var size = 0
        for write in ready { size += write.data.readableBytes }
        // 16 KiB to a record, and less than 64 octets on top of each.
        connection.ciphertextOut.reserveCapacity(minimumWritableBytes: size + (size / 16_384 + ready.count) * 64)
        for write in ready {
            if let error = connection.encrypt(write.data) {
                for write in ready { write.promise?.fail(error) }
                return fail(error, connection, context)
            }
        }
        if ends { connection.shutdown() }
        send(connection, promise: joined(ready.lazy.compactMap(\.promise), context), context)
    }

    private func joined(
        _ promises: some Collection<EventLoopPromise<Void>>, _ context: ChannelHandlerContext
    ) -> EventLoopPromise<Void>? {
        guard promises.dropFirst().first != nil else { return promises.first }
        let all = context.eventLoop.makePromise(of: Void.self)
        for promise in promises { all.futureResult.cascade(to: promise) }
        return all
    }

    /// Hands what OpenSSL has to say to the network.
    private func send(_ connection: TLSConnection, promise: EventLoopPromise<Void>?, _ context: ChannelHandlerContext) {
        heldOctets = 0
        guard connection.ciphertextOut.readableBytes > 0 else {
            connection.ciphertextOut = ByteBuffer()
            promise?.succeed()
            return
        }
        let ciphertext = connection.ciphertextOut
        connection.ciphertextOut = ByteBuffer()
        context.writeAndFlush(wrapOutboundOut(ciphertext), promise: promise)
    }

    package func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch (state, mode) {
        case (.open(let connection), .all), (.open(let connection), .output):
            // Last words that were not flushed go with the goodbye: one segment, and one look at it by the peer.
            if mode == .output {
                flushed = writes.count
                encrypt(connection, context, ends: true)
                guard case .open = state else { break }
            } else {
                connection.shutdown()
                send(connection, promise: nil, context)
                end(ChannelError.ioOnClosedChannel)
            }
        case (.awaitingHello, .all), (.awaitingAdmission, .all), (.handshaking, .all):
            end(ChannelError.ioOnClosedChannel)
        case (.idle, _), (.ended, _), (_, .input), (_, .output): break
        }
        context.close(mode: mode, promise: promise)
    }
}

extension ByteBuffer {
    /// Puts more behind what is unread, in room for the rest of a record rather than in a larger buffer.
    fileprivate mutating func append(_ more: ByteBuffer) {
        if readableBytes == 0 {
            self = more
        } else {
            discardReadBytes()
            writeImmutableBuffer(more)
        }
    }
}
