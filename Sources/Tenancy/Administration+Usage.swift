package import Postgres

/// A tenant's day and month in one line.
package struct TenantUsage: Sendable, Hashable {
    package var tenant, status, day: String
    package var used: Int64
    package var cap: Int64?
    package var monthUsed: Int64
    package var monthCap: Int64?
    package var messages, bytes: Int64
}

/// What was used in a day or a month, of a tenant, a credential or a sender domain.
package struct UsagePeriod: Sendable, Hashable {
    /// The local day, or the month's first.
    package var starts: String
    /// The credential or domain; nil: the whole tenant.
    package var name: String?
    package var recipients, messages, bytes: Int64
    /// In force now; nil: unlimited, or none of its own.
    package var cap: Int64?
    /// nil: not kept apart for it.
    package var firstTime, wouldRefuse, test: Int64?
    /// Attempts that ended so in this time; of whole tenants only.
    package var delivered, deferred, bounced: Int64?
}

/// A row of the ledger: what a message was charged, or given back.
package struct LedgerEntry: Sendable, Hashable {
    package var message: MessageID
    /// 0 is the debit.
    package var entry: Int64
    package var credential: String?
    /// The local day that pays, and its month's first.
    package var day, month: String
    package var recipients, bytes: Int64
    package var reason: String
    package var at: Instant

    package init(
        message: MessageID, entry: Int64, credential: String?, day: String, month: String, recipients: Int64,
        bytes: Int64, reason: String, at: Instant
    ) {
        self.message = message
        self.entry = entry
        self.credential = credential
        self.day = day
        self.month = month
        self.recipients = recipients
        self.bytes = bytes
        self.reason = reason
        self.at = at
    }
}

/// Where counters, ledger and what is stored are not the same.
package struct UsageDifference: Sendable, Hashable {
    package var tenant: String
    /// nil: the whole tenant.
    package var credential: String?
    package var period, starts: String
    /// `counter` or `stored`, as `admin.usage_verify` has them.
    package var what: String
    /// `recipients`, `messages` or `octets`.
    package var figure: String
    package var counter, ledger, stored: Int64?
}

/// What the ledger says of one message.
package struct MessageCharge: Sendable, Hashable {
    package var tenant, tenantStatus: String
    package var entry: LedgerEntry
    /// Of a debit: where the counters stood with it, in recipients and octets.
    package var dayUsed, monthUsed, dayBytes, credentialDayUsed: Int64?
    /// Of a debit: the tenant's limits in force then, a JSON object in which null is unlimited; nil: not known.
    package var limits: String?
    /// The credential's own; nil: it had none, or they are not known.
    package var credentialLimits: String?
}

extension Administration {
    /// Every tenant's, a page at a time by slug.
    package func usage(after slug: String, pageSize: Int32) async throws(AdministrationError) -> [TenantUsage] {
        try await read(
            """
            SELECT tenant, status, day::text AS day, used, cap, month_used, month_cap, messages, bytes
            FROM admin.usage_tenants($1, $2)
            """, [.text(slug), .int32(pageSize)]
        ) { row in
            TenantUsage(
                tenant: try row.string("tenant"), status: try row.string("status"), day: try row.string("day"),
                used: try row.int64("used"), cap: try row.int64OrNil("cap"), monthUsed: try row.int64("month_used"),
                monthCap: try row.int64OrNil("month_cap"), messages: try row.int64("messages"),
                bytes: try row.int64("bytes"))
        }
    }

    /// By day or month, from the counters and settle's rollup alone.
    ///
    /// - Parameters:
    ///   - period: `day` or `month`.
    ///   - since: a local day, as `until` both included; nil: no end.
    ///   - split: `tenant`, `credential` or `domain`.
    ///   - name: only that credential or domain.
    package func usageHistory(
        of slug: String, by period: String, since: String?, until: String?, split: String, name: String?
    ) async throws(AdministrationError) -> [UsagePeriod] {
        try await read(
            """
            SELECT starts::text AS starts, name, recipients, messages, bytes, cap, first_time, would_refuse, test,
                   delivered, deferred, bounced
            FROM admin.usage_history($1, $2, $3::text::date, $4::text::date, $5, $6)
            """,
            [.text(slug), .text(period), .optional(since), .optional(until), .text(split), .optional(name)]
        ) { row in
            UsagePeriod(
                starts: try row.string("starts"), name: try row.stringOrNil("name"),
                recipients: try row.int64("recipients"), messages: try row.int64("messages"),
                bytes: try row.int64("bytes"), cap: try row.int64OrNil("cap"),
                firstTime: try row.int64OrNil("first_time"), wouldRefuse: try row.int64OrNil("would_refuse"),
                test: try row.int64OrNil("test"), delivered: try row.int64OrNil("delivered"),
                deferred: try row.int64OrNil("deferred"), bounced: try row.int64OrNil("bounced"))
        }
    }

    /// A page of a tenant's ledger, in the order of message ids.
    package func ledger(
        of slug: String, since: Instant, after: LedgerEntry?, pageSize: Int32
    ) async throws(AdministrationError) -> [LedgerEntry] {
        try await read(
            """
            SELECT message_id, entry, credential, day::text AS day, month::text AS month, recipients, bytes, reason, at
            FROM admin.ledger_entries($1, $2, $3, $4, $5)
            """,
            [
                .text(slug), .timestamp(since), .optional(after?.message),
                .optional(after.map { Int32(clamping: $0.entry) }), .int32(pageSize),
            ], Self.entry)
    }

    /// What a message was charged, by which tenant.
    package func ledger(
        of message: MessageID
    ) async throws(AdministrationError) -> [MessageCharge] {
        try await read(
            """
            SELECT $1::uuid AS message_id, tenant, tenant_status, entry, credential, day::text AS day,
                   month::text AS month, recipients, bytes, reason, at, day_used, month_used, day_bytes,
                   credential_day_used, limits::text AS limits, credential_limits::text AS credential_limits
            FROM admin.message_ledger($1)
            """, [.uuid(message)]
        ) { row in
            MessageCharge(
                tenant: try row.string("tenant"), tenantStatus: try row.string("tenant_status"),
                entry: try Self.entry(row), dayUsed: try row.int64OrNil("day_used"),
                monthUsed: try row.int64OrNil("month_used"), dayBytes: try row.int64OrNil("day_bytes"),
                credentialDayUsed: try row.int64OrNil("credential_day_used"),
                limits: try row.stringOrNil("limits"), credentialLimits: try row.stringOrNil("credential_limits"))
        }
    }

    /// Empty where everything adds up.
    ///
    /// - Parameters:
    ///   - slug: nil: every tenant's.
    ///   - since: a local day, as `until` both included.
    package func usageVerify(
        of slug: String?, since: String, until: String
    ) async throws(AdministrationError) -> [UsageDifference] {
        try await read(
            """
            SELECT tenant, credential, period, starts::text AS starts, what, figure, counter, ledger, stored
            FROM admin.usage_verify($1, $2::text::date, $3::text::date)
            """, [.optional(slug), .text(since), .text(until)]
        ) { row in
            UsageDifference(
                tenant: try row.string("tenant"), credential: try row.stringOrNil("credential"),
                period: try row.string("period"), starts: try row.string("starts"), what: try row.string("what"),
                figure: try row.string("figure"), counter: try row.int64OrNil("counter"),
                ledger: try row.int64OrNil("ledger"), stored: try row.int64OrNil("stored"))
        }
    }

    private static func entry(_ row: Rows.Row) throws -> LedgerEntry {
        LedgerEntry(
            message: try row.uuid("message_id"), entry: try row.int64("entry"),
            credential: try row.stringOrNil("credential"), day: try row.string("day"), month: try row.string("month"),
            recipients: try row.int64("recipients"), bytes: try row.int64("bytes"), reason: try row.string("reason"),
            at: try row.timestamp("at"))
    }
}
