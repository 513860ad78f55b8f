import Ledger
import Logging
import MailMessage
import NIOCore
import Postgres
import SMTP

/// What an attempt comes to in the queue, in the log, and in a report to the sender.
extension Forwarder {
    private struct Answer {
        var recipient: QueuedMessage.Recipient
        var outcome: Settlement.Outcome
        var reply: RemoteReply
    }

    /// Who answered.
    private struct Speaker {
        /// `host:port`; nil: we did.
        var relay: String?
        var tlsVersion: String?
        var tellsSenders = false
    }

    func settle(_ message: QueuedMessage, _ result: DeliveryResult) {
        switch result {
        case .answered(let outcomes, let relay, let tlsVersion, let tellsSenders):
            settle(
                message, answers(message, outcomes, isInterruption: false),
                Speaker(relay: relay, tlsVersion: tlsVersion, tellsSenders: tellsSenders))
        case .interrupted(let outcomes, let relay):
            settle(message, answers(message, outcomes, isInterruption: true), Speaker(relay: relay))
        case .noRelay(let reason, let wait):
            guard !isExpired(message) else { return giveUp(message, "expired: \(reason)") }
            settle(
                message,
                answers(
                    message, .released(until: queue.clock.now.advanced(by: wait)), 451, EnhancedCode(4, 4, 1), reason),
                Speaker())
        }
    }

    /// Bounces everyone, by our own word.
    func giveUp(_ message: QueuedMessage, _ reason: String) {
        settle(message, answers(message, .bounced, 554, EnhancedCode(5, 4, 7), reason), Speaker())
    }

    private func settle(_ message: QueuedMessage, _ answers: [Answer], _ speaker: Speaker) {
        let now = queue.clock.now
        let reports = SenderReport(hostname: configuration.hostname, delayWarning: configuration.delayWarning)
        var notices: [DeliveryNotice.Recipient] = []
        for answer in answers {
            log(answer, message, speaker)
            if let notice = reports.notice(
                of: answer.recipient, in: message, answer.outcome, answer.reply, relay: speaker.relay,
                isFinal: answer.reply.saysFiled, tellsSenders: speaker.tellsSenders, now: now,
                expiresAt: message.acceptedAt.advanced(by: configuration.schedule.expiry))
            {
                notices.append(notice)
            }
        }
        queue.settle(
            answers.map { answer in
                Settlement(
                    answer.outcome, of: answer.recipient.number, in: message,
                    replyCode: Int32(clamping: answer.reply.code),
                    replyEnhanced: answer.reply.enhanced.map { "\($0)" }, reply: Array(answer.reply.text.utf8))
            }, report: reports.make(of: notices, in: message, now: now))
    }

    /// The same, said by ourselves, for everyone.
    private func answers(
        _ message: QueuedMessage, _ outcome: Settlement.Outcome, _ code: Int, _ enhanced: EnhancedCode, _ reason: String
    ) -> [Answer] {
        let reply = RemoteReply(code: code, enhanced: enhanced, text: reason, command: "nothing")
        return message.recipients.map { Answer(recipient: $0, outcome: outcome, reply: reply) }
    }

    private func answers(
        _ message: QueuedMessage, _ outcomes: [DeliveryDialogue.Outcome], isInterruption: Bool
    ) -> [Answer] {
        zip(message.recipients, outcomes).map { recipient, outcome in
            let settled: Settlement.Outcome
            switch outcome {
            case .delivered: settled = .delivered
            case .bounced: settled = .bounced
            case .deferred:
                let attempts = Int(recipient.attempts) + 1
                // A relay that died in the middle is back soon: the first tries need not wait for the schedule.
                let wait =
                    isInterruption && attempts <= 3
                    ? Duration.seconds(1 << attempts)
                    : configuration.schedule.wait(after: attempts, jitter: Double.random(in: 0...1))
                settled = isExpired(message) ? .bounced : .deferred(until: queue.clock.now.advanced(by: wait))
            }
            return Answer(recipient: recipient, outcome: settled, reply: outcome.reply)
        }
    }

    private func isExpired(_ message: QueuedMessage) -> Bool {
        queue.clock.now >= message.acceptedAt.advanced(by: configuration.schedule.expiry)
    }

    private func log(_ answer: Answer, _ message: QueuedMessage, _ speaker: Speaker) {
        let (word, level): (String, Logger.Level) =
            switch answer.outcome {
            case .delivered: ("delivered", .info)
            case .bounced: ("bounced", .notice)
            case .deferred: ("deferred", .info)
            case .released: ("waiting for a relay", .info)
            }
        logger.log(
            level: level, "\(word)",
            metadata: [
                "id": "\(message.id)", "tenant": "\(message.tenantSlug)", "credential": "\(message.credentialName)",
                "client": "\(message.clientAddress ?? "")", "recipient": "\(answer.recipient.mailbox)",
                "attempt": .stringConvertible(answer.recipient.attempts + 1), "relay": "\(speaker.relay ?? "none")",
                "tls": "\(speaker.tlsVersion ?? "")", "reply": "\(answer.reply.code) \(answer.reply.text)",
            ])
    }
}

extension Instant {
    var unixSeconds: Int64 { microseconds / 1_000_000 }
}
