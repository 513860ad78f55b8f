import NIOCore

@testable import SMTP

/// The submission dialogue under a transcript, brought to where the transcript begins.
struct SubmissionSubject: TranscriptSubject {
    enum Start { case connected, greeted, plaintext, secured, authenticated, transaction }

    static let configuration = SubmissionDialogue.Configuration(
        hostname: "mx.example", maxMessageSize: 100_000, maxRecipients: 100,
        mechanisms: ["PLAIN", "LOGIN", "SCRAM-SHA-256"])
    static let limits = SubmissionDialogue.SessionLimits(maxMessageSize: 1000, maxRecipients: 4)

    var dialogue: SubmissionDialogue
    let start: Start

    init(
        _ start: Start, configuration: SubmissionDialogue.Configuration = Self.configuration,
        limits: SubmissionDialogue.SessionLimits = Self.limits
    ) {
        self.start = start
        self.limits = limits
        let isSecured = start == .secured || start == .authenticated || start == .transaction
        dialogue = SubmissionDialogue(configuration: configuration, security: isSecured ? .tls : .plaintext)
    }

    let limits: SubmissionDialogue.SessionLimits

    mutating func begin(into output: inout ByteBuffer) {
        let preamble: String
        switch start {
        case .connected: return
        case .greeted: preamble = ""
        case .plaintext, .secured: preamble = "EHLO client.example\r\n"
        case .authenticated: preamble = "EHLO client.example\r\nAUTH PLAIN AGEAYg==\r\n"
        case .transaction: preamble = "EHLO client.example\r\nAUTH PLAIN AGEAYg==\r\nMAIL FROM:<a@own.example>\r\n"
        }
        dialogue.greeting(into: &output)
        var bytes = ByteBuffer(string: preamble)
        receive(&bytes)
        while let action = nextAction(into: &output) { answer(action, with: nil, into: &output) }
    }

    mutating func receive(_ bytes: inout ByteBuffer) { dialogue.receive(&bytes) }

    mutating func nextAction(into output: inout ByteBuffer) -> String? {
        switch dialogue.advance(into: &output) {
        case nil: nil
        case .startTLS: "startTLS"
        case .authenticate(let mechanism, let response):
            "authenticate \(mechanism) \(response.map { "'\($0.escaped(limit: 100))'" } ?? "-")"
        case .authenticationResponse(let response): "response '\(response.escaped(limit: 100))'"
        case .authenticationCancelled: "cancelled"
        case .sender(let path, let size): "sender <\(path)>\(size.map { " SIZE=\($0)" } ?? "")"
        case .recipient(let mailbox, let count): "recipient <\(mailbox)> \(count)"
        case .data(let envelope): "data \(Self.text(envelope))"
        case .message(let envelope, let content):
            "message \(Self.text(envelope)) '\(content.readableBytesView.escaped(limit: 300))'"
        case .close: "close"
        }
    }

    private static func text(_ envelope: SubmissionDialogue.Envelope) -> String {
        "<\(envelope.sender)> \(envelope.recipients.map { "<\($0.mailbox)>" }.joined(separator: ","))"
    }

    mutating func answer(_ action: String, with answer: String?, into output: inout ByteBuffer) {
        let words = (answer ?? "").split(separator: " ", maxSplits: 1)
        switch words.first {
        case "refuse": return dialogue.refuse(Reply(test: words[1]), into: &output)
        case "fail": return dialogue.refuse(Reply(test: words[1]), failsTransaction: true, into: &output)
        case "challenge": return dialogue.challenge(words.count > 1 ? Array(words[1].utf8) : [], into: &output)
        case "terminate": return dialogue.terminate(Reply(test: words[1]), into: &output)
        default: break
        }
        switch action.prefix(while: { $0 != " " }) {
        case "startTLS": dialogue.secured()
        case "authenticate", "response": dialogue.authenticated(limits: limits, into: &output)
        case "sender", "recipient", "data": dialogue.allow(into: &output)
        case "message": dialogue.accepted(.queued("1"), into: &output)
        default: break
        }
    }
}

/// The relay's gate under a transcript.
struct RelaySubject: TranscriptSubject {
    enum Start { case greeted, stranger, member, lmtp, esmtp }

    var dialogue: RelayDialogue
    let start: Start

    init(_ start: Start, maxErrors: Int = 100) {
        self.start = start
        dialogue = RelayDialogue(
            configuration: .init(
                hostname: "relay.example", maxMessageSize: 1000, maxRecipients: 3, maxErrors: maxErrors))
    }

    mutating func begin(into output: inout ByteBuffer) {
        dialogue.greeting(into: &output)
        guard start != .greeted else { return }
        feed("STARTTLS\r\n", into: &output)
        guard case .startTLS = dialogue.advance(into: &output) else { return }
        dialogue.secured(peer: start == .stranger ? .stranger : .poolMember)
        if start == .lmtp { feed("LHLO forwarder.example\r\n", into: &output) }
        if start == .esmtp { feed("EHLO forwarder.example\r\n", into: &output) }
        _ = dialogue.advance(into: &output)
    }

    private mutating func feed(_ text: String, into output: inout ByteBuffer) {
        var bytes = ByteBuffer(string: text)
        dialogue.receive(&bytes)
    }

    mutating func receive(_ bytes: inout ByteBuffer) { dialogue.receive(&bytes) }

    mutating func nextAction(into output: inout ByteBuffer) -> String? {
        switch dialogue.advance(into: &output) {
        case nil: nil
        case .startTLS: "startTLS"
        case .message(let envelope, let content):
            "message \(envelope.submitter) <\(envelope.sender)> "
                + envelope.recipients.map { "<\($0.mailbox)>" }.joined(separator: ",")
                + " '\(content.readableBytesView.escaped(limit: 300))'"
        case .denied(let command): "denied \(command)"
        case .close: "close"
        }
    }

    mutating func answer(_ action: String, with answer: String?, into output: inout ByteBuffer) {
        switch action.prefix(while: { $0 != " " }) {
        case "startTLS":
            dialogue.secured(peer: answer == "member" ? .poolMember : .stranger)
        case "message":
            let replies = answer?.split(separator: "|").map { Reply(test: $0.replacing("refuse ", with: "")) }
            dialogue.answer(replies ?? [.queued("1")], into: &output)
        default: break
        }
    }
}

/// Replies that the roles give.
extension Reply {
    static let shuttingDown = Reply(421, EnhancedCode(4, 3, 2), "Service is shutting down; try again")
    static let storeUnavailable = Reply(451, EnhancedCode(4, 3, 0), "Not stored; try again")
    static func queued(_ id: String) -> Reply { Reply(250, EnhancedCode(2, 0, 0), "Ok: queued as \(id)") }
}
