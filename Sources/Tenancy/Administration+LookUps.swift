package import Postgres

/// What operators read: rows of `admin`'s views and functions, as they are.

/// One tenant with its limits; nil is unlimited.
package struct TenantRecord: Sendable, Hashable {
    package var slug, status: String
    package var reason: String?
    package var holdsQueue: Bool
    package var zone: String
    /// The zone that counts from `nextZoneFrom` on.
    package var nextZone: String?
    package var nextZoneFrom: Instant?
    package var daily, monthly, rate, burst: Int64?
    package var messageSize, recipientsPerMessage: Int64
    package var sessions: Int64?
    package var policy: String
    package var partial, resubmission, nullSender, foreignNames: Bool
    package var pool: String
    package var createdAt: Instant
    /// `day` or `rolling`.
    package var window = "day"
    package var bytesDaily, firstTimeDaily: Int64?
    package var warn: [Int] = []
    /// Proposed caps; nil: none.
    package var shadowDaily, shadowMonthly, shadowBytesDaily, shadowFirstTimeDaily: Int64?
    package var contact, plan: String?
    /// The names of what is its own, and of what its plan has.
    package var own: Set<String> = []
    package var planKeys: Set<String> = []
}

extension TenantRecord {
    /// Where a value is from.
    package enum Origin: Sendable, Hashable {
        case tenant
        case plan(String)
        case standard
    }

    package func origin(of setting: TenantSetting) -> Origin {
        if own.contains(setting.rawValue) { return .tenant }
        // A burst that nobody gave is its rate's.
        if setting == .burst, own.contains(TenantSetting.rate.rawValue) { return .tenant }
        if let plan, planKeys.contains(setting.rawValue) { return .plan(plan) }
        if let plan, setting == .burst, planKeys.contains(TenantSetting.rate.rawValue) { return .plan(plan) }
        return .standard
    }

    /// The value in force; never `inherit`.
    package func value(of setting: TenantSetting) -> TenantValue {
        switch setting {
        case .daily: Self.limit(daily)
        case .window: .text(window)
        case .monthly: Self.limit(monthly)
        case .rate: Self.limit(rate)
        case .burst: Self.limit(burst)
        case .bytesDaily: Self.limit(bytesDaily)
        case .firstTimeDaily: Self.limit(firstTimeDaily)
        case .messageSize: .number(messageSize)
        case .recipientsPerMessage: .number(recipientsPerMessage)
        case .sessions: Self.limit(sessions)
        case .policy: .text(policy)
        case .partial: .flag(partial)
        case .resubmission: .flag(resubmission)
        case .nullSender: .flag(nullSender)
        case .foreignNames: .flag(foreignNames)
        case .warn: .percents(warn)
        case .shadowDaily: Self.proposal(shadowDaily)
        case .shadowMonthly: Self.proposal(shadowMonthly)
        case .shadowBytesDaily: Self.proposal(shadowBytesDaily)
        case .shadowFirstTimeDaily: Self.proposal(shadowFirstTimeDaily)
        case .plan: plan.map { .text($0) } ?? .none
        case .zone: .text(nextZone ?? zone)
        case .pool: .text(pool)
        case .contact: contact.map { .text($0) } ?? .none
        }
    }

    private static func limit(_ value: Int64?) -> TenantValue { value.map { .number($0) } ?? .unlimited }
    private static func proposal(_ value: Int64?) -> TenantValue { value.map { .number($0) } ?? .none }
}

package struct DomainRecord: Sendable, Hashable {
    package var tenant, domain: String
    package var verifiedAt: Instant?
    /// `operator` or `dns`.
    package var verifiedBy: String?
    package var token: String?
    package var createdAt: Instant
}

package struct PoolRecord: Sendable, Hashable {
    package var name: String
    package var members, tenants: Int64
    package var createdAt: Instant
}

package struct RelayRecord: Sendable, Hashable {
    package var pool, host: String
    package var port: Int64
    package var wire, tls: String
    package var weight: Int64
    package var status: String
    /// From each node; nil: the node's setting.
    package var connections: Int64?
    package var serverName: String
    /// Its password is shown nowhere.
    package var username: String?
}

/// One counter: the tenant's day or month, another of its limits, or a credential's.
package struct UsageRecord: Sendable, Hashable {
    /// `day`, `month`, `limit`, `credential` (its day), `credential_limit` or `test`.
    package var scope: String
    /// As verdicts name it.
    package var limit: String?
    package var credential: String?
    /// The local day, or the month's first.
    package var starts: String
    /// Recipients, octets of a limit on them, what is still to drain of a rate.
    package var used: Int64
    /// nil: it counts something else.
    package var messages, bytes: Int64?
    package var cap: Int64?
    package var resetsAt: Instant?
    /// ISO 8601 with the tenant's UTC offset.
    package var resetsText: String?
}

/// One message, as `queue list` has it.
package struct QueueRecord: Sendable, Hashable {
    package var id: MessageID
    package var tenant: String
    /// Nil: our own report or notice, which no credential sent.
    package var credential: String?
    package var state: String
    package var recipients, live, size: Int64
    /// Empty: the null path.
    package var sender: String
    package var acceptedAt: Instant
    package var nextAttempt: Instant?
}

/// One message with its recipients, as `queue show` has it.
package struct QueueMessage: Sendable, Hashable {
    package struct Recipient: Sendable, Hashable {
        package var number: Int64
        package var address, state: String
        package var isMarked, isLeased: Bool
        package var attempts: Int64
        package var nextAttempt, lastAttempt, finalAt: Instant?
        package var replyCode: Int64?
        package var replyEnhanced: String?
        /// The remote's words as they came.
        package var reply: [UInt8]?
    }

    package var id: MessageID
    package var tenant: String
    /// Nil: our own report or notice, which no credential sent.
    package var credential: String?
    package var state, kind: String
    package var size: Int64
    package var sender, fromDomain: String
    package var messageIDHeader, client: String?
    package var helo: [UInt8]?
    package var acceptedAt: Instant
    package var isBodyStored: Bool
    package var recipients: [Recipient]
    /// The tenant's queue is held: nothing of it is tried.
    package var isHeld = false
}

extension Administration {
    /// Which tenants a list has.
    package struct TenantFilter: Sendable, Hashable {
        /// `active`, `suspended`, `deleted`; nil: all but deleted ones.
        package var status: String?
        package var plan, pool: String?
        /// Those whose slug comes after.
        package var after: String?
        package init() {}
    }

    /// One page, by slug.
    package func tenants(
        _ filter: TenantFilter = TenantFilter(), pageSize: Int64
    ) async throws(AdministrationError) -> [TenantRecord] {
        try await tenants(
            """
            WHERE CASE WHEN $1::text IS NULL THEN t.status <> 'deleted' ELSE t.status = $1 END
              AND ($2::text IS NULL OR t.plan = $2) AND ($3::text IS NULL OR t.pool = $3) AND t.slug > $4
            ORDER BY t.slug LIMIT $5
            """,
            [
                .optional(filter.status), .optional(filter.plan), .optional(filter.pool), .text(filter.after ?? ""),
                .int64(pageSize),
            ])
    }

    package func tenant(_ slug: String) async throws(AdministrationError) -> TenantRecord {
        guard let tenant = try await tenantIfAny(slug) else { throw .notFound("no tenant `\(slug)`") }
        return tenant
    }

    /// Also one that was deleted.
    package func tenantIfAny(_ slug: String) async throws(AdministrationError) -> TenantRecord? {
        try await tenants("WHERE t.slug = $1", [.text(slug)]).first
    }

    package func hasTenant(_ slug: String) async throws(AdministrationError) -> Bool {
        !(try await tenants("WHERE t.slug = $1 AND t.status <> 'deleted'", [.text(slug)]).isEmpty)
    }

    /// Slugs that begin as this one does, for "did you mean": some of them, never all of a large table.
    package func slugs(like slug: String) async throws(AdministrationError) -> [String] {
        try await read(
            """
            SELECT slug FROM (
                (SELECT slug FROM admin.tenant WHERE status <> 'deleted' AND slug >= left($1, 1) ORDER BY slug LIMIT 500)
                UNION (SELECT slug FROM admin.tenant WHERE status <> 'deleted' AND slug >= $1 ORDER BY slug LIMIT 500)
                UNION (SELECT slug FROM admin.tenant WHERE status <> 'deleted' AND slug < $1
                       ORDER BY slug DESC LIMIT 500)) AS s
            """, [.text(slug)]
        ) { try $0.string("slug") }
    }

    func tenants(_ rest: String, _ parameters: [DatabaseValue]) async throws(AdministrationError)
        -> [TenantRecord]
    {
        try await read(
            """
            SELECT slug, status, reason, hold_queue, zone, next_zone, next_zone_from, daily_cap, monthly_cap, rate, burst,
                   message_size, recipients_per_message, sessions, policy, partial, resubmission, null_sender, foreign_names, pool,
                   created_at, daily_window, bytes_daily_cap, first_time_daily_cap,
                   warn_percents, shadow_daily_cap, shadow_monthly_cap, shadow_bytes_daily_cap,
                   shadow_first_time_daily_cap, contact, plan, own, plan_keys
            FROM admin.tenant t \(rest)
            """, parameters
        ) { row in
            var tenant = TenantRecord(
                slug: try row.string("slug"), status: try row.string("status"), reason: try row.stringOrNil("reason"),
                holdsQueue: try row.bool("hold_queue"), zone: try row.string("zone"),
                nextZone: try row.stringOrNil("next_zone"), nextZoneFrom: try row.timestampOrNil("next_zone_from"),
                daily: try row.int64OrNil("daily_cap"), monthly: try row.int64OrNil("monthly_cap"),
                rate: try row.int64OrNil("rate"), burst: try row.int64OrNil("burst"),
                messageSize: try row.int64("message_size"),
                recipientsPerMessage: try row.int64("recipients_per_message"),
                sessions: try row.int64OrNil("sessions"), policy: try row.string("policy"),
                partial: try row.bool("partial"), resubmission: try row.bool("resubmission"),
                nullSender: try row.bool("null_sender"),
                foreignNames: try row.bool("foreign_names"), pool: try row.string("pool"),
                createdAt: try row.timestamp("created_at"))
            tenant.window = try row.string("daily_window")
            tenant.bytesDaily = try row.int64OrNil("bytes_daily_cap")
            tenant.firstTimeDaily = try row.int64OrNil("first_time_daily_cap")
            tenant.warn = try row.int64s("warn_percents").map { Int($0) }
            tenant.shadowDaily = try row.int64OrNil("shadow_daily_cap")
            tenant.shadowMonthly = try row.int64OrNil("shadow_monthly_cap")
            tenant.shadowBytesDaily = try row.int64OrNil("shadow_bytes_daily_cap")
            tenant.shadowFirstTimeDaily = try row.int64OrNil("shadow_first_time_daily_cap")
            tenant.contact = try row.stringOrNil("contact")
            tenant.plan = try row.stringOrNil("plan")
            tenant.own = Set(try row.strings("own"))
            tenant.planKeys = Set(try row.strings("plan_keys"))
            return tenant
        }
    }

    package func domains(of slug: String) async throws(AdministrationError) -> [DomainRecord] {
        _ = try await tenant(slug)
        return try await domains("WHERE tenant = $1 ORDER BY domain", [.text(slug)])
    }

    func domains(_ rest: String, _ parameters: [DatabaseValue]) async throws(AdministrationError) -> [DomainRecord] {
        try await read(
            """
            SELECT tenant, domain, verified_at, verified_by, token, created_at FROM admin.sender_domain \(rest)
            """, parameters
        ) { row in
            DomainRecord(
                tenant: try row.string("tenant"), domain: try row.string("domain"),
                verifiedAt: try row.timestampOrNil("verified_at"), verifiedBy: try row.stringOrNil("verified_by"),
                token: try row.stringOrNil("token"), createdAt: try row.timestamp("created_at"))
        }
    }

    package func pools() async throws(AdministrationError) -> [PoolRecord] {
        try await read("SELECT name, members, tenants, created_at FROM admin.relay_pool ORDER BY name") { row in
            PoolRecord(
                name: try row.string("name"), members: try row.int64("members"), tenants: try row.int64("tenants"),
                createdAt: try row.timestamp("created_at"))
        }
    }

    /// Those that PostgreSQL knows and a tenant may have, for "did you mean".
    package func timeZones() async throws(AdministrationError) -> [String] {
        try await read(
            "SELECT name FROM pg_catalog.pg_timezone_names WHERE name !~ '^(localtime$|posix)' ORDER BY name", []
        ) { try $0.string("name") }
    }

    /// Those of the names that PostgreSQL knows.
    package func timeZones(among names: [String]) async throws(AdministrationError) -> Set<String> {
        if names.isEmpty { return [] }
        return Set(
            try await read(
                "SELECT name FROM pg_catalog.pg_timezone_names WHERE name = ANY ($1)", [.optional(names)]
            ) { try $0.string("name") })
    }

    /// - Parameter pool: nil: every pool's.
    package func relays(of pool: String?) async throws(AdministrationError) -> [RelayRecord] {
        if let pool, !(try await pools().contains { $0.name == pool }) { throw .notFound("no pool `\(pool)`") }
        return try await read(
            """
            SELECT pool, host, port, protocol, tls, weight, status, connections, server_name, username FROM admin.relay
            WHERE pool = $1 OR $1 IS NULL ORDER BY pool, host, port
            """, [.optional(pool)]
        ) { row in
            RelayRecord(
                pool: try row.string("pool"), host: try row.string("host"), port: try row.int64("port"),
                wire: try row.string("protocol"), tls: try row.string("tls"), weight: try row.int64("weight"),
                status: try row.string("status"), connections: try row.int64OrNil("connections"),
                serverName: try row.string("server_name"), username: try row.stringOrNil("username"))
        }
    }

    /// The tenant's day, its month, its other limits, then its credentials'.
    package func usage(of slug: String) async throws(AdministrationError) -> [UsageRecord] {
        try await read(
            """
            SELECT scope, limit_name, credential, starts::text AS starts, used, messages, bytes, cap, resets_at,
                   resets_text
            FROM admin.usage($1)
            """, [.text(slug)]
        ) { row in
            UsageRecord(
                scope: try row.string("scope"), limit: try row.stringOrNil("limit_name"),
                credential: try row.stringOrNil("credential"), starts: try row.string("starts"),
                used: try row.int64("used"), messages: try row.int64OrNil("messages"),
                bytes: try row.int64OrNil("bytes"), cap: try row.int64OrNil("cap"),
                resetsAt: try row.timestampOrNil("resets_at"), resetsText: try row.stringOrNil("resets_text"))
        }
    }

    /// One page, oldest first.
    ///
    /// - Parameters:
    ///   - slug: nil: every tenant's.
    ///   - everything: all that is stored, not only what still waits.
    ///   - after: the last id of the page before.
    package func queue(
        of slug: String?, everything: Bool, pageSize: Int32, after: MessageID?
    ) async throws(AdministrationError) -> [QueueRecord] {
        try await read(
            """
            SELECT id, tenant, credential, state, recipients, live, size, sender, accepted_at, next_attempt
            FROM admin.queue_list($1, $2, $3, $4)
            """, [.optional(slug), .bool(everything), .int32(pageSize), .optional(after)]
        ) { row in
            QueueRecord(
                id: try row.uuid("id"), tenant: try row.string("tenant"), credential: try row.stringOrNil("credential"),
                state: try row.string("state"), recipients: try row.int64("recipients"), live: try row.int64("live"),
                size: try row.int64("size"), sender: try row.string("sender"),
                acceptedAt: try row.timestamp("accepted_at"), nextAttempt: try row.timestampOrNil("next_attempt"))
        }
    }

    package func message(_ id: MessageID) async throws(AdministrationError) -> QueueMessage {
        let rows = try await read(
            """
            SELECT tenant, credential, message_state, kind, size, sender, from_domain, message_id_header, client, helo,
                   accepted_at, body_stored, number, address, state, marked, leased, attempts, next_attempt, last_attempt,
                   final_at, reply_code, reply_enhanced, reply
            FROM admin.queue_show($1) ORDER BY number
            """, [.uuid(id)]
        ) { row in
            QueueMessage(
                id: id, tenant: try row.string("tenant"), credential: try row.stringOrNil("credential"),
                state: try row.string("message_state"), kind: try row.string("kind"), size: try row.int64("size"),
                sender: try row.string("sender"), fromDomain: try row.string("from_domain"),
                messageIDHeader: try row.stringOrNil("message_id_header"), client: try row.stringOrNil("client"),
                helo: try row.bytesOrNil("helo"), acceptedAt: try row.timestamp("accepted_at"),
                isBodyStored: try row.bool("body_stored"),
                recipients: [
                    QueueMessage.Recipient(
                        number: try row.int64("number"), address: try row.string("address"),
                        state: try row.string("state"), isMarked: try row.bool("marked"),
                        isLeased: try row.bool("leased"), attempts: try row.int64("attempts"),
                        nextAttempt: try row.timestampOrNil("next_attempt"),
                        lastAttempt: try row.timestampOrNil("last_attempt"),
                        finalAt: try row.timestampOrNil("final_at"), replyCode: try row.int64OrNil("reply_code"),
                        replyEnhanced: try row.stringOrNil("reply_enhanced"), reply: try row.bytesOrNil("reply"))
                ])
        }
        guard var message = rows.first else { throw .notFound("no message `\(id)`") }
        message.recipients = rows.flatMap(\.recipients)
        message.isHeld = !(try await heldQueues(among: [message.tenant]).isEmpty)
        return message
    }

    /// Those of the tenants whose queues are held.
    package func heldQueues(among slugs: Set<String>) async throws(AdministrationError) -> [String] {
        if slugs.isEmpty { return [] }
        return try await read(
            "SELECT slug FROM admin.tenant WHERE slug = ANY ($1) AND hold_queue ORDER BY slug",
            [.textArray(Array(slugs))]
        ) { try $0.string("slug") }
    }
}
