import Testing

@testable import SMTP

/// §1, and what of §2 and §3 a dialogue decides alone.
struct ThreatFramingTests {
    /// What is no end of data, though some server once took it for one, and what is found in it: the first bare octet.
    private static let falseEnds = [
        (#"LF.LF"#, #"\n.\n"#, "LF without CR in line 1, octet 2"),
        (#"LF.CRLF"#, #"\n.\r\n"#, "LF without CR in line 1, octet 2"),
        (#"CRLF.LF"#, #"\r\n.\n"#, "LF without CR in line 2, octet 2"),
        (#"CR.CR"#, #"\r.\r"#, "CR without LF in line 1, octet 2"),
        (#"CR.LF"#, #"\r.\n"#, "CR without LF in line 1, octet 2"),
        (#"LF.CR"#, #"\n.\r"#, "LF without CR in line 1, octet 2"),
        (#"CRLF.CR"#, #"\r\n.\r"#, "CR without LF in line 2, octet 2"),
        (#"CR.CRLF"#, #"\r.\r\n"#, "CR without LF in line 1, octet 2"),
        (#"CRLF NUL . CRLF"#, #"\r\n\0.\r\n"#, "NUL in line 2, octet 1"),
        (#"CRLF . NUL CRLF"#, #"\r\n.\0\r\n"#, "NUL in line 2, octet 2"),
        (#"CRLF CR . CRLF"#, #"\r\n\r.\r\n"#, "CR without LF in line 2, octet 1"),
        (#"CRLF . CR CRLF"#, #"\r\n.\r\r\n"#, "CR without LF in line 2, octet 2"),
    ]

    static let ends = falseEnds.map { name, octets, found in
        ThreatCase.content(
            "§1 \(name) is no end of data", "x\(octets)MAIL FROM:<evil@own.example>\n.",
            "S 550 5.6.0 \(found); "
                + (found.hasPrefix("NUL") ? "no message holds one" : "lines must end in CRLF"))
    }

    static let lines = [
        ThreatCase.content(
            "§1 CRLF . SP CRLF is content", #"x\r\n. "# + "\n.",
            #"! message <a@own.example> <b@d.example> 'x\x0d\x0a \x0d\x0a'"# + "\nS 250 2.0.0 Ok: queued as 1"),
        ThreatCase.content(
            "§1 bare LF in the body", #"a: b\r\n\r\nx\ny"# + "\n.",
            "S 550 5.6.0 LF without CR in line 3, octet 2; lines must end in CRLF"),
        ThreatCase.content(
            "§1 bare CR in the header", #"a: b\rc: d"# + "\n.",
            "S 550 5.6.0 CR without LF in line 1, octet 5; lines must end in CRLF"),
        ThreatCase.recipient(
            "§1 lone dot lines inside BDAT are data",
            #"""
            C BDAT 6 LAST\r\nx\r\n.\r\n\c
            ! message <a@own.example> <b@d.example> 'x\x0d\x0a.\x0d\x0a'
            S 250 2.0.0 Ok: queued as 1
            """#),
        ThreatCase.recipient(
            "§1 content by BDAT that does not end in CRLF",
            #"""
            C BDAT 2 LAST\r\n.x\c
            ! message <a@own.example> <b@d.example> '.x'
            S 250 2.0.0 Ok: queued as 1
            """#),
        ThreatCase.recipient(
            "§1 bare LF inside BDAT",
            #"""
            C BDAT 3 LAST\r\n.x\n\c
            S 550 5.6.0 LF without CR in line 1, octet 3; lines must end in CRLF
            C NOOP
            S 250 2.0.0 Ok
            """#),
        ThreatCase.recipient(
            "§1 bare CR at the very end of BDAT",
            #"""
            C BDAT 2 LAST\r\nx\r\c
            S 550 5.6.0 CR without LF in line 1, octet 2; lines must end in CRLF
            """#),
        ThreatCase(
            "§1 a command line ended by a bare LF", .authenticated,
            "C NOOP\\nQUIT\nS 500 5.5.2 Control characters or a broken line end"),
        ThreatCase(
            "§1 a command line ended by a bare CR", .authenticated,
            "C NOOP\\rQUIT\nS 500 5.5.2 Control characters or a broken line end"),
        ThreatCase(
            "§1 NUL in a command", .authenticated, "C NO\\0OP\nS 500 5.5.2 Control characters or a broken line end"),
        ThreatCase(
            "§1 8-bit octets in a command", .authenticated,
            "C NOOP \\xe4\nS 501 5.5.2 Octets over 127 in a command\nC N\\xe4OP\nS 500 5.5.2 Command not recognised"),
        ThreatCase(
            "§1 a command line over the limit", .authenticated,
            "C NOOP \\{x*2042}\nC NOOP\nS 500 5.5.2 Line too long\nS 250 2.0.0 Ok"),
        ThreatCase(
            "§1 64 KiB without CRLF", .authenticated, "C \\{x*65537}\\c\nS 421 4.7.0 Line too long; closing\n! close"),
        ThreatCase.recipient(
            "§1 a text line of over 998 octets is taken as it is",
            """
            C BDAT 999 LAST\\r\\n\\{x*999}\\c
            ! message <a@own.example> <b@d.example> '\(String(repeating: "x", count: 297))...'
            S 250 2.0.0 Ok: queued as 1
            """),
        ThreatCase(
            "§2 HTTP, by its first line", .greeted,
            "C POST / HTTP/1.1\nC Host: mx.example\nS 421 4.7.0 This is an SMTP server; closing\n! close"),
        ThreatCase(
            "§2 HTTP, by its Host field", .greeted,
            "C Host: mx.example\nS 421 4.7.0 This is an SMTP server; closing\n! close"),
        ThreatCase(
            "§2 CONNECT inside TLS", .secured,
            "C CONNECT mx.example:25 HTTP/1.1\nS 421 4.7.0 This is an SMTP server; closing\n! close"),
        // "§2 commands in one segment with STARTTLS" depends on the segments: SubmissionSecurityTests.
        ThreatCase(
            "§2 STARTTLS with an argument", .plaintext,
            "C STARTTLS now\nC NOOP\nS 501 5.5.4 This command takes no argument\nS 250 2.0.0 Ok"),
        ThreatCase("§2 STARTTLS inside TLS", .secured, "C STARTTLS\nS 503 5.5.1 TLS is already in use"),
        ThreatCase(
            "§2 BDAT before TLS", .plaintext,
            "C BDAT 6\\r\\nRSET\nS 530 5.7.0 Must issue a STARTTLS command first\nC NOOP\nS 250 2.0.0 Ok"),
        ThreatCase(
            "§3 AUTH before TLS", .plaintext,
            "C AUTH LOGIN\nS 538 5.7.11 Encryption required for authentication; use STARTTLS"),
        ThreatCase("§3 AUTH again", .authenticated, "C AUTH PLAIN AGEAYg==\nS 503 5.5.1 Already authenticated"),
        ThreatCase(
            "§3 AUTH between chunks", .transaction,
            "C RCPT TO:<b@d.example>\nC BDAT 1\\r\\nxAUTH PLAIN AGEAYg==\nS 250 2.1.5 Recipient ok\nS 250 2.0.0 1 octets received\nS 503 5.5.1 Already authenticated"
        ),
        ThreatCase(
            "§3 an unknown mechanism, and none", .secured,
            "C AUTH NTLM\nS 504 5.5.4 Authentication mechanism not supported\nC AUTH\nS 501 5.5.4 Syntax: AUTH mechanism [initial-response]"
        ),
        ThreatCase(
            "§3 bad base64", .secured,
            "C AUTH PLAIN =AAA\nS 501 5.5.2 Not valid base64\nC AUTH PLAIN AAA\nS 501 5.5.2 Not valid base64"),
        ThreatCase(
            "§3 cancelled", .secured,
            "= authenticate LOGIN => challenge Username:\nC AUTH LOGIN\nS 334 VXNlcm5hbWU6\nC *\nS 501 5.7.0 Authentication cancelled\n! cancelled\nC NOOP\nS 250 2.0.0 Ok"
        ),
    ]

    @Test(arguments: ends) func `row by row, ends that are none`(_ threat: ThreatCase) { threat.check() }
    @Test(arguments: lines) func `row by row, lines and security`(_ threat: ThreatCase) { threat.check() }

    private func normalised(_ text: String) {
        var configuration = SubmissionSubject.configuration
        configuration.lineEndings = .normalise
        Transcript(text).check({ SubmissionSubject(.transaction, configuration: configuration) })
    }

    @Test func `§1 normalise turns each bare CR and LF into CRLF and never moves the end of data`() {
        for (_, octets, found) in Self.falseEnds where !found.hasPrefix("NUL") {
            // Wherever a server might have seen an end, text goes on; what follows the dot is content, too.
            let stored = Transcript.octets(Substring(octets + "\\c"))
            var lines = "x"
            var rest = stored[...]
            var atLineStart = false
            while let octet = rest.popFirst() {
                switch octet {
                case .cr where rest.first == .lf:
                    rest.removeFirst()
                    lines += #"\x0d\x0a"#
                    atLineStart = true
                    continue
                case .cr, .lf: lines += #"\x0d\x0a"#
                case .dot where atLineStart: break  // stuffing
                default: lines += String(UnicodeScalar(octet))
                }
                atLineStart = false
            }
            normalised(
                """
                C RCPT TO:<b@d.example>
                S 250 2.1.5 Recipient ok
                C DATA
                S 354 End data with <CR><LF>.<CR><LF>
                C x\(octets)y
                C .
                ! message <a@own.example> <b@d.example> '\(lines)y\\x0d\\x0a'
                S 250 2.0.0 Ok: queued as 1
                """)
        }
    }

    @Test func `§1 normalise still refuses NUL, and works in chunks and across them`() {
        normalised(
            #"""
            C RCPT TO:<b@d.example>
            S 250 2.1.5 Recipient ok
            C BDAT 3\r\na\nb\c
            S 250 2.0.0 3 octets received
            C BDAT 2\r\n\r\r\c
            S 250 2.0.0 2 octets received
            C BDAT 3 LAST\r\n\n.\r\c
            ! message <a@own.example> <b@d.example> 'a\x0d\x0ab\x0d\x0a\x0d\x0a.\x0d\x0a'
            S 250 2.0.0 Ok: queued as 1
            C MAIL FROM:<a@own.example>
            S 250 2.1.0 Sender ok
            C RCPT TO:<b@d.example>
            S 250 2.1.5 Recipient ok
            C BDAT 3 LAST\r\n\ra\0\c
            S 550 5.6.0 NUL in line 1, octet 3; no message holds one
            """#)
    }
}
