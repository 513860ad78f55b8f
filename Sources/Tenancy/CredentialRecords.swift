package import Postgres

/// One credential as it is; a limit that is nil is none of its own.
package struct CredentialRecord: Sendable, Hashable {
    package var id, tenantID: Int64
    package var tenant, name: String
    package var label: String?
    /// `live` or `test`.
    package var mode: String
    package var daily, monthly, bytesDaily, rate, burst, messageSize, recipientsPerMessage, sessions: Int64?
    package var networks, senders, mechanisms: [String]
    package var logins: [String]
    package var notBefore, expiresAt: Instant?
    package var suspendedAt: Instant?
    package var suspendedReason: String?
    package var revokedAt: Instant?
    package var revokedReason: String?
    package var createdAt: Instant
    package var usedAt: Instant?
    package var usedFrom, usedLogin: String?

    /// Its columns in `admin.credential`.
    static let columns = """
        id, tenant_id, tenant, name, label, mode, daily_cap, monthly_cap, bytes_daily_cap, rate, burst, message_size,
        recipients_per_message, sessions, networks, senders, mechanisms, logins, not_before, expires_at, suspended_at,
        suspended_reason, revoked_at, revoked_reason, created_at, used_at, used_from, used_login
        """

    init(_ row: Rows.Row) throws(DatabaseError) {
        id = try row.int64("id")
        tenantID = try row.int64("tenant_id")
        tenant = try row.string("tenant")
        name = try row.string("name")
        label = try row.stringOrNil("label")
        mode = try row.string("mode")
        daily = try row.int64OrNil("daily_cap")
        monthly = try row.int64OrNil("monthly_cap")
        bytesDaily = try row.int64OrNil("bytes_daily_cap")
        rate = try row.int64OrNil("rate")
        burst = try row.int64OrNil("burst")
        messageSize = try row.int64OrNil("message_size")
        recipientsPerMessage = try row.int64OrNil("recipients_per_message")
        sessions = try row.int64OrNil("sessions")
        networks = try row.stringsOrNil("networks") ?? []
        senders = try row.stringsOrNil("senders") ?? []
        mechanisms = try row.stringsOrNil("mechanisms") ?? []
        logins = try row.stringsOrNil("logins") ?? []
        notBefore = try row.timestampOrNil("not_before")
        expiresAt = try row.timestampOrNil("expires_at")
        suspendedAt = try row.timestampOrNil("suspended_at")
        suspendedReason = try row.stringOrNil("suspended_reason")
        revokedAt = try row.timestampOrNil("revoked_at")
        revokedReason = try row.stringOrNil("revoked_reason")
        createdAt = try row.timestamp("created_at")
        usedAt = try row.timestampOrNil("used_at")
        usedFrom = try row.stringOrNil("used_from")
        usedLogin = try row.stringOrNil("used_login")
    }
}

/// One of a credential's logins: its name and times, never a verifier.
package struct LoginRecord: Sendable, Hashable {
    package var name: String
    package var validUntil: Instant?
    package var createdAt: Instant
    package var usedAt: Instant?
    package var usedFrom: String?
    /// SHA-256 of a client certificate's DER in hexadecimal; nil: it has a secret.
    package var certificate: String?
}

/// One of a credential's limits, and where it comes from; nil is unlimited.
package struct CredentialLimit: Sendable, Hashable {
    package var name: String
    package var own: Int64?
    package var tenant: Int64?
    /// `tenant`, `plan NAME` or `default`.
    package var tenantFrom: String
    /// The less of both.
    package var inForce: Int64?
    /// By the credential, this local day or month; nil where nothing is counted.
    package var used: Int64?
}

/// Which credentials are listed.
package struct CredentialFilter: Sendable, Hashable {
    /// nil: every tenant's.
    package var tenant: String?
    /// Only those that nobody has logged in with since, and that are not newer themselves.
    package var unusedSince: Instant?
    /// Only those that end between now and then.
    package var expiresBefore: Instant?

    package init() {}
}
