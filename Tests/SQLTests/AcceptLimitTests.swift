import Postgres
import Testing

/// Each limit of accept: what fits, what does not, and what a refusal says.
@Suite struct AcceptLimitTests {
    @Test func `the daily cap is filled to the last recipient and not one further`() async throws {
        let fixture = try await Fixture()
        try await fixture.set(#"{"daily": 10}"#)
        try await fixture.clock("2026-06-01 10:00:00+00")
        #expect(try await fixture.send(Mail(recipients: 7)).remaining == 3)
        let refused = try await fixture.send(Mail(recipients: 4))
        #expect(refused.verdict == "cap_daily")
        #expect(refused.limit == "daily")
        #expect(refused.cap == 10)
        #expect(refused.used == 7)
        #expect(refused.resets == "2026-06-02T00:00:00+00:00")
        #expect(refused.policy == "defer")
        #expect(try await fixture.send(Mail(recipients: 3)).remaining == 0)
        #expect(try await fixture.send().verdict == "cap_daily")
        #expect(try await fixture.balance() == [10, 10, 10, 10, 10, 10])
    }

    @Test func `a refused message takes no room from those behind it, and leaves nothing behind`() async throws {
        let fixture = try await Fixture()
        try await fixture.set(#"{"daily": 5}"#)
        let sizes = [3, 3, 2, 1]
        #expect(
            try await fixture.verdicts(sizes.map { Mail(recipients: $0) })
                == ["accepted", "cap_daily", "accepted", "cap_daily"])
        #expect(try await fixture.balance() == [5, 5, 5, 5, 5, 5])
        #expect(try await fixture.number("SELECT count(*) FROM gatepost.message") == 2)
        #expect(try await fixture.number("SELECT count(*) FROM gatepost.body") == 2)
    }

    @Test func `the monthly cap counts over days and names the month's end`() async throws {
        let fixture = try await Fixture()
        try await fixture.set(#"{"daily": null, "monthly": 10, "policy": "reject"}"#)
        try await fixture.clock("2026-06-29 10:00:00+00")
        #expect(try await fixture.send(Mail(recipients: 6)).remaining == 4)
        try await fixture.clock("2026-06-30 10:00:00+00")
        let refused = try await fixture.send(Mail(recipients: 5))
        #expect(refused.verdict == "cap_monthly")
        #expect(refused.used == 6)
        #expect(refused.resets == "2026-07-01T00:00:00+00:00")
        #expect(refused.policy == "reject")
        try await fixture.clock("2026-07-01 00:00:01+00")
        #expect(try await fixture.send(Mail(recipients: 10)).remaining == 0)
    }

    @Test func `a credential's own daily cap binds it alone`() async throws {
        let fixture = try await Fixture()
        try await fixture.main.query("UPDATE gatepost.credential SET daily_cap = 3 WHERE name = 'acme.a'")
        let refused = try await fixture.send([
            Mail(recipients: 3), Mail(recipients: 1), Mail(credential: "acme.b", recipients: 5),
        ])
        #expect(refused.map(\.verdict) == ["accepted", "cap_credential_daily", "accepted"])
        #expect(refused.map(\.limit) == [nil, "credential_daily", nil])
        #expect(refused.map(\.used) == [nil, 3, nil])
        #expect(refused.map(\.remaining) == [0, nil, 992])
        #expect(try await fixture.balance() == [8, 8, 8, 8, 8, 8])
    }

    @Test func `the rate lets a burst pass and then its pace, to the microsecond`() async throws {
        let fixture = try await Fixture()
        try await fixture.set(#"{"rate": 60, "burst": 5}"#)  // one a second
        try await fixture.clock("2026-06-01 10:00:00+00")
        #expect(
            try await fixture.verdicts([Mail(recipients: 5), Mail()]) == ["accepted", "rate"])
        let refused = try await fixture.send(Mail(recipients: 2))
        #expect(refused.limit == "rate")
        #expect(refused.cap == 60)
        #expect(refused.resets == "2026-06-01T10:00:02+00:00")
        try await fixture.clock("2026-06-01 10:00:01.999999+00")
        #expect(try await fixture.send(Mail(recipients: 2)).verdict == "rate")
        try await fixture.clock("2026-06-01 10:00:02+00")
        #expect(try await fixture.verdicts([Mail(recipients: 2), Mail()]) == ["accepted", "rate"])
        // A clock that goes back gives nothing, and asks for no more than the bucket.
        try await fixture.clock("2026-06-01 09:00:00+00")
        #expect(try await fixture.send().resets == "2026-06-01T09:00:01+00:00")
    }

    @Test func `a message larger than the burst passes with a full bucket, and is paid off`() async throws {
        let fixture = try await Fixture()
        try await fixture.set(#"{"rate": 60, "burst": 5}"#)
        try await fixture.clock("2026-06-01 10:00:00+00")
        #expect(try await fixture.send(Mail(recipients: 20)).verdict == "accepted")
        #expect(try await fixture.send(Mail(recipients: 20)).resets == "2026-06-01T10:00:20+00:00")
        #expect(try await fixture.send(Mail(recipients: 1)).resets == "2026-06-01T10:00:16+00:00")
        try await fixture.clock("2026-06-01 10:00:16+00")
        #expect(try await fixture.verdicts([Mail(recipients: 1), Mail(recipients: 1)]) == ["accepted", "rate"])
    }

    @Test func `a new rate drains what the old one left`() async throws {
        let fixture = try await Fixture()
        try await fixture.set(#"{"rate": 60, "burst": 10}"#)
        try await fixture.clock("2026-06-01 10:00:00+00")
        #expect(try await fixture.send(Mail(recipients: 10)).verdict == "accepted")
        try await fixture.clock("2026-06-01 10:00:04+00")
        try await fixture.set(#"{"rate": 6, "burst": 10}"#)  // 6 of 10 left, a recipient every 10 s now
        #expect(try await fixture.send(Mail(recipients: 5)).resets == "2026-06-01T10:00:14+00:00")
        #expect(try await fixture.send(Mail(recipients: 4)).verdict == "accepted")
    }

    @Test func `size and recipients of one message have their limits`() async throws {
        let fixture = try await Fixture()
        try await fixture.set(#"{"message_size": 2000, "recipients_per_message": 3}"#)
        let verdicts = try await fixture.send([
            Mail(size: 2000), Mail(size: 2001), Mail(recipients: 3), Mail(recipients: 4),
        ])
        #expect(verdicts.map(\.verdict) == ["accepted", "message_size", "accepted", "too_many_recipients"])
        #expect(verdicts.map(\.cap) == [nil, 2000, nil, 3])
        #expect(verdicts.map(\.policy) == [nil, nil, nil, nil])
    }

    @Test func `unlimited is unlimited`() async throws {
        let fixture = try await Fixture()
        try await fixture.set(#"{"daily": null}"#)
        let verdict = try await fixture.send(Mail(recipients: 100))
        #expect(verdict.verdict == "accepted")
        #expect(verdict.remaining == nil)
    }

    @Test func `tenants of one batch do not share a counter`() async throws {
        let fixture = try await Fixture()
        try await fixture.tenant("bolt", limits: #"{"daily": 2}"#)
        #expect(
            try await fixture.verdicts([
                Mail(tenant: "bolt"), Mail(recipients: 9), Mail(tenant: "bolt"), Mail(tenant: "bolt"), Mail(),
            ]) == ["accepted", "accepted", "accepted", "cap_daily", "accepted"])
        #expect(try await fixture.balance("acme") == [10, 10, 10, 10, 10, 10])
        #expect(try await fixture.balance("bolt") == [2, 2, 2, 2, 2, 2])
    }

    @Test func `a rolling day forgets after 25 hour buckets and says when there is room`() async throws {
        let fixture = try await Fixture()
        try await fixture.main.query("UPDATE gatepost.tenant SET daily_window = 'rolling', daily_cap = 10")
        try await fixture.clock("2026-06-01 10:30:00+00")
        #expect(try await fixture.send(Mail(recipients: 6)).verdict == "accepted")
        try await fixture.clock("2026-06-01 20:30:00+00")
        #expect(try await fixture.send(Mail(recipients: 4)).remaining == 0)
        let refused = try await fixture.send(Mail(recipients: 5))
        #expect(refused.verdict == "cap_daily")
        #expect(refused.resets == "2026-06-02T11:00:00+00:00")
        try await fixture.clock("2026-06-02 10:59:59+00")
        #expect(try await fixture.send().verdict == "cap_daily")
        try await fixture.clock("2026-06-02 11:00:00+00")
        #expect(try await fixture.verdicts([Mail(recipients: 6), Mail()]) == ["accepted", "cap_daily"])
    }
}
