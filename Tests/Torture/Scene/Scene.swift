import Foundation
import Postgres
import SiteSupport
import Synchronization
import TestSupport

/// What every row needs: a PostgreSQL of its own, nodes of each role, a sink, tenants, clients at work, an operator at
/// work, and at the end the judge.
///
///     let scene = try await Scene(leg)
///     try await scene.start(submissions: 2, forwarders: 2, relays: 2)
///     return try await scene.judged(clients: 24) {
///         for _ in 0..<leg.rounds {
///             scene.disturb("SIGKILL of \(node.name)", mayDuplicate: node.role != .submission)
///             …                                              // harm, measured into scene.verdict
///         }
///     }
final class Scene: Sendable {
    let leg: Leg
    let site: Site
    let sink: CountingSink
    let population: Population
    /// Of every client of the scene.
    let journal: JournalWriter
    private let state = Mutex(State())

    private struct State {
        var nodes: [Node] = []
        var disturbances: [Evidence.Disturbance] = []
        var verdict = Verdict()
        var load: Load?
        /// How soon a client may be left without a reply; nil: submission nodes are killed, so at once.
        var silence: Duration?
        var clockMoves = false
    }

    init(_ leg: Leg, manner: @escaping @Sendable () -> CountingSink.Manner = { .answer }) async throws {
        self.leg = leg
        site = try await Site()
        journal = JournalWriter("\(site.folder)/journal")
        sink = try await CountingSink(manner: manner)
        population = try await Population(site.database)
        if let script = try leg.plant?.script() { try await site.sql.script(script) }
    }

    var nodes: [Node] { state.withLock { $0.nodes } }
    var load: Load? { state.withLock { $0.load } }

    // MARK: Nodes

    /// Starts nodes and waits until all are in service. Relays are made members of the default pool.
    ///
    /// - Parameter databasePort: where a proxy stands between nodes and PostgreSQL.
    func start(
        submissions: Int, forwarders: Int, relays: Int, databasePort: Int? = nil, environment: [String] = []
    ) async throws {
        var nodes: [Node] = []
        let environment = environment + (leg.plant?.environment ?? [])
        for (role, count) in [(Node.Role.relay, relays), (.forwarder, forwarders), (.submission, submissions)] {
            for number in 0..<count {
                nodes.append(
                    Node(
                        role, "\(role.rawValue)\(number + 1)", of: site, sinkPort: sink.port,
                        databasePort: role == .relay ? nil : databasePort, environment: environment))
            }
        }
        state.withLock { $0.nodes += nodes }
        try await site.sql.query("DELETE FROM gatepost.relay WHERE port = $1", [.int32(Int32(site.relayPort))])
        for node in nodes where node.role == .relay {
            try await site.sql.query(
                "SELECT admin.relay_add('torture', 'default', '127.0.0.1', $1)", [.int32(Int32(node.port))])
        }
        for node in nodes { try node.start() }
        for node in nodes {
            guard try await node.untilInService() else { throw Site.Failure("\(node.name) is not ready: \(node.log)") }
        }
    }

    // MARK: What was done, and what was seen

    /// To be said before the harm is done.
    ///
    /// - Parameter mayDuplicate: promise 5: an outcome may be lost between the sink's reply and its commit.
    func disturb(_ what: String, mayDuplicate: Bool) {
        let now = Int64(Date().timeIntervalSince1970 * 1_000_000)
        state.withLock { $0.disturbances.append(.init(at: now, what: what, mayDuplicate: mayDuplicate)) }
    }

    func count(_ name: String, _ number: Int = 1) { state.withLock { $0.verdict.count(name, number) } }
    func measure(_ name: String, _ value: Double) { state.withLock { $0.verdict.measure(name, value) } }
    func fault(_ fault: Verdict.Fault, _ detail: String) { state.withLock { $0.verdict.add(fault, detail) } }

    /// A time to be back in service, against its deadline.
    func back(_ what: String, after time: Duration, within limit: Duration) {
        let seconds = time / .seconds(1)
        measure("\(what), s", seconds)
        if time > limit * leg.patience { fault(.late, "\(what): \(String(format: "%.2f", seconds)) s") }
    }

    /// Nobody kills submission nodes: a connection that ends without a reply before that time is a fault.
    func allowSilence(after time: Duration) { state.withLock { $0.silence = time } }

    /// The ledger's clock does not run on from instant to instant: caps are then not replayed in the order of time.
    func clockMoves() { state.withLock { $0.clockMoves = true } }

    // MARK: The run

    /// Clients and operator at work, harm done to it all, an end, and the judge.
    ///
    /// - Parameters:
    ///   - messages: at least so many acknowledged, even when the harm is over before.
    ///   - isOperated: an operator is at work too.
    ///   - adjust: what the row knows of the evidence.
    ///   - drain: how long what was accepted may take to be delivered once the harm has ended.
    ///   - successor: the database that is judged, if it is not the site's; then nobody is waited for, and what the sink
    ///     has taken says nothing.
    func judged(
        clients: Int = 24, messagesPerSecond: Int = 250, messages: Int = 0, drain: Duration = .seconds(150),
        ports: [Int]? = nil, isOperated: Bool = true, judgedAt successor: DatabaseConnection? = nil,
        adjust: @Sendable (inout Evidence) -> Void = { _ in }, harm: @Sendable () async throws -> Void
    ) async throws -> Verdict {
        let load = try Load(
            Load.Plan(
                ports: ports ?? nodes.filter { $0.role == .submission }.map(\.port), members: population.members,
                clients: clients, messagesPerSecond: messagesPerSecond, seed: leg.seed),
            ca: site.ca, journal: journal)
        state.withLock { $0.load = load }
        let desk = Operator(database: site.database, population: population, load: load, seed: leg.seed)
        async let running: Void = load.run()
        async let changes = isOperated ? desk.run() : 0
        do {
            try await harm()
            guard await eventually(within: .seconds(600), every: .milliseconds(50), { load.acknowledged >= messages })
            else { throw Site.Failure("\(load.acknowledged) of \(messages) messages within ten minutes") }
        } catch {
            load.stop()
            _ = await (running, changes)
            throw error
        }
        load.stop()
        _ = await running
        count("operator's changes", await changes)
        if successor == nil { try await waitUntilDelivered(within: leg.plant == nil ? drain : .seconds(20)) }
        var verdict = try await examined(at: successor, adjust)
        if !journalled.isDone { verdict.add(.noTest, "the clients did not come to their end") }
        for oddity in load.oddities { verdict.add(.wrongAnswer, oddity) }
        if let silence = state.withLock({ $0.silence }) {
            for (token, time) in load.silences where time < silence {
                verdict.add(.wrongAnswer, "\(token): the connection ended without a reply after \(time)")
            }
        }
        return verdict
    }

    /// Every recipient that is stored, wherever: upkeep moves those that wait out of partitions whose time is over.
    static let recipients =
        "(SELECT * FROM gatepost.recipient UNION ALL SELECT * FROM gatepost.recipient_straggler)"

    /// How many recipients are neither delivered nor bounced nor cancelled; nil: the database does not say.
    ///
    /// - Parameters:
    ///   - isMarked: of those that were cancelled while under way, or of the others.
    ///   - limit: of messages accepted before it alone.
    func waiting(isMarked: Bool, before limit: Date = .distantFuture) async -> Int64? {
        let rows = try? await site.sql.query(
            """
            SELECT count(*) AS n FROM \(Self.recipients) r
            WHERE r.state IN ('queued', 'deferred') AND (r.mark IS NOT NULL) = $1
              AND r.message_id < gatepost.uuid_floor(to_timestamp($2))
            """, [.bool(isMarked), .double(limit.timeIntervalSince1970)])
        return try? rows?.first?.int64("n")
    }

    /// Until no recipient is left that is neither delivered nor bounced nor cancelled: by themselves, nobody helps the
    /// nodes.
    func waitUntilDelivered(within limit: Duration) async throws {
        let begun = ContinuousClock.now
        guard
            await eventually(within: limit, every: .milliseconds(100), { await waiting(isMarked: false) == 0 })
        else { return await sayWhatWaits() }
        measure("all delivered after, s", begun.duration(to: .now) / .seconds(1))
        // What every forwarder does once a minute, at once: it finishes what was cancelled under way.
        for _ in 0..<10 where await waiting(isMarked: true) != 0 {
            _ = try? await onThread { [site] in try site.gatepost("maintain") }
        }
        if await waiting(isMarked: true) != 0 { await sayWhatWaits() }
    }

    func sayWhatWaits() async {
        let rows = try? await site.sql.query(
            """
            SELECT format('%s of %s: %s, owner %s (%s), mark %s, due in %s s, %s attempts, %s', r.address, r.message_id,
                          r.state, r.owner_id, o.node, r.mark, extract(epoch FROM r.next_attempt - clock_timestamp())::int,
                          r.attempts, r.reply_code) AS what
            FROM \(Self.recipients) r LEFT JOIN gatepost.owner o ON o.id = r.owner_id
            WHERE r.state IN ('queued', 'deferred') LIMIT 5
            """)
        guard let rows else { return leg.say("the database does not say what waits") }
        for row in rows { leg.say("left behind: \((try? row.string("what")) ?? "")") }
    }

    /// The judge's verdict on all that clients have heard by now, and what was noted here.
    func examined(
        at successor: DatabaseConnection? = nil, _ adjust: (inout Evidence) -> Void = { _ in }
    ) async throws -> Verdict {
        var evidence = Evidence()
        if let successor {
            evidence.hasSink = false
            try await evidence.read(successor)
        } else {
            _ = try await site.retried("SELECT")  // what was connected may have been cut
            try await evidence.read(site.sql)
        }
        count("batches of several senders", try await batchesOfSeveral(successor ?? site.sql))
        evidence.deliveries = sink.deliveries
        evidence.clockMoves = state.withLock { $0.clockMoves }
        evidence.disturbances = state.withLock { $0.disturbances }
        adjust(&evidence)
        var verdict = Judge.examine(journalled, evidence)
        verdict.add(state.withLock { $0.verdict })
        return verdict
    }

    /// How many batches the statement for several senders has decided: all of such a batch was accepted, and nobody in it
    /// is warned of a cap.
    private func batchesOfSeveral(_ sql: DatabaseConnection) async throws -> Int {
        let rows = try await sql.query(
            """
            SELECT count(*) AS n FROM (
                SELECT FROM gatepost.batch b CROSS JOIN unnest(b.verdicts) AS v
                LEFT JOIN gatepost.message m ON m.id = v.id LEFT JOIN gatepost.tenant t ON t.id = m.tenant_id
                GROUP BY b.id
                HAVING count(DISTINCT m.credential_id) > 1
                   AND bool_and(v.verdict = 'accepted' AND v.detail IS NULL
                                AND (t.daily_cap IS NULL OR t.warn_percents = '{}'))) AS x
            """)
        return Int(try rows.first?.int64("n") ?? 0)
    }

    private var journalled: Journal { Journal("\(site.folder)/journal") }
}

extension Site {
    /// A statement that is harmless to repeat, on a connection that may have been lost.
    func retried(_ statement: String) async throws -> Rows {
        for _ in 0..<100 {
            if let rows = try? await sql.query(statement) { return rows }
            try await Task.sleep(for: .milliseconds(50))
        }
        return try await sql.query(statement)
    }
}
