import NIOCore
import Testing

@testable import SMTP

/// Sequences nobody thought of: no input may trap, get out of step, or make a message that was not accepted.
struct RandomDialogueTests {
    /// What a client may say, apt or not; content among it, for whether it is content depends on what came before.
    private static let utterances = [
        "EHLO a.example\r\n", "HELO a\r\n", "LHLO a\r\n", "EHLO \r\n", "NOOP\r\n", "RSET\r\n", "HELP\r\n", "VRFY x\r\n",
        "EXPN x\r\n",
        "MAIL FROM:<a@own.example>\r\n", "MAIL FROM:<a@own.example> SIZE=10 AUTH=acme@submitter.invalid\r\n",
        "MAIL FROM:<a@own.example> AUTH=acme@submitter.invalid\r\n", "MAIL FROM:<>\r\n", "MAIL FROM:<x\r\n",
        "MAIL FROM:<no@own.example>\r\n", "RCPT TO:<b@d.example>\r\n", "RCPT TO:<c@d.example>\r\n",
        "RCPT TO:<no@d.example>\r\n",
        "RCPT TO:<cap@d.example>\r\n", "RCPT TO:<\"q q\"@d.example>\r\n", "RCPT TO:<Postmaster>\r\n",
        "RCPT TO:<bad>\r\n", "DATA\r\n", "DATA\r\n",
        "DATA x\r\n", "Subject: x\r\n", "\r\n", ".\r\n", "..\r\n", "\r\n.\r\n", "text\r\n", "a\nb\r\n", "a\rb\r\n",
        "\0\r\n", "\r", "\n",
        "AUTH PLAIN AGEAYg==\r\n", "AUTH LOGIN\r\n", "AUTH EXTERNAL\r\n", "AUTH EXTERNAL =\r\n", "*\r\n", "bWU=\r\n",
        "=\r\n", "\u{e4}\r\n",
        "BDAT 5\r\nabc\r\n", "BDAT 1\r\nx", "BDAT 0\r\n", "bdat 3 last\r\na\r\n", "BDAT 2 LAST\r\n\r\n",
        "BDAT 0 LAST\r\n",
        "BDAT 20 LAST\r\n", "BDAT 2000\r\n", "MAIL FROM:<a@own.example> BODY=BINARYMIME SMTPUTF8\r\n",
        "STARTTLS x\r\n", "FOO\r\n", String(repeating: "x", count: 3000) + "\r\n", "\u{16}\u{3}\r\n",
    ].map { Array($0.utf8) }

    /// Now and then, for they end the session.
    private static let last = ["QUIT\r\n", "BDAT x\r\nabc", "GET / HTTP/1.1\r\n"].map { Array($0.utf8) }

    private static func answer(_ action: String) -> String? {
        if action.hasPrefix("authenticate LOGIN") { return "challenge Username:" }
        if action.contains("no@") { return "refuse 550 5.7.1 No" }
        if action.hasPrefix("recipient <cap@") { return "fail 450 4.7.1 Cap" }
        if action.hasPrefix("message"), action.contains("a b") { return "refuse 554 5.6.0 No" }
        return nil
    }

    private func text(_ generator: inout SplitMix) -> [UInt8] {
        var octets: [UInt8] = []
        for _ in 0..<Int.random(in: 1...40, using: &generator) {
            octets += Self.utterances.randomElement(using: &generator) ?? []
        }
        return Int.random(in: 0..<4, using: &generator) == 0
            ? octets + (Self.last.randomElement(using: &generator) ?? []) : octets
    }

    private func cuts(_ count: Int, _ generator: inout SplitMix) -> [Int] {
        ((0..<Int.random(in: 0...8, using: &generator)).map { _ in Int.random(in: 0...count, using: &generator) } + [
            0, count,
        ]).sorted()
    }

    /// A reply's shape: a code, one enhanced code of its class, and no more than 512 octets.
    private func isReply(_ line: Substring) -> Bool {
        let octets = Array(line.utf8)
        guard octets.count <= 510, octets.count >= 4, let code = Int(decimal: octets[..<3]), (200...599).contains(code),
            octets[3] == .space || octets[3] == UInt8(ascii: "-"), octets.allSatisfy({ $0.isVisible || $0 == .space })
        else { return false }
        let enhanced = EnhancedCode(prefixOf: octets[4...])
        return enhanced.map { $0.statusClass == code / 100 } ?? (code / 100 == 3 || code == 250 || code == 220)
    }

    private func verify<Subject: TranscriptSubject>(_ seed: UInt64, _ make: () -> Subject) {
        var generator = SplitMix(seed: seed)
        let octets = text(&generator)
        func run(_ cuts: [Int]) -> TranscriptRun<Subject> {
            var run = TranscriptRun(make(), isEvent: { _ in true }, answer: Self.answer)
            for (start, end) in zip(cuts, cuts.dropFirst()) { run.feed(octets[start..<end]) }
            return run
        }
        let whole = run([0, octets.count])
        let pieces = cuts(octets.count, &generator)
        #expect(run(pieces).events == whole.events, "seed \(seed): \(octets.escaped(limit: 3000)) cut at \(pieces)")
        let replies = whole.events.filter { $0.hasPrefix("S ") }.map { $0.dropFirst(2) }
        #expect(replies.allSatisfy(isReply), "seed \(seed): \(replies)")
        // 250 behind content exactly as often as a message was accepted.
        let accepted = whole.events.filter { $0.hasPrefix("! message") && Self.answer(String($0.dropFirst(2))) == nil }
        let recipients = accepted.reduce(0) { count, _ in count + 1 }
        #expect(replies.filter { $0.hasPrefix("250 2.0.0 Ok: queued") }.count == recipients, "seed \(seed)")
        let begun = replies.filter { $0.hasPrefix("354") }.count + octets.chunkEnds
        #expect(begun >= accepted.count, "seed \(seed)")
    }

    @Test func `submission, however it is spoken to`() {
        for seed in 0..<UInt64(600) {
            for start in [SubmissionSubject.Start.greeted, .secured, .authenticated, .transaction] {
                verify(seed) { SubmissionSubject(start) }
            }
        }
    }

    @Test func `the relay's gate, however it is spoken to: strangers never see a 354`() {
        for seed in 1000..<UInt64(1600) {
            verify(seed) { RelaySubject(.esmtp) }
            for start in [RelaySubject.Start.greeted, .stranger] {
                verify(seed) { RelaySubject(start) }
                var generator = SplitMix(seed: seed)
                var run = TranscriptRun(RelaySubject(start), isEvent: { _ in true }, answer: { _ in nil })
                run.feed(text(&generator))
                #expect(
                    !run.events.contains {
                        $0.hasPrefix("S 354") || $0.hasPrefix("! message") || $0.hasPrefix("S 250 2.1")
                    })
            }
        }
    }

    @Test func `octets without any meaning`() {
        for seed in 2000..<UInt64(2300) {
            var generator = SplitMix(seed: seed)
            let octets = (0..<2000).map { _ in
                [UInt8.cr, .lf, .dot, .space, 0x3A, 0x3C, 0x3E, UInt8.random(in: 0...255, using: &generator)]
                    .randomElement(using: &generator) ?? 0
            }
            var submission = TranscriptRun(
                SubmissionSubject(.transaction), isEvent: { _ in true }, answer: { _ in nil })
            submission.feed(octets)
            var relay = TranscriptRun(RelaySubject(.lmtp), isEvent: { _ in true }, answer: { _ in nil })
            relay.feed(octets)
            #expect(!submission.events.contains { $0.hasPrefix("! message") })
            #expect(!relay.events.contains { $0.hasPrefix("! message") })
        }
    }

    /// What a relay may answer, apt or not.
    private static let answers = [
        "220 mx\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "250-mx\r\n250 PIPELINING\r\n",
        "250-mx\r\n250 SIZE 10\r\n", "354 go\r\n",
        "354 go\r\n", "450 4.2.0 later\r\n", "550 5.1.1 no\r\n", "552 full\r\n", "421 bye\r\n", "250-ok\r\n", "250-",
        "ok\r\n", "334 \r\n",
        "251 ok\n", "\r\n",
    ].map { Array($0.utf8) }

    @Test(arguments: [DeliveryDialogue.Wire.lmtp, .smtp])
    func `delivery, whatever the peer says: nobody is delivered to without a 2xx that came after the content`(
        _ wire: DeliveryDialogue.Wire
    ) {
        var delivered = 0
        for seed in 3000..<UInt64(9000) {
            var generator = SplitMix(seed: seed)
            var subject = DeliverySubject(
                wire,
                [
                    DeliverySubject.transaction(["1@d.example", "2@d.example"]),
                    DeliverySubject.transaction(["3@d.example"]),
                ])
            var output = ByteBuffer()
            var positivesSinceContent: Int?
            var isOver = false
            var open = 0
            for step in 0..<30 where !isOver {
                let opening: [UInt8]? = step == 0 ? Array("220 mx\r\n".utf8) : nil
                let answer = opening ?? Self.answers.randomElement(using: &generator) ?? []
                if answer.first == UInt8(ascii: "2"), let count = positivesSinceContent {
                    positivesSinceContent = count + 1
                }
                var bytes = ByteBuffer(bytes: answer)
                subject.receive(&bytes)
                while let action = subject.nextAction(into: &output) {
                    if action == "sendContent" { positivesSinceContent = 0 }
                    if action == "ready", !subject.transactions.isEmpty { open += 1 }
                    if action.hasPrefix("outcomes") {
                        open -= 1
                        let count = action.split(separator: " ").filter { $0 == "delivered" }.count
                        delivered += count
                        let needed = wire == .lmtp ? count : min(count, 1)
                        #expect((positivesSinceContent ?? 0) >= needed, "seed \(seed): \(action)")
                        positivesSinceContent = nil
                    }
                    isOver = action.hasPrefix("failed")
                    subject.answer(action, with: nil, into: &output)
                }
            }
            if !isOver, let action = subject.dialogue.closed(), case .outcomes(let outcomes) = action {
                open -= 1
                for case .delivered in outcomes { #expect((positivesSinceContent ?? 0) > 0, "seed \(seed)") }
            }
            #expect(open == 0, "seed \(seed): every transaction has its outcomes, once")
        }
        #expect(delivered > 10, "the game is worth playing: \(delivered)")
    }
}

extension [UInt8] {
    /// How many BDAT commands may have ended a message.
    fileprivate var chunkEnds: Int {
        indices.filter { self[$0...].startsIgnoringCase(" LAST\r\n") }.count
    }
}
