import Cryptography
import Testing

@Suite struct HashTests {
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func `SHA-256 gives the hashes of FIPS 180-4`(input: String, expected: String) {
        #expect(hexadecimal(SHA256.hash(input.utf8)) == expected)
    }

    @Test func `a hash fed in pieces of any size is the hash of the whole`() {
        let content = (0..<1_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        for size in [1, 3, 63, 64, 65, 999] {
            var hash = SHA256()
            for start in stride(from: 0, to: content.count, by: size) {
                hash.update(content[start..<min(start + size, content.count)])
            }
            #expect(hash.finalize() == SHA256.hash(content))
        }
    }

    @Test func `a copy of a half-fed hash goes on without touching the first`() {
        var first = SHA256()
        first.update("ab".utf8)
        var second = first
        second.update("x".utf8)
        first.update("c".utf8)
        #expect(first.finalize() == SHA256.hash("abc".utf8))
        #expect(second.finalize() == SHA256.hash("abx".utf8))
        #expect(first.finalize() == SHA256.hash("abc".utf8), "finishing does not spend the hash")
    }

    @Test func `bytes that lie in no one piece are hashed all the same`() {
        #expect(SHA256.hash(["a", "b", "c"].lazy.flatMap { Array($0.utf8) }) == SHA256.hash("abc".utf8))
    }

    @Test func `HMAC gives RFC 4231's codes`() {
        #expect(
            hexadecimal(
                HMACSHA256.authenticationCode(for: "what do ya want for nothing?".utf8, key: "Jefe".utf8))
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        #expect(
            hexadecimal(HMACSHA256.authenticationCode(for: [UInt8](), key: [UInt8]()))
                == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad")
    }

    @Test func `PBKDF2 gives RFC 7677's salted password`() throws {
        // Checked through the example's proof: StoredKey belongs to password `pencil`, user `user`.
        let salt = try #require(Base64.decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
        let salted = PBKDF2.sha256(password: "pencil".utf8, salt: salt, iterations: 4_096)
        let clientKey = HMACSHA256.authenticationCode(for: "Client Key".utf8, key: salted)
        let message =
            "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            + "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
        let signature = HMACSHA256.authenticationCode(for: message.utf8, key: SHA256.hash(clientKey))
        let proof = zip(clientKey, signature).map { $0 ^ $1 }
        #expect(Base64.encode(proof) == "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    }
}
