import Foundation
import Postgres
import TestSupport

/// A message as the tests write it; everything has a default that `Fixture.tenant` makes acceptable.
struct Mail: Encodable {
    var tenant = "acme"
    var credential: String?
    var recipients = 1
    var size = 100
    var sender: String?
    var from: String?
    var digest: String?
    var id: String?
}

/// What accept said about one message.
struct Verdict: Equatable, CustomStringConvertible {
    var id = "", verdict = "", queueID: String?, limit: String?, cap: Int64?, used: Int64?, resets: String?
    var policy: String?, detail: String?, remaining: Int64?

    init(_ row: Rows.Row) throws {
        id = try row.uuid("id").description
        verdict = try row.string("verdict")
        queueID = try row.uuidOrNil("queue_id")?.description
        limit = try row.stringOrNil("limit_name")
        cap = try row.int64OrNil("cap")
        used = try row.int64OrNil("used")
        resets = try row.stringOrNil("resets_text")
        policy = try row.stringOrNil("policy")
        detail = try row.stringOrNil("detail")
        remaining = try row.int64OrNil("remaining")
    }

    var description: String {
        "\(verdict) \(limit ?? "") cap \(cap ?? -1) used \(used ?? -1) \(resets ?? "") remaining \(remaining ?? -1)"
    }
}

/// A migrated database with a scratch schema `test`, and a session of its own for what a test does alone.
struct Fixture {
    let database: PrivateDatabase
    let main: DatabaseConnection

    /// With the tenant `acme`, its credential `acme.a` and its domain `acme.example`, unless `tenant` is false.
    init(tenant: Bool = true) async throws {
        database = try await PrivateDatabase.create()
        main = database.connection()
        try await main.script(Self.scratch)
        if tenant { try await self.tenant("acme") }
    }

    /// Another session, as another client would have.
    func session(as role: PrivateDatabase.Role = .superuser) -> DatabaseConnection { database.connection(as: role) }

    /// A tenant `slug` with credentials `slug.a` and `slug.b` and the domain `slug.example`.
    func tenant(_ slug: String, limits: String = "{}") async throws {
        try await main.query(
            "SELECT admin.tenant_create('tester', $1, $2::jsonb)", [.text(slug), .json(limits)])
        for name in ["a", "b"] {
            try await main.query(
                "SELECT admin.credential_issue('tester', $1, $2, 'SCRAM-SHA-256$4096:c2FsdA==$a:b', sha256('x'))",
                [.text(slug), .text("\(slug).\(name)")])
        }
        try await main.query(
            "SELECT admin.domain_add('tester', $1, $2, true)", [.text(slug), .text("\(slug).example")])
    }

    func set(_ changes: String, _ slug: String = "acme") async throws {
        try await main.query("SELECT admin.tenant_set('tester', $1, $2::jsonb)", [.text(slug), .json(changes)])
    }

    /// Stops the clock, and makes the partitions that instant needs.
    func clock(_ instant: String) async throws {
        try await main.query("SELECT test.at($1::timestamptz)", [.text(instant)])
    }

    func send(
        _ mail: [Mail], batch: MessageID = MessageID(at: .now), owner: MessageID? = nil,
        on session: DatabaseConnection? = nil
    ) async throws -> [Verdict] {
        try await Self.send(mail, batch: batch, owner: owner, on: session ?? main)
    }

    static func send(
        _ mail: [Mail], batch: MessageID = MessageID(at: .now), owner: MessageID? = nil, on session: DatabaseConnection
    ) async throws -> [Verdict] {
        let json = String(decoding: try JSONEncoder().encode(mail), as: UTF8.self)
        return try await session.query(
            "SELECT * FROM test.accept($1::jsonb, $2, $3)", [.json(json), .uuid(batch), .optional(owner)]
        ).map(Verdict.init)
    }

    /// One message; its verdict.
    func send(_ mail: Mail = Mail()) async throws -> Verdict {
        guard let verdict = try await send([mail]).first else { throw Missing() }
        return verdict
    }

    func verdicts(_ mail: [Mail]) async throws -> [String] { try await send(mail).map(\.verdict) }

    /// The first column of the first row.
    func number(_ sql: String, _ parameters: [DatabaseValue] = []) async throws -> Int64 {
        guard let row = try await main.query("SELECT (\(sql))::bigint AS n", parameters).first else { throw Missing() }
        return try row.int64("n")
    }

    func text(_ sql: String, _ parameters: [DatabaseValue] = []) async throws -> String? {
        try await main.query("SELECT (\(sql))::text AS t", parameters).first?.stringOrNil("t")
    }

    /// What the tenant's counters say, and what should be so: the sum of the ledger, and of what is stored.
    func balance(_ slug: String = "acme") async throws -> [Int64] {
        let row = try await main.query("SELECT * FROM test.balance($1)", [.text(slug)]).first
        return try ["day", "month", "credentials", "hours", "ledger", "stored"].map { try row?.int64($0) ?? -1 }
    }

    /// Waits until the session waits for a lock: not for time.
    func waitsForLock(_ pid: Int64) async throws -> Bool {
        try await eventually {
            try await number("SELECT count(*) FROM pg_locks WHERE pid = $1 AND NOT granted", [.int64(pid)]) > 0
        }
    }

    static func pid(_ session: DatabaseConnection) async throws -> Int64 {
        try await session.query("SELECT pg_backend_pid() AS pid").first?.int64("pid") ?? 0
    }

    struct Missing: Error {}

    /// Test-side SQL: a batch from JSON, the clock, the sums that must agree.
    private static let scratch = """
        CREATE SCHEMA test;
        CREATE FUNCTION test.accept(messages jsonb, batch uuid, owner uuid) RETURNS SETOF ledger.verdict
        LANGUAGE plpgsql AS $$
        DECLARE
            m record;
        BEGIN
            SELECT array_agg(coalesce((e ->> 'id')::uuid, gatepost.uuid_new(ledger.clock())) ORDER BY ord) AS ids,
                   array_agg(t.id ORDER BY ord) AS tenants, array_agg(c.id ORDER BY ord) AS credentials,
                   array_agg(l.id ORDER BY ord) AS logins,
                   array_agg(coalesce(e ->> 'sender', s.own || '.example') ORDER BY ord) AS senders,
                   array_agg(coalesce(e ->> 'from', s.own || '.example') ORDER BY ord) AS froms,
                   array_agg('\\x6869'::bytea ORDER BY ord) AS bodies,
                   array_agg((e ->> 'size')::bigint ORDER BY ord) AS sizes,
                   array_agg(sha256(convert_to(e ->> 'digest', 'UTF8')) ORDER BY ord) AS digests,
                   array_agg(NULL::text ORDER BY ord) AS nothing, array_agg(NULL::bytea ORDER BY ord) AS nothings,
                   array_agg((e ->> 'recipients')::int ORDER BY ord) AS recipients,
                   array_agg(coalesce(e ->> 'to', 'r') ORDER BY ord) AS names,
                   array_agg((e ->> 'session')::uuid ORDER BY ord) AS sessions
            INTO m
            FROM jsonb_array_elements(messages) WITH ORDINALITY AS q (e, ord)
            CROSS JOIN LATERAL (SELECT e ->> 'tenant' AS own) AS s
            LEFT JOIN gatepost.tenant t ON t.slug = s.own
            LEFT JOIN gatepost.login l ON l.name = coalesce(e ->> 'credential', s.own || '.a')
            LEFT JOIN gatepost.credential c ON c.name = l.name;
            RETURN QUERY SELECT * FROM ledger.accept(batch, owner, m.ids, m.tenants, m.credentials, m.logins,
                (SELECT array_agg(CASE WHEN d = '' THEN '' ELSE 'a@' || d END) FROM unnest(m.senders) d),
                m.senders, m.froms, m.bodies, m.sizes, m.digests, m.nothing, m.nothings, m.nothing,
                ARRAY(SELECT r.ord::int FROM unnest(m.recipients) WITH ORDINALITY r (n, ord), generate_series(1, r.n)),
                ARRAY(SELECT r.name || g || '@remote.example'
                      FROM unnest(m.recipients, m.names) WITH ORDINALITY r (n, name, ord), generate_series(1, r.n) g
                      ORDER BY r.ord, g),
                ARRAY(SELECT 'remote.example' FROM unnest(m.recipients) r (n), generate_series(1, r.n) g),
                sessions => m.sessions,
                from_messages => ARRAY(SELECT q.ord::int
                                       FROM jsonb_array_elements(messages) WITH ORDINALITY q (e, ord),
                                       jsonb_array_elements_text(q.e -> 'addresses') a ORDER BY q.ord),
                from_addresses => ARRAY(SELECT a.address
                                        FROM jsonb_array_elements(messages) WITH ORDINALITY q (e, ord),
                                        jsonb_array_elements_text(q.e -> 'addresses') WITH ORDINALITY a (address, place)
                                        ORDER BY q.ord, a.place));
        END
        $$;
        CREATE FUNCTION test.at(instant timestamptz) RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
            DELETE FROM gatepost.test_clock;
            INSERT INTO gatepost.test_clock (at) VALUES (instant);
            PERFORM gatepost.make_partition(f.name, instant + d.d)
            FROM gatepost.partition_family f, (VALUES (interval '-2 minutes'), (interval '2 minutes')) AS d (d);
        END
        $$;
        CREATE FUNCTION test.balance(slug text, OUT day bigint, OUT month bigint, OUT credentials bigint,
            OUT hours bigint, OUT ledger bigint, OUT stored bigint) LANGUAGE sql AS $$
            SELECT (SELECT coalesce(sum(u.recipients), 0) FROM gatepost.usage u
                    WHERE u.tenant_id = t.id AND u.credential_id = 0 AND u.period = 'day'),
                   (SELECT coalesce(sum(u.recipients), 0) FROM gatepost.usage u
                    WHERE u.tenant_id = t.id AND u.credential_id = 0 AND u.period = 'month'),
                   (SELECT coalesce(sum(u.recipients), 0) FROM gatepost.usage u
                    WHERE u.tenant_id = t.id AND u.credential_id <> 0 AND u.period = 'day'),
                   (SELECT coalesce(sum(u.recipients), 0) FROM gatepost.usage_hour u WHERE u.tenant_id = t.id),
                   (SELECT coalesce(sum(l.recipients), 0) FROM gatepost.ledger l WHERE l.tenant_id = t.id),
                   (SELECT count(*) FROM gatepost.recipient r WHERE r.tenant_id = t.id AND r.state <> 'cancelled')
                   + (SELECT count(*) FROM gatepost.recipient_straggler r
                      WHERE r.tenant_id = t.id AND r.state <> 'cancelled')
            FROM gatepost.tenant t WHERE t.slug = balance.slug
        $$;
        """
}
