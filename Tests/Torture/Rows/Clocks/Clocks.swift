internal import Foundation
internal import Glibc
internal import Postgres
internal import SiteSupport
internal import TestSupport

extension Row {
    static let clocks = Row(
        name: "clocks", summary: "nodes and database set by hours and days, over midnights and both changes of time",
        unit: "jumps", short: 5, full: 50, leg: 10
    ) { leg in try await Clocks(leg).judged() }
}

/// Nodes whose clocks are set while they run, and a database whose SQL clock is.
///
/// Caps must be exact by the database's day whatever the nodes believe, and what was deferred for an hour is not tried
/// before the database's hour is over.
struct Clocks: Sendable {
    let scene: Scene
    private let database: SteppedClock
    /// Of the nodes, by role.
    private let clocks: [String: Preload]
    private let roles = ["submission", "forwarder", "relay"]

    /// The evening before a change to or from summer time, in central Europe.
    private static let evenings = ["2027-03-27 22:00+01", "2027-10-30 22:00+02"]
    private static let zones = [
        "edge1": "Europe/Brussels", "edge2": "America/New_York", "edge3": "Australia/Lord_Howe",
        "edge4": "Europe/Brussels", "wide1": "Pacific/Apia", "wide2": "Asia/Kolkata",
    ]

    init(_ leg: Leg) async throws {
        scene = try await Scene(leg)
        let evening = Self.evenings[Int(leg.seed % 2)]
        database = try await SteppedClock(scene.site.sql, at: evening)
        for (tenant, zone) in Self.zones {
            try await scene.site.sql.query(
                """
                UPDATE gatepost.tenant SET zone = $2, next_zone = NULL, next_zone_from = NULL,
                    daily_cap = CASE WHEN daily_cap IS NOT NULL THEN 9 END
                WHERE slug = $1
                """,
                [.text(tenant), .text(zone)])
        }
        var clocks: [String: Preload] = [:]
        for role in roles { clocks[role] = try Preload("set_clock", in: scene.site.folder, for: role) }
        self.clocks = clocks
        for role in roles {
            try await scene.start(
                submissions: role == "submission" ? 2 : 0, forwarders: role == "forwarder" ? 1 : 0,
                relays: role == "relay" ? 1 : 0,
                environment: [
                    "GATEPOST_FORWARDER_RETRY=1h", "GATEPOST_FORWARDER_EXPIRE_AFTER=60d",
                ] + (clocks[role]?.environment("SET_CLOCK_CONTROL") ?? []))
        }
    }

    /// A node's clock, in seconds ahead of the machine's.
    private func set(_ role: String, seconds: Int) { clocks[role]?.store(0, Int64(seconds) * 1_000_000_000) }

    func judged() async throws -> Verdict {
        let deferrals = Task { await letTimePass() }
        var verdict = try await scene.judged(
            clients: 12, messagesPerSecond: 80, isOperated: false, adjust: { $0.clockMoves = true },
            harm: { try await run() })
        deferrals.cancel()
        try await examine(&verdict)
        return verdict
    }

    private func run() async throws {
        guard let load = scene.load else { return }
        var random = scene.leg.random
        for round in 0..<scene.leg.rounds {
            // Something must have been taken under the clocks as they are.
            let count = load.acknowledged
            guard await eventually(within: .seconds(20) * scene.leg.patience, { load.acknowledged > count + 20 }) else {
                return scene.fault(.late, "nothing is taken, after \(round) jumps")
            }
            try await jump(round, &random)
            let begun = ContinuousClock.now
            let then = load.acknowledged
            let isBack = await eventually(within: .seconds(30), every: .milliseconds(10)) { load.acknowledged > then }
            scene.back("taken again", after: begun.duration(to: .now), within: .seconds(isBack ? 5 : 0))
        }
        // By a clock that is far enough off the relay's certificate is not valid yet, or not any more: mail waits.
        for role in roles { set(role, seconds: 0) }
    }

    private func jump(_ round: Int, _ random: inout Seeded) async throws {
        let hours = Int.random(in: -240...240, using: &random)
        // Nothing of this disturbs a delivery.
        switch round % 5 {
        case 0:
            scene.disturb("the nodes' clocks, each by days", mayDuplicate: false)
            for role in roles { set(role, seconds: Int.random(in: -200 * 86_400...200 * 86_400, using: &random)) }
            scene.count("jumps of the nodes")
        case 1:
            scene.disturb("the database's clock to a tenant's midnight", mayDuplicate: false)
            let zone = Self.zones.values.sorted().randomElement(using: &random) ?? "UTC"
            try await database.set(
                to: "(date_trunc('day', ledger.clock() AT TIME ZONE '\(zone)') + interval '1 day'"
                    + " - interval '1 second') AT TIME ZONE '\(zone)'")
            scene.count("midnights")
        case 2:
            scene.disturb("the database's clock to a change of time", mayDuplicate: false)
            try await database.set(to: database.change)
            scene.count("changes to or from summer time")
        case 3:
            scene.disturb("the database's clock by \(hours) h", mayDuplicate: false)
            try await database.set(to: "\(database.start) + interval '\(hours) hours'")
            scene.count("jumps of the database")
        default:
            scene.disturb("all clocks", mayDuplicate: false)
            for role in roles { set(role, seconds: Int.random(in: -86_400...86_400, using: &random)) }
            try await database.set(to: "ledger.clock() + interval '\(hours) hours'")
            scene.count("jumps of all")
        }
    }

    /// Once the clients have come to their end, hour by hour until nothing is deferred.
    private func letTimePass() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(500))
            guard let load = scene.load, load.isStopping else { continue }
            try? await database.set(
                to: """
                    coalesce((SELECT max(next_attempt) FROM \(Scene.recipients) r WHERE state IN ('queued', 'deferred')),
                             ledger.clock()) + interval '1 minute'
                    """)
        }
    }

    private func examine(_ verdict: inout Verdict) async throws {
        let sql = scene.site.sql
        for row in try await sql.query(
            """
            SELECT t.slug, l.day::text AS day, sum(l.recipients)::bigint AS used, t.daily_cap AS cap
            FROM gatepost.ledger l JOIN gatepost.tenant t ON t.id = l.tenant_id
            WHERE t.daily_cap IS NOT NULL GROUP BY t.slug, l.day, t.daily_cap
            """)
        {
            let (used, cap) = (try row.int64("used"), try row.int64("cap"))
            verdict.count("days of capped tenants")
            if used == cap { verdict.count("days used to the cap") }
            if used > cap {
                verdict.add(.overCap, "\(try row.string("slug")): \(used) of \(cap) on \(try row.string("day"))")
            }
        }
        if verdict.counts["days used to the cap"] == nil { verdict.add(.noTest, "no cap was reached") }
        for row in try await sql.query(
            """
            SELECT e.message_id FROM gatepost.event e
            WHERE e.kind = 'refused' AND e.detail ->> 'verdict' = 'cap_daily'
              AND (e.detail ->> 'used')::bigint + (e.detail ->> 'recipients')::bigint <= (e.detail ->> 'cap')::bigint
            """)
        { verdict.add(.wrongAnswer, "\(try row.uuid("message_id")) was refused though there was room") }
        // A node hears of the database's new time with its next renewal, within 5 s: what it deferred in between, it
        // deferred by the old.
        for row in try await sql.query(
            """
            SELECT s.message_id, s.number, s.before::text AS before, s.at::text AS at
            FROM (SELECT e.message_id, e.number, e.at, e.kind,
                         lag(e.kind) OVER w AS was, lag(e.at) OVER w AS before
                  FROM gatepost.event e WHERE e.kind IN ('deferred', 'delivered', 'bounced')
                  WINDOW w AS (PARTITION BY e.message_id, e.number ORDER BY e.xid, e.id)) AS s
            WHERE s.was = 'deferred' AND s.at - s.before < interval '53 minutes'
              AND NOT EXISTS (SELECT FROM gatepost.test_jump j
                              WHERE s.before BETWEEN j.at AND j.at + interval '8 seconds'
                                 OR s.at BETWEEN j.at AND j.at + interval '8 seconds')
            """)
        {
            verdict.add(
                .late,
                "tried early: \(try row.uuid("message_id")), \(try row.string("before")), \(try row.string("at"))")
        }
        let deferred = try await sql.query("SELECT count(*) AS n FROM gatepost.event WHERE kind = 'deferred'")
        verdict.count("deferrals", Int(try deferred.first?.int64("n") ?? 0))
        let moved = try await sql.query("SELECT count(*) AS n FROM gatepost.recipient_straggler")
        verdict.count("stragglers", Int(try moved.first?.int64("n") ?? 0))
        for row in try await sql.query(
            """
            SELECT r.message_id FROM \(Scene.recipients) r WHERE r.state = 'bounced' AND r.domain <> 'bounce.example'
            """)
        { verdict.add(.lost, "\(try row.uuid("message_id")) was given up before its time") }
    }
}
