import Testing

@testable import SMTP

/// §5: addresses and parameters. Whose domain a sender's is, and what a cap says, are the caller's answers.
struct ThreatEnvelopeTests {
    private static func recipient(_ row: String, _ path: String, _ reply: String) -> ThreatCase {
        ThreatCase(
            "§5 \(row): \(path.prefix(40))", .transaction, "C RCPT TO:\(path)\nS \(reply)\nC NOOP\nS 250 2.0.0 Ok")
    }

    private static func sender(_ row: String, _ argument: String, _ reply: String) -> ThreatCase {
        ThreatCase(
            "§5 \(row): \(argument.prefix(60))", .authenticated,
            "C MAIL FROM:\(argument)\nS \(reply)\nC NOOP\nS 250 2.0.0 Ok")
    }

    static let paths =
        [
            ("a%b@c.example", "a%b@c.example"), ("b!a@c.example", "b!a@c.example"),
            (#""a@b"@c.example"#, #""a@b"@c.example"#), (#""a%b"@c.example"#, "a%b@c.example"),
        ].map { path, mailbox in
            ThreatCase(
                "§5 a local part at its domain: \(path)", .transaction,
                "C RCPT TO:<\(path)>\n! recipient <\(mailbox)> 1\nS 250 2.1.5 Recipient ok")
        }
        + [
            recipient("source route", "<@x.example,@y.example:a@c.example>", "553 5.1.3 Source routes are not taken"),
            recipient("only Postmaster has no domain", "<Postmaster>", "550 5.1.1 No such mailbox here; give a domain"),
            recipient(
                "local part over 64 octets", "<\(String(repeating: "l", count: 65))@c.example>",
                "501 5.1.3 Recipient address is too long"),
            recipient(
                "label over 63 octets", "<a@\(String(repeating: "l", count: 64)).example>",
                "501 5.1.3 Recipient address is too long"),
            recipient(
                "limits count octets", "<\\{\\xc3\\xa4*33}@c.example>", "501 5.1.3 Recipient address is too long"),
            recipient(
                "8-bit address without SMTPUTF8", "<\\xc3\\xa4@c.example>",
                "553 5.6.7 Recipient address is not ASCII and MAIL had no SMTPUTF8"),
            sender(
                "8-bit address without SMTPUTF8", "<\\xc3\\xa4@own.example>",
                "550 5.6.7 Sender address is not ASCII and SMTPUTF8 was not given"),
        ]
        + ["a@", "@c.example", "a@b..c", "a@-b", "a@b.", "a b@c", "a", ""].map {
            recipient("no mailbox", "<\($0)>", "501 5.1.3 Recipient address is malformed")
        }
        + ["a@", "@c.example", "a@b..c", "a@-b", "a@b.", "a b@c", "a"].map {
            sender("no mailbox", "<\($0)>", "501 5.1.7 Sender address is malformed")
        }
        + [
            recipient(
                "missing <>", "a@c.example", "501 5.1.3 Recipient address must stand in < and >, right behind RCPT TO:")
        ]
        + ["a@[127.0.0.1]", "a@[IPv6:::1]", "a@127.0.0.1"].map {
            recipient("address literal", "<\($0)>", "550 5.1.2 Recipient address must have a domain name")
        }

    static let international =
        [
            ("overlong UTF-8", "\\xc0\\xafa"), ("surrogate", "\\xed\\xa0\\x80"), ("no UTF-8", "\\xe4"),
            ("bidi control", "a\\xe2\\x80\\xaeb"), ("isolate", "a\\xe2\\x81\\xa6b"), ("C1 control", "a\\xc2\\x85b"),
            ("no NFC", "u\\xcc\\x88"), ("zero-width space", "a\\xe2\\x80\\x8bb"),
        ].flatMap { name, local in
            [
                sender(
                    "\(name) in an address", "<\(local)@own.example> SMTPUTF8", "501 5.1.7 Sender address is malformed"),
                ThreatCase(
                    "§5 \(name) in a recipient", .authenticated,
                    "C MAIL FROM:<a@own.example> SMTPUTF8\nS 250 2.1.0 Sender ok\nC RCPT TO:<\(local)@d.example>\nS 501 5.1.3 Recipient address is malformed\nC RCPT TO:<a@\(local).example>\nS 501 5.1.3 Recipient address is malformed"
                ),
            ]
        } + [
            sender(
                "NUL in an address", "<a\\0@own.example> SMTPUTF8", "500 5.5.2 Control characters or a broken line end")
        ]

    private static let malformed = "501 5.5.4 Malformed or repeated parameter"
    private static let unknown = "555 5.5.4 Parameter not recognised or not offered"

    static let parameters =
        [
            ("SIZE=1001", "552 5.3.4 Message size exceeds the limit of 1000 octets"), ("SIZE=x", malformed),
            ("SIZE=100000000000000000000", malformed), ("X-UNKNOWN=1", unknown), ("REQUIRETLS", unknown),
            ("SMTPUTF8=1", malformed), ("SMTPUTF8 SMTPUTF8", malformed), ("BODY=9BIT", malformed),
            ("RET=ALL", malformed),
            ("RET=FULL RET=FULL", malformed), ("ENVID=a+0Db", malformed), ("ENVID=a+00b", malformed),
            ("ENVID=\(String(repeating: "x", count: 101))", malformed), ("AUTH=other", malformed),
            ("NOTIFY=NEVER", unknown),
        ].map { sender("parameters of MAIL", "<a@own.example> \($0)", $1) }
        + [
            ("NOTIFY=NEVER,SUCCESS", malformed), ("NOTIFY=NEVER NOTIFY=NEVER", malformed), ("NOTIFY=", malformed),
            ("ORCPT=b@d.example", malformed), ("ORCPT=rfc822;b+0A", malformed), ("ORCPT=rfc822;b+", malformed),
            ("ORCPT=rfc822;\(String(repeating: "x", count: 494))", malformed), ("RET=FULL", unknown),
        ].map { recipient("parameters of RCPT", "<b@d.example> \($0)", $1) }

    static let others = [
        sender("AUTH= is never an identity", "<a@own.example> AUTH=other@else.example", "250 2.1.0 Sender ok"),
        ThreatCase.content(
            "§5 SIZE a lie: read to the end, then refused", "\\{x*999}\n.",
            "S 552 5.3.4 Message size exceeds the limit of 1000 octets"),
        ThreatCase(
            "§5 more RCPT than RCPTMAX", .transaction,
            "C RCPT TO:<1@d.example>\nC RCPT TO:<2@d.example>\nC RCPT TO:<3@d.example>\nC RCPT TO:<4@d.example>\nC RCPT TO:<5@d.example>\nC BDAT 3 LAST\\r\\nx\nS 250 2.1.5 Recipient ok\nS 250 2.1.5 Recipient ok\nS 250 2.1.5 Recipient ok\nS 250 2.1.5 Recipient ok\nS 452 4.5.3 Too many recipients: a message may have 4; send the rest in another\n! message <a@own.example> <1@d.example>,<2@d.example>,<3@d.example>,<4@d.example> 'x\\x0d\\x0a'\nS 250 2.0.0 Ok: queued as 1"
        ),
        ThreatCase(
            "§5 a recipient given twice", .transaction,
            "C RCPT TO:<b@d.example>\n! recipient <b@d.example> 1\nS 250 2.1.5 Recipient ok\nC RCPT TO:<b@D.Example> NOTIFY=NEVER\nS 250 2.1.5 Recipient ok\nC RCPT TO:<B@d.example>\n! recipient <B@d.example> 2\nS 250 2.1.5 Recipient ok"
        ),
        ThreatCase(
            "§5 the null sender", .authenticated,
            "= sender <> => refuse 550 5.7.1 No\nC MAIL FROM:<>\n! sender <>\nS 550 5.7.1 No"),
        ThreatCase(
            "§6 CR, LF and markup in an EHLO name", .secured,
            "C EHLO a\\rb\nC EHLO <b>\nC EHLO a(b\nS 500 5.5.2 Control characters or a broken line end\nS 501 5.5.4 Give a host name or an address literal\nS 501 5.5.4 Give a host name or an address literal"
        ),
        ThreatCase(
            "§6 half an address literal in EHLO", .secured,
            "C EHLO [192.0.2.1\nC EHLO []\nC EHLO a[b]\nS 501 5.5.4 Give a host name or an address literal\nS 501 5.5.4 Give a host name or an address literal\nS 501 5.5.4 Give a host name or an address literal"
        ),
    ]

    @Test(arguments: paths) func `row by row, paths`(_ threat: ThreatCase) { threat.check() }
    @Test(arguments: international) func `row by row, addresses beyond ASCII`(_ threat: ThreatCase) { threat.check() }
    @Test(arguments: parameters) func `row by row, parameters`(_ threat: ThreatCase) { threat.check() }
    @Test(arguments: others) func `row by row, the rest`(_ threat: ThreatCase) { threat.check() }
}
