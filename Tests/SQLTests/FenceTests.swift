import Postgres
import TestSupport
import Testing

/// A commit in doubt: the fence before, while and after its accept; stale ids; resubmission.
@Suite struct FenceTests {
    private func resolve(_ batch: MessageID, on session: DatabaseConnection) async throws -> [Verdict] {
        try await session.query("SELECT * FROM ledger.resolve($1)", [.uuid(batch)]).map(Verdict.init)
    }

    @Test func `a committed batch is found with its verdicts, as often as one asks`() async throws {
        let fixture = try await Fixture()
        try await fixture.set(#"{"daily": 2}"#)
        let batch = MessageID(at: .now)
        let said = try await fixture.send([Mail(), Mail(recipients: 2), Mail()], batch: batch)
        #expect(said.map(\.verdict) == ["accepted", "cap_daily", "accepted"])
        for _ in 1...2 { #expect(try await resolve(batch, on: fixture.main) == said) }
        #expect(try await fixture.number("SELECT resolved FROM gatepost.batch") == 2)
    }

    @Test func `a batch that was fenced first can never commit`() async throws {
        let fixture = try await Fixture()
        let batch = MessageID(at: .now)
        #expect(try await resolve(batch, on: fixture.main).isEmpty)
        await #expect {
            _ = try await fixture.send([Mail()], batch: batch)
        } throws: {
            let error = $0 as? DatabaseError
            return error?.sqlState == "23505" && error?.constraint == "batch_pkey"
        }
        #expect(try await resolve(batch, on: fixture.main).isEmpty)
        #expect(try await fixture.balance() == [0, 0, 0, 0, 0, 0])
    }

    @Test(arguments: ["COMMIT", "ROLLBACK"])
    func `the fence waits for an accept under way and says how it ended`(end: String) async throws {
        let fixture = try await Fixture()
        let node = fixture.session()
        let fence = fixture.session()
        let pid = try await Fixture.pid(fence)
        let batch = MessageID(at: .now)

        try await node.query("BEGIN")
        let said = try await Fixture.send([Mail(recipients: 2)], batch: batch, on: node)
        async let found = resolve(batch, on: fence)
        #expect(try await fixture.waitsForLock(pid), "the fence did not wait")
        try await node.query(end)
        #expect(try await found == (end == "COMMIT" ? said : []))
        #expect(try await fixture.balance().allSatisfy { $0 == (end == "COMMIT" ? 2 : 0) })
    }

    @Test func `ids a minute off make the whole batch stale and leave nothing, not even the batch`() async throws {
        let fixture = try await Fixture()
        try await fixture.clock("2026-06-01 10:00:00+00")
        func id(_ instant: String) async throws -> String? {
            try await fixture.text("SELECT gatepost.uuid_new('\(instant)'::timestamptz)")
        }
        for (instant, stale) in [
            ("2026-06-01 09:58:59.999+00", true), ("2026-06-01 09:59:00+00", false),
            ("2026-06-01 10:00:59.999+00", false), ("2026-06-01 10:01:00+00", true),
        ] {
            let batch = MessageID(at: .now)
            let verdicts = try await fixture.send([Mail(), Mail(id: try await id(instant))], batch: batch)
            #expect(
                verdicts.map(\.verdict) == Array(repeating: stale ? "stale_id" : "accepted", count: 2), "\(instant)")
            #expect(
                try await fixture.number("SELECT count(*) FROM gatepost.batch WHERE id = $1", [.uuid(batch)])
                    == (stale ? 0 : 1))
        }
        #expect(try await fixture.balance() == [4, 4, 4, 4, 4, 4])
    }

    @Test func `the same message within ten minutes is answered with the first id and not charged`() async throws {
        let fixture = try await Fixture()
        try await fixture.clock("2026-06-01 10:00:00+00")
        let first = try await fixture.send([Mail(recipients: 2, digest: "x"), Mail(recipients: 2, digest: "x")])
        #expect(first.map(\.verdict) == ["accepted", "resubmitted"])
        #expect(first[1].queueID == first[0].id)

        try await fixture.clock("2026-06-01 10:09:59+00")
        let again = try await fixture.send(Mail(recipients: 2, digest: "x"))
        #expect(again.verdict == "resubmitted")
        #expect(again.queueID == first[0].id)
        // Another credential, other content, and no key at all are new mail.
        #expect(
            try await fixture.verdicts([
                Mail(credential: "acme.b", digest: "x"), Mail(digest: "y"), Mail(), Mail(),
            ]) == ["accepted", "accepted", "accepted", "accepted"])
        #expect(try await fixture.balance() == [6, 6, 6, 6, 6, 6])

        try await fixture.clock("2026-06-01 10:10:00+00")
        let late = try await fixture.send(Mail(recipients: 2, digest: "x"))
        #expect(late.verdict == "accepted")
        #expect(try await fixture.send(Mail(recipients: 2, digest: "x")).queueID == late.id)
    }

    @Test func `status, credential and domain are judged before a resubmission, caps after it`() async throws {
        let fixture = try await Fixture()
        try await fixture.set(#"{"daily": 1}"#)
        #expect(try await fixture.send(Mail(digest: "x")).verdict == "accepted")
        #expect(try await fixture.send(Mail(digest: "x")).verdict == "resubmitted")
        try await fixture.main.query("SELECT admin.domain_remove('tester', 'acme', 'acme.example')")
        #expect(try await fixture.send(Mail(digest: "x")).verdict == "sender_domain")
        try await fixture.main.query("SELECT admin.credential_revoke('tester', 'acme.a', NULL)")
        #expect(try await fixture.send(Mail(digest: "x")).verdict == "credential_revoked")
        try await fixture.main.query("SELECT admin.tenant_suspend('tester', 'acme', NULL, false)")
        #expect(try await fixture.send(Mail(digest: "x")).verdict == "tenant_suspended")
    }

    @Test func `a tenant may switch resubmission off`() async throws {
        let fixture = try await Fixture()
        try await fixture.set(#"{"resubmission": false}"#)
        let twice = [Mail(digest: "x"), Mail(digest: "x")]
        #expect(try await fixture.verdicts(twice) == ["accepted", "accepted"])
    }
}
