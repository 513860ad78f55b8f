import Foundation
import Postgres
import TestSupport
import Testing

/// What operators look at: it reads little however much there is, and misses nothing.
@Suite struct SeeingTests {
    private static let pastThirty =
        "SELECT gatepost.make_partition('event', clock_timestamp() - d * interval '1 day')"
        + " FROM generate_series(1, 9) d"

    /// As many events as make a sequential scan dear: three tenants, ten days, one in 500 a refusal.
    private func fill(_ fixture: Fixture) async throws {
        try await fixture.tenant("other")
        try await fixture.main.query(Self.pastThirty)
        try await fixture.main.query(
            """
            INSERT INTO gatepost.event (tenant_id, id, at, kind, message_id, credential_id, session, xid)
            SELECT (SELECT t.id FROM gatepost.tenant t WHERE t.slug = CASE WHEN g % 3 = 0 THEN 'acme' ELSE 'other' END),
                   gatepost.uuid_new(q.at), q.at,
                   CASE WHEN g % 500 = 0 THEN 'refused' WHEN g % 2 = 0 THEN 'accepted' ELSE 'delivered' END,
                   gatepost.uuid_new(q.at),
                   CASE WHEN g % 900 = 0 THEN (SELECT c.id FROM gatepost.credential c WHERE c.name = 'acme.b')
                        WHEN g % 3 = 0 THEN (SELECT c.id FROM gatepost.credential c WHERE c.name = 'acme.a') END,
                   CASE WHEN g % 2 = 0 THEN gatepost.uuid_new(q.at) END,
                   (3 + g / 300)::text::xid8
            FROM generate_series(1, 100000) g,
                 LATERAL (SELECT clock_timestamp() - interval '9 days' + g * interval '7.7 seconds' AS at) AS q
            """)
        try await fixture.main.script("ANALYZE gatepost.event")
    }

    /// Blocks that a query reads: the least of four times, for a plan that is made anew reads the catalogue too; the first
    /// one is, and so is any that an autovacuum's own ANALYZE came before.
    private func blocks(_ fixture: Fixture, _ sql: String) async throws -> Int64 {
        var least = Int64.max
        for _ in 0..<4 {
            least = min(least, try await fixture.number("SELECT test.blocks($1)", [.text(sql)]))
        }
        return least
    }

    private static let counter = """
        CREATE FUNCTION test.blocks(query text) RETURNS bigint LANGUAGE plpgsql AS $$
        DECLARE plan json;
        BEGIN
            EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' || query INTO plan;
            RETURN (plan -> 0 -> 'Plan' ->> 'Shared Hit Blocks')::bigint
                + (plan -> 0 -> 'Plan' ->> 'Shared Read Blocks')::bigint;
        END
        $$;
        """

    @Test func `looking at events reads few blocks, whichever are wanted`() async throws {
        let fixture = try await Fixture()
        try await fixture.main.script(Self.counter)
        try await fill(fixture)
        let all = try await blocks(fixture, "SELECT count(*) FROM gatepost.event")
        #expect(all > 1000, "a scan is dear: \(all)")
        let message = try #require(
            try await fixture.text("SELECT e.message_id FROM gatepost.event e WHERE e.kind = 'refused' LIMIT 1"))
        let session = try #require(
            try await fixture.text("SELECT e.session FROM gatepost.event e WHERE e.session IS NOT NULL LIMIT 1"))
        for arguments in [
            "NULL, NULL, NULL, NULL, NULL, NULL, NULL, 50, NULL",
            "'acme', NULL, NULL, NULL, NULL, NULL, NULL, 50, NULL",
            "'acme', NULL, 'refused', NULL, NULL, NULL, NULL, 50, NULL",
            "'acme', NULL, 'limit_warning', NULL, NULL, NULL, NULL, 50, NULL",
            "NULL, NULL, 'would_refuse', NULL, NULL, NULL, NULL, 50, NULL",
            "NULL, NULL, NULL, '\(message)', NULL, NULL, NULL, 50, NULL",
            "NULL, NULL, NULL, NULL, '\(session)', NULL, NULL, 50, NULL",
            "'acme', NULL, NULL, NULL, NULL, NULL, now() - interval '5 days 7 hours', 50, NULL",
            "NULL, 'acme.b', NULL, NULL, NULL, NULL, NULL, 50, NULL",
            "'acme', 'acme.b', NULL, NULL, NULL, NULL, now() - interval '5 days 7 hours', 50, NULL",
            "NULL, NULL, NULL, NULL, NULL, NULL, now() - interval '5 days 7 hours', 50, NULL",
            "NULL, NULL, 'accepted', NULL, NULL, now() - interval '5 days 8 hours', now() - interval '5 days 7 hours', 50, NULL",
            "NULL, NULL, NULL, NULL, NULL, now() - interval '5 days 7 hours', now() - interval '5 days 7 hours', 50, NULL",
        ] {
            let read = try await blocks(fixture, "SELECT * FROM admin.event_list(\(arguments))")
            #expect(read < 400, "\(arguments): \(read) blocks")
        }
        for after in ["3", "40", "100"] {
            let read = try await blocks(
                fixture,
                "SELECT * FROM admin.event_after('\(after):00000000-0000-0000-0000-000000000000', 50, 'acme', NULL, NULL,"
                    + " NULL, NULL)")
            #expect(read < 400, "after \(after): \(read) blocks")
        }
    }

    @Test func `pages of events are whole and without a repetition`() async throws {
        let fixture = try await Fixture()
        try await fixture.tenant("other")
        for number in 0..<23 { _ = try await fixture.send(Mail(tenant: number % 2 == 0 ? "acme" : "other")) }
        // (What accept and the tenants' making wrote; and some more, in case accept writes none.)
        try await fixture.main.query(
            """
            INSERT INTO gatepost.event (tenant_id, id, at, kind, message_id)
            SELECT t.id, gatepost.uuid_new(clock_timestamp()), clock_timestamp(), 'deferred', gen_random_uuid()
            FROM gatepost.tenant t, generate_series(1, 20)
            """)
        for slug in ["'acme'", "NULL"] {
            var ids: [String] = []
            var before = "NULL"
            while true {
                let page = try await fixture.main.query(
                    "SELECT * FROM admin.event_list(\(slug), NULL, NULL, NULL, NULL, NULL, NULL, 7, \(before))")
                ids += try page.map { try $0.uuid("id").description }
                guard page.count == 7, let last = page.last else { break }
                before = "'\(try last.string("position"))'"
            }
            let expected = try await fixture.number(
                "SELECT count(*) FROM gatepost.event e JOIN gatepost.tenant t ON t.id = e.tenant_id"
                    + " WHERE t.slug = \(slug) OR \(slug) IS NULL")
            #expect(ids.count == Int(expected) && Set(ids).count == ids.count, "\(slug)")
            #expect(ids.count > 20)
        }
    }

    @Test func `a reader by position misses nothing that commits late`() async throws {
        let fixture = try await Fixture()
        let reader = fixture.session(as: .admin)
        let late = fixture.session()
        func write(_ session: DatabaseConnection, _ kind: String) async throws {
            try await session.query(
                """
                INSERT INTO gatepost.event (tenant_id, id, at, kind)
                SELECT t.id, gatepost.uuid_new(clock_timestamp()), clock_timestamp(), $1
                FROM gatepost.tenant t WHERE t.slug = 'acme'
                """, [.text(kind)])
        }
        var position = try #require(
            try await reader.query("SELECT position FROM admin.event_after(NULL, 10, NULL, NULL, NULL, NULL, NULL)")
                .first?.string("position"))
        func read() async throws -> [String] {
            let rows = try await reader.query(
                "SELECT * FROM admin.event_after($1, 10, NULL, NULL, NULL, NULL, NULL)", [.text(position)])
            position = try rows.last?.string("position") ?? position
            return try rows.filter { try $0.bool("matches") }.map { try $0.string("kind") }
                .filter { !$0.hasSuffix("_changed") }  // the fixture's own, where readers were held back at the start
        }
        // (Transactions of other databases of the same cluster hold readers back too.)
        func reads(_ expected: [String]) async throws -> Bool {
            var kinds: [String] = []
            return try await eventually(within: .seconds(60)) {
                kinds += try await read()
                return kinds.count >= expected.count
            } && kinds == expected
        }
        try await write(fixture.main, "accepted")
        #expect(try await reads(["accepted"]))

        // One transaction holds an earlier id, and a later one commits before it.
        try await late.query("BEGIN")
        try await write(late, "bounced")
        try await write(fixture.main, "delivered")
        #expect(try await read() == [], "what could still be overtaken waits")
        try await late.query("COMMIT")
        #expect(try await reads(["bounced", "delivered"]), "in the order of transactions, both once")
        #expect(try await read() == [])

        // A reader that takes one at a time, of one kind, gets on past what it does not want.
        for kind in ["accepted", "deferred", "accepted", "deferred"] { try await write(fixture.main, kind) }
        var kinds: [String] = []
        let isThrough = try await eventually(within: .seconds(60)) {
            let rows = try await reader.query(
                "SELECT * FROM admin.event_after($1, 1, 'acme', NULL, 'deferred', NULL, NULL)", [.text(position)])
            position = try rows.last?.string("position") ?? position
            kinds += try rows.filter { try $0.bool("matches") }.map { try $0.string("kind") }
            return kinds.count == 2
        }
        #expect(isThrough && kinds == ["deferred", "deferred"])
    }

    @Test func `events of a dump, whose transactions seem yet to come, stand before what comes`() async throws {
        // In the first minutes of a day of UTC nothing could be hidden: what is looked for has ten minutes to spare.
        let minutes = Int(Date().timeIntervalSince1970) % 86_400 / 60
        guard minutes > 11 else { return }
        let fixture = try await Fixture()
        try await fixture.main.query(
            """
            INSERT INTO gatepost.event (tenant_id, id, at, kind, xid)
            SELECT 1, gatepost.uuid_floor(date_trunc('day', now(), 'UTC') + n * interval '1 second'), now(), 'relay_changed',
                CASE n WHEN 0 THEN '5' ELSE (100000000 + n)::text END::xid8 FROM generate_series(0, 20) n
            """)
        func list(_ since: String, _ kind: String) async throws -> Int64 {
            try await fixture.number(
                """
                SELECT count(*) FROM admin.event_list(
                    NULL, NULL, NULL, NULL, NULL, date_trunc('day', now(), 'UTC') + interval '\(since)', NULL, 100, NULL) e
                WHERE e.kind = '\(kind)'
                """)
        }
        let begun = try #require(
            try await fixture.text(
                "SELECT position FROM admin.event_after(NULL, 10, NULL, NULL, NULL, NULL, NULL)"))
        try await fixture.main.query("SELECT admin.tenant_set('tester', 'acme', '{\"daily\": 5}')")
        let hidden = try await list("10 minutes 10 seconds", "tenant_changed")
        #expect(hidden == 0, "\(hidden): the dump's newest hides what is new, and this is what is mended")
        #expect(try await fixture.number("SELECT moved FROM gatepost.event_restored(1000, NULL)") >= 21)
        #expect(try await fixture.number("SELECT moved FROM gatepost.event_restored(1000, NULL)") == 0)
        #expect(try await list("0", "relay_changed") == 21)
        #expect(try await list("10 minutes 10 seconds", "tenant_changed") > 0)
        // (What a reader is given waits for every transaction that is open in the cluster; where it would begin does not.)
        #expect(
            try await fixture.number(
                """
                SELECT count(*) FROM gatepost.event e, gatepost.event_position('\(begun)') p
                WHERE (e.xid, e.id) > (p.xid, p.id) AND e.kind = 'relay_changed'
                """) == 0, "a reader is given nothing of the dump")
    }

    @Test func `what an aborted transaction wrote is never read`() async throws {
        let fixture = try await Fixture()
        let late = fixture.session()
        try await late.query("BEGIN")
        try await late.query(
            """
            INSERT INTO gatepost.event (tenant_id, id, at, kind)
            SELECT t.id, gatepost.uuid_new(clock_timestamp()), clock_timestamp(), 'bounced' FROM gatepost.tenant t
            """)
        try await late.query("ROLLBACK")
        let rows = try await fixture.main.query(
            "SELECT * FROM admin.event_after('0:00000000-0000-0000-0000-000000000000', 1000, NULL, NULL, 'bounced', NULL,"
                + " NULL)")
        #expect(try rows.allSatisfy { try !$0.bool("matches") })
    }

    @Test func `usage, now and then, touches neither messages nor events`() async throws {
        let fixture = try await Fixture()
        _ = try await fixture.send(Mail(recipients: 3))
        for call in [
            "admin.usage('acme')", "admin.usage_tenants('', 100)",
            "admin.usage_history('acme', 'day', NULL, NULL, 'tenant', NULL)",
            "admin.usage_history('acme', 'month', '2026-01-01', '2030-01-01', 'tenant', NULL)",
            "admin.usage_history('acme', 'day', NULL, NULL, 'credential', NULL)",
            "admin.usage_history('acme', 'month', NULL, NULL, 'domain', NULL)",
        ] {
            // Whatever a plan opens stays locked until the transaction's end.
            try await fixture.main.query("BEGIN")
            let rows = try await fixture.main.query("SELECT * FROM \(call)")
            let touched = try await fixture.main.query(
                """
                SELECT l.relation::regclass::text AS name FROM pg_locks l
                WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation'
                  AND l.relation::regclass::text ~ '^gatepost\\.(message|event|recipient|body)'
                """
            ).map { try $0.string("name") }
            let counters = try await fixture.number(
                """
                SELECT count(*) FROM pg_locks l WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation'
                  AND l.relation::regclass::text ~ '^gatepost\\.(usage|outcome)'
                """)
            try await fixture.main.query("ROLLBACK")
            #expect(touched == [], "\(call)")
            #expect(counters > 0, "\(call) is watched")
            #expect(rows.count > 0 || call.contains("domain"), "\(call)")
        }
    }

    @Test func `history adds up by day, month and credential, with what became of the mail`() async throws {
        let fixture = try await Fixture()
        for (instant, credential, recipients) in [
            ("2026-05-30T12:00:00Z", "acme.a", 2), ("2026-05-31T12:00:00Z", "acme.a", 3),
            ("2026-06-01T12:00:00Z", "acme.b", 4), ("2026-06-01T13:00:00Z", "acme.a", 5),
        ] {
            try await fixture.clock(instant)
            #expect(try await fixture.send(Mail(credential: credential, recipients: recipients)).verdict == "accepted")
        }
        try await fixture.main.query(
            """
            INSERT INTO gatepost.outcome_hour (tenant_id, starts, delivered, deferred, bounced)
            SELECT t.id, x.at::timestamptz, 2, 1, 1 FROM gatepost.tenant t,
                (VALUES ('2026-05-31T12:00Z'), ('2026-06-01T13:00Z'), ('2026-06-02T01:00Z')) AS x (at)
            """)
        func history(_ arguments: String) async throws -> [String] {
            try await fixture.main.query(
                "SELECT concat_ws(' ', starts, name, recipients, messages, delivered, deferred, bounced) AS line"
                    + " FROM admin.usage_history('acme', \(arguments))"
            ).map { try $0.string("line") }
        }
        #expect(
            try await history("'day', NULL, NULL, 'tenant', NULL") == [
                "2026-05-30 2 1 0 0 0", "2026-05-31 3 1 2 1 1", "2026-06-01 9 2 2 1 1", "2026-06-02 0 0 2 1 1",
            ])
        #expect(
            try await history("'month', NULL, NULL, 'tenant', NULL") == [
                "2026-05-01 5 2 2 1 1", "2026-06-01 9 2 4 2 2",
            ])
        #expect(
            try await history("'day', '2026-06-01', '2026-06-01', 'credential', NULL") == [
                "2026-06-01 acme.a 5 1", "2026-06-01 acme.b 4 1",
            ])
        #expect(
            try await history("'month', NULL, NULL, 'credential', 'acme.a'") == [
                "2026-05-01 acme.a 5 2", "2026-06-01 acme.a 5 1",
            ])
    }
}
