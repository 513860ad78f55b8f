internal import Cryptography

/// What a server keeps of a secret for SCRAM-SHA-256 (RFC 5802 §3, RFC 7677): enough to check a proof, not enough to
/// make one. Its text form is RFC 5803's.
package struct SCRAMVerifier: Sendable, Hashable {
    /// RFC 7677 §4's minimum, and what clients ship with.
    package static let defaultIterations = 4_096
    /// What a verifier may ask of clients and of our own threads.
    package static let iterationBounds = 4_096...1_000_000
    static let saltLength = 16
    static let scheme = "SCRAM-SHA-256"

    package let iterations: Int
    package let salt: [UInt8]
    package let storedKey: [UInt8]
    package let serverKey: [UInt8]

    /// Why a text is no verifier. Never says what it was: it may be a secret pasted in the wrong place.
    package struct ParsingError: Error, Sendable, Hashable, CustomStringConvertible {
        package let reason: String
        package var description: String { "not a SCRAM-SHA-256 verifier (RFC 5803): \(reason)" }
    }

    init(iterations: Int, salt: [UInt8], storedKey: [UInt8], serverKey: [UInt8]) {
        self.iterations = iterations
        self.salt = salt
        self.storedKey = storedKey
        self.serverKey = serverKey
    }

    /// Reads `SCRAM-SHA-256$4096:salt$StoredKey:ServerKey`, the last three in Base64.
    package init(parsing text: String) throws(ParsingError) {
        let parts = text.split(separator: "$", omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw ParsingError(reason: "expected three parts between $ signs") }
        guard parts[0] == Self.scheme else { throw ParsingError(reason: "expected the scheme \(Self.scheme)") }
        let cost = parts[1].split(separator: ":", omittingEmptySubsequences: false)
        let keys = parts[2].split(separator: ":", omittingEmptySubsequences: false)
        guard cost.count == 2, keys.count == 2 else { throw ParsingError(reason: "expected pairs with a colon") }
        guard cost[0].utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }),
            let iterations = Int(cost[0]), Self.iterationBounds.contains(iterations)
        else { throw ParsingError(reason: "iterations must lie between 4096 and 1000000") }
        guard let salt = Base64.decode(cost[1].utf8), (8...64).contains(salt.count) else {
            throw ParsingError(reason: "the salt must be 8 to 64 octets in Base64")
        }
        guard let storedKey = Base64.decode(keys[0].utf8), storedKey.count == SHA256.digestLength,
            let serverKey = Base64.decode(keys[1].utf8), serverKey.count == SHA256.digestLength
        else { throw ParsingError(reason: "both keys must be 32 octets in Base64") }
        self.init(iterations: iterations, salt: salt, storedKey: storedKey, serverKey: serverKey)
    }

    /// Makes a new verifier for `secret`, with a random salt. Takes about a millisecond: never on an event loop.
    package static func derive(
        secret: some Sequence<UInt8>, iterations: Int = defaultIterations
    ) -> SCRAMVerifier {
        derive(secret: secret, salt: randomBytes(saltLength), iterations: iterations)
    }

    package static func derive(secret: String, iterations: Int = defaultIterations) -> SCRAMVerifier {
        derive(secret: secret.utf8, iterations: iterations)
    }

    /// The verifier with a salt that is known: what a secret would have to look like.
    package static func derive(secret: some Sequence<UInt8>, salt: [UInt8], iterations: Int) -> SCRAMVerifier {
        var salted = PBKDF2.sha256(password: secret, salt: salt, iterations: iterations)
        defer { wipe(&salted) }
        var clientKey = HMACSHA256.authenticationCode(for: "Client Key".utf8, key: salted)
        defer { wipe(&clientKey) }
        return SCRAMVerifier(
            iterations: iterations, salt: salt, storedKey: SHA256.hash(clientKey),
            serverKey: HMACSHA256.authenticationCode(for: "Server Key".utf8, key: salted))
    }

    /// The verifier of someone who does not exist: no secret fits it, and it looks like everyone else's. It is the
    /// same on every node that has the same key, and from one day to the next, so that asking twice tells nothing.
    package static func madeUp(for name: String, key: [UInt8]) -> SCRAMVerifier {
        func octets(_ purpose: String) -> [UInt8] {
            HMACSHA256.authenticationCode(for: "\(purpose)\0\(name)".utf8, key: key)
        }
        return SCRAMVerifier(
            iterations: defaultIterations, salt: Array(octets("salt").prefix(saltLength)),
            storedKey: octets("stored key"), serverKey: octets("server key"))
    }

    /// Whether `secret` is the one this was derived from. Takes as long as deriving does.
    package func matches(secret: some Sequence<UInt8>) -> Bool {
        let derived = Self.derive(secret: secret, salt: salt, iterations: iterations)
        return constantTimeEquals(derived.storedKey, storedKey)
    }

    /// RFC 5803's text, for the database.
    package var encoded: String {
        "\(Self.scheme)$\(iterations):\(Base64.encode(salt))$\(Base64.encode(storedKey)):\(Base64.encode(serverKey))"
    }
}

extension SCRAMVerifier: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "SCRAMVerifier(\(iterations) iterations, keys redacted)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: ["iterations": iterations]) }
}

/// All that is kept of one login's secret.
package struct StoredVerifier: Sendable, Hashable {
    package let scram: SCRAMVerifier
    /// SHA-256 of the secret, for secrets made here (178 random bits: no slow hash is needed). Nil for a verifier that
    /// came from elsewhere.
    package let digest: [UInt8]?

    package init(scram: SCRAMVerifier, digest: [UInt8]?) {
        self.scram = scram
        self.digest = digest
    }

    /// For a secret made here.
    package init(secret: some Sequence<UInt8>) {
        self.init(scram: .derive(secret: secret), digest: SHA256.hash(secret))
    }

    /// For someone who does not exist. It has a digest as others have, so that PLAIN costs the same; nothing hashes
    /// to it. Where most logins came from elsewhere and have none, `hasDigest: false` makes the unknown cost like them.
    package static func madeUp(for name: String, key: [UInt8], hasDigest: Bool = true) -> StoredVerifier {
        StoredVerifier(
            scram: .madeUp(for: name, key: key),
            digest: hasDigest ? HMACSHA256.authenticationCode(for: "digest\0\(name)".utf8, key: key) : nil)
    }
}

extension StoredVerifier: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "StoredVerifier(\(scram.iterations) iterations, redacted)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
