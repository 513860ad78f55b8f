import Postgres
import TestSupport
import Testing

/// What a credential may do, how it is changed, suspended, rotated and checked, and its certificates.
@Suite struct CredentialTests {
    private func set(_ changes: String, _ fixture: Fixture) async throws -> String? {
        try await fixture.main.query(
            "SELECT s::text AS t FROM admin.credential_set('tester', 'acme.a', $1::jsonb) s", [.json(changes)]
        ).first?.string("t")
    }

    @Test func `every term is stored, and told back as it was and as it is`() async throws {
        let fixture = try await Fixture()
        let terms = """
            {"label": "shop", "mode": "test", "daily": 5, "monthly": 50, "rate": 60, "burst": 10, "bytes_daily": 1000,
             "message_size": 4096, "recipients_per_message": 7, "sessions": 3, "networks": ["2001:db8::/32", "10.0.0.0/8"],
             "senders": ["acme.example", "a@acme.example"], "mechanisms": ["PLAIN", "LOGIN"],
             "not_before": "2026-01-01T00:00:00Z", "expires": "2027-01-01T00:00:00+01:00"}
            """
        let changed = try await set(terms, fixture)
        #expect(changed?.hasPrefix("(t,") == true)
        #expect(
            try await fixture.text(
                """
                SELECT (label, mode, daily_cap, monthly_cap, rate, burst, bytes_daily_cap, message_size,
                        recipients_per_message, sessions, networks, senders, mechanisms, not_before, expires_at)
                FROM admin.credential WHERE name = 'acme.a'
                """)
                == #"(shop,test,5,50,60,10,1000,4096,7,3,"{10.0.0.0/8,2001:db8::/32}","{a@acme.example,acme.example}","#
                + #""{LOGIN,PLAIN}","2026-01-01 00:00:00+00","2026-12-31 23:00:00+00")"#)
        #expect(try await set(terms, fixture) == "(f,{},{})", "a repeat changes nothing")
        #expect(
            try await set(#"{"daily": null, "rate": null, "senders": null}"#, fixture)
                == #"(t,"{""rate"": 60, ""burst"": 10, ""daily"": 5, ""senders"": [""a@acme.example"", ""acme.example""]}","#
                + #""{""rate"": null, ""burst"": null, ""daily"": null, ""senders"": null}")"#)
        let audit = try await fixture.text(
            "SELECT detail -> 'becomes' ->> 'monthly' FROM admin.audit WHERE action = 'credential set' ORDER BY id LIMIT 1"
        )
        #expect(audit == "50")
        let event = try await fixture.number(
            """
            SELECT count(*) FROM gatepost.event e JOIN gatepost.credential c ON c.id = e.credential_id
            WHERE e.kind = 'credential_changed' AND c.name = 'acme.a' AND e.detail ->> 'action' = 'credential set'
            """)
        #expect(event == 2)
    }

    @Test func `what cannot be is refused with a sentence, for a new credential, an old one and a list`() async throws {
        let fixture = try await Fixture()
        try await fixture.tenant("bolt")
        let refused = [
            (#"{"daily": 0}"#, "daily cannot be 0"), (#"{"daily": -1}"#, "daily cannot be -1"),
            (#"{"monthly": 1.5}"#, "monthly cannot be 1.5"), (#"{"message_size": 5}"#, "message_size cannot be 5"),
            (#"{"sessions": 0}"#, "sessions cannot be 0"), (#"{"burst": 5}"#, "a burst needs a rate"),
            (#"{"mode": "dry"}"#, #"mode cannot be "dry""#), (#"{"networks": []}"#, "networks cannot be []"),
            (#"{"networks": ["10.0.0.1/8"]}"#, "networks cannot be 10.0.0.1/8"),
            (#"{"senders": ["bolt.example"]}"#, #""bolt.example" is not within the tenant's sender domains"#),
            (#"{"senders": ["a@b@bolt.example"]}"#, "is not within the tenant's sender domains"),
            (#"{"senders": ["x.acme.example"]}"#, "is not within the tenant's sender domains"),
            (#"{"senders": ["*@acme.example"]}"#, #"a sender cannot be "*@acme.example""#),
            (#"{"senders": ["@acme.example"]}"#, "a sender cannot be"),
            (#"{"mechanisms": ["CRAM-MD5"]}"#, "mechanisms cannot be CRAM-MD5"),
            (#"{"expires": "2026-13-01T00:00:00Z"}"#, "expires cannot be"),
            (#"{"expires": "tomorrow"}"#, "expires cannot be"),
            (#"{"not_before": "2027-01-01T00:00:00Z", "expires": "2026-01-01T00:00:00Z"}"#, "end before it begins"),
            (#"{"daly": 5}"#, #"a credential has no "daly""#), ("[]", "changes must be an object"),
        ]
        for (terms, sentence) in refused {
            for call in [
                "SELECT admin.credential_set('tester', 'acme.a', $1::jsonb)",
                "SELECT admin.credential_issue('tester', 'acme', 'acme.n', 'SCRAM-SHA-256$4096:c$a:b', NULL, $1::jsonb)",
                """
                SELECT admin.credential_issue_many('tester', '{acme}', '{acme.n}', '{SCRAM-SHA-256$4096:c$a:b}', '{NULL}',
                                                   ARRAY[$1::jsonb::text])
                """,
            ] {
                await #expect("\(terms)") {
                    try await fixture.main.query(call, [.json(terms)])
                } throws: {
                    let error = $0 as? DatabaseError
                    return error?.sqlState == "GP004" && error?.message.contains(sentence) == true
                }
            }
            let problems = try await fixture.main.query(
                "SELECT number, problem FROM admin.credential_problems('{acme,acme,nobody}', ARRAY['{}', $1, '{}'])",
                [.text(terms)])
            #expect(try problems.map { try $0.int64("number") } == [2, 3])
            #expect(try problems.first?.string("problem").contains(sentence) == true)
        }
        #expect(try await fixture.number("SELECT count(*) FROM gatepost.credential") == 4)
    }

    @Test func `many are made at once or none, and a repeat makes none twice`() async throws {
        let fixture = try await Fixture()
        try await fixture.tenant("bolt")
        func issue(_ last: String) async throws -> String? {
            try await fixture.text(
                """
                SELECT admin.credential_issue_many('tester', '{bolt,acme,acme}', ARRAY['bolt.n', 'acme.n', $1],
                    '{SCRAM-SHA-256$4096:c$a:b,SCRAM-SHA-256$4096:d$a:b,SCRAM-SHA-256$4096:e$a:b}', '{NULL,NULL,NULL}',
                    ARRAY['{"daily": 5}', '{}', '{"label": "x"}'])
                """, [.text(last)])
        }
        await #expect {
            _ = try await issue("acme.a")
        } throws: {
            ($0 as? DatabaseError)?.sqlState == "GP003"
        }
        #expect(try await fixture.number("SELECT count(*) FROM gatepost.credential") == 4)
        #expect(try await issue("acme.m") == "3")
        #expect(try await issue("acme.m") == "0")
        #expect(try await fixture.number("SELECT count(*) FROM admin.audit WHERE action = 'credential issue'") == 7)
        #expect(try await fixture.number("SELECT daily_cap FROM admin.credential WHERE name = 'bolt.n'") == 5)
    }

    @Test func `suspended with a reason, resumed, and never what is revoked`() async throws {
        let fixture = try await Fixture()
        let suspend = "SELECT admin.credential_suspend('tester', 'acme.a', $1)"
        #expect(try await fixture.text(suspend, [.text("bought list")]) == "true")
        #expect(try await fixture.text(suspend, [.text("bought list")]) == "false")
        let first = try await fixture.text("SELECT suspended_at FROM admin.credential WHERE name = 'acme.a'")
        #expect(try await fixture.text(suspend, [.text("still")]) == "true")
        let row = "SELECT (suspended_at, suspended_reason) FROM admin.credential WHERE name = 'acme.a'"
        #expect(try await fixture.text(row)?.contains("still") == true)
        #expect(try await fixture.text("SELECT suspended_at FROM admin.credential WHERE name = 'acme.a'") == first)
        #expect(try await fixture.text("SELECT admin.credential_resume('tester', 'acme.a')") == "true")
        #expect(try await fixture.text("SELECT admin.credential_resume('tester', 'acme.a')") == "false")
        #expect(try await fixture.text(row) == "(,)")
        try await fixture.main.query("SELECT admin.credential_revoke('tester', 'acme.a', NULL)")
        for call in [
            "admin.credential_suspend('tester', 'acme.a', NULL)", "admin.credential_resume('tester', 'acme.a')",
            "admin.credential_set('tester', 'acme.a', '{\"daily\": 5}')",
        ] {
            await #expect("\(call)") {
                try await fixture.main.query("SELECT \(call)")
            } throws: {
                ($0 as? DatabaseError)?.sqlState == "GP005"
            }
        }
    }

    @Test
    func `a rotation ends older secrets by the database's clock, and no certificate`()
        async throws
    {
        let fixture = try await Fixture()
        try await fixture.clock("2026-06-15 10:00:00+00")
        try await fixture.main.query(
            "SELECT admin.credential_certificate_add('tester', 'acme.a', sha256('c'), '2027-01-01')")
        func rotate(_ salt: String, _ grace: String) async throws -> String? {
            try await fixture.text(
                """
                SELECT r FROM admin.credential_rotate('tester', 'acme.a', 'SCRAM-SHA-256$4096:' || $1 || '$a:b', NULL,
                                                      $2::interval) r
                """, [.text(salt), .text(grace)])
        }
        let first = #"{""2026-06-18 10:00:00+00""}"#
        #expect(
            try await rotate("r", "72 hours") == #"(acme.a.2,"2026-06-18 10:00:00+00",t,{acme.a},"\#(first)")"#)
        #expect(
            try await rotate("r", "72 hours") == #"(acme.a.2,"2026-06-18 10:00:00+00",f,{acme.a},"\#(first)")"#)
        // While two are valid: the first keeps its nearer end, the second gets one.
        let both = #"{""2026-06-18 10:00:00+00"",""2026-06-22 10:00:00+00""}"#
        #expect(
            try await rotate("s", "7 days")
                == #"(acme.a.3,"2026-06-22 10:00:00+00",t,"{acme.a,acme.a.2}","\#(both)")"#)
        try await fixture.clock("2026-06-20 10:00:00+00")
        #expect(
            try await rotate("t", "0") == #"(acme.a.4,"2026-06-20 10:00:00+00",t,"{acme.a.2,acme.a.3}","#
                + #""{""2026-06-20 10:00:00+00"",""2026-06-20 10:00:00+00""}")"#)
        #expect(
            try await fixture.text(
                """
                SELECT string_agg(name || ' ' || coalesce(valid_until::date::text, '-'), ', ' ORDER BY id)
                FROM admin.login WHERE credential = 'acme.a'
                """
            )
                == "acme.a 2026-06-18, acme.a.c1 2027-01-01, acme.a.2 2026-06-20, acme.a.3 2026-06-20, acme.a.4 -")
    }

    @Test func `a secret is checked where the verifiers are, with what stands in its way`() async throws {
        let fixture = try await Fixture()
        // RFC 7677's example: password `pencil`, its StoredKey by salt and 4096 iterations; one login has no digest.
        try await fixture.main.query(
            """
            SELECT admin.credential_rotate('tester', 'acme.a',
                'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:'
                || 'wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=', NULL, '1 hour')
            """)
        func check(_ secret: String, key: String = "", name: String = "acme.a", ip: String? = nil) async throws
            -> [String]
        {
            try await fixture.main.query(
                """
                SELECT c.login || ' ' || c.matches || ' ' || coalesce(c.iterations::text, '-') || ' ' || c.obstacles::text
                    AS t
                FROM admin.credential_check($1, sha256(convert_to($2, 'UTF8')), '{acme.a.2}',
                                            ARRAY[decode($3, 'base64')], $4) c
                """, [.text(name), .text(secret), .text(key), .optional(ip)]
            ).map { try $0.string("t") }
        }
        let storedKey = "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
        #expect(try await check("x") == ["acme.a true - {}", "acme.a.2 false 4096 {}"])
        #expect(try await check("pencil", key: storedKey) == ["acme.a false - {}", "acme.a.2 true 4096 {}"])
        #expect(try await check("x", name: "acme.a.2") == ["acme.a.2 false 4096 {}"])
        _ = try await set(#"{"networks": ["192.0.2.0/24"], "not_before": "2999-01-01T00:00:00Z"}"#, fixture)
        #expect(try await check("x", ip: "192.0.2.1").first == "acme.a true - {credential_not_yet}")
        #expect(try await check("x", ip: "::1").first == "acme.a true - {credential_not_yet,network}")
        try await fixture.main.query("SELECT admin.credential_suspend('tester', 'acme.a', NULL)")
        try await fixture.main.query("SELECT admin.tenant_suspend('tester', 'acme', NULL, false)")
        #expect(
            try await check("x").first == "acme.a true - {tenant_suspended,credential_suspended,credential_not_yet}")
        try await fixture.main.query("SELECT admin.credential_revoke('tester', 'acme.a', NULL)")
        #expect(try await check("x").first?.contains("credential_revoked") == true)
        await #expect {
            _ = try await check("x", name: "acme.zz")
        } throws: {
            ($0 as? DatabaseError)?.sqlState == "GP002"
        }
    }

    @Test func `a certificate is one credential's at a time, until its login has ended`() async throws {
        let fixture = try await Fixture()
        func add(_ credential: String, _ end: String = "2999-01-01") async throws -> String? {
            try await fixture.text(
                "SELECT c FROM admin.credential_certificate_add('tester', $1, sha256('c'), $2::timestamptz) c",
                [.text(credential), .text(end)])
        }
        #expect(try await add("acme.a") == "(acme.a.c1,t)")
        #expect(try await add("acme.a") == "(acme.a.c1,f)")
        await #expect {
            _ = try await add("acme.b")
        } throws: {
            let error = $0 as? DatabaseError
            return error?.sqlState == "GP003" && error?.message.contains("acme.a.c1") == true
        }
        let remove = "SELECT admin.credential_certificate_remove('tester', 'acme.a.c1')"
        #expect(try await fixture.text(remove) == "true")
        #expect(try await fixture.text(remove) == "false")
        #expect(try await add("acme.b") == "(acme.b.c1,t)")
        #expect(try await fixture.text("SELECT admin.credential_certificate_remove('tester', 'acme.b.c1')") == "true")
        #expect(try await add("acme.a") == "(acme.a.c2,t)", "a name is not used again")
        for (call, state) in [
            ("admin.credential_certificate_remove('tester', 'acme.a')", "GP004"),
            ("admin.credential_certificate_remove('tester', 'acme.zz')", "GP002"),
            ("admin.credential_certificate_add('tester', 'acme.a', sha256('d'), '2020-01-01')", "GP004"),
            ("admin.credential_certificate_add('tester', 'acme.a', 'short', '2999-01-01')", "GP004"),
        ] {
            await #expect("\(call)") {
                try await fixture.main.query("SELECT \(call)")
            } throws: {
                ($0 as? DatabaseError)?.sqlState == state
            }
        }
    }

    @Test func `each limit tells where it comes from, and what is used of it`() async throws {
        let fixture = try await Fixture()
        try await fixture.clock("2026-06-15 10:00:00+00")
        _ = try await fixture.send([Mail(), Mail(credential: "acme.b", recipients: 9)])
        try await fixture.clock("2026-06-16 10:00:00+00")
        _ = try await fixture.send(Mail(recipients: 2, size: 70))
        try await fixture.main.query(
            """
            INSERT INTO gatepost.plan (name, limits) VALUES ('gold', '{"monthly": 9000}');
            """)
        try await fixture.main.query(
            """
            UPDATE gatepost.tenant SET plan_id = (SELECT id FROM gatepost.plan), monthly_cap = 9000, sessions = 7,
                own = '{sessions}'
            """)
        _ = try await set(#"{"daily": 5, "sessions": 9}"#, fixture)
        let lines = try await fixture.main.query(
            "SELECT l::text AS line FROM admin.credential_limits('acme.a') l"
        ).map { try $0.string("line") }
        #expect(
            lines == [
                "(daily,5,1000,default,5,2)", #"(monthly,,9000,"plan gold",9000,3)"#, "(rate,,,default,,)",
                "(burst,,,default,,)", "(bytes_daily,,,default,,70)", "(message_size,,26214400,default,26214400,)",
                "(recipients_per_message,,100,default,100,)", "(sessions,9,7,tenant,7,)",
            ])
    }
}
