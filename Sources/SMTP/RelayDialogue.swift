package import NIOCore

/// The relay's gate: LMTP and ESMTP for members of the pool, `550 5.7.1 Relaying denied` for everyone else.
///
/// Who a peer is comes from its certificate alone, told by ``secured(peer:)``; in the clear everyone is a stranger. A
/// member names the tenant it acts for in MAIL (`AUTH=TENANT@submitter.invalid`, RFC 4954 §5). LMTP answers for each
/// accepted RCPT after the final dot (RFC 2033); in ESMTP a message has one recipient (`LIMITS RCPTMAX=1`, RFC 9422),
/// so that its one reply is true. Needs no answer before content has come: the gate decides alone.
package struct RelayDialogue {
    package struct Configuration: Sendable {
        package var hostname: String
        package var maxMessageSize: Int
        /// Per message, in LMTP.
        package var maxRecipients: Int
        /// More than at submission: who tries every trick shall read every refusal.
        package var maxErrors: Int
        package var maxIdleCommands: Int

        package init(
            hostname: String, maxMessageSize: Int, maxRecipients: Int = 1000, maxErrors: Int = 100,
            maxIdleCommands: Int = 100
        ) {
            self.hostname = hostname
            self.maxMessageSize = maxMessageSize
            self.maxRecipients = maxRecipients
            self.maxErrors = maxErrors
            self.maxIdleCommands = maxIdleCommands
        }
    }

    /// Whether the client's certificate is one of the pool's.
    package enum Peer: Hashable, Sendable { case stranger, poolMember }

    package struct Envelope: Hashable, Sendable {
        /// The tenant, from `AUTH=`.
        package var submitter: String
        package var sender: ReversePath
        /// One per accepted RCPT, in order; the answers are matched to them.
        package var recipients: [EnvelopeRecipient]
        package var parameters: MailParameters
        package var declaredSize: Int?
        package var heloName: String
        package var isLMTP: Bool
    }

    package enum Action: Equatable, Sendable {
        /// Flush, then start TLS, then ``secured(peer:)``.
        case startTLS
        /// Answer by ``answer(_:into:)``.
        case message(Envelope, content: ByteBuffer)
        /// Somebody was refused; the reply is written already. For the log: the command, escaped.
        case denied(command: String)
        /// Flush and close.
        case close
    }

    enum Greeting: Equatable { case helo, ehlo, lhlo }

    struct Hello: Equatable {
        var name: String
        var greeting: Greeting
        /// AUTH EXTERNAL has been said: it is said once (RFC 4954 §4).
        var isAuthenticated = false
    }

    /// A transaction between MAIL and DATA.
    struct Draft {
        let submitter: String
        let mail: MailArgument
        /// One per accepted RCPT, given twice or not, for each waits for its reply.
        let recipients = RecipientList()

        init(submitter: String, _ mail: MailArgument) {
            self.submitter = submitter
            self.mail = mail
        }

        func envelope(_ hello: Hello) -> Envelope {
            Envelope(
                submitter: submitter, sender: mail.sender, recipients: recipients.all,
                parameters: mail.parameters, declaredSize: mail.declaredSize, heloName: hello.name,
                isLMTP: hello.greeting == .lhlo)
        }
    }

    /// Where commands are read.
    enum Stage {
        case plaintext  // everyone is a stranger → handshaking
        case stranger  // inside TLS without a certificate of the pool's: there is no way on
        case arrived  // a member → member
        case member(Hello)  // → transaction
        case transaction(Hello, Draft)  // → content, member, swallowing
        case chunks(Hello, Draft)  // between the chunks of a message → content, member, swallowing
        case refused(Hello, Draft)  // a chunk was refused: RSET or the last one ends it → member, swallowing

        var hello: Hello? {
            switch self {
            case .plaintext, .stranger, .arrived: nil
            case .member(let hello), .transaction(let hello, _), .chunks(let hello, _), .refused(let hello, _): hello
            }
        }
    }

    enum State {
        case connected  // → reading (greeting), closing
        case reading(Stage)
        case handshaking  // → reading(stranger, arrived)
        case responding(Hello)  // AUTH EXTERNAL without its initial response
        case content(Hello, Draft)  // → deciding, reading(member, chunks, refused)
        /// A refused chunk's octets arrive; its reply comes after them, as often as somebody waits for one.
        case swallowing(Reply, times: Int, then: Stage)
        case deciding(Hello, Envelope)  // → reading(member)
        case closing  // → closed
        case closed
    }

    let configuration: Configuration
    var state = State.connected
    var core: ServerCore

    package init(configuration: Configuration) {
        self.configuration = configuration
        core = ServerCore(maxErrors: configuration.maxErrors, maxIdleCommands: configuration.maxIdleCommands)
    }

    // MARK: Bytes

    /// Speaks first: once, when the connection is up.
    package mutating func greeting(into output: inout ByteBuffer) {
        guard case .connected = state else { return }
        guard core.reader.isEmpty else { return end(with: .inputBeforeGreeting, into: &output) }
        Reply.greeting(configuration.hostname, "LMTP/ESMTP").write(into: &output)
        state = .reading(.plaintext)
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
            case .content(let hello, let draft):
                if let action = readContent(hello, draft, into: &output) { return action }
                if case .content = state { return nil }
            case .swallowing(let reply, let times, let next):
                guard core.swallow() else { return nil }
                state = .reading(next)
                for _ in 1..<times { reply.write(into: &output) }
                reject(reply, into: &output)
            case .responding(let hello):
                guard let line = core.reader.next(limit: CommandReader.responseLimit) else { return nil }
                respond(line, hello, into: &output)
            case .reading(.plaintext) where core.reader.firstOctet == 0x16:
                core.reader.discard()
                state = .closing
            case .reading(let stage):
                guard let heard = hear(into: &output) else { return nil }
                if let action = perform(heard, stage, into: &output) { return action }
            }
        }
    }

    // MARK: Answers

    /// TLS is up and `peer` is what its certificate proved; nothing said before counts (RFC 3207 §4.2).
    package mutating func secured(peer: Peer) {
        guard case .handshaking = state else { return }
        core.reader.discard()
        switch peer {
        case .stranger: state = .reading(.stranger)
        case .poolMember: state = .reading(.arrived)
        }
    }

    /// What became of the message: a reply for each recipient of the envelope in LMTP, one in ESMTP.
    package mutating func answer(_ replies: [Reply], into output: inout ByteBuffer) {
        guard case .deciding(let hello, let envelope) = state else { return }
        precondition(
            replies.count == (envelope.isLMTP ? envelope.recipients.count : 1), "a reply for everyone who waits for one"
        )
        if replies.contains(where: \.isPositive) { core.conduct.noteMessage() }
        for reply in replies { reply.write(into: &output) }
        state = .reading(.member(hello))
    }

    /// Ends the session from outside, at any moment, also inside content; the next action is `.close`.
    package mutating func terminate(_ reply: Reply, into output: inout ByteBuffer) {
        switch state {
        case .closing, .closed: return
        case .handshaking: state = .closing
        case .connected, .reading, .responding, .deciding, .content, .swallowing: end(with: reply, into: &output)
        }
    }

    // MARK: What it is doing

    package var isInTransaction: Bool {
        switch state {
        case .reading(.transaction), .reading(.chunks), .reading(.refused), .content, .swallowing, .deciding: true
        case .connected, .reading(.plaintext), .reading(.stranger), .reading(.arrived), .reading(.member), .handshaking,
            .responding, .closing, .closed:
            false
        }
    }

    package var isAwaitingAnswer: Bool { if case .deciding = state { true } else { false } }
    /// See ``SubmissionDialogue``.
    package var isReceivingContent: Bool {
        switch state {
        case .content, .swallowing, .reading(.chunks): true
        case .connected, .reading(.plaintext), .reading(.stranger), .reading(.arrived), .reading(.member),
            .reading(.transaction), .reading(.refused), .handshaking, .responding, .deciding, .closing, .closed:
            false
        }
    }
    package var contentOctetsReceived: Int { core.contentOctetsReceived }
    /// Octets held here, for the memory budget.
    package var bufferedBytes: Int { core.bufferedBytes }
}

extension RelayDialogue: ServerDialogue {
    var isClosing: Bool {
        switch state {
        case .closing, .closed: true
        case .connected, .reading, .handshaking, .responding, .deciding, .content, .swallowing: false
        }
    }

    mutating func beginClosing() { state = .closing }
}
