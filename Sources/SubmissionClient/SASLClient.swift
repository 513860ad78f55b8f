internal import Cryptography

/// Who to be, and how to prove it. Describes itself without the secret.
package struct ClientCredentials: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package enum Mechanism: String, Sendable, CaseIterable {
        case plain = "PLAIN"
        case login = "LOGIN"
        case scramSHA256 = "SCRAM-SHA-256"
        case scramSHA256Plus = "SCRAM-SHA-256-PLUS"

        /// Where the server decides; -PLUS only by name.
        static let inOrderOfChoice: [Mechanism] = [.scramSHA256, .plain, .login]
    }

    package let username: String
    package let mechanism: Mechanism
    let secret: String

    package init(username: String, secret: String, mechanism: Mechanism) {
        self.username = username
        self.secret = secret
        self.mechanism = mechanism
    }

    func by(_ mechanism: Mechanism) -> ClientCredentials {
        ClientCredentials(username: username, secret: secret, mechanism: mechanism)
    }

    package var description: String { "\(username) by \(mechanism.rawValue)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: ["username": username, "mechanism": mechanism]) }
}

/// SCRAM's salted secret of one login, kept so that many connections pay its millisecond of derivation once. Stays on
/// one event loop.
package final class SaltedSecrets {
    private var known: [[UInt8]: [UInt8]] = [:]

    package init() {}

    func salted(_ secret: String, salt: [UInt8], iterations: Int) -> [UInt8] {
        let key = salt + withUnsafeBytes(of: iterations, Array.init)
        if let salted = known[key] { return salted }
        let salted = PBKDF2.sha256(password: secret.utf8, salt: salt, iterations: iterations)
        if known.count >= 64 { known.removeAll() }
        known[key] = salted
        return salted
    }
}

/// The client's side of one AUTH exchange: PLAIN (RFC 4616), LOGIN, SCRAM-SHA-256 with and without channel binding
/// (RFC 5802, 7677, 9266). Octets in, octets out; Base64 is the dialogue's.
struct SASLClient {
    enum Failure: Error, Equatable { case malformedChallenge, wrongServer, tooManyChallenges }

    private enum State { case initial, loginSecret, serverFirst, serverFinal, done }

    private let credentials: ClientCredentials
    private let channelBinding: [UInt8]
    private let secrets: SaltedSecrets
    private var state = State.initial
    private var clientFirstBare = ""
    private let clientNonce: String
    private var expectedServerFinal: [UInt8] = []

    /// `channelBinding`: the `tls-exporter` data, used by the -PLUS mechanism alone.
    init(
        _ credentials: ClientCredentials, channelBinding: [UInt8], secrets: SaltedSecrets,
        nonce: String = Base64.encode(randomBytes(18))
    ) {
        self.credentials = credentials
        self.channelBinding = channelBinding
        self.secrets = secrets
        clientNonce = nonce
    }

    private var bindingHeader: String { credentials.mechanism == .scramSHA256Plus ? "p=tls-exporter,," : "n,," }

    /// What goes with the AUTH command; nil where the server speaks first.
    mutating func initialResponse() -> [UInt8]? {
        switch credentials.mechanism {
        case .plain:
            state = .done
            return [0] + Array(credentials.username.utf8) + [0] + Array(credentials.secret.utf8)
        case .login:
            return nil
        case .scramSHA256, .scramSHA256Plus:
            clientFirstBare = "n=\(escaped(credentials.username)),r=\(clientNonce)"
            state = .serverFirst
            return Array((bindingHeader + clientFirstBare).utf8)
        }
    }

    mutating func respond(to challenge: [UInt8]) throws(Failure) -> [UInt8] {
        switch (credentials.mechanism, state) {
        case (.login, .initial):
            state = .loginSecret
            return Array(credentials.username.utf8)
        case (.login, .loginSecret):
            state = .done
            return Array(credentials.secret.utf8)
        case (.scramSHA256, .serverFirst), (.scramSHA256Plus, .serverFirst):
            state = .serverFinal
            return try clientFinal(String(decoding: challenge, as: UTF8.self))
        case (.scramSHA256, .serverFinal), (.scramSHA256Plus, .serverFinal):
            guard constantTimeEquals(challenge, expectedServerFinal) else { throw .wrongServer }
            state = .done
            return []
        case (.plain, _), (.login, _), (.scramSHA256, _), (.scramSHA256Plus, _):
            throw .tooManyChallenges
        }
    }

    private mutating func clientFinal(_ serverFirst: String) throws(Failure) -> [UInt8] {
        let attributes = serverFirst.split(separator: ",", omittingEmptySubsequences: false)
        guard attributes.count >= 3, attributes[0].hasPrefix("r=" + clientNonce),
            attributes[0].utf8.count > clientNonce.utf8.count + 2, attributes[1].hasPrefix("s="),
            let salt = Base64.decode(attributes[1].dropFirst(2).utf8), attributes[2].hasPrefix("i="),
            let iterations = Int(attributes[2].dropFirst(2)), (1...10_000_000).contains(iterations)
        else { throw .malformedChallenge }

        let salted = secrets.salted(credentials.secret, salt: salt, iterations: iterations)
        let binding = Array(bindingHeader.utf8) + (credentials.mechanism == .scramSHA256Plus ? channelBinding : [])
        let withoutProof = "c=\(Base64.encode(binding)),\(attributes[0])"
        let message = Array("\(clientFirstBare),\(serverFirst),\(withoutProof)".utf8)

        let clientKey = HMACSHA256.authenticationCode(for: "Client Key".utf8, key: salted)
        let signature = HMACSHA256.authenticationCode(for: message, key: SHA256.hash(clientKey))
        let proof = zip(clientKey, signature).map { $0 ^ $1 }
        let serverKey = HMACSHA256.authenticationCode(for: "Server Key".utf8, key: salted)
        let serverSignature = HMACSHA256.authenticationCode(for: message, key: serverKey)
        expectedServerFinal = Array("v=\(Base64.encode(serverSignature))".utf8)
        return Array("\(withoutProof),p=\(Base64.encode(proof))".utf8)
    }

    /// saslname: "=" and "," have names of their own (RFC 5802 §5.1).
    private func escaped(_ name: String) -> String {
        var text = ""
        for character in name.unicodeScalars {
            switch character {
            case "=": text += "=3D"
            case ",": text += "=2C"
            default: text.unicodeScalars.append(character)
            }
        }
        return text
    }
}
