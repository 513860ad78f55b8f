package import Postgres
package import SMTP

/// A cap in force that was used to one of the percents its tenant is warned at: once per window and percent.
package struct LimitWarning: Sendable, Hashable {
    package var tenantID: Int64
    /// 0: the whole tenant's cap.
    package var credentialID: Int64
    package var tenant: String
    package var credential: String?
    /// As verdicts name it: `daily`, `credential_monthly`, …
    package var limit: String
    /// The day, or the month's first, in the tenant's zone, as `2026-03-30`.
    package var starts: String
    package var percent: Int32
    package var cap: Int64
    package var used: Int64
    package var at: Instant
    /// Where the tenant wants to hear of it.
    package var contact: String?
    /// When the cap starts again, ISO 8601 with the tenant's UTC offset.
    package var resetsText: String?

    package init(
        tenantID: Int64, credentialID: Int64 = 0, tenant: String, credential: String? = nil, limit: String,
        starts: String, percent: Int32, cap: Int64, used: Int64, at: Instant, contact: String? = nil,
        resetsText: String? = nil
    ) {
        self.tenantID = tenantID
        self.credentialID = credentialID
        self.tenant = tenant
        self.credential = credential
        self.limit = limit
        self.starts = starts
        self.percent = percent
        self.cap = cap
        self.used = used
        self.at = at
        self.contact = contact
        self.resetsText = resetsText
    }

    init(_ row: Rows.Row) throws(DatabaseError) {
        self.init(
            tenantID: try row.int64("tenant_id"), credentialID: try row.int64("credential_id"),
            tenant: try row.string("tenant"), credential: try row.stringOrNil("credential"),
            limit: try row.string("limit_name"), starts: try row.string("starts_text"),
            percent: Int32(clamping: try row.int64("percent")), cap: try row.int64("cap"), used: try row.int64("used"),
            at: try row.timestamp("at"), contact: try row.stringOrNil("contact"),
            resetsText: try row.stringOrNil("resets_text"))
    }
}

/// The mail that tells a tenant's contact of a warning: from the null sender, never charged.
package struct LimitMail: Sendable {
    package var recipient: Mailbox
    /// Header and text, whole.
    package var content: [UInt8]

    package init(to recipient: Mailbox, content: [UInt8]) {
        self.recipient = recipient
        self.content = content
    }
}
