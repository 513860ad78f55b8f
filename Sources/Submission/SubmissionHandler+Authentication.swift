import Ledger
import Logging
import NIOCore
import NIOPosix
import Postgres
import SASL
import SMTP
import TLS
import Tenancy

// AUTH (RFC 4954) on the event loop: libsasl2 never blocks once the verifier has been fetched. Only the fetch and a
// PBKDF2 that no digest answers happen elsewhere.
extension SubmissionHandler {
    func authenticate(mechanism name: String, initialResponse: [UInt8]?, into output: inout ByteBuffer) {
        guard let mechanism = SASLMechanism(rawValue: name) else {
            dialogue.refuse(.mechanismUnavailable, into: &output)
            return
        }
        // Without -PLUS a SCRAM client says whether it saw a binding offered: a downgrade must be seen.
        let mayBind = mechanism == .scramSHA256 || mechanism == .scramSHA256Plus
        let exchange = SASLExchange(
            server: shared.sasl, mechanism: mechanism, channelBindings: mayBind ? channelBindings() : ChannelBindings(),
            hasCertificate: certificate != nil)
        self.exchange = exchange
        self.mechanism = name
        concealed = nil
        take(exchange.start(initialResponse: initialResponse), into: &output)
    }

    func continueAuthentication(with response: [UInt8], into output: inout ByteBuffer) {
        guard let exchange else {
            dialogue.refuse(.authenticationUnavailable, into: &output)
            return
        }
        take(exchange.respond(response), into: &output)
    }

    /// What ties a SCRAM exchange to this very TLS connection (RFC 9266), or to this certificate (RFC 5929).
    private func channelBindings() -> ChannelBindings {
        guard let handler = tlsHandler else { return ChannelBindings() }
        return ChannelBindings(
            exporter: try? handler.channelBinding(), serverEndPoint: handler.serverEndPointBinding())
    }

    var tlsHandler: TLSHandler? { try? context?.pipeline.syncOperations.handler(type: TLSHandler.self) }

    /// SHA-256 of the certificate that the client has shown, where certificates are asked for. The handshake has proved
    /// that its key is the client's; a resumed session has that of the handshake it began with.
    var certificate: [UInt8]? {
        guard shared.configuration.asksForCertificates, let peer = session?.peer, !peer.fingerprint.isEmpty else {
            return nil
        }
        return peer.fingerprint
    }

    private func take(_ step: SASLExchange.Step, into output: inout ByteBuffer) {
        switch step {
        case .challenge(let bytes): dialogue.challenge(bytes, into: &output)
        case .lookUp(let name): lookUp(name, into: &output)
        case .lookUpCertificate: lookUpCertificate()
        case .derive(let check): derive(check)
        case .succeeded(let name): succeeded(name, into: &output)
        case .failed(let failure):
            failed(failure.kind, failure.reason, login: failure.loginName, into: &output)
        }
    }

    private func lookUp(_ name: String, into output: inout ByteBuffer) {
        guard let eventLoop = mayGuess(name) else { return }
        let directory = shared.directory
        let (now, address) = (shared.acceptor.clock.now, clientAddress)
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        // Both are asked for in either case: an unknown name must not answer sooner or later than a known one.
        guard let madeUp = directory.knownMadeUpVerifier(for: name) else {
            Task {
                let found: Result<Found, any Error>
                do {
                    let madeUp = try await directory.madeUpVerifier(for: name)
                    let login = try await directory.login(named: name)
                    found = .success(Found(login, orElse: madeUp, at: now, from: address))
                } catch {
                    found = .failure(error)
                }
                eventLoop.execute { bound.value.found(found, of: name) }
            }
            return
        }
        if let login = directory.remembered(name) {
            return found(.success(Found(login, orElse: madeUp, at: now, from: address)), of: name, into: &output)
        }
        directory.login(named: name) { result in
            let found = result.map { Found($0, orElse: madeUp, at: now, from: address) }
            eventLoop.execute { bound.value.found(found, of: name) }
        }
    }

    private func lookUpCertificate() {
        guard let certificate, let eventLoop = mayGuess("a certificate") else { return }
        let directory = shared.directory
        let (now, address) = (shared.acceptor.clock.now, clientAddress)
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        Task {
            let found: Result<Found, any Error>
            do {
                var login: Login?
                if let name = try await directory.loginName(ofCertificate: certificate) {
                    login = try await directory.login(named: name)
                }
                if login?.certificate != certificate { login = nil }
                let concealed = login.flatMap { ConcealedLogin($0, at: now, from: address) }
                found = .success(Found(login: concealed == nil ? login : nil, concealed: concealed))
            } catch {
                found = .failure(error)
            }
            eventLoop.execute { bound.value.found(found, of: nil) }
        }
    }

    /// What the directory knows of whoever wants in. `verifier`: nil where a certificate is what counts.
    fileprivate struct Found: Sendable {
        var login: Login?
        var verifier: StoredVerifier?
        var concealed: ConcealedLogin?
    }

    /// The loop to go on with, unless there were too many failures: then the refusal is on its way.
    private func mayGuess(_ name: String) -> (any EventLoop)? {
        guard let eventLoop = context?.eventLoop else { return nil }
        guard shared.doorkeeper.permission(login: name, address: visit.group) == .attempt else {
            let bound = NIOLoopBound(self, eventLoop: eventLoop)
            exchange = nil
            logRefusal(.tooManyAttempts, login: name, reason: "too many failures of this name or address lately")
            eventLoop.scheduleTask(in: .seconds(1)) {
                bound.value.answer { output in bound.value.dialogue.refuse(.tooManyAttempts, into: &output) }
            }
            return nil
        }
        askedAt = shared.directory.generation
        return eventLoop
    }

    private func found(_ result: Result<Found, any Error>, of name: String?) {
        answer { output in found(result, of: name, into: &output) }
    }

    private func found(_ result: Result<Found, any Error>, of name: String?, into output: inout ByteBuffer) {
        guard let exchange else { return }
        switch result {
        case .failure(let error):
            // That the database is away is said once, by the node's connections: here any stranger could have it said.
            let kind = (error as? DatabaseError)?.kind
            let isAway = kind == .unreachable || kind == .doubt
            logger.log(
                level: isAway ? .debug : .warning, "login could not be looked up",
                metadata: ["client": "\(clientAddress)", "error": "\(error)"])
            failed(.temporary, "no database", login: name, into: &output)
        case .success(let found):
            pendingLogin = found.login
            concealed = found.concealed
            if let verifier = found.verifier {
                take(exchange.provide(verifier), into: &output)
            } else {
                take(exchange.provide(certificateLogin: found.login?.name), into: &output)
            }
        }
    }

    private func derive(_ check: PasswordCheck) {
        guard let eventLoop = context?.eventLoop else { return }
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        shared.threads.submit { _ in
            let matches = check.run()
            eventLoop.execute { bound.value.derived(matches) }
        }
    }

    private func derived(_ matches: Bool) {
        guard let exchange else { return }
        answer { output in take(exchange.derived(matches), into: &output) }
    }

    private func failed(
        _ kind: SASLFailure.Kind, _ reason: String, login: String? = nil, into output: inout ByteBuffer
    ) {
        exchange = nil
        pendingLogin = nil
        defer { concealed = nil }
        let reply: Reply
        switch kind {
        case .credentials: reply = .credentialsInvalid
        case .malformed: reply = .responseMalformed
        case .mechanismUnavailable: reply = .mechanismUnavailable
        case .temporary: reply = .authenticationUnavailable
        }
        logRefusal(reply, login: login, reason: reason)
        guard reply.code == 535, let eventLoop = context?.eventLoop else {
            return dialogue.refuse(reply, into: &output)
        }
        failedAuthentications += 1
        let judged = shared.doorkeeper.failed(
            login: login, address: visit.group, onConnection: failedAuthentications)
        // The answer waits, and with it all that is pipelined behind; no thread does.
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.scheduleTask(in: judged.delay) { bound.value.refuseLogin(reply, ends: judged.ends) }
    }

    private func refuseLogin(_ reply: Reply, ends: Bool) {
        answer { output in
            dialogue.refuse(reply, into: &output)
            if ends { dialogue.terminate(.tooManyFailures, into: &output) }
        }
    }

    private func logRefusal(_ reply: Reply, login: String?, reason: String) {
        var metadata: Logger.Metadata = [
            "client": "\(clientAddress)", "reply": "\(reply.code)", "login": "\(login ?? "")",
            "reason": "\(concealed?.reason ?? reason)",
        ]
        if let concealed {
            metadata["tenant"] = "\(concealed.tenant)"
            metadata["credential"] = "\(concealed.credential)"
        }
        logger.info("login refused", metadata: metadata)
    }

    private func succeeded(_ name: String, into output: inout ByteBuffer) {
        exchange = nil
        guard let login = pendingLogin, login.name == name else {
            // The made-up verifier matched: nobody can hold its secret.
            failed(.credentials, "unknown login", login: name, into: &output)
            return
        }
        pendingLogin = nil
        concealed = nil
        let refusals = shared.refusals(of: visit, login)
        if let obstacle = login.obstacle(at: shared.acceptor.clock.now) {
            dialogue.refuse(
                refusals.named(.accountDisabled(obstacle.sentence), stage: "AUTH", limit: .init(obstacle.rule)),
                into: &output)
            return
        }
        guard login.allows(mechanism: mechanism) else {
            dialogue.refuse(
                refusals.named(
                    .mechanismNotAllowed(mechanism, login.mechanisms), stage: "AUTH", limit: .init("mechanisms")),
                into: &output)
            return
        }
        if let full = shared.sessions.enter(login) {
            let (limit, reply) = full.refusal(of: login)
            dialogue.terminate(refusals.named(reply, stage: "AUTH", limit: limit), into: &output)
            return
        }
        begin(login, refusals, into: &output)
    }

    private func begin(_ login: Login, _ refusals: SessionRefusals, into output: inout ByteBuffer) {
        guard let eventLoop = context?.eventLoop else { return shared.sessions.leave(login) }
        self.login = login
        self.refusals = refusals
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        shared.open.enter(login, visit.session, .init(eventLoop: eventLoop) { bound.value.told($0) })
        // What changed while the secret was looked at was not heard of here.
        if shared.directory.generation != askedAt { shared.open.recheck(login.name) }
        watchEnd()
        visit.authenticated(as: login.name, shared.doorkeeper)
        if let toll { shared.pacers.pacer(of: eventLoop).giveBack(toll) }
        toll = nil
        shared.directory.uses.note(login, from: clientAddress, at: shared.acceptor.clock.now)
        dialogue.authenticated(limits: limits(of: login), naming: { refusals.name($0) }, into: &output)
        moveDeadline()
        logger.info(
            "login",
            metadata: [
                "client": "\(clientAddress)", "tenant": "\(login.tenant)", "credential": "\(login.credential)",
                "login": "\(login.name)", "mechanism": "\(mechanism)", "tls": "\(session?.version ?? "")",
            ])
    }

    /// The tightest of what the login and this node allow.
    private func limits(of login: Login) -> SubmissionDialogue.SessionLimits {
        let configuration = shared.configuration
        return .init(
            maxMessageSize: min(Int(login.messageSize), configuration.maxMessageSize),
            maxRecipients: min(Int(login.recipientsPerMessage), configuration.maxRecipients))
    }

    /// An operator has changed something, and this is the login now: is this session still welcome?
    private func told(_ now: Login?) {
        guard let login else { return }
        guard let now, now.loginID == login.loginID, now.certificate == login.certificate else {
            return end(with: .sessionEnded(Reply.revoked))
        }
        if let obstacle = now.obstacle(at: shared.acceptor.clock.now) {
            refusals.limit = .init(obstacle.rule)
            end(with: .sessionEnded(obstacle.sentence))
        } else if !now.allows(clientAddress: clientAddress) {
            refusals.limit = .init("networks")
            end(with: .sessionEnded(Reply.networkNotAllowed))
        } else if !now.allows(mechanism: mechanism) {
            refusals.limit = .init("mechanisms")
            end(with: .sessionEnded(Reply.mechanismNotAllowed(mechanism, now.mechanisms).lines[0]))
        } else {
            // A cap or a domain ends no session: it changes what the next command is answered.
            self.login = now
            refusals.login = now
            dialogue.change(limits: limits(of: now))
            watchEnd()
        }
    }

    /// Ends the session when the credential or the secret does, by the database's clock.
    private func watchEnd() {
        expiry?.cancel()
        expiry = nil
        guard let login, let ends = login.ends, let eventLoop = context?.eventLoop else { return }
        let left = ends.microseconds - shared.acceptor.clock.now.microseconds
        // (Not further ahead than a day: what is known of the database's clock gets better.)
        let wait = TimeAmount.microseconds(min(max(left, 1000), 86_400_000_000))
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        expiry = eventLoop.scheduleTask(in: wait) {
            let handler = bound.value
            guard let login = handler.login else { return }
            if let obstacle = login.obstacle(at: handler.shared.acceptor.clock.now) {
                handler.refusals.limit = .init(obstacle.rule)
                handler.end(with: .sessionEnded(obstacle.sentence))
            } else {
                handler.watchEnd()
            }
        }
    }
}

extension SubmissionHandler.Found {
    /// `madeUp`: what a name is answered through that nobody has, or that does not exist for this client.
    fileprivate init(_ login: Login?, orElse madeUp: StoredVerifier, at now: Instant, from address: String) {
        guard let login, let verifier = login.verifier else {
            self.init(login: nil, verifier: madeUp)
            return
        }
        let concealed = ConcealedLogin(login, at: now, from: address)
        self.init(
            login: concealed == nil ? login : nil, verifier: concealed == nil ? verifier : madeUp,
            concealed: concealed)
    }
}

/// A login that a client may not learn to exist: a revoked one, or one used from elsewhere, reads like one that never
/// was. Only the log says which it is.
struct ConcealedLogin: Sendable {
    let reason, tenant, credential: String

    /// Nil: it may be told.
    fileprivate init?(_ login: Login, at now: Instant, from address: String) {
        if login.obstacle(at: now)?.isRevocation == true {
            reason = "the credential has been revoked"
        } else if !login.allows(clientAddress: address) {
            reason = "the client's address is in none of the credential's networks"
        } else {
            return nil
        }
        (tenant, credential) = (login.tenant, login.credential)
    }
}

extension SessionCounter.Full {
    fileprivate func refusal(of login: Login) -> (RefusalEvent.Limit, Reply) {
        switch self {
        case .tenant:
            let cap = login.sessions ?? 0
            return (.init("sessions", cap: cap, used: cap), .sessionLimit(cap, of: "account"))
        case .credential:
            let cap = login.credentialSessions ?? 0
            return (.init("credential_sessions", cap: cap, used: cap), .sessionLimit(cap, of: "credential"))
        }
    }
}
