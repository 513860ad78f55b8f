import SASL
import Testing

@testable import Tenancy

@Suite struct `A secret` {
    @Test func `has the documented form, and no two are the same`() throws {
        var seen: Set<String> = []
        for _ in 0..<200 {
            let text = Secret.make().exposed
            #expect(text.count == 39)
            #expect(try #/^gp_[0-9A-Za-z]{36}$/#.wholeMatch(in: text) != nil)
            #expect(Secret(parsing: text)?.exposed == text)
            seen.insert(text)
        }
        #expect(seen.count == 200)
    }

    @Test func `uses all 62 characters about equally often`() {
        var counts: [Character: Int] = [:]
        for _ in 0..<1000 {
            for character in Secret.make().exposed.dropFirst(3).dropLast(6) { counts[character, default: 0] += 1 }
        }
        // 30,000 draws, 484 of each expected, standard deviation 22: ten of them apart is no accident.
        #expect(counts.count == 62)
        #expect(counts.values.allSatisfy { (264...704).contains($0) })
    }

    @Test func `ends in the CRC-32 of what comes before, in base62`() {
        #expect(crc32("123456789".utf8) == 0xCBF4_3926)
        let text = "gp_" + String(repeating: "a", count: 30)
        #expect(Secret(parsing: text + Self.base62(crc32(text.utf8)))?.exposed.hasPrefix(text) == true)
        #expect(Secret(parsing: text + "000000") == nil)
    }

    @Test func `is not taken with a character changed, missing or added`() {
        let text = Secret.make().exposed
        for index in text.indices {
            var changed = text
            changed.replaceSubrange(index...index, with: text[index] == "x" ? "y" : "x")
            #expect(Secret(parsing: changed) == nil)
        }
        #expect(Secret(parsing: String(text.dropLast())) == nil)
        #expect(Secret(parsing: text + "a") == nil)
        #expect(Secret(parsing: "") == nil)
    }

    @Test func `never describes itself`() {
        let secret = Secret.make()
        var dumped = ""
        dump(secret, to: &dumped)
        dump(["in": secret], to: &dumped)
        let all = "\(secret) \(String(reflecting: secret)) \(dumped) \(secret.verifier())"
        #expect(!all.contains(secret.exposed.dropFirst(3)))
    }

    @Test func `gives a verifier and a digest that only it matches`() throws {
        let secret = Secret.make()
        let verifier = secret.verifier()
        #expect(verifier.scram.matches(secret: secret.exposed.utf8))
        #expect(!verifier.scram.matches(secret: Secret.make().exposed.utf8))
        #expect(verifier.digest?.count == 32)
    }

    private static func base62(_ number: UInt32) -> String {
        let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
        var (rest, text) = (number, "")
        for _ in 0..<6 {
            text = String(alphabet[Int(rest % 62)]) + text
            rest /= 62
        }
        return text
    }
}

@Suite struct `A user name` {
    @Test func `is the tenant's slug and six characters that cannot be mistaken`() throws {
        for _ in 0..<100 {
            #expect(try #/^acme\.[2-9a-hjkmnp-z]{6}$/#.wholeMatch(in: Username.make(for: "acme")) != nil)
        }
    }
}
