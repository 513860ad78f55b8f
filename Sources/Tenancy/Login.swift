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
    /// nil: it comes by its certificate, and no secret is its.
    package var verifier: StoredVerifier?
    /// SHA-256 of the certificate's DER that it comes by.
    package var certificate: [UInt8]?
    package var loginValidUntil: Instant?
    package var tenantStatus: String
    package var tenantReason: String?
    package var credentialRevokedAt, credentialExpiresAt: Instant?
    package var credentialRevokedReason: String?
    package var credentialNotBefore: Instant?
    /// The same, ISO 8601 with the tenant's UTC offset.
    package var notBeforeText: String?
    package var credentialSuspendedAt: Instant?
    package var credentialSuspendedReason: String?
    /// What it sends is accepted, counted apart and never forwarded.
    package var isTest = false
    /// SASL mechanisms it may use; empty: all that are offered.
    package var mechanisms: [String] = []
    /// Addresses and domains it may send as, in lower case; empty: all that are the tenant's.
    package var senders: Set<String> = []
    /// Where its clients must come from; empty: anywhere.
    package var networks: [Network]
    /// Octets: the tighter of the tenant's and the credential's.
    package var messageSize: Int64
    package var recipientsPerMessage: Int64
    /// The names of those two: whose they are.
    package var messageSizeLimit = "message_size"
    package var recipientsLimit = "recipients_per_message"
    /// At a time on each node; nil: unlimited.
    package var sessions: Int64?
    package var credentialSessions: Int64?
    package var policy: CapPolicy
    package var partial, nullSender, resubmission: Bool
    /// Display names may show addresses of domains that are not the tenant's.
    package var foreignNames = true
    /// Verified ones, A-labels in lower case.
    package var senderDomains: Set<String>
    package var room: Room
    /// The same of the caps on octets.
    package var byteRoom = Room()
    /// The database's clock when this was read.
    package var clock: Instant

    /// The cap with the least left, so that MAIL and RCPT can tell early; accept decides.
    package struct Room: Sendable, Hashable {
        /// Recipients, or octets. nil: every cap is unlimited.
        package var remaining: Int64?
        package var limitName: String?
        package var cap, used: Int64?
        /// From here on the figures mean nothing.
        package var resetsAt: Instant?
        /// ISO 8601 with the tenant's UTC offset.
        package var resetsText: String?

        package init(
            remaining: Int64? = nil, limitName: String? = nil, cap: Int64? = nil, used: Int64? = nil,
            resetsAt: Instant? = nil, resetsText: String? = nil
        ) {
            self.remaining = remaining
            self.limitName = limitName
            self.cap = cap
            self.used = used
            self.resetsAt = resetsAt
            self.resetsText = resetsText
        }
    }

    /// Why somebody with the right secret may not come in; nil: he may.
    package enum Obstacle: Sendable, Hashable {
        case tenantSuspended(reason: String?)
        case credentialRevoked(reason: String?)
        case credentialSuspended(reason: String?)
        /// `from`: ISO 8601.
        case credentialNotYet(from: String?)
        case credentialExpired, loginExpired
    }

    /// - Parameter now: the database's time.
    package func obstacle(at now: Instant) -> Obstacle? {
        // Whatever the time: a revocation is never ahead, but our idea of the database's time may be behind it.
        if credentialRevokedAt != nil { return .credentialRevoked(reason: credentialRevokedReason) }
        if tenantStatus != "active" { return .tenantSuspended(reason: tenantReason) }
        if credentialSuspendedAt != nil { return .credentialSuspended(reason: credentialSuspendedReason) }
        if let credentialNotBefore, credentialNotBefore > now { return .credentialNotYet(from: notBeforeText) }
        if let credentialExpiresAt, credentialExpiresAt <= now { return .credentialExpired }
        if let loginValidUntil, loginValidUntil <= now { return .loginExpired }
        return nil
    }

    /// When what holds now may end by itself: by the database's clock.
    package var ends: Instant? {
        switch (credentialExpiresAt, loginValidUntil) {
        case (let one?, let other?): min(one, other)
        case (let one, let other): one ?? other
        }
    }

    /// Whether it may log in by `mechanism`. One that may use SCRAM-SHA-256 may bind it to the channel, too.
    package func allows(mechanism: String) -> Bool {
        mechanisms.isEmpty || mechanisms.contains(mechanism)
            || mechanism.hasSuffix("-PLUS") && mechanisms.contains(String(mechanism.dropLast(5)))
    }

    /// Whether it may send as that address, whatever its case; whether the domain is its tenant's is another question.
    ///
    /// - Parameters:
    ///   - address: local-part@domain, the domain as A-label in lower case.
    ///   - domain: the same domain.
    package func allows(sender address: String, of domain: String) -> Bool {
        senders.isEmpty || senders.contains(domain) || senders.contains(address.lowercased())
    }

    /// Whether a client at `address` (textual, IPv4 or IPv6) may use it.
    package func allows(clientAddress address: String) -> Bool {
        guard !networks.isEmpty else { return true }
        guard let address = Network.octets(of: address) else { return false }
        return networks.contains { $0.contains(address) }
    }
}

extension Login {
    /// What `init` reads of `ledger.login`, so that a statement stays good when the function returns more.
    static let columns = [
        "login_id", "credential_id", "tenant_id", "tenant", "credential", "pool_id", "verifier", "digest",
        "certificate", "login_valid_until", "tenant_status", "tenant_reason", "credential_revoked_at",
        "credential_expires_at", "credential_revoked_reason", "credential_not_before", "not_before_text",
        "credential_suspended_at", "credential_suspended_reason", "mode", "mechanisms", "senders", "networks",
        "message_size", "recipients_per_message", "message_size_limit", "recipients_limit", "sessions",
        "credential_sessions", "policy", "partial", "null_sender", "foreign_names", "resubmission", "sender_domains",
        "remaining",
        "limit_name", "cap", "used", "resets_at", "resets_text", "byte_remaining", "byte_limit_name", "byte_cap",
        "byte_used", "byte_resets_at", "byte_resets_text", "clock",
    ]

    init(name: String, _ row: Rows.Row) throws {
        self.name = name
        loginID = try row.int64("login_id")
        credentialID = try row.int64("credential_id")
        tenantID = try row.int64("tenant_id")
        tenant = try row.string("tenant")
        credential = try row.string("credential")
        poolID = try row.int64("pool_id")
        let digest = try row.bytesOrNil("digest")
        verifier = try row.stringOrNil("verifier").map {
            StoredVerifier(scram: try SCRAMVerifier(parsing: $0), digest: digest)
        }
        certificate = try row.bytesOrNil("certificate")
        loginValidUntil = try row.timestampOrNil("login_valid_until")
        tenantStatus = try row.string("tenant_status")
        tenantReason = try row.stringOrNil("tenant_reason")
        credentialRevokedAt = try row.timestampOrNil("credential_revoked_at")
        credentialExpiresAt = try row.timestampOrNil("credential_expires_at")
        credentialRevokedReason = try row.stringOrNil("credential_revoked_reason")
        credentialNotBefore = try row.timestampOrNil("credential_not_before")
        notBeforeText = try row.stringOrNil("not_before_text")
        credentialSuspendedAt = try row.timestampOrNil("credential_suspended_at")
        credentialSuspendedReason = try row.stringOrNil("credential_suspended_reason")
        isTest = try row.string("mode") == "test"
        mechanisms = try row.stringsOrNil("mechanisms") ?? []
        senders = Set((try row.stringsOrNil("senders") ?? []).map { $0.lowercased() })
        networks = try (row.stringsOrNil("networks") ?? []).map(Network.init(parsing:))
        messageSize = try row.int64("message_size")
        recipientsPerMessage = try row.int64("recipients_per_message")
        messageSizeLimit = try row.string("message_size_limit")
        recipientsLimit = try row.string("recipients_limit")
        sessions = try row.int64OrNil("sessions")
        credentialSessions = try row.int64OrNil("credential_sessions")
        policy = CapPolicy(rawValue: try row.string("policy")) ?? .defer
        partial = try row.bool("partial")
        nullSender = try row.bool("null_sender")
        foreignNames = try row.bool("foreign_names")
        resubmission = try row.bool("resubmission")
        senderDomains = Set(try row.stringsOrNil("sender_domains") ?? [])
        room = try Room(row, "")
        // So much is left that the function has not found out when it resets: nothing to refuse anybody by.
        if room.resetsAt == nil, room.remaining ?? 0 >= 10_000 { room = Room() }
        byteRoom = try Room(row, "byte_")
        clock = try row.timestamp("clock")
    }
}

extension Login.Room {
    /// From the columns that begin with `prefix`.
    fileprivate init(_ row: Rows.Row, _ prefix: String) throws(DatabaseError) {
        self.init(
            remaining: try row.int64OrNil(prefix + "remaining"), limitName: try row.stringOrNil(prefix + "limit_name"),
            cap: try row.int64OrNil(prefix + "cap"), used: try row.int64OrNil(prefix + "used"),
            resetsAt: try row.timestampOrNil(prefix + "resets_at"),
            resetsText: try row.stringOrNil(prefix + "resets_text"))
    }
}
