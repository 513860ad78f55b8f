import Postgres
import Testing

/// Administrative changes against an accept under way, from two database sessions, step by step and in both orders.
/// A wait is seen in pg_locks, never guessed by time.
@Suite struct RaceTests {
    /// A change of the operator's, and what accept must say once it has returned.
    struct Change: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let sql: String
        let verdict: String
    }

    static let changes = [
        Change(
            testDescription: "revoke", sql: "SELECT admin.credential_revoke('tester', 'acme.a', 'leaked')",
            verdict: "credential_revoked"),
        Change(
            testDescription: "suspend", sql: "SELECT admin.tenant_suspend('tester', 'acme', 'unpaid', false)",
            verdict: "tenant_suspended"),
        Change(
            testDescription: "a lowered cap", sql: #"SELECT admin.tenant_set('tester', 'acme', '{"daily": 2}')"#,
            verdict: "cap_daily"),
        Change(
            testDescription: "a removed domain",
            sql: "SELECT admin.domain_remove('tester', 'acme', 'acme.example')", verdict: "sender_domain"),
    ]

    @Test(arguments: changes)
    func `a change waits for the accept under way, and nothing comes after it`(change: Change) async throws {
        let fixture = try await Fixture()
        let node = fixture.session()
        let admin = fixture.session()
        let pid = try await Fixture.pid(admin)

        try await node.query("BEGIN")
        #expect(try await Fixture.send([Mail(recipients: 2)], on: node).map(\.verdict) == ["accepted"])
        async let changed = admin.query(change.sql)
        #expect(try await fixture.waitsForLock(pid), "the change did not wait for the accept")
        try await node.query("COMMIT")
        _ = try await changed

        #expect(try await fixture.send(Mail(recipients: 2)).verdict == change.verdict)
        #expect(try await fixture.balance() == [2, 2, 2, 2, 2, 2])
    }

    @Test(arguments: changes)
    func `an accept that waited for a change is decided by what the change left`(change: Change) async throws {
        let fixture = try await Fixture()
        let node = fixture.session()
        let admin = fixture.session()
        let pid = try await Fixture.pid(node)

        // An accept waits one second and no longer: on a crowded machine the step may need another try.
        for attempt in 1...5 {
            try await admin.query("BEGIN")
            try await admin.query(change.sql)
            async let answer = Self.answer(node)
            let waited = try await fixture.waitsForLock(pid)
            try await admin.query("COMMIT")
            let verdict = try await answer
            if verdict == "55P03", attempt < 5 { continue }
            #expect(waited || attempt > 1, "the accept did not wait for the change")
            #expect(verdict == change.verdict)
            break
        }
        #expect(try await fixture.balance() == [0, 0, 0, 0, 0, 0])
    }

    /// The verdict on a message of 3 recipients, or the SQLSTATE.
    private static func answer(_ session: DatabaseConnection) async throws -> String {
        do {
            return try await Fixture.send([Mail(recipients: 3)], on: session).first?.verdict ?? "nothing"
        } catch let error as DatabaseError {
            return error.sqlState ?? "\(error)"
        }
    }

    @Test func `two sessions at the edge of a cap: one recipient is left, one of them gets it`() async throws {
        let fixture = try await Fixture()
        try await fixture.set(#"{"daily": 3}"#)
        let first = fixture.session()
        let second = fixture.session()
        let pid = try await Fixture.pid(second)

        try await first.query("BEGIN")
        #expect(try await Fixture.send([Mail(recipients: 2)], on: first).first?.remaining == 1)
        async let other = Self.edge(second)
        let waited = try await fixture.waitsForLock(pid)
        try await first.query("COMMIT")
        let verdicts = try await other
        if verdicts != ["55P03"] {
            #expect(waited)
            #expect(verdicts == ["cap_daily", "accepted", "cap_daily"])
        }
        #expect(
            try await fixture.send(Mail(recipients: 1)).verdict == (verdicts == ["55P03"] ? "accepted" : "cap_daily"))
        #expect(try await fixture.balance() == [3, 3, 3, 3, 3, 3])
    }

    private static func edge(_ session: DatabaseConnection) async throws -> [String] {
        do {
            return try await Fixture.send([Mail(recipients: 2), Mail(), Mail()], on: session).map(\.verdict)
        } catch let error as DatabaseError {
            return [error.sqlState ?? "\(error)"]
        }
    }

    @Test func `a batch of several tenants gives up at once where one of them is busy`() async throws {
        let fixture = try await Fixture()
        try await fixture.tenant("bolt")
        let admin = fixture.session()
        try await admin.query("BEGIN")
        try await admin.query(#"SELECT admin.tenant_set('tester', 'bolt', '{"daily": 7}')"#)
        await #expect {
            _ = try await fixture.send([Mail(), Mail(tenant: "bolt")])
        } throws: {
            ($0 as? DatabaseError)?.sqlState == "55P03"
        }
        #expect(try await fixture.send().verdict == "accepted")
        try await admin.query("COMMIT")
        #expect(try await fixture.verdicts([Mail(), Mail(tenant: "bolt")]) == ["accepted", "accepted"])
    }

    @Test func `accept refuses to decide by an old snapshot`() async throws {
        let fixture = try await Fixture()
        for level in ["REPEATABLE READ", "SERIALIZABLE"] {
            try await fixture.main.query("BEGIN ISOLATION LEVEL \(level)")
            await #expect(throws: DatabaseError.self) { _ = try await fixture.send() }
            try await fixture.main.query("ROLLBACK")
        }
    }
}
