import Ledger
import Logging
import MailMessage
import NIOCore
import NIOPosix
import Postgres
import SMTP
import Synchronization
import TLS
import Tenancy

// What a session asks of a message before it goes to the ledger. Each judgement here is advice that comes early:
// ledger.accept judges again, under the lock, and its word counts.
extension SubmissionHandler {
    func judge(sender: ReversePath, declaredSize: Int?, into output: inout ByteBuffer) {
        guard let login else { return dialogue.refuse(.credentialsInvalid, into: &output) }
        refusals.sender = sender
        spared = SparedRecipients()
        passing(login, into: &output) { handler, login in
            handler.refusal(of: sender, login)
        } then: { handler, output in
            handler.judge(octets: declaredSize, login, into: &output)
        }
    }

    private func judge(octets count: Int?, _ login: Login, into output: inout ByteBuffer) {
        whileStoring(login, into: &output) { handler, output in
            handler.judgeDeclared(octets: count, login, into: &output)
        }
    }

    /// What is known to fail is not begun: goes on where the database can be thought to be there. Where changes are not
    /// heard of it may be gone without a word, as behind a network that has lost its connections: then it is asked.
    func whileStoring(
        _ login: Login, into output: inout ByteBuffer,
        _ proceed: @escaping @Sendable (SubmissionHandler, inout ByteBuffer) -> Void
    ) {
        guard shared.acceptor.isAvailable else { return dialogue.refuse(.notStored, into: &output) }
        guard !shared.directory.isListening, let eventLoop = context?.eventLoop else { return proceed(self, &output) }
        let directory = shared.directory
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        Task {
            let isThere = await directory.current(login) != nil
            eventLoop.execute {
                bound.value.answer { output in
                    guard isThere else { return bound.value.dialogue.refuse(.notStored, into: &output) }
                    proceed(bound.value, &output)
                }
            }
        }
    }

    private func judgeDeclared(octets count: Int?, _ login: Login, into output: inout ByteBuffer) {
        guard let count, let refusal = refusal(ofOctets: count, login) else { return dialogue.allow(into: &output) }
        reconsider(refusal, login, to: nil, into: &output) { current in
            AcceptRefusal(current.byteRoom, octets: count, policy: current.policy)
        } then: { handler, refusal, output in
            guard let refusal else { return handler.dialogue.allow(into: &output) }
            handler.refusals.limit = refusal.figures
            handler.dialogue.refuse(Reply(refusal), into: &output)
        }
    }

    // MARK: Before it is refused

    /// Goes on where nothing refuses. What is remembered of a login may be a moment old, and what is refused for good is
    /// lost: it is read again first.
    private func passing(
        _ login: Login, into output: inout ByteBuffer,
        _ refusal: @escaping @Sendable (SubmissionHandler, Login) -> (Reply, RefusalEvent.Limit?)?,
        then proceed: @escaping @Sendable (SubmissionHandler, inout ByteBuffer) -> Void
    ) {
        guard refusal(self, login) != nil else { return proceed(self, &output) }
        guard let eventLoop = context?.eventLoop else { return }
        let directory = shared.directory
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        Task {
            let current = await directory.current(login)
            eventLoop.execute {
                bound.value.answer { output in
                    let handler = bound.value
                    guard let current else { return handler.dialogue.refuse(.notStored, into: &output) }
                    guard let (reply, limit) = refusal(handler, current) else { return proceed(handler, &output) }
                    handler.refusals.limit = limit
                    handler.dialogue.refuse(reply, into: &output)
                }
            }
        }
    }

    /// What by memory is over a cap may yet be let through: a message again that was stored a moment ago, its reply lost;
    /// or one for which there is room by now. And memory knows one cap, the tightest when the login was read: which one
    /// it is that is reached, how far it is used and when it resets is asked for before a client hears of it.
    ///
    /// - Parameters:
    ///   - address: the recipient in question; nil: none is known yet.
    ///   - judgement: the same question, by the login as it is now.
    ///   - answer: nil where accept is to decide.
    private func reconsider(
        _ refusal: AcceptRefusal, _ login: Login, to address: String?, into output: inout ByteBuffer,
        by judgement: @escaping @Sendable (Login) -> AcceptRefusal?,
        then answer: @escaping @Sendable (SubmissionHandler, AcceptRefusal?, inout ByteBuffer) -> Void
    ) {
        guard let eventLoop = context?.eventLoop else { return answer(self, refusal, &output) }
        let (directory, sender) = (shared.directory, "\(refusals.sender ?? .null)")
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        Task {
            var refusal = Optional(refusal)
            if await directory.mayBeResubmission(of: login, from: sender, to: address) {
                refusal = nil
            } else {
                refusal = await directory.current(login).flatMap(judgement)
            }
            eventLoop.execute { [refusal] in
                bound.value.answer { output in answer(bound.value, refusal, &output) }
            }
        }
    }

    private func refusal(of sender: ReversePath, _ login: Login) -> (Reply, RefusalEvent.Limit?)? {
        switch sender {
        case .null:
            if !login.nullSender { return (.nullSender, .init("null_sender")) }
        case .mailbox(let mailbox):
            if !login.senderDomains.contains(mailbox.domain.name) {
                return (.domainNotYours(mailbox.domain.name, in: "The envelope sender"), .init("sender_domain"))
            }
            if !login.allows(sender: mailbox.description, of: mailbox.domain.name) {
                return (.addressNotYours(mailbox.description), .init("sender_address"))
            }
        }
        return nil
    }

    private func refusal(ofOctets count: Int, _ login: Login) -> AcceptRefusal? {
        guard let rooms = shared.directory.rooms(for: login, at: shared.acceptor.clock.now) else { return nil }
        return AcceptRefusal(rooms.octets, octets: count, policy: login.policy)
    }

    /// - Parameter count: the recipients of this transaction, the one judged included.
    func judge(recipients count: Int, into output: inout ByteBuffer) {
        guard let login else { return dialogue.refuse(.credentialsInvalid, into: &output) }
        guard shared.acceptor.isAvailable else {
            return dialogue.refuse(.notStored, failsTransaction: true, into: &output)
        }
        // How many fit is what a partial message turns on, and memory may be old, or of before others' mail.
        guard count > 1 || !login.partial else {
            return readAgain(login, into: &output) { handler, output in
                handler.judgeRemembered(recipients: count, login, into: &output)
            }
        }
        judgeRemembered(recipients: count, login, into: &output)
    }

    /// Goes on with what is left as it is now, where that can be known.
    private func readAgain(
        _ login: Login, into output: inout ByteBuffer,
        _ proceed: @escaping @Sendable (SubmissionHandler, inout ByteBuffer) -> Void
    ) {
        guard let eventLoop = context?.eventLoop else { return proceed(self, &output) }
        let directory = shared.directory
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        Task {
            _ = await directory.current(login)
            eventLoop.execute { bound.value.answer { output in proceed(bound.value, &output) } }
        }
    }

    private func judgeRemembered(recipients count: Int, _ login: Login, into output: inout ByteBuffer) {
        let counted = count - spared.found
        guard let refusal = refusal(ofRecipients: counted, login) else { return allow(login, into: &output) }
        if shared.directory.suppressions.isNobody(of: login.tenantID) {
            return refuse(refusal, ofRecipients: counted, login, into: &output)
        }
        judgeWithoutSuppressed(count, login)
    }

    private func refusal(ofRecipients count: Int, _ login: Login) -> AcceptRefusal? {
        guard let rooms = shared.directory.rooms(for: login, at: shared.acceptor.clock.now) else { return nil }
        return AcceptRefusal(rooms.recipients, recipients: count, policy: login.policy)
    }

    private func refuse(
        _ refusal: AcceptRefusal, ofRecipients count: Int, _ login: Login, into output: inout ByteBuffer
    ) {
        // A partial message is a tenant's own choice: common client libraries drop refused recipients in silence.
        refuse(refusal, failsTransaction: !login.partial, login, into: &output) { current in
            AcceptRefusal(current.room, recipients: count, policy: current.policy)
        }
    }

    private func allow(_ login: Login, into output: inout ByteBuffer) {
        // No message is so small that it fits.
        guard let refusal = refusal(ofOctets: 1, login) else { return dialogue.allow(into: &output) }
        refuse(refusal, failsTransaction: true, login, into: &output) { current in
            AcceptRefusal(current.byteRoom, octets: 1, policy: current.policy)
        }
    }

    private func refuse(
        _ refusal: AcceptRefusal, failsTransaction: Bool, _ login: Login, into output: inout ByteBuffer,
        by judgement: @escaping @Sendable (Login) -> AcceptRefusal?
    ) {
        reconsider(
            refusal, login, to: dialogue.recipientsInQuestion.last?.description, into: &output, by: judgement
        ) { handler, refusal, output in
            guard let refusal else { return handler.dialogue.allow(into: &output) }
            handler.refusals.limit = refusal.figures
            handler.dialogue.refuse(Reply(refusal), failsTransaction: failsTransaction, into: &output)
        }
    }

    /// Asks which of the recipients are suppressed: accept neither stores nor charges these. Where that cannot be known
    /// just now, accept is to decide.
    private func judgeWithoutSuppressed(_ count: Int, _ login: Login) {
        guard let eventLoop = context?.eventLoop else { return }
        let unknown = dialogue.recipientsInQuestion.dropFirst(spared.asked).map(\.description)
        let suppressions = shared.directory.suppressions
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        Task {
            let places = try? await suppressions.places(of: unknown, tenant: login.tenantID)
            eventLoop.execute {
                bound.value.judge(recipients: count, unknown: unknown.count, suppressed: places, login)
            }
        }
    }

    private func judge(recipients count: Int, unknown: Int, suppressed places: [Int]?, _ login: Login) {
        answer { output in
            guard let places else { return allow(login, into: &output) }
            var free = spared
            free.asked += unknown
            free.found += places.count
            // One who is suppressed is neither stored nor charged, whatever the others are.
            let isSuppressed = places.last == unknown
            if !isSuppressed, let refusal = refusal(ofRecipients: count - free.found, login) {
                // The last one is none of the transaction's now.
                free.asked -= 1
                spared = free
                refuse(refusal, ofRecipients: count - free.found, login, into: &output)
            } else {
                spared = free
                allow(login, into: &output)
            }
        }
    }

    func submit(_ envelope: SubmissionDialogue.Envelope, _ content: ByteBuffer, into output: inout ByteBuffer) {
        guard let login, let eventLoop = context?.eventLoop else {
            return dialogue.refuse(.credentialsInvalid, into: &output)
        }
        shared.churn.add(content.readableBytes, ordering: .relaxed)
        let work = Preparation(
            envelope: envelope, content: content, now: shared.acceptor.clock.now.microseconds / 1_000_000,
            hostname: shared.configuration.hostname,
            credentialID: login.resubmission ? login.credentialID : nil)
        guard content.readableBytes > Preparation.inlineLimit else {
            return judge(work.run(), envelope, size: content.readableBytes, login, into: &output)
        }
        // Milliseconds that the loop's other sessions would wait for.
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        shared.threads.submit { state in
            // A pool that closes says so; the session is then ended by the same shutdown.
            guard case .active = state else { return }
            let outcome = work.run()
            eventLoop.execute {
                bound.value.answer { output in
                    bound.value.judge(outcome, envelope, size: content.readableBytes, login, into: &output)
                }
            }
        }
    }

    private func judge(
        _ outcome: Result<Preparation.Outcome, MessageFault>, _ envelope: SubmissionDialogue.Envelope, size: Int,
        _ login: Login, into output: inout ByteBuffer
    ) {
        let done: Preparation.Outcome
        switch outcome {
        case .success(let outcome): done = outcome
        case .failure(let fault): return dialogue.refuse(fault.reply, into: &output)
        }
        passing(login, into: &output) { handler, login in
            handler.refusal(of: done.message, login)
        } then: { handler, _ in
            handler.submit(done, envelope, size: size, login)
        }
    }

    /// An author who is not the tenant's, or not this credential's.
    private func refusal(of message: PreparedMessage, _ login: Login) -> (Reply, RefusalEvent.Limit?)? {
        if let place = message.authors.firstIndex(where: { !login.senderDomains.contains($0.name) }) {
            let field = place < message.fromDomainCount ? "The From field" : "A Sender or Resent field"
            return (.domainNotYours(message.authors[place].name, in: field), .init("from_domain"))
        }
        if let foreign = message.authorAddresses.first(where: { !login.allows(author: $0) }) {
            return (.addressNotYours(foreign), .init("sender_address"))
        }
        if !login.foreignNames, let domain = foreignName(message, login) {
            return (.nameNotYours(domain), .init("foreign_names"))
        }
        return nil
    }

    /// A domain that is not the tenant's and stands, in an address, in a display name or a comment of its authors'.
    private func foreignName(_ message: PreparedMessage, _ login: Login) -> String? {
        message.shownDomains.first { !login.senderDomains.contains($0) }
    }

    private func submit(
        _ done: Preparation.Outcome, _ envelope: SubmissionDialogue.Envelope, size: Int, _ login: Login
    ) {
        guard let eventLoop = context?.eventLoop else { return }
        let prepared = done.message
        guard let author = prepared.authors.first else { preconditionFailure("a message without an author is a fault") }
        let request = AcceptRequest(
            tenantID: login.tenantID, credentialID: login.credentialID, loginID: login.loginID,
            tenantSlug: login.tenant, credentialName: login.credential, poolID: login.poolID, sender: envelope.sender,
            fromDomain: author, recipients: envelope.recipients, parameters: done.parameters,
            otherAuthorDomains: Array(prepared.authors.dropFirst()), content: prepared.content,
            size: size, resubmissionDigest: done.digest, trace: trace(envelope), clientAddress: clientAddress,
            heloName: envelope.heloName, messageIDHeader: prepared.messageID, isEightBit: prepared.isEightBit,
            session: visit.session, fromAddresses: prepared.authorAddresses)
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        shared.acceptor.submit(request, on: eventLoop) { verdict in
            bound.value.decided(verdict, envelope, size: size, prepared, login)
        }
    }

    private func decided(
        _ verdict: AcceptVerdict, _ envelope: SubmissionDialogue.Envelope, size: Int, _ message: PreparedMessage,
        _ login: Login
    ) {
        let id: MessageID
        switch verdict {
        case .accepted(let queueID, let remaining):
            id = queueID
            shared.directory.remember(remaining: remaining, octets: Int64(size), for: login)
        case .resubmitted(let first): id = first
        case .refused(let refusal):
            if let (room, isOfOctets) = refusal.room {
                shared.directory.remember(room, isOfOctets: isOfOctets, for: login)
            }
            return refused(refusal)
        case .unavailable: return answer { output in dialogue.refuse(.notStored, into: &output) }
        case .outOfSpace: return answer { output in dialogue.refuse(.noRoom, into: &output) }
        case .unknown:
            logger.error(
                "outcome unknown", metadata: ["client": "\(clientAddress)", "message-id": "\(message.messageID)"])
            return closeWithoutReply()
        }
        var metadata: Logger.Metadata = [
            "id": "\(id)", "tenant": "\(login.tenant)", "credential": "\(login.credential)",
            "client": "\(clientAddress)",
            "sender": "\(envelope.sender)", "recipients": .stringConvertible(envelope.recipients.count),
            "size": .stringConvertible(size),
            "message-id": "\(message.messageID)",
        ]
        // What readers may be misled by, though the author is the tenant's.
        if let domain = foreignName(message, login) {
            metadata["from"] = "a display name or a comment shows an address of \(domain)"
        }
        logger.info("accepted", metadata: metadata)
        let reply = login.isTest ? Reply.heldForTest(as: "\(id)") : .queued(as: "\(id)")
        answer { output in dialogue.accepted(reply, into: &output) }
    }

    /// accept has written it down, under the id that the reply names.
    private func refused(_ refusal: AcceptRefusal) {
        var reply = Reply(refusal)
        if let id = refusal.id { reply = refusals.named(reply, by: id) }
        answer { output in dialogue.refuse(reply, into: &output) }
    }

    /// RFC 5321 §4.4, RFC 3848: written when the queue id is known, and again if the id has to change.
    private func trace(_ envelope: SubmissionDialogue.Envelope) -> @Sendable (MessageID, Int64) -> ByteBuffer {
        let hostname = shared.configuration.hostname
        let clientAddress = clientAddress
        let tlsVersion = session?.version
        let cipher = session?.cipher
        let name = envelope.protocolName
        return { id, now in
            TraceField.received(
                heloName: envelope.heloName, clientAddress: clientAddress, protocol: name, tlsVersion: tlsVersion,
                cipher: cipher, hostname: hostname, queueID: "\(id)", date: now)
        }
    }
}
