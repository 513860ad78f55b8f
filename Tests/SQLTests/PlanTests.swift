import Postgres
import TestSupport
import Testing

/// Whose value is in force: the tenant's own, its plan's, the default.
@Suite struct PlanTests {
    private func value(_ column: String, _ fixture: Fixture, _ slug: String = "acme") async throws -> String? {
        try await fixture.text("SELECT \(column) FROM admin.tenant WHERE slug = '\(slug)'")
    }

    private func plan(_ name: String, _ limits: String, _ fixture: Fixture) async throws {
        try await fixture.main.query(
            "SELECT admin.plan_create('tester', $1, $2::jsonb)", [.text(name), .json(limits)])
    }

    /// Changes a plan, then its tenants, in parts of so many; how many changed.
    private func change(_ name: String, _ changes: String, by part: Int = 100, _ fixture: Fixture) async throws -> Int64
    {
        try await fixture.main.query(
            "SELECT admin.plan_set('tester', $1, $2::jsonb)", [.text(name), .json(changes)])
        var last: Int64? = 0
        var changed: Int64 = 0
        while let after = last {
            let row = try await fixture.main.query(
                "SELECT * FROM admin.plan_apply('tester', $1, $2, $3)",
                [.text(name), .int64(after), .int32(Int32(part))]
            ).first
            last = try row?.int64OrNil("last")
            changed += try row?.int64("changed") ?? 0
        }
        return changed
    }

    @Test func `a value is the tenant's own, else the plan's, else the default, and can be given back`() async throws {
        let fixture = try await Fixture()
        try await plan("small", #"{"daily": 500, "rate": 60, "warn": [90]}"#, fixture)
        try await fixture.set(#"{"plan": "small"}"#)
        #expect(try await value("daily_cap", fixture) == "500")
        #expect(try await value("(rate, burst)", fixture) == "(60,60)")
        #expect(try await value("warn_percents", fixture) == "{90}")
        #expect(try await value("(own, plan_keys)", fixture) == #"({},"{daily,rate,warn}")"#)

        try await fixture.set(#"{"daily": 7, "monthly": null}"#)
        #expect(try await value("(daily_cap, own)", fixture) == #"(7,"{daily,monthly}")"#)
        try await fixture.set(#"{"daily": "inherit"}"#)
        #expect(try await value("(daily_cap, own)", fixture) == "(500,{monthly})")
        try await fixture.set(#"{"plan": null}"#)
        #expect(try await value("(daily_cap, rate, burst)", fixture) == "(1000,,)")
        #expect(try await value("warn_percents", fixture) == "{50,80,100}")
    }

    @Test func `a plan's change reaches its tenants, but for what is their own, in parts and once`() async throws {
        let fixture = try await Fixture()
        try await plan("small", #"{"daily": 500}"#, fixture)
        for slug in ["b1", "b2", "b3", "b4"] { try await fixture.tenant(slug, limits: #"{"plan": "small"}"#) }
        try await fixture.tenant("other")
        try await fixture.set(#"{"daily": 9}"#, "b2")
        #expect(try await change("small", #"{"daily": 800, "sessions": null}"#, by: 2, fixture) == 4)
        #expect(try await value("(daily_cap, sessions)", fixture, "b1") == "(800,)")
        #expect(try await value("(daily_cap, sessions)", fixture, "b2") == "(9,)")
        #expect(try await value("(daily_cap, sessions)", fixture, "other") == "(1000,50)")
        #expect(try await change("small", #"{"daily": 800}"#, by: 3, fixture) == 0)
        #expect(
            try await fixture.number("SELECT count(*) FROM admin.audit WHERE action = 'tenant plan'") == 4)
        #expect(
            try await fixture.number(
                "SELECT count(*) FROM gatepost.event WHERE detail ->> 'action' = 'tenant plan'") == 4)
        #expect(try await change("small", #"{"daily": "inherit"}"#, fixture) == 3)
        #expect(try await value("daily_cap", fixture, "b4") == "1000")
    }

    @Test func `an interrupted change goes on when it is repeated`() async throws {
        let fixture = try await Fixture()
        try await plan("small", #"{"daily": 500}"#, fixture)
        for slug in ["b1", "b2", "b3"] { try await fixture.tenant(slug, limits: #"{"plan": "small"}"#) }
        try await fixture.main.query("SELECT admin.plan_set('tester', 'small', '{\"daily\": 600}')")
        try await fixture.main.query("SELECT admin.plan_apply('tester', 'small', 0, 1)")
        #expect(try await value("daily_cap", fixture, "b3") == "500")
        #expect(try await change("small", #"{"daily": 600}"#, fixture) == 2)
        #expect(try await value("daily_cap", fixture, "b3") == "600")
    }

    @Test func `a tenant that is given the plan while it changes has the new limits`() async throws {
        let fixture = try await Fixture()
        try await plan("small", #"{"daily": 500}"#, fixture)
        let setting = fixture.session()
        try await setting.query("BEGIN")
        try await setting.query("SELECT admin.tenant_set('tester', 'acme', '{\"plan\": \"small\"}')")
        // The plan waits for who read it, so that its tenants can be listed afterwards.
        let changing = fixture.session()
        let pid = try await Fixture.pid(changing)
        async let changed = changing.query("SELECT admin.plan_set('tester', 'small', '{\"daily\": 600}')")
        #expect(try await fixture.waitsForLock(pid))
        try await setting.query("COMMIT")
        _ = try await changed
        try await changing.query("SELECT admin.plan_apply('tester', 'small', 0, 100)")
        #expect(try await value("daily_cap", fixture) == "600")
    }

    @Test func `accept holds to the plan's limit`() async throws {
        let fixture = try await Fixture()
        try await plan("tiny", #"{"daily": 2}"#, fixture)
        try await fixture.set(#"{"plan": "tiny"}"#)
        #expect(try await fixture.verdicts([Mail(recipients: 2), Mail()]) == ["accepted", "cap_daily"])
        _ = try await change("tiny", #"{"daily": 3}"#, fixture)
        #expect(try await fixture.verdicts([Mail(), Mail()]) == ["accepted", "cap_daily"])
    }

    @Test func `a rate takes its burst along, and a burst does not outlive its rate`() async throws {
        let fixture = try await Fixture()
        try await plan("fast", #"{"rate": 600, "burst": 50}"#, fixture)
        try await fixture.set(#"{"plan": "fast"}"#)
        #expect(try await value("(rate, burst)", fixture) == "(600,50)")
        try await fixture.set(#"{"rate": 10}"#)
        #expect(try await value("(rate, burst)", fixture) == "(10,10)")
        try await fixture.set(#"{"rate": "inherit", "burst": 5}"#)
        #expect(try await value("(rate, burst, own)", fixture) == "(600,5,{burst})")
        _ = try await change("fast", #"{"rate": null}"#, fixture)
        #expect(try await value("(rate, burst, own)", fixture) == "(,,{})")
        try await fixture.set(#"{"rate": 5, "burst": 2}"#)
        try await fixture.set(#"{"burst": null}"#)
        #expect(try await value("(rate, burst, own)", fixture) == "(5,5,{rate})")
    }

    @Test func `every limit is set, stored, and refused where it cannot be`() async throws {
        let fixture = try await Fixture()
        try await fixture.set(
            """
            {"window": "rolling", "bytes_daily": 1000000, "first_time_daily": 20, "shadow_daily": 3, "shadow_monthly": 4,
             "shadow_bytes_daily": 5, "shadow_first_time_daily": 6, "warn": [100, 7, 7], "contact": "ops@acme.example"}
            """)
        #expect(
            try await value(
                """
                (daily_window, bytes_daily_cap, first_time_daily_cap, shadow_daily_cap, shadow_monthly_cap,
                 shadow_bytes_daily_cap, shadow_first_time_daily_cap, warn_percents, contact)
                """, fixture) == #"(rolling,1000000,20,3,4,5,6,"{7,100}",ops@acme.example)"#)
        for (changes, state) in [
            (#"{"bytes_daily": 0}"#, "GP004"), (#"{"first_time_daily": -1}"#, "GP004"),
            (#"{"shadow_daily": 0}"#, "GP004"), (#"{"window": "week"}"#, "GP004"), (#"{"warn": [0]}"#, "GP004"),
            (#"{"warn": [101]}"#, "GP004"), (#"{"warn": ["50"]}"#, "GP004"), (#"{"warn": 50}"#, "GP004"),
            (#"{"contact": "nobody"}"#, "GP004"), (#"{"contact": 5}"#, "GP004"), (#"{"zone": "inherit"}"#, "GP004"),
            (#"{"daly": "inherit"}"#, "GP004"), (#"{"plan": "none"}"#, "GP002"), (#"{"plan": "nowhere"}"#, "GP002"),
        ] {
            await #expect("\(changes)") { try await fixture.set(changes) } throws: {
                ($0 as? DatabaseError)?.sqlState == state
            }
        }
        await #expect { try await fixture.set(#"{"daily": 0}"#) } throws: {
            "\($0)".contains("daily cannot be 0")
        }
    }

    @Test func `a plan that cannot be is refused, and one in use stays`() async throws {
        let fixture = try await Fixture()
        for limits in [
            #"{"zone": "UTC"}"#, #"{"plan": "x"}"#, #"{"pool": "default"}"#, #"{"contact": null}"#, #"{"daily": 0}"#,
            #"{"daly": 5}"#, #"{"daly": "inherit"}"#, #"{"burst": 5}"#, "[]",
        ] {
            await #expect("\(limits)") { try await plan("bad", limits, fixture) } throws: {
                ($0 as? DatabaseError)?.sqlState == "GP004"
            }
        }
        for name in ["none", "Bad", ""] {
            await #expect("\(name)") { try await plan(name, "{}", fixture) } throws: {
                ($0 as? DatabaseError)?.sqlState == "GP004"
            }
        }
        try await plan("small", "{}", fixture)
        try await fixture.set(#"{"plan": "small"}"#)
        await #expect { try await fixture.main.query("SELECT admin.plan_delete('tester', 'small')") } throws: {
            "\($0)".contains("1 tenant has the plan \"small\": acme")
        }
        try await fixture.set(#"{"plan": null}"#)
        #expect(try await fixture.text("SELECT admin.plan_delete('tester', 'small')") == "true")
        #expect(try await fixture.text("SELECT admin.plan_delete('tester', 'small')") == "false")
    }
}
