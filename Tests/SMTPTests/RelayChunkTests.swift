import Testing

@testable import SMTP

/// BDAT at the relay's gate, and what passes through with a message.
struct RelayChunkTests {
    private func check(
        _ start: RelaySubject.Start, _ text: String, _ location: SourceLocation = #_sourceLocation
    ) {
        Transcript(text).check({ RelaySubject(start) }, location)
    }

    private static let transaction = """
        C MAIL FROM:<a@own.example> AUTH=acme@submitter.invalid BODY=BINARYMIME SMTPUTF8 RET=HDRS ENVID=x
        S 250 2.1.0 Sender ok
        C RCPT TO:<\\xc3\\xa4@d.example> NOTIFY=SUCCESS ORCPT=rfc822;a@d.example
        S 250 2.1.5 Recipient ok

        """

    @Test func `§10 a stranger's chunks are swallowed, before TLS and inside, and never lead to mail`() {
        for start in [RelaySubject.Start.greeted, .stranger] {
            check(
                start,
                #"""
                C MAIL FROM:<a@own.example>
                S 550 5.7.1 Relaying denied
                ! denied MAIL FROM:<a@own.example>
                C BDAT 28 LAST\r\nMAIL FROM:<x@own.example>\r\nxC
                C NOOP
                S 503 5.5.1 Send MAIL first
                S 500 5.5.2 Command not recognised
                S 250 2.0.0 Ok
                """#)
        }
    }

    @Test func `in LMTP the last chunk has a reply for each recipient, any other one`() {
        check(
            .lmtp,
            "= message => 250 2.0.0 Filed|250 2.0.0 Filed\n" + Self.transaction + #"""
                C RCPT TO:<b@d.example>
                S 250 2.1.5 Recipient ok
                C BDAT 2\r\n\0\n\c
                S 250 2.0.0 2 octets received
                C BDAT 1 LAST\r\nx\c
                ! message acme <a@own.example> <ä@d.example>,<b@d.example> '\x00\x0ax'
                S 250 2.0.0 Filed
                S 250 2.0.0 Filed
                """#)
    }

    @Test func `a refused chunk ends the message, with as many replies as are awaited`() {
        check(
            .lmtp,
            #"""
            C MAIL FROM:<a@own.example> AUTH=acme@submitter.invalid
            S 250 2.1.0 Sender ok
            C RCPT TO:<a@d.example>
            S 250 2.1.5 Recipient ok
            C RCPT TO:<b@d.example>
            S 250 2.1.5 Recipient ok
            C BDAT 2\r\n\nx\c
            S 550 5.6.0 LF without CR in line 1, octet 1; lines must end in CRLF
            C BDAT 6 LAST\r\nQUIT
            S 503 5.5.1 A chunk of this message was refused; send RSET
            S 503 5.5.1 A chunk of this message was refused; send RSET
            C MAIL FROM:<a@own.example> AUTH=acme@submitter.invalid
            S 250 2.1.0 Sender ok
            C RCPT TO:<a@d.example>
            S 250 2.1.5 Recipient ok
            C RCPT TO:<b@d.example>
            S 250 2.1.5 Recipient ok
            C BDAT 0 LAST
            S 554 5.6.0 The message is empty
            S 554 5.6.0 The message is empty
            C NOOP
            S 250 2.0.0 Ok
            """#)
    }

    @Test func `binary mail never comes by DATA`() {
        check(.esmtp, Self.transaction + "C DATA\nS 503 5.5.1 BINARYMIME content comes by BDAT")
    }
}
