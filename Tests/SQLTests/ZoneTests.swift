import Postgres
import Testing

/// Local days where clocks change: in the east and the west, by half an hour, at midnight, and where a day is left out.
/// (Zones that an operator changes: `TimeTests`.)
@Suite struct ZoneTests {
    struct Day: Sendable, CustomTestStringConvertible {
        var zone: String, begins: String, ends: String, text: String, hours: String
        var testDescription: String { "\(zone) \(hours) h until \(text)" }
    }

    static let days = [
        // Spring: a short day.
        Day(
            zone: "Europe/Brussels", begins: "2026-03-28 23:00Z", ends: "2026-03-29 22:00Z",
            text: "2026-03-30T00:00:00+02:00", hours: "23"),
        Day(
            zone: "America/New_York", begins: "2026-03-08 05:00Z", ends: "2026-03-09 04:00Z",
            text: "2026-03-09T00:00:00-04:00", hours: "23"),
        Day(
            zone: "Australia/Lord_Howe", begins: "2026-10-03 13:30Z", ends: "2026-10-04 13:00Z",
            text: "2026-10-05T00:00:00+11:00", hours: "23.5"),
        Day(
            zone: "Pacific/Apia", begins: "2020-09-26 11:00Z", ends: "2020-09-27 10:00Z",
            text: "2020-09-28T00:00:00+14:00", hours: "23"),
        // Autumn: a long one.
        Day(
            zone: "Europe/Brussels", begins: "2026-10-24 22:00Z", ends: "2026-10-25 23:00Z",
            text: "2026-10-26T00:00:00+01:00", hours: "25"),
        Day(
            zone: "America/New_York", begins: "2026-11-01 04:00Z", ends: "2026-11-02 05:00Z",
            text: "2026-11-02T00:00:00-05:00", hours: "25"),
        Day(
            zone: "Australia/Lord_Howe", begins: "2026-04-04 13:00Z", ends: "2026-04-05 13:30Z",
            text: "2026-04-06T00:00:00+10:30", hours: "24.5"),
        Day(
            zone: "Pacific/Apia", begins: "2021-04-03 10:00Z", ends: "2021-04-04 11:00Z",
            text: "2021-04-05T00:00:00+13:00", hours: "25"),
        // Midnight does not exist: the day before ends, and the day itself begins, at 01:00.
        Day(
            zone: "America/Santiago", begins: "2026-09-05 04:00Z", ends: "2026-09-06 04:00Z",
            text: "2026-09-06T01:00:00-03:00", hours: "24"),
        Day(
            zone: "America/Santiago", begins: "2026-09-06 04:00Z", ends: "2026-09-07 03:00Z",
            text: "2026-09-07T00:00:00-03:00", hours: "23"),
        // At midnight it is 23:00 once more.
        Day(
            zone: "America/Santiago", begins: "2026-04-04 03:00Z", ends: "2026-04-05 04:00Z",
            text: "2026-04-05T00:00:00-04:00", hours: "25"),
        // A day that was left out of the calendar.
        Day(
            zone: "Pacific/Apia", begins: "2011-12-29 10:00Z", ends: "2011-12-30 10:00Z",
            text: "2011-12-31T00:00:00+14:00", hours: "24"),
    ]

    @Test(arguments: days)
    func `a cap holds from the first moment of the local day to its last, and no longer`(day: Day) async throws {
        let fixture = try await Fixture(tenant: false)
        try await fixture.tenant("acme", limits: #"{"daily": 2, "zone": "\#(day.zone)"}"#)
        #expect(
            try await fixture.number(
                "SELECT extract(epoch FROM $2::timestamptz - $1::timestamptz) * 1000",
                [.text(day.begins), .text(day.ends)]) == Int64((Double(day.hours) ?? 0) * 3_600_000))
        for (instant, expected) in [
            ("'\(day.begins)'::timestamptz - interval '1 microsecond'", "accepted"),  // the day before
            ("'\(day.begins)'", "accepted"),
            ("'\(day.begins)'::timestamptz + interval '90 minutes'", "accepted"),
            ("'\(day.begins)'::timestamptz + interval '2 hours'", "cap_daily"),
            ("'\(day.ends)'::timestamptz - interval '1 microsecond'", "cap_daily"),
            ("'\(day.ends)'", "accepted"),
        ] {
            try await fixture.main.query("SELECT test.at((\(instant))::timestamptz)")
            let said = try await fixture.send()
            #expect(said.verdict == expected, "at \(instant)")
            if expected == "cap_daily" { #expect(said.resets == day.text, "at \(instant)") }
        }
        #expect(
            try await fixture.text(
                """
                SELECT string_agg(recipients::text, ' ' ORDER BY starts) FROM gatepost.usage
                WHERE period = 'day' AND credential_id = 0
                """) == "1 2 1")
    }

    @Test func `wherever clocks change in two years, the reset is the first moment of a day not yet begun`()
        async throws
    {
        let fixture = try await Fixture(tenant: false)
        try await fixture.main.script(
            """
            INSERT INTO gatepost.tenant (slug, zone, pool_id)
            SELECT 'z' || row_number() OVER (), z.name, (SELECT id FROM gatepost.relay_pool)
            FROM pg_timezone_names z WHERE z.name !~ '^(posix|right|Factory|localtime)';
            CREATE TABLE test.moments AS
            SELECT d.id, d.zone, m.at FROM (
                SELECT t.id, t.zone, d::date AS day
                FROM gatepost.tenant t, generate_series(timestamp '2026-01-01', '2027-12-31', '1 day') d
                WHERE (d + interval '36 hours') AT TIME ZONE t.zone - (d - interval '12 hours') AT TIME ZONE t.zone
                    <> interval '48 hours') AS d
            CROSS JOIN LATERAL gatepost.first_moment(d.day, d.zone) AS f
            CROSS JOIN LATERAL unnest(ARRAY[f - interval '2 hours', f - interval '1 microsecond', f,
                f + interval '59 minutes', f + interval '12 hours', f + interval '23 hours']) AS m (at);
            """)
        #expect(try await fixture.number("SELECT count(DISTINCT zone) FROM test.moments") > 100)
        let wrong = try await fixture.main.query(
            """
            SELECT m.zone || ' at ' || m.at || ': ' || r.resets_text AS what
            FROM test.moments m, gatepost.reset(m.id, m.at, 'day') r
            WHERE (r.resets_at > m.at
                AND (r.resets_at AT TIME ZONE m.zone)::date > (m.at AT TIME ZONE m.zone)::date
                AND ((r.resets_at - interval '1 microsecond') AT TIME ZONE m.zone)::date
                    <= (m.at AT TIME ZONE m.zone)::date
                AND r.resets_text::timestamptz = r.resets_at) IS NOT TRUE
            """
        ).map { try $0.string("what") }
        #expect(wrong == [])
    }

    @Test func `clocks set back over midnight bring a day back: its counter goes on, and the reset is not in the past`()
        async throws
    {
        // In St. John's, until 2011, it was 23:01 again one minute after midnight.
        let fixture = try await Fixture(tenant: false)
        try await fixture.tenant("acme", limits: #"{"daily": 1, "zone": "America/St_Johns"}"#)
        for (instant, verdict, resets) in [
            ("2010-11-07 02:29:59Z", "accepted", nil),  // the 6th
            ("2010-11-07 02:30:10Z", "accepted", nil),  // the 7th, for a minute
            ("2010-11-07 02:45:00Z", "cap_daily", "2010-11-08T00:00:00-03:30"),  // the 6th again
            ("2010-11-07 03:30:00Z", "cap_daily", "2010-11-08T00:00:00-03:30"),  // and the 7th
            ("2010-11-08 03:30:00Z", "accepted", nil),
        ] {
            try await fixture.clock(instant)
            let said = try await fixture.send()
            #expect(said.verdict == verdict, "\(instant)")
            #expect(said.resets == resets, "\(instant)")
        }
    }

    @Test(arguments: [
        // 24 hours on it is another hour by the clock: the hour bucket of 00:00 UTC is forgotten at 01:00 UTC.
        ("Europe/Brussels", "2026-10-25 00:30Z", "2026-10-26 01:00Z", "2026-10-26T02:00:00+01:00"),
        ("Europe/Brussels", "2026-03-29 00:30Z", "2026-03-30 01:00Z", "2026-03-30T03:00:00+02:00"),
        ("America/New_York", "2026-11-01 05:59Z", "2026-11-02 06:00Z", "2026-11-02T01:00:00-05:00"),
        ("Australia/Lord_Howe", "2026-04-04 15:10Z", "2026-04-05 16:00Z", "2026-04-06T02:30:00+10:30"),
        ("America/Santiago", "2026-09-06 03:50Z", "2026-09-07 04:00Z", "2026-09-07T01:00:00-03:00"),
    ])
    func `a rolling day is 24 hours whatever clocks do, and never less`(
        zone: String, sent: String, room: String, text: String
    ) async throws {
        let fixture = try await Fixture(tenant: false)
        try await fixture.tenant("acme", limits: #"{"daily": 3, "zone": "\#(zone)"}"#)
        try await fixture.main.query("UPDATE gatepost.tenant SET daily_window = 'rolling'")
        try await fixture.clock(sent)
        #expect(try await fixture.send(Mail(recipients: 3)).verdict == "accepted")
        #expect(try await fixture.send().resets == text)
        try await fixture.main.query("SELECT test.at($1::timestamptz + interval '24 hours')", [.text(sent)])
        #expect(try await fixture.send().verdict == "cap_daily")
        try await fixture.main.query("SELECT test.at($1::timestamptz - interval '1 microsecond')", [.text(room)])
        #expect(try await fixture.send().resets == text)
        try await fixture.clock(room)
        #expect(try await fixture.send(Mail(recipients: 3)).verdict == "accepted")
    }

    @Test func `a zone changed on the day clocks change counts on to the midnight of the old zone`() async throws {
        let fixture = try await Fixture(tenant: false)
        try await fixture.tenant("acme", limits: #"{"daily": 2, "monthly": 100, "zone": "Europe/Brussels"}"#)
        try await fixture.clock("2026-10-25 11:00Z")
        #expect(try await fixture.send().verdict == "accepted")
        try await fixture.set(#"{"zone": "America/New_York"}"#)
        #expect(
            try await fixture.text(
                "SELECT to_char(next_zone_from AT TIME ZONE 'UTC', 'DD HH24:MI') FROM gatepost.tenant")
                == "25 23:00")
        #expect(try await fixture.send().verdict == "accepted")
        // New York is still on summer time then, and on the 25th: the same day, which ends there.
        #expect(try await fixture.send().resets == "2026-10-26T00:00:00-04:00")
        for (instant, verdict) in [
            ("2026-10-25 22:59:59Z", "cap_daily"), ("2026-10-25 23:00Z", "cap_daily"),
            ("2026-10-26 03:59:59.999Z", "cap_daily"), ("2026-10-26 04:00Z", "accepted"),
        ] {
            try await fixture.clock(instant)
            #expect(try await fixture.send().verdict == verdict, "\(instant)")
        }
    }

    @Test(arguments: [
        // East: the new zone takes over in a month that has begun there; west: the month comes back and goes on.
        ("America/New_York", "Asia/Tokyo", "2026-10-31 16:00Z", "2026-11-01T13:00:00+09:00"),
        ("Asia/Tokyo", "America/New_York", "2026-10-31 03:00Z", "2026-11-01T00:00:00-04:00"),
    ])
    func `a month ends with the zone's change, or where its counter starts again`(
        from: String, to: String, instant: String, resets: String
    ) async throws {
        let fixture = try await Fixture(tenant: false)
        try await fixture.tenant("acme", limits: #"{"daily": null, "monthly": 2, "zone": "\#(from)"}"#)
        try await fixture.clock(instant)
        #expect(try await fixture.send(Mail(recipients: 2)).verdict == "accepted")
        try await fixture.set(#"{"zone": "\#(to)"}"#)
        let said = try await fixture.send()
        #expect(said.verdict == "cap_monthly")
        #expect(said.resets == resets)
        try await fixture.main.query("SELECT test.at($1::timestamptz - interval '1 microsecond')", [.text(resets)])
        #expect(try await fixture.send().verdict == "cap_monthly")
        try await fixture.main.query("SELECT test.at($1::timestamptz)", [.text(resets)])
        #expect(try await fixture.send().verdict == "accepted")
    }

    @Test func `midnight in DATA: the day that pays is the one at the commit, not the one at RCPT`() async throws {
        let fixture = try await Fixture(tenant: false)
        try await fixture.tenant("acme", limits: #"{"daily": 5, "zone": "Europe/Brussels"}"#)
        try await fixture.clock("2026-10-25 22:59:59.5Z")
        #expect(try await fixture.send(Mail(recipients: 5)).remaining == 0)
        // What RCPT is answered by before midnight, and after.
        let rest = "SELECT l.remaining FROM ledger.login('acme.a') l"
        #expect(try await fixture.number(rest) == 0)
        // The message's id was made, and its recipients named, before; its commit comes after.
        let id = try #require(try await fixture.text("SELECT gatepost.uuid_new(ledger.clock())"))
        try await fixture.clock("2026-10-25 23:00:00.2Z")
        let said = try await fixture.send(Mail(recipients: 2, id: id))
        #expect(said.verdict == "accepted")
        #expect(said.remaining == 3)
        #expect(try await fixture.number(rest) == 3)
        #expect(
            try await fixture.text(
                "SELECT string_agg(day || '=' || recipients, ' ' ORDER BY day) FROM gatepost.ledger")
                == "2026-10-25=5 2026-10-26=2")
        // And a refund goes back to that day, not to the one on which it is asked for.
        try await fixture.clock("2026-10-27 10:00Z")
        try await fixture.main.query("SELECT ledger.cancel('tester', ARRAY[$1::uuid], 'typo')", [.text(id)])
        #expect(
            try await fixture.text(
                """
                SELECT string_agg(starts || '=' || recipients, ' ' ORDER BY starts) FROM gatepost.usage
                WHERE period = 'day' AND credential_id = 0
                """) == "2026-10-25=5 2026-10-26=0")
    }
}
