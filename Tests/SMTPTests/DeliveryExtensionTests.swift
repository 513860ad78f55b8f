import NIOCore
import Testing

@testable import SMTP

/// What a next hop offers, used and respected: TLS as it comes, AUTH, DSN, SMTPUTF8, BINARYMIME, LIMITS.
@Suite struct DeliveryExtensionTests {
    private func check(
        _ make: @escaping () -> DeliverySubject, _ text: String, _ location: SourceLocation = #_sourceLocation
    ) {
        Transcript(text, peer: "S").check(make, isClient: true, location)
    }

    private static func plain(
        _ recipients: [String] = ["b@d.example"], content: String = "x\r\n", _ parameters: MailParameters = .init(),
        isEightBit: Bool = false
    ) -> DeliveryDialogue.Transaction {
        var one = DeliverySubject.transaction(recipients, content: content, submitter: nil, isEightBit: isEightBit)
        one.parameters = parameters
        return one
    }

    @Test func `capabilities are read whatever their case and order; nonsense is no limit`() {
        let lines = [
            "pipelining", "SIZE 1000", "8bitmime", "smtputf8", "DSN", "CHUNKING", "binarymime",
            "AUTH plain SCRAM-SHA-256",
            "LIMITS rcptmax=5 MAILMAX=0 RCPTDOMAINMAX=x FOO", "STARTTLS", "", "   ",
        ]
        let offered = DeliveryCapabilities(lines.map { Array($0.utf8) })
        #expect(offered.pipelining && offered.eightBitMIME && offered.smtpUTF8 && offered.dsn && offered.chunking)
        #expect(offered.binaryMIME && offered.startTLS && offered.size)
        #expect(offered.sizeLimit == 1000)
        #expect(offered.mechanisms == ["PLAIN", "SCRAM-SHA-256"])
        #expect(offered.recipientLimit == 5)
        #expect(offered.transactionLimit == nil && offered.recipientDomainLimit == nil)
        #expect(DeliveryCapabilities([Array("SIZE 0".utf8)]).sizeLimit == nil)
        #expect(!DeliveryCapabilities([Array("BINARYMIME".utf8)]).binaryMIME, "binary goes by BDAT alone")
    }

    @Test func `opportunistic TLS is used where it is offered, and done without where it is not or is refused`() {
        let hello = """
            S 220 mx.example ESMTP
            C EHLO forwarder.example

            """
        check(
            { DeliverySubject(.smtp, tls: .opportunistic, [Self.plain()]) },
            hello + """
                S 250-mx.example
                S 250 STARTTLS
                C STARTTLS
                S 220 go
                ! startTLS
                C EHLO forwarder.example
                S 250 mx.example
                ! ready
                C MAIL FROM:<a@own.example>
                """)
        check(
            { DeliverySubject(.smtp, tls: .opportunistic, [Self.plain()]) },
            hello + """
                S 250 mx.example
                ! ready
                C MAIL FROM:<a@own.example>
                """)
        check(
            { DeliverySubject(.smtp, tls: .opportunistic, [Self.plain()]) },
            hello + """
                S 250-mx.example
                S 250 STARTTLS
                C STARTTLS
                S 454 4.7.0 no
                ! ready
                C MAIL FROM:<a@own.example>
                """)
    }

    @Test func `AUTH with its initial response, a challenge and the proof`() {
        check(
            {
                var subject = DeliverySubject(.smtp, authenticates: true, [Self.plain()])
                subject.login = ("SCRAM-SHA-256", Array("first".utf8))
                return subject
            },
            """
            S 220 mx.example ESMTP
            C EHLO forwarder.example
            S 250-mx.example
            S 250 AUTH SCRAM-SHA-256
            ! authenticate
            C AUTH SCRAM-SHA-256 Zmlyc3Q=
            S 334 c2VydmVy
            ! challenge server
            C cmVzcG9uc2U=
            S 235 2.7.0 ok
            ! authenticated
            C MAIL FROM:<a@own.example>
            """)
    }

    @Test func `a login that fails, is not offered, is not proved or is no Base64 ends the connection before any mail`()
    {
        let hello = """
            S 220 mx.example ESMTP
            C EHLO forwarder.example
            S 250-mx.example
            S 250 AUTH PLAIN

            """
        func subject(_ change: (inout DeliverySubject) -> Void = { _ in }) -> DeliverySubject {
            var subject = DeliverySubject(.smtp, authenticates: true, [Self.plain()])
            subject.login = ("PLAIN", [1])
            change(&subject)
            return subject
        }
        check(
            { subject() },
            hello + """
                C AUTH PLAIN AQ==
                S 535 5.7.8 no
                ! failed 535 5.7.8 no (in reply to AUTH)
                """)
        check(
            { subject { $0.login = nil } },
            hello + "! failed 454 4.7.0 no way to log in (ours, at AUTH)")
        check(
            { subject { $0.isGenuine = false } },
            hello + """
                C AUTH PLAIN AQ==
                S 235 2.7.0 ok
                ! failed 454 4.7.0 the server has not proved that it knows the secret (ours, at AUTH)
                """)
        check(
            { subject() },
            hello + """
                C AUTH PLAIN AQ==
                S 334 =not=
                ! failed 451 4.5.0 protocol error: a challenge that is no Base64 (ours, at AUTH)
                """)
        check(
            { subject() },
            hello + """
                C AUTH PLAIN AQ==
                S 354 go
                ! failed 451 4.5.0 protocol error: 354 where none belongs (ours, at AUTH)
                """)
    }

    @Test func `an initial response that is too long for the command waits for the empty challenge`() {
        let long = [UInt8](repeating: 65, count: 450)
        check(
            {
                var subject = DeliverySubject(.smtp, authenticates: true, [Self.plain()])
                subject.login = ("PLAIN", long)
                return subject
            },
            """
            S 220 mx.example ESMTP
            C EHLO forwarder.example
            S 250-mx.example
            S 250 AUTH PLAIN
            C AUTH PLAIN
            S 334\(" ")
            C \(String(repeating: "QUFB", count: 150))
            S 235 2.7.0 ok
            C MAIL FROM:<a@own.example>
            """)
    }

    @Test func `where SMTPUTF8 is not offered ORCPT holds ASCII alone`() {
        var one = Self.plain(["b@d.example"], MailParameters(isInternationalized: true))
        one.recipients[0].originalRecipient = "utf-8;日本+2Bx@r.example"
        let message = one
        #expect(one.recipients[0].originalAddress(inASCII: true) == #"utf-8;\x{65E5}\x{672C}+2Bx@r.example"#)
        #expect(one.recipients[0].originalAddress(inASCII: false) == "utf-8;日本+2Bx@r.example")
        one.recipients[0].originalRecipient = "x400;/S+3Dx/"
        #expect(one.recipients[0].originalAddress(inASCII: true) == "x400; /S=x/")
        one.recipients[0].originalRecipient = "RFC822;b+2Bc@d.example"
        #expect(one.recipients[0].originalAddress(inASCII: true) == "rfc822; b+c@d.example")
        for (offer, original) in [
            ("250-DSN\nS 250 SMTPUTF8", "utf-8;日本+2Bx@r.example"),
            ("250 DSN", #"utf-8;\x{65E5}\x{672C}+2Bx@r.example"#),
        ] {
            check(
                { DeliverySubject(.smtp, [message]) },
                """
                S 220 mx.example ESMTP
                C EHLO forwarder.example
                S 250-mx.example
                S \(offer)
                C MAIL FROM:<a@own.example>\(offer.hasSuffix("8") ? " SMTPUTF8" : "")
                S 250 ok
                C RCPT TO:<b@d.example> ORCPT=\(original)
                """)
        }
    }

    @Test func `DSN, SMTPUTF8 and 8BITMIME go where they are offered, and nowhere else`() {
        let parameters = MailParameters(
            isInternationalized: true, returnContent: .headers, envelopeID: "QQ+1 =")
        var one = Self.plain(["b@d.example"], parameters, isEightBit: true)
        one.recipients[0].notify = [.success, .delay]
        one.recipients[0].originalRecipient = "rfc822;b@d.example"
        let message = one
        check(
            { DeliverySubject(.smtp, [message]) },
            """
            S 220 mx.example ESMTP
            C EHLO forwarder.example
            S 250-mx.example
            S 250-DSN
            S 250-8BITMIME
            S 250 SMTPUTF8
            C MAIL FROM:<a@own.example> BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+2B1+20+3D
            S 250 ok
            C RCPT TO:<b@d.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b@d.example
            """)
        check(
            { DeliverySubject(.smtp, [message]) },
            """
            S 220 mx.example ESMTP
            C EHLO forwarder.example
            S 250 mx.example
            C MAIL FROM:<a@own.example>
            S 250 ok
            C RCPT TO:<b@d.example>
            """)
    }

    @Test func `binary content goes as one chunk, its dots and line ends as they are`() {
        let message = Self.plain(["1@d.example", "2@d.example"], content: ".\r\n..x\r\n", .init(body: .binaryMIME))
        check(
            { DeliverySubject(.smtp, [message]) },
            """
            S 220 mx.example ESMTP
            C EHLO forwarder.example
            S 250-mx.example
            S 250-PIPELINING
            S 250-CHUNKING
            S 250 BINARYMIME
            C MAIL FROM:<a@own.example> BODY=BINARYMIME
            C RCPT TO:<1@d.example>
            C RCPT TO:<2@d.example>
            S 250 ok
            S 550 no
            S 250 ok
            ! sendContent
            C BDAT 8 LAST
            C .
            C ..x
            S 250 ok
            ! outcomes bounced 550, delivered 250
            C QUIT
            """)
    }

    @Test func `binary content whose recipients are all refused is not sent`() {
        let message = Self.plain(["1@d.example"], content: "x\r\n", .init(body: .binaryMIME))
        check(
            { DeliverySubject(.smtp, [message]) },
            """
            S 220 mx.example ESMTP
            C EHLO forwarder.example
            S 250-mx.example
            S 250-CHUNKING
            S 250 BINARYMIME
            C MAIL FROM:<a@own.example> BODY=BINARYMIME
            S 250 ok
            C RCPT TO:<1@d.example>
            S 550 no
            C RSET
            ! outcomes bounced 550
            """)
    }

    @Test func `after MAILMAX transactions the connection is used up`() {
        check(
            { DeliverySubject(.smtp, [Self.plain(), Self.plain()]) },
            """
            S 220 mx.example ESMTP
            C EHLO forwarder.example
            S 250-mx.example
            S 250 LIMITS MAILMAX=1
            C MAIL FROM:<a@own.example>
            S 250 ok
            C RCPT TO:<b@d.example>
            S 250 ok
            C DATA
            S 354 go
            C x
            C .
            S 250 ok
            ! outcomes delivered 250
            ! exhausted
            C QUIT
            """)
    }

    @Test func `each reply has its time (RFC 5321 §4.5.3.2)`() {
        var dialogue = DeliveryDialogue(wire: .smtp, hostname: "f.example", tls: .none)
        var output = ByteBuffer()
        func take(_ text: String) -> DeliveryDialogue.Action? {
            var bytes = ByteBuffer(string: text)
            dialogue.receive(&bytes)
            return dialogue.advance(into: &output)
        }
        #expect(dialogue.patience == 300)
        _ = take("220 mx\r\n")
        let ready = take("250 mx\r\n")
        #expect(ready == .ready)
        dialogue.deliver(Self.plain(), into: &output)
        #expect(dialogue.patience == 300, "MAIL")
        _ = take("250 ok\r\n")
        #expect(dialogue.patience == 300, "RCPT")
        _ = take("250 ok\r\n")
        #expect(dialogue.patience == 120, "DATA")
        let count = dialogue.replyCount
        let nothing = take("354")
        #expect(nothing == nil)
        #expect(dialogue.replyCount == count, "half a reply is none")
        let go = take(" go\r\n")
        #expect(go == .sendContent)
        let isLast = dialogue.sendContent(into: &output)
        #expect(isLast)
        #expect(dialogue.patience == 600, "the final dot")
    }

    @Test func `our own relay is given a minute, and all its time for what others have to say`() {
        var dialogue = DeliveryDialogue(wire: .lmtp, hostname: "f.example", tls: .none)
        var output = ByteBuffer()
        func take(_ text: String) {
            var bytes = ByteBuffer(string: text)
            dialogue.receive(&bytes)
            _ = dialogue.advance(into: &output)
        }
        #expect(dialogue.patience == 60)
        take("220 relay\r\n")
        take("250 relay\r\n")
        dialogue.deliver(Self.plain(), into: &output)
        #expect(dialogue.patience == 60, "MAIL")
        take("250 ok\r\n")
        take("250 ok\r\n")
        #expect(dialogue.patience == 60, "DATA")
        take("354 go\r\n")
        _ = dialogue.sendContent(into: &output)
        #expect(dialogue.patience == 600, "the final dot")
    }

    @Test func `content is written in pieces, and an answer that comes before its end is none`() {
        let line = String(repeating: "a", count: 998) + "\r\n"
        let message = Self.plain(content: "." + String(repeating: line, count: 1000))
        var subject = DeliverySubject(.smtp, [message])
        var output = ByteBuffer()
        for text in ["220 mx\r\n", "250 mx\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n"] {
            var bytes = ByteBuffer(string: text)
            subject.receive(&bytes)
            while let action = subject.nextAction(into: &output), action != "sendContent" {
                subject.answer(action, with: nil, into: &output)
            }
        }
        var whole = ByteBuffer()
        var pieces = 0
        var copy = subject
        // The transfer is a reference: the pieces are counted on one copy only.
        while true {
            var piece = ByteBuffer()
            let isLast = copy.dialogue.sendContent(into: &piece)
            #expect(piece.readableBytes < 300_000)
            whole.writeBuffer(&piece)
            pieces += 1
            if pieces == 2 {
                #expect(!isLast)
                var early = ByteBuffer(string: "250 2.0.0 thank you\r\n")
                copy.receive(&early)
                #expect(copy.nextAction(into: &output) == "outcomes deferred 451")
                break
            }
        }
        subject = copy
        output.clear()
        _ = subject.dialogue.sendContent(into: &output)
        #expect(output.readableBytes == 0)
    }
}
