import Ledger
import SMTP
import Tenancy

// What a refusal of the ledger says to the client: the code of its policy, the figures, and when it will work again.
extension Reply {
    init(_ refusal: AcceptRefusal) {
        switch refusal.verdict {
        case .dailyCap: self = .capReached("Daily cap", refusal)
        case .monthlyCap: self = .capReached("Monthly cap", refusal)
        case .credentialDailyCap: self = .capReached("Daily cap of this credential", refusal)
        case .credentialMonthlyCap: self = .capReached("Monthly cap of this credential", refusal)
        case .firstTimeCap: self = .capReached("Daily cap", refusal, of: "first-time recipients")
        case .bytesDailyCap: self = .capReached("Daily cap", refusal, of: "octets")
        case .credentialBytesDailyCap: self = .capReached("Daily cap of this credential", refusal, of: "octets")
        case .rate: self = .rateReached("Rate", refusal)
        case .credentialRate: self = .rateReached("Rate of this credential", refusal)
        case .messageSize:
            self = Reply(
                552, EnhancedCode(5, 3, 4),
                "Message of \(refusal.used ?? 0) octets is larger than \(refusal.whose) \(refusal.isOfADay ? "daily cap" : "limit")"
                    + " of \(refusal.cap ?? 0).")
        case .tooManyRecipients:
            self = Reply(
                550, EnhancedCode(5, 5, 3),
                "Message has \(refusal.used ?? 0) recipients; \(refusal.whose) limit is \(refusal.cap ?? 0).")
        case .suppressed: self = .suppressed(refusal.used ?? 1, first: refusal.detail)
        case .senderAddress: self = .addressNotYours(refusal.detail ?? "")
        case .credentialNotYet: self = .notAuthorized(Self.credentialNotYet(refusal.detail))
        case .credentialSuspended: self = .notAuthorized(Self.credentialSuspended(refusal.detail))
        case .senderDomain:
            // None is named by `<>`, which was allowed when MAIL named it.
            self =
                refusal.detail.map { $0.isEmpty } ?? true
                ? .nullSender : .domainNotYours(refusal.detail ?? "", in: "The envelope sender")
        case .fromDomain: self = .domainNotYours(refusal.detail ?? "", in: "The From field")
        case .tenantSuspended: self = .notAuthorized(Self.suspended(refusal.detail))
        case .credentialRevoked, .credentialUnknown, .tenantUnknown: self = .notAuthorized(Self.revoked)
        case .credentialExpired: self = .notAuthorized(Self.credentialExpired)
        case .loginExpired: self = .notAuthorized(Self.loginExpired)
        }
    }

    /// `450 4.7.1 Daily cap of 300 recipients reached (300 used); resets 2026-03-30T00:00:00+02:00.` (LEDGER)
    private static func capReached(_ name: String, _ refusal: AcceptRefusal, of unit: String = "recipients") -> Reply {
        Reply(
            refusal.policy,
            "\(name) of \(refusal.cap ?? 0) \(unit) reached (\(refusal.used ?? 0) used);"
                + " resets \(refusal.resetsText ?? "later").")
    }

    private static func rateReached(_ name: String, _ refusal: AcceptRefusal) -> Reply {
        Reply(
            refusal.policy,
            "\(name) of \(refusal.cap ?? 0) recipients a minute reached (\(refusal.detail ?? "no burst"));"
                + " this message fits from \(refusal.resetsText ?? "later") on.")
    }

    /// 450 rather than 452, which clients read as "too many in this transaction, the rest at once" (LEDGER).
    private init(_ policy: AcceptRefusal.Policy, _ text: String) {
        switch policy {
        case .deferral: self = Reply(450, EnhancedCode(4, 7, 1), text)
        case .rejection: self = Reply(550, EnhancedCode(5, 7, 1), text)
        }
    }

    private static func notAuthorized(_ text: String) -> Reply { Reply(550, EnhancedCode(5, 7, 1), text) }

    /// A code that no client retries: who is suppressed today is tomorrow too. (SES and SendGrid take such mail, and tell
    /// later that they dropped it; here nothing is said to be queued that goes nowhere.)
    private static func suppressed(_ count: Int64, first: String?) -> Reply {
        let whom = count == 1 ? "The recipient is" : "All \(count) recipients are"
        return notAuthorized("\(whom) suppressed for this account\(first.map { " (\($0))" } ?? ""); nothing was sent.")
    }

    /// An address of the tenant's domains that this credential may not use.
    static func addressNotYours(_ address: String) -> Reply {
        notAuthorized("This credential may not send as \(address); ask the operator to allow it.")
    }

    static let revoked = "This credential has been revoked."
    static let credentialExpired = "This credential has expired; ask the operator for a new one."
    static let loginExpired = "This secret has been replaced; use the new one."
    static func credentialNotYet(_ since: String?) -> String {
        "This credential is valid \(since.map { "from \($0) on" } ?? "later")."
    }
    static func credentialSuspended(_ reason: String?) -> String {
        "This credential is suspended\(reason.map { ": \($0)" } ?? "")."
    }
    static func suspended(_ reason: String?) -> String {
        "This account is suspended\(reason.map { ": \($0)" } ?? "")."
    }
}

extension AcceptRefusal {
    fileprivate var whose: String { limit?.hasPrefix("credential_") == true ? "this credential's" : "this account's" }

    /// The message is larger than all octets of a day: no message_size, and no day has room for it.
    fileprivate var isOfADay: Bool { limit?.hasSuffix("bytes_daily") == true }

    /// What accept would say to `count` recipients by what is known here; nil where they fit or nothing is known.
    init?(_ room: Login.Room, recipients count: Int, policy: CapPolicy) {
        guard let remaining = room.remaining, let cap = room.cap, Int64(count) > remaining else { return nil }
        let verdict: Verdict =
            switch room.limitName {
            case "monthly": .monthlyCap
            case "credential_daily": .credentialDailyCap
            case "credential_monthly": .credentialMonthlyCap
            default: .dailyCap
            }
        self.init(
            verdict: verdict, limit: room.limitName, cap: cap, used: room.taken(of: cap), resetsAt: room.resetsAt,
            resetsText: room.resetsText, policy: policy == .reject ? .rejection : .deferral)
    }
}

extension Login.Obstacle {
    /// The sentence for the client that has shown the right secret.
    var sentence: String {
        switch self {
        case .tenantSuspended(let reason): Reply.suspended(reason)
        case .credentialSuspended(let reason): Reply.credentialSuspended(reason)
        case .credentialNotYet(let from): Reply.credentialNotYet(from)
        case .credentialRevoked: Reply.revoked
        case .credentialExpired: Reply.credentialExpired
        case .loginExpired: Reply.loginExpired
        }
    }

    var isRevocation: Bool { if case .credentialRevoked = self { true } else { false } }
}
