import Postgres
import TestSupport
import Testing

/// Setting a limit on first-time recipients: nobody waits while a tenant's past is read, and none of it is missed.
@Suite struct FirstTimeTests {
    @Test func `what is accepted while the past is read is known too`() async throws {
        let fixture = try await Fixture()
        #expect(try await fixture.send(Mail(recipients: 2)).verdict == "accepted")
        let operation = fixture.session()
        try await operation.query("BEGIN")
        try await operation.query(
            """
            CREATE TEMPORARY TABLE prepared ON COMMIT DROP AS
            SELECT p.* FROM gatepost.correspondent_prepare(ARRAY(
                SELECT jsonb_populate_record(t, '{"first_time_daily_cap": 1}') FROM gatepost.tenant t)) p
            """)
        // The meter is free: this would be refused after a second, if it was not.
        #expect(try await fixture.send(Mail(recipients: 5)).verdict == "accepted")
        #expect(try await fixture.number("SELECT count(*) FROM gatepost.correspondent") == 0, "not committed yet")
        try await operation.query(
            """
            SELECT gatepost.tenant_store(t, jsonb_populate_record(t, '{"first_time_daily_cap": 1}'), ledger.clock(),
                                         p.since)
            FROM (SELECT gatepost.lock_meters(ARRAY(SELECT t.id FROM gatepost.tenant t)) OFFSET 0) l, gatepost.tenant t,
                 prepared p
            """)
        try await operation.query("COMMIT")
        #expect(try await fixture.number("SELECT count(*) FROM gatepost.correspondent") == 5)
        #expect(try await fixture.verdicts([Mail(recipients: 5), Mail(recipients: 6)]) == ["accepted", "accepted"])
        #expect(try await fixture.send(Mail(recipients: 8)).verdict == "cap_first_time")
    }

    @Test func `the operator's command reads the past before it locks, and a plan's too`() async throws {
        let fixture = try await Fixture()
        #expect(try await fixture.send(Mail(recipients: 3)).verdict == "accepted")
        try await fixture.set(#"{"first_time_daily": 1}"#)
        #expect(try await fixture.number("SELECT count(*) FROM gatepost.correspondent") == 3)
        try await fixture.set(#"{"first_time_daily": null}"#)
        #expect(try await fixture.send(Mail(recipients: 4)).verdict == "accepted")
        try await fixture.main.query(#"SELECT admin.plan_create('u', 'small', '{"first_time_daily": 1}')"#)
        try await fixture.set(#"{"plan": "small", "first_time_daily": "inherit"}"#)
        #expect(try await fixture.number("SELECT count(*) FROM gatepost.correspondent") == 4)
        #expect(try await fixture.send(Mail(recipients: 4)).verdict == "accepted")
        #expect(try await fixture.send(Mail(recipients: 6)).verdict == "cap_first_time")
    }
}
