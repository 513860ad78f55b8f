internal import Foundation
internal import Glibc
internal import Postgres
internal import SiteSupport
internal import TestSupport

extension Row {
    static let failover = Row(
        name: "failover",
        summary: "primary and synchronous standby under Patroni: killed, frozen, switched over, cut off",
        unit: "failovers", short: 1, full: 20, leg: 5
    ) { leg in try await Failover.run(leg, .strictlySynchronous) }

    /// Says what it lost; that is no fault of Gatepost's, and `gatepost check` says beforehand that it may be so.
    static let asynchronous = Row(
        name: "failover-asynchronous", summary: "the same without a synchronous standby: what is lost is reported",
        unit: "failovers", short: 1, full: 5, leg: 5
    ) { leg in try await Failover.run(leg, .asynchronous) }
}

/// A node on each of two sides, each side with a PostgreSQL that may be the primary.
struct Failover: Sendable {
    private enum Harm: String, CaseIterable {
        case killed = "the primary's postmaster killed"
        case powerless = "the primary and its Patroni killed"
        case frozen = "the primary frozen"
        case switched = "switchover"
        case silent = "the primary cut off, packets dropped"
        case cut = "the primary cut off, connections reset"
        case standby = "the standby killed"
    }

    private let leg: Leg
    private let mode: PatroniCluster.Mode
    private let cluster: PatroniCluster
    private let site: Site
    private let sink: CountingSink
    private let nodes: [Node]
    private let load: Load

    static func run(_ leg: Leg, _ mode: PatroniCluster.Mode) async throws -> Verdict {
        guard leg.rounds > 0 else { return Verdict() }
        guard PatroniCluster.isInstalled else {
            leg.say("skipped: \(PatroniCluster.packages) are not installed")
            var verdict = Verdict()
            verdict.count("skipped")
            return verdict
        }
        return try await Failover(leg, mode).judged()
    }

    private init(_ leg: Leg, _ mode: PatroniCluster.Mode) async throws {
        self.leg = leg
        self.mode = mode
        cluster = try await PatroniCluster(mode)
        site = try await Site()
        sink = try await CountingSink()
        try await Self.move(site, to: cluster)
        // libpq asks the standby first, which may know of the database a moment later.
        let site = site
        let isMigrated = await eventually(within: .seconds(20), every: .milliseconds(200)) {
            (try? site.gatepost("migrate")) != nil
        }
        guard isMigrated else { throw Site.Failure("the cluster cannot be migrated") }
        try site.member(sink.port, "--tls", "none")
        var members: [Population.Member] = []
        for (slug, cap) in [("edge1", "150"), ("edge2", "300"), ("wide1", "unlimited")] {
            _ = try site.tenant(slug, "--daily", cap, "--monthly", "unlimited", "--sessions", "500")
            for _ in 0..<2 {
                let issued = try site.credential(slug)
                members.append(Population.Member(tenant: slug, username: issued.username, secret: issued.secret))
            }
        }
        var nodes: [Node] = []
        for member in cluster.members {
            let url = cluster.url(from: member, user: "gatepost_node", database: "gatepost")
            for role in [Node.Role.submission, .forwarder] {
                nodes.append(
                    Node(
                        role, "\(role.rawValue)-\(member.name)", of: site, sinkPort: sink.port,
                        environment: ["GATEPOST_DATABASE_URL=\(url)"] + (leg.plant?.environment ?? [])))
            }
        }
        self.nodes = nodes
        for node in nodes { try node.start() }
        for node in nodes {
            guard try await node.untilInService() else { throw Site.Failure("\(node.name) is not ready: \(node.log)") }
        }
        load = try Load(
            Load.Plan(
                ports: nodes.filter { $0.role == .submission }.map(\.port), members: members, clients: 12,
                messagesPerSecond: 60, seed: leg.seed),
            ca: site.ca, journal: JournalWriter("\(site.folder)/journal"))
    }

    /// The commands', and the schema, from the site's own PostgreSQL to the cluster.
    private static func move(_ site: Site, to cluster: PatroniCluster) async throws {
        let postgres = DatabaseConnection(
            DatabaseConfiguration(url: cluster.url(from: nil, user: "postgres", database: "postgres")), name: "create")
        try await postgres.query("CREATE DATABASE gatepost")
        await postgres.close()
        var lines = readFile(site.settings).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        for (key, user) in [("url", "gatepost_node"), ("admin-url", "gatepost_admin"), ("owner-url", "postgres")] {
            let url = cluster.url(from: nil, user: user, database: "gatepost")
            lines = lines.map { $0.hasPrefix("  \(key): \"host=") ? "  \(key): \"\(url)\"" : $0 }
        }
        try lines.joined(separator: "\n").write(toFile: site.settings, atomically: true, encoding: .utf8)
    }

    /// Whether what the row does is what loses mail where no commit waits for a standby.
    private var isLossy: Bool { mode == .asynchronous || leg.plant != nil }

    private func judged() async throws -> Verdict {
        var verdict = Verdict()
        var disturbances: [Evidence.Disturbance] = []
        let check = try site.run([Site.binary, "check", "--config", site.settings])
        let promise = (check.standardOutput + check.standardError).split(separator: "\n").first {
            $0.contains("promise")
        }
        let word = mode == .asynchronous ? "asynchronous" : "synchronous: a commit waits"
        if promise?.contains(word) != true { verdict.add(.wrongAnswer, "gatepost check says \(promise ?? "nothing")") }

        async let running: Void = load.run()
        var random = leg.random
        do {
            var harms: [Harm] = []
            while harms.count < leg.rounds {
                // (What takes Patroni least time is enough for the short form.)
                let possible = isLossy ? [.powerless] : leg.isShort ? [.switched] : Harm.allCases
                harms += possible.shuffled(using: &random)
            }
            for harm in harms.prefix(leg.rounds) {
                try await suffer(harm, &verdict, &disturbances)
                guard verdict.isGood else { break }
            }
        } catch {
            load.stop()
            _ = await running
            throw error
        }
        load.stop()
        _ = await running
        return try await examine(verdict, disturbances)
    }

    private func suffer(
        _ harm: Harm, _ verdict: inout Verdict, _ disturbances: inout [Evidence.Disturbance]
    ) async throws {
        guard await cluster.settle(within: .seconds(90), mode), let primary = await cluster.leader() else {
            throw Site.Failure("Patroni has not settled: \(await cluster.roles())")
        }
        let count = load.acknowledged
        guard await eventually(within: .seconds(90), { load.acknowledged > count + 30 }) else {
            return verdict.add(.late, "nothing is taken before \(harm.rawValue)")
        }
        leg.say("\(harm.rawValue) (\(primary.name))")
        disturbances.append(
            Evidence.Disturbance(
                at: Int64(Date().timeIntervalSince1970 * 1_000_000), what: harm.rawValue, mayDuplicate: true))
        let begun = ContinuousClock.now
        switch harm {
        case .killed: cluster.killPostmaster(primary)
        case .powerless:
            if isLossy {
                // As over a network that is slow for a second: what is taken now is on the primary alone.
                primary.wire.change(to: .silent)
                let before = load.acknowledged
                _ = await eventually(within: .seconds(2), every: .milliseconds(20)) { load.acknowledged > before + 10 }
            }
            cluster.killAll(primary)
            // What was on its way is gone with it: let through now, it would still reach the standby.
            if isLossy { primary.wire.change(to: .cut) }
            primary.wire.change(to: .whole)
        case .frozen: cluster.signalAll(primary, SIGSTOP)
        case .switched:
            guard await cluster.switchOver(from: primary) else { return verdict.add(.noTest, "no switchover") }
        case .silent: cluster.isolate(primary, .silent)
        case .cut: cluster.isolate(primary, .cut)
        case .standby: cluster.killAll(cluster.other(than: primary))
        }
        verdict.count(harm.rawValue)
        if harm == .standby {
            // Nothing may be taken while commits wait: it comes back before clients give up.
            try await Task.sleep(for: .seconds(5))
            try cluster.startPatroni(cluster.other(than: primary))
        } else {
            // Until the other leads and takes mail: with the strict mode only once a standby is there again.
            let other = cluster.other(than: primary).name
            let hasMoved = await eventually(within: .seconds(45), every: .milliseconds(100)) {
                await cluster.roles(seenBy: other)[other] == "leader"
            }
            verdict.measure("the other leads after, s", begun.duration(to: .now) / .seconds(1))
            if !hasMoved, harm != .killed { verdict.add(.noTest, "\(harm.rawValue): nobody took over") }
            switch harm {
            case .powerless: try cluster.startPatroni(primary)
            case .frozen: cluster.signalAll(primary, SIGCONT)
            case .silent, .cut: cluster.heal()
            case .killed, .switched, .standby: break
            }
        }
        let healed = ContinuousClock.now
        guard await cluster.settle(within: .seconds(90), mode) else {
            throw Site.Failure("Patroni has not settled after \(harm.rawValue): \(await cluster.roles())")
        }
        verdict.measure("Patroni whole again after, s", healed.duration(to: .now) / .seconds(1))
        let whole = ContinuousClock.now
        let taken = load.acknowledged
        let isBack = await eventually(within: .seconds(90), every: .milliseconds(20)) { load.acknowledged > taken }
        let wait = whole.duration(to: .now) / .seconds(1)
        verdict.measure("taken again after that, s", wait)
        if !isBack { verdict.add(.late, "\(harm.rawValue): nothing is taken within 90 s") }
    }

    private func examine(_ found: Verdict, _ disturbances: [Evidence.Disturbance]) async throws -> Verdict {
        guard await cluster.settle(within: .seconds(60), mode) else { throw Site.Failure("Patroni has not settled") }
        let sql = DatabaseConnection(
            DatabaseConfiguration(url: cluster.url(from: nil, user: "postgres", database: "gatepost")), name: "judge")
        // Leases of what was delivered from memory when its node was lost are freed after 20 s at the earliest.
        _ = await eventually(within: .seconds(120), every: .milliseconds(200)) {
            let rows = try? await sql.query(
                "SELECT count(*) AS n FROM gatepost.recipient WHERE state IN ('queued', 'deferred')")
            return (try? rows?.first?.int64("n")) == 0
        }
        var evidence = Evidence()
        try await evidence.read(sql)
        await sql.close()
        evidence.deliveries = sink.deliveries
        evidence.disturbances = disturbances
        evidence.settleTime = 120_000_000
        var verdict = Judge.examine(Journal("\(site.folder)/journal"), evidence)
        for oddity in load.oddities { verdict.add(.wrongAnswer, oddity) }
        verdict.add(found)
        return mode == .asynchronous ? verdict.reporting([.lost, .strayDelivery, .duplicate]) : verdict
    }
}

extension Verdict {
    /// The same with these faults as mere figures.
    fileprivate func reporting(_ expected: Set<Fault>) -> Verdict {
        var verdict = Verdict()
        for finding in findings {
            if expected.contains(finding.fault) {
                verdict.count("\(finding.fault.rawValue), as it may be", finding.count)
            } else {
                for detail in finding.details { verdict.add(finding.fault, detail) }
            }
        }
        for (name, number) in counts { verdict.count(name, number) }
        for (name, value) in worst { verdict.measure(name, value) }
        return verdict
    }
}
