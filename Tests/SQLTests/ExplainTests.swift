import Postgres
import TestSupport
import Testing

/// `explain` says what accept then does, and does nothing itself.
@Suite struct ExplainTests {
    private struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    /// What a rule or accept says, figures and all.
    private struct Word: Equatable, CustomStringConvertible {
        var verdict: String
        var limit: String?, cap: Int64?, used: Int64?, resets: String?
        var description: String { "\(verdict) \(limit ?? "-") \(cap ?? -1) \(used ?? -1) \(resets ?? "-")" }
    }

    private func prepare(_ fixture: Fixture, _ random: inout Generator) async throws -> Mail {
        func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
        func some(_ range: ClosedRange<Int64>, _ percent: Int) -> DatabaseValue {
            chance(percent) ? .int64(Int64.random(in: range, using: &random)) : .null(.int8)
        }
        let rate: DatabaseValue = some(1...60, 30)
        try await fixture.main.query(
            """
            UPDATE gatepost.tenant SET daily_cap = $1, monthly_cap = $2, bytes_daily_cap = $3, message_size = $4,
                recipients_per_message = $5, rate = $6, burst = CASE WHEN $6 IS NULL THEN NULL ELSE $7 END,
                daily_window = $8, policy = $9, status = $10, reason = 'unpaid', first_time_daily_cap = $11,
                null_sender = $12, shadow_daily_cap = $13, zone = 'Europe/Brussels'
            WHERE slug = 'acme'
            """,
            [
                some(1...12, 60), some(3...30, 40), some(200...3000, 40),
                .int64(chance(15) ? 1024 : 5000), .int32(chance(15) ? 2 : 100), rate,
                .int64(Int64.random(in: 1...10, using: &random)),
                .text(chance(25) ? "rolling" : "day"), .text(chance(50) ? "defer" : "reject"),
                .text(chance(6) ? "suspended" : "active"), some(1...6, 25), .bool(chance(50)), some(1...5, 20),
            ])
        try await fixture.main.query(
            """
            UPDATE gatepost.credential SET daily_cap = $1, monthly_cap = $2, bytes_daily_cap = $3, message_size = $4,
                recipients_per_message = $5::bigint, rate = $6, burst = CASE WHEN $6 IS NULL THEN NULL ELSE 3 END,
                mode = $7, revoked_at = CASE WHEN $8 THEN ledger.clock() END,
                expires_at = CASE WHEN $9 THEN ledger.clock() END,
                suspended_at = CASE WHEN $10 THEN ledger.clock() END,
                not_before = CASE WHEN $11 THEN ledger.clock() + interval '1 hour' END
            WHERE name = 'acme.a'
            """,
            [
                some(1...12, 30), some(3...30, 30), some(200...3000, 30),
                chance(15) ? .int64(1024) : .null(.int8), chance(15) ? .int64(3) : .null(.int8), some(1...60, 25),
                .text(chance(20) ? "test" : "live"), .bool(chance(5)), .bool(chance(5)), .bool(chance(5)),
                .bool(chance(5)),
            ])
        try await fixture.main.query(
            "UPDATE gatepost.login SET valid_until = CASE WHEN $1 THEN ledger.clock() END WHERE name = 'acme.a'",
            [.bool(chance(5))])
        try await fixture.main.query("DELETE FROM gatepost.suppression")
        if chance(30) {
            try await fixture.main.query(
                """
                INSERT INTO gatepost.suppression (tenant_id, address, reason, until)
                SELECT t.id, 'r' || n || '@remote.example', 'bounced', CASE WHEN $2 THEN ledger.clock() END
                FROM gatepost.tenant t, generate_series(1, $1) n
                """, [.int32(Int32.random(in: 1...4, using: &random)), .bool(chance(10))])
        }
        return Mail(
            recipients: Int.random(in: 1...6, using: &random), size: Int.random(in: 100...1500, using: &random),
            sender: chance(8) ? "other.example" : chance(8) ? "" : nil, from: chance(8) ? "other.example" : nil)
    }

    private func words(_ fixture: Fixture, _ mail: Mail, _ function: String) async throws -> Rows {
        let domain = mail.sender ?? "acme.example"
        let from = mail.from ?? "acme.example"
        let recipients = (1...mail.recipients).map { "r\($0)@remote.example" }
        let isTrial = function == "admin.explain_trial"
        let sender = domain.isEmpty ? "" : "a@\(domain)"
        let head: [DatabaseValue] = [.text("acme.a"), .null(.text)] + (isTrial ? [] : [.null(.text)])
        let recipientsPart: [DatabaseValue] =
            isTrial
            ? [.textArray(recipients), .textArray(recipients.map { _ in "remote.example" })] : [.textArray(recipients)]
        return try await fixture.main.query(
            "SELECT * FROM \(function)($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            head + [.text(sender), .text(domain), .textArray(["a@\(from)"]), .textArray([from])] + recipientsPart
                + [.int64(Int64(mail.size))])
    }

    /// All rows of all tables, as one number.
    private func digest(_ fixture: Fixture) async throws -> String? {
        let tables = try await fixture.main.query(
            """
            SELECT c.oid::regclass::text AS name FROM pg_class c
            WHERE c.relnamespace = 'gatepost'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
            ORDER BY 1
            """
        ).map { try $0.string("name") }
        return try await fixture.text(
            "md5(concat("
                + tables.map { "(SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM \($0) t)" }
                .joined(separator: ", ") + "))")
    }

    @Test(arguments: [1, 2, 3])
    func `explain says what accept does next, in whatever state`(seed: UInt64) async throws {
        let fixture = try await Fixture()
        var random = Generator(state: seed)
        var refusals: Set<String> = []
        var accepted = 0
        try await fixture.clock("2026-06-10T09:00:00+02:00")
        for step in 0..<70 {
            let mail = try await prepare(fixture, &random)
            let note = "seed \(seed), step \(step)"
            let rules = try await words(fixture, mail, "admin.explain")
            let refused = try rules.filter { try $0.boolOrNil("passes") == false }.map { row in
                Word(
                    verdict: try row.stringOrNil("verdict") ?? "", limit: try row.stringOrNil("limit_name"),
                    cap: try row.int64OrNil("cap"), used: try row.int64OrNil("used"),
                    resets: try row.stringOrNil("resets_text"))
            }
            let trial = try #require(try await words(fixture, mail, "admin.explain_trial").first)
            let verdict = try await fixture.send(mail)
            #expect(try trial.string("verdict") == verdict.verdict, "\(note): the trial is accept itself")
            #expect(try trial.int64OrNil("remaining") == verdict.remaining, "\(note)")
            if verdict.verdict == "accepted" {
                accepted += 1
                #expect(refused.isEmpty, "\(note): \(refused) but accepted")
            } else {
                refusals.insert(verdict.verdict)
                let word = Word(
                    verdict: verdict.verdict, limit: verdict.limit, cap: verdict.cap, used: verdict.used,
                    resets: verdict.resets)
                // (A rate's reset is named by accept alone where several limits refuse.)
                #expect(refused.contains(word), "\(note): \(word) is not among \(refused)")
            }
            if step % 5 == 4 {
                try await fixture.clock("2026-06-\(10 + step / 5)T\(10 + step % 3):30:00+02:00")
            }
        }
        #expect(accepted > 5 && refusals.count > 5, "\(accepted) accepted, \(refusals)")
    }

    @Test func `explain leaves no trace in any table`() async throws {
        let fixture = try await Fixture()
        try await fixture.set(#"{"daily": 3, "rate": 60, "burst": 5}"#)
        _ = try await fixture.send(Mail(recipients: 2))
        let before = try await digest(fixture)
        for mail in [Mail(recipients: 1), Mail(recipients: 9), Mail(from: "other.example")] {
            _ = try await words(fixture, mail, "admin.explain")
            _ = try await words(fixture, mail, "admin.explain_trial")
        }
        #expect(try await digest(fixture) == before)
        #expect(try await fixture.send(Mail(recipients: 1)).verdict == "accepted", "the trial took nothing")
        #expect(try await digest(fixture) != before, "the digest sees a message")
    }

    @Test func `explain's lock is gone when it returns, even where its transaction goes on`() async throws {
        let fixture = try await Fixture()
        let other = fixture.session()
        try await fixture.main.query("BEGIN")
        _ = try await words(fixture, Mail(), "admin.explain_trial")
        try await other.query("SELECT FROM gatepost.meter m FOR UPDATE NOWAIT")
        try await fixture.main.query("COMMIT")
        #expect(try await fixture.send().verdict == "accepted")
    }

    @Test func `a viewer reads the rules and cannot try`() async throws {
        let fixture = try await Fixture()
        let rights = try await fixture.text(
            """
            SELECT concat(has_function_privilege('gatepost_viewer', 'admin.explain(text, text, text, text, text, text[],
                text[], text[], bigint)', 'EXECUTE'), has_function_privilege('gatepost_viewer',
                'admin.explain_trial(text, text, text, text, text[], text[], text[], text[], bigint)', 'EXECUTE'))
            """)
        #expect(rights == "tf")
    }
}
