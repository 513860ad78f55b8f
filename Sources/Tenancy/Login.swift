package import Postgres
package import SASL

/// All that AUTH and a session need to know about a login name: `ledger.login`'s row.
///
/// Statuses are as stored; who asks answers `525 5.7.13` or `535 5.7.8`. accept() decides again at the commit: what is
/// in here may be 30 s old.
package struct Login: Sendable {
    package var loginID, credentialID, tenantID: Int64
    package var name: String
    /// Slug and credential name, for logs, the Received field and MAIL's AUTH parameter.
    package var tenant, credential: String
    package var poolID: Int64
    package var verifier: StoredVerifier
    package var loginValidUntil: Instant?
    package var tenantStatus: String
    package var tenantReason: String?
    package var credentialRevokedAt, credentialExpiresAt: Instant?
    package var credentialRevokedReason: String?
    /// Where its clients must come from; empty: anywhere.
    package var networks: [Network]
    /// Octets.
    package var messageSize: Int64
    package var recipientsPerMessage: Int64
    /// At a time on each node; nil: unlimited.
    package var sessions: Int64?
    package var policy: CapPolicy
    package var partial, nullSender, resubmission: Bool
    /// Verified ones, A-labels in lower case.
    package var senderDomains: Set<String>
    package var room: Room
    /// The database's clock when this was read.
    package var clock: Instant

    /// The cap with the least left, so that RCPT can tell early; accept decides.
    package struct Room: Sendable, Hashable {
        /// nil: every cap is unlimited.
        package var remaining: Int64?
        package var limitName: String?
        package var cap, used: Int64?
        /// From here on the figures mean nothing.
        package var resetsAt: Instant?
        /// ISO 8601 with the tenant's UTC offset.
        package var resetsText: String?
    }

    /// Why somebody with the right secret may not come in; nil: he may.
    package enum Obstacle: Sendable, Hashable {
        case tenantSuspended(reason: String?)
        case credentialRevoked(reason: String?)
        case credentialExpired, loginExpired
    }

    /// - Parameter now: the database's time.
    package func obstacle(at now: Instant) -> Obstacle? {
        // Whatever the time: a revocation is never ahead, but our idea of the database's time may be behind it.
        if credentialRevokedAt != nil { return .credentialRevoked(reason: credentialRevokedReason) }
        if tenantStatus != "active" { return .tenantSuspended(reason: tenantReason) }
        if let credentialExpiresAt, credentialExpiresAt <= now { return .credentialExpired }
        if let loginValidUntil, loginValidUntil <= now { return .loginExpired }
        return nil
    }

    /// Whether a client at `address` (textual, IPv4 or IPv6) may use it.
    package func allows(clientAddress address: String) -> Bool {
        guard !networks.isEmpty else { return true }
        guard let address = Network.octets(of: address) else { return false }
        return networks.contains { $0.contains(address) }
    }

}

extension Login {
    init(name: String, _ row: Rows.Row) throws {
        self.name = name
        loginID = try row.int64("login_id")
        credentialID = try row.int64("credential_id")
        tenantID = try row.int64("tenant_id")
        tenant = try row.string("tenant")
        credential = try row.string("credential")
        poolID = try row.int64("pool_id")
        verifier = StoredVerifier(
            scram: try SCRAMVerifier(parsing: try row.string("verifier")), digest: try row.bytesOrNil("digest"))
        loginValidUntil = try row.timestampOrNil("login_valid_until")
        tenantStatus = try row.string("tenant_status")
        tenantReason = try row.stringOrNil("tenant_reason")
        credentialRevokedAt = try row.timestampOrNil("credential_revoked_at")
        credentialExpiresAt = try row.timestampOrNil("credential_expires_at")
        credentialRevokedReason = try row.stringOrNil("credential_revoked_reason")
        networks = try (row.stringsOrNil("networks") ?? []).map(Network.init(parsing:))
        messageSize = try row.int64("message_size")
        recipientsPerMessage = try row.int64("recipients_per_message")
        sessions = try row.int64OrNil("sessions")
        policy = CapPolicy(rawValue: try row.string("policy")) ?? .defer
        partial = try row.bool("partial")
        nullSender = try row.bool("null_sender")
        resubmission = try row.bool("resubmission")
        senderDomains = Set(try row.stringsOrNil("sender_domains") ?? [])
        room = Room(
            remaining: try row.int64OrNil("remaining"), limitName: try row.stringOrNil("limit_name"),
            cap: try row.int64OrNil("cap"), used: try row.int64OrNil("used"),
            resetsAt: try row.timestampOrNil("resets_at"), resetsText: try row.stringOrNil("resets_text"))
        clock = try row.timestamp("clock")
    }
}
