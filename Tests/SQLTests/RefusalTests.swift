import Postgres
import TestSupport
import Testing

/// Who may not send, and what is not found.
@Suite struct RefusalTests {
    @Test func `what is not found is refused, and charges nobody`() async throws {
        let fixture = try await Fixture()
        try await fixture.tenant("bolt")
        let verdicts = try await fixture.verdicts([
            Mail(tenant: "nobody", sender: "acme.example", from: "acme.example"),
            Mail(tenant: "nobody", credential: "acme.a", sender: "acme.example", from: "acme.example"),
            Mail(credential: "bolt.a"),
            Mail(credential: "acme.zzz"),
            Mail(tenant: "bolt", credential: "acme.a"),
            Mail(sender: "bolt.example"),
            Mail(from: "bolt.example"),
            Mail(sender: ""),
            Mail(sender: "sub.acme.example"),
            Mail(),
        ])
        #expect(
            verdicts == [
                "tenant_unknown", "tenant_unknown", "credential_unknown", "credential_unknown", "credential_unknown",
                "sender_domain", "from_domain", "sender_domain", "sender_domain", "accepted",
            ])
        #expect(try await fixture.balance("acme") == [1, 1, 1, 1, 1, 1])
        #expect(try await fixture.balance("bolt") == [0, 0, 0, 0, 0, 0])
        #expect(try await fixture.number("SELECT count(*) FROM gatepost.recipient") == 1)
    }

    @Test func `a domain that is listed and not yet verified is refused`() async throws {
        let fixture = try await Fixture()
        try await fixture.main.query("SELECT admin.domain_add('tester', 'acme', 'pending.example', false)")
        let verdict = try await fixture.send(Mail(sender: "pending.example"))
        #expect(verdict.verdict == "sender_domain")
        #expect(verdict.detail == "pending.example")
    }

    @Test func `the null path passes where the tenant may use it, and the From domain is checked all the same`()
        async throws
    {
        let fixture = try await Fixture()
        try await fixture.set(#"{"null_sender": true}"#)
        #expect(
            try await fixture.verdicts([Mail(sender: ""), Mail(sender: "", from: "other.example")])
                == ["accepted", "from_domain"])
        #expect(try await fixture.send(Mail(sender: "")).verdict == "accepted")
        #expect(try await fixture.send(Mail(sender: "", from: "")).verdict == "from_domain")
    }

    @Test func `suspended says why, and resumed goes on`() async throws {
        let fixture = try await Fixture()
        try await fixture.main.query("SELECT admin.tenant_suspend('tester', 'acme', 'unpaid', false)")
        let refused = try await fixture.send()
        #expect(refused.verdict == "tenant_suspended")
        #expect(refused.detail == "unpaid")
        try await fixture.main.query("SELECT admin.tenant_resume('tester', 'acme')")
        #expect(try await fixture.send().verdict == "accepted")
    }

    @Test func `credentials and logins end at their instant`() async throws {
        let fixture = try await Fixture()
        try await fixture.main.query(
            "UPDATE gatepost.credential SET expires_at = '2026-06-01 12:00Z' WHERE name = 'acme.a'")
        try await fixture.main.query(
            "UPDATE gatepost.login SET valid_until = '2026-06-01 13:00Z' WHERE name = 'acme.b'")
        try await fixture.clock("2026-06-01 11:59:59.999999+00")
        let both = [Mail(), Mail(credential: "acme.b")]
        #expect(try await fixture.verdicts(both) == ["accepted", "accepted"])
        try await fixture.clock("2026-06-01 12:00:00+00")
        #expect(try await fixture.verdicts(both) == ["credential_expired", "accepted"])
        try await fixture.clock("2026-06-01 13:00:00+00")
        #expect(try await fixture.verdicts(both) == ["credential_expired", "login_expired"])
    }

    @Test func `a null in the batch's identities is refused, not compared`() async throws {
        let fixture = try await Fixture()
        let calls = [
            ("NULL::bigint", "c.id", "l.id", "tenant_unknown"),
            ("t.id", "NULL::bigint", "l.id", "credential_unknown"),
            ("t.id", "c.id", "NULL::bigint", "credential_unknown"),
        ]
        for (tenant, credential, login, verdict) in calls {
            let answer = try await fixture.main.query(
                """
                SELECT a.verdict FROM gatepost.tenant t JOIN gatepost.credential c ON c.name = 'acme.a'
                JOIN gatepost.login l ON l.name = 'acme.a', LATERAL ledger.accept(gen_random_uuid(), NULL,
                ARRAY[gatepost.uuid_new(ledger.clock())], ARRAY[\(tenant)], ARRAY[\(credential)], ARRAY[\(login)],
                '{a@acme.example}', '{acme.example}', '{acme.example}', ARRAY['x'::bytea], '{1}', ARRAY[NULL::bytea],
                ARRAY[NULL], ARRAY[NULL::bytea], ARRAY[NULL], '{1}', '{r@x.example}', '{x.example}') a
                """)
            #expect(try answer.map { try $0.string("verdict") } == [verdict])
        }
        #expect(try await fixture.number("SELECT count(*) FROM gatepost.message") == 0)
    }

    @Test func `arrays of different lengths, and a message for nobody, are errors`() async throws {
        let fixture = try await Fixture()
        await #expect {
            _ = try await fixture.send(Mail(recipients: 0))
        } throws: {
            ($0 as? DatabaseError)?.sqlState == "22023"
        }
    }
}
