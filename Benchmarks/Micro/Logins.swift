import Cryptography
import SASL

/// AUTH; only the server's half is measured.
enum Logins {
    private static let name = "demo.k7m2q9"
    private static let secret = "gp_0123456789abcdefghijABCDEFGHIJ"

    static func all() throws -> [Benchmark] {
        let server = try SASLServer.shared()
        let verifier = StoredVerifier(secret: secret.utf8)
        // What a client remembers, so that its own 4,096 rounds are not waited for.
        let salted = PBKDF2.sha256(
            password: secret.utf8, salt: verifier.scram.salt, iterations: verifier.scram.iterations)
        return [
            Benchmark(name: "sasl/SCRAM-SHA-256") { count, watch in
                for _ in 0..<count { try scram(server, verifier, salted, &watch) }
            },
            Benchmark(name: "sasl/PLAIN") { count, watch in
                for _ in 0..<count {
                    let step = watch.measure {
                        let exchange = SASLExchange(
                            server: server, mechanism: .plain, channelBindings: ChannelBindings(exporter: nil),
                            hasCertificate: false)
                        guard case .lookUp = exchange.start(initialResponse: Array("\0\(name)\0\(secret)".utf8)) else {
                            return SASLExchange.Step.challenge([])
                        }
                        return exchange.provide(verifier)
                    }
                    guard case .succeeded = step else { throw Fault("PLAIN: \(step)") }
                }
            },
        ]
    }

    private static func scram(
        _ server: SASLServer, _ verifier: StoredVerifier, _ salted: [UInt8], _ watch: inout Stopwatch
    ) throws {
        let bare = "n=\(name),r=fyko+d2lbbFgONRv9qkxdawL"
        let initial = Array("n,,\(bare)".utf8)
        let (exchange, first) = watch.measure {
            let exchange = SASLExchange(
                server: server, mechanism: .scramSHA256, channelBindings: ChannelBindings(exporter: nil),
                hasCertificate: false)
            guard case .lookUp = exchange.start(initialResponse: initial) else {
                return (exchange, SASLExchange.Step.challenge([]))
            }
            return (exchange, exchange.provide(verifier))
        }
        guard case .challenge(let octets) = first else { throw Fault("SCRAM: \(first)") }
        let serverFirst = String(decoding: octets, as: UTF8.self)
        let nonce = serverFirst.prefix { $0 != "," }.dropFirst(2)
        let withoutProof = "c=biws,r=\(nonce)"
        let key = HMACSHA256.authenticationCode(for: "Client Key".utf8, key: salted)
        let signature = HMACSHA256.authenticationCode(
            for: "\(bare),\(serverFirst),\(withoutProof)".utf8, key: SHA256.hash(key))
        let final = Array("\(withoutProof),p=\(Base64.encode(zip(key, signature).map { $0 ^ $1 }))".utf8)
        let last = watch.measure {
            guard case .challenge = exchange.respond(final) else { return SASLExchange.Step.challenge([]) }
            return exchange.respond([])
        }
        guard case .succeeded = last else { throw Fault("SCRAM: \(last)") }
    }
}
