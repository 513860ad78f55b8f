import Cryptography
import SASL
import Testing

@Suite struct SCRAMTests {
    /// Runs a client to its end; what each step showed.
    private func run(
        _ client: SCRAMClient, _ mechanism: SASLMechanism, binding: [UInt8]? = binding, initially: Bool = true,
        changing change: (String) -> String = { $0 }
    ) throws -> [Seen] {
        let dialogue = try Dialogue(mechanism, binding: binding)
        var seen: [Seen] = []
        if initially {
            seen.append(dialogue.start(client.first))
        } else {
            #expect(dialogue.start(nil) == .challenge(""))
            seen.append(dialogue.respond(client.first))
        }
        guard case .challenge(let serverFirst)? = seen.last else { return seen }
        let final = try client.final(serverFirst)
        seen.append(dialogue.respond(change(final.message)))
        guard case .challenge(let serverFinal)? = seen.last else { return seen }
        #expect(serverFinal == final.signature, "the server proves itself")
        seen.append(dialogue.respond(""))
        return seen
    }

    @Test(arguments: [true, false])
    func `SCRAM-SHA-256 and -PLUS log in and prove the server`(initially: Bool) throws {
        #expect(try run(SCRAMClient(), .scramSHA256, initially: initially).last == .succeeded("acme.k7m2q9"))
        #expect(try run(.plus(), .scramSHA256Plus, initially: initially).last == .succeeded("acme.k7m2q9"))
        #expect(try run(SCRAMClient(), .scramSHA256, binding: nil).last == .succeeded("acme.k7m2q9"))
        #expect(try run(SCRAMClient(name: "acme.imported"), .scramSHA256).last == .succeeded("acme.imported"))
    }

    @Test func `a client that could bind logs in where -PLUS is not offered`() throws {
        let client = SCRAMClient(header: "y,,")
        #expect(try run(client, .scramSHA256, binding: nil).last == .succeeded("acme.k7m2q9"))
    }

    @Test func `an authorization identity is fine if it is one's own, and a name's case does not matter`() throws {
        let same = SCRAMClient(header: "n,a=acme.k7m2q9,")
        #expect(try run(same, .scramSHA256).last == .succeeded("acme.k7m2q9"))
        #expect(try run(SCRAMClient(name: "Acme.K7M2Q9"), .scramSHA256).last == .succeeded("acme.k7m2q9"))
        let both = SCRAMClient(name: "Acme.K7M2Q9", header: "n,a=Acme.K7M2Q9,")
        #expect(try run(both, .scramSHA256).last == .succeeded("acme.k7m2q9"))
    }

    @Test(arguments: [
        SCRAMClient(secret: otherSecret), SCRAMClient(name: "nobody.here"), SCRAMClient(name: "acme.k7m2q"),
        SCRAMClient(name: "other.k7m2q9"), SCRAMClient(name: " acme.k7m2q9"), SCRAMClient(name: "acme.k7m2q9 "),
        SCRAMClient(name: "acme=2Ck7m2q9"), SCRAMClient(name: "acme=3Dk7m2q9"), SCRAMClient(name: "acme.k7m2q9@realm"),
        SCRAMClient(name: "acmé"), SCRAMClient(name: "ａcme.k7m2q9"), SCRAMClient(name: "a\0b"),
        SCRAMClient(name: " "), SCRAMClient(name: String(repeating: "a", count: 1_200)),
        SCRAMClient(name: "nobody@x", header: "n,a=nobody@x,"),
    ])
    func `unknown names and wrong secrets get a challenge of one shape and fail at the proof`(client: SCRAMClient)
        throws
    {
        let seen = try run(client, .scramSHA256)
        try #require(seen.count == 2, "client-first is answered: \(seen)")
        guard case .challenge(let serverFirst) = seen[0] else { return }
        let challenge = try SCRAMClient.Challenge(serverFirst)
        #expect(challenge.iterations == 4_096)
        #expect(Base64.decode(challenge.salt)?.count == 16)
        #expect(challenge.nonce.hasPrefix(client.nonce))
        #expect(challenge.nonce.utf8.count == client.nonce.utf8.count + 32)
        #expect(seen[1] == .failed(.credentials))
        let plus = SCRAMClient(
            name: client.name, secret: client.secret,
            header: "p=tls-exporter," + client.header.dropFirst(2), boundTo: binding)
        #expect(try run(plus, .scramSHA256Plus).last == .failed(.credentials))
    }

    @Test func `the salt of an unknown name stays, and the nonce never does`() throws {
        var salts: Set<String> = []
        var nonces: Set<String> = []
        for _ in 0..<20 {
            let dialogue = try Dialogue(.scramSHA256)
            guard case .challenge(let text) = dialogue.start(SCRAMClient(name: "nobody.here").first) else { continue }
            let challenge = try SCRAMClient.Challenge(text)
            salts.insert(challenge.salt)
            nonces.insert(challenge.nonce)
        }
        #expect(salts.count == 1)
        #expect(nonces.count == 20)
    }

    /// libsasl2's own generator is `jrand48`, and takes bits 24 to 31 of its state for each octet: 32 bits of state say
    /// it all. With it in place, this finds the state from the first octets.
    @Test func `the server's nonce does not come from libsasl2's generator`() throws {
        let dialogue = try Dialogue(.scramSHA256)
        guard case .challenge(let text) = dialogue.start(SCRAMClient(nonce: "abc").first) else {
            Issue.record("no challenge")
            return
        }
        let octets = try #require(Base64.decode(String(try SCRAMClient.Challenge(text).nonce.dropFirst(3))))
        try #require(octets.count == 24)
        var low: UInt32 = 0
        var isFound = false
        while low < 1 << 24, !isFound {
            var state = UInt32(octets[0]) << 24 | low
            var position = 1
            while position < octets.count {
                state = state &* 0xDEEC_E66D &+ 0xB
                if UInt8(state >> 24) != octets[position] { break }
                position += 1
            }
            isFound = position == octets.count
            low += 1
        }
        #expect(!isFound)
    }

    @Test(arguments: [
        "", "n", "n,,", "n,,n=acme.k7m2q9", "n,,n=acme.k7m2q9,", "n,,n=acme.k7m2q9,r=", "n,,n=acme.k7m2q9,r=a b",
        "n,,n=acme.k7m2q9,r=a\0b", "n,,n=acme.k7m2q9,r=abc,x=1", "n,,n=acme.k7m2q9,r=abc,", "n,,n=acme.k7m2q9,r=é",
        "n,,m=1,n=acme.k7m2q9,r=abc", "n,,r=abc,n=acme.k7m2q9", "n,,n=,r=abc", "n,,n=a=b,r=abc", "n,,n=a=2c,r=abc",
        "n,,n=acme.k7m2q9=,r=abc", "n,,N=acme.k7m2q9,r=abc", "x,,n=acme.k7m2q9,r=abc", "N,,n=acme.k7m2q9,r=abc",
        ",,n=acme.k7m2q9,r=abc", "n,n=acme.k7m2q9,r=abc", "n,x=1,n=acme.k7m2q9,r=abc", "n,a=,n=acme.k7m2q9,r=abc",
        "n,a=other.k7m2q9,n=acme.k7m2q9,r=abc", "n,a=ACME.k7m2q9,n=acme.k7m2q9,r=abc",
        "n,a= acme.k7m2q9,n=acme.k7m2q9,r=abc", "n,a=acme.k7m2q9 ,n=acme.k7m2q9,r=abc",
        "n,,n=acme.k7m2q9,r=\(String(repeating: "a", count: 1_600))",
        "y,,n=acme.k7m2q9,r=abc", "p=tls-exporter,,n=acme.k7m2q9,r=abc", "p=tls-unique,,n=acme.k7m2q9,r=abc",
        "p=,,n=acme.k7m2q9,r=abc", "p,,n=acme.k7m2q9,r=abc",
    ])
    func `SCRAM-SHA-256 refuses a first message that is none or is not meant for it`(message: String) throws {
        let dialogue = try Dialogue(.scramSHA256)
        #expect(dialogue.start(message) == .failed(.credentials))
        #expect(dialogue.lookedUp.isEmpty)
    }

    @Test(arguments: [
        "n,,n=acme.k7m2q9,r=abc", "y,,n=acme.k7m2q9,r=abc", "p=tls-unique,,n=acme.k7m2q9,r=abc",
        "p=tls-server-end-point,,n=acme.k7m2q9,r=abc", "p=TLS-EXPORTER,,n=acme.k7m2q9,r=abc",
        "p=tls-exporter,a=other.k7m2q9,n=acme.k7m2q9,r=abc",
    ])
    func `-PLUS refuses a first message without its one channel binding`(message: String) throws {
        let dialogue = try Dialogue(.scramSHA256Plus)
        #expect(dialogue.start(message) == .failed(.credentials))
        #expect(dialogue.lookedUp.isEmpty)
    }

    @Test func `-PLUS refuses the binding of another connection, or none`() throws {
        for bound in [Array(binding.reversed()), [], Array(binding.dropLast()), binding + [0]] {
            var client = SCRAMClient.plus()
            client.boundTo = bound
            #expect(try run(client, .scramSHA256Plus).last == .failed(.credentials))
        }
    }

    @Test func `a plain SCRAM client that binds nevertheless is refused`() throws {
        var client = SCRAMClient()
        client.boundTo = binding
        #expect(try run(client, .scramSHA256).last == .failed(.credentials))
    }

    /// Every way to change a final message that was right.
    @Test func `a final message changed in any way is refused`() throws {
        let changes: [(String) -> String] = [
            { _ in "" }, { _ in "c=biws" }, { String($0.dropLast()) }, { $0 + "=" }, { $0 + ",x=1" }, { "x=1," + $0 },
            { $0.replacing(",r=", with: ",m=1,r=") }, { $0.replacing(",p=", with: ",x=1,p=") },
            { $0.replacing(",r=", with: ",r=x") }, { $0.replacing("r=fyko", with: "r=fykp") },
            { $0.replacing(",r=", with: ",i=1,r=") }, { $0.replacing("c=biws", with: "c=eSws") },
            { $0.replacing("c=biws", with: "c=biwsAA==") }, { $0.replacing("c=biws", with: "c=") },
            { $0.replacing("c=biws", with: "c=bi ws") }, { $0.replacing(",p=", with: ",P=") },
            { $0.prefix(while: { $0 != "p" }) + "p=" + Base64.encode([UInt8](repeating: 0, count: 32)) },
            { $0.prefix(while: { $0 != "p" }) + "p=" + Base64.encode([UInt8](repeating: 0, count: 31)) },
            { text in
                // The nonce without its server part.
                text.split(separator: ",").map { $0.hasPrefix("r=") ? "r=fyko+d2lbbFgONRv9qkxdawL" : $0 }.joined(
                    separator: ",")
            },
            { text in
                text.split(separator: ",").map { $0.hasPrefix("r=") ? $0.dropLast() : $0 }.joined(separator: ",")
            }, { $0 + "\0" }, { String(repeating: "a", count: 3_000) + $0 },
        ]
        for (number, change) in changes.enumerated() {
            #expect(
                try run(SCRAMClient(), .scramSHA256, changing: change).last == .failed(.credentials), "change \(number)"
            )
        }
    }

    @Test func `a proof cannot be used in another exchange`() throws {
        let first = try Dialogue(.scramSHA256)
        guard case .challenge(let serverFirst) = first.start(SCRAMClient().first) else {
            Issue.record("no challenge")
            return
        }
        let final = try SCRAMClient().final(serverFirst).message
        let second = try Dialogue(.scramSHA256)
        _ = second.start(SCRAMClient().first)
        #expect(second.respond(final) == .failed(.credentials))
        #expect(first.respond(final) != .failed(.credentials))
    }

    @Test func `a client that answers the server's signature is no SCRAM client`() throws {
        let dialogue = try Dialogue(.scramSHA256)
        guard case .challenge(let serverFirst) = dialogue.start(SCRAMClient().first) else {
            Issue.record("no challenge")
            return
        }
        _ = dialogue.respond(try SCRAMClient().final(serverFirst).message)
        #expect(dialogue.respond("thanks") == .failed(.malformed))
        #expect(dialogue.respond("") == .failed(.temporary))
    }

    @Test func `an exchange that is dropped half way harms nothing`() throws {
        for _ in 0..<50 {
            let dialogue = try Dialogue(.scramSHA256Plus)
            _ = dialogue.start(SCRAMClient.plus().first)
        }
        #expect(try run(.plus(), .scramSHA256Plus).last == .succeeded("acme.k7m2q9"))
    }

    @Test func `failures name who it was said to be, in canonical form`() throws {
        let dialogue = try Dialogue(.scramSHA256)
        guard case .challenge(let serverFirst) = dialogue.start(SCRAMClient(name: "ACME.k7m2q9").first) else {
            Issue.record("no challenge")
            return
        }
        _ = dialogue.respond(try SCRAMClient(name: "ACME.k7m2q9", secret: otherSecret).final(serverFirst).message)
        #expect(dialogue.failure?.loginName == "acme.k7m2q9")
    }
}
