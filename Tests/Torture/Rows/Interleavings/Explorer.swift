internal import Postgres
internal import SiteSupport
internal import TestSupport

/// What each of three connections does, in order. A step is a call in an open transaction, or its commit.
struct Plan: Sendable, CustomStringConvertible {
    let lanes: [[Operation]]

    var description: String {
        lanes.filter { !$0.isEmpty }.map { $0.map(\.rawValue).joined(separator: " then ") }.joined(separator: " | ")
    }

    /// Every two operations, every three, and every four on three connections; not told apart by the lane's number.
    static let all: [Plan] = {
        var plans: [Plan] = []
        let operations = Operation.allCases.sorted()
        for a in operations { for b in operations where a <= b { plans.append(Plan(lanes: [[a], [b], []])) } }
        for a in operations {
            for b in operations where a <= b {
                for c in operations where b <= c { plans.append(Plan(lanes: [[a], [b], [c]])) }
            }
        }
        for a in operations {
            for b in operations {
                for c in operations {
                    for d in operations where c <= d { plans.append(Plan(lanes: [[a, b], [c], [d]])) }
                }
            }
        }
        return plans
    }()

    /// The first so many of `all` are all there is of two and of three operations.
    static let smallCount = 36 + 120
}

/// Runs every interleaving of a plan, and says which of them equals no serial order.
///
/// A connection that waits for a lock takes no step until it has it: what is left are the interleavings that can
/// happen. Each is run once on a tenant of its own, found by going back to the last step that could have been another's.
struct Explorer {
    let ground: Ground
    let name: String
    private var runs = 0
    private var serial: [[Operation]: Outcome] = [:]
    private let backends: [Int64]

    init(_ ground: Ground, name: String) async throws {
        self.ground = ground
        self.name = name
        var backends: [Int64] = []
        for connection in ground.connections {
            let row = try await connection.query("SELECT pg_backend_pid()::bigint AS pid").first
            backends.append(try row?.int64("pid") ?? 0)
        }
        self.backends = backends
    }

    struct Outcome: Equatable, Sendable {
        /// Of each operation, in the order of the plan (of a serial run: in its order).
        var said: [String]
        var state: String
    }

    /// An operation of a plan, and when it ran: its first step and its last.
    private struct Act {
        let operation: Operation
        var begun = 0
        var ended = 0
        var said = ""
    }

    /// How many interleavings there were, and each that no serial order explains.
    mutating func explore(_ plan: Plan, _ verdict: inout Verdict) async throws {
        // Of the last run: who went at each step, and who could have.
        var steps: [(choice: Int, enabled: [Int])] = []
        while true {
            if let run = try await repeatedly(plan, steps.map(\.choice)) {
                verdict.count("interleavings")
                if try await !isSerial(run) {
                    let order = run.choices.map { "\($0 + 1)" }.joined()
                    verdict.add(
                        .miscounted,
                        "\(plan), steps \(order): \(run.acts.map(\.said)) and \(run.outcome.state) equal no serial order"
                    )
                }
                steps = Array(zip(run.choices, run.enabled))
            } else {
                // Two waited for the same lock, and the other one has it each time now: its steps are run as well.
                verdict.count("interleavings decided by PostgreSQL")
            }
            // Back to the last step at which a later connection could have gone instead.
            while let last = steps.last {
                if let next = last.enabled.first(where: { $0 > last.choice }) {
                    steps[steps.count - 1].choice = next
                    break
                }
                steps.removeLast()
            }
            if steps.isEmpty { return }
        }
    }

    // MARK: One interleaving

    private struct Run {
        var choices: [Int] = []
        var enabled: [[Int]] = []
        var acts: [Act] = []
        var outcome = Outcome(said: [], state: "")
    }

    fileprivate enum Lane {
        case ready(next: Int)
        case called(act: Int, next: Int, Task<String, any Error>)
        /// Has its answer and holds its locks.
        case open(act: Int, next: Int)
    }

    /// Something that passes (a checkpoint, a table that is vacuumed) can hold up a call as a lock does: then again. Nil
    /// when the same steps go another way each time.
    private mutating func repeatedly(_ plan: Plan, _ path: [Int]) async throws -> Run? {
        for _ in 0..<5 { if let run = try await run(plan, path) { return run } }
        return nil
    }

    /// Nil when the path is not open this time.
    private mutating func run(_ plan: Plan, _ path: [Int]) async throws -> Run? {
        runs += 1
        let slug = "\(name)-\(runs)"
        try await ground.begin(slug)
        var lanes = plan.lanes.map { _ in Lane.ready(next: 0) }
        var run = Run()
        var step = 0
        while true {
            try await settle(&lanes, &run)
            let enabled = lanes.indices.filter { index in
                switch lanes[index] {
                case .ready(let next):
                    // Of two lanes that do the same, the first begins.
                    next < plan.lanes[index].count
                        && !(next == 0
                            && lanes[..<index].indices.contains {
                                plan.lanes[$0] == plan.lanes[index] && lanes[$0].hasNotBegun
                            })
                case .called: false
                case .open: true
                }
            }
            guard let first = enabled.first else { break }
            let choice = step < path.count ? path[step] : first
            guard enabled.contains(choice) else {
                try await finish(lanes)
                return nil
            }
            run.choices.append(choice)
            run.enabled.append(enabled)
            step += 1
            let connection = ground.connections[choice]
            switch lanes[choice] {
            case .ready(let next):
                let operation = plan.lanes[choice][next]
                run.acts.append(Act(operation: operation, begun: step))
                let act = run.acts.count - 1
                if operation == .midnight {
                    run.acts[act].said = try await Ground.call(operation, slug, on: connection)
                    run.acts[act].ended = step
                    lanes[choice] = .ready(next: next + 1)
                } else {
                    try await connection.query("BEGIN")
                    let call = Task { try await Ground.call(operation, slug, on: connection) }
                    lanes[choice] = .called(act: act, next: next + 1, call)
                }
            case .open(let act, let next):
                try await connection.query("COMMIT")
                run.acts[act].ended = step
                lanes[choice] = .ready(next: next)
            case .called: preconditionFailure("a lane that waits takes no step")
            }
        }
        guard lanes.allSatisfy({ if case .ready = $0 { true } else { false } }) else {
            throw Site.Failure("\(plan): all wait for each other")
        }
        run.outcome = Outcome(said: run.acts.map(\.said), state: try await ground.state(slug))
        return run
    }

    /// Ends what is under way, whoever waits for whom.
    private func finish(_ lanes: [Lane]) async throws {
        var open = lanes.indices.filter { if case .ready = lanes[$0] { false } else { true } }
        while !open.isEmpty {
            for index in open {
                if case .called(_, _, let call) = lanes[index] {
                    guard try await ground.waiting([backends[index]]).isEmpty else { continue }
                    _ = try? await call.value
                }
                try await ground.connections[index].query("ROLLBACK")
                open.removeAll { $0 == index }
            }
        }
    }

    /// Until every call has its answer or waits for a lock.
    private func settle(_ lanes: inout [Lane], _ run: inout Run) async throws {
        for index in lanes.indices {
            guard case .called(let act, let next, let call) = lanes[index] else { continue }
            let answer = Answer()
            let watcher = Task { await answer.give(call.result) }
            defer { watcher.cancel() }
            var isWaiting = false
            while true {
                if let result = await answer.result {
                    run.acts[act].said = try result.get()
                    lanes[index] = .open(act: act, next: next)
                    break
                }
                // Seen twice: it may be about to be let through.
                let waits = try await !ground.waiting([backends[index]]).isEmpty
                if waits, isWaiting { break }
                isWaiting = waits
                try await Task.sleep(for: .microseconds(isWaiting ? 2000 : 500))
            }
        }
    }

    private actor Answer {
        var result: Result<String, any Error>?
        func give(_ result: Result<String, any Error>) { self.result = result }
    }

    // MARK: Serial orders

    /// Whether some order of the operations, one after the other, gives the same answers and the same end. What had
    /// ended before another began stays before it.
    private mutating func isSerial(_ run: Run) async throws -> Bool {
        for order in Self.orders(of: run.acts) {
            let serial = try await self.serial(order.map { run.acts[$0].operation })
            if serial.state == run.outcome.state, serial.said == order.map({ run.acts[$0].said }) { return true }
        }
        return false
    }

    private mutating func serial(_ operations: [Operation]) async throws -> Outcome {
        if let known = serial[operations] { return known }
        runs += 1
        let slug = "\(name)-\(runs)"
        try await ground.begin(slug)
        var said: [String] = []
        for operation in operations { said.append(try await Ground.call(operation, slug, on: ground.main)) }
        let outcome = Outcome(said: said, state: try await ground.state(slug))
        serial[operations] = outcome
        return outcome
    }

    private static func orders(of acts: [Act]) -> [[Int]] {
        var orders: [[Int]] = []
        func extend(_ order: [Int]) {
            guard order.count < acts.count else { return orders.append(order) }
            for next in acts.indices where !order.contains(next) {
                let isFirst = acts.indices.allSatisfy { other in
                    order.contains(other) || other == next || acts[other].ended >= acts[next].begun
                }
                if isFirst { extend(order + [next]) }
            }
        }
        extend([])
        return orders
    }
}

extension Explorer.Lane {
    fileprivate var hasNotBegun: Bool { if case .ready(next: 0) = self { true } else { false } }
}
