import Cryptography
import FuzzSupport

@testable import SASL
@testable import SubmissionClient

/// The two logins there are, and whoever is none.
private enum Logins {
    static let secret = "secret"
    static let name = "acme.x"
    static let salt = Array("0123456789abcdef".utf8)
    static let key = Array("the cluster's key".utf8)
    static let binding = Array("0123456789abcdef0123456789abcdef".utf8)
    static let salted = PBKDF2.sha256(password: secret.utf8, salt: salt, iterations: SCRAMVerifier.defaultIterations)
    static let known = StoredVerifier(
        scram: .derive(secret: secret.utf8, salt: salt, iterations: SCRAMVerifier.defaultIterations),
        digest: SHA256.hash(secret.utf8))
    /// Without a digest: a worker would have to derive.
    static let imported = StoredVerifier(scram: known.scram, digest: nil)
    static let unknown = StoredVerifier.madeUp(for: "nobody", key: key)
    static let clientLogin = ClientLogin(username: name, password: secret)

    static func verifier(of name: String) -> StoredVerifier {
        switch name {
        case Self.name: known
        case "acme.old": imported
        default: unknown
        }
    }
}

/// A server's exchange, its look-ups answered.
private struct ExchangeRun {
    enum Seen: Equatable {
        case challenge([UInt8])
        case succeeded(String)
        case failed(SASLFailure.Kind)
    }

    let exchange: SASLExchange
    let derives: Bool
    private(set) var derived = false

    init(_ mechanism: SASLMechanism, isBound: Bool, derives: Bool) throws(Violation) {
        guard let server = try? SASLServer.shared() else { throw Violation("libsasl2 is missing") }
        self.derives = derives
        exchange = SASLExchange(
            server: server, mechanism: mechanism,
            channelBindings: ChannelBindings(exporter: isBound ? Logins.binding : nil), hasCertificate: true)
    }

    mutating func start(_ response: [UInt8]?) throws(Violation) -> Seen {
        try settle(exchange.start(initialResponse: response))
    }

    mutating func respond(_ response: [UInt8]) throws(Violation) -> Seen { try settle(exchange.respond(response)) }

    private mutating func settle(_ first: SASLExchange.Step) throws(Violation) -> Seen {
        var step = first
        while true {
            switch step {
            case .challenge(let octets): return .challenge(octets)
            case .lookUp(let name):
                try demand(Self.isName(name) || Self.isStandIn(name), "a look-up of \(name.debugDescription)")
                step = exchange.provide(Logins.verifier(of: name))
            case .lookUpCertificate: step = exchange.provide(certificateLogin: derives ? Logins.name : nil)
            case .derive:
                derived = true
                step = exchange.derived(derives)
            case .succeeded(let name):
                try demand(Self.isName(name), "somebody without a name is logged in")
                return .succeeded(name)
            case .failed(let failure):
                try demand(failure.loginName.map(Self.isName) ?? true, "a failure's name")
                return .failed(failure.kind)
            }
        }
    }

    private static func isName(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy {
                (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2E || $0 == 0x2D
            }
    }

    private static func isStandIn(_ name: String) -> Bool { name.hasPrefix("?") && name.utf8.count == 33 }
}

extension FuzzTarget {
    /// Everything said in AUTH: by clients to us, and by servers to ours.
    static let sasl = FuzzTarget(name: "sasl", longest: 160) { octets throws(Violation) in
        var choices = Choices(octets)
        let setting = choices.octet()
        switch setting & 7 {
        case 0...4:
            try answerClient(SASLMechanism.allCases[Int(setting & 7)], setting, phases(choices.rest).map(Array.init))
        case 5: try answerHonestClient(setting, &choices)
        case 6: try answerServer(setting, phases(choices.rest).map(Array.init))
        default: try answerServerUnderLoad(setting, phases(choices.rest).map(Array.init))
        }
    }

    private static func answerClient(
        _ mechanism: SASLMechanism, _ setting: UInt8, _ messages: [[UInt8]]
    ) throws(Violation) {
        var run = try ExchangeRun(mechanism, isBound: setting & 16 != 0, derives: setting & 32 != 0)
        var rest = messages[...]
        var seen = try run.start(setting & 8 == 0 ? nil : rest.popFirst() ?? [])
        while case .challenge = seen, let next = rest.popFirst() { seen = try run.respond(next) }
        if case .challenge = seen { return }
        // What is over stays over.
        try demand(try run.respond([]) == .failed(.temporary), "an exchange goes on behind its end")
        guard case .succeeded(let name) = seen else { return }
        switch mechanism {
        case .external: try demand(name == Logins.name && setting & 32 != 0, "a certificate of nobody logs \(name) in")
        case .plain, .login:
            let said = messages.flatMap { $0 }
            try demand(run.derived || name == Logins.name, "\(name) is logged in")
            try demand(
                run.derived || said.suffix(Logins.secret.utf8.count).elementsEqual(Logins.secret.utf8)
                    || messages.count > 1, "the wrong secret logs in")
        case .scramSHA256, .scramSHA256Plus:
            throw Violation("somebody is logged in without a proof")
        }
    }

    /// SCRAM as it should be, and with one octet changed: by whoever stands between, or by a client that tries.
    private static func answerHonestClient(_ setting: UInt8, _ choices: inout Choices) throws(Violation) {
        let isPlus = setting & 8 != 0
        let isBound = isPlus || setting & 16 != 0
        let place = Int(choices.octet())
        let change = choices.octet()
        func changed(_ text: String, _ turn: UInt8) -> [UInt8] {
            var octets = Array(text.utf8)
            if setting & 32 == turn { octets[place % octets.count] ^= change }
            return octets
        }
        let header = isPlus ? "p=tls-exporter,," : "n,,"
        let bare = "n=\(Logins.name),r=fyko+d2lbbFgONRv9qkxdawL"
        var run = try ExchangeRun(isPlus ? .scramSHA256Plus : .scramSHA256, isBound: isBound, derives: false)
        guard case .challenge(let octets) = try run.start(changed(header + bare, 0)) else {
            return try demand(setting & 32 == 0 && change != 0, "an honest client is refused")
        }
        let serverFirst = String(decoding: octets, as: UTF8.self)
        let nonce = serverFirst.prefix { $0 != "," }
        let clientKey = HMACSHA256.authenticationCode(for: "Client Key".utf8, key: Logins.salted)
        let withoutProof = "c=\(Base64.encode(Array(header.utf8) + (isPlus ? Logins.binding : []))),\(nonce)"
        let signature = HMACSHA256.authenticationCode(
            for: "\(bare),\(serverFirst),\(withoutProof)".utf8, key: SHA256.hash(clientKey))
        let proof = Base64.encode(zip(clientKey, signature).map { $0 ^ $1 })
        let seen = try run.respond(changed("\(withoutProof),p=\(proof)", 32))
        guard case .challenge(let serverFinal) = seen else {
            return try demand(change != 0, "an honest client is refused at its proof")
        }
        try demand(change == 0, "a changed message is taken")
        try demand(serverFinal.starts(with: "v=".utf8), "the server proves nothing")
        try demand(try run.respond([]) == .succeeded(Logins.name), "an honest client is not logged in")
    }

    /// Our client, by libsasl2, before a server that says what it likes.
    private static func answerServer(_ setting: UInt8, _ challenges: [[UInt8]]) throws(Violation) {
        let mechanism: SASLMechanism = [.plain, .login, .scramSHA256, .scramSHA256Plus][Int(setting >> 3 & 3)]
        guard !challenges.contains(where: isExpensive), let login = Logins.clientLogin,
            let exchange = try? ClientExchange(
                login, mechanism: mechanism, host: "relay.example", channelBinding: Logins.binding)
        else { return }
        var step = exchange.start()
        for challenge in challenges {
            guard case .respond = step else { break }
            step = exchange.respond(to: challenge)
        }
        // Who does not know the secret cannot prove that he does.
        let isProof = mechanism == .scramSHA256 || mechanism == .scramSHA256Plus
        try demand(!isProof || !exchange.isComplete, "a server has proved what it cannot know")
    }

    /// The load client's own.
    private static func answerServerUnderLoad(_ setting: UInt8, _ challenges: [[UInt8]]) throws(Violation) {
        guard !challenges.contains(where: isExpensive) else { return }
        let mechanism = ClientCredentials.Mechanism.allCases[Int(setting >> 3 & 3)]
        var client = SASLClient(
            ClientCredentials(username: "a=b,c", secret: Logins.secret, mechanism: mechanism),
            channelBinding: Logins.binding, secrets: SaltedSecrets(), nonce: "abc")
        let first = client.initialResponse()
        try demand(first.map { !$0.starts(with: "p=,".utf8) } ?? true, "client-first")
        var answers = 0
        for challenge in challenges {
            guard let answer = try? client.respond(to: challenge) else { break }
            answers += 1
            try demand(answer.count < 2048, "an answer of \(answer.count) octets")
        }
        let isProof = mechanism == .scramSHA256 || mechanism == .scramSHA256Plus
        try demand(answers <= (isProof ? 1 : mechanism == .login ? 2 : 0), "a server has proved what it cannot know")
    }

    /// A key of many rounds: bounded elsewhere, and too slow here.
    private static func isExpensive(_ challenge: [UInt8]) -> Bool {
        challenge.split(separator: UInt8(ascii: ",")).contains {
            $0.starts(with: "i=".utf8) && $0.dropFirst(2).drop { !(0x31...0x39).contains($0) }.count > 2
        }
    }
}
