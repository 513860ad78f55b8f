import Postgres
import TestSupport
import Testing

/// Traps known from other systems that need no wire. (The table of all of them: `EndToEnd/TrapTests`.)
@Suite struct TrapTests {
    @Test func `crash between debit and store: there is no between, and what died has charged nothing`() async throws {
        let fixture = try await Fixture()
        try await fixture.set(#"{"daily": 3}"#)
        let node = fixture.session()
        let batch = MessageID(at: .now)
        try await node.query("BEGIN")
        #expect(
            try await Fixture.send([Mail(recipients: 3, digest: "x")], batch: batch, on: node)[0].verdict == "accepted")
        // It has the debit, the rows and the key; nobody else sees any of them. Then its server process is killed.
        try await fixture.main.query("SELECT pg_terminate_backend($1::int)", [.int64(try await Fixture.pid(node))])
        #expect(
            try await eventually {
                // (Databases made from one template have the same oids.)
                try await fixture.number(
                    """
                    SELECT count(*) FROM pg_locks WHERE relation = 'gatepost.meter'::regclass
                        AND database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
                    """) == 0
            })
        #expect(try await fixture.balance() == [0, 0, 0, 0, 0, 0])
        #expect(try await fixture.main.query("SELECT * FROM ledger.resolve($1)", [.uuid(batch)]).isEmpty)
        // The room is there still, and the message is new.
        #expect(try await fixture.send(Mail(recipients: 3, digest: "x")).verdict == "accepted")
        #expect(try await fixture.balance() == [3, 3, 3, 3, 3, 3])
    }

    @Test func `a tenant with an empty name: there is none, and null shares no counter`() async throws {
        let fixture = try await Fixture()
        for slug in ["''", "NULL", "' '"] {
            await #expect(throws: DatabaseError.self) {
                try await fixture.main.query("SELECT admin.tenant_create('tester', \(slug))")
            }
        }
        // Nor by other ways in: every counter's key is not null, and 0 is the whole tenant's, which nobody can be.
        #expect(
            try await fixture.number(
                """
                SELECT count(*) FROM pg_attribute a WHERE a.attnum > 0 AND NOT a.attnotnull
                    AND a.attrelid IN ('gatepost.usage'::regclass, 'gatepost.ledger'::regclass,
                        'gatepost.usage_hour'::regclass, 'gatepost.meter'::regclass, 'gatepost.recent'::regclass)
                    AND a.attname IN ('tenant_id', 'credential_id', 'period', 'starts', 'day', 'digest')
                """) == 0)
        #expect(try await fixture.verdicts([Mail(tenant: ""), Mail()]) == ["tenant_unknown", "accepted"])
        #expect(try await fixture.number("SELECT count(*) FROM gatepost.usage WHERE tenant_id = 0") == 0)
        #expect(try await fixture.balance() == [1, 1, 1, 1, 1, 1])
    }

    @Test(arguments: ["daily", "monthly", "rate", "burst", "sessions", "message_size", "recipients_per_message"])
    func `a limit of 0 is refused, and is neither everything nor nothing`(limit: String) async throws {
        let fixture = try await Fixture()
        for value in ["0", "-1", "0.5", "\"0\""] {
            let error = await #expect(throws: DatabaseError.self) { try await fixture.set("{\"\(limit)\": \(value)}") }
            #expect(error?.sqlState == "GP004", "\(limit) \(value)")
        }
        #expect(try await fixture.send().verdict == "accepted")
    }

    @Test func `no column of a limit can hold a 0, whoever writes it`() async throws {
        let fixture = try await Fixture()
        for (table, columns) in [
            (
                "tenant",
                "daily_cap monthly_cap rate burst bytes_daily_cap first_time_daily_cap message_size sessions "
                    + "recipients_per_message shadow_daily_cap shadow_monthly_cap shadow_bytes_daily_cap "
                    + "shadow_first_time_daily_cap"
            ),
            (
                "credential",
                "daily_cap monthly_cap rate burst bytes_daily_cap message_size recipients_per_message sessions"
            ),
        ] {
            for column in columns.split(separator: " ") {
                let error = await #expect(throws: DatabaseError.self, "\(table).\(column)") {
                    try await fixture.main.query("UPDATE gatepost.\(table) SET \(column) = 0")
                }
                #expect(error?.sqlState == "23514", "\(table).\(column)")
            }
        }
    }
}
