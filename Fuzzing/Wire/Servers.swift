import FuzzSupport
import NIOCore

@testable import SMTP

/// A dialogue of a server that can be fuzzed: its questions are answered at once, by the question alone, so that the same
/// session gets the same answers however it is cut.
protocol FuzzedServer {
    associatedtype Action: Equatable
    mutating func receive(_ bytes: inout ByteBuffer)
    mutating func advance(into output: inout ByteBuffer) -> Action?
    mutating func answer(_ action: Action, into output: inout ByteBuffer)
    mutating func terminate(_ reply: Reply, into output: inout ByteBuffer)
    static func message(of action: Action) -> (content: ByteBuffer, isBinary: Bool)?
    static func isClose(_ action: Action) -> Bool
}

/// What came of a session: everything written, every action and where in the output it came.
struct ServerRun<Server: FuzzedServer> {
    private(set) var server: Server
    private(set) var output = ByteBuffer()
    private(set) var actions: [(action: Server.Action, offset: Int)] = []
    private(set) var isClosed = false

    init(_ server: Server) { self.server = server }

    mutating func feed(_ bytes: ByteBuffer) {
        var bytes = bytes
        server.receive(&bytes)
        proceed()
    }

    mutating func proceed() {
        while let action = server.advance(into: &output) {
            actions.append((action, output.writerIndex))
            if Server.isClose(action) { isClosed = true }
            server.answer(action, into: &output)
        }
    }

    var stored: [ReplyOracle.Stored] {
        actions.compactMap { action, offset in
            Server.message(of: action).map { .init(content: $0.content, isBinary: $0.isBinary, offset: offset) }
        }
    }
}

/// Runs the session in one piece a phase, checks it against the oracle, runs it again with each phase cut in three, and
/// ends it from outside.
///
/// A piece of the second run is a slice of the whole: what stands behind it in memory is what a read past the end would
/// find, and make a difference of.
func verify<Server: FuzzedServer>(
    _ server: Server, _ sent: ArraySlice<UInt8>, cuts: (UInt8, UInt8), limit: Int, lineEndings: LineEndings = .strict,
    isLMTP: Bool = false
) throws(Violation) {
    let pieces = phases(sent)
    var whole = ServerRun(server)
    for piece in pieces { whole.feed(ByteBuffer(bytes: piece)) }
    for message in whole.stored { try demandStorable(message.content, isBinary: message.isBinary) }
    try ReplyOracle(
        sent: Array(pieces.joined()), isClosed: whole.isClosed, limit: limit, lineEndings: lineEndings, isLMTP: isLMTP
    ).check(whole.output, stored: whole.stored)

    var parted = ServerRun(server)
    for piece in pieces {
        let buffer = ByteBuffer(bytes: piece)
        let one = piece.count * Int(cuts.0) / 255
        let two = one + (piece.count - one) * Int(cuts.1) / 255
        for range in [0..<one, one..<two, two..<piece.count] {
            parted.feed(buffer.getSlice(at: range.lowerBound, length: range.count) ?? ByteBuffer())
        }
    }
    if parted.output != whole.output || parted.actions.count != whole.actions.count
        || !zip(parted.actions, whole.actions).allSatisfy({ $0.action == $1.action && $0.offset == $1.offset })
    {
        // RFC 3207 makes one cut count: what comes behind STARTTLS with it is another thing than what comes after it.
        let isCutByTLS = String(buffer: whole.output).contains(Reply.inputAfterStartTLS.description)
        try demand(isCutByTLS, "cut, it gets other replies or leads to other actions")
    }

    guard !whole.isClosed else { return }
    let before = whole.actions.count
    var output = ByteBuffer()
    whole.terminate(into: &output)
    try demand(whole.isClosed && whole.actions.count == before + 1, "ended from outside it does not close")
    _ = try output.withUnsafeReadableBytes { bytes in
        Result { () throws(Violation) in try ReplyOracle.replies(bytes) }
    }.get()
}

extension ServerRun {
    mutating func terminate(into output: inout ByteBuffer) {
        server.terminate(Reply(421, EnhancedCode(4, 3, 2), "Service is shutting down"), into: &output)
        proceed()
    }
}

// MARK: Submission

struct FuzzedSubmission: FuzzedServer {
    var dialogue: SubmissionDialogue
    let policy: UInt8

    static let limits = SubmissionDialogue.SessionLimits(maxMessageSize: 300, maxRecipients: 3)

    static func configuration(_ lineEndings: LineEndings) -> SubmissionDialogue.Configuration {
        .init(
            hostname: "mx.example", maxMessageSize: 300, maxRecipients: 3,
            mechanisms: ["PLAIN", "LOGIN", "SCRAM-SHA-256"], maxErrors: 12, maxIdleCommands: 20,
            lineEndings: lineEndings)
    }

    /// Greeted: in the clear, inside TLS, and with somebody logged in.
    private static func make(_ security: SubmissionDialogue.Security, _ text: String, _ lineEndings: LineEndings)
        -> Self
    {
        var server = Self(
            dialogue: SubmissionDialogue(configuration: configuration(lineEndings), security: security), policy: 0)
        var output = ByteBuffer()
        server.dialogue.greeting(into: &output)
        var run = ServerRun(server)
        run.feed(ByteBuffer(string: text))
        return run.server
    }

    // Never changed, and nothing in it is shared by what is copied from it: no transaction is open.
    private nonisolated(unsafe) static let starts: [[Self]] = [LineEndings.strict, .normalise].map { lineEndings in
        [
            make(.plaintext, "", lineEndings), make(.tls, "EHLO a\r\n", lineEndings),
            make(.tls, "EHLO a\r\nAUTH PLAIN AGEAYg==\r\n", lineEndings),
        ]
    }

    /// A value of its own each time: no transaction is open in it, so that nothing is shared.
    static func start(_ number: UInt8, _ lineEndings: LineEndings, policy: UInt8) -> Self {
        Self(dialogue: starts[lineEndings == .strict ? 0 : 1][Int(number)].dialogue, policy: policy)
    }

    mutating func receive(_ bytes: inout ByteBuffer) { dialogue.receive(&bytes) }
    mutating func advance(into output: inout ByteBuffer) -> SubmissionDialogue.Action? {
        dialogue.advance(into: &output)
    }

    mutating func terminate(_ reply: Reply, into output: inout ByteBuffer) { dialogue.terminate(reply, into: &output) }

    private static let no = Reply(550, EnhancedCode(5, 7, 1), "No\u{1b}[2J\r\n250 yes")

    mutating func answer(_ action: SubmissionDialogue.Action, into output: inout ByteBuffer) {
        func isRefused(_ mailbox: Mailbox?) -> Bool { mailbox?.localPart.utf8.first == UInt8(ascii: "n") }
        switch action {
        case .startTLS: dialogue.secured()
        case .authenticate(let mechanism, let response):
            if mechanism == "LOGIN" {
                dialogue.challenge(Array("Username:".utf8), into: &output)
            } else {
                answer(response ?? [], into: &output)
            }
        case .authenticationResponse(let response): answer(response, into: &output)
        case .authenticationCancelled, .close: break
        case .sender(let path, _):
            if isRefused(path.mailbox) {
                dialogue.refuse(Self.no, into: &output)
            } else {
                dialogue.allow(into: &output)
            }
        case .recipient(let mailbox, _):
            if isRefused(mailbox) {
                dialogue.refuse(Self.no, failsTransaction: policy & 1 != 0, into: &output)
            } else {
                dialogue.allow(into: &output)
            }
        case .data(let envelope):
            if policy & 2 != 0, envelope.recipients.count == 2 {
                dialogue.refuse(Self.no, into: &output)
            } else {
                dialogue.allow(into: &output)
            }
        case .message(_, let content):
            if policy & 4 != 0, content.readableBytes.isMultiple(of: 2) {
                dialogue.refuse(Self.no, into: &output)
            } else {
                dialogue.accepted(Reply(250, EnhancedCode(2, 0, 0), "Ok: queued as 1"), into: &output)
            }
        }
    }

    private mutating func answer(_ response: [UInt8], into output: inout ByteBuffer) {
        switch response.first {
        case UInt8(ascii: "n"): dialogue.refuse(.credentialsInvalid, into: &output)
        case UInt8(ascii: "c"): dialogue.challenge(response, into: &output)
        default:
            dialogue.authenticated(limits: Self.limits, naming: policy & 8 == 0 ? nil : { _ in "x1" }, into: &output)
        }
    }

    static func message(of action: SubmissionDialogue.Action) -> (content: ByteBuffer, isBinary: Bool)? {
        guard case .message(let envelope, let content) = action else { return nil }
        return (content, envelope.parameters.body == .binaryMIME)
    }

    static func isClose(_ action: SubmissionDialogue.Action) -> Bool { action == .close }
}

extension FuzzTarget {
    /// A client on the submission port.
    static let submission = FuzzTarget(name: "submission", longest: 400) { octets throws(Violation) in
        var choices = Choices(octets)
        let start = choices.octet()
        let lineEndings: LineEndings = start & 4 == 0 ? .strict : .normalise
        let server = FuzzedSubmission.start(start % 4 % 3, lineEndings, policy: choices.octet())
        let cuts = (choices.octet(), choices.octet())
        try verify(
            server, choices.rest, cuts: cuts, limit: FuzzedSubmission.limits.maxMessageSize, lineEndings: lineEndings)
    }
}

// MARK: Relay

struct FuzzedRelay: FuzzedServer {
    var dialogue: RelayDialogue
    let policy: UInt8
    let peer: RelayDialogue.Peer

    private static func make(_ peer: RelayDialogue.Peer?, _ text: String) -> Self {
        var server = Self(
            dialogue: RelayDialogue(
                configuration: .init(
                    hostname: "relay.example", maxMessageSize: 300, maxRecipients: 3, maxErrors: 12, maxIdleCommands: 20
                )),
            policy: 0, peer: peer ?? .stranger)
        var output = ByteBuffer()
        server.dialogue.greeting(into: &output)
        var run = ServerRun(server)
        if peer != nil { run.feed(ByteBuffer(string: "STARTTLS\r\n")) }
        run.feed(ByteBuffer(string: text))
        return run.server
    }

    /// In the clear, a stranger inside TLS, members who have said hello one way and the other.
    // As above.
    private nonisolated(unsafe) static let starts = [
        make(nil, ""), make(.stranger, ""), make(.poolMember, "LHLO f.example\r\n"),
        make(.poolMember, "EHLO f.example\r\n"),
    ]

    static func start(_ number: UInt8, policy: UInt8) -> Self {
        let start = starts[Int(number)]
        return Self(dialogue: start.dialogue, policy: policy, peer: start.peer)
    }

    mutating func receive(_ bytes: inout ByteBuffer) { dialogue.receive(&bytes) }
    mutating func advance(into output: inout ByteBuffer) -> RelayDialogue.Action? { dialogue.advance(into: &output) }

    mutating func terminate(_ reply: Reply, into output: inout ByteBuffer) { dialogue.terminate(reply, into: &output) }

    mutating func answer(_ action: RelayDialogue.Action, into output: inout ByteBuffer) {
        switch action {
        case .startTLS: dialogue.secured(peer: peer)
        case .message(let envelope, _):
            let replies = envelope.recipients.enumerated().map { place, _ in
                policy & 1 << UInt8(place & 7) == 0
                    ? Reply(250, EnhancedCode(2, 0, 0), "Ok") : Reply(451, EnhancedCode(4, 3, 0), "No")
            }
            dialogue.answer(envelope.isLMTP ? replies : [replies[0]], into: &output)
        case .denied, .close: break
        }
    }

    static func message(of action: RelayDialogue.Action) -> (content: ByteBuffer, isBinary: Bool)? {
        guard case .message(let envelope, let content) = action else { return nil }
        return (content, envelope.parameters.body == .binaryMIME)
    }

    static func isClose(_ action: RelayDialogue.Action) -> Bool { action == .close }
}

extension FuzzTarget {
    /// A peer at the relay's gate. Who has no certificate of the pool's never gets a 354, nor a message in.
    static let relay = FuzzTarget(name: "relay", longest: 400) { octets throws(Violation) in
        var choices = Choices(octets)
        let start = choices.octet() & 3
        let server = FuzzedRelay.start(start, policy: choices.octet())
        let cuts = (choices.octet(), choices.octet())
        let isLMTP = start == 2 && !saysHelloAgain(choices.rest)
        // Whoever changes between LMTP and ESMTP in a session is another oracle's business.
        guard start < 2 || isLMTP == (start == 2) else { return }
        guard start != 3 || !saysHelloAgain(choices.rest) else { return }
        try verify(server, choices.rest, cuts: cuts, limit: 300, isLMTP: isLMTP)
        guard start < 2 else { return }
        var run = ServerRun(server)
        for piece in phases(choices.rest) { run.feed(ByteBuffer(bytes: piece)) }
        let text = Array(run.output.readableBytesView)
        try demand(run.stored.isEmpty, "a stranger's message is stored")
        for line in text.split(separator: .lf) {
            try demand(!line.starts(with: "354".utf8) && !line.starts(with: "250 2.1".utf8), "a stranger is let in")
        }
    }

    private static func saysHelloAgain(_ octets: ArraySlice<UInt8>) -> Bool {
        // What it looks for has an H in front, or one octet further on: the others are quickly passed.
        for index in octets.indices where octets[index] | 0x20 == UInt8(ascii: "h") {
            if octets[index...].begins(withLetters: "HELO") { return true }
            if index > octets.startIndex, octets[index...].begins(withLetters: "HLO") { return true }
        }
        return false
    }

    // MARK: BDAT

    /// A message in chunks, between which anything may be said: the octets of a chunk are content and never commands.
    static let bdat = FuzzTarget(name: "bdat", longest: 200) { octets throws(Violation) in
        var choices = Choices(octets)
        let setting = choices.octet()
        let cuts = (choices.octet(), choices.octet())
        var sent = Array("MAIL FROM:<a@b.example>".utf8)
        if setting & 4 == 0 { sent += Array(" BODY=BINARYMIME".utf8) }
        if setting & 32 != 0 { sent += Array(" AUTH=acme@submitter.invalid".utf8) }
        sent += Array("\r\nRCPT TO:<c@d.example>\r\n".utf8)
        if setting & 8 == 0 { sent += Array("RCPT TO:<e@d.example>\r\n".utf8) }
        // An octet chooses what comes next and how long it is.
        while !choices.rest.isEmpty {
            let kind = choices.octet()
            let count = min(Int(kind >> 2), choices.rest.count)
            let octets = choices.rest.prefix(count)
            for _ in 0..<count { _ = choices.octet() }
            switch kind & 3 {
            case 0: sent += Array("BDAT \(count)\r\n".utf8) + octets
            case 1: sent += Array("BDAT \(count) LAST\r\n".utf8) + octets
            case 2: sent += Array("bdat  0\(count)  last \r\n".utf8) + octets
            default: sent += octets + [.cr, .lf]
            }
        }
        if setting & 32 == 0 {
            let lineEndings: LineEndings = setting & 16 == 0 ? .strict : .normalise
            let server = FuzzedSubmission.start(2, lineEndings, policy: setting & 3)
            try verify(server, sent[...], cuts: cuts, limit: 300, lineEndings: lineEndings)
        } else {
            guard !saysHelloAgain(sent[...]) else { return }
            let server = FuzzedRelay.start(setting & 16 == 0 ? 2 : 3, policy: setting & 3)
            try verify(server, sent[...], cuts: cuts, limit: 300, isLMTP: setting & 16 == 0)
        }
    }
}
