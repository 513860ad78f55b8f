import NIOCore
import Testing

@testable import SMTP

/// The forwarder's side against peers good and bad. C lines are ours, S lines the peer's.
struct DeliveryTranscriptTests {
    private func check(
        _ wire: DeliveryDialogue.Wire, tls: DeliveryDialogue.TLSRequirement = .none,
        _ transactions: [DeliveryDialogue.Transaction], _ text: String, _ location: SourceLocation = #_sourceLocation
    ) {
        Transcript(text, peer: "S").check({ DeliverySubject(wire, tls: tls, transactions) }, isClient: true, location)
    }

    private let one = DeliverySubject.transaction(["b@d.example"])
    private let three = DeliverySubject.transaction(["1@d.example", "2@d.example", "3@d.example"])

    /// Up to a greeted LMTP connection that pipelines.
    private let lmtp = """
        S 220 relay.example LMTP
        C LHLO forwarder.example
        S 250-relay.example
        S 250-PIPELINING
        S 250-SIZE 1000
        S 250 8BITMIME

        """
    private let threePipelined = """
        C MAIL FROM:<a@own.example> AUTH=acme@submitter.invalid SIZE=3
        C RCPT TO:<1@d.example>
        C RCPT TO:<2@d.example>
        C RCPT TO:<3@d.example>
        C DATA

        """
    private let onePlain = """
        S 220 mx.example ESMTP
        C EHLO forwarder.example
        S 250 mx.example
        C MAIL FROM:<a@own.example> AUTH=acme@submitter.invalid

        """

    // MARK: What should be

    @Test func `over LMTP with TLS: one write, and an outcome for each recipient`() {
        check(
            .lmtp, tls: .require,
            [
                DeliverySubject.transaction(
                    ["1@d.example", "2@d.example", "3@d.example"], content: ".x\r\n..\r\n\u{e4}", isEightBit: true),
                one,
            ],
            #"""
            S 220-relay.example
            S 220 LMTP
            C LHLO forwarder.example
            S 250-relay.example
            S 250-STARTTLS
            S 250 PIPELINING
            C STARTTLS
            S 220 2.0.0 Go
            ! startTLS
            C LHLO forwarder.example
            S 250-relay.example
            S 250-pipelining
            S 250-size 1000
            S 250-AUTH EXTERNAL
            S 250 8bitmime
            ! ready
            C MAIL FROM:<a@own.example> AUTH=acme@submitter.invalid SIZE=10 BODY=8BITMIME
            C RCPT TO:<1@d.example>
            C RCPT TO:<2@d.example>
            C RCPT TO:<3@d.example>
            C DATA
            S 250 2.1.0 Ok
            S 250 2.1.5 Ok
            S 450 4.2.1 Busy
            S 250 2.1.5 Ok
            S 354 Go
            ! sendContent
            C ..x
            C ...
            C ä
            C .
            S 250 2.0.0 Filed
            S 550 5.2.2 Full
            ! outcomes delivered 250, deferred 450, bounced 550
            ! ready
            C MAIL FROM:<a@own.example> AUTH=acme@submitter.invalid SIZE=3
            C RCPT TO:<b@d.example>
            C DATA
            S 250 2.1.0 Ok
            S 250 2.1.5 Ok
            S 354 Go
            ! sendContent
            C x
            C .
            S 250 2.0.0 Filed
            ! outcomes delivered 250
            ! ready
            C QUIT
            S 221 2.0.0 Bye
            """#)
    }

    @Test func `over SMTP without PIPELINING: one after another, one reply for all, 8-bit sent as it is`() {
        check(
            .smtp,
            [
                DeliverySubject.transaction(
                    ["1@d.example", "2@d.example", "3@d.example"], sender: "", submitter: nil, isEightBit: true)
            ],
            """
            S 220 mx.example ESMTP
            C EHLO forwarder.example
            S 250-mx.example
            S 250 HELP
            C MAIL FROM:<>
            S 250 ok
            C RCPT TO:<1@d.example>
            S 250 ok
            C RCPT TO:<2@d.example>
            S 550 no
            C RCPT TO:<3@d.example>
            S 251 will forward
            C DATA
            S 354 go
            C x
            C .
            S 250 ok
            ! outcomes delivered 250, bounced 550, delivered 250
            C QUIT
            """)
    }

    @Test func `a server without EHLO is greeted by HELO, where no TLS is required`() {
        check(
            .smtp, [one],
            """
            S 220 old
            C EHLO forwarder.example
            S 502 what
            C HELO forwarder.example
            S 250 SIZE
            C MAIL FROM:<a@own.example> AUTH=acme@submitter.invalid
            S 250 ok
            C RCPT TO:<b@d.example>
            """)
        check(
            .smtp, tls: .require, [one],
            """
            S 220 old
            C EHLO forwarder.example
            S 502 what
            ! failed 502 what (in reply to EHLO)
            """)
    }

    @Test func `STARTTLS that is not offered or refused is a failure that passes`() {
        check(
            .lmtp, tls: .require, [one],
            """
            S 220 relay.example
            C LHLO forwarder.example
            S 250 relay.example
            ! failed 454 4.7.0 STARTTLS is required and not offered (ours, at LHLO)
            """)
        check(
            .lmtp, tls: .require, [one],
            """
            S 220 relay.example
            C LHLO forwarder.example
            S 250-relay.example
            S 250 STARTTLS
            C STARTTLS
            S 454 4.7.0 no
            ! failed 454 4.7.0 no (in reply to STARTTLS)
            """)
    }

    @Test func `what came in the clear behind the answer to STARTTLS is never the server's word`() {
        var subject = DeliverySubject(.smtp, tls: .require, [])
        var output = ByteBuffer()
        for text in ["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n250-mx\r\n250 PIPELINING\r\n"] {
            var bytes = ByteBuffer(string: text)
            subject.receive(&bytes)
            guard let action = subject.nextAction(into: &output) else { continue }
            #expect(
                action == "failed 451 4.5.0 protocol error: bytes behind the answer to STARTTLS (ours, at STARTTLS)")
            return
        }
        Issue.record("the bytes were taken")
    }

    @Test func `the limit on recipients is told`() {
        var subject = DeliverySubject(.smtp, [])
        var output = ByteBuffer()
        var bytes = ByteBuffer(string: "220 mx\r\n")
        subject.receive(&bytes)
        _ = subject.dialogue.advance(into: &output)
        bytes = ByteBuffer(string: "250-mx\r\n250 LIMITS MAILMAX=5 RCPTMAX=1\r\n")
        subject.receive(&bytes)
        #expect(subject.dialogue.advance(into: &output) == .ready)
        #expect(subject.dialogue.capabilities?.recipientLimit == 1)
    }

    // MARK: Refusals

    @Test func `MAIL refused: everyone gets its reply, and RSET keeps the connection`() {
        check(
            .lmtp, [three, one],
            lmtp + threePipelined + """
                S 552 5.3.4 too big
                S 503 5.5.1 no
                S 503 5.5.1 no
                S 503 5.5.1 no
                S 503 5.5.1 no
                C RSET
                ! outcomes bounced 552, bounced 552, bounced 552
                S 250 2.0.0 Ok
                C MAIL FROM:<a@own.example> AUTH=acme@submitter.invalid SIZE=3
                C RCPT TO:<b@d.example>
                C DATA
                """)
        check(
            .smtp, [one],
            onePlain + """
                S 451 4.3.0 later
                C RSET
                ! outcomes deferred 451
                S 250 ok
                C QUIT
                """)
    }

    @Test func `a yes to RCPT behind a refused MAIL means nothing`() {
        check(
            .lmtp, [three],
            lmtp + threePipelined + """
                S 550 5.1.0 no
                S 250 2.1.5 Ok
                S 250 2.1.5 Ok
                S 250 2.1.5 Ok
                S 503 5.5.1 no
                C RSET
                ! outcomes bounced 550, bounced 550, bounced 550
                """)
    }

    @Test func `354 although all recipients were refused: a lone dot over SMTP`() {
        check(
            .smtp, [one],
            """
            S 220 mx.example ESMTP
            C EHLO forwarder.example
            S 250-mx.example
            S 250 PIPELINING
            C MAIL FROM:<a@own.example> AUTH=acme@submitter.invalid
            C RCPT TO:<b@d.example>
            C DATA
            S 250 ok
            S 550 5.1.1 no
            S 354 go
            C .
            S 250 taken
            C RSET
            ! outcomes bounced 550
            S 250 ok
            C QUIT
            """)
    }

    @Test func `354 although all recipients were refused: over LMTP nothing more can be told`() {
        check(
            .lmtp, [one],
            lmtp + """
                C MAIL FROM:<a@own.example> AUTH=acme@submitter.invalid SIZE=3
                C RCPT TO:<b@d.example>
                C DATA
                S 250 ok
                S 550 5.1.1 no
                S 354 go
                C .
                ! outcomes bounced 550
                ! failed 451 4.5.0 protocol error: 354 although no recipient was accepted (ours, at end of data)
                """)
    }

    @Test func `DATA refused: the accepted ones get its reply`() {
        check(
            .lmtp, [three],
            lmtp + threePipelined + """
                S 250 ok
                S 250 ok
                S 550 5.1.1 no
                S 250 ok
                S 451 4.3.0 later
                C RSET
                ! outcomes deferred 451, bounced 550, deferred 451
                """)
    }

    @Test func `552 to RCPT is 452, and to the content it is for good`() {
        check(
            .lmtp, [three],
            lmtp + threePipelined + """
                S 250 ok
                S 250 ok
                S 552 5.5.3 too many
                S 452 4.5.3 too many
                S 354 go
                C x
                C .
                S 552 5.3.4 too big
                ! outcomes bounced 552, deferred 552, deferred 452
                C QUIT
                """)
    }

    @Test func `what a relay refuses us for is no verdict on the message`() {
        check(
            .lmtp, [one],
            lmtp + """
                C MAIL FROM:<a@own.example> AUTH=acme@submitter.invalid SIZE=3
                C RCPT TO:<b@d.example>
                C DATA
                S 550 5.7.1 Relaying denied
                S 550 5.7.1 Relaying denied
                S 503 5.5.1 Send MAIL first
                C RSET
                ! outcomes deferred 550
                """)
        check(
            .smtp, [one],
            onePlain + """
                S 530 5.7.0 Must issue a STARTTLS command first
                C RSET
                ! outcomes deferred 530
                """)
        check(
            .smtp, [DeliverySubject.transaction(["b@d.example"], submitter: nil)],
            """
            S 220 mx.example ESMTP
            C EHLO forwarder.example
            S 250 mx.example
            C MAIL FROM:<a@own.example>
            S 250 ok
            C RCPT TO:<b@d.example>
            S 550 5.7.1 Relaying denied
            C RSET
            ! outcomes bounced 550
            """)
        // A relay of ours that somebody has made a smarthost: its gate says so to MAIL, whatever the message is.
        check(
            .smtp, [DeliverySubject.transaction(["b@d.example"], submitter: nil)],
            """
            S 220 mx.example ESMTP
            C EHLO forwarder.example
            S 250 mx.example
            C MAIL FROM:<a@own.example>
            S 550 5.7.1 Relaying denied
            C RSET
            ! outcomes deferred 550
            """)
    }

    // MARK: Hostile peers

    @Test(arguments: [
        ("354 go", "354 where none belongs"), ("354-a\\r\\n354 b", "354 where none belongs"),
        ("250-ok\\r\\n550 no", "reply code changes inside a reply"), ("250_ok", "no reply code"),
        ("2500 ok", "no reply code"),
        ("ok", "no reply code"), ("\\xff\\xfe\\x1b[2J", "no reply code"), ("150 wait", "no reply code"),
        ("650 what", "no reply code"), ("", "no reply code"), ("25", "no reply code"),
        ("334 bmV4dA==", "334 where none belongs"),
    ])
    func `what is no reply to MAIL defers everyone and ends the connection`(_ line: String, _ what: String) {
        check(
            .smtp, [one],
            onePlain + """
                S \(line)
                ! outcomes deferred 451
                ! failed 451 4.5.0 protocol error: \(what) (ours, at MAIL FROM)
                """)
    }

    @Test func `354 to a RCPT, 2xx to DATA and a reply too many deliver nothing`() {
        check(
            .lmtp, [three],
            lmtp + threePipelined + """
                S 250 ok
                S 550 5.1.1 no
                S 354 go
                S 250 ok
                S 250 ok
                ! outcomes bounced 550, deferred 451, deferred 451
                ! failed 451 4.5.0 protocol error: 354 where none belongs (ours, at RCPT TO)
                """)
        check(
            .lmtp, [three],
            lmtp + threePipelined + """
                S 250 ok
                S 250 ok
                S 550 5.1.1 no
                S 250 ok
                S 250 delivered
                ! outcomes deferred 451, bounced 550, deferred 451
                ! failed 451 4.5.0 protocol error: 250 to DATA (ours, at DATA)
                """)
    }

    @Test(arguments: [true, false], ["250 2.0.0 Filed\r\n", "250"])
    func `a reply that came before its content is none to it`(_ sends: Bool, _ early: String) {
        var subject = DeliverySubject(.lmtp, [one])
        var output = ByteBuffer()
        for text in ["220 relay\r\n", "250-relay\r\n250 PIPELINING\r\n", "250 ok\r\n250 ok\r\n354 go\r\n" + early] {
            var bytes = ByteBuffer(string: text)
            subject.receive(&bytes)
            while let action = subject.nextAction(into: &output), action != "sendContent" {
                subject.answer(action, with: nil, into: &output)
            }
        }
        output.clear()
        if sends { _ = subject.dialogue.sendContent(into: &output) }
        if !sends, early == "250" {
            #expect(subject.dialogue.closed().map(DeliverySubject.text) == "outcomes deferred 421")
        } else {
            #expect(subject.nextAction(into: &output) == "outcomes deferred 451")
            #expect(subject.nextAction(into: &output)?.hasPrefix("failed 451 4.5.0 protocol error") == true)
        }
        _ = subject.dialogue.sendContent(into: &output)
        #expect(output.readableBytes == 0)
    }

    @Test func `more LMTP replies than recipients end the connection, and take nothing back`() {
        check(
            .lmtp, [one, one],
            lmtp + """
                C MAIL FROM:<a@own.example> AUTH=acme@submitter.invalid SIZE=3
                C RCPT TO:<b@d.example>
                C DATA
                S 250 ok
                S 250 ok
                S 354 go
                C x
                C .
                S 250 ok
                ! outcomes delivered 250
                C MAIL FROM:<a@own.example> AUTH=acme@submitter.invalid SIZE=3
                C RCPT TO:<b@d.example>
                C DATA
                """)
        var subject = DeliverySubject(.lmtp, [])
        var output = ByteBuffer()
        for text in ["220 relay\r\n", "250 relay\r\n"] {
            var bytes = ByteBuffer(string: text)
            subject.receive(&bytes)
            _ = subject.nextAction(into: &output)
        }
        var bytes = ByteBuffer(string: "250 surplus\r\n")
        subject.receive(&bytes)
        #expect(
            subject.nextAction(into: &output)
                == "failed 451 4.5.0 protocol error: reply to nothing (ours, at nothing)")
    }

    @Test func `a goodbye that nobody asked for is heard with its reason`() {
        var subject = DeliverySubject(.lmtp, [three])
        var output = ByteBuffer()
        var actions: [String] = []
        for text in [
            "220 relay\r\n", "250-relay\r\n250 PIPELINING\r\n",
            "250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n421 4.7.0 The list is gone.\r\n",
        ] {
            var bytes = ByteBuffer(string: text)
            subject.receive(&bytes)
            while let action = subject.nextAction(into: &output) {
                actions.append(action)
                subject.answer(action, with: nil, into: &output)
            }
        }
        #expect(
            actions.suffix(2) == [
                "outcomes deferred 421, deferred 421, deferred 421",
                "failed 421 4.7.0 The list is gone. (in reply to DATA)",
            ])
    }

    @Test func `fewer LMTP replies than recipients: who has none is deferred`() {
        var subject = DeliverySubject(.lmtp, [three])
        var output = ByteBuffer()
        for text in [
            "220 relay\r\n", "250-relay\r\n250 PIPELINING\r\n", "250 ok\r\n250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n",
            "250 2.0.0 filed\r\n",
        ] {
            var bytes = ByteBuffer(string: text)
            subject.receive(&bytes)
            while let action = subject.nextAction(into: &output) { subject.answer(action, with: nil, into: &output) }
        }
        let outcomes = subject.dialogue.closed().map(DeliverySubject.text)
        #expect(outcomes == "outcomes delivered 250, deferred 421, bounced 550")
        #expect(
            subject.nextAction(into: &output) == "failed 421 4.4.2 the connection was lost (ours, at end of data)")
        #expect(subject.nextAction(into: &output) == nil)
        #expect(subject.dialogue.closed() == nil)
    }

    @Test func `a dropped connection at any reply delivers nobody`() {
        let script = [
            "220 relay\r\n", "250-relay\r\n", "250 PIPELINING\r\n", "250 ok\r\n", "250 ok\r\n250 ok\r\n", "250 ok\r\n",
            "354 go\r\n", "250",
        ]
        for count in 0...script.count {
            var subject = DeliverySubject(.lmtp, [three])
            var output = ByteBuffer()
            for text in script.prefix(count) {
                var bytes = ByteBuffer(string: text)
                subject.receive(&bytes)
                while let action = subject.nextAction(into: &output) {
                    subject.answer(action, with: nil, into: &output)
                }
            }
            var actions = [subject.dialogue.closed().map(DeliverySubject.text)]
            while let action = subject.nextAction(into: &output) { actions.append(action) }
            #expect(actions.last??.hasPrefix("failed 421 4.4.2 the connection was lost") == true)
            #expect(actions.count == (count < 3 ? 1 : 2))
            if count >= 3 { #expect(actions[0] == "outcomes deferred 421, deferred 421, deferred 421") }
        }
    }

    @Test func `421 at any point is the end, and final outcomes stand`() {
        check(.lmtp, [one], "S 421 4.3.2 not now\n! failed 421 4.3.2 not now (in reply to greeting)")
        check(.lmtp, [one], "S 554 5.3.2 never\n! failed 554 5.3.2 never (in reply to greeting)")
        check(
            .lmtp, [three],
            lmtp + threePipelined + """
                S 250 ok
                S 550 5.1.1 no
                S 421 4.3.2 bye
                ! outcomes bounced 550, deferred 421, deferred 421
                ! failed 421 4.3.2 bye (in reply to RCPT TO)
                """)
        check(
            .lmtp, [three],
            lmtp + threePipelined + """
                S 250 ok
                S 250 ok
                S 250 ok
                S 250 ok
                S 354 go
                C x
                C .
                S 250 2.0.0 filed
                S 421 4.3.2 bye
                ! outcomes delivered 250, deferred 421, deferred 421
                ! failed 421 4.3.2 bye (in reply to end of data)
                """)
    }

    @Test func `endless replies are cut off`() {
        let tooMany = (1...101).map { _ in "S 250-x" }.joined(separator: "\n")
        check(
            .smtp, [one],
            onePlain + """
                \(tooMany)
                ! outcomes deferred 451
                ! failed 451 4.5.0 protocol error: reply of too many lines (ours, at MAIL FROM)
                """)
        check(
            .smtp, [one],
            onePlain + #"""
                S 250 \{a*70000}
                ! outcomes deferred 451
                ! failed 451 4.5.0 protocol error: reply too long (ours, at MAIL FROM)
                """#)
    }

    @Test func `a long line is kept in part, shown escaped, and a bare LF ends one too`() {
        var reader = ReplyReader()
        var input = ByteBuffer(
            string: "550-5.1.1 one\n550-5.1.1 " + String(repeating: "a", count: 9000) + "\r\n550 5.1.1\n")
        guard case .reply(550, EnhancedCode(5, 1, 1)?, let lines) = reader.next(&input) else {
            Issue.record("no reply")
            return
        }
        #expect(lines.map(\.count) == [3, ReplyReader.maxLineLength - 10, 0])
        let reply = RemoteReply(
            code: 550, enhanced: nil, lines: [Array("a\u{1b}[2J\r\u{202e}".utf8)], command: "RCPT TO")
        #expect(reply.text == #"a\x1b[2J\x0d\xe2\x80\xae"#)
        #expect(RemoteReply(code: 550, enhanced: nil, lines: lines, command: "").text.utf8.count <= 1000)
    }

    @Test func `a connection that failed meanwhile takes no transaction, and says so`() {
        var subject = DeliverySubject(.lmtp, [])
        var output = ByteBuffer()
        for text in ["220 relay\r\n", "250 relay\r\n"] {
            var bytes = ByteBuffer(string: text)
            subject.receive(&bytes)
            _ = subject.nextAction(into: &output)
        }
        _ = subject.dialogue.closed()
        output.clear()
        subject.dialogue.deliver(three, into: &output)
        #expect(output.readableBytes == 0)
        #expect(subject.nextAction(into: &output) == "outcomes deferred 451, deferred 451, deferred 451")
    }

    @Test func `bytes that came before we spoke are no answer`() {
        var subject = DeliverySubject(.lmtp, [])
        var output = ByteBuffer()
        for text in ["220 relay\r\n", "250 relay\r\n"] {
            var bytes = ByteBuffer(string: text)
            subject.receive(&bytes)
            _ = subject.nextAction(into: &output)
        }
        output.clear()
        var early = ByteBuffer(string: "250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n")
        subject.receive(&early)
        subject.dialogue.deliver(one, into: &output)
        #expect(output.readableBytes == 0)
        #expect(subject.nextAction(into: &output) == "outcomes deferred 451")
    }
}
