import SASL
import Testing

@Suite struct PasswordTests {
    @Test func `this machine offers the four mechanisms, the strongest first`() throws {
        #expect(try SASLServer.shared().mechanisms == [.scramSHA256Plus, .scramSHA256, .plain, .login])
    }

    @Test(arguments: [nil, binding])
    func `PLAIN logs in with and without an initial response`(binding: [UInt8]?) throws {
        let direct = try Dialogue(.plain, binding: binding)
        #expect(direct.start("\0acme.k7m2q9\0\(secret)") == .succeeded("acme.k7m2q9"))
        #expect(direct.lookedUp == ["acme.k7m2q9"])
        let asked = try Dialogue(.plain, binding: binding)
        #expect(asked.start(nil) == .challenge(""))
        #expect(asked.respond("acme.k7m2q9\0acme.k7m2q9\0\(secret)") == .succeeded("acme.k7m2q9"))
    }

    @Test func `LOGIN logs in with and without an initial response`() throws {
        let asked = try Dialogue(.login)
        #expect(asked.start(nil) == .challenge("Username:"))
        #expect(asked.respond("acme.k7m2q9") == .challenge("Password:"))
        #expect(asked.respond(secret) == .succeeded("acme.k7m2q9"))
        let named = try Dialogue(.login)
        #expect(named.start("acme.k7m2q9") == .challenge("Password:"))
        #expect(named.lookedUp.isEmpty, "nobody is looked up before the secret is there")
        #expect(named.respond(secret) == .succeeded("acme.k7m2q9"))
    }

    @Test func `a secret made here costs no derivation, an imported one costs one`() throws {
        let quick = try Dialogue(.plain)
        #expect(quick.start("\0acme.k7m2q9\0\(secret)") == .succeeded("acme.k7m2q9"))
        #expect(quick.derivations == 0)
        for mechanism in [SASLMechanism.plain, .login] {
            for (given, expected) in [(secret, Seen.succeeded("acme.imported")), (otherSecret, .failed(.credentials))] {
                let slow = try Dialogue(mechanism)
                if mechanism == .plain {
                    #expect(slow.start("\0acme.imported\0\(given)") == expected)
                } else {
                    _ = slow.start("acme.imported")
                    #expect(slow.respond(given) == expected)
                }
                #expect(slow.derivations == 1)
            }
        }
    }

    @Test(arguments: [
        ("acme.k7m2q9", otherSecret), ("nobody.here", secret), ("acme.k7m2q9", secret + "x"), ("acme.k7m2q", secret),
        ("other.k7m2q9", secret), (" acme.k7m2q9", secret), ("acme.k7m2q9 ", secret), ("acme.k7m2q9@realm", secret),
        ("acmé", secret), ("ａcme.k7m2q9", secret), ("acme%k7m2q9", secret), ("acme_k7m2q9", secret), ("\"", secret),
        (String(repeating: "a", count: 65), secret), (String(repeating: "a", count: 10_000), secret), ("a\tb", secret),
    ])
    func `unknown names and wrong secrets take one look-up and end the same`(name: String, secret: String) throws {
        let plain = try Dialogue(.plain)
        #expect(plain.start("\0\(name)\0\(secret)") == .failed(.credentials))
        #expect(plain.lookedUp.count == 1)
        #expect(plain.failure?.reason == "unknown name or wrong secret")
        let login = try Dialogue(.login)
        #expect(login.start(name) == .challenge("Password:"))
        #expect(login.respond(secret) == .failed(.credentials))
        #expect(login.lookedUp == plain.lookedUp)
    }

    @Test func `a name's case does not matter, and the login is its canonical form`() throws {
        let plain = try Dialogue(.plain)
        #expect(plain.start("\0ACME.K7m2Q9\0\(secret)") == .succeeded("acme.k7m2q9"))
        #expect(plain.lookedUp == ["acme.k7m2q9"])
    }

    @Test func `an impossible name is looked up under a stand-in that no login has`() throws {
        let first = try Dialogue(.plain)
        _ = first.start("\0' or 1=1; --\0\(secret)")
        let name = try #require(first.lookedUp.first)
        #expect(name.hasPrefix("?") && name.utf8.count <= 64)
        #expect(first.failure?.loginName == nil)
        let again = try Dialogue(.login)
        _ = again.start("' or 1=1; --")
        _ = again.respond(secret)
        #expect(again.lookedUp == [name], "the same each time")
    }

    @Test(arguments: [
        ("", SASLFailure.Kind.malformed), ("acme.k7m2q9", .malformed), ("\0acme.k7m2q9", .malformed),
        ("acme.k7m2q9\0\(secret)", .malformed), ("\0acme.k7m2q9\0\(secret)\0", .malformed),
        ("\0acme.k7m2q9\0\(secret.prefix(5))\0\(secret.dropFirst(5))", .malformed), ("\0\0\0\0", .malformed),
        ("\0\0\(secret)", .credentials), ("\0acme.k7m2q9\0", .credentials), ("\0\0", .credentials),
        ("\0acme.k7m2q9\0\(secret)\r\n", .credentials), ("\0acme.k7m2q9\0\(secret)\n", .credentials),
        ("\0acme.k7m2q9\0\(String(repeating: "x", count: 1_025))", .credentials),
        ("other.k7m2q9\0acme.k7m2q9\0\(secret)", .credentials), ("ACME.k7m2q9\0acme.k7m2q9\0\(secret)", .credentials),
        (" acme.k7m2q9\0acme.k7m2q9\0\(secret)", .credentials), ("acme.k7m2q9 \0acme.k7m2q9\0\(secret)", .credentials),
        ("acme\0acme.k7m2q9\0\(secret)", .credentials), ("root\0acme.k7m2q9\0\(secret)", .credentials),
    ])
    func `PLAIN refuses what is no PLAIN and whoever wants to be another`(
        message: String, expected: SASLFailure.Kind
    ) throws {
        let dialogue = try Dialogue(.plain)
        #expect(dialogue.start(message) == .failed(expected))
        #expect(dialogue.lookedUp.isEmpty)
    }

    @Test(arguments: ["", "a\0b", "\(secret)\n", "\(secret)\r", "\(secret)\0", String(repeating: "x", count: 1_025)])
    func `LOGIN refuses a secret that can be none`(secret: String) throws {
        let dialogue = try Dialogue(.login)
        #expect(dialogue.start("acme.k7m2q9") == .challenge("Password:"))
        #expect(dialogue.respond(secret) == .failed(.credentials))
    }

    @Test(arguments: ["", "a\0b", "acme.k7m2q9\0", "\r\n"])
    func `LOGIN asks for the secret of any name, and refuses it then`(name: String) throws {
        let dialogue = try Dialogue(.login)
        #expect(dialogue.start(name) == .challenge("Password:"))
        #expect(dialogue.respond(secret) == .failed(.credentials))
        #expect(dialogue.lookedUp.count == 1)
    }

    @Test func `an exchange that is over or asked out of turn ends as a fault of ours`() throws {
        let dialogue = try Dialogue(.plain)
        #expect(dialogue.start("\0acme.k7m2q9\0\(otherSecret)") == .failed(.credentials))
        #expect(dialogue.respond("\0acme.k7m2q9\0\(secret)") == .failed(.temporary))
        let early = try Dialogue(.login)
        #expect(early.respond("acme.k7m2q9") == .failed(.temporary))
    }

    @Test func `-PLUS without a channel binding is not to be had`() throws {
        let dialogue = try Dialogue(.scramSHA256Plus, binding: nil)
        #expect(dialogue.start(SCRAMClient.plus().first) == .failed(.mechanismUnavailable))
    }

    @Test func `exchanges on many threads at once do not mix`() async throws {
        let server = try SASLServer.shared()
        await withTaskGroup(of: Int.self) { group in
            for number in 0..<8 {
                group.addTask { @concurrent in
                    let right = number % 2 == 0
                    var wrong = 0
                    for _ in 0..<100 {
                        let exchange = SASLExchange(
                            server: server, mechanism: .plain, channelBindings: ChannelBindings())
                        let message = "\0acme.k7m2q9\0\(right ? secret : otherSecret)"
                        guard case .lookUp(let name) = exchange.start(initialResponse: Array(message.utf8)) else {
                            wrong += 1
                            continue
                        }
                        switch (exchange.provide(store.verifier(of: name)), right) {
                        case (.succeeded("acme.k7m2q9"), true), (.failed, false): break
                        default: wrong += 1
                        }
                    }
                    return wrong
                }
            }
            for await wrong in group { #expect(wrong == 0) }
        }
    }
}
