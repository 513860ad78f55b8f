import Glibc
import MailMessage
import NIOCore
import SMTP
import Testing

/// A row of §6 on the pure code: a message, and the reply it gets (nil: it is taken).
struct MessageThreat: CustomTestStringConvertible, Sendable {
    let row: String
    let message: String
    let reply: String?

    init(_ row: String, _ message: String, _ reply: String? = nil) {
        self.row = row
        self.message = message
        self.reply = reply
    }

    var testDescription: String { row }
}

@Suite struct MessageThreatTests {
    private static let from = "From: a@own.example\r\n"

    static let authors = [
        MessageThreat("§6 two From fields", from + from + "\r\n", "554 5.6.0"),
        MessageThreat(
            "§6 a second From behind another field", from + "X: y\r\nfrom : b@own.example\r\n\r\n", "554 5.6.0"),
        MessageThreat("§6 several mailboxes and no Sender", "From: a@own.example, b@own.example\r\n\r\n", "554 5.6.0"),
        MessageThreat(
            "§6 several mailboxes and a Sender", "From: a@own.example, b@own.example\r\nSender: a@own.example\r\n\r\n"),
        MessageThreat(
            "§6 From with several mailboxes and several Senders",
            "From: a@own.example\r\nSender: a@own.example, b@own.example\r\n\r\n", "554 5.6.0"),
        MessageThreat("§6 no From", "Subject: x\r\n\r\n", "554 5.6.0"),
        MessageThreat("§6 an empty From", "From:\r\n\r\n", "554 5.6.0"),
        MessageThreat("§6 an empty group", "From: nobody:;\r\n\r\n", "554 5.6.0"),
        MessageThreat("§6 only comments", "From: (a@own.example)\r\n\r\n", "554 5.6.0"),
        MessageThreat("§6 a name without an address", "From: Ann\r\n\r\n", "554 5.6.0"),
        MessageThreat(
            "§6 a@b, c@d in one atom", "From: a@own.example,c@own.example <e@own.example>\r\n\r\n", "554 5.6.0"),
        MessageThreat("§6 two at signs", "From: a@own.example@bank.example\r\n\r\n", "554 5.6.0"),
        MessageThreat("§6 an encoded word as local part", "From: =?utf-8?q?a?=@own.example\r\n\r\n", "554 5.6.0"),
        MessageThreat("§6 NUL in From", "From: a\0@own.example\r\n\r\n", "554 5.6.0"),
        MessageThreat(
            "§6 a comment in a mailbox's place", "From: (a@bank.example), a@own.example\r\n\r\n", "554 5.6.0"),
        MessageThreat("§6 the same at the end", "From: a@own.example, (a@bank.example)\r\n\r\n", "554 5.6.0"),
        MessageThreat(
            "§6 the same in a group", "From: g: a@own.example, (a@bank.example);\r\n\r\n", "554 5.6.0"),
        MessageThreat("§6 a comment behind a group's last mailbox", "From: g: a@own.example (x);\r\n\r\n"),
        MessageThreat(
            "§6 an address within a local part", "From: \"a@bank.example\"@own.example\r\n\r\n", "554 5.6.0"),
        MessageThreat(
            "§6 a bracketed one", "From: Joe <\"<a@bank.example>\"@own.example>\r\n\r\n", "554 5.6.0"),
        MessageThreat(
            "§6 one behind backslashes", "From: \"a\\@bank.example\"@own.example\r\n\r\n", "554 5.6.0"),
        MessageThreat("§6 an unclosed quote", "From: \"a <a@own.example>\r\n\r\n", "554 5.6.0"),
        MessageThreat("§6 an unclosed comment", "From: (a <a@own.example>\r\n\r\n", "554 5.6.0"),
        MessageThreat("§6 a fold inside the address", "From: <a@\r\n own.example>\r\n\r\n"),
        MessageThreat(
            "§6 UTF-8 in the author's address without SMTPUTF8", "From: \u{e4}@own.example\r\n\r\n", "554 5.6.0"),
    ]

    static let headers = [
        MessageThreat("§6 a blank before the colon", "From : a@own.example\r\n\r\n"),
        MessageThreat(
            "§6 a form feed before a From", "X: y\u{0C}From: a@bank.example\r\n" + from + "\r\n", "554 5.6.0"),
        MessageThreat(
            "§6 a vertical tab before a From", "X: y\u{0B}From: a@b.example\r\n" + from + "\r\n", "554 5.6.0"),
        MessageThreat("§6 a separator before a From", "X: y\u{1D}From: a@b.example\r\n" + from + "\r\n", "554 5.6.0"),
        MessageThreat("§6 an escape sequence (ISO-2022-JP)", "Subject: \u{1B}$B\u{1B}(B\r\n" + from + "\r\n"),
        MessageThreat("§6 NUL before From", "\0From: a@own.example\r\n\r\n", "554 5.6.0"),
        MessageThreat("§6 a body line before the first header", "Hello\r\n" + from + "\r\n", "554 5.6.0"),
        MessageThreat("§6 a garbage line inside the header", from + "garbage\r\nTo: b@d.example\r\n\r\n", "554 5.6.0"),
        MessageThreat("§6 a continuation before the first field", " x\r\n" + from + "\r\n", "554 5.6.0"),
        MessageThreat("§6 no blank line", from),
        MessageThreat(
            "§6 a header line of 999 octets", from + "X: \(String(repeating: "x", count: 996))\r\n\r\n", "554 5.6.0"),
        MessageThreat("§6 a malformed Date stays", from + "Date: yesterday\r\n\r\n"),
        MessageThreat("§6 two Dates", from + "Date: x\r\nDate: y\r\n\r\n", "554 5.6.0"),
        MessageThreat("§6 two Subjects", from + "Subject: x\r\nSubject: y\r\n\r\n", "554 5.6.0"),
        MessageThreat("§6 two To", from + "To: b@d.example\r\nTo: c@d.example\r\n\r\n", "554 5.6.0"),
        MessageThreat("§6 two Message-IDs", from + "Message-ID: <a@b>\r\nMessage-ID: <c@d>\r\n\r\n", "554 5.6.0"),
        MessageThreat("§6 100 Received fields", String(repeating: "Received: x\r\n", count: 100) + from + "\r\n"),
        MessageThreat(
            "§6 101 Received fields", String(repeating: "Received: x\r\n", count: 101) + from + "\r\n", "554 5.4.6"),
        MessageThreat(
            "§6 our own loop mark", "Received: from x by smtp.own.example (Gatepost) with ESMTPSA\r\n" + from + "\r\n",
            "554 5.4.6"),
        MessageThreat(
            "§6 another node's mark",
            "Received: from x by smtp.else.example (Gatepost) with ESMTPSA\r\n" + from + "\r\n"),
        MessageThreat("§6 1,001 fields", from + String(repeating: "X: y\r\n", count: 1000) + "\r\n", "554 5.6.0"),
        MessageThreat("§6 100,000 fields", from + String(repeating: "X: y\r\n", count: 100_000) + "\r\n", "5"),
        MessageThreat(
            "§6 a header of 1 MB",
            from + String(repeating: "X: \(String(repeating: "x", count: 990))\r\n", count: 1000), "552 5.3.4"),
        MessageThreat(
            "§6 10,000 addresses", "From: " + String(repeating: "a@own.example,\r\n ", count: 10_000) + "\r\n\r\n",
            "554 5.6.0"),
        MessageThreat(
            "§6 MIME nested and parted without end is not looked into",
            from + "\r\n" + String(repeating: "--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n", count: 10_000)
        ),
        MessageThreat("§6 8-bit body", from + "\r\n\u{e4}\r\n"),
        MessageThreat("§6 UTF-8 in a header, without SMTPUTF8", from + "Subject: \u{e4}\r\n\r\n"),
        MessageThreat("§6 NUL, bare CR and bare LF in a BINARYMIME body", from + "\r\n\0\r\n\r \n"),
        MessageThreat("§6 a bare LF in the header of a BINARYMIME message", from + "X: a\nb\r\n\r\n", "554 5.6.0"),
    ]

    @Test(arguments: authors + headers) func `row by row`(_ threat: MessageThreat) throws {
        do throws(MessageFault) {
            _ = try prepare(ByteBuffer(string: threat.message))
            #expect(threat.reply == nil)
        } catch {
            #expect(error.reply.description.hasPrefix(threat.reply ?? "taken"), "\(error.reply)")
        }
    }

    @Test(arguments: [
        ("Subject", "S\u{fc}bject"), ("Subject", ""), ("Date", "Tue"), ("X-Other", "a\r\n b"),
        ("DKIM-Signature", "v=1"),
        ("Authentication-Results", "own.example; spf=pass"), ("Bcc-Like", "x"), ("X-Gatepostal", "x"),
    ]) func `§6 what is neither ours nor a secret passes octet for octet`(_ name: String, _ value: String) throws {
        let field = "\(name): \(value)\r\n"
        let prepared = try prepare(ByteBuffer(string: Self.from + field + "\r\nbody\r\n"))
        #expect(String(buffer: prepared.content).hasPrefix(Self.from + field))
        #expect(String(buffer: prepared.content).hasSuffix("\r\n\r\nbody\r\n"))
        #expect(prepared.hasEightBitHeader == field.utf8.contains { $0 > 127 })
    }

    @Test(arguments: [
        "Bcc", "BCC", "bcc ", "Resent-Bcc", "Return-Path", "X-Gatepost-Queue", "x-gatepost", "X-Envelope-To",
        "x-envelope-to ",
    ])
    func `§6 Bcc, Return-Path and our own trace fields never reach a recipient`(_ name: String) throws {
        let content = ByteBuffer(
            string: "\(name): secret@else.example,\r\n other@else.example\r\n\(Self.from)\r\nbody\r\n")
        let prepared = try prepare(content)
        #expect(!String(buffer: prepared.content).contains("else.example"))
        let kept = try Fixups.prepare(
            content: content, now: 0, messageIDDomain: "smtp.own.example", options: .init(keepsBlindCopies: true),
            makeMessageID: { "made" })
        #expect(String(buffer: kept.content).contains("else.example") == name.lowercased().contains("bcc"))
    }

    @Test func `§6 a display name that shows another address is told, for the tenant to refuse`() throws {
        for from in ["\"ceo@bank.example\" <x@own.example>", "(ceo@bank.example) x@own.example"] {
            let prepared = try prepare(ByteBuffer(string: "From: \(from)\r\n\r\n"))
            #expect(prepared.shownDomains == ["bank.example"] && prepared.authors.map(\.name) == ["own.example"])
        }
    }

    @Test func `§6 an address outside is found wherever the field hides it`() throws {
        for from in [
            "own.example <x@bank.example>", "<@own.example:x@bank.example>", "\"x@own.example\" <x@bank.example>",
            "Group: a@own.example, x@bank.example;\r\nSender: a@own.example",
        ] {
            let prepared = try prepare(ByteBuffer(string: "From: \(from)\r\n\r\n"))
            #expect(prepared.authors.map(\.name).contains("bank.example"), "\(from)")
        }
    }

    /// Eight times the header costs eight times the time, or nearly: the work for each octet is bounded. The thread's own
    /// time, for other tests run beside this one.
    @Test func `§6 the time a header takes grows with its length and no faster`() throws {
        func now() -> Double {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
        }
        func fastest(_ count: Int) throws -> Double {
            let fields = (0..<count).map { "X-\($0): \(String(repeating: "a,b;(c)\"", count: 100))\r\n" }.joined()
            let content = ByteBuffer(string: Self.from + fields + "\r\n")
            return try (0..<9).map { _ in
                let begin = now()
                _ = try HeaderScan(content)
                return now() - begin
            }.min() ?? 0
        }
        #expect(try fastest(240) < fastest(30) * 24)
    }
}
