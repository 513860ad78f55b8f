package import Ledger
package import Postgres
package import SMTP

/// What an attempt comes to for each recipient: final, tried again and when, or given up (RFC 5321 §4.5.4.1).
package struct AttemptRules: Sendable {
    /// One recipient's, with what is to be remembered and told of it.
    package struct Verdict: Sendable {
        package var recipient: QueuedMessage.Recipient
        package var outcome: Settlement.Outcome
        package var reply: RemoteReply
        /// What the sender is told in place of the reply's text, which is an operator's to read; nil: the same.
        package var wordsForSender: String?
        /// How long it was tried, where it was given up for no more than that.
        package var givenUpAfter: Duration?

        /// The reply as the sender may hear it.
        package var replyForSender: RemoteReply {
            guard let wordsForSender else { return reply }
            return RemoteReply(
                code: reply.code, enhanced: reply.enhanced, text: wordsForSender, command: reply.command, isOurs: true)
        }
    }

    /// Pools, their relays and what helps are the operator's.
    private static let noRelayForSender = "no server was available to pass it on"

    /// After the first attempt, where the connection was lost before all of the message was sent.
    private static let firstPause = Duration.seconds(2)

    package let schedule: RetrySchedule

    package init(schedule: RetrySchedule) { self.schedule = schedule }

    /// - Parameters:
    ///   - now: by the database's clock.
    ///   - jitter: 0 to 1 (``RetrySchedule/wait(after:jitter:)``), one for all of them: who was tried together is tried
    ///     together again, in one transaction (RFC 5321 §4.5.4.1).
    package func verdicts(
        on message: QueuedMessage, _ result: DeliveryResult, now: Instant, jitter: Double
    ) -> [Verdict] {
        switch result {
        case .answered(let outcomes, _, _):
            verdicts(on: message, outcomes, isInterruption: false, now: now, jitter: jitter)
        case .interrupted(let outcomes, _):
            verdicts(on: message, outcomes, isInterruption: true, now: now, jitter: jitter)
        case .noRelay(let reason, _, _) where isExpired(message, now: now):
            givenUp(message, "expired: \(reason)", forSender: Self.noRelayForSender, givenUpAfter: schedule.expiry)
        case .noRelay(let reason, let wait, _), .notTried(let reason, let wait):
            verdicts(
                on: message, .released(until: now.advanced(by: wait)), 451, EnhancedCode(4, 4, 1), reason,
                forSender: Self.noRelayForSender)
        }
    }

    /// Everyone bounces, by our own word.
    package func givenUp(
        _ message: QueuedMessage, _ reason: String, forSender words: String? = nil, givenUpAfter: Duration? = nil
    ) -> [Verdict] {
        verdicts(
            on: message, .bounced, 554, EnhancedCode(5, 4, 7), reason, forSender: words, givenUpAfter: givenUpAfter)
    }

    /// The same, said by ourselves, for everyone.
    private func verdicts(
        on message: QueuedMessage, _ outcome: Settlement.Outcome, _ code: Int, _ enhanced: EnhancedCode,
        _ reason: String, forSender words: String?, givenUpAfter: Duration? = nil
    ) -> [Verdict] {
        let reply = RemoteReply(code: code, enhanced: enhanced, text: reason, command: "nothing", isOurs: true)
        return message.recipients.map {
            Verdict(
                recipient: $0, outcome: outcome, reply: reply, wordsForSender: words, givenUpAfter: givenUpAfter)
        }
    }

    private func verdicts(
        on message: QueuedMessage, _ outcomes: [DeliveryDialogue.Outcome], isInterruption: Bool, now: Instant,
        jitter: Double
    ) -> [Verdict] {
        zip(message.recipients, outcomes).map { recipient, outcome in
            let settled: Settlement.Outcome
            var givenUpAfter: Duration?
            switch outcome {
            case .delivered: settled = .delivered
            case .bounced: settled = .bounced
            case .deferred:
                let attempts = Int(recipient.attempts) + 1
                let wait =
                    isInterruption
                    ? waitOnceInterrupted(attempts, outcome.reply, jitter: jitter)
                    : schedule.wait(after: attempts, jitter: jitter)
                let isTooLate = isExpired(message, now: now)
                settled = isTooLate ? .bounced : .deferred(until: now.advanced(by: wait))
                givenUpAfter = isTooLate ? schedule.expiry : nil
            }
            return Verdict(
                recipient: recipient, outcome: settled, reply: outcome.reply,
                wordsForSender: outcome.reply.isAboutRelay ? Self.noRelayForSender : nil, givenUpAfter: givenUpAfter)
        }
    }

    /// A relay that died in the middle, or said its goodbye, is back soon, so the first wait is short; one more interruption
    /// is followed by the schedule from its beginning. Not so where a server that is not ours would have us go (`421`), nor
    /// where all of the message was sent: it may have been taken, and each try may be one more copy (RFC 5321 §4.5.4.1).
    private func waitOnceInterrupted(_ attempts: Int, _ reply: RemoteReply, jitter: Double) -> Duration {
        guard reply.code == 421, reply.isOurs || reply.isFromOurRelay, !reply.mayHaveBeenTaken else {
            return schedule.wait(after: attempts, jitter: jitter)
        }
        let wait = schedule.wait(after: max(attempts - 1, 1), jitter: jitter)
        return attempts == 1 ? min(Self.firstPause, wait) : wait
    }

    private func isExpired(_ message: QueuedMessage, now: Instant) -> Bool {
        now >= message.acceptedAt.advanced(by: schedule.expiry)
    }
}
