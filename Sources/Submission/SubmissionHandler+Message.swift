import Ledger
import Logging
import MailMessage
import NIOCore
import NIOPosix
import Postgres
import SMTP
import TLS
import Tenancy

// What a session asks of a message before it goes to the ledger. Each judgement here is advice that comes early:
// ledger.accept judges again, under the lock, and its word counts.
extension SubmissionHandler {
    func judge(sender: ReversePath, into output: inout ByteBuffer) {
        guard let login else { return dialogue.refuse(.credentialsInvalid, into: &output) }
        switch sender {
        case .null:
            if login.nullSender { dialogue.allow(into: &output) } else { dialogue.refuse(.nullSender, into: &output) }
        case .mailbox(let mailbox):
            if login.senderDomains.contains(mailbox.domain.name) {
                dialogue.allow(into: &output)
            } else {
                refused(.domainNotYours(mailbox.domain.name, in: "The envelope sender"), sender: sender)
                dialogue.refuse(.domainNotYours(mailbox.domain.name, in: "The envelope sender"), into: &output)
            }
        }
    }

    /// - Parameter count: the recipients of this transaction, the one judged included.
    func judge(recipients count: Int, into output: inout ByteBuffer) {
        guard let login else { return dialogue.refuse(.credentialsInvalid, into: &output) }
        if let room = shared.directory.room(for: login, at: shared.acceptor.clock.now),
            let refusal = AcceptRefusal(room, recipients: count, policy: login.policy)
        {
            // A partial message is a tenant's own choice: common client libraries drop refused recipients in silence.
            dialogue.refuse(Reply(refusal), failsTransaction: !login.partial, into: &output)
        } else {
            dialogue.allow(into: &output)
        }
    }

    func submit(_ envelope: SubmissionDialogue.Envelope, _ content: ByteBuffer, into output: inout ByteBuffer) {
        guard let login, let eventLoop = context?.eventLoop else {
            return dialogue.refuse(.credentialsInvalid, into: &output)
        }
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
        guard let eventLoop = context?.eventLoop else { return }
        let prepared: PreparedMessage
        let digest: [UInt8]?
        switch outcome {
        case .success(let done): (prepared, digest) = (done.message, done.digest)
        case .failure(let fault):
            refused(fault.reply, sender: envelope.sender)
            return dialogue.refuse(fault.reply, into: &output)
        }
        if let foreign = prepared.authors.first(where: { !login.senderDomains.contains($0.name) }) {
            let reply = Reply.domainNotYours(foreign.name, in: "The From field")
            refused(reply, sender: envelope.sender)
            return dialogue.refuse(reply, into: &output)
        }
        guard let author = prepared.authors.first else { preconditionFailure("a message without an author is a fault") }
        var parameters = envelope.parameters
        parameters.isInternationalized = envelope.needsInternationalization(
            hasEightBitHeader: prepared.hasEightBitHeader)
        let request = AcceptRequest(
            tenantID: login.tenantID, credentialID: login.credentialID, loginID: login.loginID,
            tenantSlug: login.tenant, credentialName: login.credential, poolID: login.poolID, sender: envelope.sender,
            fromDomain: author, recipients: envelope.recipients, parameters: parameters,
            otherAuthorDomains: Array(prepared.authors.dropFirst()), content: prepared.content,
            resubmissionDigest: digest, trace: trace(envelope), clientAddress: clientAddress,
            heloName: envelope.heloName, messageIDHeader: prepared.messageID, isEightBit: prepared.isEightBit)
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        shared.acceptor.submit(request, on: eventLoop) { verdict in
            bound.value.decided(verdict, envelope, size: size, messageID: prepared.messageID)
        }
    }

    private func decided(
        _ verdict: AcceptVerdict, _ envelope: SubmissionDialogue.Envelope, size: Int, messageID: String
    ) {
        let reply: Reply
        switch verdict {
        case .accepted(let id, let remaining):
            reply = .queued(as: "\(id)")
            if let login { shared.directory.remember(remaining: remaining, for: login) }
        case .resubmitted(let id): reply = .queued(as: "\(id)")
        case .refused(let refusal): reply = Reply(refusal)
        case .unavailable: reply = .notStored
        case .outOfSpace: reply = .noRoom
        case .unknown:
            shared.logger.error(
                "outcome unknown", metadata: ["client": "\(clientAddress)", "message-id": "\(messageID)"])
            return closeWithoutReply()
        }
        guard reply.code == 250 else {
            refused(reply, sender: envelope.sender)
            return answer { output in dialogue.refuse(reply, into: &output) }
        }
        shared.logger.info(
            "accepted",
            metadata: [
                "id": "\(reply.lines[0].split(separator: " ").last ?? "")", "tenant": "\(login?.tenant ?? "")",
                "credential": "\(login?.credential ?? "")", "client": "\(clientAddress)",
                "sender": "\(envelope.sender)", "recipients": .stringConvertible(envelope.recipients.count),
                "size": .stringConvertible(size),
                "message-id": "\(messageID)",
            ])
        answer { output in dialogue.accepted(reply, into: &output) }
    }

    private func refused(_ reply: Reply, sender: ReversePath) {
        shared.logger.info(
            "refused",
            metadata: [
                "tenant": "\(login?.tenant ?? "")", "credential": "\(login?.credential ?? "")",
                "client": "\(clientAddress)", "sender": "\(sender)", "reply": "\(reply)",
            ])
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
