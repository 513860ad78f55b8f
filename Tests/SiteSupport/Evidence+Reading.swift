package import Postgres

extension Evidence {
    /// Reads what the database says now. Nothing should be under way.
    package mutating func read(_ sql: DatabaseConnection) async throws {
        try await readStored(sql)
        for row in try await sql.query(
            """
            SELECT l.message_id, t.slug, coalesce(c.name, '#' || l.credential_id) AS credential, l.entry::bigint AS entry,
                   l.recipients, (extract(epoch FROM l.at) * 1000000)::bigint AS at, l.day::text AS day,
                   l.month::text AS month,
                   (l.at AT TIME ZONE CASE WHEN t.next_zone_from <= l.at THEN t.next_zone ELSE t.zone END)::date::text
                       AS local_day
            FROM gatepost.ledger l JOIN gatepost.tenant t ON t.id = l.tenant_id
            LEFT JOIN gatepost.credential c ON c.tenant_id = l.tenant_id AND c.id = l.credential_id
            """)
        {
            ledger.append(
                Entry(
                    message: try row.uuid("message_id").description, tenant: try row.string("slug"),
                    credential: try row.string("credential"), number: try row.int64("entry"),
                    recipients: try row.int64("recipients"), at: try row.int64("at"), day: try row.string("day"),
                    month: try row.string("month"), localDay: try row.string("local_day")))
        }
        for row in try await sql.query(
            """
            SELECT t.slug, coalesce(c.name, '') AS credential, u.period, u.starts::text AS starts, u.recipients
            FROM gatepost.usage u JOIN gatepost.tenant t ON t.id = u.tenant_id
            LEFT JOIN gatepost.credential c ON c.tenant_id = u.tenant_id AND c.id = u.credential_id
            WHERE u.period IN ('day', 'month')
            """)
        {
            counters.append(
                Counter(
                    tenant: try row.string("slug"), credential: try row.string("credential"),
                    period: try row.string("period"), starts: try row.string("starts"),
                    recipients: try row.int64("recipients")))
        }
        for row in try await sql.query(
            """
            SELECT (extract(epoch FROM a.at) * 1000000)::bigint AS at, t.slug, a.action, a.object,
                   a.detail ? 'daily' AS sets_daily, (a.detail ->> 'daily')::bigint AS daily,
                   a.detail ? 'monthly' AS sets_monthly, (a.detail ->> 'monthly')::bigint AS monthly
            FROM gatepost.audit a JOIN gatepost.tenant t ON t.id = a.tenant_id ORDER BY a.at, a.id
            """)
        {
            var caps: [String: Int64?] = [:]
            for name in ["daily", "monthly"] where try row.bool("sets_\(name)") {
                caps.updateValue(try row.int64OrNil(name), forKey: name)
            }
            changes.append(
                Change(
                    at: try row.int64("at"), tenant: try row.string("slug"), action: try row.string("action"),
                    object: try row.string("object"), caps: caps))
        }
    }

    private mutating func readStored(_ sql: DatabaseConnection) async throws {
        let rows = try await sql.query(
            """
            SELECT m.id, t.slug, coalesce(c.name, '#' || m.credential_id) AS credential, r.address, r.state,
                   m.kind
            FROM (SELECT tenant_id, id, credential_id, kind FROM gatepost.message
                  UNION ALL SELECT tenant_id, id, credential_id, kind FROM gatepost.message_straggler) AS m
            JOIN gatepost.tenant t ON t.id = m.tenant_id
            LEFT JOIN gatepost.credential c ON c.tenant_id = m.tenant_id AND c.id = m.credential_id
            LEFT JOIN (SELECT tenant_id, message_id, number, address, state FROM gatepost.recipient
                       UNION ALL SELECT tenant_id, message_id, number, address, state FROM gatepost.recipient_straggler)
                AS r ON r.tenant_id = m.tenant_id AND r.message_id = m.id
            WHERE m.kind IN ('mail', 'test')
            ORDER BY m.id, r.number
            """)
        for row in rows {
            let id = try row.uuid("id").description
            if stored.last?.id != id {
                stored.append(
                    Stored(
                        id: id, tenant: try row.string("slug"), credential: try row.string("credential"),
                        recipients: [], isTest: try row.string("kind") == "test"))
            }
            if let address = try row.stringOrNil("address") {
                stored[stored.count - 1].recipients.append(
                    Recipient(address: address, state: try row.string("state")))
            }
        }
    }
}
