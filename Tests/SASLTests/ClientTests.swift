import Cryptography
import SASL
import Testing

/// Our client against our server, both libsasl2's, in one process.
@Suite struct ClientTests {
    private func login(_ name: String = "acme.k7m2q9", _ password: String = secret) throws -> ClientLogin {
        try #require(ClientLogin(username: name, password: password))
    }

    private func client(
        _ mechanism: SASLMechanism, _ login: ClientLogin, binding: [UInt8]? = binding
    ) throws -> ClientExchange {
        try ClientExchange(login, mechanism: mechanism, host: "mx.example", channelBinding: binding)
    }

    /// Runs both to the end: what the server says, and whether the client believes it.
    private func converse(_ mechanism: SASLMechanism, _ login: ClientLogin) throws -> (Seen, Bool, String?) {
        let client = try self.client(mechanism, login)
        let server = try Dialogue(mechanism)
        guard case .respond(let initial) = client.start() else { return (.failed(.temporary), false, "start") }
        var seen = server.start(octets: initial)
        while case .challenge(let challenge) = seen {
            switch client.respond(to: Array(challenge.utf8)) {
            case .failed(let reason): return (seen, false, reason)
            case .respond(let response):
                seen = server.respond(String(decoding: response ?? [], as: UTF8.self))
            }
        }
        return (seen, client.isComplete, nil)
    }

    @Test(arguments: SASLMechanism.allCases.filter { $0 != .external })
    func `every mechanism logs in, and SCRAM's server has proved itself`(_ mechanism: SASLMechanism) throws {
        let (seen, isComplete, reason) = try converse(mechanism, try login())
        #expect(seen == .succeeded("acme.k7m2q9"), "\(reason ?? "")")
        #expect(isComplete)
    }

    @Test(arguments: SASLMechanism.allCases.filter { $0 != .external })
    func `a wrong secret logs nobody in`(_ mechanism: SASLMechanism) throws {
        let (seen, _, _) = try converse(mechanism, try login("acme.k7m2q9", "gp_wrong"))
        #expect(seen == .failed(.credentials))
    }

    @Test func `each exchange has a nonce of its own, from libcrypto`() throws {
        var nonces: Set<[UInt8]> = []
        for _ in 0..<50 {
            guard case .respond(let first?) = try client(.scramSHA256, try login()).start() else {
                Issue.record("no client-first")
                return
            }
            nonces.insert(first)
        }
        #expect(nonces.count == 50)
    }

    @Test func `a server that asks for a million iterations is left`() throws {
        let client = try client(.scramSHA256, try login())
        guard case .respond(let first?) = client.start() else {
            Issue.record("no client-first")
            return
        }
        let nonce = String(decoding: first, as: UTF8.self).split(separator: ",").last ?? ""
        let step = client.respond(to: Array("\(nonce)abc,s=c2FsdHNhbHQ=,i=1000000".utf8))
        #expect(step == .failed(reason: "the server asks for more than 100000 iterations"))
    }

    @Test func `the strongest mechanism is chosen; passwords go inside TLS alone`() {
        func chosen(_ offered: [String], _ isEncrypted: Bool, _ hasBinding: Bool) -> SASLMechanism? {
            ClientExchange.choose(from: offered, isEncrypted: isEncrypted, hasBinding: hasBinding)
        }
        let all = ["LOGIN", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "XOAUTH2"]
        #expect(chosen(all, true, true) == .scramSHA256Plus)
        #expect(chosen(all, true, false) == .scramSHA256)
        #expect(chosen(["LOGIN", "PLAIN"], true, true) == .plain)
        #expect(chosen(["LOGIN"], true, false) == .login)
        #expect(chosen(["LOGIN", "PLAIN"], false, false) == nil)
        #expect(chosen(all, false, false) == .scramSHA256)
        #expect(chosen(["CRAM-MD5", "GSSAPI"], true, true) == nil)
    }
}
