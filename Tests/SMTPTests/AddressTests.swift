import Testing

@testable import SMTP

struct AddressTests {
    @Test(arguments: [
        ("example.com", "example.com"), ("EXAMPLE.Com", "example.com"), ("a", "a"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("b\u{fc}cher.example", "xn--bcher-kva.example"), ("B\u{dc}CHER.Example", "xn--bcher-kva.example"),
        ("fa\u{df}.example", "xn--fa-hia.example"), ("\u{5d0}\u{5d1}.example", "xn--4dbc.example"),
        ("\u{4f8b}\u{5b50}.\u{6d4b}\u{8bd5}", "xn--fsqu00a.xn--0zwm56d"),
        ("1.example", "1.example"), ("a-b.c--d.example", "a-b.c--d.example"),
        (String(repeating: "a", count: 63) + ".b", String(repeating: "a", count: 63) + ".b"),
    ])
    func `a domain is kept in lower case`(_ text: String, _ name: String) throws {
        #expect(try Domain(parsing: text).name == name)
    }

    @Test(arguments: [
        ("xn--bcher-kva.example", true), ("b\u{fc}cher.example", true), ("a.ab--c.example", true), ("example", true),
        ("xn--a.example", false), ("a.XN--a.example", false),
    ])
    func `an A-label that is none can be told`(_ text: String, _ isValid: Bool) throws {
        #expect(try Domain(parsing: text).hasValidALabels == isValid)
    }

    @Test(arguments: [
        ("", AddressError.malformed), (".", .malformed), ("a.", .malformed), (".a", .malformed), ("a..b", .malformed),
        ("-a.b", .malformed), ("a-.b", .malformed), ("a_b.c", .malformed), ("a b", .malformed), ("a\u{0}b", .malformed),
        ("*.example", .malformed), ("a@b", .malformed), ("[1.2.3.4", .malformed), ("[1.2.3.4]", .addressLiteral),
        ("1.2.3.4", .addressLiteral), ("example.123", .addressLiteral),
        // no NFC; an underscore; a full-width letter (which TR46 would map); a symbol; RFC 5893's bidi rule
        ("bu\u{308}cher.example", .malformed), ("b\u{fc}_cher.example", .malformed),
        ("\u{ff45}xample.com", .malformed), ("\u{2665}.example", .malformed), ("\u{5d0}a\u{5d1}.example", .malformed),
        ("b\u{fc}cher\u{3002}example", .malformed), ("b\u{fc}\u{200b}cher.example", .malformed),
        (String(repeating: "a", count: 64), .tooLong), (String(repeating: "ab.", count: 84) + "ab", .tooLong),
    ])
    func `what is no domain says why`(_ text: String, _ error: AddressError) {
        #expect(throws: error) { try Domain(parsing: text) }
    }

    /// Wire form, local part as it means, wire form again.
    @Test(arguments: [
        ("a@b.c", "a", "a@b.c"), ("\"a\"@b.c", "a", "a@b.c"), ("\"a b\"@b.c", "a b", "\"a b\"@b.c"),
        (#""a\"b"@b.c"#, #"a"b"#, #""a\"b"@b.c"#), (#""a\b"@b.c"#, "ab", "ab@b.c"), (#""\\"@b.c"#, #"\"#, #""\\"@b.c"#),
        ("\"\"@b.c", "", "\"\"@b.c"), ("\".a\"@b.c", ".a", "\".a\"@b.c"), ("\"a..b\"@b.c", "a..b", "\"a..b\"@b.c"),
        ("\"a@b\"@b.c", "a@b", "\"a@b\"@b.c"),
        ("!#$%&'*+-/=?^_`{|}~@B.C", "!#$%&'*+-/=?^_`{|}~", "!#$%&'*+-/=?^_`{|}~@b.c"),
    ])
    func `a mailbox means its local part, and is quoted only where it must be`(
        _ text: String, _ local: String, _ description: String
    ) throws {
        let mailbox = try Mailbox(parsing: text)
        #expect(mailbox.localPart == local)
        #expect(mailbox.description == description)
        #expect(try Mailbox(parsing: description) == mailbox)
    }

    /// RFC 6531 §3.3.
    @Test(arguments: [
        ("j\u{f6}rg@c.example", "j\u{f6}rg@c.example", true),
        ("\u{e4}@b\u{fc}cher.example", "\u{e4}@xn--bcher-kva.example", true),
        ("j@b\u{fc}cher.example", "j@xn--bcher-kva.example", false),
        ("\"\u{e4} b\"@c.example", "\"\u{e4} b\"@c.example", true), ("\"\u{e4}\"@c.example", "\u{e4}@c.example", true),
        (
            "\u{928}\u{92e}\u{938}\u{94d}\u{924}\u{947}@c.example",
            "\u{928}\u{92e}\u{938}\u{94d}\u{924}\u{947}@c.example", true
        ),
    ])
    func `a mailbox may be UTF-8, and its domain is always ASCII`(
        _ text: String, _ description: String, _ isInternationalized: Bool
    ) throws {
        let mailbox = try Mailbox(parsing: text)
        #expect(mailbox.description == description)
        #expect(mailbox.isInternationalized == isInternationalized)
        #expect(try Mailbox(parsing: description) == mailbox)
    }

    @Test(
        arguments: [
            [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xFF],
            [0x80], [0xC3], [0xC3, 0x00],
            [0xEF, 0xB7, 0x90],  // a noncharacter
        ] as [[UInt8]])
    func `overlong forms, surrogates and other octets that are no UTF-8 are no address`(_ octets: [UInt8]) {
        #expect(throws: AddressError.malformed) { try Mailbox(parsing: (octets + Array("@c.example".utf8))[...]) }
        #expect(throws: AddressError.malformed) { try Domain(parsing: (octets + Array(".example".utf8))[...]) }
    }

    @Test func `mailboxes are equal by the octets before the at sign and the domain`() throws {
        #expect(try Mailbox(parsing: "a@B.c") == Mailbox(parsing: "\"a\"@b.C"))
        #expect(try Mailbox(parsing: "A@b.c") != Mailbox(parsing: "a@b.c"))
        #expect(try Mailbox(parsing: "a@b.c").domain == Domain(parsing: "b.c"))
    }

    @Test(arguments: [
        ("", AddressError.malformed), ("a", .withoutDomain), ("\"a\"", .withoutDomain), ("a@", .malformed),
        ("@b", .malformed),
        ("a\u{0}@b", .malformed), ("\"a\u{1b}\"@b", .malformed), ("\"a\\\u{7}\"@b", .malformed), ("\"a\\", .malformed),
        ("a@b@c", .malformed), ("a@b c", .malformed), ("a@[::1]", .addressLiteral),
        // bidi controls, a C1 control, a no-break space, no NFC, a zero-width space
        ("a\u{202e}b@c.example", .malformed), ("a\u{2066}b@c.example", .malformed), ("a\u{61c}b@c.example", .malformed),
        ("a\u{85}b@c.example", .malformed), ("a\u{a0}b@c.example", .malformed), ("u\u{308}@c.example", .malformed),
        ("a\u{200b}b@c.example", .malformed),
        // NFC only as long as its backslash stands: found by fuzzing
        ("\"u\\\u{308}\"@c.example", .malformed),
        ("\"\u{202e}\"@c.example", .malformed), (String(repeating: "\u{e4}", count: 33) + "@b", .tooLong),
        (String(repeating: "a", count: 65) + "@b", .tooLong),
    ])
    func `what is no mailbox says why`(_ text: String, _ error: AddressError) {
        #expect(throws: error) { try Mailbox(parsing: text) }
    }

    @Test func `a reverse path goes to text and back`() throws {
        #expect(ReversePath.null.description == "")
        #expect(try ReversePath(parsing: "") == .null)
        let path = try ReversePath(parsing: "\"a b\"@c.example")
        #expect(path.mailbox?.localPart == "a b")
        #expect(try ReversePath(parsing: path.description) == path)
    }

    /// No input whatever may trap, and what is taken survives the way through its description.
    @Test func `random octets are a mailbox that stays itself, or none`() {
        let alphabet = Array("ab.@\"\\ <>[]:-1\u{e4}\u{0}\r\n%!".utf8)
        var generator = SplitMix(seed: 20_261_124)
        for _ in 0..<20_000 {
            let octets = (0..<Int.random(in: 0...12, using: &generator)).map { _ in
                alphabet.randomElement(using: &generator) ?? 0
            }
            guard let mailbox = try? Mailbox(parsing: octets[...]) else { continue }
            #expect((try? Mailbox(parsing: mailbox.description)) == mailbox)
        }
    }
}

/// A generator whose runs can be repeated.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
