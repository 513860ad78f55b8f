package import NIOCore

/// One client's dialogue on the submission port, greeting to QUIT (RFC 5321, 6409, 3207, 4954, 2920, 1870, 6152, 2034).
///
/// Decides; never reads, writes or waits. Bytes go in by ``receive(_:)``; ``advance(into:)`` answers what it can and
/// returns what somebody else must decide or do. Commands are answered one by one, in order, and while a question is
/// open none is read, so replies stay in step however much is pipelined. The outcome does not depend on how the bytes
/// were cut, with the one exception that RFC 3207 asks for: bytes behind STARTTLS.
///
/// Its limits are octets and counts; time, memory budgets and addresses are its caller's.
package struct SubmissionDialogue {
    package struct Configuration: Sendable {
        package var hostname: String
        /// Octets, announced by SIZE before AUTH.
        package var maxMessageSize: Int
        package var maxRecipients: Int
        /// Names as EHLO lists them inside TLS.
        package var mechanisms: [String]
        package var maxErrors: Int
        package var maxIdleCommands: Int

        package init(
            hostname: String, maxMessageSize: Int, maxRecipients: Int, mechanisms: [String], maxErrors: Int = 20,
            maxIdleCommands: Int = 100
        ) {
            self.hostname = hostname
            self.maxMessageSize = maxMessageSize
            self.maxRecipients = maxRecipients
            self.mechanisms = mechanisms
            self.maxErrors = maxErrors
            self.maxIdleCommands = maxIdleCommands
        }
    }

    package enum Security: Hashable, Sendable { case plaintext, tls }

    /// What the tenant may send in one message.
    package struct SessionLimits: Hashable, Sendable {
        package var maxMessageSize: Int
        package var maxRecipients: Int

        package init(maxMessageSize: Int, maxRecipients: Int) {
            self.maxMessageSize = maxMessageSize
            self.maxRecipients = maxRecipients
        }
    }

    package struct Envelope: Hashable, Sendable {
        package var sender: ReversePath
        /// Each once, in the order they came.
        package var recipients: [EnvelopeRecipient]
        package var parameters: MailParameters
        package var declaredSize: Int?
        package var heloName: String
        /// Whether the client said EHLO.
        package var isESMTP: Bool
        /// `AUTH=` of MAIL, a mailbox or `<>`: never an identity (RFC 4954 §5).
        package var submitterParameter: String?
    }

    /// What the caller must do. Those that ask (`authenticate`, `authenticationResponse`, `sender`, `recipient`,
    /// `data`, `message`) hold everything behind them until they are answered.
    package enum Action: Equatable, Sendable {
        /// Flush, then start TLS, then ``secured()``.
        case startTLS
        /// Answer by ``challenge(_:into:)``, ``authenticated(limits:into:)`` or ``refuse(_:failsTransaction:into:)``.
        case authenticate(mechanism: String, initialResponse: [UInt8]?)
        /// The same answers.
        case authenticationResponse([UInt8])
        /// Drop the exchange; nothing is to be answered.
        case authenticationCancelled
        case sender(ReversePath, declaredSize: Int?)
        /// `count` is the message's number of recipients with this one.
        case recipient(Mailbox, count: Int)
        case data(Envelope)
        /// Dots taken out, every line ended by CRLF. Answer by ``accepted(_:into:)`` or refuse.
        case message(Envelope, content: ByteBuffer)
        /// Flush and close.
        case close
    }

    struct Hello: Equatable {
        var name: String
        var isESMTP: Bool
    }

    struct Identity: Equatable {
        var hello: Hello
        var limits: SessionLimits
    }

    /// A transaction between MAIL and DATA.
    struct Draft {
        let mail: MailArgument
        let recipients = RecipientList()
        /// A recipient was refused.
        var hasRefusals = false
        /// One was refused for what fails the whole message: DATA's answer.
        var failure: Reply?

        init(_ mail: MailArgument) { self.mail = mail }

        func envelope(_ hello: Hello) -> Envelope {
            Envelope(
                sender: mail.sender, recipients: recipients.all, parameters: mail.parameters,
                declaredSize: mail.declaredSize, heloName: hello.name, isESMTP: hello.isESMTP,
                submitterParameter: mail.submitter)
        }
    }

    /// Where commands are read.
    enum Stage {
        case plaintext(Hello?)  // → handshaking
        case secured(Hello?)  // → deciding(authentication)
        case identified(Identity)  // → deciding(sender)
        case transaction(Identity, Draft)  // → deciding(recipient, data), identified
    }

    /// What the caller was asked.
    enum Question {
        case authentication(Hello)
        case sender(Identity, MailArgument)
        case recipient(Identity, Draft, EnvelopeRecipient)
        case data(Identity, Draft)
        case message(Identity)
    }

    enum State {
        case connected  // → reading (greeting), closing
        case reading(Stage)
        case handshaking  // → reading(secured)
        case responding(Hello)  // a challenge is out: the next line is its response
        case deciding(Question)
        case content(Identity, Envelope)  // → deciding(message), reading(identified)
        case closing  // → closed, having said so
        case closed
    }

    let configuration: Configuration
    private let startsSecured: Bool
    var state = State.connected
    var reader = CommandReader()
    /// There exactly in `content`. Not a part of the state, whose payload cannot be changed in place: every piece that
    /// arrives would copy what has arrived before.
    var scanner: ContentScanner?
    var conduct: SessionGuard

    package init(configuration: Configuration, security: Security) {
        self.configuration = configuration
        startsSecured = security == .tls
        conduct = SessionGuard(maxErrors: configuration.maxErrors, maxIdleCommands: configuration.maxIdleCommands)
    }

    // MARK: Bytes

    /// Speaks first: once, when the connection (on 465: its TLS) is up.
    package mutating func greeting(into output: inout ByteBuffer) {
        guard case .connected = state else { return }
        guard reader.isEmpty else { return end(with: .inputBeforeGreeting, into: &output) }
        Reply.greeting(configuration.hostname, "ESMTP").write(into: &output)
        state = .reading(startsSecured ? .secured(nil) : .plaintext(nil))
    }

    /// Takes everything readable.
    package mutating func receive(_ bytes: inout ByteBuffer) {
        switch state {
        case .connected, .reading, .responding, .deciding, .content: reader.receive(&bytes)
        case .handshaking, .closing, .closed: bytes.moveReaderIndex(to: bytes.writerIndex)
        }
    }

    /// Forgets what is buffered.
    package mutating func discardInput() { reader.discard() }

    /// Answers what it can alone; returns what it cannot, or nil until bytes or an answer have come.
    package mutating func advance(into output: inout ByteBuffer) -> Action? {
        while true {
            switch state {
            case .connected, .handshaking, .deciding, .closed:
                return nil
            case .closing:
                state = .closed
                return .close
            case .content(let identity, let envelope):
                guard let action = readContent(identity, envelope, into: &output) else {
                    if case .content = state { return nil }
                    continue
                }
                return action
            case .responding(let hello):
                guard let line = reader.next(limit: CommandReader.responseLimit) else { return nil }
                if let action = respond(line, hello, into: &output) { return action }
            case .reading(.plaintext(nil)) where reader.firstOctet == 0x16:
                // A TLS hello on a port that starts in the clear: no SMTP reply means anything to it.
                reader.discard()
                state = .closing
            case .reading(let stage):
                guard let line = reader.next(limit: CommandReader.commandLimit) else { return nil }
                if let action = perform(line, stage, into: &output) { return action }
            }
        }
    }

    // MARK: Answers

    /// TLS is up: nothing said before counts any more (RFC 3207 §4.2).
    package mutating func secured() {
        guard case .handshaking = state else { return }
        reader.discard()
        state = .reading(.secured(nil))
    }

    package mutating func challenge(_ octets: [UInt8], into output: inout ByteBuffer) {
        guard case .deciding(.authentication(let hello)) = state else { return }
        output.writeStaticString("334 ")
        output.writeBytes(Base64Text.encode(octets))
        output.writeStaticString("\r\n")
        state = .responding(hello)
    }

    package mutating func authenticated(limits: SessionLimits, into output: inout ByteBuffer) {
        guard case .deciding(.authentication(let hello)) = state else { return }
        Reply.authenticated.write(into: &output)
        state = .reading(.identified(Identity(hello: hello, limits: limits)))
    }

    /// The open question is answered with no.
    ///
    /// `failsTransaction`, for a recipient: the message goes to nobody, and DATA gets the same reply (a cap).
    package mutating func refuse(_ reply: Reply, failsTransaction: Bool = false, into output: inout ByteBuffer) {
        guard case .deciding(let question) = state else { return }
        switch question {
        case .authentication(let hello):
            state = .reading(.secured(hello))
            reject(reply, into: &output)
        case .sender(let identity, _):
            state = .reading(.identified(identity))
            reject(reply, into: &output)
        case .recipient(let identity, var draft, _):
            draft.hasRefusals = true
            if failsTransaction { draft.failure = reply }
            state = .reading(.transaction(identity, draft))
            if failsTransaction { reply.write(into: &output) } else { reject(reply, into: &output) }
        case .data(let identity, let draft):
            state = .reading(.transaction(identity, draft))
            conduct.noteDataRefused()
            reply.write(into: &output)
        case .message(let identity):
            state = .reading(.identified(identity))
            reply.write(into: &output)
        }
    }

    /// The sender, the recipient or the start of content is fine.
    package mutating func allow(into output: inout ByteBuffer) {
        guard case .deciding(let question) = state else { return }
        switch question {
        case .sender(let identity, let mail):
            Reply.senderOK.write(into: &output)
            state = .reading(.transaction(identity, Draft(mail)))
        case .recipient(let identity, let draft, let recipient):
            Reply.recipientOK.write(into: &output)
            draft.recipients.add(recipient)
            state = .reading(.transaction(identity, draft))
        case .data(let identity, let draft):
            Reply.startContent.write(into: &output)
            scanner = ContentScanner(limit: identity.limits.maxMessageSize, declaredSize: draft.mail.declaredSize)
            state = .content(identity, draft.envelope(identity.hello))
        case .authentication, .message:
            preconditionFailure("an exchange or a message is not allowed but authenticated or accepted")
        }
    }

    /// The message is committed.
    package mutating func accepted(_ reply: Reply, into output: inout ByteBuffer) {
        guard case .deciding(.message(let identity)) = state else { return }
        conduct.noteMessage()
        reply.write(into: &output)
        state = .reading(.identified(identity))
    }

    /// Ends the session from outside, at any moment, also inside content; the next action is `.close`.
    package mutating func terminate(_ reply: Reply, into output: inout ByteBuffer) {
        switch state {
        case .closing, .closed: return
        case .handshaking: state = .closing  // a reply in the clear would be taken for TLS
        case .connected, .reading, .responding, .deciding, .content: end(with: reply, into: &output)
        }
        reader.discard()
        scanner = nil
    }

    // MARK: What it is doing

    /// From MAIL to the answer to the message.
    package var isInTransaction: Bool {
        switch state {
        case .reading(.transaction), .deciding(.sender), .deciding(.recipient), .deciding(.data), .deciding(.message),
            .content:
            true
        case .connected, .reading(.plaintext), .reading(.secured), .reading(.identified), .handshaking, .responding,
            .deciding(.authentication), .closing, .closed:
            false
        }
    }

    package var isAwaitingAnswer: Bool { if case .deciding = state { true } else { false } }
    package var isReceivingContent: Bool { if case .content = state { true } else { false } }
    /// Octets held here, for the memory budget.
    package var bufferedBytes: Int { reader.readableBytes + (scanner?.content.readableBytes ?? 0) }

    // MARK: Helpers of every step

    /// Refuses what the client did, and ends the session when that was once too often.
    mutating func reject(_ reply: Reply, into output: inout ByteBuffer) {
        guard reply.isPermanent, conduct.noteError() else { return reply.write(into: &output) }
        end(with: .tooManyErrors, into: &output)
    }

    mutating func end(with reply: Reply, into output: inout ByteBuffer) {
        reply.write(into: &output)
        reader.discard()
        scanner = nil
        state = .closing
    }
}

// What a session holds may be a secret (an AUTH line, a response): none of its descriptions shows any of it.

extension SubmissionDialogue: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "SubmissionDialogue" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

extension SubmissionDialogue.Action: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String {
        switch self {
        case .startTLS: "startTLS"
        case .authenticate(let mechanism, let initial):
            "authenticate(\(mechanism.escaped(limit: 40)), \(initial == nil ? "no" : "an") initial response)"
        case .authenticationResponse: "authenticationResponse"
        case .authenticationCancelled: "authenticationCancelled"
        case .sender(let path, let size): "sender(<\(path)>, declaredSize: \(size.map(String.init) ?? "none"))"
        case .recipient(let mailbox, let count): "recipient(<\(mailbox)>, count: \(count))"
        case .data(let envelope): "data(from <\(envelope.sender)> to \(envelope.recipients.count))"
        case .message(let envelope, let content):
            "message(from <\(envelope.sender)> to \(envelope.recipients.count), \(content.readableBytes) octets)"
        case .close: "close"
        }
    }

    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
