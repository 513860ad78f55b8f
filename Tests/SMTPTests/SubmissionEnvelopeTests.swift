import NIOCore
import Testing

@testable import SMTP

/// Addresses and parameters on the wire.
struct SubmissionEnvelopeTests {
    private func check(
        _ start: SubmissionSubject.Start, _ text: String, _ location: SourceLocation = #_sourceLocation
    ) {
        Transcript(text).check({ SubmissionSubject(start) }, location)
    }

    @Test(arguments: [
        ("<a%b@c.example>", "a%b@c.example"), ("<b!a@c.example>", "b!a@c.example"),
        (#"<"a@b"@c.example>"#, #""a@b"@c.example"#), (#"<"a%b"@c.example>"#, "a%b@c.example"),
        (#"<"a b>c"@C.Example>"#, #""a b>c"@c.example"#), (#"<"a\\"b\\\\c"@c.example>"#, #""a\"b\\c"@c.example"#),
        ("<Case+Tag@XN--BCHER-KVA.example>", "Case+Tag@xn--bcher-kva.example"), ("<a@c>", "a@c"),
        ("<postmaster@c.example>", "postmaster@c.example"),
        ("<\(String(repeating: "l", count: 64))@c.example>", String(repeating: "l", count: 64) + "@c.example"),
        (
            "<a@\(String(repeating: "d", count: 63)).example>", "a@" + String(repeating: "d", count: 63) + ".example"
        ),
    ])
    func `a local part is the receiver's business: taken, quoted as needed, never rewritten`(
        _ path: String, _ mailbox: String
    ) {
        check(
            .transaction,
            """
            C RCPT TO:\(path)
            ! recipient <\(mailbox)> 1
            S 250 2.1.5 Recipient ok
            """)
    }

    static let malformed = [
        "a@c.example", "<a@c.example", "a@c.example>", "<>", "< >", "<abc>", "<a@>", "<@c.example>", "<a@b..c>",
        "<a@-b>",
        "<a@b->", "<a@b.>", "<a@.b>", "<a b@c.example>", "< a@c.example>", "<a@c.example >", " <a@c.example>",
        "<a@b@c.example>",
        "<.a@c.example>", "<a.@c.example>", "<a..b@c.example>", #"<"a@c.example>"#, #"<"a"b@c.example>"#,
        #"<a"b"@c.example>"#, "<a@b_c.example>", "<a@c.example>x", "<a@[127.0.0.1>", "<<a@c.example>>",
        "<a,b@c.example>",
        "<a@c.example,d@e.example>", "<\\xc0\\x80@c.example>", "<\\xed\\xa0\\x80@c.example>", "<\\xff@c.example>", "",
    ]

    @Test(arguments: malformed)
    func `what is no path is refused with the code of its command`(_ path: String) {
        func fault(_ command: String) -> String {
            path.hasPrefix("<") ? "is malformed" : "must stand in < and >, right behind \(command):"
        }
        if path != "<>" {
            check(.authenticated, "C MAIL FROM:\(path)\nS 501 5.1.7 Sender address \(fault("MAIL FROM"))")
        }
        check(.transaction, "C RCPT TO:\(path)\nS 501 5.1.3 Recipient address \(fault("RCPT TO"))")
    }

    @Test func `MAIL and RCPT need FROM and TO`() {
        check(.authenticated, "C MAIL\nS 501 5.5.4 Syntax: MAIL FROM:<address> [parameters]")
        check(.authenticated, "C MAIL <a@own.example>\nS 501 5.5.4 Syntax: MAIL FROM:<address> [parameters]")
        check(.transaction, "C RCPT FROM:<a@own.example>\nS 501 5.5.4 Syntax: RCPT TO:<address>")
        check(.authenticated, "C mail from:<a@own.example>\n! sender <a@own.example>\nS 250 2.1.0 Sender ok")
        check(.transaction, "C rcpt to:<B@d.example>\n! recipient <B@d.example> 1\nS 250 2.1.5 Recipient ok")
    }

    @Test(arguments: [
        String(repeating: "l", count: 65) + "@c.example", "a@" + String(repeating: "d", count: 64) + ".example",
        "a@" + (0..<70).map { _ in "ddd" }.joined(separator: ".") + ".example",
        String(repeating: "l", count: 60) + "@" + (0..<49).map { _ in "ddd" }.joined(separator: ".") + ".example",
    ])
    func `limits count octets`(_ mailbox: String) {
        check(.authenticated, "C MAIL FROM:<\(mailbox)>\nS 501 5.1.7 Sender address is too long")
        check(.transaction, "C RCPT TO:<\(mailbox)>\nS 501 5.1.3 Recipient address is too long")
    }

    @Test(arguments: ["a@[127.0.0.1]", "a@[IPv6:::1]", "a@127.0.0.1", "a@2130706433", "a@[x-tag:169.254.169.254]"])
    func `addresses at addresses are not taken`(_ mailbox: String) {
        check(.transaction, "C RCPT TO:<\(mailbox)>\nS 550 5.1.2 Recipient address must have a domain name")
        check(.authenticated, "C MAIL FROM:<\(mailbox)>\nS 550 5.1.8 Sender address must have a domain name")
    }

    @Test func `routes, Postmaster without a domain and addresses that are not ASCII`() {
        check(
            .transaction,
            #"""
            C RCPT TO:<@x.example,@y.example:a@c.example>
            S 553 5.1.3 Source routes are not taken
            C RCPT TO:<Postmaster>
            S 550 5.1.1 No such mailbox here; give a domain
            C RCPT TO:<j\xc3\xb6rg@c.example>
            S 553 5.6.7 Recipient address is not ASCII and MAIL had no SMTPUTF8
            C RCPT TO:<j@b\xc3\xbccher.example>
            S 553 5.6.7 Recipient address is not ASCII and MAIL had no SMTPUTF8
            C RSET
            S 250 2.0.0 Ok
            C MAIL FROM:<j\xc3\xb6rg@own.example>
            S 550 5.6.7 Sender address is not ASCII and SMTPUTF8 was not given
            C MAIL FROM:<@x.example:a@own.example>
            S 553 5.1.7 Source routes are not taken
            C MAIL FROM:<postmaster>
            S 501 5.1.7 Sender address is malformed
            """#)
    }

    @Test func `the null sender is the caller's to judge`() {
        check(
            .authenticated,
            #"""
            = sender <> => refuse 550 5.7.1 This account may not send bounces
            C MAIL FROM:<>
            ! sender <>
            S 550 5.7.1 This account may not send bounces
            """#)
        check(.authenticated, "C MAIL FROM:<> SIZE=1\n! sender <> SIZE=1\nS 250 2.1.0 Sender ok")
    }

    // MARK: Parameters

    @Test(arguments: [
        ("SIZE=1000", "250 2.1.0 Sender ok"), ("SIZE=1001", "552 5.3.4 Message size exceeds the limit of 1000 octets"),
        ("size=0", "250 2.1.0 Sender ok"),
        ("SIZE=99999999999999999999", "552 5.3.4 Message size exceeds the limit of 1000 octets"),
        ("SIZE=999999999999999999999", "501 5.5.4 Malformed or repeated parameter"),
        ("SIZE", "501 5.5.4 Malformed or repeated parameter"), ("SIZE=", "501 5.5.4 Malformed or repeated parameter"),
        ("SIZE=-1", "501 5.5.4 Malformed or repeated parameter"),
        ("SIZE=1k", "501 5.5.4 Malformed or repeated parameter"),
        ("SIZE=1 SIZE=1", "501 5.5.4 Malformed or repeated parameter"),
        ("SIZE=1 size=2", "501 5.5.4 Malformed or repeated parameter"),
        ("BODY=7BIT", "250 2.1.0 Sender ok"), ("body=8bitmime SIZE=3", "250 2.1.0 Sender ok"),
        ("BODY=BINARYMIME", "250 2.1.0 Sender ok"), ("BODY=BASE64", "501 5.5.4 Malformed or repeated parameter"),
        ("BODY", "501 5.5.4 Malformed or repeated parameter"),
        ("AUTH=<>", "250 2.1.0 Sender ok"), ("AUTH=other@else.example", "250 2.1.0 Sender ok"),
        ("AUTH=e+3Dmc2@else.example", "250 2.1.0 Sender ok"),
        ("AUTH=", "501 5.5.4 Malformed or repeated parameter"), ("AUTH", "501 5.5.4 Malformed or repeated parameter"),
        ("AUTH=nobody", "501 5.5.4 Malformed or repeated parameter"),
        ("AUTH=a+3@else.example", "501 5.5.4 Malformed or repeated parameter"),
        ("AUTH=a+3d@else.example", "501 5.5.4 Malformed or repeated parameter"),
        ("AUTH=a+0D+0Ab@else.example", "501 5.5.4 Malformed or repeated parameter"),
        ("AUTH=a+00@else.example", "501 5.5.4 Malformed or repeated parameter"),
        ("SMTPUTF8", "250 2.1.0 Sender ok"),
        ("SMTPUTF8=yes", "501 5.5.4 Malformed or repeated parameter"),
        ("SMTPUTF8 SMTPUTF8", "501 5.5.4 Malformed or repeated parameter"),
        ("RET=HDRS", "250 2.1.0 Sender ok"),
        ("ret=full", "250 2.1.0 Sender ok"),
        ("RET=HEADERS", "501 5.5.4 Malformed or repeated parameter"),
        ("RET", "501 5.5.4 Malformed or repeated parameter"),
        ("RET=FULL RET=FULL", "501 5.5.4 Malformed or repeated parameter"),
        ("ENVID=x", "250 2.1.0 Sender ok"),
        ("ENVID=a+2Bb+3Dc+20d", "250 2.1.0 Sender ok"),
        ("ENVID=x ENVID=x", "501 5.5.4 Malformed or repeated parameter"),
        ("ENVID", "501 5.5.4 Malformed or repeated parameter"),
        ("ENVID=", "501 5.5.4 Malformed or repeated parameter"),
        ("ENVID=a+0Ab", "501 5.5.4 Malformed or repeated parameter"),
        ("ENVID=a+0d", "501 5.5.4 Malformed or repeated parameter"),
        ("ENVID=a+00", "501 5.5.4 Malformed or repeated parameter"),
        ("ENVID=a+7F", "501 5.5.4 Malformed or repeated parameter"),
        ("ENVID=a+", "501 5.5.4 Malformed or repeated parameter"),
        ("ENVID=" + String(repeating: "x", count: 100), "250 2.1.0 Sender ok"),
        ("ENVID=" + String(repeating: "x", count: 101), "501 5.5.4 Malformed or repeated parameter"),
        ("REQUIRETLS", "555 5.5.4 Parameter not recognised or not offered"),
        ("X=y", "555 5.5.4 Parameter not recognised or not offered"),
        ("=x", "501 5.5.4 Malformed or repeated parameter"), ("X=a=b", "501 5.5.4 Malformed or repeated parameter"),
        ("-X=a", "501 5.5.4 Malformed or repeated parameter"),
        ("X=\\xc3\\xa4", "555 5.5.4 Parameter not recognised or not offered"),
    ])
    func `parameters of MAIL`(_ parameters: String, _ reply: String) {
        check(.authenticated, "C MAIL FROM:<a@own.example> \(parameters)\nS \(reply)\nC NOOP\nS 250 2.0.0 Ok")
    }

    @Test(arguments: [
        (#"NOTIFY=NEVER"#, "250 2.1.5 Recipient ok"),
        (#"notify=never"#, "250 2.1.5 Recipient ok"),
        (#"NOTIFY=SUCCESS,FAILURE,DELAY"#, "250 2.1.5 Recipient ok"),
        (#"NOTIFY=delay"#, "250 2.1.5 Recipient ok"),
        (#"NOTIFY=NEVER,SUCCESS"#, "501 5.5.4 Malformed or repeated parameter"),
        (#"NOTIFY=SUCCESS,NEVER"#, "501 5.5.4 Malformed or repeated parameter"),
        (#"NOTIFY=SUCCESS,SUCCESS"#, "501 5.5.4 Malformed or repeated parameter"),
        (#"NOTIFY="#, "501 5.5.4 Malformed or repeated parameter"),
        (#"NOTIFY"#, "501 5.5.4 Malformed or repeated parameter"),
        (#"NOTIFY=,"#, "501 5.5.4 Malformed or repeated parameter"),
        (#"NOTIFY=SUCCESS,"#, "501 5.5.4 Malformed or repeated parameter"),
        (#"NOTIFY=ALWAYS"#, "501 5.5.4 Malformed or repeated parameter"),
        (#"NOTIFY=NEVER NOTIFY=NEVER"#, "501 5.5.4 Malformed or repeated parameter"),
        (#"ORCPT=rfc822;b@d.example"#, "250 2.1.5 Recipient ok"),
        (#"ORCPT=RFC822;b+2Btag@d.example NOTIFY=FAILURE"#, "250 2.1.5 Recipient ok"),
        (#"ORCPT=b@d.example"#, "501 5.5.4 Malformed or repeated parameter"),
        (#"ORCPT=;b@d.example"#, "501 5.5.4 Malformed or repeated parameter"),
        (#"ORCPT=rfc822;"#, "501 5.5.4 Malformed or repeated parameter"),
        (#"ORCPT=x400;/S+3Dx/"#, "250 2.1.5 Recipient ok"), (#"ORCPT=unknown;b"#, "250 2.1.5 Recipient ok"),
        (#"ORCPT=x(400);b"#, "501 5.5.4 Malformed or repeated parameter"),
        (#"ORCPT=x400;b+0A"#, "501 5.5.4 Malformed or repeated parameter"),
        (#"ORCPT=rfc822;b+0D+0ARCPT"#, "501 5.5.4 Malformed or repeated parameter"),
        (#"ORCPT=rfc822;b+00"#, "501 5.5.4 Malformed or repeated parameter"),
        (#"ORCPT=rfc822;b+2"#, "501 5.5.4 Malformed or repeated parameter"),
        (#"ORCPT=rfc822;b+zz"#, "501 5.5.4 Malformed or repeated parameter"),
        (#"ORCPT"#, "501 5.5.4 Malformed or repeated parameter"),
        (#"ORCPT=utf-8;j\\x{F6}rg@d.example"#, "250 2.1.5 Recipient ok"),
        (#"ORCPT=utf-8;b@d.example"#, "250 2.1.5 Recipient ok"),
        (#"ORCPT=utf-8;"j\\x{20}\\x{F6}\\x{10FFFD}\\x{5C}\\x{2B}\\x{3D}"@d.example"#, "250 2.1.5 Recipient ok"),
        (#"ORCPT=rfc822;j+C3+B6rg@d.example"#, "501 5.5.4 Malformed or repeated parameter"),
        (#"ORCPT=utf-8;j\\x{D800}@d.example"#, "501 5.5.4 Malformed or repeated parameter"),
        (#"ORCPT=utf-8;j\\x{202E}@d.example"#, "501 5.5.4 Malformed or repeated parameter"),
        (#"ORCPT=utf-8;j\\x{0A}@d.example"#, "501 5.5.4 Malformed or repeated parameter"),
        (#"ORCPT=utf-8;j\\x{f6}@d.example"#, "501 5.5.4 Malformed or repeated parameter"),
        (#"ORCPT=utf-8;j\\xF6@d.example"#, "501 5.5.4 Malformed or repeated parameter"),
        (#"ORCPT=utf-8;j\xc3\xb6rg@d.example"#, "501 5.5.4 Malformed or repeated parameter"),
        (#"="#, "501 5.5.4 Malformed or repeated parameter"),
        ("ORCPT=rfc822;" + String(repeating: "x", count: 493), "250 2.1.5 Recipient ok"),
        ("ORCPT=rfc822;" + String(repeating: "x", count: 494), "501 5.5.4 Malformed or repeated parameter"),
        ("SIZE=1", "555 5.5.4 Parameter not recognised or not offered"),
        ("RET=FULL", "555 5.5.4 Parameter not recognised or not offered"),
    ])
    func `parameters of RCPT`(_ parameters: String, _ reply: String) {
        check(.transaction, "C RCPT TO:<b@d.example> \(parameters)\nS \(reply)\nC NOOP\nS 250 2.0.0 Ok")
    }

    @Test func `what SMTPUTF8 allows, and for its transaction only`() {
        check(
            .authenticated,
            #"""
            C MAIL FROM:<j\xc3\xb6rg@own.example> SIZE=3 SMTPUTF8
            ! sender <jörg@own.example> SIZE=3
            S 250 2.1.0 Sender ok
            C RCPT TO:<\xc3\xa4@b\xc3\xbccher.example> ORCPT=utf-8;\xc3\xa4@x
            ! recipient <ä@xn--bcher-kva.example> 1
            S 250 2.1.5 Recipient ok
            C RCPT TO:<a\xe2\x80\xaeb@c.example>
            S 501 5.1.3 Recipient address is malformed
            C RCPT TO:<u\xcc\x88@c.example>
            S 501 5.1.3 Recipient address is malformed
            C RSET
            S 250 2.0.0 Ok
            C MAIL FROM:<a@own.example>
            ! sender <a@own.example>
            S 250 2.1.0 Sender ok
            C RCPT TO:<\xc3\xa4@c.example>
            S 553 5.6.7 Recipient address is not ASCII and MAIL had no SMTPUTF8
            """#)
    }

    /// Postfix 3.7 types an address that was given to it without ORCPT by nothing but RFC 3461.
    @Test(arguments: [
        ("rfc822;j+C3+B6rg+2Ba+3D\\+20b@d.example", #"utf-8;j\x{F6}rg\x{2B}a\x{3D}\x{5C}\x{20}b@d.example"#),
        ("rfc822;+D0+BF@d.example", #"utf-8;\x{43F}@d.example"#),
        ("rfc822;" + String(repeating: "+D0+BF", count: 82), "utf-8;" + String(repeating: "п", count: 82)),
        ("rfc822;j+C3rg@d.example", nil), ("rfc822;u+CC+88@d.example", nil), ("rfc822;j+C3+B6+0A@d.example", nil),
        ("rfc822;a+E2+80+AEb@d.example", nil), ("rfc822;j\u{F6}rg@d.example", nil),
    ])
    func `an original recipient of octets over 127 is one of UTF-8`(_ value: String, _ kept: String?) throws {
        let read = { (value: String) in
            try RecipientArgument(
                parsing: Array("TO:<b@d.example> ORCPT=\(value)".utf8)[...], isInternationalized: true
            ).recipient.originalRecipient
        }
        let recipient = try? read(value)
        #expect(recipient == kept)
        if let kept { #expect(try read(kept) == kept, "it is not read as it is written") }
    }

    @Test func `the parameters reach the envelope as they mean`() throws {
        func octets(_ text: String) -> ArraySlice<UInt8> { Array(text.utf8)[...] }
        let mail = try MailArgument(
            parsing: octets("FROM:<a@own.example> RET=hdrs ENVID=a+2Bb+20c BODY=BinaryMIME SMTPUTF8"))
        #expect(
            mail.parameters
                == MailParameters(
                    body: .binaryMIME, isInternationalized: true, returnContent: .headers, envelopeID: "a+b c"))
        #expect(try MailArgument(parsing: octets("FROM:<a@own.example>")).parameters == MailParameters(body: .sevenBit))
        let recipient = try RecipientArgument(
            parsing: octets("TO:<b@d.example> NOTIFY=delay,SUCCESS ORCPT=rfc822;b+2Bc@d.example")
        ).recipient
        #expect(recipient.notify == [.success, .delay])
        #expect(recipient.originalRecipient == "rfc822;b+2Bc@d.example")
        let never = try RecipientArgument(parsing: octets("TO:<b@d.example> NOTIFY=NEVER")).recipient
        #expect(never.notify == .never)
        #expect(try RecipientArgument(parsing: octets("TO:<b@d.example>")).recipient.notify == nil)
    }

    @Test func `a client's AUTH parameter is told, and is no identity`() throws {
        let argument = try MailArgument(parsing: Array("FROM:<a@own.example> AUTH=e+3Dmc2@else.example".utf8)[...])
        #expect(argument.submitter == "e=mc2@else.example")
        // As curl says it.
        let bracketed = try MailArgument(parsing: Array("FROM:<a@own.example> AUTH=<b@else.example>".utf8)[...])
        #expect(bracketed.submitter == nil)
        check(
            .authenticated,
            "C MAIL FROM:<a@own.example> AUTH=<b@else.example\nS 501 5.5.4 Malformed or repeated parameter")
    }

    // MARK: Recipients

    @Test func `a recipient given twice gets 250 twice and is in the envelope once`() {
        check(
            .transaction,
            #"""
            C RCPT TO:<b@d.example>
            ! recipient <b@d.example> 1
            S 250 2.1.5 Recipient ok
            C RCPT TO:<b@D.EXAMPLE>
            S 250 2.1.5 Recipient ok
            C RCPT TO:<"b"@d.example>
            S 250 2.1.5 Recipient ok
            C RCPT TO:<B@d.example>
            ! recipient <B@d.example> 2
            S 250 2.1.5 Recipient ok
            C RCPT TO:<b+tag@d.example>
            ! recipient <b+tag@d.example> 3
            S 250 2.1.5 Recipient ok
            C DATA
            ! data <a@own.example> <b@d.example>,<B@d.example>,<b+tag@d.example>
            S 354 End data with <CR><LF>.<CR><LF>
            """#)
    }

    @Test func `more recipients than allowed are refused for now, and the accepted ones stand`() {
        check(
            .transaction,
            #"""
            C RCPT TO:<1@d.example>
            C RCPT TO:<2@d.example>
            C RCPT TO:<3@d.example>
            C RCPT TO:<4@d.example>
            C RCPT TO:<5@d.example>
            C RCPT TO:<4@d.example>
            C DATA
            C x
            C .
            S 250 2.1.5 Recipient ok
            S 250 2.1.5 Recipient ok
            S 250 2.1.5 Recipient ok
            S 250 2.1.5 Recipient ok
            S 452 4.5.3 Too many recipients: a message may have 4; send the rest in another
            S 250 2.1.5 Recipient ok
            S 354 End data with <CR><LF>.<CR><LF>
            ! message <a@own.example> <1@d.example>,<2@d.example>,<3@d.example>,<4@d.example> 'x\x0d\x0a'
            S 250 2.0.0 Ok: queued as 1
            """#)
    }

    @Test func `the envelope tells how the client came`() {
        var subject = SubmissionSubject(.secured)
        var output = ByteBuffer()
        subject.begin(into: &output)
        var bytes = ByteBuffer(
            string: "HELO old.example\r\nAUTH PLAIN AGEAYg==\r\nMAIL FROM:<a@own.example> SIZE=7 BODY=8BITMIME\r\n"
                + "RCPT TO:<b@d.example>\r\nDATA\r\n")
        subject.receive(&bytes)
        var envelope: SubmissionDialogue.Envelope?
        while let action = subject.dialogue.advance(into: &output) {
            if case .data(let found) = action { envelope = found }
            switch action {
            case .authenticate: subject.dialogue.authenticated(limits: SubmissionSubject.limits, into: &output)
            case .sender, .recipient, .data: subject.dialogue.allow(into: &output)
            case .startTLS, .authenticationResponse, .authenticationCancelled, .message, .close:
                Issue.record("\(action)")
            }
        }
        #expect(envelope?.heloName == "old.example")
        #expect(envelope?.isESMTP == false)
        #expect(envelope?.declaredSize == 7)
        #expect(envelope?.parameters.body == .eightBitMIME)
        #expect(envelope?.submitterParameter == nil)
    }
}
