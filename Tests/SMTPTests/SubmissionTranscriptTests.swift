import Testing

@testable import SMTP

struct SubmissionTranscriptTests {
    private func check(
        _ start: SubmissionSubject.Start, _ text: String, _ location: SourceLocation = #_sourceLocation
    ) {
        Transcript(text).check({ SubmissionSubject(start) }, location)
    }

    @Test func `a message goes from EHLO through STARTTLS and AUTH to its queue id`() {
        check(
            .greeted,
            #"""
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
            S 250 STARTTLS
            C STARTTLS
            S 220 2.0.0 Ready to start TLS
            ! startTLS
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
            C AUTH PLAIN AGEAYg==
            ! authenticate PLAIN '\x00a\x00b'
            S 235 2.7.0 Authentication succeeded
            C MAIL FROM:<a@own.example> SIZE=20 BODY=8BITMIME
            ! sender <a@own.example> SIZE=20
            S 250 2.1.0 Sender ok
            C RCPT TO:<b@d.example>
            ! recipient <b@d.example> 1
            S 250 2.1.5 Recipient ok
            C DATA
            ! data <a@own.example> <b@d.example>
            S 354 End data with <CR><LF>.<CR><LF>
            C Subject: x
            C
            C ..y
            C .
            ! message <a@own.example> <b@d.example> 'Subject: x\x0d\x0a\x0d\x0a.y\x0d\x0a'
            S 250 2.0.0 Ok: queued as 1
            C QUIT
            S 221 2.0.0 Bye
            ! close
            """#)
    }
}
