import Postgres
import TestSupport
import Testing

/// What operators change: idempotent, audited, announced, and written even where nothing is left to change.
@Suite struct AdministrationTests {
    static let changes = [
        "admin.tenant_set('tester', 'acme', '{\"daily\": 5, \"zone\": \"Asia/Tokyo\"}')",
        "admin.tenant_suspend('tester', 'acme', 'unpaid', true)",
        "admin.credential_revoke('tester', 'acme.a', NULL)",
        "(SELECT changed FROM admin.credential_set('tester', 'acme.a', '{\"daily\": 5}'))",
        "admin.credential_suspend('tester', 'acme.a', 'bought list')",
        "(SELECT created FROM admin.credential_certificate_add('tester', 'acme.a', sha256('c'), '2999-01-01'))",
        "admin.domain_remove('tester', 'acme', 'acme.example')",
        "(SELECT changed FROM admin.domain_add('tester', 'acme', 'new.example', true))",
        "(SELECT created FROM admin.pool_create('tester', 'eu'))",
        "(SELECT changed FROM admin.relay_add('tester', 'default', '127.0.0.1', 2525))",
        "(SELECT created FROM admin.tenant_create('tester', 'bolt', '{}'))",
        "(SELECT created FROM admin.plan_create('tester', 'small', '{\"daily\": 5}'))",
        "admin.plan_set('tester', 'kept', '{\"daily\": 5}')",
        "admin.plan_delete('tester', 'kept')",
        "(SELECT created FROM admin.credential_issue('tester', 'acme', 'acme.new', 'SCRAM-SHA-256$4096:c$a:b', NULL))",
    ]

    @Test(arguments: changes)
    func `a change made twice is one change, one line of audit, and a write each time`(change: String) async throws {
        let fixture = try await Fixture()
        try await fixture.main.query("SELECT admin.plan_create('tester', 'kept', '{}')")
        let audited = "SELECT count(*) FROM admin.audit"
        let before = try await fixture.number(audited)
        var transactions: [String?] = []
        for expected in ["true", "false"] {
            try await fixture.main.query("BEGIN")
            #expect(try await fixture.text("SELECT \(change)") == expected)
            // A repeat after doubt proves something only if its commit writes.
            transactions.append(try await fixture.text("SELECT pg_current_xact_id_if_assigned()"))
            try await fixture.main.query("COMMIT")
        }
        #expect(transactions.allSatisfy { $0 != nil })
        #expect(try await fixture.number(audited) == before + 1)
        #expect(
            try await fixture.text("SELECT os_user FROM admin.audit ORDER BY id DESC LIMIT 1") == "tester")
    }

    @Test func `what cannot be is refused with a reason, and changes nothing`() async throws {
        let fixture = try await Fixture()
        let refusals = [
            (#"admin.tenant_set('tester', 'acme', '{"daily": 0}')"#, "GP004"),
            (#"admin.tenant_set('tester', 'acme', '{"daily": -1}')"#, "GP004"),
            (#"admin.tenant_set('tester', 'acme', '{"daily": 1.5}')"#, "GP004"),
            (#"admin.tenant_set('tester', 'acme', '{"daily": 9223372036854775808}')"#, "GP004"),
            (#"admin.tenant_set('tester', 'acme', '{"daily": "5"}')"#, "GP004"),
            (#"admin.tenant_set('tester', 'acme', '{"recipients_per_message": null}')"#, "GP004"),
            (#"admin.tenant_set('tester', 'acme', '{"burst": 5}')"#, "GP004"),
            (#"admin.tenant_set('tester', 'acme', '{"zone": "Mars/Olympus"}')"#, "GP004"),
            (#"admin.tenant_set('tester', 'acme', '{"zone": "EST5EDT4"}')"#, "GP004"),
            (#"admin.tenant_set('tester', 'acme', '{"zone": "localtime"}')"#, "GP004"),
            (#"admin.tenant_set('tester', 'acme', '{"zone": "posix/Europe/Brussels"}')"#, "GP004"),
            (#"admin.tenant_set('tester', 'acme', '{"daly": 5}')"#, "GP004"),
            (#"admin.tenant_set('tester', 'acme', '{"pool": "none"}')"#, "GP002"),
            (#"admin.tenant_set('tester', 'nobody', '{}')"#, "GP002"),
            (#"admin.tenant_create('tester', 'Acme', '{}')"#, "GP004"),
            (#"admin.tenant_create('tester', '-rf', '{}')"#, "GP004"),
            (#"admin.tenant_create('', 'bolt', '{}')"#, "GP004"),
            (#"admin.credential_revoke('tester', 'acme.zzz', NULL)"#, "GP002"),
            (#"admin.credential_issue('tester', 'acme', 'acme.a', 'SCRAM-SHA-256$4096:d$a:b', NULL)"#, "GP003"),
            (#"admin.credential_issue('tester', 'acme', 'bolt.a', 'SCRAM-SHA-256$4096:c$a:b', NULL)"#, "GP004"),
            (#"admin.domain_add('tester', 'acme', 'Acme.Example', true)"#, "GP004"),
            (#"admin.domain_add('tester', 'acme', 'localhost', true)"#, "GP004"),
            (#"admin.relay_add('tester', 'default', '127.0.0.1', 0)"#, "GP004"),
            (#"admin.relay_drain('tester', 'default', '127.0.0.1', 25)"#, "GP002"),
            (#"admin.relay_remove('tester', 'none', '127.0.0.1', 25)"#, "GP002"),
            (#"admin.usage('nobody')"#, "GP002"),
            (#"admin.queue_list('nobody', false, 1, NULL)"#, "GP002"),
        ]
        let before = try await fixture.text("SELECT jsonb_agg(t) FROM gatepost.tenant t")
        for (call, state) in refusals {
            await #expect("\(call)") {
                try await fixture.main.query("SELECT \(call)")
            } throws: {
                ($0 as? DatabaseError)?.sqlState == state
            }
        }
        #expect(try await fixture.text("SELECT jsonb_agg(t) FROM gatepost.tenant t") == before)
    }

    @Test func `a bare tenant has the defaults, and a login knows everything AUTH asks`() async throws {
        let fixture = try await Fixture()
        #expect(
            try await fixture.text(
                """
                SELECT (daily_cap, monthly_cap, rate, burst, message_size, recipients_per_message, sessions, policy,
                        resubmission, null_sender, foreign_names, partial, zone, pool) FROM admin.tenant
                """) == "(1000,,,,26214400,100,50,defer,t,f,t,f,UTC,default)")
        _ = try await fixture.send(Mail(recipients: 10))
        #expect(
            try await fixture.text(
                """
                SELECT (tenant, credential, sender_domains, limit_name, remaining, cap, used, tenant_status)
                FROM ledger.login('acme.a')
                """) == "(acme,acme.a,{acme.example},daily,990,1000,10,active)")
        #expect(try await fixture.main.query("SELECT * FROM ledger.login('acme.zzz')").isEmpty)
        try await fixture.set(#"{"daily": null}"#)
        #expect(
            try await fixture.text("SELECT (limit_name, remaining) FROM ledger.login('acme.a')") == "(,)")
    }

    @Test func `usage shows the day, the month and each credential that sent or has a cap`() async throws {
        let fixture = try await Fixture()
        try await fixture.clock("2026-06-15 10:00:00+00")
        _ = try await fixture.send([Mail(recipients: 2, size: 70), Mail(credential: "acme.b", size: 30)])
        let lines = try await fixture.main.query(
            """
            SELECT (u.scope, u.credential, u.starts, u.used, u.messages, u.bytes, u.cap, u.resets_at, u.resets_text)::text
                AS line
            FROM admin.usage('acme') u WHERE u.scope IN ('day', 'month', 'credential')
            """)
        #expect(
            try lines.map { try $0.string("line") } == [
                #"(day,,2026-06-15,3,2,100,1000,"2026-06-16 00:00:00+00",2026-06-16T00:00:00+00:00)"#,
                #"(month,,2026-06-01,3,2,100,,"2026-07-01 00:00:00+00",2026-07-01T00:00:00+00:00)"#,
                #"(credential,acme.a,2026-06-15,2,1,70,,"2026-06-16 00:00:00+00",2026-06-16T00:00:00+00:00)"#,
                #"(credential,acme.b,2026-06-15,1,1,30,,"2026-06-16 00:00:00+00",2026-06-16T00:00:00+00:00)"#,
            ])
    }

    @Test func `the queue is listed page by page, by tenant, and shown by message`() async throws {
        let fixture = try await Fixture()
        try await fixture.tenant("bolt")
        let sent = try await fixture.send([Mail(recipients: 2), Mail(tenant: "bolt"), Mail()]).map(\.id).sorted()
        let page = "SELECT string_agg(id::text, ' ' ORDER BY id) FROM admin.queue_list"
        #expect(try await fixture.text("\(page)(NULL, false, 2, NULL)") == sent[...1].joined(separator: " "))
        #expect(try await fixture.text("\(page)(NULL, false, 2, '\(sent[1])')") == sent[2])
        #expect(try await fixture.text("\(page)(NULL, true, 9, NULL)") == sent.joined(separator: " "))
        #expect(try await fixture.text("SELECT count(*) FROM admin.queue_list('bolt', false, 9, NULL)") == "1")
        #expect(
            try await fixture.number(
                "SELECT count(*) FROM admin.queue_list(NULL, true, 9, NULL) q, admin.queue_show(q.id)")
                == 4)
    }
}
