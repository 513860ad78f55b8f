import NIOCore

/// What the dialogues of our servers hold alike, besides the state that makes each what it is.
struct ServerCore {
    var reader = CommandReader()
    var conduct: SessionGuard
    /// There exactly while a message's content arrives, between its chunks too. Not a part of a state, whose payload
    /// cannot be changed in place: every piece that arrives would copy what has arrived before.
    var content: ContentReception?
    /// There exactly while the octets of a refused chunk arrive: how many are to come, how many came.
    var swallowing: (remaining: Int, swallowed: Int)?
    /// Gives a refusal its id.
    var naming: ((Refused) -> String)?
    /// What is being answered, and what it was about.
    private var stage = "session"
    private var argument: ArraySlice<UInt8>?

    init(maxErrors: Int, maxIdleCommands: Int) {
        conduct = SessionGuard(maxErrors: maxErrors, maxIdleCommands: maxIdleCommands)
    }

    /// What is held of the client's octets.
    var bufferedBytes: Int { reader.readableBytes + (content?.bufferedBytes ?? 0) }
    /// Octets of the message (or refused chunk) under way that have come so far.
    var contentOctetsReceived: Int { content?.octetsReceived ?? swallowing?.swallowed ?? 0 }

    /// A command is heard, or something that is none.
    mutating func begin(_ stage: String, about argument: ArraySlice<UInt8>? = nil) {
        guard naming != nil else { return }
        self.stage = stage
        self.argument = argument
    }

    /// Writes a reply; a refusal with its id.
    func say(_ reply: Reply, into output: inout ByteBuffer) { named(reply).write(into: &output) }

    func named(_ reply: Reply) -> Reply {
        guard !reply.isPositive, reply.id == nil, !reply.isUniform, let naming else { return reply }
        let shown = argument.map { $0.escaped(limit: Refused.longestArgument) }
        return reply.identified(by: naming(Refused(stage: stage, argument: shown, reply: reply)))
    }

    mutating func forget() {
        reader.discard()
        content = nil
        swallowing = nil
    }

    /// True once the octets of the refused chunk are gone.
    mutating func swallow() -> Bool {
        guard let (remaining, swallowed) = swallowing else { return true }
        let taken = reader.take { input in
            let count = min(remaining, input.readableBytes)
            input.moveReaderIndex(forwardBy: count)
            return count
        }
        swallowing = (remaining - taken, swallowed + taken)
        guard remaining == taken else { return false }
        swallowing = nil
        return true
    }
}

/// What a client said where commands are read.
enum Heard {
    /// A command and its line.
    case command(CommandLine, line: [UInt8])
    /// BDAT: its octets follow.
    case chunk(Chunk)
    /// A line that is no command, and has been refused.
    case answered
}

/// What the dialogues of our servers do alike: reading commands, refusing them, counting what is no use, closing.
protocol ServerDialogue {
    var core: ServerCore { get set }
    var isClosing: Bool { get }
    /// The next action is `close`.
    mutating func beginClosing()
}

extension ServerDialogue {
    /// What the next line is, nil until more bytes have come.
    mutating func hear(into output: inout ByteBuffer) -> Heard? {
        if !core.conduct.isSuspicious, let chunk = core.reader.nextChunk() {
            core.begin("BDAT")
            return .chunk(chunk)
        }
        guard let line = core.reader.next(limit: CommandReader.commandLimit) else { return nil }
        core.begin("no command")
        switch line {
        case .flood:
            end(with: .lineFlood, into: &output)
        case .tooLong(let head) where Chunk.isBegun(by: head):
            end(with: .malformedChunk, into: &output)
        case .tooLong(let head):
            reject(head.startsIgnoringCase("AUTH ") ? .responseTooLong : .lineTooLong, into: &output)
        case .line(let octets):
            let isText = core.conduct.isMessageText(octets)
            guard let command = CommandLine(octets) else {
                // How many octets follow is not known, so framing is lost (RFC 3030 §2).
                guard !Chunk.isBegun(by: octets) else {
                    end(with: .malformedChunk, into: &output)
                    return .answered
                }
                reject(.syntaxError, into: &output)
                return .answered
            }
            if let stage = command.verb.stage {
                core.begin(stage, about: command.verb == .mail || command.verb == .rcpt ? command.argument : nil)
            }
            guard !isText || command.verb == .quit else {
                reject(command.verb == .unknown ? .unknownCommand : .messageAsCommands, into: &output)
                return .answered
            }
            guard command.verb == .bdat else { return .command(command, line: octets) }
            if let chunk = Chunk(parsing: command.argument) { return .chunk(chunk) }
            end(with: .malformedChunk, into: &output)
        }
        return .answered
    }

    /// Refuses what the client did, and ends the session when that was once too often.
    mutating func reject(_ reply: Reply, into output: inout ByteBuffer) {
        guard reply.isPermanent, core.conduct.noteError() else { return core.say(reply, into: &output) }
        end(with: .tooManyErrors, into: &output)
    }

    /// Answers a command that brings no mail nearer. False when it was one too many, and the session's last.
    @discardableResult
    mutating func idle(_ reply: Reply, _ argument: ArraySlice<UInt8>, into output: inout ByteBuffer) -> Bool {
        guard !argument.contains(where: \.isEightBit) else {
            reject(.eightBitCommand, into: &output)
            return !isClosing
        }
        guard !core.conduct.noteIdleCommand() else {
            end(with: .tooManyIdleCommands, into: &output)
            return false
        }
        reply.write(into: &output)
        return true
    }

    mutating func quit(_ argument: ArraySlice<UInt8>, into output: inout ByteBuffer) {
        if argument.isEmpty { end(with: .goodbye, into: &output) } else { reject(.noArgument, into: &output) }
    }

    mutating func end(with reply: Reply, into output: inout ByteBuffer) {
        core.say(reply, into: &output)
        core.forget()
        beginClosing()
    }

    /// Whether STARTTLS may begin now; if not, it was answered.
    mutating func mayStartTLS(_ argument: ArraySlice<UInt8>, into output: inout ByteBuffer) -> Bool {
        guard argument.isEmpty else {
            reject(.noArgument, into: &output)
            return false
        }
        guard core.reader.isEmpty else {
            // CVE-2011-0411: what came in the clear must not be acted on inside TLS.
            end(with: .inputAfterStartTLS, into: &output)
            return false
        }
        Reply.readyForTLS.write(into: &output)
        return true
    }
}

extension ArraySlice<UInt8> {
    /// VRFY's argument, of which only what may not be in it is looked at: nothing, where it is said to be UTF-8
    /// (RFC 6531 §3.7.4.2).
    var withoutInternationalized: ArraySlice<UInt8> {
        let isDeclared = split(separator: .space).last?.equalsIgnoringCase("SMTPUTF8") ?? false
        return isDeclared && String(validating: self, as: UTF8.self) != nil ? [] : self
    }
}

extension Reply {
    /// What is offered to every client that says EHLO, with what is offered to this one.
    static func hello(_ hostname: String, size: Int, recipients: Int?, _ further: [String]) -> Reply {
        var lines = [
            hostname, "PIPELINING", "SIZE \(size)", "8BITMIME", "BINARYMIME", "CHUNKING", "SMTPUTF8", "DSN",
            "ENHANCEDSTATUSCODES",
        ]
        if let recipients { lines.append("LIMITS RCPTMAX=\(recipients)") }  // RFC 9422
        return Reply(250, nil, lines: lines + further)
    }
}
