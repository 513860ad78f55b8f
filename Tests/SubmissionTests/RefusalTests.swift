import Ledger
import Postgres
import SMTP
import Tenancy
import Testing

@testable import Submission

@Suite struct RefusalTests {
    static let resets = "2026-03-30T00:00:00+02:00"

    @Test(arguments: [
        (
            AcceptRefusal(verdict: .dailyCap, limit: "daily", cap: 2, used: 2, resetsText: resets),
            "450 4.7.1 Daily cap of 2 recipients reached (2 used); resets 2026-03-30T00:00:00+02:00."
        ),
        (
            AcceptRefusal(verdict: .monthlyCap, cap: 9, used: 8, resetsText: resets, policy: .rejection),
            "550 5.7.1 Monthly cap of 9 recipients reached (8 used); resets 2026-03-30T00:00:00+02:00."
        ),
        (
            AcceptRefusal(verdict: .credentialDailyCap, cap: 5, used: 5, resetsText: resets),
            "450 4.7.1 Daily cap of this credential of 5 recipients reached (5 used); resets 2026-03-30T00:00:00+02:00."
        ),
        (
            AcceptRefusal(verdict: .rate, cap: 60, used: 20, resetsText: resets, detail: "burst 20"),
            "450 4.7.1 Rate of 60 recipients a minute reached (burst 20);"
                + " this message fits from 2026-03-30T00:00:00+02:00 on."
        ),
        (
            AcceptRefusal(verdict: .messageSize, cap: 1024, used: 2048),
            "552 5.3.4 Message of 2048 octets is larger than this account's limit of 1024."
        ),
        (
            AcceptRefusal(verdict: .tooManyRecipients, cap: 1, used: 2),
            "550 5.5.3 Message has 2 recipients; this account's limit is 1."
        ),
        (
            AcceptRefusal(verdict: .messageSize, limit: "credential_message_size", cap: 1024, used: 2048),
            "552 5.3.4 Message of 2048 octets is larger than this credential's limit of 1024."
        ),
        (
            AcceptRefusal(verdict: .messageSize, limit: "credential_bytes_daily", cap: 1024, used: 2048),
            "552 5.3.4 Message of 2048 octets is larger than this credential's daily cap of 1024."
        ),
        (
            AcceptRefusal(verdict: .bytesDailyCap, cap: 5000, used: 4800, resetsText: resets),
            "450 4.7.1 Daily cap of 5000 octets reached (4800 used); resets 2026-03-30T00:00:00+02:00."
        ),
        (
            AcceptRefusal(verdict: .firstTimeCap, cap: 20, used: 20, resetsText: resets, policy: .rejection),
            "550 5.7.1 Daily cap of 20 first-time recipients reached (20 used); resets 2026-03-30T00:00:00+02:00."
        ),
        (
            AcceptRefusal(verdict: .credentialRate, cap: 6, used: 2, resetsText: resets, detail: "burst 2"),
            "450 4.7.1 Rate of this credential of 6 recipients a minute reached (burst 2);"
                + " this message fits from 2026-03-30T00:00:00+02:00 on."
        ),
        (
            AcceptRefusal(verdict: .senderAddress, detail: "ceo@acme.example"),
            "550 5.7.1 This credential may not send as ceo@acme.example; ask the operator to allow it."
        ),
        (
            AcceptRefusal(verdict: .credentialNotYet, detail: resets),
            "550 5.7.1 This credential is valid from 2026-03-30T00:00:00+02:00 on."
        ),
        (
            AcceptRefusal(verdict: .credentialSuspended, detail: "lost laptop"),
            "550 5.7.1 This credential is suspended: lost laptop."
        ),
        (
            AcceptRefusal(verdict: .tenantSuspended, detail: "unpaid"),
            "550 5.7.1 This account is suspended: unpaid."
        ),
        (AcceptRefusal(verdict: .credentialRevoked), "550 5.7.1 This credential has been revoked."),
        (
            AcceptRefusal(verdict: .fromDomain, detail: "bank.example"),
            "550 5.7.1 The From field names bank.example, which is not a sender domain of this account;"
                + " ask the operator to add it."
        ),
    ])
    func `a refusal says its code, its figures and when it works again`(refusal: AcceptRefusal, line: String) {
        let reply = Reply(refusal)
        #expect("\(reply.code) \(reply.enhanced.map { "\($0)" } ?? "") \(reply.lines.joined(separator: "|"))" == line)
    }

    @Test func `every verdict has a reply of its own class`() {
        for verdict in AcceptRefusal.Verdict.allCases {
            let reply = Reply(AcceptRefusal(verdict: verdict))
            #expect(reply.code >= 400 && reply.code < 600)
            #expect(reply.enhanced.map { "\($0)".hasPrefix("\(reply.code / 100).") } == true)
        }
    }
}
