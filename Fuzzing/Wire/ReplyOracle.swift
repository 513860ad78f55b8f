import FuzzSupport
import NIOCore

@testable import SMTP

/// A second, slow reader of a session, that knows nothing of the dialogue: it walks over what the client sent and over
/// the replies it got, and demands that every command, response and content has its replies, in order, and no more.
///
/// Which of the three comes next is told by the replies (334, 354) and by BDAT.
struct ReplyOracle {
    /// A message that the dialogue gave its caller, and where in the output its reply begins.
    struct Stored {
        let content: ByteBuffer
        let isBinary: Bool
        let offset: Int
    }

    struct Said {
        let code: Int
        let line: Slice<UnsafeRawBufferPointer>
        let offset: Int
    }

    private static let messageAsCommands = Array(Reply.messageAsCommands.description.utf8)
    private static let unknownCommand = Array(Reply.unknownCommand.description.utf8)
    private static let tooManyErrors = Array(Reply.tooManyErrors.description.utf8)

    let sent: [UInt8]
    let isClosed: Bool
    let limit: Int
    let lineEndings: LineEndings
    /// LMTP: as many replies behind content as recipients were taken.
    var isLMTP = false

    func check(_ output: ByteBuffer, stored: [Stored]) throws(Violation) {
        // withUnsafeReadableBytes rethrows untyped.
        let result = output.withUnsafeReadableBytes { bytes in
            Result<Void, Violation> { () throws(Violation) in try check(try Self.replies(bytes), stored) }
        }
        try result.get()
    }

    /// The replies, each in good form: one code, an enhanced code of its class, printable lines of at most 512 octets.
    static func replies(_ bytes: UnsafeRawBufferPointer) throws(Violation) -> [Said] {
        var replies: [Said] = []
        var open: Int?
        var start = 0
        var first = 0
        while start < bytes.count {
            guard let feed = bytes.offset(of: .lf, from: start), feed > start + 4, bytes[feed - 1] == .cr else {
                throw Violation("a reply line has no end")
            }
            let line = bytes[start..<(feed - 1)]
            try demand(feed + 1 - start <= 512, "a reply line of \(feed + 1 - start) octets")
            try demand(line.allSatisfy { $0.isVisible || $0 == .space }, "a reply is not printable")
            let code = line.prefix(3).reduce(0) { $0 * 10 + ($1.isDigit ? Int($1 - 0x30) : 1000) }
            try demand((200...599).contains(code), "a reply has no code")
            try demand(open == nil || open == code, "a reply's code changes")
            if open == nil { first = start }
            switch line[start + 3] {
            case UInt8(ascii: "-"): open = code
            case .space:
                replies.append(Said(code: code, line: line, offset: first))
                open = nil
            default: throw Violation("a reply has no code")
            }
            start = feed + 1
        }
        try demand(open == nil, "a reply does not end")
        return replies
    }

    private func check(_ replies: [Said], _ stored: [Stored]) throws(Violation) {
        var position = 0
        var next = 0
        var messages = stored[...]
        var recipients = 0
        var chunks: [UInt8] = []
        var expectsResponse = false

        func isText(_ reply: Said) -> Bool {
            // Behind the sentence there may be an id.
            reply.line.starts(with: Self.messageAsCommands) || reply.line.starts(with: Self.unknownCommand)
        }
        /// The replies at the end of content, and whether its message was stored.
        func finish(_ content: [UInt8]?, isOwed: Bool, times: Int) throws(Violation) {
            guard next < replies.count else { throw Violation("content has no reply") }
            let isStored = messages.first?.offset == replies[next].offset
            if let content, isStored, let message = messages.popFirst() {
                let expected = message.isBinary ? content : self.expected(content)
                try demand(message.content.readableBytesView.elementsEqual(expected), "what is stored is not what came")
            } else {
                try demand(!isStored, "a message was stored that was none")
                try demand(content == nil || !isOwed, "a sound message was not taken")
                try demand(replies[next].code >= 400, "content was refused with \(replies[next].code)")
            }
            try demand(replies.count - next >= times || isClosed, "content has too few replies")
            next += min(times, replies.count - next)
        }

        while true {
            let isOver = next == replies.count
            guard let end = sent.firstCRLF(from: position) else { break }
            let line = sent[position..<end]
            let behind = end + 2
            if expectsResponse {
                if isOver { break }
                expectsResponse = replies[next].code == 334
                position = behind
                next += 1
                continue
            }
            if line.begins(withLetters: "BDAT"), line.count == 4 || line[line.startIndex + 4] == .space,
                isOver || !isText(replies[next]),
                !line.contains(where: { $0 < 0x20 || $0 == 0x7F }), line.count <= CommandReader.commandLimit - 2
            {
                guard let chunk = Chunk(parsing: line.dropFirst(5)) else {
                    try demand(isClosed && next + 1 >= replies.count, "a BDAT that cannot be counted does not end it")
                    return
                }
                guard chunk.size <= sent.count - behind else {
                    // In a message sent as commands, its line may be the one error too many.
                    let isLastError =
                        isClosed && next + 1 == replies.count && replies[next].line.starts(with: Self.tooManyErrors)
                    try demand(isOver || isLastError, "a chunk has its reply before it has come")
                    return
                }
                if isOver { break }
                chunks += sent[behind..<(behind + chunk.size)]
                position = behind + chunk.size
                if chunk.isLast {
                    try finish(
                        isStorable(chunks) ? chunks : nil, isOwed: false, times: isLMTP ? max(1, recipients) : 1)
                    chunks = []
                    recipients = 0
                } else {
                    next += 1
                }
                continue
            }
            if isOver { break }
            let reply = replies[next]
            position = behind
            next += 1
            if reply.code == 334 { expectsResponse = true }
            if reply.code < 300 {
                if line.begins(withLetters: "RCPT") { recipients += 1 }
                // With MAIL, too: a chunk that was refused before it was no transaction's.
                if line.begins(withLetters: "MAIL") || line.begins(withLetters: "RSET")
                    || line.begins(withLetters: "EHLO")
                    || line.begins(withLetters: "HELO") || line.begins(withLetters: "LHLO")
                {
                    recipients = 0
                    chunks = []
                }
            }
            guard reply.code == 354 else { continue }
            guard let (raw, end) = Self.content(sent, from: position) else {
                try demand(next == replies.count, "content has its reply before it ends")
                try demand(messages.isEmpty, "a message was stored before it ended")
                return
            }
            position = end
            try finish(isSound(raw) ? raw : nil, isOwed: true, times: isLMTP ? max(1, recipients) : 1)
            recipients = 0
        }
        try demand(next == replies.count, "\(replies.count - next) replies nobody asked for")
        try demand(messages.isEmpty, "a message was stored without its end")
        if !isClosed { try demand(sent.firstCRLF(from: position) == nil, "a line has no reply") }
    }

    /// What stands up to the lone dot, its dots taken out, and where the next command begins.
    static func content(_ sent: [UInt8], from start: Int) -> ([UInt8], end: Int)? {
        var content: [UInt8] = []
        var position = start
        while let end = sent.firstCRLF(from: position) {
            let line = sent[position..<end]
            if line.elementsEqual([.dot]) { return (content, end + 2) }
            content += line.first == .dot ? line.dropFirst() : line
            content += [.cr, .lf]
            position = end + 2
        }
        return nil
    }

    private func isSound(_ content: [UInt8]) -> Bool {
        // A size is counted before line ends are made right, and after.
        !content.contains(0) && (lineEndings == .normalise || !content.hasBareLineEnd) && content.count <= limit
            && expected(content).count <= limit
    }

    /// Chunks may be binary: then anything is sound. (What may not be stored is checked where it is.)
    private func isStorable(_ chunks: [UInt8]) -> Bool { !chunks.isEmpty && chunks.count <= limit }

    private func expected(_ content: [UInt8]) -> [UInt8] {
        guard lineEndings == .normalise, content.hasBareLineEnd else { return content }
        var made: [UInt8] = []
        var index = 0
        while index < content.count {
            if content[index] == .cr || content[index] == .lf {
                made += [.cr, .lf]
                index += content[index] == .cr && index + 1 < content.count && content[index + 1] == .lf ? 2 : 1
            } else {
                made.append(content[index])
                index += 1
            }
        }
        return made
    }
}

/// What holds for every message before it is stored: nothing in it can be taken for a line's end or the content's that
/// is none, and what is sent on is what came.
func demandStorable(_ content: ByteBuffer, isBinary: Bool) throws(Violation) {
    guard !isBinary else { return }
    let view = content.readableBytesView
    try demand(!view.hasBareLineEnd, "a bare CR or LF is stored")
    try demand(!view.contains(0), "a NUL is stored")
    var wire = ByteBuffer()
    DotStuffing.write(content, into: &wire)
    try demand(DotStuffing.endsOnlyAtItsEnd(wire), "sent on it ends before its end")
    let sent = Array(wire.readableBytesView)
    guard let (back, end) = ReplyOracle.content(sent, from: 0) else { throw Violation("it has no end") }
    try demand(end == sent.count, "something stands behind its end")
    let isWhole = view.isEmpty || view.suffix(2).elementsEqual([.cr, .lf])
    try demand(back == Array(view) + (isWhole ? [] : [.cr, .lf]), "what is sent on is not what is stored")
}
