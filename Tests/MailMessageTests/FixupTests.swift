import MailMessage
import NIOCore
import SMTP
import Testing

@Suite struct FixupTests {
    private static let date = "Date: Tue, 24 Nov 2026 01:30:55 +0100\r\n"
    private static let identifier = "Message-ID: <own@own.example>\r\n"
    private static let from = "From: a@own.example\r\n"

    private func fixed(_ message: String) throws(MessageFault) -> String {
        String(buffer: try prepare(ByteBuffer(string: message)).content)
    }

    @Test func `a complete message passes octet for octet and is not copied`() throws {
        let message = "X-odd :  kept \r\n\(Self.from)\(Self.identifier)\(Self.date)To: b@x.example\r\n\r\n.body\r\n\r\n"
        let content = ByteBuffer(string: message)
        let prepared = try prepare(content)
        #expect(String(buffer: prepared.content) == message)
        #expect(prepared.messageID == "<own@own.example>")
        #expect(prepared.hadMessageID)
        #expect(prepared.authors.map(\.name) == ["own.example"])
        #expect(prepared.usesObsoleteSyntax)
        #expect(
            content.withUnsafeReadableBytes { $0.baseAddress }
                == prepared.content.withUnsafeReadableBytes { $0.baseAddress })
    }

    @Test func `a missing Date and Message-ID are added at the end of the header`() throws {
        let prepared = try prepare(ByteBuffer(string: "\(Self.from)Subject: x\r\n\r\nbody\r\n"))
        #expect(
            String(buffer: prepared.content)
                == "\(Self.from)Subject: x\r\nDate: Tue, 24 Nov 2026 13:30:55 +0000\r\n"
                + "Message-ID: <made@smtp.own.example>\r\n\r\nbody\r\n")
        #expect(prepared.messageID == "<made@smtp.own.example>")
        #expect(!prepared.hadMessageID)
    }

    @Test func `made Message-IDs differ`() throws {
        let content = ByteBuffer(string: Self.from)
        let made = try (0..<100).map { _ in
            try PreparedMessage(content: content, now: 0, hostname: "smtp.own.example").messageID
        }
        #expect(Set(made).count == 100)
        #expect(made.allSatisfy { $0.hasPrefix("<") && $0.hasSuffix("@smtp.own.example>") })
    }

    @Test func `they are added behind a header that ends the message`() throws {
        let added = "Date: Tue, 24 Nov 2026 13:30:55 +0000\r\nMessage-ID: <made@smtp.own.example>\r\n"
        #expect(try fixed(Self.from) == Self.from + added)
        #expect(try fixed("From: a@own.example") == Self.from + added)
        #expect(try fixed("\(Self.from)\(Self.identifier)\(Self.date)") == "\(Self.from)\(Self.identifier)\(Self.date)")
    }

    @Test func `an empty Date or Message-ID is replaced`() throws {
        let result = try fixed("Date: \r\n\(Self.from)Message-ID:\r\n \r\n\r\n")
        #expect(
            result == "\(Self.from)Date: Tue, 24 Nov 2026 13:30:55 +0000\r\nMessage-ID: <made@smtp.own.example>\r\n\r\n"
        )
    }

    @Test func `a malformed Date stays`() throws {
        let message = "Date: yesterday\r\n\(Self.from)\(Self.identifier)\r\n"
        #expect(try fixed(message) == message)
    }

    @Test func `Bcc, Return-Path and our own trace fields go, others stay`() throws {
        let kept = "Received: from x by y\r\nAuthentication-Results: forged; dkim=pass\r\nDKIM-Signature: v=1\r\n"
        let result = try fixed(
            "Bcc: first@x.example\r\n\(kept)bcc :\r\n second@x.example,\r\n\tthird@x.example\r\nReturn-Path: <x@y>\r\n"
                + "X-Gatepost-Queue: forged\r\nx-gatepost: forged\r\nX-Gatepostal: kept\r\nResent-Bcc: x@y.example\r\n"
                + "\(Self.from)\(Self.date)\(Self.identifier)BCC: last@x.example\r\n\r\nBcc: in the body\r\n")
        #expect(
            result
                == "\(kept)X-Gatepostal: kept\r\n\(Self.from)\(Self.date)\(Self.identifier)\r\nBcc: in the body\r\n")
    }

    @Test func `nothing but a Bcc and a From leaves a whole header`() throws {
        #expect(
            try fixed("\(Self.from)\(Self.date)\(Self.identifier)Bcc: x@y.example")
                == "\(Self.from)\(Self.date)\(Self.identifier)")
    }

    @Test func `a message that bears our own mark is a loop, other hosts' are not`() {
        let trace = String(
            buffer: TraceField.received(
                heloName: "app", clientAddress: "::1", protocol: "ESMTPSA", tlsVersion: "TLSv1.3",
                cipher: "TLS_AES_256_GCM_SHA384", hostname: "smtp.own.example", queueID: "q", date: 0))
        #expect(fault("\(trace)\(Self.from)\r\n") == .loop(.ownMark))
        #expect(fault("Received: x\r\n\(trace)\(Self.from)\r\n")?.reply.code == 554)
        let other = trace.replacing("smtp.own.example", with: "smtp.other.example")
        #expect(fault("\(other)\(Self.from)\r\n") == nil)
        #expect(fault("Received: from smtp.own.example by mx.example (Postfix)\r\n\(Self.from)\r\n") == nil)
    }

    @Test func `a report of ours that comes back is a loop`() throws {
        let notice = DeliveryNotice(
            hostname: "smtp.own.example", sender: try Mailbox(parsing: "a@own.example"), recipients: [], arrival: 0,
            queueID: "q", parameters: MailParameters(), original: ByteBuffer(string: "\(Self.from)\r\n"))
        #expect(fault(String(buffer: notice.compose(now: 0, unique: "x"))) == .loop(.ownMark))
    }

    @Test func `the Message-ID is reported unfolded, in printable ASCII and bounded`() throws {
        func messageID(_ value: String) throws -> String {
            try prepare(ByteBuffer(string: "\(Self.from)Message-Id:\(value)\r\n\r\n")).messageID
        }
        #expect(try messageID(" <a@b>  ") == "<a@b>")
        #expect(try messageID("\r\n <a@b>") == "<a@b>")
        #expect(try messageID(" \u{EB}\u{1B}[31m") == "???[31m")
        #expect(try messageID(String(repeating: "x", count: 900)).utf8.count == 255)
    }

    @Test func `octets above 127 are seen wherever they stand`() throws {
        let ascii = "\(Self.from)\r\n0123456789abcdef0123\r\n"
        #expect(try !prepare(ByteBuffer(string: ascii)).isEightBit)
        #expect(try prepare(ByteBuffer(string: "Subject: \u{EB}\r\n\(ascii)")).isEightBit)
        for position in 0..<20 {
            var octets = Array(ascii.utf8)
            octets[octets.count - 3 - position] = 0xEB
            #expect(try prepare(ByteBuffer(bytes: octets)).isEightBit)
        }
    }

    @Test(
        arguments: [
            (0, "Thu, 1 Jan 1970 00:00:00 +0000"), (1_795_527_055, "Tue, 24 Nov 2026 13:30:55 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"), (951_868_799, "Tue, 29 Feb 2000 23:59:59 +0000"),
            (-1, "Wed, 31 Dec 1969 23:59:59 +0000"), (4_107_542_400, "Mon, 1 Mar 2100 00:00:00 +0000"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 +0000"), (.max, "Fri, 31 Dec 9999 23:59:59 +0000"),
        ] as [(Int64, String)]) func `dates are written as RFC 5322 has them`(_ seconds: Int64, _ expected: String)
    {
        #expect(MessageDate.string(unixSeconds: seconds) == expected)
    }

    @Test func `a Received field names client, host, protocol, TLS and queue id in lines of less than 78 columns`() {
        let field = TraceField.received(
            heloName: "app.customer.example", clientAddress: "192.0.2.7", protocol: "ESMTPSA", tlsVersion: "TLSv1.3",
            cipher: "TLS_AES_256_GCM_SHA384", hostname: "smtp.own.example",
            queueID: "019ab6f4-7c00-7abc-8def-0123456789ab", date: 1_795_527_055)
        #expect(
            String(buffer: field) == """
                Received: from app.customer.example ([192.0.2.7])\r
                \tby smtp.own.example (Gatepost) with ESMTPSA\r
                \t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)\r
                \tid 019ab6f4-7c00-7abc-8def-0123456789ab; Tue, 24 Nov 2026 13:30:55 +0000\r

                """)
        for line in String(buffer: field).split(separator: "\r\n") { #expect(line.utf8.count < 78) }
    }

    @Test func `no value can end a Received field or open a comment in it`() {
        let hostile = "x\r\nBcc: y (\u{1B}"
        let field = String(
            buffer: TraceField.received(
                heloName: hostile, clientAddress: hostile, protocol: hostile, tlsVersion: hostile, cipher: hostile,
                hostname: hostile, queueID: hostile, date: 0))
        #expect(!field.contains("Bcc"))
        #expect(
            field
                == "Received: from unknown\r\n\tby unknown (Gatepost) with unknown\r\n\t(using unknown with cipher unknown)"
                + "\r\n\tid unknown; Thu, 1 Jan 1970 00:00:00 +0000\r\n")
    }

    @Test(arguments: [("::1", "([IPv6:::1])"), ("::ffff:192.0.2.7", "([192.0.2.7])"), ("10.0.0.1", "([10.0.0.1])")])
    func `addresses are written as literals`(_ address: String, _ literal: String) {
        let field = TraceField.received(
            heloName: "x", clientAddress: address, protocol: "ESMTPSA", tlsVersion: nil, cipher: nil, hostname: "h",
            queueID: "q", date: 0)
        #expect(String(buffer: field).contains("from x \(literal)\r\n"))
    }
}
