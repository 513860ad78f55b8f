import Ledger
import Logging
import NIOCore
import NIOPosix
import SASL
import SMTP
import TLS
import Tenancy

// AUTH (RFC 4954) on the event loop: libsasl2 never blocks once the verifier has been fetched. Only the fetch and a
// PBKDF2 that no digest answers happen elsewhere.
extension SubmissionHandler {
    func authenticate(mechanism name: String, initialResponse: [UInt8]?, into output: inout ByteBuffer) {
        guard let mechanism = SASLMechanism(rawValue: name), shared.sasl.mechanisms.contains(mechanism) else {
            dialogue.refuse(.mechanismUnavailable, into: &output)
            return
        }
        let exchange = SASLExchange(server: shared.sasl, mechanism: mechanism, channelBindings: channelBindings())
        self.exchange = exchange
        self.mechanism = name
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
    func channelBindings() -> ChannelBindings {
        guard let handler = try? context?.pipeline.syncOperations.handler(type: TLSHandler.self) else {
            return ChannelBindings()
        }
        return ChannelBindings(
            exporter: try? handler.channelBinding(), serverEndPoint: handler.serverEndPointBinding())
    }

    private func take(_ step: SASLExchange.Step, into output: inout ByteBuffer) {
        switch step {
        case .challenge(let bytes): dialogue.challenge(bytes, into: &output)
        case .lookUp(let name): lookUp(name)
        case .derive(let check): derive(check)
        case .succeeded(let name): succeeded(name, into: &output)
        case .failed(let failure):
            failed(failure.kind, failure.reason, login: failure.loginName, into: &output)
        }
    }

    private func lookUp(_ name: String) {
        guard let eventLoop = context?.eventLoop else { return }
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        guard shared.doorkeeper.permission(login: name, address: visit.group) == .attempt else {
            exchange = nil
            logRefusal(.tooManyAttempts, login: name, reason: "too many failures of this name or address lately")
            eventLoop.scheduleTask(in: .seconds(1)) {
                bound.value.answer { output in bound.value.dialogue.refuse(.tooManyAttempts, into: &output) }
            }
            return
        }
        let directory = shared.directory
        let (now, address) = (shared.acceptor.clock.now, clientAddress)
        Task {
            let found: Result<(Login?, StoredVerifier), any Error>
            do {
                // Both are asked for in either case: an unknown name must not answer sooner or later than a known one.
                let madeUp = try await directory.madeUpVerifier(for: name)
                var login = try await directory.login(named: name)
                // A revoked credential, or one used from elsewhere, reads like one that never was.
                if login?.obstacle(at: now)?.isRevocation == true { login = nil }
                if login?.allows(clientAddress: address) == false { login = nil }
                found = .success((login, login?.verifier ?? madeUp))
            } catch { found = .failure(error) }
            eventLoop.execute { bound.value.found(found) }
        }
    }

    private func found(_ result: Result<(Login?, StoredVerifier), any Error>) {
        guard let exchange else { return }
        answer { output in
            switch result {
            case .failure(let error):
                shared.logger.warning("login could not be looked up", metadata: ["error": "\(error)"])
                failed(.temporary, "no database", into: &output)
            case .success(let (login, verifier)):
                pendingLogin = login
                take(exchange.provide(verifier), into: &output)
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
        shared.logger.info(
            "login refused",
            metadata: [
                "client": "\(clientAddress)", "reply": "\(reply.code)", "login": "\(login ?? "")",
                "reason": "\(reason)",
            ])
    }

    private func succeeded(_ name: String, into output: inout ByteBuffer) {
        exchange = nil
        guard let login = pendingLogin, login.name == name else {
            // The made-up verifier matched: nobody can hold its secret.
            failed(.credentials, "unknown login", login: name, into: &output)
            return
        }
        pendingLogin = nil
        if let reason = login.obstacle(at: shared.acceptor.clock.now)?.sentence {
            shared.logger.info(
                "login refused",
                metadata: ["client": "\(clientAddress)", "credential": "\(login.credential)", "reason": "\(reason)"])
            dialogue.refuse(.accountDisabled(reason), into: &output)
            return
        }
        guard shared.sessions.enter(tenant: login.tenantID, limit: login.sessions) else {
            dialogue.terminate(.sessionLimit(login.sessions ?? 0), into: &output)
            return
        }
        self.login = login
        visit.authenticated(as: login.name, shared.doorkeeper)
        shared.directory.uses.note(login, from: clientAddress, at: shared.acceptor.clock.now)
        dialogue.authenticated(
            limits: .init(
                maxMessageSize: Int(login.messageSize), maxRecipients: Int(login.recipientsPerMessage)),
            into: &output)
        moveDeadline()
        shared.logger.info(
            "login",
            metadata: [
                "client": "\(clientAddress)", "tenant": "\(login.tenant)", "credential": "\(login.credential)",
                "login": "\(login.name)", "mechanism": "\(mechanism)", "tls": "\(session?.version ?? "")",
            ])
    }

    /// An operator changed something: is this session still welcome?
    func directoryChanged(_ change: DirectoryChange) {
        guard let login, change.concerns(login), let eventLoop = context?.eventLoop else { return }
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        let (directory, logger) = (shared.directory, shared.logger)
        Task {
            // Where the database is away, the session stays: accept judges what it sends, and does so exactly.
            do {
                let now = try await directory.login(named: login.name)
                eventLoop.execute { bound.value.rechecked(now) }
            } catch {
                logger.warning("session could not be checked again", metadata: ["error": "\(error)"])
            }
        }
    }

    private func rechecked(_ now: Login?) {
        guard login != nil else { return }
        guard let now else { return end(with: .sessionEnded(Reply.revoked)) }
        if let obstacle = now.obstacle(at: shared.acceptor.clock.now) {
            end(with: .sessionEnded(obstacle.sentence))
        } else {
            login = now
        }
    }
}

extension DirectoryChange {
    func concerns(_ login: Login) -> Bool {
        switch self {
        case .tenant(let id): id == login.tenantID
        case .credential(let id): id == login.credentialID
        case .everything: true
        case .pool: false
        }
    }
}
