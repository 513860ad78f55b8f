import Ledger
import Logging
import MailMessage
import NIOCore
import Postgres
import SMTP

/// What an attempt comes to in the queue, in the log, and in a report to the sender.
extension Forwarder {
    private typealias Answer = AttemptRules.Verdict

    /// What the log says of a recipient that no relay could be asked for, each time.
    package static let waiting = "waiting for a relay"

    /// Who answered.
    private struct Speaker {
        /// `host:port`; nil: we did.
        var relay: String?
        var tlsVersion: String?
    }

    private var rules: AttemptRules { AttemptRules(schedule: configuration.schedule) }

    func settle(_ message: QueuedMessage, _ result: DeliveryResult) {
        let speaker =
            switch result {
            case .answered(_, let relay, let tlsVersion): Speaker(relay: relay, tlsVersion: tlsVersion)
            case .interrupted(_, let relay): Speaker(relay: relay)
            case .noRelay, .notTried: Speaker()
            }
        let answers = rules.verdicts(on: message, result, now: queue.clock.now, jitter: .random(in: 0...1))
        settle(message, answers, speaker)
    }

    /// Bounces everyone, by our own word.
    func giveUp(_ message: QueuedMessage, _ reason: String) {
        settle(message, rules.givenUp(message, reason), Speaker())
    }

    private func settle(_ message: QueuedMessage, _ answers: [Answer], _ speaker: Speaker) {
        let now = queue.clock.now
        let reports = SenderReport(hostname: configuration.hostname, delayWarning: configuration.delayWarning)
        var notices: [(Int32, DeliveryNotice.Recipient)] = []
        let settlements = answers.map { answer in
            log(answer, message, speaker)
            let notice = reports.notice(
                of: answer.recipient, in: message, answer.outcome, answer.replyForSender, relay: speaker.relay,
                isFinal: answer.reply.saysFiled, tellsSenders: answer.reply.tellsSenders,
                givenUpAfter: answer.givenUpAfter,
                expiresAt: message.acceptedAt.advanced(by: configuration.schedule.expiry))
            if let notice { notices.append((answer.recipient.number, notice)) }
            return Settlement(
                answer.outcome, of: answer.recipient, in: message, replyCode: Int32(clamping: answer.reply.code),
                replyEnhanced: answer.reply.enhanced.map { "\($0)" }, reply: Array(answer.reply.text.utf8))
        }
        queue.settle(settlements, report: reports.make(of: notices, in: message, now: now))
    }

    private func log(_ answer: Answer, _ message: QueuedMessage, _ speaker: Speaker) {
        let (word, level): (String, Logger.Level) =
            switch answer.outcome {
            case .delivered: ("delivered", .info)
            case .bounced: ("bounced", .notice)
            case .deferred: ("deferred", .info)
            case .released: (Self.waiting, .info)
            case .unreadable: ("unreadable", .error)
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
