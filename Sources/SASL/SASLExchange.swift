internal import Cryptography

/// A comparison that takes a millisecond: run it on a worker thread, hand its result to `SASLExchange.derived(_:)`.
package struct PasswordCheck: Sendable {
    private let secret: [UInt8]
    private let verifier: SCRAMVerifier

    init(secret: [UInt8], verifier: SCRAMVerifier) {
        self.secret = secret
        self.verifier = verifier
    }

    package func run() -> Bool { verifier.matches(secret: secret) }
}

extension PasswordCheck: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "PasswordCheck(redacted)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// One AUTH, on one event loop. It never blocks and never outlives its answer: let go of it after `succeeded` or
/// `failed`, and on `*`.
///
/// Who is known and who is not must not show: both take the same steps, in the same time, with replies of one shape.
package final class SASLExchange {
    package enum Step {
        /// Send these octets in a `334`, give the client's answer to `respond(_:)`.
        case challenge([UInt8])
        /// Find this login's verifier, or make one up if there is none, and give it to `provide(_:)`. The name is
        /// canonical: `[a-z0-9.-]`, at most 64. What a client sends that cannot be a name comes as a stand-in that
        /// begins with `?`: no login has it, and it is answered like any other unknown name.
        /// With no database: drop the exchange and answer `454 4.7.0`.
        case lookUp(loginName: String)
        /// Find whose login the client's certificate is, and give its name to `provide(certificateLogin:)`.
        case lookUpCertificate
        /// Run the check on a worker thread and give its result to `derived(_:)`.
        case derive(PasswordCheck)
        case succeeded(loginName: String)
        case failed(SASLFailure)
    }

    private enum State {
        case fresh  // → any but deriving, proving, proved
        case awaitingPlain  // → findingPassword, ended
        case awaitingLoginName  // → awaitingLoginSecret
        case awaitingLoginSecret(LoginName)  // → findingPassword, ended
        case findingPassword(PasswordMessage)  // → deriving, ended
        case deriving(PasswordMessage)  // → ended
        case awaitingClientFirst  // → findingVerifier, ended
        case findingVerifier(SCRAMClientFirst)  // → proving, ended
        case proving(SCRAMClientFirst, nonce: [UInt8], Conversation)  // → proved, ended
        case proved(LoginName, Conversation)  // → ended
        case awaitingIdentity  // → findingCertificate, ended
        case findingCertificate(LoginName?)  // → ended
        case ended
    }

    private let mechanism: SASLMechanism
    private let channelBindings: ChannelBindings
    private let isAvailable: Bool
    private var state = State.fresh

    /// `channelBindings`: what the connection has, also for SCRAM without -PLUS, or downgrades go unseen; where it
    /// has nothing, there is no -PLUS. `hasCertificate`: the client showed one, and may be taken for whose it is.
    package init(
        server: SASLServer, mechanism: SASLMechanism, channelBindings: ChannelBindings, hasCertificate: Bool = false
    ) {
        self.mechanism = mechanism
        self.channelBindings = channelBindings
        isAvailable =
            switch mechanism {
            case .external: hasCertificate
            case .scramSHA256Plus: server.mechanisms.contains(mechanism) && !channelBindings.isEmpty
            case .plain, .login, .scramSHA256: server.mechanisms.contains(mechanism)
            }
    }

    /// `initialResponse`: nil if the client sent none, empty if it sent `=`.
    package func start(initialResponse: [UInt8]?) -> Step {
        guard case .fresh = state else { return outOfTurn() }
        guard isAvailable else { return fail(.mechanismUnavailable, "\(mechanism.rawValue) is not to be had") }
        switch (mechanism, initialResponse) {
        case (.external, let identity?): return read(identity: identity)
        case (.external, nil):
            state = .awaitingIdentity
            return .challenge([])
        case (.plain, let message?): return read(plain: message)
        case (.plain, nil):
            state = .awaitingPlain
            return .challenge([])
        case (.login, let name?): return askForSecret(of: LoginName(name))
        case (.login, nil):
            state = .awaitingLoginName
            return .challenge(Array("Username:".utf8))
        case (.scramSHA256, let message?), (.scramSHA256Plus, let message?): return read(clientFirst: message)
        case (.scramSHA256, nil), (.scramSHA256Plus, nil):
            state = .awaitingClientFirst
            return .challenge([])
        }
    }

    /// The client's answer to a challenge, decoded. Empty is an answer.
    package func respond(_ response: [UInt8]) -> Step {
        switch state {
        case .awaitingIdentity: return read(identity: response)
        case .awaitingPlain: return read(plain: response)
        case .awaitingLoginName: return askForSecret(of: LoginName(response))
        case .awaitingLoginSecret(let name): return read(secret: response, of: name)
        case .awaitingClientFirst: return read(clientFirst: response)
        case .proving(let first, let nonce, let conversation):
            return read(clientFinal: response, after: first, nonce, conversation)
        case .proved(let name, let conversation): return conclude(response, name, conversation)
        case .fresh, .findingPassword, .deriving, .findingVerifier, .findingCertificate, .ended: return outOfTurn()
        }
    }

    /// What `lookUp` found, or made up.
    package func provide(_ verifier: StoredVerifier) -> Step {
        switch state {
        case .findingPassword(let message):
            guard let digest = verifier.digest else {
                state = .deriving(message)
                return .derive(PasswordCheck(secret: message.secret, verifier: verifier.scram))
            }
            return conclude(message, matches: constantTimeEquals(SHA256.hash(message.secret), digest))
        case .findingVerifier(let first): return challenge(first, verifier.scram)
        case .fresh, .awaitingPlain, .awaitingLoginName, .awaitingLoginSecret, .deriving, .awaitingClientFirst,
            .proving, .proved, .awaitingIdentity, .findingCertificate, .ended:
            return outOfTurn()
        }
    }

    /// Whose the certificate is, nil: nobody's.
    package func provide(certificateLogin name: String?) -> Step {
        guard case .findingCertificate(let wanted) = state else { return outOfTurn() }
        guard let name else { return fail(.credentials, "a certificate that is nobody's", wanted) }
        let found = LoginName(name.utf8)
        guard found.isPossible, wanted == nil || wanted == found else {
            return fail(
                .credentials, "the authorization identity is another's than the certificate's, \(found.text)", wanted)
        }
        state = .ended
        return .succeeded(loginName: found.text)
    }

    /// What the `PasswordCheck` came to.
    package func derived(_ matches: Bool) -> Step {
        guard case .deriving(let message) = state else { return outOfTurn() }
        return conclude(message, matches: matches)
    }

    // MARK: EXTERNAL

    /// RFC 4422, appendix A: whom to act for, empty: whoever the certificate says. libsasl2 has no part in it: there is
    /// nothing to compute, and a library that is told who it is proves nothing.
    private func read(identity octets: [UInt8]) -> Step {
        let wanted = octets.isEmpty ? nil : LoginName(octets)
        state = .findingCertificate(wanted)
        return .lookUpCertificate
    }

    // MARK: PLAIN and LOGIN

    private func read(plain octets: [UInt8]) -> Step {
        take { () throws(PasswordMessage.Fault) in try PasswordMessage(parsingPlain: octets) }
    }

    private func read(secret: [UInt8], of name: LoginName) -> Step {
        take { () throws(PasswordMessage.Fault) in try PasswordMessage(name: name, secret: secret) }
    }

    private func take(_ message: () throws(PasswordMessage.Fault) -> PasswordMessage) -> Step {
        do throws(PasswordMessage.Fault) {
            let message = try message()
            state = .findingPassword(message)
            return .lookUp(loginName: message.name.text)
        } catch {
            switch error {
            case .malformed(let reason): return fail(.malformed, reason)
            case .refused(let reason, let name): return fail(.credentials, reason, name)
            }
        }
    }

    private func askForSecret(of name: LoginName) -> Step {
        state = .awaitingLoginSecret(name)
        return .challenge(Array("Password:".utf8))
    }

    /// The match is known; libsasl2 must come to the same by its own way.
    private func conclude(_ message: PasswordMessage, matches: Bool) -> Step {
        let name = message.name
        guard
            let conversation = Conversation(
                verifier: nil, passwordMatches: matches, channelBinding: bindingForLibrary(nil),
                isBindingRequired: false)
        else { return fail(.temporary, "libsasl2 makes no connection", name) }
        var outcome: Conversation.Outcome
        if mechanism == .plain {
            outcome = conversation.start(mechanism.rawValue, message.forLibrary)
        } else {
            outcome = conversation.start(mechanism.rawValue, nil)
            if case .challenge = outcome { outcome = conversation.step(Array(name.text.utf8)) }
            if case .challenge = outcome { outcome = conversation.step(message.secret) }
        }
        switch (outcome, matches) {
        case (.done, true): return succeed(name, conversation)
        case (.refused, false): return fail(.credentials, "unknown name or wrong secret", name)
        case (.challenge, false), (.done, false):
            return fail(.credentials, "wrong secret, and libsasl2 did not refuse it", name)
        case (.challenge, true), (.refused, true):
            return fail(.temporary, "libsasl2 refused the right secret: \(complaint(of: conversation, outcome))", name)
        }
    }

    // MARK: SCRAM

    private func read(clientFirst octets: [UInt8]) -> Step {
        do throws(SCRAMFault) {
            let first = try SCRAMClientFirst(
                parsing: octets, isPlus: mechanism == .scramSHA256Plus, bindings: channelBindings)
            state = .findingVerifier(first)
            return .lookUp(loginName: first.name.text)
        } catch {
            return fail(.credentials, error.reason)
        }
    }

    private func challenge(_ first: SCRAMClientFirst, _ verifier: SCRAMVerifier) -> Step {
        guard
            let conversation = Conversation(
                verifier: verifier, passwordMatches: false, channelBinding: bindingForLibrary(first.binding),
                isBindingRequired: mechanism == .scramSHA256Plus)
        else { return fail(.temporary, "libsasl2 makes no connection", first.name) }
        let outcome = conversation.start(mechanism.rawValue, first.forLibrary)
        guard case .challenge(let serverFirst) = outcome else {
            return fail(
                .temporary, "libsasl2 refused client-first: \(complaint(of: conversation, outcome))", first.name)
        }
        // r=<client's nonce><at least 18 octets of ours in Base64>,s=…
        let nonce = Array(serverFirst.prefix { $0 != UInt8(ascii: ",") }.dropFirst(2))
        guard serverFirst.starts(with: "r=".utf8), nonce.starts(with: first.nonce),
            nonce.count >= first.nonce.count + 24
        else { return fail(.temporary, "libsasl2 made too short a nonce", first.name) }
        state = .proving(first, nonce: nonce, conversation)
        return .challenge(serverFirst)
    }

    private func read(
        clientFinal octets: [UInt8], after first: SCRAMClientFirst, _ nonce: [UInt8], _ conversation: Conversation
    ) -> Step {
        do throws(SCRAMFault) {
            try check(
                clientFinal: octets, gs2Header: first.gs2Header,
                channelBinding: first.binding.flatMap { channelBindings.data(of: $0) } ?? [], nonce: nonce)
        } catch {
            return fail(.credentials, error.reason, first.name)
        }
        let outcome = conversation.step(octets)
        guard case .challenge(let serverFinal) = outcome else {
            return fail(
                .credentials, "unknown name or wrong secret (\(complaint(of: conversation, outcome)))", first.name)
        }
        // SMTP has no success data: the signature goes in a 334, and an empty line answers it (RFC 4954 §4).
        state = .proved(first.name, conversation)
        return .challenge(serverFinal)
    }

    private func conclude(_ response: [UInt8], _ name: LoginName, _ conversation: Conversation) -> Step {
        guard response.isEmpty else { return fail(.malformed, "an answer to the server's signature", name) }
        let outcome = conversation.step([])
        guard case .done = outcome else {
            return fail(.temporary, "libsasl2 took its word back: \(complaint(of: conversation, outcome))", name)
        }
        return succeed(name, conversation)
    }

    /// The binding the client chose, or the strongest there is.
    private func bindingForLibrary(_ chosen: ChannelBindings.Kind?) -> (ChannelBindings.Kind, [UInt8])? {
        guard let kind = chosen ?? channelBindings.strongest, let data = channelBindings.data(of: kind) else {
            return nil
        }
        return (kind, data)
    }

    // MARK: Ends

    /// Last look: libsasl2 must mean the one whom the verifier was looked up for, and nobody else.
    private func succeed(_ name: LoginName, _ conversation: Conversation) -> Step {
        guard name.isPossible, let identities = conversation.identities,
            LoginName(identities.authentication) == name, identities.authorization == identities.authentication
        else { return fail(.temporary, "libsasl2 means someone else", name) }
        state = .ended
        return .succeeded(loginName: name.text)
    }

    private func fail(_ kind: SASLFailure.Kind, _ reason: String, _ name: LoginName? = nil) -> Step {
        state = .ended
        return .failed(SASLFailure(kind: kind, reason: reason, loginName: name?.ifPossible))
    }

    /// A caller's mistake, but one that a race could bring about: it ends the exchange, not the process.
    private func outOfTurn() -> Step { fail(.temporary, "the exchange was asked out of turn") }

    private func complaint(of conversation: Conversation, _ outcome: Conversation.Outcome) -> String {
        if let complaint = conversation.complaint { return complaint }
        if case .refused(let status) = outcome { return SASLServer.words(for: status) }
        return "no reason given"
    }
}
