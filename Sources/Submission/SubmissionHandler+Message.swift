import Cryptography
import Ledger
import Logging
import MailMessage
import NIOCore
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
        let prepared: PreparedMessage
        do throws(MessageFault) {
            prepared = try PreparedMessage(
                content: content, now: shared.acceptor.clock.now.microseconds / 1_000_000,
                hostname: shared.configuration.hostname,
                options: Fixups.Options(isInternationalized: envelope.parameters.isInternationalized))
        } catch {
            refused(error.reply, sender: envelope.sender)
            return dialogue.refuse(error.reply, into: &output)
        }
        if let foreign = prepared.authors.first(where: { !login.senderDomains.contains($0.name) }) {
            let reply = Reply.domainNotYours(foreign.name, in: "The From field")
            refused(reply, sender: envelope.sender)
            return dialogue.refuse(reply, into: &output)
        }
        guard let author = prepared.authors.first else { preconditionFailure("a message without an author is a fault") }
        let size = content.readableBytes
        let request = AcceptRequest(
            tenantID: login.tenantID, credentialID: login.credentialID, loginID: login.loginID,
            tenantSlug: login.tenant, credentialName: login.credential, poolID: login.poolID, sender: envelope.sender,
            fromDomain: author, recipients: envelope.recipients, parameters: envelope.parameters,
            otherAuthorDomains: Array(prepared.authors.dropFirst()), content: prepared.content,
            resubmissionDigest: login.resubmission && prepared.hadMessageID
                ? resubmissionDigest(envelope, content, login) : nil,
            trace: trace(envelope), clientAddress: clientAddress, heloName: envelope.heloName,
            messageIDHeader: prepared.messageID, isEightBit: prepared.isEightBit)
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
        return { id, now in
            TraceField.received(
                heloName: envelope.heloName, clientAddress: clientAddress, protocol: "ESMTPSA", tlsVersion: tlsVersion,
                cipher: cipher, hostname: hostname, queueID: "\(id)", date: now)
        }
    }

    /// LEDGER, "Resubmission": the same credential, envelope and content, hashed as the client sent it.
    private func resubmissionDigest(
        _ envelope: SubmissionDialogue.Envelope, _ content: ByteBuffer, _ login: Login
    ) -> [UInt8] {
        var hash = SHA256()
        // No part holds a NUL, so none can be mistaken for another.
        hash.update("\(login.credentialID)\0\(envelope.sender)\0".utf8)
        for recipient in envelope.recipients {
            hash.update("\(recipient.mailbox)\0".utf8)
        }
        hash.update(content.readableBytesView)
        return hash.finalize()
    }
}
