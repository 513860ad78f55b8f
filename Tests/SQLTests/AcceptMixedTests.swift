import Postgres
import TestSupport
import Testing

/// A batch of several senders is decided as a whole where all of it fits, and message by message where it does not: what
/// is said and what is counted must not depend on it.
@Suite struct AcceptMixedTests {
    private func site() async throws -> Fixture {
        let fixture = try await Fixture()
        try await fixture.tenant("bolt")
        try await fixture.set(#"{"daily": 100, "monthly": 1000, "bytes_daily": 100000, "warn": []}"#)
        try await fixture.set(#"{"daily": 50, "warn": []}"#, "bolt")
        try await fixture.clock("2026-06-01 10:00:00+00")
        return fixture
    }

    private static let batch = [
        Mail(recipients: 2, size: 400), Mail(tenant: "bolt", recipients: 3), Mail(credential: "acme.b", recipients: 4),
        Mail(recipients: 1, digest: "x"),
    ]

    @Test func `all that fits is accepted and counted for each tenant and credential`() async throws {
        let fixture = try await site()
        let said = try await fixture.send(Self.batch)
        #expect(said.map(\.verdict) == ["accepted", "accepted", "accepted", "accepted"])
        // What is left when all of the batch has been counted.
        #expect(said.map(\.remaining) == [93, 47, 93, 93])
        #expect(said.map(\.id) == said.map(\.queueID))
        #expect(try await fixture.balance() == [7, 7, 7, 7, 7, 7])
        #expect(try await fixture.balance("bolt") == [3, 3, 3, 3, 3, 3])
        let credentials = try await fixture.main.query(
            """
            SELECT c.name || ' ' || u.recipients || ' ' || u.messages || ' ' || u.bytes AS line
            FROM gatepost.usage u JOIN gatepost.credential c ON c.id = u.credential_id ORDER BY c.name
            """
        ).map { try $0.string("line") }
        #expect(credentials == ["acme.a 3 2 500", "acme.b 4 1 100", "bolt.a 3 1 100"])
        let domains = "SELECT string_agg(domain || ' ' || recipients, ', ' ORDER BY domain) FROM gatepost.usage_domain"
        #expect(try await fixture.text(domains) == "acme.example 7, bolt.example 3")
        #expect(try await fixture.number("SELECT count(*) FROM gatepost.event WHERE kind = 'accepted'") == 4)
        // The fence keeps what was said.
        let again = try await fixture.send([Mail(recipients: 1, digest: "x"), Mail(credential: "acme.b")])
        #expect(again.map(\.verdict) == ["resubmitted", "accepted"])
        #expect(again[0].queueID == said[3].id)
    }

    @Test(arguments: [
        ("UPDATE gatepost.tenant SET daily_cap = 6 WHERE slug = 'acme'", "cap_daily", 3),
        ("UPDATE gatepost.tenant SET monthly_cap = 6 WHERE slug = 'acme'", "cap_monthly", 3),
        ("UPDATE gatepost.tenant SET bytes_daily_cap = 550 WHERE slug = 'acme'", "cap_bytes_daily", 3),
        ("UPDATE gatepost.tenant SET daily_cap = 2 WHERE slug = 'bolt'", "cap_daily", 1),
        ("UPDATE gatepost.tenant SET status = 'suspended' WHERE slug = 'bolt'", "tenant_suspended", 1),
        ("UPDATE gatepost.tenant SET message_size = 1024 WHERE slug = 'acme'", "", -1),
        ("UPDATE gatepost.tenant SET recipients_per_message = 3 WHERE slug = 'acme'", "too_many_recipients", 2),
        ("UPDATE gatepost.tenant SET rate = 1, burst = 3 WHERE slug = 'bolt'", "", -1),
        ("UPDATE gatepost.tenant SET first_time_daily_cap = 2 WHERE slug = 'bolt'", "cap_first_time", 1),
        ("UPDATE gatepost.tenant SET shadow_daily_cap = 1 WHERE slug = 'bolt'", "", -1),
        ("UPDATE gatepost.credential SET daily_cap = 3 WHERE name = 'acme.b'", "cap_credential_daily", 2),
        ("UPDATE gatepost.credential SET monthly_cap = 3 WHERE name = 'acme.b'", "cap_credential_monthly", 2),
        ("UPDATE gatepost.credential SET bytes_daily_cap = 99 WHERE name = 'acme.b'", "message_size", 2),
        ("UPDATE gatepost.credential SET daily_cap = 2 WHERE name = 'acme.a'", "cap_credential_daily", 3),
        ("UPDATE gatepost.credential SET rate = 1, burst = 3 WHERE name = 'acme.b'", "", -1),
        ("UPDATE gatepost.credential SET recipients_per_message = 3 WHERE name = 'acme.b'", "too_many_recipients", 2),
        ("UPDATE gatepost.credential SET revoked_at = now() WHERE name = 'acme.b'", "credential_revoked", 2),
        ("UPDATE gatepost.credential SET suspended_at = now() WHERE name = 'acme.b'", "credential_suspended", 2),
        ("UPDATE gatepost.credential SET expires_at = gatepost.clock() WHERE name = 'acme.b'", "credential_expired", 2),
        (
            "UPDATE gatepost.credential SET not_before = gatepost.clock() + interval '1 s' WHERE name = 'acme.b'",
            "credential_not_yet", 2
        ),
        ("UPDATE gatepost.credential SET senders = '{x@acme.example}' WHERE name = 'acme.b'", "sender_address", 2),
        ("UPDATE gatepost.credential SET mode = 'test' WHERE name = 'acme.b'", "", -1),
        ("UPDATE gatepost.login SET valid_until = gatepost.clock() WHERE name = 'acme.b'", "login_expired", 2),
        (
            "UPDATE gatepost.sender_domain SET verified_at = NULL, verified_by = NULL WHERE domain = 'bolt.example'",
            "sender_domain", 1
        ),
        ("UPDATE gatepost.tenant SET warn_percents = '{5}' WHERE slug = 'acme'", "", -1),
        ("UPDATE gatepost.tenant SET resubmission = false", "", -1),
        ("UPDATE gatepost.tenant SET daily_window = 'rolling' WHERE slug = 'acme'", "", -1),
    ])
    func `what does not fit is refused alone`(change: String, verdict: String, of refused: Int) async throws {
        let fixture = try await site()
        try await fixture.main.query(change)
        let said = try await fixture.send(Self.batch).map(\.verdict)
        #expect(said == (0..<4).map { $0 == refused ? verdict : "accepted" })
        let isTest = change.contains("'test'")
        let acme: Int64 = refused == 2 || isTest ? 3 : refused == 3 ? 6 : 7
        #expect(try await fixture.balance().prefix(5) == [acme, acme, acme, acme, acme])
        let bolt: Int64 = refused == 1 ? 0 : 3
        #expect(try await fixture.balance("bolt") == [bolt, bolt, bolt, bolt, bolt, bolt])
    }

    @Test func `a cap is filled to the last recipient by a batch of two senders, and not one further`() async throws {
        let fixture = try await site()
        try await fixture.set(#"{"daily": 10}"#)
        func pair(_ first: Int, _ second: Int) -> [Mail] {
            [Mail(recipients: first), Mail(credential: "acme.b", recipients: second)]
        }
        #expect(try await fixture.verdicts(pair(3, 3)) == ["accepted", "accepted"])
        #expect(try await fixture.verdicts(pair(2, 2)) == ["accepted", "accepted"])
        #expect(try await fixture.verdicts(pair(1, 1)) == ["cap_daily", "cap_daily"])
        #expect(try await fixture.balance() == [10, 10, 10, 10, 10, 10])
    }

    @Test func `suppressed recipients are dropped from a batch of two senders too`() async throws {
        let fixture = try await site()
        try await fixture.main.query(
            """
            INSERT INTO gatepost.suppression (tenant_id, address, reason)
            SELECT t.id, 'r1@remote.example', 'bounced' FROM gatepost.tenant t WHERE t.slug = 'acme'
            """)
        let said = try await fixture.send([Mail(recipients: 2), Mail(credential: "acme.b", recipients: 2)])
        #expect(said.map(\.verdict) == ["accepted", "accepted"])
        #expect(said.map(\.detail) == ["suppressed 1", "suppressed 1"])
        #expect(try await fixture.balance() == [2, 2, 2, 2, 2, 2])
    }

    @Test func `the same content twice in a batch of two senders is one message of each`() async throws {
        let fixture = try await site()
        let mail = [
            Mail(digest: "y"), Mail(credential: "acme.b", digest: "y"), Mail(digest: "y"), Mail(credential: "acme.b"),
        ]
        #expect(try await fixture.verdicts(mail) == ["accepted", "accepted", "resubmitted", "accepted"])
        #expect(try await fixture.balance() == [3, 3, 3, 3, 3, 3])
    }
}
