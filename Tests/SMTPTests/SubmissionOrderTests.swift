import NIOCore
import Testing

@testable import SMTP

/// The order of commands, pipelining, and clients that do nothing useful.
struct SubmissionOrderTests {
    private func check(
        _ start: SubmissionSubject.Start, _ text: String, _ location: SourceLocation = #_sourceLocation
    ) {
        Transcript(text).check({ SubmissionSubject(start) }, location)
    }

    @Test func `commands out of order are refused and change nothing`() {
        check(
            .authenticated,
            #"""
            C RCPT TO:<b@d.example>
            S 503 5.5.1 Send MAIL first
            C DATA
            S 503 5.5.1 Send MAIL first
            C MAIL FROM:<a@own.example>
            S 250 2.1.0 Sender ok
            C DATA
            S 503 5.5.1 Send RCPT first
            C MAIL FROM:<other@own.example>
            S 503 5.5.1 A mail transaction is already open
            C RCPT TO:<b@d.example>
            S 250 2.1.5 Recipient ok
            C DATA
            S 354 End data with <CR><LF>.<CR><LF>
            C x
            C .
            ! message <a@own.example> <b@d.example> 'x\x0d\x0a'
            S 250 2.0.0 Ok: queued as 1
            C RCPT TO:<b@d.example>
            S 503 5.5.1 Send MAIL first
            """#)
    }

    @Test func `RSET, EHLO and HELO end a transaction`() {
        for (command, reply) in [
            ("RSET", "S 250 2.0.0 Ok"), ("HELO x", "S 250 mx.example"),
            (
                "EHLO x",
                "S 250-mx.example\nS 250-PIPELINING\nS 250-SIZE 1000\nS 250-8BITMIME\nS 250-BINARYMIME\n"
                    + "S 250-CHUNKING\nS 250-SMTPUTF8\nS 250-DSN\nS 250-ENHANCEDSTATUSCODES\nS 250-LIMITS RCPTMAX=4\n"
                    + "S 250 AUTH PLAIN LOGIN SCRAM-SHA-256"
            ),
        ] {
            check(
                .transaction,
                """
                C RCPT TO:<b@d.example>
                S 250 2.1.5 Recipient ok
                C \(command)
                \(reply)
                C RCPT TO:<b@d.example>
                S 503 5.5.1 Send MAIL first
                C MAIL FROM:<a@own.example>
                S 250 2.1.0 Sender ok
                """)
        }
    }

    @Test func `before AUTH only what needs no identity is served`() {
        for (command, reply) in [
            ("MAIL FROM:<a@own.example>", "530 5.7.0 Authentication required"),
            ("RCPT TO:<a@own.example>", "530 5.7.0 Authentication required"),
            ("DATA", "530 5.7.0 Authentication required"),
            ("VRFY root", "530 5.7.0 Authentication required"),
            ("EXPN staff", "530 5.7.0 Authentication required"),
            ("ETRN x", "530 5.7.0 Authentication required"),
            ("NOOP", "250 2.0.0 Ok"), ("RSET", "250 2.0.0 Ok"), ("HELP", "214 2.0.0 See RFC 5321 and RFC 6409"),
        ] {
            check(.secured, "C \(command)\nS \(reply)")
        }
    }

    @Test func `what we know and have not, what tells nothing, and what we do not know`() {
        check(
            .authenticated,
            #"""
            C VRFY root
            S 252 2.0.0 Send some mail and it will be tried
            C VRFY nobody
            S 252 2.0.0 Send some mail and it will be tried
            C EXPN staff
            S 502 5.5.1 Command not implemented
            C ETRN d.example
            S 502 5.5.1 Command not implemented
            C TURN
            S 502 5.5.1 Command not implemented
            C HELP MAIL
            S 214 2.0.0 See RFC 5321 and RFC 6409
            C LHLO x
            S 500 5.5.2 Command not recognised
            C FROBNICATE
            S 500 5.5.2 Command not recognised
            C
            S 500 5.5.2 Command not recognised
            C  NOOP
            S 500 5.5.2 Command not recognised
            C noop with text
            S 250 2.0.0 Ok
            C NoOp  \c
            C
            S 250 2.0.0 Ok
            C RSET now
            S 501 5.5.4 This command takes no argument
            C QUIT now
            S 501 5.5.4 This command takes no argument
            C EHLO
            S 501 5.5.4 Give a host name or an address literal
            C EHLO a b
            S 501 5.5.4 Give a host name or an address literal
            C HELO <script>
            S 501 5.5.4 Give a host name or an address literal
            C HELO [127.0.0.1]
            S 250 mx.example
            C HELO [IPv6:::1]
            S 250 mx.example
            C HELO my_host
            S 250 mx.example
            """#)
    }

    @Test func `a whole session may be sent in one go`() {
        check(
            .secured,
            #"""
            C EHLO client.example
            C AUTH PLAIN AGEAYg==
            C MAIL FROM:<a@own.example>
            C RCPT TO:<b@d.example>
            C RCPT TO:<c@d.example>
            C DATA
            C x
            C .
            C MAIL FROM:<a@own.example>
            C RCPT TO:<d@d.example>
            C DATA
            C y
            C .
            C QUIT
            C NOOP
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
            S 235 2.7.0 Authentication succeeded
            S 250 2.1.0 Sender ok
            S 250 2.1.5 Recipient ok
            S 250 2.1.5 Recipient ok
            S 354 End data with <CR><LF>.<CR><LF>
            ! message <a@own.example> <b@d.example>,<c@d.example> 'x\x0d\x0a'
            S 250 2.0.0 Ok: queued as 1
            S 250 2.1.0 Sender ok
            S 250 2.1.5 Recipient ok
            S 354 End data with <CR><LF>.<CR><LF>
            ! message <a@own.example> <d@d.example> 'y\x0d\x0a'
            S 250 2.0.0 Ok: queued as 1
            S 221 2.0.0 Bye
            ! close
            """#)
    }

    @Test func `nothing is read while a question is open`() {
        var dialogue = SubmissionSubject(.authenticated)
        var output = ByteBuffer()
        dialogue.begin(into: &output)
        output.clear()
        var bytes = ByteBuffer(string: "MAIL FROM:<a@own.example>\r\nRCPT TO:<b@d.example>\r\nQUIT\r\n")
        dialogue.receive(&bytes)
        #expect(dialogue.nextAction(into: &output) == "sender <a@own.example>")
        #expect(dialogue.dialogue.isAwaitingAnswer)
        #expect(dialogue.nextAction(into: &output) == nil)
        #expect(output.readableBytes == 0)
        dialogue.dialogue.allow(into: &output)
        #expect(String(buffer: output) == "250 2.1.0 Sender ok\r\n")
        #expect(dialogue.nextAction(into: &output) == "recipient <b@d.example> 1")
    }

    // MARK: Refusals and what is pipelined behind them

    @Test func `some recipients refused: the message goes to the others`() {
        check(
            .transaction,
            #"""
            = recipient <no@d.example> => refuse 550 5.1.1 No.
            C RCPT TO:<no@d.example>
            C RCPT TO:<b@d.example>
            C RCPT TO:<broken@@d.example>
            C DATA
            C x
            C .
            S 550 5.1.1 No.
            S 250 2.1.5 Recipient ok
            S 501 5.1.3 Recipient address is malformed
            S 354 End data with <CR><LF>.<CR><LF>
            ! message <a@own.example> <b@d.example> 'x\x0d\x0a'
            S 250 2.0.0 Ok: queued as 1
            """#)
    }

    @Test func `all recipients refused: DATA is, and the message pipelined behind it sends no mail`() {
        check(
            .transaction,
            #"""
            = recipient <no@d.example> => refuse 550 5.1.1 No.
            C RCPT TO:<no@d.example>
            C DATA
            C Subject: a message
            C RSET
            C MAIL FROM:<x@own.example>
            C RCPT TO:<victim@d.example>
            C DATA
            C smuggled
            C .
            C RSET
            C MAIL FROM:<a@own.example>
            S 550 5.1.1 No.
            S 554 5.5.1 No valid recipients
            S 500 5.5.2 Command not recognised
            S 503 5.5.1 DATA was refused and message text followed; close and start again
            S 503 5.5.1 DATA was refused and message text followed; close and start again
            S 503 5.5.1 DATA was refused and message text followed; close and start again
            S 503 5.5.1 DATA was refused and message text followed; close and start again
            S 500 5.5.2 Command not recognised
            S 500 5.5.2 Command not recognised
            S 250 2.0.0 Ok
            S 250 2.1.0 Sender ok
            """#)
    }

    @Test func `all recipients refused, one of them for now: DATA and BDAT are, for now`() {
        for command in ["C DATA", "C BDAT 4 LAST\\r\\nhi"] {
            check(
                .transaction,
                """
                = recipient <no@d.example> => refuse 550 5.1.1 No.
                = recipient <later@d.example> => refuse 450 4.7.1 Later.
                C RCPT TO:<later@d.example>
                C RCPT TO:<no@d.example>
                \(command)
                S 450 4.7.1 Later.
                S 550 5.1.1 No.
                S 450 4.5.1 No recipient was taken for now; please try again later
                """)
        }
    }

    @Test func `sender refused: the message pipelined behind it sends no mail, and a long one ends the session`() {
        check(
            .authenticated,
            #"""
            = sender <x@other.example> => refuse 550 5.7.1 Not yours.
            C MAIL FROM:<x@other.example>
            C RCPT TO:<b@d.example>
            C DATA
            C From: x@other.example
            C MAIL FROM:<a@own.example>
            \#((1...30).map { "C text \($0)" }.joined(separator: "\n"))
            C .
            S 550 5.7.1 Not yours.
            S 503 5.5.1 Send MAIL first
            S 503 5.5.1 Send MAIL first
            S 500 5.5.2 Command not recognised
            S 503 5.5.1 DATA was refused and message text followed; close and start again
            \#((1...14).map { _ in "S 500 5.5.2 Command not recognised" }.joined(separator: "\n"))
            S 421 4.7.0 Too many errors; closing
            ! close
            """#)
    }

    @Test func `MAIL put off: a message pipelined behind it is no error of the client's, and more than one is`() {
        // Four recipients and DATA, as often as MAIL is tried; then it goes on without MAIL.
        let message = (1...4).map { "C RCPT TO:<\($0)@d.example>" }.joined(separator: "\n") + "\nC DATA"
        let refused = (1...5).map { _ in "S 503 5.5.1 Send MAIL first" }.joined(separator: "\n")
        check(
            .authenticated,
            #"""
            = sender <later@own.example> => refuse 451 4.3.0 Later.
            \#((1...6).map { _ in "C MAIL FROM:<later@own.example>\n\(message)" }.joined(separator: "\n"))
            \#((1...25).map { _ in "C RCPT TO:<b@d.example>" }.joined(separator: "\n"))
            \#((1...6).map { _ in "S 451 4.3.0 Later.\n\(refused)" }.joined(separator: "\n"))
            \#((1...19).map { _ in "S 503 5.5.1 Send MAIL first" }.joined(separator: "\n"))
            S 421 4.7.0 Too many errors; closing
            ! close
            """#)
    }

    @Test func `a recipient over a cap fails the whole message, with one reply`() {
        check(
            .transaction,
            #"""
            = recipient <c@d.example> => fail 450 4.7.1 Daily cap of 1 recipients reached
            C RCPT TO:<b@d.example>
            ! recipient <b@d.example> 1
            S 250 2.1.5 Recipient ok
            C RCPT TO:<c@d.example>
            ! recipient <c@d.example> 2
            S 450 4.7.1 Daily cap of 1 recipients reached
            C RCPT TO:<d@d.example>
            S 450 4.7.1 Daily cap of 1 recipients reached
            C DATA
            S 450 4.7.1 Daily cap of 1 recipients reached
            C DATA
            S 450 4.7.1 Daily cap of 1 recipients reached
            C RSET
            S 250 2.0.0 Ok
            C MAIL FROM:<a@own.example>
            S 250 2.1.0 Sender ok
            C RCPT TO:<b@d.example>
            ! recipient <b@d.example> 1
            S 250 2.1.5 Recipient ok
            C DATA
            S 354 End data with <CR><LF>.<CR><LF>
            """#)
    }

    @Test func `the caller may refuse DATA and the message, and the session goes on`() {
        check(
            .transaction,
            #"""
            = data <a@own.example> <b@d.example> => refuse 451 4.3.0 Later.
            = message <a@own.example> <c@d.example> => refuse 554 5.6.0 No From field.
            C RCPT TO:<b@d.example>
            S 250 2.1.5 Recipient ok
            C DATA
            S 451 4.3.0 Later.
            C RSET
            S 250 2.0.0 Ok
            C MAIL FROM:<a@own.example>
            S 250 2.1.0 Sender ok
            C RCPT TO:<c@d.example>
            S 250 2.1.5 Recipient ok
            C DATA
            S 354 End data with <CR><LF>.<CR><LF>
            C x
            C .
            ! message <a@own.example> <c@d.example> 'x\x0d\x0a'
            S 554 5.6.0 No From field.
            C MAIL FROM:<a@own.example>
            S 250 2.1.0 Sender ok
            """#)
    }

    // MARK: Useless clients

    @Test func `the twentieth error ends the session`() {
        check(
            .greeted,
            (1...25).map { "C FOO \($0)" }.joined(separator: "\n") + "\n"
                + (1...19).map { _ in "S 500 5.5.2 Command not recognised" }.joined(separator: "\n")
                + "\nS 421 4.7.0 Too many errors; closing\n! close")
    }

    @Test func `addresses that are none are no errors of the session until they are more than a message may have`() {
        // (Four, here.)
        check(
            .transaction,
            (1...25).map { _ in "C RCPT TO:<b@[192.0.2.1]>" }.joined(separator: "\n") + "\n"
                + (1...23).map { _ in "S 550 5.1.2 Recipient address must have a domain name" }.joined(separator: "\n")
                + "\nS 421 4.7.0 Too many errors; closing\n! close")
    }

    @Test func `the twentieth refused secret ends the session too`() {
        check(
            .secured,
            "= authenticate => refuse 535 5.7.8 Authentication credentials invalid\n"
                + (1...21).map { _ in "C AUTH PLAIN AGEAYg==" }.joined(separator: "\n") + "\n"
                + (1...19).map { _ in "S 535 5.7.8 Authentication credentials invalid" }.joined(separator: "\n")
                + "\nS 421 4.7.0 Too many errors; closing\n! close")
    }

    @Test func `10,000 NOOPs pipelined get a hundred replies`() {
        for command in ["NOOP", "RSET", "HELP"] {
            var subject = SubmissionSubject(.greeted)
            var output = ByteBuffer()
            subject.begin(into: &output)
            output.clear()
            var bytes = ByteBuffer(string: String(repeating: "\(command)\r\n", count: 10_000))
            subject.receive(&bytes)
            #expect(subject.nextAction(into: &output) == "close")
            let lines = String(buffer: output).split(separator: "\r\n")
            #expect(lines.count == 100)
            #expect(lines.last == "421 4.7.0 Too many commands without mail; closing")
        }
    }

    @Test func `a message taken clears what was counted`() {
        let message = """
            C MAIL FROM:<a@own.example>
            C RCPT TO:<b@d.example>
            C DATA
            C x
            C .
            S 250 2.1.0 Sender ok
            S 250 2.1.5 Recipient ok
            S 354 End data with <CR><LF>.<CR><LF>
            ! message <a@own.example> <b@d.example> 'x\\x0d\\x0a'
            S 250 2.0.0 Ok: queued as 1
            """
        let errors = (1...15).map { _ in "C FOO\nS 500 5.5.2 Command not recognised" }.joined(separator: "\n")
        check(.authenticated, [message, errors, message, errors, message].joined(separator: "\n"))
    }

    // MARK: From outside

    @Test func `a session can be ended at any moment, also inside content`() {
        for text in [
            "", "MAIL FROM:<a@own.example>\r\n", "MAIL FROM:<a@own.example>\r\nRCPT TO:<b@d.example>\r\nDATA\r\nx",
        ] {
            var subject = SubmissionSubject(.authenticated)
            var output = ByteBuffer()
            subject.begin(into: &output)
            var bytes = ByteBuffer(string: text)
            subject.receive(&bytes)
            while let action = subject.nextAction(into: &output) { subject.answer(action, with: nil, into: &output) }
            output.clear()
            subject.dialogue.terminate(.shuttingDown, into: &output)
            subject.dialogue.terminate(.shuttingDown, into: &output)
            #expect(String(buffer: output) == "421 4.3.2 Service is shutting down; try again\r\n")
            var more = ByteBuffer(string: "\r\n.\r\nNOOP\r\n")
            subject.receive(&more)
            #expect(subject.nextAction(into: &output) == "close")
            #expect(subject.nextAction(into: &output) == nil)
            #expect(subject.dialogue.bufferedBytes == 0 && !subject.dialogue.isReceivingContent)
        }
    }

    @Test func `a cap that is said to many recipients ends no session, and those before it go`() {
        var subject = SubmissionSubject(.authenticated)
        var output = ByteBuffer()
        subject.begin(into: &output)
        func feed(_ text: String, _ answer: String?) {
            output.clear()
            var bytes = ByteBuffer(string: text)
            subject.receive(&bytes)
            while let action = subject.nextAction(into: &output) { subject.answer(action, with: answer, into: &output) }
        }
        feed("MAIL FROM:<a@own.example>\r\nRCPT TO:<b@d.example>\r\n", nil)
        for number in 0..<60 {
            feed("RCPT TO:<c\(number)@d.example>\r\n", "refuse 550 5.7.1 Daily cap reached.")
            #expect(String(buffer: output).hasPrefix("550 5.7.1 "), "\(number): \(String(buffer: output))")
        }
        feed("DATA\r\n", nil)
        #expect(String(buffer: output).hasPrefix("354 "))
    }

    @Test func `an answer that comes after the end is dropped`() {
        var subject = SubmissionSubject(.authenticated)
        var output = ByteBuffer()
        subject.begin(into: &output)
        var bytes = ByteBuffer(string: "MAIL FROM:<a@own.example>\r\n")
        subject.receive(&bytes)
        #expect(subject.nextAction(into: &output) == "sender <a@own.example>")
        subject.dialogue.terminate(.shuttingDown, into: &output)
        output.clear()
        subject.dialogue.allow(into: &output)
        subject.dialogue.refuse(.storeUnavailable, into: &output)
        #expect(output.readableBytes == 0)
        #expect(subject.nextAction(into: &output) == "close")
    }

    @Test func `it says where it stands`() {
        var subject = SubmissionSubject(.authenticated)
        var output = ByteBuffer()
        subject.begin(into: &output)
        func feed(_ text: String) {
            var bytes = ByteBuffer(string: text)
            subject.receive(&bytes)
            while let action = subject.nextAction(into: &output) { subject.answer(action, with: nil, into: &output) }
        }
        #expect(!subject.dialogue.isInTransaction && !subject.dialogue.isReceivingContent)
        feed("MAIL FROM:<a@own.example>\r\n")
        #expect(subject.dialogue.isInTransaction)
        feed("RCPT TO:<b@d.example>\r\nDATA\r\nabc")
        #expect(subject.dialogue.isReceivingContent && subject.dialogue.bufferedBytes == 3)
        feed("\r\n.\r\n")
        #expect(!subject.dialogue.isInTransaction && subject.dialogue.bufferedBytes == 0)
    }
}
