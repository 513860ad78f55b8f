import NIOCore
import Testing

@testable import SMTP

/// The relay's gate, for members of the pool and for everyone else.
struct RelayTranscriptTests {
    private func check(
        _ start: RelaySubject.Start, _ text: String, cut: Int = 1, _ location: SourceLocation = #_sourceLocation
    ) {
        Transcript(text).check({ RelaySubject(start) }, cut: cut, location)
    }

    // MARK: Strangers

    /// What open-relay testers try, each with every HELO: paths for MAIL and RCPT.
    static let tricks = [
        ("<>", "<relaytest@nmap.scanme.org>"), ("<antispam@relay.example>", "<relaytest@nmap.scanme.org>"),
        ("<antispam@[127.0.0.1]>", "<relaytest@nmap.scanme.org>"),
        ("<antispam@relay.example>", "<relaytest%nmap.scanme.org@relay.example>"),
        ("<antispam@relay.example>", "<relaytest%nmap.scanme.org@[127.0.0.1]>"),
        ("<antispam@relay.example>", "<\"relaytest@nmap.scanme.org\">"),
        ("<antispam@relay.example>", "<\"relaytest%nmap.scanme.org\">"),
        ("<antispam@relay.example>", "<relaytest@nmap.scanme.org@[127.0.0.1]>"),
        ("<antispam@relay.example>", "<\"relaytest@nmap.scanme.org\"@relay.example>"),
        ("<antispam@relay.example>", "<@[127.0.0.1]:relaytest@nmap.scanme.org>"),
        ("<antispam@relay.example>", "<@relay.example:relaytest@nmap.scanme.org>"),
        ("<antispam@relay.example>", "<nmap.scanme.org!relaytest>"),
        ("<antispam@relay.example>", "<nmap.scanme.org!relaytest@relay.example>"),
        ("<postmaster@relay.example>", "<Postmaster>"), ("no path", "nor here"),
        ("<a@own.example> AUTH=acme@submitter.invalid", "<b@d.example>"),
        ("<a@own.example> AUTH=<>", "<b@d.example> NOTIFY=NEVER"),
        ("<j\\xc3\\xb6rg@x.example>", "<j\\xc3\\xb6rg@x.example>"),
    ]

    @Test(arguments: tricks, [RelaySubject.Start.greeted, .stranger])
    func `a stranger is refused every sender and every recipient, before TLS and inside`(
        _ trick: (sender: String, recipient: String), _ start: RelaySubject.Start
    ) {
        let capabilities = """
            S 250-relay.example
            S 250-PIPELINING
            S 250-SIZE 1000
            S 250-8BITMIME
            S 250-BINARYMIME
            S 250-CHUNKING
            S 250-SMTPUTF8
            S 250-DSN
            """
        func greeting(_ extension: String?) -> String {
            let lines =
                ["ENHANCEDSTATUSCODES"] + (`extension`.map { [$0] } ?? []) + (start == .greeted ? ["STARTTLS"] : [])
            return capabilities + "\n"
                + lines.enumerated().map { "S 250\($0 == lines.count - 1 ? " " : "-")\($1)" }.joined(separator: "\n")
        }
        for (hello, answer) in [
            ("", ""), ("C HELO x\n", "S 250 relay.example\n"), ("C EHLO x\n", greeting("LIMITS RCPTMAX=1") + "\n"),
            ("C LHLO x\n", greeting(nil) + "\n"),
        ] {
            for (mail, rcpt) in [("MAIL FROM:", "RCPT TO:"), ("mail from:", "rCPT tO:")] {
                let shownSender = String(decoding: Transcript.octets(trick.sender[...]).dropLast(2), as: UTF8.self)
                    .escaped(limit: 200)
                let shownRecipient = String(
                    decoding: Transcript.octets(trick.recipient[...]).dropLast(2), as: UTF8.self
                )
                .escaped(limit: 200)
                let transcript = Transcript(
                    """
                    \(hello)C \(mail)\(trick.sender)
                    C \(rcpt)\(trick.recipient)
                    C DATA
                    C Subject: x
                    C .
                    C RSET
                    \(answer)S 550 5.7.1 Relaying denied
                    ! denied \(mail)\(shownSender)
                    S 550 5.7.1 Relaying denied
                    ! denied \(rcpt)\(shownRecipient)
                    S 503 5.5.1 Send MAIL first
                    S 500 5.5.2 Command not recognised
                    S 500 5.5.2 Command not recognised
                    S 250 2.0.0 Ok
                    """)
                transcript.check({ RelaySubject(start) }, cut: 13)
            }
        }
    }

    /// How many octets follow is in none of these lines, and no octet of them is a command.
    @Test(arguments: [
        "BDAT 6 LAST\\x09", "bdat\\x096", "BDAT 6 LAST\\r", "BDAT", "BDAT 6 LAST" + String(repeating: " ", count: 2050),
    ])
    func `a chunk whose command cannot be read ends the session`(_ line: String) {
        check(.esmtp, "C \(line)\nC RSET\nS 501 5.5.4 Syntax: BDAT octets [LAST]; closing\n! close")
        check(.esmtp, "C BDATA\\x09\nC RSET\nS 500 5.5.2 Control characters or a broken line end\nS 250 2.0.0 Ok")
    }

    @Test func `a stranger has no AUTH, no way round by EHLO, and is let go in the end`() {
        check(
            .greeted,
            #"""
            C AUTH PLAIN AGEAYg==
            S 538 5.7.11 Encryption required for authentication; use STARTTLS
            C STARTTLS
            S 220 2.0.0 Ready to start TLS
            ! startTLS
            C AUTH EXTERNAL =
            S 504 5.5.4 Authentication mechanism not supported
            C EHLO forwarder.example
            S 250-relay.example
            S 250-PIPELINING
            S 250-SIZE 1000
            S 250-8BITMIME
            S 250-BINARYMIME
            S 250-CHUNKING
            S 250-SMTPUTF8
            S 250-DSN
            S 250-ENHANCEDSTATUSCODES
            S 250 LIMITS RCPTMAX=1
            C AUTH EXTERNAL =
            S 504 5.5.4 Authentication mechanism not supported
            C STARTTLS
            S 503 5.5.1 TLS is already in use
            C MAIL FROM:<a@own.example> AUTH=acme@submitter.invalid
            S 550 5.7.1 Relaying denied
            ! denied MAIL FROM:<a@own.example> AUTH=acme@submitter.invalid
            C BDAT 6 LAST
            C abcd
            S 503 5.5.1 Send MAIL first
            C BDAT x
            S 501 5.5.4 Syntax: BDAT octets [LAST]; closing
            ! close
            """#)
        let lines =
            (1...100).map { _ in "C MAIL FROM:<>" }.joined(separator: "\n") + "\n"
            + (1...99).map { _ in "S 550 5.7.1 Relaying denied\n! denied MAIL FROM:<>" }.joined(separator: "\n")
        check(.stranger, lines + "\nS 421 4.7.0 Too many errors; closing\n! denied MAIL FROM:<>\n! close", cut: 31)
    }

    @Test func `what a stranger sends reaches the log escaped and cut`() {
        var subject = RelaySubject(.stranger)
        var output = ByteBuffer()
        subject.begin(into: &output)
        var bytes = ByteBuffer(
            bytes: Array("MAIL FROM:<\u{202e}".utf8) + Array(repeating: 0x61, count: 500) + [13, 10])
        subject.receive(&bytes)
        let action = subject.nextAction(into: &output) ?? ""
        #expect(action.hasPrefix("denied MAIL FROM:<\\xe2\\x80\\xaeaaa"))
        #expect(action.utf8.count <= 210)
    }

    @Test func `bytes in the clear behind STARTTLS end the session`() {
        var subject = RelaySubject(.greeted)
        var output = ByteBuffer()
        subject.begin(into: &output)
        output.clear()
        var bytes = ByteBuffer(string: "EHLO x\r\nSTARTTLS\r\nLHLO x\r\n")
        subject.receive(&bytes)
        #expect(subject.nextAction(into: &output) == "close")
        #expect(String(buffer: output).hasSuffix("\r\n554 5.5.0 Nothing may follow STARTTLS before TLS; closing\r\n"))
    }

    // MARK: Members

    @Test func `a member delivers by LMTP, with a reply for each recipient`() {
        check(
            .greeted,
            #"""
            = startTLS => member
            = message => 250 2.0.0 Filed|450 4.2.0 Later|550 5.1.1 No
            C LHLO forwarder.example
            S 250-relay.example
            S 250-PIPELINING
            S 250-SIZE 1000
            S 250-8BITMIME
            S 250-BINARYMIME
            S 250-CHUNKING
            S 250-SMTPUTF8
            S 250-DSN
            S 250-ENHANCEDSTATUSCODES
            S 250 STARTTLS
            C STARTTLS
            S 220 2.0.0 Ready to start TLS
            ! startTLS
            C MAIL FROM:<a@own.example> AUTH=acme@submitter.invalid
            S 503 5.5.1 Send EHLO first
            C LHLO forwarder.example
            S 250-relay.example
            S 250-PIPELINING
            S 250-SIZE 1000
            S 250-8BITMIME
            S 250-BINARYMIME
            S 250-CHUNKING
            S 250-SMTPUTF8
            S 250-DSN
            S 250-ENHANCEDSTATUSCODES
            S 250 AUTH EXTERNAL
            C MAIL FROM:<a@own.example> AUTH=acme@submitter.invalid SIZE=5 BODY=8BITMIME
            C RCPT TO:<a@d.example>
            C RCPT TO:<b@d.example>
            C RCPT TO:<bad>
            C RCPT TO:<c@d.example>
            C RCPT TO:<d@d.example>
            C DATA
            S 250 2.1.0 Sender ok
            S 250 2.1.5 Recipient ok
            S 250 2.1.5 Recipient ok
            S 501 5.1.3 Recipient address is malformed
            S 250 2.1.5 Recipient ok
            S 452 4.5.3 Too many recipients: a message may have 3; send the rest in another
            S 354 End data with <CR><LF>.<CR><LF>
            C ..x
            C .
            ! message acme <a@own.example> <a@d.example>,<b@d.example>,<c@d.example> '.x\x0d\x0a'
            S 250 2.0.0 Filed
            S 450 4.2.0 Later
            S 550 5.1.1 No
            C QUIT
            S 221 2.0.0 Bye
            ! close
            """#)
    }

    @Test func `in ESMTP a message has one recipient and one reply`() {
        check(
            .esmtp,
            #"""
            C EHLO forwarder.example
            S 250-relay.example
            S 250-PIPELINING
            S 250-SIZE 1000
            S 250-8BITMIME
            S 250-BINARYMIME
            S 250-CHUNKING
            S 250-SMTPUTF8
            S 250-DSN
            S 250-ENHANCEDSTATUSCODES
            S 250-LIMITS RCPTMAX=1
            S 250 AUTH EXTERNAL
            C MAIL FROM:<> AUTH=acme@submitter.invalid
            S 250 2.1.0 Sender ok
            C RCPT TO:<a@d.example>
            S 250 2.1.5 Recipient ok
            C RCPT TO:<b@d.example>
            S 452 4.5.3 Too many recipients: a message may have 1; send the rest in another
            C DATA
            S 354 End data with <CR><LF>.<CR><LF>
            C x
            C .
            ! message acme <> <a@d.example> 'x\x0d\x0a'
            S 250 2.0.0 Ok: queued as 1
            """#)
    }

    @Test(arguments: [
        "", " SIZE=1", " AUTH=<>", " AUTH=acme@submitter.example", " AUTH=acme", " AUTH=Acme@submitter.invalid",
        " AUTH=-acme@submitter.invalid", " AUTH=ac+3Bme@submitter.invalid", " AUTH=acme+0A@submitter.invalid",
        " AUTH=acme@submitter.invalid.example", " AUTH=a.b@submitter.invalid", " AUTH=", " AUTH",
        " AUTH=\(String(repeating: "a", count: 41))@submitter.invalid",
    ])
    func `a member that names no tenant is refused`(_ parameters: String) {
        check(
            .lmtp,
            """
            C MAIL FROM:<a@own.example>\(parameters)
            S \(parameters.hasSuffix("AUTH=") ? "501 5.5.4 Malformed or repeated parameter" : "550 5.7.1 Relaying denied")
            \(parameters.hasSuffix("AUTH=") ? "" : "! denied MAIL FROM:<a@own.example>\(parameters)\n")C RCPT TO:<b@d.example>
            S 503 5.5.1 Send MAIL first
            C DATA
            S 503 5.5.1 Send MAIL first
            """)
    }

    @Test func `xtext and forty letters are a tenant too`() {
        let name = "a0-" + String(repeating: "z", count: 37)
        check(
            .lmtp,
            """
            C MAIL FROM:<a@own.example> AUTH=\(name.replacing("-", with: "+2D"))@submitter.invalid
            S 250 2.1.0 Sender ok
            C RCPT TO:<b@d.example>
            C DATA
            C .
            S 250 2.1.5 Recipient ok
            S 354 End data with <CR><LF>.<CR><LF>
            ! message \(name) <a@own.example> <b@d.example> ''
            S 250 2.0.0 Ok: queued as 1
            """)
    }

    @Test func `order, parameters and addresses are held to, for members too`() {
        check(
            .lmtp,
            #"""
            C RCPT TO:<b@d.example>
            S 503 5.5.1 Send MAIL first
            C MAIL FROM:<a@own.example> AUTH=acme@submitter.invalid SIZE=1001
            S 552 5.3.4 Message size exceeds the limit of 1000 octets
            C MAIL FROM:<a@own.example> AUTH=acme@submitter.invalid X
            S 555 5.5.4 Parameter not recognised or not offered
            C MAIL FROM:<a@@own.example> AUTH=acme@submitter.invalid
            S 501 5.1.7 Sender address is malformed
            C MAIL FROM:<a@own.example> AUTH=acme@submitter.invalid
            S 250 2.1.0 Sender ok
            C DATA
            S 503 5.5.1 Send RCPT first
            C RCPT TO:<b@[10.0.0.1]>
            S 550 5.1.2 Recipient address must have a domain name
            C MAIL FROM:<a@own.example> AUTH=acme@submitter.invalid
            S 503 5.5.1 A mail transaction is already open
            C AUTH EXTERNAL =
            S 503 5.5.1 Bad sequence of commands
            C RSET
            S 250 2.0.0 Ok
            C DATA
            S 503 5.5.1 Send MAIL first
            """#)
    }

    @Test func `refused content is refused to each recipient`() {
        check(
            .lmtp,
            #"""
            C MAIL FROM:<a@own.example> AUTH=acme@submitter.invalid
            C RCPT TO:<a@d.example>
            C RCPT TO:<b@d.example>
            C DATA
            C x\ny
            C .
            S 250 2.1.0 Sender ok
            S 250 2.1.5 Recipient ok
            S 250 2.1.5 Recipient ok
            S 354 End data with <CR><LF>.<CR><LF>
            S 550 5.6.0 LF without CR in line 1, octet 2; lines must end in CRLF
            S 550 5.6.0 LF without CR in line 1, octet 2; lines must end in CRLF
            C MAIL FROM:<a@own.example> AUTH=acme@submitter.invalid
            C RCPT TO:<a@d.example>
            C RCPT TO:<b@d.example>
            C DATA
            C \{a*2000}
            C .
            S 250 2.1.0 Sender ok
            S 250 2.1.5 Recipient ok
            S 250 2.1.5 Recipient ok
            S 354 End data with <CR><LF>.<CR><LF>
            S 552 5.3.4 Message size exceeds the limit of 1000 octets
            S 552 5.3.4 Message size exceeds the limit of 1000 octets
            """#)
    }

    @Test func `AUTH EXTERNAL says again what the certificate said, and no more`() {
        check(
            .lmtp,
            #"""
            C AUTH EXTERNAL
            S 334 \#("")
            C *
            S 501 5.7.0 Authentication cancelled
            C AUTH EXTERNAL YWRtaW4=
            S 535 5.7.8 Authentication credentials invalid
            C AUTH EXTERNAL YWR
            S 501 5.5.2 Not valid base64
            C AUTH external
            S 334 \#("")
            C =
            S 501 5.5.2 Not valid base64
            C AUTH PLAIN AGEAYg==
            S 504 5.5.4 Authentication mechanism not supported
            C AUTH
            S 501 5.5.4 Syntax: AUTH mechanism [initial-response]
            C AUTH EXTERNAL =
            S 235 2.7.0 Authentication succeeded
            C AUTH EXTERNAL =
            S 503 5.5.1 Already authenticated
            C MAIL FROM:<a@own.example>
            S 550 5.7.1 Relaying denied
            ! denied MAIL FROM:<a@own.example>
            """#)
        check(
            .lmtp,
            #"""
            C AUTH external
            S 334 \#("")
            C
            S 235 2.7.0 Authentication succeeded
            C RSET
            S 250 2.0.0 Ok
            C AUTH EXTERNAL
            S 503 5.5.1 Already authenticated
            """#)
    }

    @Test func `it can be ended from outside, and no answer is written behind the end`() {
        var subject = RelaySubject(.lmtp)
        var output = ByteBuffer()
        subject.begin(into: &output)
        var bytes = ByteBuffer(
            string: "MAIL FROM:<> AUTH=acme@submitter.invalid\r\nRCPT TO:<a@d.example>\r\nDATA\r\n.\r\n")
        subject.receive(&bytes)
        #expect(subject.nextAction(into: &output)?.hasPrefix("message") == true)
        #expect(subject.dialogue.isAwaitingAnswer && subject.dialogue.isInTransaction)
        output.clear()
        subject.dialogue.terminate(.shuttingDown, into: &output)
        subject.dialogue.answer([.ok], into: &output)
        #expect(String(buffer: output) == "421 4.3.2 Service is shutting down; try again\r\n")
        #expect(subject.nextAction(into: &output) == "close")
    }
}
