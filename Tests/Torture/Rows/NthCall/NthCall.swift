internal import Glibc
internal import Postgres
internal import SiteSupport
internal import TestSupport

extension Row {
    static let nthCall = Row(
        name: "nth-call",
        summary: "each call of libpq and OpenSSL, and each allocation of a body, fails once on a message's way",
        unit: "calls", short: 10, full: 100_000
    ) { leg in try await NthCall(leg).run() }
}

/// One message after the other from AUTH to its outcome, and in each something else fails: the first call of a kind, the
/// second, … until the message is through before there was one to fail.
struct NthCall: Sendable {
    private enum Kind: Int64, CaseIterable, Sendable {
        case libpq = 1
        case openssl, memory
    }
    /// The words of the shared page (nth_call.c).
    private enum Word { static let kind = 0, nth = 1, count = 2, fired = 3, smallest = 4, name = 5 }

    private let leg: Leg
    private let scene: Scene
    private let clients: OneMessage
    private let victims: [(node: Node, page: Preload)]

    init(_ leg: Leg) async throws {
        self.leg = leg
        scene = try await Scene(leg)
        var pages: [String: Preload] = [:]
        for (role, count) in [("relay", (0, 0, 1)), ("submission", (1, 0, 0)), ("forwarder", (0, 1, 0))] {
            let page = try Preload("nth_call", in: scene.site.folder, for: role)
            // As large as a body: of messages of 100 kB every buffer that holds one whole.
            page.store(Word.smallest, 48 << 10)
            pages[role] = page
            try await scene.start(
                submissions: count.0, forwarders: count.1, relays: count.2,
                environment: role == "relay" ? [] : page.environment("NTH_CALL_CONTROL"))
        }
        victims = scene.nodes.compactMap { node in pages[node.role.rawValue].map { (node, $0) } }.filter {
            $0.node.role != .relay
        }
        guard let member = scene.population.members.first(where: { $0.tenant == "wide1" }),
            let port = scene.nodes.first(where: { $0.role == .submission })?.port
        else { throw Site.Failure("nobody to send as") }
        clients = try OneMessage(member, port: port, ca: scene.site.ca, journal: scene.journal, seed: leg.seed)
    }

    func run() async throws -> Verdict {
        var verdict = Verdict()
        // Certificates, prepared statements and caches: what only the first message needs is in these.
        for _ in 0..<2 { try await mustPass("before anything failed", &verdict) }
        var random = leg.random
        // (A forwarder that dies keeps its mail until its lease is seen to be gone: too long for the short form.)
        let all = victims.flatMap { victim in Kind.allCases.map { (victim, $0) } }.filter {
            if leg.plant != nil { return $0.0.node.role == .submission && $0.1 == .libpq }
            return !(leg.isShort && $0.0.node.role == .forwarder && $0.1 == .memory)
        }
        for ((node, page), kind) in all {
            let name = "\(node.role.rawValue), \(kind)"
            if leg.isShort {
                // As many as there are is known from one that nothing fails in.
                _ = try await attempt(nth: 0, of: kind, page)
                let count = Int(page.load(Word.count))
                for _ in 0..<max(1, leg.rounds / all.count) where count > 0 {
                    _ = try await fail(Int.random(in: 1...count, using: &random), kind, node, page, &verdict)
                }
            } else {
                var nth = 1
                var misses = 0
                // How many there are varies a little with how the answers come: none left is none in three attempts.
                while verdict.isGood, nth <= leg.rounds, misses < 3 {
                    let isThere = try await fail(nth, kind, node, page, &verdict)
                    misses = isThere ? 0 : misses + 1
                    if isThere { nth += 1 }
                }
                leg.say("\(name): \(nth - 1) calls failed, one each time")
                verdict.count("calls of \(name)", nth - 1)
                if nth < 3, kind != .memory { verdict.add(.noTest, "\(name): no calls") }
            }
        }
        return try await examine(verdict)
    }

    /// False when the message was through before so many calls of the kind had been made.
    private func fail(
        _ nth: Int, _ kind: Kind, _ node: Node, _ page: Preload, _ verdict: inout Verdict
    ) async throws -> Bool {
        scene.disturb("call \(nth) of \(kind) in the \(node.role.rawValue)", mayDuplicate: true)
        let outcome = try await attempt(nth: nth, of: kind, page)
        let hasFired = page.load(Word.fired) == 1
        guard hasFired else { return false }
        let function = page.text(at: Word.name)
        verdict.count("calls failed")
        verdict.count("\(function): \(outcome)")
        if outcome == .delivered { return true }
        // One that dies takes a moment for it.
        if outcome != .refused { _ = await eventually(within: .milliseconds(500)) { node.process?.isRunning != true } }
        if node.process?.isRunning != true {
            verdict.count("\(node.role.rawValue) ended, \(kind)")
            if kind != .memory {
                leg.say("call \(nth), \(function), ended the \(node.role.rawValue): \(node.log.suffix(400))")
            }
            node.kill()
            try node.start()
            guard try await node.untilInService() else {
                verdict.add(.late, "\(function), call \(nth): the \(node.role.rawValue) does not start again")
                return false
            }
        }
        try await mustPass("after call \(nth), \(function): \(outcome)", &verdict)
        return true
    }

    private func attempt(nth: Int, of kind: Kind, _ page: Preload) async throws -> OneMessage.Outcome {
        // A change that nodes are told of: what they remember of the credential goes, and AUTH asks the database again.
        try await scene.site.sql.query(
            "SELECT admin.tenant_set('torture', 'wide1', jsonb_build_object('sessions', $1::bigint))",
            [.int64(Int64(1000 + nth % 2))])
        page.store(Word.kind, 0)
        page.store(Word.nth, Int64(nth))
        page.store(Word.count, 0)
        page.store(Word.fired, 0)
        page.store(Word.kind, kind.rawValue)
        defer { page.store(Word.kind, 0) }
        let (outcome, id) = await clients.send()
        guard outcome == .accepted, let id else { return outcome }
        let isDelivered = await eventually(within: .seconds(10), every: .milliseconds(10)) {
            let rows = try? await scene.site.sql.query(
                "SELECT count(*) AS n FROM gatepost.recipient WHERE message_id = $1::text::uuid AND state = 'delivered'",
                [.text(id)])
            return (try? rows?.first?.int64("n")) == 1
        }
        return isDelivered ? .delivered : .accepted
    }

    /// With nothing failing, a message goes through within a few attempts.
    private func mustPass(_ when: String, _ verdict: inout Verdict) async throws {
        let begun = ContinuousClock.now
        let hasPassed = await eventually(within: .seconds(30) * leg.patience, every: .milliseconds(50)) {
            await clients.send().outcome == .accepted
        }
        verdict.measure("in service again, s", begun.duration(to: .now) / .seconds(1))
        if !hasPassed || begun.duration(to: .now) > .seconds(10) * leg.patience {
            verdict.add(.late, "\(when): nothing taken for \(begun.duration(to: .now))")
        }
    }

    private func examine(_ found: Verdict) async throws -> Verdict {
        try await scene.waitUntilDelivered(within: .seconds(60))
        var verdict = try await scene.examined()
        verdict.add(found)
        return verdict
    }
}
