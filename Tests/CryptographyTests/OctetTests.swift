import Cryptography
import Testing

@Suite struct OctetTests {
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func `Base64 goes both ways as in RFC 4648`(plain: String, encoded: String) {
        #expect(Base64.encode(plain.utf8) == encoded)
        #expect(Base64.decode(encoded) == Array(plain.utf8))
    }

    @Test(arguments: [
        "=", "==", "====", "=AAA", "A", "AA", "AAA", "A===", "AA=", "AA=A", "AAA=BBB", "AAA=BBBB", "AA==AAAA", "AAAA=",
        "AAAA====", "AA===", "Zm9v Zm9v", " Zm9v", "Zm9v\r\n", "Zm9v\0", "Zm-_", "Zm9\u{e9}", "Zh==", "Zm9=", "AAA*",
    ])
    func `Base64 refuses what its encoder would not make`(text: String) {
        #expect(Base64.decode(text) == nil)
    }

    @Test func `every octet survives Base64`() {
        let all = (0..<256).map { UInt8($0) }
        for length in 0...256 { #expect(Base64.decode(Base64.encodedBytes(all[..<length])) == Array(all[..<length])) }
    }

    @Test func `comparison sees every difference and every length`() {
        #expect(constantTimeEquals([1, 2, 3], [1, 2, 3]))
        #expect(constantTimeEquals([UInt8](), [UInt8]()))
        #expect(!constantTimeEquals([1, 2, 3], [1, 2, 4]))
        #expect(!constantTimeEquals([0, 2, 3], [1, 2, 3]))
        #expect(!constantTimeEquals([1, 2, 3], [1, 2]))
        #expect(!constantTimeEquals([UInt8](), [0]))
    }

    @Test func `random octets are as many as asked for and not the same twice`() {
        #expect(randomBytes(0).isEmpty)
        #expect(randomBytes(33).count == 33)
        #expect(randomBytes(32) != randomBytes(32))
    }

    @Test func `a wiped secret is empty`() {
        var secret = Array("gp_secret".utf8)
        wipe(&secret)
        #expect(secret.isEmpty)
    }
}
