import Cryptography
import SASL
import Testing

@Suite struct VerifierTests {
    /// Of `pencil`, as in RFC 7677 §3.
    let text =
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        + "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

    @Test func `a verifier survives its text form, and knows its secret`() throws {
        let verifier = try SCRAMVerifier(parsing: text)
        #expect(verifier.encoded == text)
        #expect(verifier.matches(secret: "pencil".utf8))
        #expect(!verifier.matches(secret: "Pencil".utf8))
    }

    @Test func `derived verifiers differ in salt and match their secret alone`() {
        let first = SCRAMVerifier.derive(secret: "s3cret")
        let second = SCRAMVerifier.derive(secret: "s3cret")
        #expect(first != second)
        #expect(first.salt.count == 16)
        #expect(first.matches(secret: "s3cret".utf8) && second.matches(secret: "s3cret".utf8))
        #expect(!first.matches(secret: "s3cret ".utf8))
    }

    @Test(arguments: [
        "", "SCRAM-SHA-256", "SCRAM-SHA-1$4096:W22ZaJ0SNY7soEsUEjb6gQ==$a:b",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=",
        "SCRAM-SHA-256$4095:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
            + "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        "SCRAM-SHA-256$+4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
            + "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        "SCRAM-SHA-256$99999999999999999999:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
            + "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        "SCRAM-SHA-256$4096:$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$AAAA:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        " SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
            + "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    ])
    func `what is no verifier is refused, without being repeated`(text: String) {
        #expect {
            try SCRAMVerifier(parsing: text)
        } throws: { error in
            !text.contains("$") || !"\(error)".contains(text)
        }
    }

    @Test func `made-up verifiers are the same for a name and a key, and nobody else's`() {
        let key = Array("key".utf8)
        #expect(SCRAMVerifier.madeUp(for: "a", key: key) == .madeUp(for: "a", key: key))
        #expect(SCRAMVerifier.madeUp(for: "a", key: key).salt != SCRAMVerifier.madeUp(for: "b", key: key).salt)
        #expect(SCRAMVerifier.madeUp(for: "a", key: key).salt != SCRAMVerifier.madeUp(for: "a", key: [1]).salt)
        let madeUp = SCRAMVerifier.madeUp(for: "a", key: key)
        let derived = SCRAMVerifier.derive(secret: "x")
        #expect(madeUp.iterations == derived.iterations && madeUp.salt.count == derived.salt.count)
        #expect(madeUp.storedKey.count == 32 && madeUp.serverKey.count == 32 && madeUp.storedKey != madeUp.serverKey)
        #expect(StoredVerifier.madeUp(for: "a", key: key).digest?.count == 32)
        #expect(StoredVerifier.madeUp(for: "a", key: key, hasDigest: false).digest == nil)
    }

    @Test func `nothing that holds a secret shows it when described, dumped or reflected`() throws {
        let stored = StoredVerifier(secret: "gp_TheSecret".utf8)
        let exchange = SASLExchange(server: try .shared(), mechanism: .plain, channelBindings: ChannelBindings())
        _ = exchange.start(initialResponse: Array("\0acme.k7m2q9\0gp_TheSecret".utf8))
        let imported = StoredVerifier(scram: stored.scram, digest: nil)
        guard case .derive(let check) = exchange.provide(imported) else {
            Issue.record("no derivation")
            return
        }
        var shown = ""
        for value in [stored, stored.scram, check, exchange, SASLExchange.Step.derive(check)] as [Any] {
            dump(value, to: &shown)
            shown += String(describing: value) + String(reflecting: value)
        }
        let forbidden = [
            "gp_TheSecret", "TheSecret", Base64.encode(stored.scram.storedKey), Base64.encode(stored.scram.salt),
            "\(Array("gp_TheSecret".utf8))", "\(stored.scram.storedKey)", "\(stored.digest ?? [])",
            "- \(stored.scram.storedKey[0])\n",
        ]
        for text in forbidden { #expect(!shown.contains(text)) }
    }
}
