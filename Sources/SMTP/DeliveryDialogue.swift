package import NIOCore

/// Our side of one connection to a next hop: LMTP or SMTP, TLS, AUTH, one transaction after the other.
///
/// Pipelines MAIL, RCPT and DATA where the peer offers it (RFC 2920). Sends what it is given: what the peer cannot take
/// is converted or refused by the caller, who asks ``capabilities`` first. Trusts nothing the peer says beyond its meaning:
/// a recipient is delivered only by its own final 2xx; whatever is unexpected defers everyone whose outcome is not
/// final and ends the connection.
package struct DeliveryDialogue {
    package enum Wire: Hashable, Sendable { case lmtp, smtp }
    package enum TLSRequirement: Hashable, Sendable {
        /// Never.
        case none
        /// If the peer offers it (RFC 7435).
        case opportunistic
        /// Or nothing is said.
        case require
    }

    package struct Transaction: Sendable {
        package var sender: ReversePath
        /// The tenant, told to our own relays by `AUTH=`; nil for other servers.
        package var submitter: String?
        package var recipients: [EnvelopeRecipient]
        package var parameters: MailParameters
        /// Every line ended by CRLF.
        package var content: ByteBuffer
        package var isEightBit: Bool
        /// Content with NULs, bare CR or LF, or longer lines than 998 octets may be: it says BODY=BINARYMIME of itself.
        package var isBinary: Bool { parameters.body == .binaryMIME }

        package init(
            sender: ReversePath, submitter: String?, recipients: [EnvelopeRecipient],
            parameters: MailParameters = MailParameters(), content: ByteBuffer, isEightBit: Bool
        ) {
            self.sender = sender
            self.submitter = submitter
            self.recipients = recipients
            self.parameters = parameters
            self.content = content
            self.isEightBit = isEightBit
        }
    }

    package enum Outcome: Hashable, Sendable {
        case delivered(RemoteReply)
        case deferred(RemoteReply)
        case bounced(RemoteReply)

        package var reply: RemoteReply {
            switch self {
            case .delivered(let reply), .deferred(let reply), .bounced(let reply): reply
            }
        }

        /// Deferred, for our own relay's gate takes nothing from us.
        package var isRelayingDenied: Bool {
            if case .deferred(let reply) = self { reply.code == 550 && reply.saysRelayingDenied } else { false }
        }
    }

    package enum Action: Equatable, Sendable {
        /// Start TLS, then ``secured()``.
        case startTLS
        /// ``authenticate(mechanism:initialResponse:into:)`` by one of ``capabilities``' mechanisms, or
        /// ``abandonAuthentication(_:)``.
        case authenticate
        /// ``respond(_:into:)``, or ``abandonAuthentication(_:)``.
        case challenge([UInt8])
        /// The server is content: ``confirm(isGenuine:)``.
        case authenticated
        /// ``deliver(_:into:)`` may be called.
        case ready
        /// The peer takes no more transactions in this connection (RFC 9422, MAILMAX): ``quit(into:)``.
        case exhausted
        /// The peer waits for the content: ``sendContent(into:)``, or close without it.
        case sendContent
        /// What became of each recipient, in order. `ready` or `failed` follows.
        case outcomes([Outcome])
        /// The connection is of no more use: close it. No transaction is open any more (its outcomes came before).
        case failed(RemoteReply)
    }

    /// What a reply is awaited for, in one transaction.
    enum Step: Equatable {
        case mail
        case recipient(Int)
        case data
        case content  // 354 came, or BDAT is next; the caller has the word
        case final(Int)  // the content is sent: the reply for accepted[_]
        case emptyFinal  // a lone dot is sent, for nobody
    }

    /// A reference, so that a reply changes it where it is: a thousand replies would copy a thousand outcomes each.
    final class Transfer {
        let transaction: Transaction
        var step = Step.mail
        var outcomes: [Outcome?]
        /// Indices of recipients whose RCPT got 2xx.
        var accepted: [Int] = []
        /// What of the content is still to be written.
        var unsent: ByteBuffer
        var hasBegun = false

        init(_ transaction: Transaction) {
            self.transaction = transaction
            unsent = transaction.content
            outcomes = Array(repeating: nil, count: transaction.recipients.count)
        }

        func settle(_ indices: some Sequence<Int>, _ outcome: Outcome) {
            for index in indices where outcomes[index] == nil { outcomes[index] = outcome }
        }
    }

    enum State {
        case greeting  // → hello
        case hello(isSecured: Bool, isBasic: Bool)  // → startTLS, authenticating, idle, hello (HELO)
        case startTLS(DeliveryCapabilities)  // → handshaking; authenticating, idle (opportunistic)
        case handshaking  // → secured
        case secured  // → hello, at the next chance to write
        case authenticating(DeliveryCapabilities, heldResponse: [UInt8]?)  // → confirming
        case confirming(DeliveryCapabilities)  // → idle
        case idle(DeliveryCapabilities)  // → transfer, quitting
        case transfer(DeliveryCapabilities, Transfer)  // → idle, resetting
        case resetting(DeliveryCapabilities)  // → idle
        case quitting
        case failed
    }

    let wire: Wire
    let hostname: String
    let tls: TLSRequirement
    /// TLS is there before the greeting (RFC 8314 §3.3).
    package let isImplicit: Bool
    let authenticates: Bool
    var state: State
    var input = ByteBuffer()
    var replies = ReplyReader()
    /// Actions that belong together and are returned one by one.
    var pending: [Action] = []
    var transactions = 0
    /// Replies taken: whoever watches the time counts from the last one, not from the last octet.
    package internal(set) var replyCount = 0

    /// - Parameters:
    ///   - isImplicit: TLS comes before the greeting: call ``secured()`` when it is up.
    ///   - authenticates: with AUTH, or not at all.
    package init(
        wire: Wire, hostname: String, tls: TLSRequirement, isImplicit: Bool = false, authenticates: Bool = false
    ) {
        self.wire = wire
        self.hostname = hostname
        self.tls = tls
        self.isImplicit = isImplicit
        self.authenticates = authenticates
        state = isImplicit ? .handshaking : .greeting
    }

    // MARK: Bytes

    /// Takes everything readable.
    package mutating func receive(_ bytes: inout ByteBuffer) {
        switch state {
        case .greeting, .secured, .hello, .startTLS, .authenticating, .confirming, .idle, .transfer, .resetting:
            if input.readableBytes == 0 {
                input = bytes.readSlice(length: bytes.readableBytes) ?? ByteBuffer()
            } else {
                input.writeBuffer(&bytes)
            }
        case .handshaking, .quitting, .failed:
            bytes.moveReaderIndex(to: bytes.writerIndex)
        }
    }

    /// Forgets what is buffered.
    package mutating func discardInput() {
        input = ByteBuffer()
        replies = ReplyReader()
    }

    /// Goes on as far as the replies reach; nil until more bytes, or a call, have come.
    package mutating func advance(into output: inout ByteBuffer) -> Action? {
        while true {
            if !pending.isEmpty { return pending.removeFirst() }
            switch state {
            case .handshaking, .confirming, .quitting, .failed: return nil
            case .secured: sayHello(isSecured: true, isBasic: false, into: &output)
            case .greeting, .hello, .startTLS, .authenticating, .idle, .transfer, .resetting: break
            }
            let result = replies.next(&input)
            if input.readableBytes == 0 { input = ByteBuffer() }
            switch result {
            case .incomplete: return nil
            case .violation(let what): fail(violation(what))
            case .reply(let code, let enhanced, let lines):
                replyCount += 1
                let reply = RemoteReply(
                    code: code, enhanced: enhanced, lines: lines, command: awaited, isFromOurRelay: isToOurRelay,
                    // Our own relays make no reports: they have no queue.
                    isFromReporter: !isToOurRelay && capabilities?.dsn ?? false)
                take(reply, lines, into: &output)
            }
        }
    }

    // MARK: What the caller knows and does

    /// What the peer offers, once it is ready for AUTH or transactions.
    package var capabilities: DeliveryCapabilities? {
        switch state {
        case .idle(let capabilities), .transfer(let capabilities, _), .resetting(let capabilities),
            .authenticating(let capabilities, _), .confirming(let capabilities):
            capabilities
        case .greeting, .hello, .startTLS, .handshaking, .secured, .quitting, .failed: nil
        }
    }

    /// Our own relays alone are told a submitter.
    var isToOurRelay: Bool {
        if case .transfer(_, let transfer) = state { transfer.transaction.submitter != nil } else { false }
    }

    /// How long the next reply may take, in seconds (RFC 5321 §4.5.3.2). Our own relays say at once whatever nobody else
    /// has to be asked for: one that is silent for a minute is not there, and others are.
    package var patience: Int64 {
        let patience = patienceWithStrangers
        return wire == .lmtp && patience < 600 ? min(patience, 60) : patience
    }

    private var patienceWithStrangers: Int64 {
        switch state {
        case .transfer(_, let transfer):
            switch transfer.step {
            case .mail, .recipient: 300
            case .data: 120
            case .content, .final, .emptyFinal: 600
            }
        case .handshaking: 30
        case .greeting, .hello, .startTLS, .secured, .authenticating, .confirming, .idle, .resetting, .quitting,
            .failed:
            300
        }
    }

    /// TLS is up: nothing said before counts (RFC 3207 §4.2). Call ``advance(into:)`` next, which greets again.
    package mutating func secured() {
        guard case .handshaking = state else { return }
        discardInput()
        state = isImplicit ? .greeting : .secured
    }

    /// Begins a transaction; only after `ready`. On a connection that has failed meanwhile it changes nothing.
    package mutating func deliver(_ transaction: Transaction, into output: inout ByteBuffer) {
        precondition(!transaction.recipients.isEmpty, "a transaction has a recipient")
        switch state {
        case .failed:
            pending.append(contentsOf: Self.unsent(transaction, violation("connection already failed")))
        case .idle(let capabilities):
            state = .transfer(capabilities, Transfer(transaction))
            transactions += 1
            guard input.readableBytes == 0 else { return fail(unasked("reply to nothing")) }
            write(mailCommand(transaction, capabilities), into: &output)
            if capabilities.pipelining { writeGroup(transaction, capabilities, into: &output) }
        case .greeting, .hello, .startTLS, .handshaking, .secured, .authenticating, .confirming, .transfer, .resetting,
            .quitting:
            preconditionFailure("a transaction begins on a connection that is ready")
        }
    }

    /// Writes a piece of the content, with its dots stuffed and at last the final dot, or as one chunk (RFC 3030):
    /// call it again, when the piece is written, until it answers true.
    package mutating func sendContent(into output: inout ByteBuffer) -> Bool {
        guard case .transfer(let capabilities, let transfer) = state, transfer.step == .content else { return true }
        // A reply that came before its content is none to it.
        guard input.readableBytes == 0, !replies.isInsideReply else {
            fail(unasked("reply to no content yet"))
            return true
        }
        let isLast: Bool
        if sendsByChunks(transfer.transaction, capabilities) {
            if !transfer.hasBegun { write("BDAT \(transfer.unsent.readableBytes) LAST", into: &output) }
            let length = min(transfer.unsent.readableBytes, Self.pieceLength)
            output.writeImmutableBuffer(transfer.unsent.readSlice(length: length) ?? ByteBuffer())
            isLast = transfer.unsent.readableBytes == 0
        } else {
            isLast = DotStuffing.writePiece(of: &transfer.unsent, atMost: Self.pieceLength, into: &output)
        }
        transfer.hasBegun = true
        if isLast { transfer.step = .final(0) }
        return isLast
    }

    /// Octets that are written at a time: no message is in memory twice for long.
    static let pieceLength = 256 * 1024

    /// Takes leave; what comes then is ignored, and the caller closes.
    package mutating func quit(into output: inout ByteBuffer) {
        switch state {
        case .idle, .resetting, .greeting, .hello, .secured: write("QUIT", into: &output)
        case .startTLS, .handshaking, .authenticating, .confirming, .transfer, .quitting, .failed:
            break  // no room for a command
        }
        state = .quitting
        discardInput()
    }

    /// The peer is gone, or is not waited for any more. What this means for an open transaction is returned (and `failed`
    /// by ``advance(into:)`` after it); nil if nothing was expected any more.
    ///
    /// - Parameter reason: a sentence, for whoever hears what became of the message.
    package mutating func closed(_ reason: String = "the connection was lost") -> Action? {
        switch state {
        case .quitting, .failed: break
        case .greeting, .hello, .startTLS, .handshaking, .secured, .authenticating, .confirming, .idle, .transfer,
            .resetting:
            fail(
                RemoteReply(
                    code: 421, enhanced: EnhancedCode(4, 4, 2), text: reason, command: awaited, isOurs: true))
        }
        return pending.isEmpty ? nil : pending.removeFirst()
    }
}
