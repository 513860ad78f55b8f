import SASL
import Testing

/// SASL EXTERNAL (RFC 4422, appendix A): whoever the certificate says, and nobody else.
@Suite struct `EXTERNAL` {
    @Test(arguments: ["", "acme.k7m2q9", "ACME.k7m2q9"])
    func `takes the certificate's login, named or not`(identity: String) throws {
        #expect(try Dialogue(.external, certificate: "acme.k7m2q9").start(identity) == .succeeded("acme.k7m2q9"))
        let asked = try Dialogue(.external, certificate: "acme.k7m2q9")
        #expect(asked.start(nil) == .challenge(""))
        #expect(asked.respond(identity) == .succeeded("acme.k7m2q9"))
    }

    @Test(arguments: ["other.k7m2q9", "acme.k7m2q9 ", "acme.k7m2q9\0", "acme", "\u{e4}"])
    func `takes nobody else, however the name is written`(identity: String) throws {
        let dialogue = try Dialogue(.external, certificate: "acme.k7m2q9")
        #expect(dialogue.start(identity) == .failed(.credentials))
        // And once refused, it is over.
        #expect(dialogue.respond("acme.k7m2q9") == .failed(.temporary))
    }

    @Test func `a certificate that is nobody's logs nobody in`() throws {
        #expect(try Dialogue(.external, certificate: .some(nil)).start("") == .failed(.credentials))
        #expect(try Dialogue(.external, certificate: .some(nil)).start("acme.k7m2q9") == .failed(.credentials))
    }

    @Test func `without a certificate there is no EXTERNAL`() throws {
        #expect(try Dialogue(.external).start("") == .failed(.mechanismUnavailable))
    }

    @Test func `a certificate is no answer to another mechanism's question`() throws {
        let dialogue = try Dialogue(.plain, certificate: "acme.k7m2q9")
        #expect(dialogue.exchange.provide(certificateLogin: "acme.k7m2q9").isFailure)
    }
}

extension SASLExchange.Step {
    fileprivate var isFailure: Bool { if case .failed = self { true } else { false } }
}
