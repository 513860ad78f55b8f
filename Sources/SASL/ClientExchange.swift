internal import CLibSASL

/// Who to be at a next hop, and the secret. Describes itself without it.
package struct ClientLogin: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    package let username: String
    let password: [UInt8]

    /// Nil for what no mechanism can carry: an empty name or secret, or one with a NUL (RFC 4616 §2).
    package init?(username: String, password: String) {
        guard !username.isEmpty, !password.isEmpty, !username.utf8.contains(0), !password.utf8.contains(0) else {
            return nil
        }
        self.username = username
        self.password = Array(password.utf8)
    }

    package var description: String { username }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: ["username": username]) }
}

/// The client's side of one AUTH exchange, by libsasl2: octets in, octets out. It never waits; with SCRAM, `respond`
/// derives a key, which takes from a millisecond to 25: on a worker thread, please. One thread at a time may use it.
package final class ClientExchange {
    package enum Step: Sendable, Hashable {
        /// Nil only from `start`: the server speaks first.
        case respond([UInt8]?)
        case failed(reason: String)
    }

    package let mechanism: SASLMechanism
    private var conversation: ClientConversation?
    /// Whether everything has been said and, in SCRAM, the server has proved that it knows the secret.
    package private(set) var isComplete = false

    /// More would keep a thread busy for a stranger's pleasure: a server may name any number.
    static let maxIterations = 100_000

    /// The strongest mechanism that both sides have; secrets go readable only inside TLS.
    ///
    /// - Parameters:
    ///   - offered: the server's list, upper case.
    ///   - hasBinding: whether there is `tls-exporter` data to bind to.
    package static func choose(from offered: [String], isEncrypted: Bool, hasBinding: Bool) -> SASLMechanism? {
        let acceptable: [SASLMechanism] =
            (hasBinding ? [.scramSHA256Plus] : []) + [.scramSHA256] + (isEncrypted ? [.plain, .login] : [])
        return acceptable.first { offered.contains($0.rawValue) }
    }

    /// - Parameters:
    ///   - host: the server's name, which no mechanism of ours looks at but libsasl2 asks for.
    ///   - channelBinding: the connection's `tls-exporter` data (RFC 9266), for the -PLUS mechanism.
    package init(
        _ login: ClientLogin, mechanism: SASLMechanism, host: String, channelBinding: [UInt8]?
    ) throws(SASLError) {
        try Self.started.get()
        self.mechanism = mechanism
        guard
            let conversation = ClientConversation(
                login, host: host, binding: mechanism == .scramSHA256Plus ? channelBinding : nil)
        else { throw SASLError(description: "libsasl2 makes no client") }
        self.conversation = conversation
    }

    /// What goes with the AUTH command.
    package func start() -> Step {
        guard let conversation else { return .failed(reason: "the exchange is over") }
        return take(conversation.start(mechanism.rawValue))
    }

    /// Answers a challenge.
    package func respond(to challenge: [UInt8]) -> Step {
        guard let conversation, !isComplete else { return .failed(reason: "one challenge too many") }
        if case .scramSHA256 = mechanism, !Self.isAffordable(challenge) { return tooExpensive() }
        if case .scramSHA256Plus = mechanism, !Self.isAffordable(challenge) { return tooExpensive() }
        return take(conversation.step(challenge))
    }

    private func tooExpensive() -> Step {
        conversation = nil
        return .failed(reason: "the server asks for more than \(Self.maxIterations) iterations")
    }

    private func take(_ outcome: ClientConversation.Outcome) -> Step {
        switch outcome {
        case .goOn(let response): return .respond(response)
        case .done(let response):
            isComplete = true
            return .respond(response)
        case .refused(let reason):
            conversation = nil
            return .failed(reason: reason)
        }
    }

    /// `i=` of SCRAM's server-first (RFC 5802 §5.1); what names none is libsasl2's to judge.
    static func isAffordable(_ challenge: [UInt8]) -> Bool {
        for attribute in challenge.split(separator: UInt8(ascii: ",")) where attribute.starts(with: "i=".utf8) {
            guard let count = Int(String(decoding: attribute.dropFirst(2), as: UTF8.self)), count <= maxIterations
            else { return false }
        }
        return true
    }

    // MARK: The library

    /// libsasl2's client half is started apart from its server half, and shares with it only what the process has once:
    /// the plugins' folder, to which both pin it.
    private static let started = Result<Void, SASLError> { () throws(SASLError) in
        let status = sasl_client_init(clientGlobalCallbacks.pointer)
        guard status == SASL_OK, sasl_client_add_plugin(randomnessMechanismName, initializeClientRandomness) == SASL_OK
        else { throw SASLError(description: "libsasl2's client does not start: \(SASLServer.words(for: status))") }
    }
}
