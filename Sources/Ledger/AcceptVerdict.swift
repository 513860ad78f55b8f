package import Postgres

/// What became of a message. Only `.accepted` and `.resubmitted` may be answered with `250`.
package enum AcceptVerdict: Sendable {
    /// Committed. `remaining` is the smallest cap's rest in recipients, nil without any.
    case accepted(MessageID, remaining: Int64?)
    /// Seen before within ten minutes: the first one's id. Nothing was stored or charged.
    case resubmitted(MessageID)
    case refused(AcceptRefusal)
    /// Nothing was stored and nothing will be: `451`.
    case unavailable
    /// The database's disk is full; nothing was stored: `452`.
    case outOfSpace
    /// Perhaps stored, and it could not be found out within a minute: close without a reply.
    case unknown
}

/// Why the ledger did not take a message, with the figures its reply names.
package struct AcceptRefusal: Error, Hashable, Sendable {
    package enum Verdict: String, Sendable, CaseIterable {
        case tenantSuspended = "tenant_suspended"
        case tenantUnknown = "tenant_unknown"
        case credentialRevoked = "credential_revoked"
        case credentialExpired = "credential_expired"
        case credentialUnknown = "credential_unknown"
        case credentialNotYet = "credential_not_yet"
        case credentialSuspended = "credential_suspended"
        case loginExpired = "login_expired"
        case senderDomain = "sender_domain"
        case fromDomain = "from_domain"
        /// Of the tenant's domains, and not of the senders that the credential may use.
        case senderAddress = "sender_address"
        case dailyCap = "cap_daily"
        case monthlyCap = "cap_monthly"
        case credentialDailyCap = "cap_credential_daily"
        case credentialMonthlyCap = "cap_credential_monthly"
        case bytesDailyCap = "cap_bytes_daily"
        case credentialBytesDailyCap = "cap_credential_bytes_daily"
        case firstTimeCap = "cap_first_time"
        case rate
        case credentialRate = "credential_rate"
        case messageSize = "message_size"
        case tooManyRecipients = "too_many_recipients"
        /// Every recipient: the tenant does not write to any of them any more.
        case suppressed
    }

    /// What the tenant chose for a message over a cap: `450` or `550`.
    package enum Policy: String, Sendable {
        case deferral = "defer"
        case rejection = "reject"
    }

    /// The id its reply names, and its event has; nil: not decided by accept.
    package var id: MessageID?
    package var verdict: Verdict
    package var limit: String?
    package var cap: Int64?
    package var used: Int64?
    package var resetsAt: Instant?
    /// ISO 8601 with the tenant's UTC offset.
    package var resetsText: String?
    package var policy: Policy
    /// The domain that is not the tenant's, the address that is not the credential's, the first suppressed recipient and
    /// why it is, the reason of a suspension, or what else the verdict's figures leave out.
    package var detail: String?

    package init(
        verdict: Verdict, limit: String? = nil, cap: Int64? = nil, used: Int64? = nil, resetsAt: Instant? = nil,
        resetsText: String? = nil, policy: Policy = .deferral, detail: String? = nil, id: MessageID? = nil
    ) {
        self.verdict = verdict
        self.limit = limit
        self.cap = cap
        self.used = used
        self.resetsAt = resetsAt
        self.resetsText = resetsText
        self.policy = policy
        self.detail = detail
        self.id = id
    }
}
