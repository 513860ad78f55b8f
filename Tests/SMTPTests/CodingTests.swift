import Testing

@testable import SMTP

struct CodingTests {
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"), ("\0a\0b", "AGEAYg=="), ("\u{ff}\u{fe}", "w7/Dvg=="),
    ])
    func `base64 as in RFC 4648`(_ text: String, _ encoded: String) {
        #expect(String(decoding: Base64Text.encode(Array(text.utf8)), as: UTF8.self) == encoded)
        #expect(Base64Text.decode(Array(encoded.utf8)) == Array(text.utf8))
    }

    @Test func `base64 of every length and octet comes back`() {
        var generator = SplitMix(seed: 1)
        for length in 0..<200 {
            let octets = (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }
            #expect(Base64Text.decode(Base64Text.encode(octets)) == octets)
        }
    }

    @Test(arguments: [
        "A", "AA", "AAA", "AA=", "=", "==", "===", "====", "A===", "=AAA", "AAA=AAAA", "AA==AA==", "AB==", "AAB=",
        "AA A", "AA\r\n",
        "AA-_", "AAA\u{e4}", "*",
    ])
    func `base64 that is not the one encoding of anything is refused`(_ text: String) {
        #expect(Base64Text.decode(Array(text.utf8)) == nil)
    }

    @Test func `xtext goes both ways and hides nothing`() {
        #expect(XText.encode("a+b=c@d e".utf8) == "a+2Bb+3Dc@d+20e")
        #expect(
            XText.decode(Array("a+2Bb+3Dc@d+20e".utf8)[...]).map { String(decoding: $0, as: UTF8.self) } == "a+b=c@d e")
        for bad in ["a=b", "a+", "a+2", "a+2b", "a+GG", "a b", "a+0A", "a+0D", "a+00", "a+7F", "a+80", "a\u{e4}"] {
            #expect(XText.decode(Array(bad.utf8)[...]) == nil, "\(bad)")
        }
    }

    @Test func `numbers do not wrap`() {
        #expect(Int(decimal: "0".utf8) == 0)
        #expect(Int(decimal: "9223372036854775807".utf8) == Int.max)
        for bad in ["", "9223372036854775808", "99999999999999999999", "-1", "+1", "1 ", "0x1"] {
            #expect(Int(decimal: bad.utf8) == nil)
        }
    }

    @Test func `escaping never leaves half an escape`() {
        #expect("a\u{1b}b\\".escaped(limit: 100) == #"a\x1bb\\"#)
        for limit in 3...12 {
            let text = "a\u{1b}\u{1b}\u{1b}".escaped(limit: limit)
            #expect(text.utf8.count <= limit)
            let shown = text.hasSuffix("...") ? text.dropLast(3) : text[...]
            #expect(shown == "a" || shown == "" || shown.dropFirst().count.isMultiple(of: 4))
        }
    }
}
