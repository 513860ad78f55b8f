import Testing

/// Days and months are the tenant's: daylight saving both ways, zones changed, days that come back.
@Suite struct TimeTests {
    /// Fills a cap of 1 in `zone` at `instant` and says when it is reset.
    private func reset(_ zone: String, _ instant: String, cap: String = "daily") async throws -> String? {
        let fixture = try await Fixture(tenant: false)
        try await fixture.tenant("acme", limits: #"{"\#(cap)": 1, "zone": "\#(zone)"}"#)
        try await fixture.clock(instant)
        #expect(try await fixture.send().verdict == "accepted")
        return try await fixture.send().resets
    }

    @Test(arguments: [
        ("UTC", "2026-06-01 23:59:59+00", "2026-06-02T00:00:00+00:00"),
        ("Europe/Brussels", "2026-03-29 00:30:00+01", "2026-03-30T00:00:00+02:00"),  // a day of 23 hours
        ("Europe/Brussels", "2026-10-25 00:30:00+02", "2026-10-26T00:00:00+01:00"),  // a day of 25 hours
        ("America/New_York", "2026-11-01 03:59:59+00", "2026-11-01T00:00:00-04:00"),
        ("Asia/Kathmandu", "2026-06-01 12:00:00+00", "2026-06-02T00:00:00+05:45"),
        ("Africa/Cairo", "2026-04-23 12:00:00+00", "2026-04-24T01:00:00+03:00"),  // midnight is skipped
        ("America/Havana", "2026-10-31 12:00:00+00", "2026-11-01T00:00:00-04:00"),  // midnight comes twice
    ])
    func `a day ends at the first moment of the next`(zone: String, instant: String, resets: String) async throws {
        #expect(try await reset(zone, instant) == resets)
    }

    @Test(arguments: [
        ("Europe/Brussels", "2026-03-15 12:00:00+01", "2026-04-01T00:00:00+02:00"),
        ("Pacific/Auckland", "2026-12-31 10:59:59+00", "2027-01-01T00:00:00+13:00"),
    ])
    func `a month is the local day's`(zone: String, instant: String, resets: String) async throws {
        #expect(try await reset(zone, instant, cap: "monthly") == resets)
    }

    @Test func `the 25-hour day is one day, and its second midnight hour no new one`() async throws {
        let fixture = try await Fixture(tenant: false)
        try await fixture.tenant("acme", limits: #"{"daily": 3, "zone": "America/Havana"}"#)
        for (instant, verdict) in [
            ("2026-10-31 23:59:59-04", "accepted"),  // the day before
            ("2026-11-01 00:30:00-04", "accepted"), ("2026-11-01 00:30:00-05", "accepted"),
            ("2026-11-01 23:59:59-05", "accepted"), ("2026-11-01 23:59:59.5-05", "cap_daily"),
            ("2026-11-02 00:00:00-05", "accepted"),
        ] {
            try await fixture.clock(instant)
            #expect(try await fixture.send().verdict == verdict, "\(instant)")
        }
    }

    @Test func `a new zone counts from the next midnight of the old one, and a day may come back`() async throws {
        let fixture = try await Fixture(tenant: false)
        try await fixture.tenant("acme", limits: #"{"daily": 2, "zone": "Pacific/Auckland"}"#)
        try await fixture.clock("2026-06-10 12:00:00+12")
        #expect(try await fixture.send().verdict == "accepted")
        try await fixture.set(#"{"zone": "America/Los_Angeles"}"#)
        // Still Auckland's day; and the next midnight there brings no new day, but the 9th in Los Angeles.
        #expect(try await fixture.send().verdict == "accepted")
        #expect(try await fixture.send().resets == "2026-06-11T00:00:00-07:00")
        try await fixture.clock("2026-06-10 23:59:59+12")
        #expect(try await fixture.send().verdict == "cap_daily")
        // In Los Angeles it is 05:00 on the 10th: the same day, whose counter goes on.
        try await fixture.clock("2026-06-11 00:00:00+12")
        #expect(try await fixture.send().verdict == "cap_daily")
        try await fixture.clock("2026-06-11 00:00:00-07")
        #expect(try await fixture.verdicts([Mail(), Mail(), Mail()]) == ["accepted", "accepted", "cap_daily"])
        #expect(try await fixture.text("SELECT zone FROM admin.tenant") == "America/Los_Angeles")
    }

    @Test func `a zone to the east takes over at the old midnight and may skip a day`() async throws {
        let fixture = try await Fixture(tenant: false)
        try await fixture.tenant("acme", limits: #"{"daily": 1, "zone": "Pacific/Pago_Pago"}"#)
        try await fixture.clock("2026-06-10 12:00:00-11")
        #expect(try await fixture.send().verdict == "accepted")
        try await fixture.set(#"{"zone": "Pacific/Kiritimati"}"#)
        // Midnight in Pago Pago is 01:00 on the 12th in Kiritimati: a day not yet begun.
        #expect(try await fixture.send().resets == "2026-06-12T01:00:00+14:00")
        try await fixture.clock("2026-06-11 00:00:00-11")
        #expect(try await fixture.verdicts([Mail(), Mail()]) == ["accepted", "cap_daily"])
        #expect(try await fixture.text("SELECT max(starts) FROM gatepost.usage WHERE period = 'day'") == "2026-06-12")
    }

    @Test func `a zone changed twice keeps the first zone's next midnight, changed back it is forgotten`() async throws
    {
        let fixture = try await Fixture()
        try await fixture.clock("2026-06-10 12:00:00+00")
        try await fixture.set(#"{"zone": "Asia/Tokyo"}"#)
        try await fixture.set(#"{"zone": "Asia/Tokyo"}"#)
        #expect(
            try await fixture.text("SELECT next_zone || ' ' || next_zone_from FROM admin.tenant")?
                .hasPrefix("Asia/Tokyo 2026-06-11 00:00:00") == true)
        try await fixture.set(#"{"zone": "UTC"}"#)
        #expect(try await fixture.text("SELECT next_zone FROM admin.tenant") == nil)
    }
}
