import NIOCore
import Testing

@testable import SMTP

/// §4: command order, pipelining and BDAT.
struct ThreatOrderTests {
    static let rows = [
        ThreatCase(
            "§4 RCPT before MAIL, DATA before MAIL, BDAT before MAIL", .authenticated,
            "C RCPT TO:<b@d.example>\nC DATA\nC BDAT 6\\r\\nRSET\nS 503 5.5.1 Send MAIL first\nS 503 5.5.1 Send MAIL first\nS 503 5.5.1 Send MAIL first"
        ),
        ThreatCase(
            "§4 MAIL before EHLO", .greeted,
            "C MAIL FROM:<a@own.example>\nS 530 5.7.0 Must issue a STARTTLS command first"),
        ThreatCase(
            "§4 nested MAIL, DATA before RCPT", .transaction,
            "C MAIL FROM:<b@own.example>\nC DATA\nS 503 5.5.1 A mail transaction is already open\nS 503 5.5.1 Send RCPT first"
        ),
        ThreatCase(
            "§4 before AUTH", .secured,
            "C MAIL FROM:<a@own.example>\nC VRFY a\nC EXPN a\nC BDAT 6 LAST\\r\\nQUIT\nC NOOP\nS 530 5.7.0 Authentication required\nS 530 5.7.0 Authentication required\nS 530 5.7.0 Authentication required\nS 530 5.7.0 Authentication required\nS 250 2.0.0 Ok"
        ),
        ThreatCase(
            "§4 pipelined message behind refused recipients", .transaction,
            "= recipient => refuse 550 5.7.1 No\nC RCPT TO:<b@d.example>\nC DATA\nC From: a\nC\nC MAIL FROM:<x@own.example>\nC .\nC NOOP\nS 550 5.7.1 No\nS 554 5.5.1 No valid recipients\nS 500 5.5.2 Command not recognised\nS 500 5.5.2 Command not recognised\nS 503 5.5.1 DATA was refused and message text followed; close and start again\nS 500 5.5.2 Command not recognised\nS 250 2.0.0 Ok"
        ),
        ThreatCase(
            "§4 some recipients refused", .transaction,
            "= recipient <no@ => refuse 550 5.7.1 No\nC RCPT TO:<no@d.example>\nC RCPT TO:<b@d.example>\nC BDAT 3 LAST\\r\\nx\nS 550 5.7.1 No\nS 250 2.1.5 Recipient ok\n! message <a@own.example> <b@d.example> 'x\\x0d\\x0a'\nS 250 2.0.0 Ok: queued as 1"
        ),
        ThreatCase.recipient(
            "§4 BDAT in chunks of any size",
            #"""
            C BDAT 1\r\nx\c
            S 250 2.0.0 1 octets received
            C bdat 0
            S 250 2.0.0 0 octets received
            C BDAT 3\r\n\r\n.\c
            S 250 2.0.0 3 octets received
            C NOOP
            S 250 2.0.0 Ok
            C BDAT  2  last \r\n\r\n\c
            ! message <a@own.example> <b@d.example> 'x\x0d\x0a.\x0d\x0a'
            S 250 2.0.0 Ok: queued as 1
            """#),
        ThreatCase.recipient(
            "§4 BDAT pipelined",
            #"""
            C BDAT 3\r\nx\r\nBDAT 0 LAST
            S 250 2.0.0 3 octets received
            ! message <a@own.example> <b@d.example> 'x\x0d\x0a'
            S 250 2.0.0 Ok: queued as 1
            """#),
        ThreatCase.recipient(
            "§4 BDAT 0 LAST first: an empty message",
            "C BDAT 0 LAST\nC MAIL FROM:<a@own.example>\nS 554 5.6.0 The message is empty\nS 250 2.1.0 Sender ok"),
        ThreatCase.recipient(
            "§4 MAIL, RCPT and DATA between chunks",
            "C BDAT 1\\r\\nxMAIL FROM:<b@own.example>\nC RCPT TO:<c@d.example>\nC DATA\nC BDAT 2 LAST\\r\\n\\r\\n\\c\nS 250 2.0.0 1 octets received\nS 503 5.5.1 Content has begun; send BDAT or RSET\nS 503 5.5.1 Content has begun; send BDAT or RSET\nS 503 5.5.1 Content has begun; send BDAT or RSET\n! message <a@own.example> <b@d.example> 'x\\x0d\\x0a'\nS 250 2.0.0 Ok: queued as 1"
        ),
        ThreatCase.recipient(
            "§4 RSET between chunks",
            "C BDAT 6\\r\\nQUIT\nC RSET\nC BDAT 6 LAST\\r\\nQUIT\nS 250 2.0.0 6 octets received\nS 250 2.0.0 Ok\nS 503 5.5.1 Send MAIL first"
        ),
        ThreatCase.recipient(
            "§4 BDAT after LAST",
            "C BDAT 3 LAST\\r\\nx\nC BDAT 6 LAST\\r\\nQUIT\n! message <a@own.example> <b@d.example> 'x\\x0d\\x0a'\nS 250 2.0.0 Ok: queued as 1\nS 503 5.5.1 Send MAIL first"
        ),
        ThreatCase(
            "§4 BDAT without a valid recipient", .transaction,
            "= recipient => refuse 550 5.7.1 No\nC RCPT TO:<b@d.example>\nC BDAT 6\\r\\nQUIT\nC RCPT TO:<c@d.example>\nC BDAT 6 LAST\\r\\nQUIT\nC MAIL FROM:<a@own.example>\nS 550 5.7.1 No\nS 554 5.5.1 No valid recipients\nS 503 5.5.1 A chunk of this message was refused; send RSET\nS 503 5.5.1 A chunk of this message was refused; send RSET\nS 250 2.1.0 Sender ok"
        ),
        ThreatCase.recipient(
            "§4 BDAT over the size limit, in one chunk",
            "C BDAT 1001\\r\\n\\{QUIT\\r\\n*166}12345\\c\nC NOOP\nS 552 5.3.4 Message size exceeds the limit of 1000 octets\nS 250 2.0.0 Ok"
        ),
        ThreatCase.recipient(
            "§4 BDAT over the size limit, with a later chunk",
            "C BDAT 999\\r\\n\\{x*999}BDAT 2 LAST\\r\\nxxMAIL FROM:<a@own.example>\nS 250 2.0.0 999 octets received\nS 552 5.3.4 Message size exceeds the limit of 1000 octets\nS 250 2.1.0 Sender ok"
        ),
        ThreatCase.recipient(
            "§4 BDAT after an error, until RSET",
            "C BDAT 3\\r\\na\\nbBDAT 6\\r\\nQUIT\nC DATA\nC RSET\nC MAIL FROM:<a@own.example>\nS 550 5.6.0 LF without CR in line 1, octet 2; lines must end in CRLF\nS 503 5.5.1 A chunk of this message was refused; send RSET\nS 503 5.5.1 A chunk of this message was refused; send RSET\nS 250 2.0.0 Ok\nS 250 2.1.0 Sender ok"
        ),
        ThreatCase(
            "§4 a cap refused at RCPT refuses the first BDAT as it does DATA", .transaction,
            "= recipient <cap@ => fail 450 4.7.1 Cap\nC RCPT TO:<b@d.example>\nC RCPT TO:<cap@d.example>\nC BDAT 6\\r\\nQUIT\nC BDAT 6 LAST\\r\\nQUIT\nC NOOP\nS 250 2.1.5 Recipient ok\nS 450 4.7.1 Cap\nS 450 4.7.1 Cap\nS 503 5.5.1 A chunk of this message was refused; send RSET\nS 250 2.0.0 Ok"
        ),
        ThreatCase.recipient(
            "§4 content refused when it begins, in chunks",
            "= data => refuse 452 4.3.1 Full\nC BDAT 6\\r\\nQUIT\nC BDAT 6 LAST\\r\\nQUIT\nC NOOP\nS 452 4.3.1 Full\nS 503 5.5.1 A chunk of this message was refused; send RSET\nS 250 2.0.0 Ok"
        ),
        ThreatCase(
            "§4 MAIL straight behind a refused DATA begins anew, with nothing of what was", .transaction,
            #"""
            = recipient <cap@ => fail 450 4.7.1 Cap
            C RCPT TO:<old@d.example>
            C RCPT TO:<cap@d.example>
            C DATA
            C DATA
            C MAIL FROM:<n@own.example>
            C MAIL FROM:<m@own.example>
            C RCPT TO:<new@d.example>
            C BDAT 3 LAST\r\nx
            S 250 2.1.5 Recipient ok
            S 450 4.7.1 Cap
            S 450 4.7.1 Cap
            S 450 4.7.1 Cap
            S 250 2.1.0 Sender ok
            S 503 5.5.1 A mail transaction is already open
            S 250 2.1.5 Recipient ok
            ! message <n@own.example> <new@d.example> 'x\x0d\x0a'
            S 250 2.0.0 Ok: queued as 1
            """#),
        ThreatCase(
            "§4 MAIL behind a refused DATA and another RCPT is nested", .transaction,
            "= recipient => refuse 550 5.7.1 No\nC RCPT TO:<b@d.example>\nC DATA\nC RCPT TO:<c@d.example>\nC MAIL FROM:<n@own.example>\nS 550 5.7.1 No\nS 554 5.5.1 No valid recipients\nS 550 5.7.1 No\nS 503 5.5.1 A mail transaction is already open"
        ),
        ThreatCase(
            "§4 a malformed MAIL behind a refused DATA leaves no recipients of before", .transaction,
            "= data => refuse 452 4.3.1 Full\nC RCPT TO:<b@d.example>\nC DATA\nC MAIL FROM:<n@>\nC RCPT TO:<c@d.example>\nS 250 2.1.5 Recipient ok\nS 452 4.3.1 Full\nS 501 5.1.7 Sender address is malformed\nS 503 5.5.1 Send MAIL first"
        ),
        ThreatCase(
            "§4 MAIL straight behind a refused BDAT LAST", .transaction,
            "= data => refuse 452 4.3.1 Full\nC RCPT TO:<b@d.example>\nC BDAT 3 LAST\\r\\nx\nC MAIL FROM:<n@own.example>\nS 250 2.1.5 Recipient ok\nS 452 4.3.1 Full\nS 250 2.1.0 Sender ok"
        ),
        ThreatCase(
            "§4 message text that begins with MAIL, behind a refused DATA: only where it came for a header",
            .transaction,
            "= recipient => refuse 550 5.7.1 No\nC RCPT TO:<b@d.example>\nC DATA\nC From: a\nC\nC MAIL FROM:<x@own.example>\nC .\nC MAIL FROM:<n@own.example>\nS 550 5.7.1 No\nS 554 5.5.1 No valid recipients\nS 500 5.5.2 Command not recognised\nS 500 5.5.2 Command not recognised\nS 503 5.5.1 DATA was refused and message text followed; close and start again\nS 500 5.5.2 Command not recognised\nS 250 2.1.0 Sender ok"
        ),
        ThreatCase(
            "§4 DATA after BODY=BINARYMIME", .authenticated,
            "C MAIL FROM:<a@own.example> BODY=BINARYMIME\nC RCPT TO:<b@d.example>\nC DATA\nC BDAT 4 LAST\\r\\n\\r\\n\\0\\n\\c\nS 250 2.1.0 Sender ok\nS 250 2.1.5 Recipient ok\nS 503 5.5.1 BINARYMIME content comes by BDAT\n! message <a@own.example> <b@d.example> '\\x0d\\x0a\\x00\\x0a'\nS 250 2.0.0 Ok: queued as 1"
        ),
        ThreatCase(
            "§4 VRFY in UTF-8, said to be so or not", .authenticated,
            "C VRFY \u{e9} SMTPUTF8\nC VRFY \u{e9}\nS 252 2.0.0 Send some mail and it will be tried\nS 501 5.5.2 Octets over 127 in a command"
        ),
        .init(
            "§4 VRFY, EXPN, ETRN, TURN, HELP", .authenticated,
            "C VRFY a\nC EXPN a\nC ETRN a\nC TURN\nC HELP\nS 252 2.0.0 Send some mail and it will be tried\nS 502 5.5.1 Command not implemented\nS 502 5.5.1 Command not implemented\nS 502 5.5.1 Command not implemented\nS 214 2.0.0 See RFC 5321 and RFC 6409"
        ),
        ThreatCase(
            "§4 20 errors", .authenticated,
            "C \\{FOO\\r\\n*20}\\c\n" + String(repeating: "S 500 5.5.2 Command not recognised\n", count: 19)
                + "S 421 4.7.0 Too many errors; closing\n! close"),
        ThreatCase(
            "§4 chunks that are refused count as errors", .authenticated,
            "C \\{BDAT 0\\r\\n*20}\\c\n" + String(repeating: "S 503 5.5.1 Send MAIL first\n", count: 19)
                + "S 421 4.7.0 Too many errors; closing\n! close"),
    ]

    static let malformed = [
        "", "-1", "0x10", "99999999999999999999", "100000000000000000000", "9223372036854775808", "5 LST", "5 LAST x",
        "LAST", "5LAST", "5.0", "\\xe4",
    ].map { size in
        ThreatCase.recipient(
            "§4 BDAT \(size)",
            "C BDAT \(size)\nC abcd\nC NOOP\nS 501 5.5.4 Syntax: BDAT octets [LAST]; closing\n! close")
    }

    @Test(arguments: rows) func `row by row`(_ threat: ThreatCase) { threat.check() }
    @Test(arguments: malformed) func `row by row, a chunk whose size is not known`(_ threat: ThreatCase) {
        threat.check()
    }

    @Test func `§4 a hundred idle commands without mail`() {
        let text = "C \\{NOOP\\r\\n*98}\\c\n" + String(repeating: "S 250 2.0.0 Ok\n", count: 98)
        Transcript(text + "C RSET\nS 421 4.7.0 Too many commands without mail; closing\n! close").check({
            SubmissionSubject(.authenticated)
        })
    }

    /// A dialogue in a transaction with a recipient and room for a large message.
    private func receiving(_ parameters: String = "", limit: Int = 1 << 40) -> SubmissionSubject {
        var subject = SubmissionSubject(.authenticated, limits: .init(maxMessageSize: limit, maxRecipients: 4))
        var output = ByteBuffer()
        subject.begin(into: &output)
        feed("MAIL FROM:<a@own.example> \(parameters)\r\nRCPT TO:<b@d.example>\r\n", to: &subject)
        return subject
    }

    @discardableResult
    private func feed(_ text: String, to subject: inout SubmissionSubject) -> String {
        var bytes = ByteBuffer(string: text)
        return feed(&bytes, to: &subject)
    }

    @discardableResult
    private func feed(_ bytes: inout ByteBuffer, to subject: inout SubmissionSubject) -> String {
        var output = ByteBuffer()
        subject.receive(&bytes)
        while let action = subject.nextAction(into: &output) { subject.answer(action, with: nil, into: &output) }
        return String(buffer: output)
    }

    @Test func `§4 a hundred thousand chunks of one octet are one message, and none is held twice`() {
        var subject = receiving()
        var octets = ByteBuffer()
        for _ in 0..<1000 { octets.writeStaticString("BDAT 1\r\nx") }
        for round in 1...100 {
            var bytes = octets
            var output = ByteBuffer()
            subject.receive(&bytes)
            while let action = subject.nextAction(into: &output) { subject.answer(action, with: nil, into: &output) }
            #expect(output.readableBytes == 1000 * "250 2.0.0 1 octets received\r\n".utf8.count)
            #expect(subject.dialogue.bufferedBytes == round * 1000)
            #expect(subject.dialogue.contentOctetsReceived == round * 1000)
        }
        #expect(feed("BDAT 0 LAST\r\n", to: &subject).hasPrefix("250 2.0.0 Ok: queued"))
        #expect(subject.dialogue.bufferedBytes == 0)
    }

    @Test func `§4 a chunk of 2³¹ octets on a slow line costs what has come, and a refused one nothing`() {
        var subject = receiving("SIZE=2147483648")
        feed("BDAT 2147483648\r\n", to: &subject)
        #expect(subject.dialogue.isReceivingContent && subject.dialogue.bufferedBytes == 0)
        for count in 1...50 {
            feed("x", to: &subject)
            #expect(subject.dialogue.bufferedBytes == count && subject.dialogue.contentOctetsReceived == count)
        }
        var small = receiving(limit: 1000)
        feed("BDAT 2147483648 LAST\r\nQUIT\r\n", to: &small)
        #expect(small.dialogue.isReceivingContent && small.dialogue.bufferedBytes == 0)
        #expect(small.dialogue.contentOctetsReceived == 6)
    }

    @Test func `§4 content between chunks counts as being received, and a transaction ends where it ends`() {
        var subject = receiving()
        #expect(!subject.dialogue.isReceivingContent && subject.dialogue.isInTransaction)
        feed("BDAT 3\r\nx\r\n", to: &subject)
        #expect(subject.dialogue.isReceivingContent && subject.dialogue.isInTransaction)
        feed("RSET\r\n", to: &subject)
        #expect(!subject.dialogue.isReceivingContent && !subject.dialogue.isInTransaction)
        #expect(subject.dialogue.bufferedBytes == 0)
    }

    /// Any content, cut into any chunks and these into any pieces, is the message, octet for octet.
    @Test(arguments: ["", "BODY=BINARYMIME"])
    func `content comes through its chunks unchanged, however they are cut`(_ parameters: String) {
        let words = [
            "a", ".", "..", "\r\n", "\r\n.\r\n", "QUIT\r\n", "BDAT 4\r\n", "\r\nMAIL FROM:<x@own.example>\r\n",
        ]
        for seed in 0..<UInt64(400) {
            var generator = SplitMix(seed: seed)
            var content: [UInt8] = [UInt8(ascii: "x")]
            for _ in 0..<Int.random(in: 0...30, using: &generator) {
                if parameters.isEmpty {
                    content += Array((words.randomElement(using: &generator) ?? "").utf8)
                } else {
                    content.append(UInt8.random(in: 0...255, using: &generator))
                }
            }
            var wire: [UInt8] = []
            var rest = content[...]
            while !rest.isEmpty {
                let count = Int.random(in: 0...min(9, rest.count), using: &generator)
                wire += Array("BDAT \(count)\r\n".utf8) + rest.prefix(count)
                rest = rest.dropFirst(count)
            }
            wire += Array("BDAT 0 LAST\r\nNOOP\r\n".utf8)
            var run = TranscriptRun(
                Prepared(subject: receiving(parameters)), isEvent: { $0 == "message" || $0 == "close" },
                answer: { _ in nil })
            var start = 0
            while start < wire.count {
                let end = min(wire.count, start + Int.random(in: 1...12, using: &generator))
                run.feed(wire[start..<end])
                start = end
            }
            let events = run.takeEvents()
            #expect(events.suffix(2) == ["S 250 2.0.0 Ok: queued as 1", "S 250 2.0.0 Ok"], "seed \(seed)")
            #expect(
                events.contains("! message <a@own.example> <b@d.example> '\(content.escaped(limit: 300))'"),
                "seed \(seed)")
        }
    }

    /// A subject that has begun already.
    private struct Prepared: TranscriptSubject {
        var subject: SubmissionSubject
        mutating func begin(into output: inout ByteBuffer) {}
        mutating func receive(_ bytes: inout ByteBuffer) { subject.receive(&bytes) }
        mutating func nextAction(into output: inout ByteBuffer) -> String? { subject.nextAction(into: &output) }
        mutating func answer(_ action: String, with answer: String?, into output: inout ByteBuffer) {
            subject.answer(action, with: answer, into: &output)
        }
    }
}
