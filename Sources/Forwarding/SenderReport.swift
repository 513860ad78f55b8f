import Ledger
import MailMessage
import NIOCore
import Postgres
import SMTP

/// Who is told of what (RFC 3461 §4.1, §5.2): failures unless the sender wants none, successes and delays where it
/// asked; never the null sender, and never of a report, so that no report begets another.
struct SenderReport {
    let hostname: String
    /// How long a recipient may be deferred before its sender hears of it, if it asked to.
    let delayWarning: Duration

    /// What to say of one recipient, if anything.
    ///
    /// - Parameters:
    ///   - relay: who answered; nil: we did.
    ///   - isFinal: the relay is the last hop: it has delivered, not passed on.
    ///   - tellsSenders: the relay makes reports itself (DSN), and was told what is asked for.
    ///   - givenUpAfter: how long it was tried, where it bounces for no more than that.
    ///   - expiresAt: when the recipient is given up.
    func notice(
        of recipient: QueuedMessage.Recipient, in message: QueuedMessage, _ outcome: Settlement.Outcome,
        _ reply: RemoteReply, relay: String?, isFinal: Bool, tellsSenders: Bool,
        givenUpAfter: Duration? = nil, expiresAt: Instant
    ) -> DeliveryNotice.Recipient? {
        guard message.kind == .mail, message.sender != .null else { return nil }
        let wanted = recipient.envelope.notify ?? .failure
        let remote =
            reply.isOurs ? nil : relay.map { name in String(name[..<(name.lastIndex(of: ":") ?? name.endIndex)]) }
        switch outcome {
        case .bounced:
            guard wanted.contains(.failure) else { return nil }
            let status = reply.enhanced.flatMap { $0.statusClass == 5 ? $0 : nil }
            return DeliveryNotice.Recipient(
                recipient.envelope, .failed,
                status: status ?? (reply.code < 500 ? EnhancedCode(5, 4, 7) : EnhancedCode(5, 0, 0)), remote: remote,
                reply: reply, givenUpAfter: givenUpAfter)
        case .delivered:
            guard wanted.contains(.success), !tellsSenders else { return nil }
            let status = reply.enhanced.flatMap { $0.statusClass == 2 ? $0 : nil }
            return DeliveryNotice.Recipient(
                recipient.envelope, isFinal ? .delivered : .relayed, status: status ?? EnhancedCode(2, 0, 0),
                remote: remote, reply: reply)
        case .deferred(let until?), .released(let until?):
            // The last word before the warning's time, or the first behind it: an attempt, or an outage, may take long.
            let warning = message.acceptedAt.advanced(by: delayWarning)
            guard wanted.contains(.delay), !recipient.isDelayTold, warning < until else { return nil }
            let status = reply.enhanced.flatMap { $0.statusClass == 4 ? $0 : nil }
            return DeliveryNotice.Recipient(
                recipient.envelope, .delayed, status: status ?? EnhancedCode(4, 0, 0), remote: remote, reply: reply,
                retriedUntil: expiresAt.unixSeconds)
        case .deferred(nil), .released(nil), .unreadable:
            return nil
        }
    }

    /// The report to store with the outcomes it tells of; nil: nobody is to be told of anything.
    func make(
        of notices: [(number: Int32, recipient: DeliveryNotice.Recipient)], in message: QueuedMessage, now: Instant
    ) -> DeliveryReport? {
        guard !notices.isEmpty, let sender = message.sender.mailbox else { return nil }
        let notice = DeliveryNotice(
            hostname: hostname, sender: sender, recipients: notices.map(\.recipient),
            arrival: message.acceptedAt.unixSeconds,
            queueID: "\(message.id)", parameters: message.parameters, original: message.content)
        var generator = SystemRandomNumberGenerator()
        let unique = String(generator.next(), radix: 36) + String(generator.next(), radix: 36)
        return DeliveryReport(
            to: sender, of: Set(notices.map(\.number)), content: notice.compose(now: now.unixSeconds, unique: unique),
            isInternationalized: notice.isInternationalized)
    }
}
