import Cryptography
import Testing

@testable import SubmissionClient

@Suite struct SASLClientTests {
    private func client(
        _ mechanism: ClientCredentials.Mechanism, secret: String = "pencil", binding: [UInt8] = []
    ) -> SASLClient {
        SASLClient(
            ClientCredentials(username: "user", secret: secret, mechanism: mechanism), channelBinding: binding,
            secrets: SaltedSecrets(), nonce: "rOprNGfwEbeRWgbNEkqO")
    }

    private func text(_ octets: [UInt8]?) -> String? { octets.map { String(decoding: $0, as: UTF8.self) } }

    /// RFC 7677 §3's exchange.
    private let serverFirst =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"

    @Test func `SCRAM-SHA-256 speaks RFC 7677's example`() throws {
        var client = client(.scramSHA256)
        #expect(text(client.initialResponse()) == "n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
        #expect(
            text(try client.respond(to: Array(serverFirst.utf8)))
                == "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                + "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
        #expect(
            try client.respond(to: Array("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=".utf8)).isEmpty)
    }

    @Test func `a server that does not know the secret is found out`() throws {
        var client = client(.scramSHA256)
        _ = client.initialResponse()
        _ = try client.respond(to: Array(serverFirst.utf8))
        #expect(throws: SASLClient.Failure.wrongServer) {
            try client.respond(to: Array("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=".utf8))
        }
    }

    @Test(arguments: [
        "r=another,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "r=rOprNGfwEbeRWgbNEkqOx,s=*,i=4096", "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0", "", "m=x",
    ]) func `a malformed first answer is refused`(_ challenge: String) {
        var client = client(.scramSHA256)
        _ = client.initialResponse()
        #expect(throws: SASLClient.Failure.malformedChallenge) { try client.respond(to: Array(challenge.utf8)) }
    }

    @Test func `PLUS binds the channel`() throws {
        var client = client(.scramSHA256Plus, binding: [1, 2, 3])
        #expect(text(client.initialResponse())?.hasPrefix("p=tls-exporter,,n=user,") == true)
        let response = text(try client.respond(to: Array(serverFirst.utf8))) ?? ""
        let binding = Base64.encode(Array("p=tls-exporter,,".utf8) + [1, 2, 3])
        #expect(response.hasPrefix("c=\(binding),r="))
    }

    @Test func `PLAIN and LOGIN send what they send`() throws {
        var plain = client(.plain)
        #expect(text(plain.initialResponse()) == "\0user\0pencil")
        #expect(throws: SASLClient.Failure.tooManyChallenges) { try plain.respond(to: []) }
        var login = client(.login)
        #expect(login.initialResponse() == nil)
        #expect(text(try login.respond(to: Array("Username:".utf8))) == "user")
        #expect(text(try login.respond(to: Array("Password:".utf8))) == "pencil")
        #expect(throws: SASLClient.Failure.tooManyChallenges) { try login.respond(to: []) }
    }

    @Test func `credentials never show their secret`() {
        let credentials = ClientCredentials(username: "user", secret: "pencil", mechanism: .plain)
        #expect(!"\(credentials)".contains("pencil"))
        #expect(!String(reflecting: credentials).contains("pencil"))
        var dumped = ""
        dump(credentials, to: &dumped)
        #expect(!dumped.contains("pencil"))
    }
}
