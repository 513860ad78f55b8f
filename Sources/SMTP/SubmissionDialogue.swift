package import NIOCore

/// One client's dialogue on the submission port, greeting to QUIT (RFC 5321, 6409, 3207, 4954, 2920, 1870, 6152,
/// 3030, 3461, 6531, 9422, 2034).
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
        /// What becomes of a bare CR or LF in content that is not BINARYMIME.
        package var lineEndings: LineEndings

        package init(
            hostname: String, maxMessageSize: Int, maxRecipients: Int, mechanisms: [String], maxErrors: Int = 20,
            maxIdleCommands: Int = 100, lineEndings: LineEndings = .strict
        ) {
            self.hostname = hostname
            self.maxMessageSize = maxMessageSize
            self.maxRecipients = maxRecipients
            self.mechanisms = mechanisms
            self.maxErrors = maxErrors
            self.maxIdleCommands = maxIdleCommands
            self.lineEndings = lineEndings
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
        /// Content begins, by DATA or with the first chunk.
        case data(Envelope)
        /// Dots taken out, every line ended by CRLF unless the body is BINARYMIME (the last line may lack its own in
        /// chunks). Answer by ``accepted(_:into:)`` or refuse.
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
    }

    /// A transaction between MAIL and DATA.
    struct Draft {
        let mail: MailArgument
        let recipients = RecipientList()
        /// RCPTs that were refused.
        var refusals = 0
        var hasRefusals: Bool { refusals > 0 }
        /// One was refused for now only: to say of the message that it never goes would be wrong.
        var isDeferred = false
        /// One was refused for what fails the whole message: DATA's answer.
        var failure: Reply?
        /// Its content was just refused: it comes to nothing, and a MAIL in the next place begins anew.
        var isRefused = false

        init(_ mail: MailArgument) { self.mail = mail }

        /// DATA's answer where every recipient was refused.
        var noRecipients: Reply { isDeferred ? .recipientsDeferred : .noValidRecipients }

        var refused: Draft {
            var draft = self
            draft.isRefused = true
            return draft
        }

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
        case transaction(Identity, Draft)  // → deciding(recipient, data), identified, swallowing
        case chunks(Identity, Draft)  // between the chunks of a message → content, identified, swallowing
        case refused(Identity)  // a chunk was refused: RSET or the last one ends it → identified, swallowing
    }

    /// What the caller was asked.
    enum Question {
        case authentication(Hello)
        case sender(Identity, MailArgument)
        case recipient(Identity, Draft, EnvelopeRecipient)
        case data(Identity, Draft, Chunk?)
        case message(Identity)
    }

    enum State {
        case connected  // → reading (greeting), closing
        case reading(Stage)
        case handshaking  // → reading(secured)
        case responding(Hello)  // a challenge is out: the next line is its response
        case deciding(Question)
        case content(Identity, Draft)  // → deciding(message), reading(identified, chunks, refused)
        case swallowing(Reply, then: Stage)  // a refused chunk's octets arrive; its reply comes after them
        case closing  // → closed, having said so
        case closed
    }

    var configuration: Configuration
    /// The configuration's until AUTH, then the client's own.
    private(set) var limits: SessionLimits
    private let startsSecured: Bool
    var state = State.connected
    var core: ServerCore

    /// - Parameter naming: gives each refusal but 535 the id that its reply ends with. Called while the dialogue goes on:
    ///   it must not touch it.
    package init(configuration: Configuration, security: Security, naming: ((Refused) -> String)? = nil) {
        self.configuration = configuration
        limits = SessionLimits(
            maxMessageSize: configuration.maxMessageSize, maxRecipients: configuration.maxRecipients)
        startsSecured = security == .tls
        core = ServerCore(maxErrors: configuration.maxErrors, maxIdleCommands: configuration.maxIdleCommands)
        core.naming = naming
    }

    // MARK: Bytes

    /// Speaks first: once, when the connection (on 465: its TLS) is up.
    package mutating func greeting(into output: inout ByteBuffer) {
        guard case .connected = state else { return }
        guard core.reader.isEmpty else { return end(with: .inputBeforeGreeting, into: &output) }
        Reply.greeting(configuration.hostname, "ESMTP").write(into: &output)
        state = .reading(startsSecured ? .secured(nil) : .plaintext(nil))
    }

    /// Takes everything readable.
    package mutating func receive(_ bytes: inout ByteBuffer) {
        switch state {
        case .connected, .reading, .responding, .deciding, .content, .swallowing: core.reader.receive(&bytes)
        case .handshaking, .closing, .closed: bytes.moveReaderIndex(to: bytes.writerIndex)
        }
    }

    /// Forgets what is buffered.
    package mutating func discardInput() { core.reader.discard() }

    /// Answers what it can alone; returns what it cannot, or nil until bytes or an answer have come.
    package mutating func advance(into output: inout ByteBuffer) -> Action? {
        while true {
            switch state {
            case .connected, .handshaking, .deciding, .closed:
                return nil
            case .closing:
                state = .closed
                return .close
            case .content(let identity, let draft):
                if let action = readContent(identity, draft, into: &output) { return action }
                if case .content = state { return nil }
            case .swallowing(let reply, let next):
                guard core.swallow() else { return nil }
                state = .reading(next)
                reject(reply, into: &output)
            case .responding(let hello):
                guard let line = core.reader.next(limit: CommandReader.responseLimit) else { return nil }
                if let action = respond(line, hello, into: &output) { return action }
            case .reading(.plaintext(nil)) where core.reader.firstOctet == 0x16:
                // A TLS hello on a port that starts in the clear: no SMTP reply means anything to it.
                core.reader.discard()
                state = .closing
            case .reading(let stage):
                guard let heard = hear(into: &output) else { return nil }
                if let action = perform(heard, stage, into: &output) { return action }
            }
        }
    }

    // MARK: Answers

    /// TLS is up: nothing said before counts any more (RFC 3207 §4.2).
    ///
    /// - Parameter mechanisms: those that this connection has, where they are fewer than the configuration's.
    package mutating func secured(mechanisms: [String]? = nil) {
        guard case .handshaking = state else { return }
        if let mechanisms { configuration.mechanisms = mechanisms }
        core.reader.discard()
        state = .reading(.secured(nil))
    }

    package mutating func challenge(_ octets: [UInt8], into output: inout ByteBuffer) {
        guard case .deciding(.authentication(let hello)) = state else { return }
        output.writeStaticString("334 ")
        output.writeBytes(Base64Text.encode(octets))
        output.writeStaticString("\r\n")
        state = .responding(hello)
    }

    /// - Parameter naming: from now on in place of the one before, where given.
    package mutating func authenticated(
        limits: SessionLimits, naming: ((Refused) -> String)? = nil, into output: inout ByteBuffer
    ) {
        guard case .deciding(.authentication(let hello)) = state else { return }
        Reply.authenticated.write(into: &output)
        self.limits = limits
        if let naming { core.naming = naming }
        state = .reading(.identified(Identity(hello: hello)))
    }

    /// The transaction's recipients while one of them is asked about, which is the last; else none.
    package var recipientsInQuestion: [Mailbox] {
        guard case .deciding(.recipient(_, let draft, let recipient)) = state else { return [] }
        return draft.recipients.all.map(\.mailbox) + [recipient.mailbox]
    }

    /// An operator has changed what the client may send: the next command is judged by it.
    package mutating func change(limits: SessionLimits) { self.limits = limits }

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
            if !reply.isPermanent { core.conduct.noteSenderDeferred(recipients: limits.maxRecipients) }
            reject(reply, into: &output)
        case .recipient(let identity, var draft, _):
            draft.refusals += 1
            if reply.code < 500 { draft.isDeferred = true }
            if failsTransaction {
                // One refusal, however often it has to be said.
                let named = core.named(reply)
                draft.failure = named
                named.write(into: &output)
            }
            state = .reading(.transaction(identity, draft))
            // A cap that is reached is no error of the client's, however many recipients it has to be said to.
            if !failsTransaction { core.say(reply, into: &output) }
        case .data(let identity, let draft, nil):
            state = .reading(.transaction(identity, draft.refused))
            core.conduct.noteDataRefused()
            core.say(reply, into: &output)
        case .data(let identity, let draft, let chunk?):
            refuse(chunk, reply, then: .transaction(identity, draft.refused), identity)
        case .message(let identity):
            state = .reading(.identified(identity))
            core.say(reply, into: &output)
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
        case .data(let identity, let draft, let chunk):
            if chunk == nil { Reply.startContent.write(into: &output) }
            core.content = ContentReception(
                chunk, limit: limits.maxMessageSize, mail: draft.mail, lineEndings: configuration.lineEndings)
            state = .content(identity, draft)
        case .authentication, .message:
            preconditionFailure("an exchange or a message is not allowed but authenticated or accepted")
        }
    }

    /// The message is committed.
    package mutating func accepted(_ reply: Reply, into output: inout ByteBuffer) {
        guard case .deciding(.message(let identity)) = state else { return }
        core.conduct.noteMessage()
        reply.write(into: &output)
        state = .reading(.identified(identity))
    }

    /// Ends the session from outside, at any moment, also inside content; the next action is `.close`.
    package mutating func terminate(_ reply: Reply, into output: inout ByteBuffer) {
        if !isReceivingContent { core.begin("session") }
        switch state {
        case .closing, .closed: return
        case .handshaking: state = .closing  // a reply in the clear would be taken for TLS
        case .connected, .reading, .responding, .deciding, .content, .swallowing: end(with: reply, into: &output)
        }
        core.forget()
    }

    // MARK: What it is doing

    /// From MAIL to the answer to the message.
    package var isInTransaction: Bool {
        switch state {
        case .reading(.transaction), .reading(.chunks), .reading(.refused), .deciding(.sender), .deciding(.recipient),
            .deciding(.data), .deciding(.message), .content, .swallowing:
            true
        case .connected, .reading(.plaintext), .reading(.secured), .reading(.identified), .handshaking, .responding,
            .deciding(.authentication), .closing, .closed:
            false
        }
    }

    package var isAwaitingAnswer: Bool { if case .deciding = state { true } else { false } }
    /// The client owes content: it is in DATA, in a chunk (a refused one, too), or between the chunks of a message.
    package var isReceivingContent: Bool {
        switch state {
        case .content, .swallowing, .reading(.chunks): true
        case .connected, .reading(.plaintext), .reading(.secured), .reading(.identified), .reading(.transaction),
            .reading(.refused), .handshaking, .responding, .deciding, .closing, .closed:
            false
        }
    }
    /// While content is received: octets of this message that have come, for the caller's minimum rate. A new message
    /// begins at zero.
    package var contentOctetsReceived: Int { core.contentOctetsReceived }
    /// Octets held here, for the memory budget.
    package var bufferedBytes: Int { core.bufferedBytes }

    /// The same in one look.
    package struct Standing: Hashable, Sendable {
        package let isAwaitingAnswer: Bool
        package let isReceivingContent: Bool
        package let bufferedBytes: Int
    }

    /// Changes nothing. It is `mutating` for those who hold the dialogue in a class: they look at it where it is, and
    /// need no copy of all that it holds for each look.
    package mutating func standing() -> Standing {
        Standing(
            isAwaitingAnswer: isAwaitingAnswer, isReceivingContent: isReceivingContent, bufferedBytes: bufferedBytes)
    }
}

extension SubmissionDialogue: ServerDialogue {
    var isClosing: Bool {
        switch state {
        case .closing, .closed: true
        case .connected, .reading, .handshaking, .responding, .deciding, .content, .swallowing: false
        }
    }

    mutating func beginClosing() { state = .closing }
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
