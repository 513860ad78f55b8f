import NIOCore
import SMTP

/// Reads a session again, from its octets alone: each thing that was said needs its one reply, in order, of a kind that
/// may follow it. Shares nothing with the server's framing but the RFCs.
struct Judge {
    struct SaidReply {
        var code: Int
        /// Of the last line.
        var text: ArraySlice<UInt8>
    }

    /// A message whose content came whole.
    struct Content {
        /// Replies said before the one that answers it.
        var replies: Int
        /// Without stuffed dots.
        var octets: [UInt8]
        var recipients: [String]
        var code: Int?
    }

    struct Fault: Error { var what: String }

    private let heard: [UInt8]
    private let securedAt: Int?
    private let replies: [SaidReply]
    private var position = 0
    private var reply = 0
    private var contents: [Content] = []
    private var isSecured: Bool
    private var isAuthenticated = false
    private var hasSender = false
    /// A last chunk was refused: the transaction may be over with it, or (nothing of it was begun) not.
    private var mayBeOver = false
    private var recipients: [String] = []
    private var chunks: [UInt8]?
    /// Nothing of this message is taken any more.
    private var hasRefusedChunk = false
    private var isOver = false

    init(heard: [UInt8], said: [UInt8], securedAt: Int?) {
        self.heard = heard
        self.securedAt = securedAt
        isSecured = securedAt == 0
        replies = Self.replies(in: said)
    }

    private static func replies(in said: [UInt8]) -> [SaidReply] {
        var replies: [SaidReply] = []
        var start = 0
        for (index, octet) in said.enumerated() where octet == 0x0A {
            if index > start + 4, said[start + 3] == 0x20 {
                let code = said[start..<(start + 3)].reduce(0) { $0 * 10 + Int($1) - 0x30 }
                replies.append(SaidReply(code: code, text: said[(start + 4)..<(index - 1)]))
            }
            start = index + 1
        }
        return replies
    }

    /// The messages that came whole. Throws what was wrong.
    ///
    /// - Parameters:
    ///   - isOpen: nobody has closed the session, and it owes nothing: everything whole has its reply.
    ///   - wasEnded: the last reply may be to nothing, for the server has ended the session.
    mutating func read(isOpen: Bool, wasEnded: Bool) throws(Fault) -> [Content] {
        guard !replies.isEmpty else { return [] }
        guard replies[0].code == 220 else { throw Fault(what: "greeted by \(replies[0].code)") }
        reply = 1
        if heard.first == 0x16, securedAt == nil, replies.count == 1 { return [] }
        while !isOver, try readOne() {}
        if reply == replies.count - 1, wasEnded, replies[reply].code >= 400 { reply += 1 }
        guard reply == replies.count else {
            throw Fault(what: "reply \(reply) of \(replies.count) answers nothing: \(replies[reply].code)")
        }
        if isOpen, !isOver, position < heard.count, lineEnd(from: position) != nil {
            throw Fault(what: "nothing answers octet \(position)")
        }
        return contents
    }

    private func lineEnd(from start: Int) -> Int? {
        var index = start
        while index + 1 < heard.count {
            if heard[index] == 0x0D, heard[index + 1] == 0x0A { return index }
            index += 1
        }
        return nil
    }

    private mutating func take() -> SaidReply? {
        guard reply < replies.count else { return nil }
        defer { reply += 1 }
        return replies[reply]
    }

    /// One command, response or content with its reply. False when something is missing.
    private mutating func readOne() throws(Fault) -> Bool {
        guard let end = lineEnd(from: position) else { return false }
        let line = heard[position..<end]
        let verb = String(decoding: line.prefix { $0 != 0x20 }.map { $0 & 0xDF }, as: UTF8.self)
        if verb == "BDAT", let chunk = Self.chunk(line) { return try readChunk(chunk, from: end + 2) }
        guard let answer = take() else { return false }
        position = end + 2
        try check(verb, answer)
        switch (verb, answer.code) {
        case ("EHLO", 250), ("HELO", 250), ("RSET", 250): endTransaction()
        case ("STARTTLS", 220):
            guard let securedAt else {
                isOver = true
                return false
            }
            guard securedAt == position else { throw Fault(what: "octets from before TLS were heard") }
            isSecured = true
        case ("AUTH", 334): return try readResponses()
        case ("AUTH", 235): try authenticated()
        case ("MAIL", 250):
            endTransaction()
            hasSender = true
        case ("RCPT", 250):
            let address = Self.address(line)
            if !recipients.contains(address) { recipients.append(address) }
        case ("DATA", 354): return try readContent()
        // A MAIL straight behind it begins the next message.
        case ("DATA", 400...): mayBeOver = hasSender
        case ("QUIT", 221): isOver = true
        default: break
        }
        return true
    }

    private func check(_ verb: String, _ answer: SaidReply) throws(Fault) {
        let isRefusal = answer.code >= 400
        let mayBe: Bool =
            switch verb {
            case "EHLO", "HELO", "RSET", "NOOP": answer.code == 250
            case "MAIL": answer.code == 250 && isAuthenticated && (!hasSender || mayBeOver)
            case "RCPT": answer.code == 250 && hasSender && chunks == nil
            case "DATA": answer.code == 354 && !recipients.isEmpty && chunks == nil
            case "STARTTLS": answer.code == 220 && !isSecured
            case "AUTH": (answer.code == 334 || answer.code == 235) && isSecured && !isAuthenticated
            case "QUIT": answer.code == 221
            case "HELP": answer.code == 214
            case "VRFY": answer.code == 252 && isAuthenticated
            default: false
            }
        guard isRefusal || mayBe else { throw Fault(what: "\(answer.code) to \(verb)") }
    }

    private mutating func authenticated() throws(Fault) {
        guard isSecured else { throw Fault(what: "authenticated in the clear") }
        isAuthenticated = true
    }

    private mutating func endTransaction() {
        hasSender = false
        mayBeOver = false
        recipients = []
        chunks = nil
        hasRefusedChunk = false
    }

    private mutating func readResponses() throws(Fault) -> Bool {
        while let end = lineEnd(from: position) {
            guard let answer = take() else { return false }
            position = end + 2
            switch answer.code {
            case 334: continue
            case 235: try authenticated()
            case 400...: break
            default: throw Fault(what: "\(answer.code) to a response")
            }
            return true
        }
        return false
    }

    /// DATA's, up to CRLF "." CRLF.
    private mutating func readContent() throws(Fault) -> Bool {
        var octets: [UInt8] = []
        var start = position
        while let end = lineEnd(from: start) {
            if end == start + 1, heard[start] == 0x2E {
                position = end + 2
                let answer = take()
                contents.append(
                    Content(
                        replies: reply - (answer == nil ? 0 : 1), octets: octets, recipients: recipients,
                        code: answer?.code))
                endTransaction()
                guard let answer else { return false }
                guard answer.code == 250 || answer.code >= 400 else { throw Fault(what: "\(answer.code) to content") }
                return true
            }
            octets += heard[start] == 0x2E ? heard[(start + 1)..<(end + 2)] : heard[start..<(end + 2)]
            start = end + 2
        }
        return false
    }

    private mutating func readChunk(_ chunk: (size: Int, isLast: Bool), from start: Int) throws(Fault) -> Bool {
        guard reply < replies.count else {
            // Its reply is owed, or was when the session ended.
            if chunk.isLast, !recipients.isEmpty, !hasRefusedChunk, heard.count - start >= chunk.size {
                let octets = (chunks ?? []) + heard[start..<(start + chunk.size)]
                contents.append(Content(replies: reply, octets: octets, recipients: recipients))
            }
            return false
        }
        // Where message text follows a refused DATA, this is text too and announces nothing.
        if replies[reply].text.starts(with: "5.5.1 DATA was refused and message text".utf8) {
            reply += 1
            position = start
            return true
        }
        guard heard.count - start >= chunk.size else { return false }
        position = start + chunk.size
        let answer = replies[reply]
        let octets = heard[start..<position]
        reply += 1
        if answer.code == 250 {
            guard isAuthenticated, !recipients.isEmpty, !hasRefusedChunk else { throw Fault(what: "250 to BDAT") }
            chunks = (chunks ?? []) + octets
        } else if answer.code < 400 {
            throw Fault(what: "\(answer.code) to BDAT")
        }
        guard chunk.isLast else {
            if answer.code >= 400, hasSender { hasRefusedChunk = true }
            return true
        }
        if !recipients.isEmpty, !hasRefusedChunk {
            let whole = answer.code == 250 ? chunks ?? [] : (chunks ?? []) + octets
            contents.append(Content(replies: reply - 1, octets: whole, recipients: recipients, code: answer.code))
        }
        if answer.code == 250 || chunks != nil || hasRefusedChunk { endTransaction() } else { mayBeOver = hasSender }
        return true
    }

    private static func chunk(_ line: ArraySlice<UInt8>) -> (size: Int, isLast: Bool)? {
        let words = line.split(separator: 0x20)
        guard (2...3).contains(words.count), words[1].count <= 9, words[1].allSatisfy({ (0x30...0x39).contains($0) })
        else { return nil }
        let size = words[1].reduce(0) { $0 * 10 + Int($1) - 0x30 }
        if words.count == 2 { return (size, false) }
        return String(decoding: words[2].map { $0 & 0xDF }, as: UTF8.self) == "LAST" ? (size, true) : nil
    }

    private static func address(_ line: ArraySlice<UInt8>) -> String {
        guard let open = line.firstIndex(of: 0x3C), let close = line[open...].firstIndex(of: 0x3E) else { return "" }
        return String(decoding: line[(open + 1)..<close], as: UTF8.self)
    }
}
