import FuzzSupport
import NIOCore

@testable import SMTP

/// Our side of a connection to a next hop that says what it likes, and says it when it is asked: a phase at a time.
private struct DeliveryRun {
    var dialogue: DeliveryDialogue
    var transactions: [DeliveryDialogue.Transaction]
    let setting: UInt8
    var output = ByteBuffer()
    var actions: [DeliveryDialogue.Action] = []
    private var open: DeliveryDialogue.Transaction?
    private var isContentSent = false
    private var isOver = false
    /// Replies that have come, and recipients told to be delivered.
    private(set) var delivered = 0

    init(_ setting: UInt8) {
        self.setting = setting
        dialogue = DeliveryDialogue(
            wire: setting & 1 == 0 ? .lmtp : .smtp, hostname: "f.example",
            tls: setting & 2 == 0 ? .none : setting & 4 == 0 ? .opportunistic : .require,
            isImplicit: setting & 8 != 0, authenticates: setting & 16 != 0)
        transactions = Self.transactions
        if setting & 8 != 0 { dialogue.secured() }
    }

    private static let transactions: [DeliveryDialogue.Transaction] = {
        func recipient(_ text: String) -> [EnvelopeRecipient] {
            (try? Mailbox(parsing: text)).map { [EnvelopeRecipient($0, notify: .success)] } ?? []
        }
        let sender = (try? ReversePath(parsing: "a@own.example")) ?? .null
        return [
            .init(
                sender: sender, submitter: "acme", recipients: recipient("b@d.example") + recipient("c@d.example"),
                content: ByteBuffer(string: "Subject: x\r\n\r\n.\r\n..x\r\nno end"), isEightBit: false),
            .init(
                sender: .null, submitter: nil, recipients: recipient("\"b c\"@d.example"),
                parameters: MailParameters(body: .binaryMIME, isInternationalized: true, envelopeID: "x+y"),
                content: ByteBuffer(string: "Subject: x\r\n\r\n\0\n.\n"), isEightBit: true),
            .init(
                sender: sender, submitter: nil, recipients: recipient("d@d.example"), content: ByteBuffer(),
                isEightBit: false),
        ]
    }()

    mutating func feed(_ bytes: ByteBuffer) throws(Violation) {
        var bytes = bytes
        dialogue.receive(&bytes)
        try proceed()
    }

    mutating func proceed() throws(Violation) {
        while let action = dialogue.advance(into: &output) { try take(action) }
    }

    /// The peer is gone.
    mutating func close() throws(Violation) {
        if let action = dialogue.closed() { try take(action) }
        try proceed()
        try demand(open == nil, "a transaction without an outcome")
    }

    private mutating func take(_ action: DeliveryDialogue.Action) throws(Violation) {
        actions.append(action)
        try demand(!isOver, "something follows the end")
        switch action {
        case .startTLS: dialogue.secured()
        case .authenticate:
            let long = [UInt8](repeating: 7, count: 400)
            dialogue.authenticate(
                mechanism: "PLAIN", initialResponse: setting & 32 == 0 ? long : setting & 64 == 0 ? [] : nil,
                into: &output)
        case .challenge(let octets):
            if octets.first == UInt8(ascii: "a") {
                dialogue.abandonAuthentication("enough")
            } else {
                dialogue.respond(octets, into: &output)
            }
        case .authenticated: dialogue.confirm(isGenuine: setting & 128 == 0)
        case .ready:
            try demand(open == nil, "ready for the next transaction inside one")
            guard !transactions.isEmpty else { return dialogue.quit(into: &output) }
            var next = transactions.removeFirst()
            // What needs BINARYMIME is given only to who offers it.
            if dialogue.capabilities?.binaryMIME != true, next.isBinary {
                next.parameters.body = .eightBitMIME
                next.content = ByteBuffer(string: ".\r\n")
            }
            open = next
            isContentSent = false
            dialogue.deliver(next, into: &output)
        case .exhausted:
            try demand(open == nil, "no more transactions inside one")
            dialogue.quit(into: &output)
        case .sendContent:
            guard let open, !isContentSent else { throw Violation("content is asked for out of turn") }
            let begin = output.writerIndex
            while !dialogue.sendContent(into: &output) {}
            let written = output.getSlice(at: begin, length: output.writerIndex - begin) ?? ByteBuffer()
            // Nothing is written where the dialogue sees that a reply came too early.
            isContentSent = written.readableBytes > 0
            guard isContentSent else { return }
            try check(written, open)
        case .outcomes(let outcomes):
            guard let transaction = open else { throw Violation("outcomes of no transaction") }
            open = nil
            try demand(outcomes.count == transaction.recipients.count, "not everyone has an outcome")
            for outcome in outcomes {
                try check(outcome.reply)
                guard case .delivered(let reply) = outcome else { continue }
                delivered += 1
                try demand(isContentSent, "delivered without its content")
                try demand(
                    reply.isPositive && reply.command == "end of data", "delivered by a reply to \(reply.command)")
            }
        case .failed(let reply):
            try demand(open == nil, "it fails, and a transaction has no outcome")
            try check(reply)
            isOver = true
        }
    }

    private func check(_ reply: RemoteReply) throws(Violation) {
        try demand(
            reply.text.utf8.count <= RemoteReply.maxTextLength
                && reply.text.utf8.allSatisfy { $0.isVisible || $0 == .space },
            "a remote's text is kept as it came")
    }

    private func check(_ written: ByteBuffer, _ transaction: DeliveryDialogue.Transaction) throws(Violation) {
        let content = Array(transaction.content.readableBytesView)
        if transaction.isBinary {
            let command = Array("BDAT \(content.count) LAST\r\n".utf8)
            return try demand(Array(written.readableBytesView) == command + content, "a chunk is not its content")
        }
        try demand(DotStuffing.endsOnlyAtItsEnd(written), "content ends before its end")
        let sent = Array(written.readableBytesView)
        let end = content.isEmpty || content.suffix(2).elementsEqual([.cr, .lf]) ? [] : [UInt8.cr, .lf]
        try demand(ReplyOracle.content(sent, from: 0)?.0 == content + end, "what is sent is not the content")
    }
}

extension DeliveryDialogue.Action {
    /// What a server says without being asked is its goodbye, or a fault, and as much of it counts as has come by then: cut
    /// in the middle it is told in other words.
    fileprivate var andGoodbyesAlike: String {
        switch self {
        case .outcomes(let outcomes): "outcomes \(outcomes.map { Self.word($0.reply) ?? "\($0)" })"
        case .failed(let reply): "failed \(Self.word(reply) ?? "\(reply)")"
        default: "\(self)"
        }
    }

    private static func word(_ reply: RemoteReply) -> String? {
        let isUnasked = reply.isOurs && reply.text.hasPrefix("protocol error: reply to no")
        return isUnasked || reply.code == 421 && !reply.isOurs ? "deferred for what was said unasked" : nil
    }
}

extension FuzzTarget {
    /// A hostile next hop.
    static let delivery = FuzzTarget(name: "delivery", longest: 400) { octets throws(Violation) in
        var choices = Choices(octets)
        let setting = choices.octet()
        let cut = Int(choices.octet())
        let pieces = phases(choices.rest)
        var whole = DeliveryRun(setting)
        var parted = DeliveryRun(setting)
        for piece in pieces {
            let bytes = ByteBuffer(bytes: piece)
            try whole.feed(bytes)
            // Between two replies a cut counts: what comes after the first one may be asked for by then.
            var point = piece.count * cut / 255
            while point > 0, piece[piece.startIndex + point - 1] == .lf { point -= 1 }
            for range in [0..<point, point..<piece.count] {
                try parted.feed(bytes.getSlice(at: range.lowerBound, length: range.count) ?? ByteBuffer())
            }
        }
        try whole.close()
        try parted.close()
        try demand(
            whole.actions.map(\.andGoodbyesAlike) == parted.actions.map(\.andGoodbyesAlike),
            "cut, it leads to other actions")
        try demand(whole.output == parted.output, "cut, it gets other commands")
        let positive = choices.rest.split(separator: .lf).count { $0.contains(UInt8(ascii: "2")) }
        try demand(whole.delivered <= max(positive, 0) * 2, "more is delivered than was said yes to")
    }
}
