import NIOCore
import Testing

@testable import SMTP

/// Lines, content and their ends: what smuggling is made of.
struct SubmissionFramingTests {
    private func check(
        _ start: SubmissionSubject.Start, _ text: String, _ location: SourceLocation = #_sourceLocation
    ) {
        Transcript(text).check({ SubmissionSubject(start) }, location)
    }

    /// What looks like an end of data to some server, the defect's name, its line and octet. Line 1 is `x`.
    static let falseEnds: [(end: String, defect: String)] = [
        (#"x\n.\n"#, "LF without CR in line 1, octet 2"),
        (#"x\n.\r\n"#, "LF without CR in line 1, octet 2"),
        (#"x\r\n.\n"#, "LF without CR in line 2, octet 2"),
        (#"x\r.\r"#, "CR without LF in line 1, octet 2"),
        (#"x\r.\n"#, "CR without LF in line 1, octet 2"),
        (#"x\n.\r"#, "LF without CR in line 1, octet 2"),
        (#"x\r\n.\r"#, "CR without LF in line 2, octet 2"),
        (#"x\r.\r\n"#, "CR without LF in line 1, octet 2"),
        (#"x\r\n\0.\r\n"#, "NUL in line 2, octet 1"),
        (#"x\r\n.\0\r\n"#, "NUL in line 2, octet 2"),
        (#"x\r\n\r.\r\n"#, "CR without LF in line 2, octet 1"),
        (#"x\r\n.\r\r\n"#, "CR without LF in line 2, octet 2"),
    ]

    @Test(arguments: falseEnds)
    func `only CRLF dot CRLF ends content, and the octets that fake one are refused by name`(
        _ end: String, _ defect: String
    ) {
        check(
            .transaction,
            """
            C RCPT TO:<b@d.example>
            S 250 2.1.5 Recipient ok
            C DATA
            S 354 End data with <CR><LF>.<CR><LF>
            C \(end)\\c
            C MAIL FROM:<smuggled@own.example>
            C RCPT TO:<victim@d.example>
            C DATA
            C Subject: smuggled
            C
            C .
            S 550 5.6.0 \(defect); \(defect.hasPrefix("NUL") ? "no message holds one" : "lines must end in CRLF")
            C NOOP
            S 250 2.0.0 Ok
            """)
    }

    @Test func `a dot and a blank on a line of their own are content`() {
        check(
            .transaction,
            #"""
            C RCPT TO:<b@d.example>
            S 250 2.1.5 Recipient ok
            C DATA
            S 354 End data with <CR><LF>.<CR><LF>
            C x
            C . \c
            C
            C ..
            C ...
            C .y
            C .
            ! message <a@own.example> <b@d.example> 'x\x0d\x0a \x0d\x0a.\x0d\x0a..\x0d\x0ay\x0d\x0a'
            S 250 2.0.0 Ok: queued as 1
            """#)
    }

    @Test func `empty content ends at once`() {
        check(
            .transaction,
            #"""
            C RCPT TO:<b@d.example>
            S 250 2.1.5 Recipient ok
            C DATA
            S 354 End data with <CR><LF>.<CR><LF>
            C .
            ! message <a@own.example> <b@d.example> ''
            S 250 2.0.0 Ok: queued as 1
            """#)
    }

    @Test func `a line of 5,000 octets is taken whole and not split`() {
        let dialogue = #"""
            C RCPT TO:<b@d.example>
            S 250 2.1.5 Recipient ok
            C DATA
            S 354 End data with <CR><LF>.<CR><LF>
            C \{a*5000}
            C .
            ! message
            S 250 2.0.0 Ok: queued as 1
            """#
        let limits = SubmissionDialogue.SessionLimits(maxMessageSize: 10_000, maxRecipients: 4)
        var expected = Transcript(dialogue)
        let last = expected.exchanges.count - 1
        expected.exchanges[last].expected[0] =
            "! message <a@own.example> <b@d.example> '" + String(repeating: "a", count: 297) + "...'"
        expected.check { SubmissionSubject(.transaction, limits: limits) }
    }

    @Test func `a command ended by a bare LF or CR is no command`() {
        check(
            .authenticated,
            #"""
            C NOOP\nMAIL FROM:<a@own.example>
            S 500 5.5.2 Control characters or a broken line end
            C NOOP\rMAIL FROM:<a@own.example>
            S 500 5.5.2 Control characters or a broken line end
            C NOOP\r
            S 500 5.5.2 Control characters or a broken line end
            C NOOP
            S 250 2.0.0 Ok
            """#)
    }

    @Test func `control characters and octets over 127 make no command run`() {
        check(
            .transaction,
            #"""
            C NO\0OP
            S 500 5.5.2 Control characters or a broken line end
            C RCPT TO:<a\x1b[2J@d.example>
            S 500 5.5.2 Control characters or a broken line end
            C \xff\xfe
            S 500 5.5.2 Command not recognised
            C NOOP \xc3\xa4
            S 501 5.5.2 Octets over 127 in a command
            C EHLO \xc3\xa4
            S 501 5.5.4 Give a host name or an address literal
            C RSET
            S 250 2.0.0 Ok
            """#)
    }

    @Test func `a command line over 2,048 octets is refused and dropped to its CRLF`() {
        check(
            .authenticated,
            #"""
            C NOOP \{a*2041}
            S 250 2.0.0 Ok
            C NOOP \{a*2042}
            S 500 5.5.2 Line too long
            C MAIL FROM:<\{a*60000}@own.example>
            S 500 5.5.2 Line too long
            C NOOP
            S 250 2.0.0 Ok
            """#)
    }

    @Test func `64 KiB without a line end, or with one behind, end the session`() {
        check(
            .greeted,
            #"""
            C EHLO me\{a*65530}\c
            C \{b*10}
            C NOOP
            S 421 4.7.0 Line too long; closing
            ! close
            """#)
        check(
            .authenticated,
            #"""
            C \{\n*65536}\c
            C \r\n
            S 421 4.7.0 Line too long; closing
            ! close
            """#)
    }

    @Test func `an unfinished line holds no more than its limit`() {
        var subject = SubmissionSubject(.authenticated)
        var output = ByteBuffer()
        subject.begin(into: &output)
        for _ in 0..<60 {
            var piece = ByteBuffer(repeating: UInt8(ascii: "a"), count: 1000)
            subject.receive(&piece)
            _ = subject.nextAction(into: &output)
            #expect(subject.dialogue.bufferedBytes <= CommandReader.commandLimit)
        }
    }

    @Test func `a few octets of a line do not keep a large buffer alive`() {
        var reader = CommandReader()
        var large = ByteBuffer(repeating: UInt8(ascii: "a"), count: 100_000)
        large.clear()
        large.writeString("NOOP\r\nNO")
        reader.receive(&large)
        #expect(reader.next(limit: 2048) == .line(Array("NOOP".utf8)))
        #expect(reader.next(limit: 2048) == nil)
        #expect(reader.input.storageCapacity < 1024)
    }

    @Test func `content over the limit is read to its end, refused and not held`() {
        check(
            .transaction,
            #"""
            C RCPT TO:<b@d.example>
            S 250 2.1.5 Recipient ok
            C DATA
            S 354 End data with <CR><LF>.<CR><LF>
            C \{abcdefgh*124}abcdef
            C .
            ! message <a@own.example> <b@d.example> '\#(String(repeating: "abcdefgh", count: 38).prefix(297))...'
            S 250 2.0.0 Ok: queued as 1
            C MAIL FROM:<a@own.example>
            C RCPT TO:<b@d.example>
            C DATA
            S 250 2.1.0 Sender ok
            S 250 2.1.5 Recipient ok
            S 354 End data with <CR><LF>.<CR><LF>
            C \{abcdefgh*124}abcdefg
            C .
            S 552 5.3.4 Message size exceeds the limit of 1000 octets
            """#)
        var subject = SubmissionSubject(.transaction)
        var output = ByteBuffer()
        subject.begin(into: &output)
        var bytes = ByteBuffer(string: "RCPT TO:<b@d.example>\r\nDATA\r\n")
        subject.receive(&bytes)
        while let action = subject.nextAction(into: &output) { subject.answer(action, with: nil, into: &output) }
        for _ in 0..<1000 {
            var piece = ByteBuffer(repeating: UInt8(ascii: "a"), count: 1000)
            subject.receive(&piece)
            #expect(subject.nextAction(into: &output) == nil)
        }
        #expect(subject.dialogue.isReceivingContent)
        #expect(subject.dialogue.bufferedBytes == 0)
    }
}
