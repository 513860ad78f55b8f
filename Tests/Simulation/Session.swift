import Ledger
import MailMessage
import NIOCore
import Postgres
import SMTP

/// The server's side of one connection: the real dialogue, with the questions answered as a node answers them.
final class Session {
    /// One message that the dialogue handed over.
    struct Attempt {
        /// How many replies had been said before the one that answers it.
        var replies: Int
        var content: ByteBuffer
        var recipients: [EnvelopeRecipient]
        var verdict: Said?
    }

    enum Said: Equatable {
        case queued(MessageID)
        case refused, closed
    }

    let number: Int
    private let world: World
    let node: Node
    private let accounts: [Account]
    private var dialogue: SubmissionDialogue
    private var account: Account?
    /// What the last verdict left of the tenant's cap.
    private var room: Int64?
    private var mechanism = ""
    private var user: [UInt8]?
    private(set) var attempts: [Attempt] = []
    /// Everything said and heard, for the judge.
    private(set) var heard: [UInt8] = []
    private(set) var said: [UInt8] = []
    private(set) var replies = 0
    /// Where TLS began among the octets heard.
    private(set) var securedAt: Int?
    private(set) var isClosed = false
    /// Closed without a reply that was owed.
    private(set) var wasSilent = false
    /// Closed by the dialogue's own decision.
    private(set) var endedItself = false
    var isAwaitingAnswer: Bool { dialogue.isAwaitingAnswer }
    var isHandshaking: Bool { securedAt == nil && hasBegunTLS }
    private var hasBegunTLS = false
    private let write: ([UInt8]) -> Void
    private let resume: () -> Void
    private let close: () -> Void

    struct Account {
        var tenant: Int
        var user: String
        var password: String
        var domain: String
        var maxRecipients: Int
        var maxMessageSize: Int
    }

    static let hostname = "gate.example"

    init(
        _ world: World, number: Int, node: Node, accounts: [Account], isImplicitTLS: Bool,
        write: @escaping ([UInt8]) -> Void, resume: @escaping () -> Void, close: @escaping () -> Void
    ) {
        self.world = world
        self.number = number
        self.node = node
        self.accounts = accounts
        self.write = write
        self.resume = resume
        self.close = close
        dialogue = SubmissionDialogue(
            configuration: SubmissionDialogue.Configuration(
                hostname: Self.hostname, maxMessageSize: 20_000, maxRecipients: 100, mechanisms: ["PLAIN", "LOGIN"]),
            security: isImplicitTLS ? .tls : .plaintext)
        if isImplicitTLS { securedAt = 0 }
    }

    // MARK: The channel

    func begin() {
        var output = ByteBuffer()
        dialogue.greeting(into: &output)
        flush(&output)
    }

    func receive(_ octets: ArraySlice<UInt8>) {
        guard !isClosed else { return }
        // In a handshake, octets in the clear are no TLS: it fails.
        if isHandshaking { return end(silently: false) }
        heard.append(contentsOf: octets)
        var bytes = ByteBuffer(bytes: octets)
        dialogue.receive(&bytes)
        advance()
    }

    /// The client's half of the handshake has come.
    func secured() {
        guard !isClosed, isHandshaking else { return }
        securedAt = heard.count
        dialogue.secured()
        advance()
    }

    /// The connection is gone.
    func vanish() {
        isClosed = true
    }

    /// Ends the session from outside, as an idle client or a shutdown does.
    func terminate(_ reply: Reply) {
        guard !isClosed, !dialogue.isAwaitingAnswer else { return }
        var output = ByteBuffer()
        dialogue.terminate(reply, into: &output)
        flush(&output)
        end(silently: false)
    }

    private func end(silently: Bool) {
        guard !isClosed else { return }
        isClosed = true
        wasSilent = silently
        close()
    }

    // MARK: The dialogue

    private func advance() {
        var output = ByteBuffer()
        while !isClosed, let action = dialogue.advance(into: &output) {
            switch action {
            case .startTLS:
                hasBegunTLS = true
                flush(&output)
                dialogue.discardInput()
                return
            case .authenticate(let mechanism, let response):
                self.mechanism = mechanism
                user = nil
                authenticate(response, into: &output)
            case .authenticationResponse(let response): authenticate(response, into: &output)
            case .authenticationCancelled: user = nil
            case .sender(let path, _): judge(sender: path, into: &output)
            case .recipient(_, let count): judge(recipients: count, into: &output)
            case .data:
                if node.isAvailable {
                    dialogue.allow(into: &output)
                } else {
                    dialogue.refuse(Self.notStored, into: &output)
                }
            case .message(let envelope, let content):
                flush(&output)
                submit(envelope, content, into: &output)
            case .close:
                flush(&output)
                endedItself = true
                return end(silently: false)
            }
            if dialogue.isAwaitingAnswer { break }
        }
        flush(&output)
    }

    private func flush(_ output: inout ByteBuffer) {
        guard output.readableBytes > 0 else { return }
        let octets = output.readBytes(length: output.readableBytes) ?? []
        said.append(contentsOf: octets)
        replies += octets.replyCount
        output.clear()
        write(octets)
    }

    private func answer(_ body: (inout ByteBuffer) -> Void) {
        guard !isClosed else { return }
        var output = ByteBuffer()
        body(&output)
        flush(&output)
        advance()
        resume()
    }

    // MARK: AUTH

    private func authenticate(_ response: [UInt8]?, into output: inout ByteBuffer) {
        switch (mechanism, response, user) {
        case ("PLAIN", nil, _): dialogue.challenge([], into: &output)
        case ("PLAIN", let response?, _):
            let parts = response.split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
            decide(parts.count == 3 ? (Array(parts[1]), Array(parts[2])) : nil, into: &output)
        case (_, nil, _): dialogue.challenge(Array("Username:".utf8), into: &output)
        case (_, let response?, nil):
            user = response
            dialogue.challenge(Array("Password:".utf8), into: &output)
        case (_, let response?, let user?): decide((user, response), into: &output)
        }
    }

    /// At once, or when the directory has answered.
    private func decide(_ login: ([UInt8], [UInt8])?, into output: inout ByteBuffer) {
        if world.chance.permille(300) {
            return node.machine.after(world.latency()) { [self] in answer { decided(login, into: &$0) } }
        }
        decided(login, into: &output)
    }

    private func decided(_ login: ([UInt8], [UInt8])?, into output: inout ByteBuffer) {
        let known = accounts.first { account in
            login.map { account.user.utf8.elementsEqual($0.0) && account.password.utf8.elementsEqual($0.1) } ?? false
        }
        guard let known else {
            return dialogue.refuse(
                Reply(535, EnhancedCode(5, 7, 8), "Authentication credentials invalid."), into: &output)
        }
        account = known
        dialogue.authenticated(
            limits: SubmissionDialogue.SessionLimits(
                maxMessageSize: known.maxMessageSize, maxRecipients: known.maxRecipients), into: &output)
    }

    // MARK: A message

    private func judge(sender: ReversePath, into output: inout ByteBuffer) {
        guard node.isAvailable else { return dialogue.refuse(Self.notStored, into: &output) }
        guard let domain = sender.mailbox?.domain.name, domain == account?.domain else {
            return dialogue.refuse(Reply(550, EnhancedCode(5, 7, 1), "That is not yours."), into: &output)
        }
        dialogue.allow(into: &output)
    }

    private func judge(recipients count: Int, into output: inout ByteBuffer) {
        if let room, Int64(count) > room {
            dialogue.refuse(
                Reply(450, EnhancedCode(4, 7, 1), "Daily cap reached; resets tomorrow."), failsTransaction: true,
                into: &output)
        } else if node.isAvailable {
            dialogue.allow(into: &output)
        } else {
            dialogue.refuse(Self.notStored, failsTransaction: true, into: &output)
        }
    }

    private func submit(
        _ envelope: SubmissionDialogue.Envelope, _ content: ByteBuffer, into output: inout ByteBuffer
    ) {
        guard let account, let sender = envelope.sender.mailbox else {
            return world.violate("session \(number): a message of nobody's")
        }
        let origin = MessageID(high: UInt64(number), low: UInt64(attempts.count))
        attempts.append(Attempt(replies: replies, content: content, recipients: envelope.recipients))
        world.tally.messages += 1
        world.tell("session \(number): message \(attempts.count), \(content.readableBytes) octets")
        var stored = content
        if world.plant == .stuffedDots {
            stored = ByteBuffer(bytes: heard.suffix(content.readableBytes))
        }
        let prepared: PreparedMessage
        do throws(MessageFault) {
            prepared = try Fixups.prepare(
                content: stored, now: node.seconds, messageIDDomain: Self.hostname,
                options: Fixups.Options(isInternationalized: envelope.parameters.isInternationalized)
            ) { "made.\(number).\(attempts.count)" }
        } catch {
            attempts[attempts.count - 1].verdict = .refused
            return dialogue.refuse(error.reply, into: &output)
        }
        node.submit(
            AcceptRequest(
                tenantID: Int64(account.tenant + 1), credentialID: Int64(account.tenant + 1), loginID: 1,
                tenantSlug: String(account.domain.prefix { $0 != "." }), credentialName: account.user, poolID: 1,
                sender: envelope.sender,
                fromDomain: prepared.authors.first ?? sender.domain, recipients: envelope.recipients,
                parameters: envelope.parameters, content: prepared.content,
                resubmissionDigest: prepared.hadMessageID ? digest(envelope, content) : nil,
                trace: { id, now in
                    TraceField.received(
                        heloName: "client.example", clientAddress: "192.0.2.1", protocol: "ESMTPSA",
                        tlsVersion: "TLSv1.3", cipher: nil, hostname: Self.hostname, queueID: "\(id)", date: now)
                }, clientAddress: "192.0.2.1", heloName: envelope.heloName, messageIDHeader: prepared.messageID,
                isEightBit: prepared.isEightBit, session: origin, fromAddresses: prepared.authorAddresses))
    }

    /// Not a hash to trust, but the same for the same.
    private func digest(_ envelope: SubmissionDialogue.Envelope, _ content: ByteBuffer) -> [UInt8] {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        func add(_ octet: UInt8) { hash = (hash ^ UInt64(octet)) &* 0x100_0000_01B3 }
        for recipient in envelope.recipients { for octet in recipient.mailbox.localPart.utf8 { add(octet) } }
        content.withUnsafeReadableBytes { for octet in $0 { add(octet) } }
        return (0..<8).map { UInt8(truncatingIfNeeded: hash >> (8 * UInt64($0))) } + [UInt8(account?.tenant ?? 0)]
    }

    func decided(_ attempt: Int, _ verdict: AcceptVerdict) {
        let id: MessageID
        switch verdict {
        case .accepted(let made, let remaining):
            id = made
            if let remaining { room = remaining }
        case .resubmitted(let first):
            id = first
            world.tally.resubmitted += 1
        case .refused(let refusal):
            return refuse(
                attempt, Reply(450, EnhancedCode(4, 7, 1), "\(refusal.verdict) \(refusal.cap ?? 0)"))
        case .unavailable: return refuse(attempt, Self.notStored)
        case .outOfSpace:
            return refuse(attempt, Reply(452, EnhancedCode(4, 3, 1), "There is no room to store the message."))
        case .unknown:
            world.tell("session \(number): the outcome is unknown")
            guard !isClosed else { return }
            attempts[attempt].verdict = .closed
            return end(silently: true)
        }
        guard !isClosed, attempts[attempt].verdict == nil else { return }
        attempts[attempt].verdict = .queued(id)
        world.note(id.low)
        world.check(
            node.ledger.message(id) != nil, "session \(number): 250 for \(id), which is not committed")
        answer { dialogue.accepted(Reply(250, EnhancedCode(2, 0, 0), "Ok: queued as \(id)"), into: &$0) }
    }

    private func refuse(_ attempt: Int, _ reply: Reply) {
        guard !isClosed, attempts[attempt].verdict == nil else { return }
        attempts[attempt].verdict = .refused
        world.note(UInt64(reply.code))
        answer { dialogue.refuse(reply, into: &$0) }
    }

    private static let notStored = Reply(451, EnhancedCode(4, 3, 0), "The message could not be stored just now.")
}

extension [UInt8] {
    /// Lines with a blank behind their code end a reply.
    var replyCount: Int {
        var count = 0
        var lineStart = 0
        for (index, octet) in enumerated() where octet == 0x0A {
            if index > lineStart + 3, self[lineStart + 3] == 0x20 { count += 1 }
            lineStart = index + 1
        }
        return count
    }
}
