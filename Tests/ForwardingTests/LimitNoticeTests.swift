import Ledger
import MailMessage
import NIOCore
import Postgres
import SMTP
import Testing

@testable import Forwarding

@Suite struct LimitNoticeTests {
    private static func warning(_ change: (inout LimitWarning) -> Void = { _ in }) -> LimitWarning {
        var warning = LimitWarning(
            tenantID: 1, tenant: "acme", limit: "daily", starts: "2026-03-29", percent: 80, cap: 1000, used: 812,
            at: .now, contact: "ops@acme.example", resetsText: "2026-03-30T00:00:00+02:00")
        change(&warning)
        return warning
    }

    private static func text(_ warning: LimitWarning) throws -> String? {
        let notice = LimitNotice(from: try Mailbox(parsing: "gatepost@example.com"), hostname: "gate.example.com")
        return notice.mail(about: warning, now: 1_774_800_000, unique: "u1").map {
            String(decoding: $0.content, as: UTF8.self)
        }
    }

    @Test func `a notice says whose limit it is, how much is used and when it starts again`() throws {
        #expect(
            try Self.text(Self.warning())
                == """
                Date: Sun, 29 Mar 2026 16:00:00 +0000
                From: Gatepost <gatepost@example.com>
                To: <ops@acme.example>
                Subject: acme: 80 % of the recipients a day are used
                Message-ID: <u1@gate.example.com>
                Auto-Submitted: auto-generated
                MIME-Version: 1.0
                Content-Type: text/plain; charset=us-ascii
                Content-Transfer-Encoding: 7bit

                Account:  acme
                Limit:    recipients a day, 1000
                Used:     812 (80 % or more)
                Resets:   2026-03-30T00:00:00+02:00

                Mail is accepted until the limit is reached.
                This is said once for each day or month. Ask your operator for another limit.

                """.replacing("\n", with: "\r\n"))
    }

    @Test func `a credential's is named, and at 100 percent nothing more is accepted`() throws {
        let text = try #require(
            try Self.text(
                Self.warning {
                    $0.limit = "credential_bytes_daily"
                    $0.credential = "acme.web"
                    $0.percent = 100
                }))
        #expect(text.contains("Account:  credential acme.web of acme\r\n"))
        #expect(text.contains("Limit:    octets a day of a credential, 1000\r\n"))
        #expect(text.contains("Nothing more is accepted under this limit until then.\r\n"))
    }

    @Test(arguments: [nil, "", "no address", "a@b@c"])
    func `without a contact that is an address there is no mail`(contact: String?) throws {
        #expect(try Self.text(Self.warning { $0.contact = contact }) == nil)
    }

    @Test func `a notice passes as the mail of a careful sender`() throws {
        let text = try #require(try Self.text(Self.warning()))
        let content = ByteBuffer(string: text)
        let prepared = try PreparedMessage(content: content, now: 0, hostname: "gate.example.com")
        #expect(prepared.content == content, "nothing in it has to be mended")
        #expect(prepared.authors.map(\.name) == ["example.com"])
    }
}
