import NIOCore
import Testing

@testable import SMTP

/// STARTTLS, AUTH and what may come before them.
struct SubmissionSecurityTests {
    private func check(
        _ start: SubmissionSubject.Start, _ text: String, _ location: SourceLocation = #_sourceLocation
    ) {
        Transcript(text).check({ SubmissionSubject(start) }, location)
    }

    @Test func `before TLS nothing is served that needs it, and the rest is`() {
        check(
            .greeted,
            #"""
            C MAIL FROM:<a@own.example>
            S 530 5.7.0 Must issue a STARTTLS command first
            C RCPT TO:<a@own.example>
            S 530 5.7.0 Must issue a STARTTLS command first
            C DATA
            S 530 5.7.0 Must issue a STARTTLS command first
            C VRFY root
            S 530 5.7.0 Must issue a STARTTLS command first
            C EXPN staff
            S 530 5.7.0 Must issue a STARTTLS command first
            C AUTH PLAIN AGEAYg==
            S 538 5.7.11 Encryption required for authentication; use STARTTLS
            C AUTH LOGIN
            S 538 5.7.11 Encryption required for authentication; use STARTTLS
            C NOOP
            S 250 2.0.0 Ok
            C RSET
            S 250 2.0.0 Ok
            C HELP
            S 214 2.0.0 See RFC 5321 and RFC 6409
            C HELO client.example
            S 250 mx.example
            C MAIL FROM:<a@own.example> JUNK
            S 530 5.7.0 Must issue a STARTTLS command first
            C QUIT
            S 221 2.0.0 Bye
            ! close
            """#)
    }

    @Test func `STARTTLS takes no argument and comes once`() {
        check(
            .plaintext,
            #"""
            C STARTTLS now
            S 501 5.5.4 This command takes no argument
            C STARTTLS now
            C NOOP
            S 501 5.5.4 This command takes no argument
            S 250 2.0.0 Ok
            C starttls
            S 220 2.0.0 Ready to start TLS
            ! startTLS
            C STARTTLS
            S 503 5.5.1 TLS is already in use
            """#)
        check(
            .transaction,
            #"""
            C STARTTLS
            S 503 5.5.1 TLS is already in use
            C RCPT TO:<b@d.example>
            S 250 2.1.5 Recipient ok
            """#)
    }

    @Test func `what is sent in the clear behind STARTTLS is never acted on`() {
        var subject = SubmissionSubject(.plaintext)
        var output = ByteBuffer()
        subject.begin(into: &output)
        output.clear()
        var together = ByteBuffer(string: "STARTTLS\r\nEHLO evil\r\nAUTH PLAIN AGEAYg==\r\n")
        subject.receive(&together)
        #expect(subject.nextAction(into: &output) == "close")
        #expect(String(buffer: output) == "554 5.5.0 Nothing may follow STARTTLS before TLS; closing\r\n")

        subject = SubmissionSubject(.plaintext)
        subject.begin(into: &output)
        var command = ByteBuffer(string: "STARTTLS\r\n")
        subject.receive(&command)
        #expect(subject.nextAction(into: &output) == "startTLS")
        output.clear()
        var late = ByteBuffer(string: "EHLO evil\r\n")
        subject.receive(&late)
        #expect(late.readableBytes == 0)
        subject.dialogue.secured()
        #expect(subject.nextAction(into: &output) == nil)
        #expect(output.readableBytes == 0)
    }

    @Test func `half a command before TLS is no part of one inside`() {
        var subject = SubmissionSubject(.plaintext)
        var output = ByteBuffer()
        subject.begin(into: &output)
        output.clear()
        var bytes = ByteBuffer(string: "STARTTLS\r\nNO")
        subject.receive(&bytes)
        #expect(subject.nextAction(into: &output) == "close")
    }

    @Test func `after TLS everything said before is forgotten`() {
        check(
            .plaintext,
            #"""
            C STARTTLS
            S 220 2.0.0 Ready to start TLS
            ! startTLS
            C AUTH PLAIN AGEAYg==
            S 503 5.5.1 Send EHLO first
            C MAIL FROM:<a@own.example>
            S 530 5.7.0 Authentication required
            C EHLO client.example
            S 250-mx.example
            S 250-PIPELINING
            S 250-SIZE 100000
            S 250-8BITMIME
            S 250-BINARYMIME
            S 250-CHUNKING
            S 250-SMTPUTF8
            S 250-DSN
            S 250-ENHANCEDSTATUSCODES
            S 250-LIMITS RCPTMAX=100
            S 250 AUTH PLAIN LOGIN SCRAM-SHA-256
            """#)
    }

    @Test func `a TLS hello on the port that starts in the clear is answered by the close alone`() {
        check(.greeted, "C \\x16\\x03\\x01\\x02\\0\\x01\\0\\x01\\xfc\\x03\\x03\n! close")
    }

    @Test(arguments: [
        "GET / HTTP/1.1", "POST /mail HTTP/1.1", "CONNECT mx:25 HTTP/1.1", "Host: mx.example", "host:mx",
        "OPTIONS * HTTP/1.1",
    ])
    func `an HTTP request ends the session and is not reflected`(_ line: String) {
        for start in [SubmissionSubject.Start.greeted, .plaintext, .secured, .authenticated] {
            check(
                start,
                """
                C \(line)
                C Content-Length: 1
                C MAIL FROM:<a@own.example>
                S 421 4.7.0 This is an SMTP server; closing
                ! close
                """)
        }
    }

    @Test func `who talks before the greeting is not listened to`() {
        var subject = SubmissionSubject(.connected)
        var output = ByteBuffer()
        var bytes = ByteBuffer(string: "EHLO me\r\n")
        subject.receive(&bytes)
        #expect(subject.nextAction(into: &output) == nil)
        subject.dialogue.greeting(into: &output)
        #expect(String(buffer: output) == "554 5.5.0 The server speaks first; closing\r\n")
        #expect(subject.nextAction(into: &output) == "close")
        #expect(subject.nextAction(into: &output) == nil)
    }

    @Test func `the greeting names the host and carries no enhanced code`() {
        var dialogue = SubmissionDialogue(configuration: SubmissionSubject.configuration, security: .plaintext)
        var output = ByteBuffer()
        dialogue.greeting(into: &output)
        #expect(String(buffer: output) == "220 mx.example ESMTP Gatepost\r\n")
    }

    // MARK: AUTH

    @Test func `AUTH with a mechanism we have not, without one, or twice`() {
        check(
            .secured,
            #"""
            C AUTH
            S 501 5.5.4 Syntax: AUTH mechanism [initial-response]
            C AUTH CRAM-MD5
            S 504 5.5.4 Authentication mechanism not supported
            C AUTH SCRAM-SHA-256-PLUS
            S 504 5.5.4 Authentication mechanism not supported
            C auth plain AGEAYg==
            ! authenticate PLAIN '\x00a\x00b'
            S 235 2.7.0 Authentication succeeded
            C AUTH PLAIN AGEAYg==
            S 503 5.5.1 Already authenticated
            C MAIL FROM:<a@own.example>
            S 250 2.1.0 Sender ok
            C AUTH PLAIN AGEAYg==
            S 503 5.5.1 Already authenticated
            C RCPT TO:<b@d.example>
            S 250 2.1.5 Recipient ok
            """#)
    }

    @Test func `challenges and responses go back and forth`() {
        check(
            .secured,
            #"""
            = authenticate LOGIN => challenge Username:
            = response 'me' => challenge Password:
            = response 'pw' => refuse 535 5.7.8 Authentication credentials invalid
            = authenticate SCRAM-SHA-256 => challenge r=1
            = response 'c=biws' => challenge v=x
            C AUTH LOGIN
            ! authenticate LOGIN -
            S 334 VXNlcm5hbWU6
            C bWU=
            ! response 'me'
            S 334 UGFzc3dvcmQ6
            C cHc=
            ! response 'pw'
            S 535 5.7.8 Authentication credentials invalid
            C MAIL FROM:<a@own.example>
            S 530 5.7.0 Authentication required
            # The last step of SCRAM: an empty line is a response, not a command.
            C AUTH SCRAM-SHA-256 biwsbj1tZSxyPTE=
            ! authenticate SCRAM-SHA-256 'n,,n=me,r=1'
            S 334 cj0x
            C Yz1iaXdz
            ! response 'c=biws'
            S 334 dj14
            C
            ! response ''
            S 235 2.7.0 Authentication succeeded
            """#)
    }

    @Test func `an equals sign is an empty initial response`() {
        check(
            .secured,
            #"""
            = authenticate PLAIN '' => refuse 535 5.7.8 Authentication credentials invalid
            C AUTH PLAIN =
            ! authenticate PLAIN ''
            S 535 5.7.8 Authentication credentials invalid
            """#)
    }

    @Test(arguments: [
        "=AAA", "AAA=BBB=", "AGE AYg==", "AGEAYg=", "AGEAYg", "AGEAYh==", "AGEA*g==", "AGEAYg==AA==", "====", "A===",
        "AGEAYg==\\x80", "AGEAYg== ", " AGEAYg==",
    ])
    func `what is not strict base64 is refused before the mechanism sees it`(_ text: String) {
        if !text.hasSuffix(" ") {  // blanks at a command's end are dropped; inside an exchange they are not
            check(.secured, "C AUTH PLAIN \(text)\nS 501 5.5.2 Not valid base64\nC NOOP\nS 250 2.0.0 Ok")
        }
        check(
            .secured,
            """
            = authenticate PLAIN - => challenge
            C AUTH PLAIN
            S 334\u{20}
            C \(text)
            S 501 5.5.2 Not valid base64
            ! cancelled
            C NOOP
            S 250 2.0.0 Ok
            """)
    }

    @Test func `a star cancels, and the next line is a command again`() {
        check(
            .secured,
            """
            = authenticate LOGIN - => challenge Username:
            C AUTH LOGIN
            S 334 VXNlcm5hbWU6
            C *
            S 501 5.7.0 Authentication cancelled
            ! cancelled
            C NOOP
            S 250 2.0.0 Ok
            """)
    }

    @Test func `a response over 12,288 octets and an AUTH command over its limit end the exchange in step`() {
        check(
            .secured,
            #"""
            = authenticate LOGIN - => challenge Username:
            = response => refuse 535 5.7.8 Authentication credentials invalid
            C AUTH LOGIN
            S 334 VXNlcm5hbWU6
            C \{AAAA*3071}
            S 535 5.7.8 Authentication credentials invalid
            C AUTH LOGIN
            S 334 VXNlcm5hbWU6
            C \{AAAA*3072}
            S 500 5.5.6 Authentication line too long
            ! cancelled
            C AUTH PLAIN \{AAAA*600}
            S 500 5.5.6 Authentication line too long
            C NOOP
            S 250 2.0.0 Ok
            """#)
    }

    @Test func `64 KiB inside AUTH end the session and the exchange`() {
        check(
            .secured,
            #"""
            = authenticate LOGIN - => challenge Username:
            C AUTH LOGIN
            S 334 VXNlcm5hbWU6
            C \{A*65537}
            S 421 4.7.0 Line too long; closing
            ! cancelled
            ! close
            """#)
    }

    @Test func `a database that is away is no reason to doubt the secret`() {
        check(
            .secured,
            """
            = authenticate PLAIN => refuse 454 4.7.0 Authentication is not available just now; try again
            C AUTH PLAIN AGEAYg==
            S 454 4.7.0 Authentication is not available just now; try again
            C NOOP
            S 250 2.0.0 Ok
            """)
    }

    // MARK: Secrets

    @Test func `no description of a dialogue or an action shows what was sent in AUTH`() {
        let secret = "gp_secret"
        let encoded = String(decoding: Base64Text.encode(Array("\0me\0\(secret)".utf8)), as: UTF8.self)
        var dialogue = SubmissionDialogue(configuration: SubmissionSubject.configuration, security: .tls)
        var output = ByteBuffer()
        dialogue.greeting(into: &output)
        var bytes = ByteBuffer(string: "EHLO me\r\nAUTH PLAIN \(encoded)\r\nAUTH PLAIN \(encoded)")
        dialogue.receive(&bytes)
        guard let action = dialogue.advance(into: &output) else {
            Issue.record("AUTH asks")
            return
        }
        var shown = "\(dialogue) \(String(reflecting: dialogue)) \(action) \(String(reflecting: action))"
        dump(dialogue, to: &shown)
        dump(action, to: &shown)
        dump(SubmissionDialogue.Action.authenticationResponse(Array(secret.utf8)), to: &shown)
        shown += "\(SubmissionDialogue.Action.authenticationResponse(Array(secret.utf8)))"
        #expect(!shown.contains(secret) && !shown.contains(encoded))
        #expect(!shown.contains("\(Array(secret.utf8).first ?? 0), \(Array(secret.utf8)[1])"))
        let hex = encoded.utf8.prefix(4).map { String($0, radix: 16) }
        #expect(!shown.contains(hex.joined()) && !shown.contains(hex.joined(separator: " ")))
    }
}
