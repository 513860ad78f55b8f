internal import Cryptography
package import NIOCore

/// The client's side of a submission (RFC 5321, 3207, 4954, 2920): greeting, EHLO, STARTTLS, AUTH, messages, QUIT.
/// Decides; never reads, writes or waits. Made for load: a message under way costs no string and no allocation.
package struct ClientDialogue {
    package struct Configuration: Sendable {
        package var heloName: String
        package var startsTLS: Bool
        package var credentials: ClientCredentials?
        /// The credentials' mechanism gives way to the first of SCRAM-SHA-256, PLAIN and LOGIN that is offered.
        package var choosesMechanism: Bool
        /// MAIL, every RCPT and DATA in one write, and behind a message the next one's (RFC 2920).
        package var pipelines: Bool
        /// Keep the text of positive replies to messages too.
        package var keepsReplies: Bool
        /// A server that knows no EHLO will do (RFC 5321 §3.2).
        package var mayBeBasic: Bool

        package init(
            heloName: String, startsTLS: Bool = true, credentials: ClientCredentials?,
            choosesMechanism: Bool = false, pipelines: Bool = false, keepsReplies: Bool = false,
            mayBeBasic: Bool = false
        ) {
            self.heloName = heloName
            self.startsTLS = startsTLS
            self.credentials = credentials
            self.choosesMechanism = choosesMechanism
            self.pipelines = pipelines
            self.keepsReplies = keepsReplies
            self.mayBeBasic = mayBeBasic
        }
    }

    /// The commands of an envelope, written once and sent often.
    package struct Envelope: Sendable {
        let mail: ByteBuffer
        let recipients: [ByteBuffer]
        let pipelined: ByteBuffer

        /// Addresses go between angle brackets as they are: they must be free of CR, LF and `>`.
        package init(sender: String, recipients: [String], parameters: String = "") {
            mail = ByteBuffer(string: "MAIL FROM:<\(sender)>\(parameters.isEmpty ? "" : " " + parameters)\r\n")
            self.recipients = recipients.map { ByteBuffer(string: "RCPT TO:<\($0)>\r\n") }
            var all = mail
            for recipient in self.recipients { all.writeImmutableBuffer(recipient) }
            all.writeString("DATA\r\n")
            pipelined = all
        }
    }

    /// Where a reply came.
    package enum Stage: String, Sendable {
        case greeting, hello, startTLS, authentication, mail, recipient, data, content
    }

    package enum Failure: Error, Sendable, CustomStringConvertible {
        /// The server said no to the session, not to a message.
        case refused(Stage, ClientReply)
        /// It does not offer what is needed.
        case notOffered(String, offered: [String])
        /// Its part of the AUTH exchange was wrong: it may not be who it says it is.
        case server(String)
        case protocolViolation(String)

        package var description: String {
            switch self {
            case .refused(let stage, let reply): "\(stage.rawValue): \(reply)"
            case .notOffered(let what, let offered):
                "the server offers no \(what) (it offers: \(offered.joined(separator: ", ")))"
            case .server(let what): what
            case .protocolViolation(let what): "the server broke the protocol: \(what)"
            }
        }
    }

    package enum Outcome: Sendable {
        case accepted(ClientReply)
        /// The first refusal, whatever came after it.
        case refused(Stage, ClientReply)
    }

    package enum Action {
        /// Put TLS in front, then call `secured`.
        case startTLS
        /// Call `authenticate` with the channel binding, which is empty but for -PLUS.
        case authenticate
        /// Call `send` or `quit`.
        case ready
        /// A message's content is on its way: `send` may be called now, so that the next one goes out behind it.
        case mayFollow
        case outcome(Outcome)
        case failed(Failure)
        /// 221 came.
        case closed
    }

    private enum State {
        case greeting, hello, startTLS, handshake, helloSecured, mustAuthenticate
        case authenticating(SASLClient)
        case idle
        case mail
        case recipients(left: Int)
        case data, content
        case pipelined(repliesLeft: Int)
        case reset, quitting, closed
    }

    private var configuration: Configuration
    private var reader = ReplyReader()
    private var state = State.greeting
    private var content = ByteBuffer()
    /// It knows no EHLO, and was told HELO.
    private var isBasic = false
    private var envelope: Envelope?
    private var refusal: (Stage, ClientReply)?
    /// Sent behind the message under way.
    private var following: (envelope: Envelope, content: ByteBuffer)?
    /// What the last EHLO offered, upper case, a line each.
    package private(set) var offered: [String] = []

    package init(_ configuration: Configuration) { self.configuration = configuration }

    package mutating func receive(_ bytes: inout ByteBuffer) { reader.feed(&bytes) }

    /// TLS is up. What the server said before it is dropped (RFC 3207 §4.2).
    package mutating func secured(into output: inout ByteBuffer) {
        reader.discard()
        state = .helloSecured
        sayHello(into: &output)
    }

    package mutating func authenticate(
        channelBinding: [UInt8], secrets: SaltedSecrets, into output: inout ByteBuffer
    ) {
        guard let credentials = configuration.credentials else { preconditionFailure("nobody to authenticate") }
        var exchange = SASLClient(credentials, channelBinding: channelBinding, secrets: secrets)
        output.writeString("AUTH \(credentials.mechanism.rawValue)")
        if let response = exchange.initialResponse() {
            output.writeString(" ")
            output.writeBytes(Base64.encodedBytes(response))
        }
        output.writeString("\r\n")
        state = .authenticating(exchange)
    }

    /// `content` is dot-stuffed and ends with CRLF; it is sent as it is, with the final dot behind it.
    package mutating func send(_ envelope: Envelope, content: ByteBuffer, into output: inout ByteBuffer) {
        if case .content = state, configuration.pipelines, following == nil {
            output.writeImmutableBuffer(envelope.pipelined)
            following = (envelope, content)
            return
        }
        guard case .idle = state else { preconditionFailure("a message is under way") }
        self.content = content
        self.envelope = envelope
        refusal = nil
        if configuration.pipelines {
            output.writeImmutableBuffer(envelope.pipelined)
            state = .pipelined(repliesLeft: envelope.recipients.count + 2)
        } else {
            output.writeImmutableBuffer(envelope.mail)
            state = .mail
        }
    }

    /// Whether `send` or `quit` is what comes next.
    package var isIdle: Bool { if case .idle = state { true } else { false } }

    /// The mechanism used, or to be used.
    package var mechanism: ClientCredentials.Mechanism? { configuration.credentials?.mechanism }

    package mutating func quit(into output: inout ByteBuffer) {
        output.writeString("QUIT\r\n")
        state = .quitting
    }

    /// Call it until it returns nil, which means that it needs more octets.
    package mutating func advance(into output: inout ByteBuffer) -> Action? {
        while true {
            if case .closed = state { return nil }
            let reply: ClientReply
            do throws(ReplyReader.Failure) {
                guard let next = try reader.next(keepsAllText: keepsText) else { return nil }
                reply = next
            } catch {
                return fail(.protocolViolation(error == .tooLong ? "a reply is too long" : "a reply is malformed"))
            }
            if let action = handle(reply, into: &output) { return action }
        }
    }

    /// Whether the text of a positive reply is of use.
    private var keepsText: Bool {
        if configuration.keepsReplies { return true }
        switch state {
        case .greeting, .hello, .startTLS, .handshake, .helloSecured, .mustAuthenticate, .authenticating: return true
        case .idle, .mail, .recipients, .data, .content, .pipelined, .reset, .quitting, .closed: return false
        }
    }

    private mutating func fail(_ failure: Failure) -> Action {
        state = .closed
        return .failed(failure)
    }

    private mutating func handle(_ reply: ClientReply, into output: inout ByteBuffer) -> Action? {
        // A server that shuts down says 421 at any time (RFC 5321 §3.8).
        if reply.code == 421 { return fail(.refused(stage, reply)) }
        switch state {
        case .greeting:
            guard reply.code == 220 else { return fail(.refused(.greeting, reply)) }
            state = .hello
            sayHello(into: &output)
            return nil
        case .hello:
            if (500..<600).contains(reply.code), configuration.mayBeBasic, !isBasic {
                isBasic = true
                output.writeString("HELO \(configuration.heloName)\r\n")
                return nil
            }
            guard reply.code == 250 else { return fail(.refused(.hello, reply)) }
            offered = reply.lines.dropFirst().map { $0.uppercased() }
            guard configuration.startsTLS else { return greeted() }
            guard offered.contains("STARTTLS") else { return fail(.notOffered("STARTTLS", offered: offered)) }
            output.writeString("STARTTLS\r\n")
            state = .startTLS
            return nil
        case .startTLS:
            guard reply.code == 220 else { return fail(.refused(.startTLS, reply)) }
            state = .handshake
            return .startTLS
        case .helloSecured:
            guard reply.code == 250 else { return fail(.refused(.hello, reply)) }
            offered = reply.lines.dropFirst().map { $0.uppercased() }
            return greeted()
        case .authenticating(var exchange):
            return answer(reply, in: &exchange, into: &output)
        case .mail, .recipients, .data, .content, .pipelined, .reset:
            return handleTransaction(reply, into: &output)
        case .quitting:
            state = .closed
            return .closed
        case .handshake, .mustAuthenticate, .idle:
            return fail(.protocolViolation("it spoke out of turn (\(reply.code))"))
        case .closed:
            return nil
        }
    }

    private mutating func greeted() -> Action {
        if configuration.pipelines, !offered.contains("PIPELINING") {
            return fail(.notOffered("PIPELINING", offered: offered))
        }
        guard var credentials = configuration.credentials else {
            state = .idle
            return .ready
        }
        let mechanisms =
            offered.first { $0.hasPrefix("AUTH ") }?.split(separator: " ").dropFirst().map(String.init) ?? []
        if configuration.choosesMechanism {
            let best = ClientCredentials.Mechanism.inOrderOfChoice.first { mechanisms.contains($0.rawValue) }
            guard let best else { return fail(.notOffered("AUTH by a mechanism known here", offered: mechanisms)) }
            credentials = credentials.by(best)
            configuration.credentials = credentials
        }
        guard mechanisms.contains(credentials.mechanism.rawValue) else {
            return fail(.notOffered("AUTH \(credentials.mechanism.rawValue)", offered: mechanisms))
        }
        state = .mustAuthenticate
        return .authenticate
    }

    private mutating func answer(
        _ reply: ClientReply, in exchange: inout SASLClient, into output: inout ByteBuffer
    ) -> Action? {
        if reply.code == 235 {
            state = .idle
            return .ready
        }
        guard reply.code == 334 else { return fail(.refused(.authentication, reply)) }
        guard let challenge = Base64.decode(reply.text) else {
            return fail(.protocolViolation("its AUTH challenge is not Base64"))
        }
        do throws(SASLClient.Failure) {
            output.writeBytes(Base64.encodedBytes(try exchange.respond(to: challenge)))
            output.writeString("\r\n")
            state = .authenticating(exchange)
            return nil
        } catch {
            return fail(
                .server(error == .wrongServer ? "the server does not know the secret" : "its AUTH challenge is wrong"))
        }
    }

    private mutating func handleTransaction(_ reply: ClientReply, into output: inout ByteBuffer) -> Action? {
        let isPositive = reply.code < 400
        switch state {
        case .mail:
            guard isPositive else { return finish(.refused(.mail, reply)) }
            return nextRecipient(envelope?.recipients.count ?? 0, into: &output)
        case .recipients(let left):
            note(.recipient, reply)
            return nextRecipient(left - 1, into: &output)
        case .data:
            guard reply.code == 354 else { return refuseTransaction(.data, reply, into: &output) }
            return writeContent(into: &output)
        case .pipelined(let left):
            note(left == 1 ? .data : left == (envelope?.recipients.count ?? 0) + 2 ? .mail : .recipient, reply)
            if left > 1 {
                state = .pipelined(repliesLeft: left - 1)
            } else if reply.code == 354 {
                // Also where a recipient was refused: 354 calls for the message, which goes to the others.
                return writeContent(into: &output)
            } else {
                return refuseTransaction(.data, reply, into: &output)
            }
            return nil
        case .content:
            if isPositive, let refusal { return finish(.refused(refusal.0, refusal.1)) }
            return finish(isPositive ? .accepted(reply) : .refused(.content, reply))
        case .reset:
            state = .idle
            let (stage, refused) = refusal ?? (.data, reply)
            return finish(.refused(stage, refused))
        case .greeting, .hello, .startTLS, .handshake, .helloSecured, .mustAuthenticate, .authenticating, .idle,
            .quitting,
            .closed:
            preconditionFailure("no transaction is under way")
        }
    }

    private mutating func note(_ stage: Stage, _ reply: ClientReply) {
        if reply.code >= 400, refusal == nil { refusal = (stage, reply) }
    }

    /// Recipients are asked one by one, then DATA; a message of which one is refused is given up.
    private mutating func nextRecipient(_ left: Int, into output: inout ByteBuffer) -> Action? {
        guard let envelope else { preconditionFailure("no envelope") }
        if let refusal { return refuseTransaction(refusal.0, refusal.1, into: &output) }
        if left > 0 {
            output.writeImmutableBuffer(envelope.recipients[envelope.recipients.count - left])
            state = .recipients(left: left)
        } else {
            output.writeString("DATA\r\n")
            state = .data
        }
        return nil
    }

    private mutating func writeContent(into output: inout ByteBuffer) -> Action? {
        output.writeBuffer(&content)
        output.writeString(".\r\n")
        state = .content
        return configuration.pipelines ? .mayFollow : nil
    }

    /// RSET, so that the next message begins anew whatever the server kept.
    private mutating func refuseTransaction(
        _ stage: Stage, _ reply: ClientReply, into output: inout ByteBuffer
    ) -> Action? {
        note(stage, reply)
        output.writeString("RSET\r\n")
        state = .reset
        return nil
    }

    private mutating func finish(_ outcome: Outcome) -> Action {
        if let next = following {
            following = nil
            refusal = nil
            (envelope, content) = (next.envelope, next.content)
            state = .pipelined(repliesLeft: next.envelope.recipients.count + 2)
        } else {
            state = .idle
        }
        return .outcome(outcome)
    }

    private func sayHello(into output: inout ByteBuffer) {
        output.writeString("EHLO \(configuration.heloName)\r\n")
    }

    /// What the next reply answers.
    private var stage: Stage {
        switch state {
        case .greeting: .greeting
        case .hello, .helloSecured: .hello
        case .startTLS, .handshake: .startTLS
        case .mustAuthenticate, .authenticating: .authentication
        case .idle, .mail, .pipelined, .reset, .quitting, .closed: .mail
        case .recipients: .recipient
        case .data: .data
        case .content: .content
        }
    }
}
