internal import Foundation
internal import Glibc
internal import Postgres
internal import SiteSupport
internal import TestSupport

extension Row {
    static let resources = Row(
        name: "resources",
        summary: "disks full, no descriptors, no memory, processes that stand still, no relay",
        unit: "shortages", short: Shortage.allCases.count, full: 20 * Shortage.allCases.count,
        leg: 2 * Shortage.allCases.count
    ) { leg in
        let resources = try await Resources(leg)
        // Some of the mail is large, and is sent again and again while there is no relay.
        return try await resources.scene.judged(clients: 12, messagesPerSecond: 60, drain: .seconds(60)) {
            try await resources.run()
        }
    }
}

/// What there is not enough of.
enum Shortage: String, CaseIterable, Sendable {
    case databaseDisk = "database's disk full"
    case logDisk = "logs' disk full"
    case descriptors = "descriptors used up"
    case memory = "no memory"
    case standstill = "standstill"
    case relay = "no relay"
}

/// A node that takes mail and one that forwards it, short of something: clients are told to come again, and within 5 s
/// after there is enough again all goes on, with nothing lost and no processor worn meanwhile.
struct Resources: Sendable {
    /// Of a processor: the load takes some of it, in a debug build most of it; a loop that spins takes what it can get.
    #if DEBUG
        private static let spinning = 0.95
    #else
        private static let spinning = 0.5
    #endif
    let scene: Scene
    /// Nil where no file system can be mounted.
    private let tables: SmallDisk?
    private let logs: SmallDisk?
    private var nodes: [Node] { scene.nodes }
    private var submission: Node { nodes.first { $0.role == .submission } ?? nodes[0] }

    init(_ leg: Leg) async throws {
        scene = try await Scene(leg)
        tables = SmallDisk(megabytes: 160)
        logs = SmallDisk(megabytes: 8)
        if let tables { try await Self.move(scene.site, to: tables) }
        if let logs {
            for name in ["submission1", "forwarder1", "relay1"] {
                symlink("\(logs.folder)/\(name)", "\(scene.site.folder)/\(name).1.log")
            }
        }
        try await scene.start(submissions: 1, forwarders: 1, relays: 1)
    }

    /// The tables alone: a full disk under the WAL ends PostgreSQL, and that is the row `postgres`.
    private static func move(_ site: Site, to disk: SmallDisk) async throws {
        await site.sql.close()
        let administration = DatabaseConnection(
            DatabaseConfiguration(url: site.cluster.url(user: "postgres", database: "postgres")), name: "tablespace")
        try await administration.query("CREATE TABLESPACE small LOCATION '\(disk.folderForPostgres())'")
        // A session that has just ended may still be there.
        let isMoved = await eventually {
            (try? await administration.query("ALTER DATABASE \(site.database.name) SET TABLESPACE small")) != nil
        }
        await administration.close()
        guard isMoved else { throw Site.Failure("the database cannot be moved: \(site.cluster.log.suffix(500))") }
    }

    func run() async throws {
        guard let load = scene.load else { return }
        guard await answer(of: load, within: .seconds(20)) != nil else {
            throw Site.Failure("no answer before anything was done: \(submission.log.suffix(2000))")
        }
        var random = scene.leg.random
        var shortages: [Shortage] = []
        while shortages.count < scene.leg.rounds { shortages += Shortage.allCases.shuffled(using: &random) }
        for shortage in shortages.prefix(scene.leg.rounds) { try await suffer(shortage, load, &random) }
    }

    private func suffer(_ shortage: Shortage, _ load: Load, _ random: inout Seeded) async throws {
        let seconds = scene.leg.isShort ? 1 : Double.random(in: 2...6, using: &random)
        let process = submission.process
        switch shortage {
        case .databaseDisk:
            guard let tables else { return skip(shortage) }
            let before = load.count("452 4.3.1")
            try await during(shortage, load, seconds, { tables.fill() }, undo: { tables.free() })
            // Room is found in old pages for a while: not every time is somebody refused.
            scene.count("452 4.3.1", load.count("452 4.3.1") - before)
        case .logDisk:
            guard let logs else { return skip(shortage) }
            try await during(shortage, load, seconds, { logs.fill() }, undo: { logs.free() })
        case .descriptors:
            let crowd = Crowd(port: submission.port, count: 1000)
            try await during(shortage, load, seconds) {
                process?.limit("nofile", "256")
                crowd.come()
            } undo: {
                crowd.leave()
                process?.limit("nofile", "65536")
            }
        case .memory:
            let heavy = HeavyMail(scene, to: submission.port)
            try await during(shortage, load, seconds) {
                if let process { process.limit("as", "\(process.virtualSize + HeavyMail.room)") }
                heavy.begin()
            } undo: {
                process?.limit("as", "unlimited")
            }
            heavy.end()
        case .standstill:
            let pause = scene.leg.isShort ? 1.5 : pow(60, Double.random(in: 0...1, using: &random))
            let ours = nodes.compactMap { $0.process?.id }
            guard let victim = (ours + scene.site.cluster.processes).randomElement(using: &random) else { return }
            try await during(shortage, load, pause, { kill(victim, SIGSTOP) }, undo: { kill(victim, SIGCONT) })
        case .relay:
            guard let relay = nodes.first(where: { $0.role == .relay }) else { return }
            if Bool.random(using: &random) {
                try await during(shortage, load, seconds, { relay.kill() }, undo: { try? relay.start() })
            } else {
                let process = relay.process
                try await during(
                    shortage, load, seconds, { process?.signal(SIGSTOP) }, undo: { process?.signal(SIGCONT) })
            }
        }
    }

    private func skip(_ shortage: Shortage) {
        scene.leg.say("\(shortage.rawValue): skipped, for it takes a file system of its own (root, and mount)")
        scene.count("skipped")
    }

    private func during(
        _ shortage: Shortage, _ load: Load, _ seconds: Double, _ begin: () -> Void, undo: () -> Void
    ) async throws {
        scene.disturb(shortage.rawValue, mayDuplicate: true)
        let watched = nodes.compactMap { node in node.process.map { (node, $0) } }
        begin()
        let before = watched.map { $0.1.cpuSeconds }
        let begun = ContinuousClock.now
        // The length of the fault, not a wait for anything.
        try await Task.sleep(for: .seconds(seconds))
        for (index, (node, process)) in watched.enumerated() where process.isRunning {
            let share = (process.cpuSeconds - before[index]) / (begun.duration(to: .now) / .seconds(1))
            scene.measure("\(shortage.rawValue): processor's share of the \(node.role.rawValue)", share)
            if share > Self.spinning { scene.fault(.late, "\(shortage.rawValue): \(node.name) spins, \(share)") }
        }
        undo()
        for node in nodes where node.process?.isRunning != true {
            scene.count("\(node.role.rawValue) ended and started again")
            node.kill()
            try node.start()
        }
        scene.count(shortage.rawValue)
        let ended = ContinuousClock.now
        let now = Date()
        async let wait = answer(of: load, within: .seconds(30)) ?? .seconds(30)
        // Everything that waited then, and not only what comes now.
        let isDrained = await eventually(within: .seconds(30) * scene.leg.patience, every: .milliseconds(50)) {
            await scene.waiting(isMarked: false, before: now) == 0
        }
        scene.back("\(shortage.rawValue): delivered", after: ended.duration(to: .now), within: .seconds(5))
        if !isDrained { await scene.sayWhatWaits() }
        scene.back("\(shortage.rawValue): back", after: await wait, within: .seconds(5))
    }

    /// Waits for the next 250 after now. Nil when there was none in time.
    private func answer(of load: Load, within limit: Duration) async -> Duration? {
        let begun = ContinuousClock.now
        let count = load.acknowledged
        let came = await eventually(within: limit, every: .milliseconds(10)) { load.acknowledged > count }
        return came ? begun.duration(to: .now) : nil
    }
}

/// Messages of many megabytes, several at once, from clients of their own; their journal is the scene's. They go to
/// where they are refused: the sink would take its time over them.
private final class HeavyMail {
    // (A debug build takes half a minute for what the other does in a second.)
    #if DEBUG
        private static let lines = 1_600
        /// Of memory: less than all of them need.
        static let room = 4 << 20
    #else
        private static let lines = 8_000
        static let room = 16 << 20
    #endif
    private let scene: Scene
    private let port: Int
    private let file: String
    private var clients: [(token: String, process: ChildProcess, log: String)] = []

    init(_ scene: Scene, to port: Int) {
        self.scene = scene
        self.port = port
        file = "\(scene.site.folder)/heavy.eml"
    }

    func begin() {
        guard let member = scene.population.members.first(where: { $0.tenant == "wide1" }) else { return }
        if access(file, R_OK) != 0 {
            let head = "From: <\(member.sender)>\r\nSubject: heavy\r\n\r\n"
            let line = String(repeating: "x", count: 900) + "\r\n"
            try? (head + String(repeating: line, count: Self.lines)).write(
                toFile: file, atomically: true, encoding: .utf8)
        }
        for number in 0..<6 {
            let token = "heavy\(UUID().uuidString.prefix(8).lowercased())\(number)"
            let log = "\(scene.site.folder)/\(token).log"
            scene.journal.note("try \(token)")
            let process = try? ChildProcess(
                [
                    "curl", "-sv", "--ssl-reqd", "--cacert", scene.site.ca, "-m", "60", "smtp://127.0.0.1:\(port)",
                    "--user", "\(member.username):\(member.secret)", "--mail-from", member.sender, "--mail-rcpt",
                    "\(token).1@bounce.example", "-T", file,
                ], log: log)
            if let process { clients.append((token, process, log)) }
        }
    }

    /// Waits for them, and journals what they heard.
    func end() {
        for (token, process, log) in clients {
            process.wait()
            let lines = readFile(log).split(whereSeparator: \.isNewline)
            let replies = lines.filter { $0.hasPrefix("< ") }.map { $0.dropFirst(2) }
            let last = replies.last { !$0.hasPrefix("221") } ?? ""
            if last.hasPrefix("250 2.0.0"), let id = last.split(separator: " ").last {
                scene.journal.note("ack \(token) \(id)")
                scene.count("heavy accepted")
            } else if last.hasPrefix("4") || last.hasPrefix("5") {
                scene.journal.note("refused \(token) \(last)")
                scene.count("heavy refused")
            } else {
                scene.journal.note("unknown \(token)")
                scene.count("heavy unknown")
            }
            unlink(log)
        }
    }
}
