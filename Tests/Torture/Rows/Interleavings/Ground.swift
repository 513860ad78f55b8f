internal import Postgres
internal import SiteSupport
internal import TestSupport

/// What the connections of an interleaving do: each a call in a transaction of its own.
enum Operation: String, CaseIterable, Sendable, Comparable {
    /// Two recipients: exactly what the cap leaves room for.
    case accept
    /// The same as two messages of two credentials in one batch.
    case acceptSeveral
    case revoke
    case suspend
    /// Of the cap, to what is used.
    case lower
    /// Of the tenant: a step of the clock, committed at once.
    case midnight
    /// Of a message that is free and of one that is being delivered.
    case refund
    /// Of the one that is being delivered: one recipient delivered, one deferred.
    case settle

    static func < (a: Operation, b: Operation) -> Bool { a.rawValue < b.rawValue }
}

/// A database with a new tenant for each run. Its clock stands ten seconds before the tenant's midnight.
struct Ground: Sendable {
    let database: PrivateDatabase
    let main: DatabaseConnection
    let connections: [DatabaseConnection]

    init(_ database: PrivateDatabase) async throws {
        self.database = database
        main = database.connection()
        try await main.script(Self.functions)
        var connections: [DatabaseConnection] = []
        for _ in 0..<3 {
            let connection = database.connection()
            try await connection.connect()
            connections.append(connection)
        }
        self.connections = connections
    }

    /// A tenant with a daily cap of 6, of which 4 are used: by a free message and by one leased to an owner.
    func begin(_ slug: String) async throws { try await main.query("SELECT test.begin($1)", [.text(slug)]) }

    /// Everything there is to see of the tenant, in words.
    func state(_ slug: String) async throws -> String {
        try await main.query("SELECT test.state($1) AS state", [.text(slug)]).first?.string("state") ?? ""
    }

    static func call(_ operation: Operation, _ slug: String, on connection: DatabaseConnection) async throws -> String {
        let rows = try await connection.query(
            "SELECT test.act($1, $2) AS outcome", [.text(operation.rawValue), .text(slug)])
        return try rows.first?.string("outcome") ?? ""
    }

    /// Which of these backends wait for a lock of another. (A table that grows is locked for a moment by whoever makes
    /// it grow.)
    func waiting(_ backends: [Int64]) async throws -> Set<Int64> {
        let rows = try await main.query(
            """
            SELECT DISTINCT l.pid::bigint AS pid FROM pg_locks l
            WHERE l.pid = ANY ($1) AND NOT l.granted AND l.locktype <> 'extend'
            """,
            [.int64Array(backends)])
        return Set(try rows.map { try $0.int64("pid") })
    }

    private static let functions = """
        CREATE SCHEMA test;
        CREATE TABLE test.play (slug text PRIMARY KEY, tenant_id bigint, credential_id bigint, login_id bigint,
            other_id bigint, other_login_id bigint, free uuid, leased uuid);
        CREATE TABLE test.night (at timestamptz, owner uuid);
        INSERT INTO test.night
        SELECT date_trunc('day', clock_timestamp() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + interval '1 day',
               gatepost.uuid_new(clock_timestamp());
        INSERT INTO gatepost.test_clock (at) SELECT n.at - interval '10 seconds' FROM test.night n;
        SELECT ledger.owner_start(n.owner, 'here') FROM test.night n;
        SELECT gatepost.make_partition(f.name, n.at + d.d)
        FROM test.night n, gatepost.partition_family f, (VALUES (interval '-2 minutes'), (interval '2 minutes')) AS d (d);
        CREATE FUNCTION test.accept(slug text, owner uuid) RETURNS ledger.verdict LANGUAGE plpgsql AS $$
        DECLARE
            p test.play := (SELECT p FROM test.play p WHERE p.slug = accept.slug);
            v_domain text := accept.slug || '.example';
            v ledger.verdict;
        BEGIN
            SELECT * INTO v FROM ledger.accept(gatepost.uuid_new(ledger.clock()), accept.owner,
                ARRAY[gatepost.uuid_new(ledger.clock())], ARRAY[p.tenant_id], ARRAY[p.credential_id],
                ARRAY[p.login_id], ARRAY['a@' || v_domain], ARRAY[v_domain], ARRAY[v_domain], ARRAY['hi'::bytea],
                ARRAY[2::bigint], ARRAY[NULL::bytea], ARRAY[NULL::text], ARRAY[NULL::bytea], ARRAY[NULL::text],
                ARRAY[1, 1], ARRAY['r1@remote.example', 'r2@remote.example'],
                ARRAY['remote.example', 'remote.example']);
            RETURN v;
        END
        $$;
        CREATE FUNCTION test.accept_several(slug text) RETURNS SETOF ledger.verdict LANGUAGE sql AS $$
            SELECT v.* FROM test.play p, LATERAL (SELECT p.slug || '.example' AS domain) AS d,
                ledger.accept(gatepost.uuid_new(ledger.clock()), NULL,
                    ARRAY[gatepost.uuid_new(ledger.clock()), gatepost.uuid_new(ledger.clock())],
                    ARRAY[p.tenant_id, p.tenant_id], ARRAY[p.credential_id, p.other_id],
                    ARRAY[p.login_id, p.other_login_id], ARRAY['a@' || d.domain, 'a@' || d.domain],
                    ARRAY[d.domain, d.domain], ARRAY[d.domain, d.domain], ARRAY['hi'::bytea, 'ho'],
                    ARRAY[2::bigint, 2], ARRAY[NULL::bytea, NULL], ARRAY[NULL::text, NULL], ARRAY[NULL::bytea, NULL],
                    ARRAY[NULL::text, NULL], ARRAY[1, 2], ARRAY['r1@remote.example', 'r2@remote.example'],
                    ARRAY['remote.example', 'remote.example']) AS v
            WHERE p.slug = accept_several.slug
        $$;
        CREATE FUNCTION test.begin(slug text) RETURNS void LANGUAGE plpgsql AS $$
        DECLARE
            v_tenant bigint;
            v_credential bigint;
            v_login bigint;
            v_other bigint;
            v_other_login bigint;
        BEGIN
            UPDATE gatepost.test_clock SET at = (SELECT n.at FROM test.night n) - interval '10 seconds';
            SELECT c.id INTO v_tenant FROM admin.tenant_create('tester', begin.slug, '{"daily": 6, "warn": []}') c;
            SELECT c.credential_id, c.login_id INTO v_credential, v_login
            FROM admin.credential_issue('tester', begin.slug, begin.slug || '.a',
                'SCRAM-SHA-256$4096:c2FsdA==$a:b', sha256('x')) c;
            SELECT c.credential_id, c.login_id INTO v_other, v_other_login
            FROM admin.credential_issue('tester', begin.slug, begin.slug || '.b',
                'SCRAM-SHA-256$4096:c2FsdA==$a:b', sha256('x')) c;
            PERFORM admin.domain_add('tester', begin.slug, begin.slug || '.example', true);
            INSERT INTO test.play
            VALUES (begin.slug, v_tenant, v_credential, v_login, v_other, v_other_login);
            UPDATE test.play p SET free = (test.accept(begin.slug, NULL)).id WHERE p.slug = begin.slug;
            UPDATE test.play p SET leased = (test.accept(begin.slug, n.owner)).id
            FROM test.night n WHERE p.slug = begin.slug;
        END
        $$;
        CREATE FUNCTION test.act(what text, slug text) RETURNS text LANGUAGE plpgsql AS $$
        DECLARE
            p test.play := (SELECT p FROM test.play p WHERE p.slug = act.slug);
            v_owner uuid := (SELECT n.owner FROM test.night n);
            v ledger.verdict;
        BEGIN
            CASE act.what
            WHEN 'accept' THEN
                v := test.accept(act.slug, NULL);
                RETURN concat_ws(' ', v.verdict, v.cap, v.used, v.remaining);
            WHEN 'acceptSeveral' THEN
                RETURN (SELECT string_agg(concat_ws(' ', a.verdict, a.cap, a.used, a.remaining), ', ' ORDER BY a.ordinality)
                        FROM test.accept_several(act.slug) WITH ORDINALITY AS a);
            WHEN 'revoke' THEN
                RETURN admin.credential_revoke('tester', act.slug || '.a', NULL);
            WHEN 'suspend' THEN
                RETURN admin.tenant_suspend('tester', act.slug, NULL, false);
            WHEN 'lower' THEN
                RETURN admin.tenant_set('tester', act.slug, '{"daily": 4}');
            WHEN 'midnight' THEN
                UPDATE gatepost.test_clock SET at = (SELECT n.at FROM test.night n) + interval '10 seconds';
                RETURN 'struck';
            WHEN 'refund' THEN
                RETURN (SELECT string_agg(concat_ws(' ', c.message_id = p.free, c.number, c.verdict), ', '
                                          ORDER BY c.message_id = p.free, c.number)
                        FROM ledger.cancel('tester', ARRAY[p.free, p.leased], 'test') c);
            WHEN 'settle' THEN
                RETURN (SELECT string_agg(concat_ws(' ', s.number, s.verdict), ', ' ORDER BY s.number)
                        FROM ledger.settle(v_owner, ARRAY[p.tenant_id, p.tenant_id], ARRAY[p.leased, p.leased],
                            ARRAY[1, 2], ARRAY['delivered', 'deferred'], ARRAY[250, 450], ARRAY['2.0.0', '4.0.0'],
                            ARRAY['ok'::bytea, 'later'::bytea],
                            ARRAY[NULL, (SELECT n.at FROM test.night n) + interval '1 hour']) s);
            END CASE;
        END
        $$;
        CREATE FUNCTION test.state(slug text) RETURNS text LANGUAGE sql AS $$
            SELECT concat_ws(E'\\n',
                (SELECT concat_ws(' ', t.status, t.daily_cap, c.revoked_at IS NOT NULL)
                 FROM gatepost.tenant t JOIN gatepost.credential c ON c.tenant_id = t.id
                 WHERE t.id = p.tenant_id AND c.id = p.credential_id),
                (SELECT string_agg(concat_ws(' ', u.period, u.kind, u.starts, u.recipients), ', '
                                   ORDER BY u.period, u.kind, u.starts)
                 FROM (SELECT u.*, CASE u.credential_id WHEN 0 THEN 'tenant' WHEN p.other_id THEN 'b' ELSE 'a' END AS kind
                       FROM gatepost.usage u) AS u WHERE u.tenant_id = p.tenant_id AND u.recipients <> 0),
                (SELECT string_agg(concat_ws(' ', l.day, l.n, l.sum), ', ' ORDER BY l.day, l.n)
                 FROM (SELECT l.day, sign(l.recipients) AS n, sum(l.recipients) AS sum FROM gatepost.ledger l
                       WHERE l.tenant_id = p.tenant_id GROUP BY 1, 2) AS l),
                (SELECT string_agg(concat_ws(' ', r.kind, r.number, r.state, r.leased, r.mark), ', '
                                   ORDER BY r.kind, r.number, r.state)
                 FROM (SELECT CASE r.message_id WHEN p.free THEN 'free' WHEN p.leased THEN 'leased' ELSE 'new' END AS kind,
                              r.number, r.state, r.owner_id IS NOT NULL AS leased, r.mark
                       FROM gatepost.recipient r WHERE r.tenant_id = p.tenant_id) AS r))
            FROM test.play p WHERE p.slug = state.slug
        $$;
        """
}
