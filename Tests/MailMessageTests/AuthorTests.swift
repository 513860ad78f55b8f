import MailMessage
import NIOCore
import SMTP
import Testing

/// What a header says about its authors: the domains in order, or the fault.
struct AuthorCase: CustomTestStringConvertible, Sendable {
    let name: String
    let header: String
    let domains: [String]
    var fault: MessageFault?

    var testDescription: String { name }

    static func accepted(_ name: String, _ header: String, _ domains: [String]) -> Self {
        Self(name: name, header: header, domains: domains)
    }

    static func refused(_ name: String, _ header: String, _ fault: MessageFault) -> Self {
        Self(name: name, header: header, domains: [], fault: fault)
    }

    /// A From field alone, refused for its address list.
    static func refused(_ name: String, from value: String, _ fault: AddressFault) -> Self {
        .refused(name, "From: \(value)\r\n", .malformedAddress(.from, fault))
    }
}

@Suite struct AuthorTests {
    static let accepted: [AuthorCase] = [
        .accepted("a bare address", "From: a@own.example\r\n", ["own.example"]),
        .accepted("a name and an address", "From: Ann Lee <a@own.example>\r\n", ["own.example"]),
        .accepted("upper case in the domain", "From: <a@OWN.Example>\r\n", ["own.example"]),
        .accepted(
            "a name with dots, as the obsolete grammar has it", "From: John Q. Public <a@own.example>\r\n",
            ["own.example"]),
        .accepted("a quoted name with specials", "From: \"Lee, Ann <x@y>\" <a@own.example>\r\n", ["own.example"]),
        .accepted(
            "an encoded word as name", "From: =?utf-8?q?ceo=40bank=2Eexample?= <a@own.example>\r\n", ["own.example"]),
        .accepted("a name in UTF-8", "From: Zo\u{EB} <a@own.example>\r\n", ["own.example"]),
        .accepted(
            "comments around everything", "From: (x) a (y) @ (z) own.example (w(nested\\)))\r\n", ["own.example"]),
        .accepted("folds around the address", "From:\r\n Ann\r\n\t<a@own.example>\r\n", ["own.example"]),
        .accepted("a quoted local part", "From: \"a b\"@own.example\r\n", ["own.example"]),
        .accepted("a percent and a bang in the local part", "From: x!a%b@own.example\r\n", ["own.example"]),
        .accepted("blanks before the colon", "From : a@own.example\r\n", ["own.example"]),
        .accepted("any case of the field's name", "fRoM: a@own.example\r\n", ["own.example"]),
        .accepted("empty list elements", "From: , a@own.example,,\r\n", ["own.example"]),
        .accepted("a group with a member", "From: Team: a@own.example;\r\n", ["own.example"]),
        .accepted(
            "a source route, whose domains count too", "From: <@x.example,@y.example:a@own.example>\r\n",
            ["x.example", "y.example", "own.example"]),
        .accepted(
            "several mailboxes and a Sender", "From: a@own.example, b@other.example\r\nSender: c@third.example\r\n",
            ["own.example", "other.example", "third.example"]),
        .accepted(
            "a Sender of another domain", "From: a@own.example\r\nSender: s@other.example\r\n",
            ["own.example", "other.example"]),
        .accepted(
            "Resent- fields", "Resent-From: r@resent.example\r\nResent-Sender: s@rs.example\r\nFrom: a@own.example\r\n",
            ["own.example", "resent.example", "rs.example"]),
        .accepted(
            "the address outside is another's, not the name's", "From: \"me@own.example\" <a@bank.example>\r\n",
            ["bank.example"]),
    ]

    static let refused: [AuthorCase] = [
        .refused("no From", "Subject: x\r\n", .missingFrom),
        .refused("nothing at all", "", .missingFrom),
        .refused("two From fields", "From: a@own.example\r\nFrom: b@own.example\r\n", .repeatedField(.from, line: 2)),
        .refused(
            "two From fields, one with a blank before the colon", "From: a@own.example\r\nFROM : b@own.example\r\n",
            .repeatedField(.from, line: 2)),
        .refused(
            "two Sender fields", "From: a@own.example\r\nSender: a@own.example\r\nSender: b@own.example\r\n",
            .repeatedField(.sender, line: 3)),
        .refused("several mailboxes and no Sender", "From: a@own.example, b@own.example\r\n", .severalAuthors(.from)),
        .refused(
            "several in a group and no Sender", "From: g: a@own.example, b@own.example;\r\n", .severalAuthors(.from)),
        .refused(
            "several resenters", "From: a@own.example\r\nResent-From: a@own.example, b@own.example\r\n",
            .severalAuthors(.resentFrom)),
        .refused(
            "two mailboxes in Sender", "From: a@own.example\r\nSender: a@own.example, b@own.example\r\n",
            .severalSenders(.sender)),
        .refused("an empty Sender", "From: a@own.example\r\nSender: \r\n", .malformedAddress(.sender, .empty)),
        .refused("a NUL before From", "\0From: a@own.example\r\n", .malformedHeader(line: 1)),
        .refused("a NUL in From", "From: a@own.example\0\r\n", .malformedHeader(line: 1)),
        .refused(
            "an mbox line first", "From a@own.example Tue Nov 24 13:30:55 2026\r\nFrom: a@own.example\r\n",
            .malformedHeader(line: 1)),

        .refused("nothing in From", from: "", .empty),
        .refused("blanks in From", from: " \t", .empty),
        .refused("only comments", from: "(a@own.example)", .empty),
        .refused("only commas", from: ", ,", .empty),
        .refused("an empty group", from: "undisclosed-recipients:;", .emptyGroup),
        .refused("an empty group beside an address", from: "g:;, a@own.example", .emptyGroup),
        .refused("a group that is not closed", from: "g: a@own.example", .unbalanced),
        .refused("a group in a group", from: "g: h: a@own.example;;", .unexpected(octet: UInt8(ascii: ":"), at: 5)),
        .refused("an empty path", from: "<>", .noAddress),
        .refused("a name without an address", from: "Ann Lee", .noAddress),
        .refused("a name, then an address", from: "Ann, a@own.example", .noAddress),
        .refused(
            "an address as a bare name", from: "ceo@bank.example <a@own.example>",
            .unexpected(octet: UInt8(ascii: "<"), at: 18)),
        .refused(
            "two angle brackets", from: "<ceo@bank.example><a@own.example>",
            .unexpected(octet: UInt8(ascii: "<"), at: 19)),
        .refused(
            "an address behind the angle bracket", from: "<a@own.example> ceo@bank.example",
            .unexpected(octet: UInt8(ascii: "c"), at: 17)),
        .refused("two @", from: "a@own.example@bank.example", .unexpected(octet: UInt8(ascii: "@"), at: 14)),
        .refused("an @ in the local part", from: "<a@b@own.example>", .unexpected(octet: UInt8(ascii: "@"), at: 5)),
        .refused(
            "a comment within the domain", from: "a@bank.example(x).own.example",
            .unexpected(octet: UInt8(ascii: "."), at: 18)),
        .refused("a fold within the domain", from: "a@bank.\r\n own.example", .domain),
        .refused(
            "a fold within the local part", from: "a.\r\n b@own.example", .unexpected(octet: UInt8(ascii: "@"), at: 7)),
        .refused("an encoded word as local part", from: "=?utf-8?b?PGNlb0BiYW5rPg==?=@own.example", .encodedWord),
        .refused("an encoded word in a quoted local part", from: "\"=?utf-8?q?ceo?=\"@own.example", .encodedWord),
        .refused("an encoded word behind a backslash", from: "\"=\\?utf-8?q?ceo?=\"@own.example", .encodedWord),
        .refused("an encoded word that holds the @", from: "=?utf-8?q?ceo@bank.example?=", .encodedWord),
        .refused(
            "an encoded word that holds an angle bracket", from: "=?utf-8?q?<ceo@bank?= a@own.example",
            .domain),
        .refused("an address literal", from: "a@[127.0.0.1]", .literal),
        .refused("no domain", from: "<postmaster>", .unexpected(octet: UInt8(ascii: ">"), at: 12)),
        .refused("nothing before the @", from: "<@own.example>", .unexpected(octet: UInt8(ascii: ">"), at: 14)),
        .refused("nothing before the @, bare", from: "@own.example", .localPart),
        .refused("nothing behind the @", from: "a@", .domain),
        .refused("dots in a row in the local part", from: "a..b@own.example", .localPart),
        .refused("dots in a row in the domain", from: "a@own..example", .domain),
        .refused("a local part of 65 octets", from: String(repeating: "a", count: 65) + "@own.example", .localPart),
        .refused("UTF-8 in the local part", from: "zo\u{EB}@own.example", .nonASCIIAddress),
        .refused("UTF-8 in the domain", from: "a@\u{43E}wn.example", .nonASCIIAddress),
        .refused("a quote that is not closed", from: "\"Ann <a@own.example>", .unbalanced),
        .refused("a comment that is not closed", from: "a@own.example (Ann", .unbalanced),
        .refused("a comment closed twice", from: "a@own.example (Ann))", .unexpected(octet: UInt8(ascii: ")"), at: 20)),
        .refused("an angle bracket that is not closed", from: "Ann <a@own.example", .unbalanced),
        .refused("a backslash at the end of a comment", from: "a@own.example (\\", .unbalanced),
        .refused("a control character", from: "a\u{1B}@own.example", .control),
        .refused("a control character in a quoted name", from: "\"\u{7F}\" <a@own.example>", .control),
        .refused("a line of blanks within", from: "Ann\r\n \r\n <a@own.example>", .blankLine),
        .refused(
            "a semicolon between addresses", from: "a@own.example; b@own.example",
            .unexpected(octet: UInt8(ascii: ";"), at: 14)),
    ]

    @Test(arguments: accepted) func `the domains of every author are found`(_ example: AuthorCase) throws {
        let content = ByteBuffer(string: example.header + "\r\nbody\r\n")
        let authors = try AuthorIdentity(HeaderScan(content), in: content)
        #expect(authors.domains.map(\.name) == example.domains)
    }

    @Test(arguments: refused) func `an author who cannot be told without doubt is refused with 554 5.6.0`(
        _ example: AuthorCase
    ) {
        let fault = fault(example.header + "\r\nbody\r\n")
        #expect(fault == example.fault)
        #expect(fault?.reply.code == 554)
        #expect(fault?.reply.enhanced == EnhancedCode(5, 6, 0))
    }

    @Test func `an address in the display name or a comment is told`() throws {
        for (value, expected) in [
            ("\"ceo@bank\" <a@own.example>", ["bank"]), ("a@own.example (ceo@bank)", ["bank"]),
            ("\"Ann\" <a@own.example>", []), ("\"P @ home\" <a@own.example>", []), ("\"@ann\" <a@own.example>", []),
            ("\"ceo\\@Bank.Example.\" <a@own.example>", ["bank.example"]),
            ("(one (ceo\\@bank.example)) Ann <a@own.example>", ["bank.example"]),
            ("\"a@own.example, b@other.example\" <a@own.example>", ["own.example", "other.example"]),
            ("\"ceo@bücher.example\" <a@own.example>", ["xn--bcher-kva.example"]),
            ("\"ceo@-bank_\" <a@own.example>", ["-bank"]),
            // What a reader takes for an at sign, and overlooks beside one.
            ("\"ceo\u{FF20}bank.example\" <a@own.example>", ["bank.example"]),
            ("\"ceo\u{FE6B}bank.example\" <a@own.example>", ["bank.example"]),
            ("=?utf-8?B?Y2Vv77ygb3RoZXIuZXhhbXBsZQ==?= <a@own.example>", ["other.example"]),
            ("\"ceo @ bank.example\" <a@own.example>", ["bank.example"]),
            ("\"ceo@\r\n bank.example\" <a@own.example>", ["bank.example"]),
            ("=?utf-8?q?ceo_=40bank.example?= <a@own.example>", ["bank.example"]),
            ("\"ceo@[192.0.2.1]\" <a@own.example>", ["[192.0.2.1]"]),
            ("=?utf-16?B?//5jAGUAbwBAAG8AdABoAGUAcgAuAGUAeABhAG0AcABsAGUA?= <a@own.example>", ["other.example"]),
            ("=?UTF-7*en?q?ceo+AEA-other.example_+-?= <a@own.example>", ["other.example"]),
            ("=?utf-8?q?ceo+AEA-other.example?= <a@own.example>", []),
            ("=?utf-16?b?AGMAZQBv/yAAbwB0AGgAZQByAC4AZQB4AGEAbQBwAGwAZQ==?= <a@own.example>", ["other.example"]),
            ("\"Jo @ St. Mary\" <a@own.example>", []), ("\"Jo @ Acme\" <a@own.example>", []),
            ("\"ceo@bank.example\": a@own.example;", ["bank.example"]),
            ("=?utf-8?q?ceo=40bank=2Eexample?= <a@own.example>", ["bank.example"]),
            ("\"=?utf-8?Q?ceo=40bank.example?=\" <a@own.example>", ["bank.example"]),
            ("=?utf-8?B?Y2VvQGJhbmsuZXhhbXBsZQ==?= <a@own.example>", ["bank.example"]),
            ("=?utf-8?b?Y2VvQGJh?=\r\n =?utf-8?q?nk.example_?= X <a@own.example>", ["bank.example"]),
            ("=?utf-8?x?ceo=40bank.example?= =?=?q? <a@own.example>", []),
        ] as [(String, [String])] {
            let content = ByteBuffer(string: "From: \(value)\r\n\r\n")
            #expect(try AuthorIdentity(HeaderScan(content), in: content).shownDomains == expected, "\(value)")
        }
    }

    @Test func `octets that are not UTF-8 are refused`() {
        var content = ByteBuffer(string: "From: \"")
        content.writeBytes([0x83, 0x5C])  // Shift-JIS whose second octet is a backslash
        content.writeString("\" <a@own.example>\r\n\r\n")
        #expect(fault(content) == .malformedAddress(.from, .notUTF8))
    }

    @Test func `ten thousand addresses are refused as too many`() {
        let list = (0..<10_000).map { "a\($0)@d\($0).example" }.joined(separator: ",\r\n ")
        #expect(fault("From: \(list)\r\nSender: a@own.example\r\n\r\n") == .tooManyAuthors)
    }

    @Test func `comments nested ten thousand deep cost no stack`() throws {
        let line = String(repeating: "(", count: 900) + "\r\n "
        let depth = String(repeating: line, count: 12)
        let end = String(repeating: String(repeating: ")", count: 900) + "\r\n ", count: 12)
        let content = ByteBuffer(string: "From: \(depth)\(end)a@own.example\r\n\r\n")
        #expect(try AuthorIdentity(HeaderScan(content), in: content).domains.map(\.name) == ["own.example"])
    }
}

/// The fault of a message, nil where it is fine.
func fault(_ message: String) -> MessageFault? { fault(ByteBuffer(string: message)) }

func fault(_ content: ByteBuffer) -> MessageFault? {
    do throws(MessageFault) {
        _ = try prepare(content)
        return nil
    } catch {
        return error
    }
}

func prepare(_ content: ByteBuffer) throws(MessageFault) -> PreparedMessage {
    try Fixups.prepare(
        content: content, now: 1_795_527_055, messageIDDomain: "smtp.own.example", makeMessageID: { "made" })
}

struct InternationalizedAuthorTests {
    private func domains(_ from: String, declared: Bool = true) throws -> [String] {
        let content = ByteBuffer(string: "From: \(from)\r\n\r\n")
        return try AuthorIdentity(HeaderScan(content), in: content, isInternationalized: declared).domains.map(\.name)
    }

    @Test func `where SMTPUTF8 was declared, From may be UTF-8, and its domain is told as the DNS knows it`() throws {
        #expect(try domains("zo\u{EB}@own.example") == ["own.example"])
        #expect(try domains("Zo\u{EB} <zo\u{EB}@b\u{fc}cher.example>") == ["xn--bcher-kva.example"])
        #expect(throws: MessageFault.malformedAddress(.from, .nonASCIIAddress)) {
            try domains("zo\u{EB}@own.example", declared: false)
        }
    }

    @Test(arguments: [
        ("a\u{202e}b@own.example", AddressFault.localPart), ("u\u{308}@own.example", .localPart),
        ("a@own\u{200b}.example", .domain), ("a@\u{ff4f}wn.example", .domain),
    ])
    func `what an address may not hold, it may not hold in UTF-8 either`(_ from: String, _ fault: AddressFault) {
        #expect(throws: MessageFault.malformedAddress(.from, fault)) { try domains(from) }
    }
}
