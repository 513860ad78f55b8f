internal import Postgres
internal import SiteSupport
internal import TestSupport

extension Row {
    static let interleavings = Row(
        name: "interleavings",
        summary: "accept (one sender, two), revoke, suspend, cap lowered, midnight, refund, settle: every interleaving",
        unit: "plans", short: 4, full: Plan.all.count, leg: 106
    ) { leg in try await Interleavings.run(leg) }
}

/// Everything that may meet at a tenant's meter, in every order in which it can.
enum Interleavings {
    static func run(_ leg: Leg) async throws -> Verdict {
        // All of two and three operations first, then of four, mixed; a short form is some of all.
        var random = Seeded(state: leg.isShort ? leg.seed : 0)
        let small = Plan.all.prefix(Plan.smallCount)
        let larger = Plan.all.dropFirst(Plan.smallCount).shuffled(using: &random)
        let order = leg.isShort ? Plan.all.shuffled(using: &random) : small + larger
        let plans = Array(order.dropFirst(leg.done).prefix(leg.rounds))

        let cluster = try await PrivateCluster.create(durable: false)
        let templates = DatabaseTemplates(cluster)
        let queue = Queue(plans)
        return try await withThrowingTaskGroup(of: Verdict.self) { group in
            // A database each, for its clock is one for all that goes on in it.
            for worker in 0..<2 {
                let database = try await templates.createDatabase()
                group.addTask {
                    let ground = try await Ground(database)
                    if let script = try leg.plant?.script() { try await ground.main.script(script) }
                    var explorer = try await Explorer(ground, name: "w\(worker)")
                    var verdict = Verdict()
                    while verdict.isGood, let plan = await queue.next() {
                        try await explorer.explore(plan, &verdict)
                        verdict.count("plans")
                        if await queue.left % 100 == 0 { leg.say("\(await queue.left) plans left") }
                    }
                    return verdict
                }
            }
            var verdict = Verdict()
            for try await part in group { verdict.add(part) }
            return verdict
        }
    }

    private actor Queue {
        private var plans: ArraySlice<Plan>
        init(_ plans: [Plan]) { self.plans = plans[...] }
        func next() -> Plan? { plans.popFirst() }
        var left: Int { plans.count }
    }
}
