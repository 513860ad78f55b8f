import Cryptography
import SASL
import Testing

/// The logins that exist, and what everyone else gets.
struct Store {
    var logins: [String: StoredVerifier] = [:]
    let key: [UInt8] = Array("the cluster's key of made-up verifiers".utf8)

    func verifier(of name: String) -> StoredVerifier { logins[name] ?? .madeUp(for: name, key: key) }
}

let secret = "gp_0123456789abcdefghijABCDEFGHIJ"
let otherSecret = "gp_0123456789abcdefghijABCDEFGHIK"

/// Verifiers take a millisecond each: made once.
let store: Store = {
    var store = Store()
    store.logins["acme.k7m2q9"] = StoredVerifier(secret: secret.utf8)
    store.logins["acme.imported"] = StoredVerifier(scram: .derive(secret: secret), digest: nil)
    store.logins["other.k7m2q9"] = StoredVerifier(secret: otherSecret.utf8)
    return store
}()

let binding = Array("0123456789abcdef0123456789abcdef".utf8)

/// What a client and the log see of an exchange.
enum Seen: Equatable {
    case challenge(String)
    case succeeded(String)
    case failed(SASLFailure.Kind)
}

/// An exchange with a caller that answers look-ups and derivations as a session would.
final class Dialogue {
    let exchange: SASLExchange
    private(set) var lookedUp: [String] = []
    private(set) var derivations = 0
    private(set) var failure: SASLFailure?
    /// Whose login the client's certificate is; `.some(nil)`: it showed one that is nobody's.
    private let certificate: String??

    init(_ mechanism: SASLMechanism, binding: [UInt8]? = binding, certificate: String?? = nil) throws {
        self.certificate = certificate
        exchange = SASLExchange(
            server: try .shared(), mechanism: mechanism, channelBindings: ChannelBindings(exporter: binding),
            hasCertificate: certificate != nil)
    }

    func start(_ initialResponse: String?) -> Seen { start(octets: initialResponse.map { Array($0.utf8) }) }
    func start(octets: [UInt8]?) -> Seen { settle(exchange.start(initialResponse: octets)) }
    func respond(_ response: String) -> Seen { settle(exchange.respond(Array(response.utf8))) }

    private func settle(_ first: SASLExchange.Step) -> Seen {
        var step = first
        while true {
            switch step {
            case .challenge(let octets): return .challenge(String(decoding: octets, as: UTF8.self))
            case .lookUp(let name):
                lookedUp.append(name)
                step = exchange.provide(store.verifier(of: name))
            case .lookUpCertificate: step = exchange.provide(certificateLogin: certificate ?? nil)
            case .derive(let check):
                derivations += 1
                step = exchange.derived(check.run())
            case .succeeded(let name): return .succeeded(name)
            case .failed(let failure):
                self.failure = failure
                return .failed(failure.kind)
            }
        }
    }
}

/// The client's half of SCRAM-SHA-256, by RFC 5802 §3, with a hand on everything a client could do wrong.
struct SCRAMClient {
    var name = "acme.k7m2q9"
    var secret = SASLTests.secret
    var header = "n,,"
    var nonce = "fyko+d2lbbFgONRv9qkxdawL"
    var boundTo: [UInt8] = []

    static func plus(_ name: String = "acme.k7m2q9", secret: String = SASLTests.secret) -> SCRAMClient {
        SCRAMClient(name: name, secret: secret, header: "p=tls-exporter,,", boundTo: binding)
    }

    var bare: String { "n=\(name),r=\(nonce)" }
    var first: String { header + bare }

    struct Challenge {
        let nonce: String
        let salt: String
        let iterations: Int

        init(_ text: String) throws {
            let parts = text.split(separator: ",")
            try #require(parts.count == 3)
            try #require(parts[0].hasPrefix("r=") && parts[1].hasPrefix("s=") && parts[2].hasPrefix("i="))
            nonce = String(parts[0].dropFirst(2))
            salt = String(parts[1].dropFirst(2))
            iterations = try #require(Int(parts[2].dropFirst(2)))
        }
    }

    /// The client's final message, and the signature that the server owes for it.
    func final(_ serverFirst: String) throws -> (message: String, signature: String) {
        let challenge = try Challenge(serverFirst)
        let salt = try #require(Base64.decode(challenge.salt))
        let salted = PBKDF2.sha256(password: secret.utf8, salt: salt, iterations: challenge.iterations)
        let clientKey = HMACSHA256.authenticationCode(for: "Client Key".utf8, key: salted)
        let serverKey = HMACSHA256.authenticationCode(for: "Server Key".utf8, key: salted)
        let withoutProof = "c=\(Base64.encode(Array(header.utf8) + boundTo)),r=\(challenge.nonce)"
        let authMessage = "\(bare),\(serverFirst),\(withoutProof)"
        let signature = HMACSHA256.authenticationCode(for: authMessage.utf8, key: SHA256.hash(clientKey))
        let proof = Base64.encode(zip(clientKey, signature).map { $0 ^ $1 })
        let serverSignature = HMACSHA256.authenticationCode(for: authMessage.utf8, key: serverKey)
        return ("\(withoutProof),p=\(proof)", "v=\(Base64.encode(serverSignature))")
    }
}
