import Ledger
package import SMTP
import Tenancy

extension ReplyGuide {
    /// What submission says besides its dialogue.
    package static var submission: [ReplyGuide] { accepted + connection + login + account }

    private static let accepted: [ReplyGuide] = [
        ReplyGuide(.queued(as: "ID"), "the message is committed, and charged", "`gatepost explain ID` has its story"),
        ReplyGuide(
            .heldForTest(as: "ID"), "the credential is in test mode: it goes nowhere", "`credential set --mode live`"),
    ]

    private static let connection: [ReplyGuide] = [
        ReplyGuide(.shuttingDown, "the node stops or restarts", "again, at another node"),
        ReplyGuide(.idleTooLong, "nothing came for a while"),
        ReplyGuide(.tooSlow, "the message comes slower than the minimum rate", "the client's line"),
        ReplyGuide(.tooManyConnections, "the node's limit of connections", "submission.max-connections, or more nodes"),
        ReplyGuide(.tooManyConnectionsFromAddress, "the limit of one address", "the client: reuse connections"),
        ReplyGuide(.beginsWithTLS, "clear text on a port that begins with TLS", "port 587 for STARTTLS"),
        ReplyGuide(.notStored, "the database is away; nothing was stored", "again; `gatepost check`"),
        ReplyGuide(.noRoom, "the database's disk is full", "room on the database's disk"),
    ]

    private static let login: [ReplyGuide] = [
        ReplyGuide(
            .credentialsInvalid,
            "unknown user, wrong secret, revoked, or a network not allowed: one answer for all, and without an id",
            "`gatepost credential check`; the log has the reason"),
        ReplyGuide(.tooManyAttempts, "many wrong logins of this name or address", "wait a minute; the client's secret"),
        ReplyGuide(.tooManyFailures, "many wrong logins on one connection", "the client's secret"),
        ReplyGuide(.authenticationUnavailable, "the database is away", "again; `gatepost check`"),
        ReplyGuide(.responseMalformed, "an answer that the mechanism does not know", "the client"),
        ReplyGuide(.mechanismUnavailable, "a mechanism not offered here", "one of those in EHLO's AUTH line"),
        ReplyGuide(
            .mechanismNotAllowed("PLAIN", ["SCRAM-SHA-256"]), "the credential may log in otherwise only",
            "the client; `credential set --mechanism`"),
        ReplyGuide(.sessionLimit(50, of: "account"), "the sessions of the tenant or credential", "`--sessions`"),
        ReplyGuide(.sessionEnded(Reply.networkNotAllowed), "the credential's networks changed", "`credential show`"),
    ]

    private static var account: [ReplyGuide] {
        obstacles.flatMap { obstacle in
            [
                ReplyGuide(
                    .accountDisabled(obstacle.sentence), "the right secret, and it may not come in now",
                    obstacle.help),
                ReplyGuide(.sessionEnded(obstacle.sentence), "the same, to a session that is open", obstacle.help),
            ]
        } + [
            ReplyGuide(.nullSender, "MAIL FROM:<> by an account that may not", "`tenant set --null-sender on`"),
            ReplyGuide(
                .nameNotYours("DOMAIN"), "a display name shows another domain's address, and the tenant wants none",
                "the client; `tenant set --foreign-names on`"),
        ]
            + AcceptRefusal.Verdict.allCases.flatMap { verdict in
                AcceptRefusal.examples(verdict).map { ReplyGuide(Reply($0), verdict.cause, verdict.help) }
            }
    }

    private static let obstacles: [Login.Obstacle] = [
        .tenantSuspended(reason: "unpaid"), .credentialSuspended(reason: "unpaid"),
        .credentialNotYet(from: "2026-12-01T00:00:00+01:00"), .credentialRevoked(reason: nil), .credentialExpired,
        .loginExpired,
    ]
}

extension Login.Obstacle {
    fileprivate var help: String {
        switch self {
        case .tenantSuspended: "`tenant resume`"
        case .credentialSuspended: "`credential resume`"
        case .credentialNotYet: "`credential set --not-before now`"
        case .credentialRevoked: "`credential issue`"
        case .credentialExpired: "`credential set --expires`"
        case .loginExpired: "the newer secret; `credential show`"
        }
    }
}

extension AcceptRefusal {
    /// As accept could say it, by each policy where there is a choice.
    fileprivate static func examples(_ verdict: Verdict) -> [AcceptRefusal] {
        let resets = "2026-11-29T00:00:00+01:00"
        func one(_ policy: Policy, cap: Int64 = 300, used: Int64 = 300, detail: String? = nil) -> AcceptRefusal {
            AcceptRefusal(
                verdict: verdict, cap: cap, used: used, resetsText: resets, policy: policy, detail: detail)
        }
        switch verdict {
        case .dailyCap, .monthlyCap, .credentialDailyCap, .credentialMonthlyCap, .bytesDailyCap,
            .credentialBytesDailyCap, .firstTimeCap:
            return [one(.deferral), one(.rejection)]
        case .rate, .credentialRate:
            return [one(.deferral, cap: 60, detail: "burst 10"), one(.rejection, cap: 60, detail: "burst 10")]
        case .messageSize: return [one(.deferral, cap: 26_214_400, used: 30_000_000)]
        case .tooManyRecipients: return [one(.deferral, cap: 100, used: 101)]
        case .senderDomain, .fromDomain: return [one(.deferral, detail: "other.example")]
        case .suppressed:
            return [
                one(.deferral, used: 1, detail: "b@remote.example: hard bounce"),
                one(.deferral, used: 2, detail: "b@remote.example: hard bounce"),
            ]
        case .senderAddress: return [one(.deferral, detail: "a@acme.example")]
        case .tenantSuspended, .credentialSuspended: return [one(.deferral, detail: "unpaid")]
        case .credentialNotYet: return [one(.deferral, detail: "2026-12-01T00:00:00+01:00")]
        case .credentialRevoked, .credentialUnknown, .tenantUnknown, .credentialExpired, .loginExpired:
            return [one(.deferral)]
        }
    }
}

extension AcceptRefusal.Verdict {
    fileprivate var cause: String {
        switch self {
        case .dailyCap: "the tenant's daily cap (policy defer, reject)"
        case .monthlyCap: "the tenant's monthly cap"
        case .credentialDailyCap: "the credential's own daily cap"
        case .credentialMonthlyCap: "the credential's own monthly cap"
        case .bytesDailyCap: "the tenant's octets a day"
        case .credentialBytesDailyCap: "the credential's octets a day"
        case .firstTimeCap: "recipients a day that the tenant has not written to in 90 days: is a secret stolen?"
        case .rate: "the tenant's recipients a minute"
        case .credentialRate: "the credential's recipients a minute"
        case .messageSize: "the message is over the limit, or larger than all octets of a day"
        case .tooManyRecipients: "more recipients than one message may have"
        case .senderDomain: "the envelope sender is of no verified domain of the tenant"
        case .fromDomain: "an author in the header is of no verified domain of the tenant"
        case .suppressed: "nobody is left: the tenant's suppression list has every recipient (others are only left out)"
        case .senderAddress: "the credential may send as certain senders only"
        case .tenantSuspended: "suspended while the message was on its way"
        case .credentialSuspended: "suspended while the message was on its way"
        case .credentialNotYet: "not valid yet"
        case .credentialRevoked, .credentialUnknown, .tenantUnknown: "revoked while the message was on its way"
        case .credentialExpired: "expired while the message was on its way"
        case .loginExpired: "the secret's grace ended while the message was on its way"
        }
    }

    fileprivate var help: String {
        switch self {
        case .dailyCap: "wait, or `tenant set --daily`"
        case .monthlyCap: "wait, or `tenant set --monthly`"
        case .credentialDailyCap: "wait, or `credential set --daily`"
        case .credentialMonthlyCap: "wait, or `credential set --monthly`"
        case .bytesDailyCap: "wait, or `tenant set --bytes-daily`"
        case .credentialBytesDailyCap: "wait, or `credential set --bytes-daily`"
        case .firstTimeCap: "`event list`, then `tenant set --first-time-daily`"
        case .rate: "wait, or `tenant set --rate`"
        case .credentialRate: "wait, or `credential set --rate`"
        case .messageSize: "`--message-size`, `--bytes-daily`"
        case .tooManyRecipients: "`--recipients-per-message`"
        case .senderDomain, .fromDomain: "`domain add`, `domain verify`; sub-domains are domains of their own"
        case .suppressed: "the client's own list; `suppression list`, `suppression remove`"
        case .senderAddress: "`credential set --sender`"
        case .tenantSuspended: "`tenant resume`"
        case .credentialSuspended: "`credential resume`"
        case .credentialNotYet: "`credential set --not-before now`"
        case .credentialRevoked, .credentialUnknown, .tenantUnknown: "`credential issue`"
        case .credentialExpired: "`credential set --expires`"
        case .loginExpired: "the newer secret; `credential show`"
        }
    }
}
