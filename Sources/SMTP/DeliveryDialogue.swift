package import NIOCore

/// The forwarder's side of one connection to a relay: LMTP or SMTP, STARTTLS, one transaction after the other.
///
/// Pipelines MAIL, RCPT and DATA where the peer offers it (RFC 2920). Trusts nothing the peer says beyond its meaning:
/// a recipient is delivered only by its own final 2xx; whatever is unexpected defers everyone whose outcome is not
/// final and ends the connection.
package struct DeliveryDialogue {
    package enum Wire: Hashable, Sendable { case lmtp, smtp }
    package enum TLSRequirement: Hashable, Sendable { case none, require }

    package struct Transaction: Sendable {
        package var sender: ReversePath
        /// The tenant, told to our own relays by `AUTH=`; nil for other servers.
        package var submitter: String?
        package var recipients: [EnvelopeRecipient]
        package var parameters: MailParameters
        /// Every line ended by CRLF.
        package var content: ByteBuffer
        package var isEightBit: Bool

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
    }

    package enum Action: Equatable, Sendable {
        /// Start TLS, then ``secured()``.
        case startTLS
        /// ``deliver(_:into:)`` may be called.
        case ready
        /// 354 came: ``sendContent(into:)``, or close without it.
        case sendContent
        /// What became of each recipient, in order. `ready` or `failed` follows.
        case outcomes([Outcome])
        /// The connection is of no more use: close it. No transaction is open any more (its outcomes came before).
        case failed(RemoteReply)
    }

    /// What the peer offered in its answer to EHLO or LHLO.
    struct Capabilities: Equatable {
        var pipelining = false
        var eightBitMIME = false
        var size = false
        var startTLS = false
        /// `LIMITS RCPTMAX=` (RFC 9422).
        var recipientLimit: Int?

        /// From the lines behind the first, of which each begins with a keyword.
        init(_ lines: some Sequence<[UInt8]> = []) {
            for line in lines {
                let keyword = line.prefix { $0 != .space }
                if keyword.equalsIgnoringCase("PIPELINING") { pipelining = true }
                if keyword.equalsIgnoringCase("8BITMIME") { eightBitMIME = true }
                if keyword.equalsIgnoringCase("SIZE") { size = true }
                if keyword.equalsIgnoringCase("STARTTLS") { startTLS = true }
                if keyword.equalsIgnoringCase("LIMITS") {
                    for limit in line.split(separator: .space).dropFirst() where limit.startsIgnoringCase("RCPTMAX=") {
                        recipientLimit = Int(decimal: limit.dropFirst("RCPTMAX=".utf8.count)).flatMap {
                            $0 > 0 ? $0 : nil
                        }
                    }
                }
            }
        }
    }

    /// What a reply is awaited for, in one transaction.
    enum Step: Equatable {
        case mail
        case recipient(Int)
        case data
        case content  // 354 came; the caller has the word
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

        init(_ transaction: Transaction) {
            self.transaction = transaction
            outcomes = Array(repeating: nil, count: transaction.recipients.count)
        }

        func settle(_ indices: some Sequence<Int>, _ outcome: Outcome) {
            for index in indices where outcomes[index] == nil { outcomes[index] = outcome }
        }
    }

    enum State {
        case greeting  // → hello
        case hello(isSecured: Bool, isBasic: Bool)  // → startTLS, idle, hello (HELO)
        case startTLS  // → handshaking
        case handshaking  // → secured
        case secured  // → hello, at the next chance to write
        case idle(Capabilities)  // → transfer, quitting
        case transfer(Capabilities, Transfer)  // → idle, resetting
        case resetting(Capabilities)  // → idle
        case quitting
        case failed
    }

    let wire: Wire
    let hostname: String
    let tls: TLSRequirement
    var state = State.greeting
    var input = ByteBuffer()
    var replies = ReplyReader()
    /// Actions that belong together and are returned one by one.
    var pending: [Action] = []

    package init(wire: Wire, hostname: String, tls: TLSRequirement) {
        self.wire = wire
        self.hostname = hostname
        self.tls = tls
    }

    // MARK: Bytes

    /// Takes everything readable.
    package mutating func receive(_ bytes: inout ByteBuffer) {
        switch state {
        case .greeting, .secured, .hello, .startTLS, .idle, .transfer, .resetting:
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
            case .handshaking, .quitting, .failed: return nil
            case .secured: sayHello(isSecured: true, isBasic: false, into: &output)
            case .greeting, .hello, .startTLS, .idle, .transfer, .resetting: break
            }
            let result = replies.next(&input)
            if input.readableBytes == 0 { input = ByteBuffer() }
            switch result {
            case .incomplete: return nil
            case .violation(let what): fail(violation(what))
            case .reply(let code, let enhanced, let lines):
                let reply = RemoteReply(code: code, enhanced: enhanced, lines: lines, command: awaited)
                take(reply, capabilities: Capabilities(lines.dropFirst()), into: &output)
            }
        }
    }

    // MARK: What the caller knows and does

    /// How many recipients the peer takes in one transaction; nil if it did not say (RFC 9422).
    package var recipientLimit: Int? {
        switch state {
        case .idle(let capabilities), .transfer(let capabilities, _), .resetting(let capabilities):
            capabilities.recipientLimit
        case .greeting, .hello, .startTLS, .handshaking, .secured, .quitting, .failed: nil
        }
    }

    /// TLS is up: nothing said before counts (RFC 3207 §4.2). Call ``advance(into:)`` next, which greets again.
    package mutating func secured() {
        guard case .handshaking = state else { return }
        discardInput()
        state = .secured
    }

    /// Begins a transaction; only after `ready`. On a connection that has failed meanwhile it changes nothing.
    package mutating func deliver(_ transaction: Transaction, into output: inout ByteBuffer) {
        precondition(!transaction.recipients.isEmpty, "a transaction has a recipient")
        switch state {
        case .failed:
            pending.append(contentsOf: Self.unsent(transaction, violation("connection already failed")))
        case .idle(let capabilities):
            state = .transfer(capabilities, Transfer(transaction))
            guard input.readableBytes == 0 else { return fail(violation("reply to nothing")) }
            write(mailCommand(transaction, capabilities), into: &output)
            guard capabilities.pipelining else { return }
            for recipient in transaction.recipients { write("RCPT TO:<\(recipient.mailbox)>", into: &output) }
            write("DATA", into: &output)
        case .greeting, .hello, .startTLS, .handshaking, .secured, .transfer, .resetting, .quitting:
            preconditionFailure("a transaction begins on a connection that is ready")
        }
    }

    /// Writes the content with its dots stuffed, and the final dot.
    package mutating func sendContent(into output: inout ByteBuffer) {
        guard case .transfer(_, let transfer) = state, transfer.step == .content else { return }
        // A reply that came before its content is none to it.
        guard input.readableBytes == 0, !replies.isInsideReply else {
            return fail(violation("reply to no content yet"))
        }
        DotStuffing.write(transfer.transaction.content, into: &output)
        transfer.step = .final(0)
    }

    /// Takes leave; what comes then is ignored, and the caller closes.
    package mutating func quit(into output: inout ByteBuffer) {
        switch state {
        case .idle, .resetting, .greeting, .hello, .secured: write("QUIT", into: &output)
        case .startTLS, .handshaking, .transfer, .quitting, .failed: break  // no room for a command
        }
        state = .quitting
        discardInput()
    }

    /// The peer is gone. What this means for an open transaction is returned (and `failed` by ``advance(into:)``
    /// after it); nil if nothing was expected any more.
    package mutating func closed(_ reason: String = "connection lost") -> Action? {
        switch state {
        case .quitting, .failed: break
        case .greeting, .hello, .startTLS, .handshaking, .secured, .idle, .transfer, .resetting:
            fail(RemoteReply(code: 421, enhanced: EnhancedCode(4, 4, 2), text: reason, command: awaited))
        }
        return pending.isEmpty ? nil : pending.removeFirst()
    }
}
