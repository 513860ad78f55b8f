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
        steps.first { $0.passes == false }.map { step in
            // A session knows one limit of each kind, the tighter of the tenant's and the credential's.
            let size = steps.filter { $0.rule.hasSuffix("message_size") && $0.passes == false }.compactMap(\.cap).min()
            return (step, reply(to: step, size: size))
        }
    }

    /// What accept's own refusal says at the end of DATA.
    package static func reply(to refusal: AcceptRefusal) -> Reply { Reply(refusal) }

    /// nil: a rule of a newer database, that this binary does not know.
    private static func reply(to step: ExplainStep, size: Int64?) -> Reply? {
        switch step.rule {
        // One answer for whatever could tell a stranger something (RFC 4954 §6).
        case "username", "credential_revoked", "networks": return .credentialsInvalid
        case "tenant_status": return .accountDisabled(Login.Obstacle.tenantSuspended(reason: step.detail).sentence)
        case "credential_suspended":
            return .accountDisabled(Login.Obstacle.credentialSuspended(reason: step.detail).sentence)
        case "not_before": return .accountDisabled(Login.Obstacle.credentialNotYet(from: step.value).sentence)
        case "mechanisms":
            return .mechanismNotAllowed(step.stands ?? "", (step.value ?? "").split(separator: ", ").map(String.init))
        case "expires": return .accountDisabled(Login.Obstacle.credentialExpired.sentence)
        case "secret_valid_until": return .accountDisabled(Login.Obstacle.loginExpired.sentence)
        case "sender_domain" where step.stands == "<>": return .nullSender
        case "message_size", "credential_message_size": return .tooLarge(limit: Int(size ?? 0))
        case "recipients_per_message", "credential_recipients_per_message":
            return .tooManyRecipients(limit: step.value.flatMap { Int($0) } ?? 0)
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
            case .senderDomain, .fromDomain, .senderAddress: step.stands
            default: step.detail
            }
        self.init(
            verdict: verdict, limit: step.limit, cap: step.cap, used: step.used, resetsText: step.resetsText,
            policy: step.policy == "reject" ? .rejection : .deferral, detail: detail)
    }
}
