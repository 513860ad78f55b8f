package import Ledger
package import SMTP
package import Tenancy

/// What a session would answer to a message that `explain` asks about: the replies are those that sessions give, made by
/// the same code.
package enum Rehearsal {
    /// The first rule that refuses, in the order in which a session meets them, and the reply it gives there.
    ///
    /// - Returns: nil where every rule that is known from here lets it pass.
    package static func firstRefusal(_ steps: [ExplainStep]) -> (step: ExplainStep, reply: Reply?)? {
        steps.first { $0.passes == false }.map { ($0, reply(to: $0)) }
    }

    /// What accept's own refusal says at the end of DATA.
    package static func reply(to refusal: AcceptRefusal) -> Reply { Reply(refusal) }

    /// nil: a rule of a newer database, that this binary does not know.
    private static func reply(to step: ExplainStep) -> Reply? {
        switch step.rule {
        // One answer for whatever could tell a stranger something (RFC 4954 §6).
        case "username", "credential_revoked", "networks", "mechanisms": return .credentialsInvalid
        case "tenant_status": return .accountDisabled(Login.Obstacle.tenantSuspended(reason: step.detail).sentence)
        case "expires": return .accountDisabled(Login.Obstacle.credentialExpired.sentence)
        case "secret_valid_until": return .accountDisabled(Login.Obstacle.loginExpired.sentence)
        case "sender_domain" where step.stands == "<>": return .nullSender
        case "message_size", "credential_message_size": return .tooLarge(limit: Int(step.cap ?? 0))
        case "recipients_per_message", "credential_recipients_per_message": return .tooManyRecipients
        default: return AcceptRefusal(step).map { Reply($0) }
        }
    }
}

extension AcceptRefusal {
    /// What accept would say by this rule alone; nil where it is none of accept's.
    package init?(_ step: ExplainStep) {
        guard let verdict = step.verdict.flatMap(Verdict.init(rawValue:)) else { return nil }
        let detail: String? =
            switch verdict {
            case .senderDomain, .fromDomain: step.stands
            default: step.detail
            }
        self.init(
            verdict: verdict, limit: step.limit, cap: step.cap, used: step.used, resetsText: step.resetsText,
            policy: step.policy == "reject" ? .rejection : .deferral, detail: detail)
    }
}
