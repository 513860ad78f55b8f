import Foundation
import Postgres
import Synchronization
import TestSupport
import Testing

/// Random accepts, changes, cancels, claims and settles from several sessions at once, and what must be so afterwards.
@Suite struct InterleavingTests {
    @Test func `whatever interleaves, used is the ledger is what is stored, and no debit passes the cap in force`()
        async throws
    {
        let seed = UInt64.random(in: 0 ..< .max)
        let run = try await Interleaving.run(seed: seed, steps: 60, fault: nil)
        #expect(run.faults == [], "seed \(seed)")
        #expect(run.accepted > 20 && run.refused > 20, "seed \(seed): \(run.accepted) and \(run.refused) is no contest")
    }

    /// Proof that the test above can fail.
    @Test(arguments: PlantedFault.allCases)
    func `a planted fault is noticed`(fault: PlantedFault) async throws {
        for seed in UInt64(1)...20 {
            if try await Interleaving.run(seed: seed, steps: 60, fault: fault).faults.isEmpty == false { return }
        }
        Issue.record("20 runs without a lock, and nothing was noticed")
    }
}

/// One run, over two tenants with small caps.
private struct Interleaving {
    struct Outcome {
        var faults: [String]
        var accepted: Int
        var refused: Int
    }

    /// What the sessions know of each other.
    private struct Shared {
        var accepted: [String] = []
        var refused = 0
        var faults: [String] = []
    }

    private final class Board: Sendable {
        private let state = Mutex(Shared())
        func withLock<R: Sendable>(_ body: (inout Shared) -> R) -> R {
            state.withLock { state in
                body(&state)
            }
        }
    }

    private struct Generator: RandomNumberGenerator {  // SplitMix64
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    static let tenants = ["acme", "bolt"]

    static func run(seed: UInt64, steps: Int, fault: PlantedFault?) async throws -> Outcome {
        let fixture = try await Fixture(tenant: false)
        // Without warnings batches of several senders are decided by one statement, with them message by message.
        for tenant in tenants {
            let isWarned = fault == nil && tenant == "bolt" && seed.isMultiple(of: 2)
            try await fixture.tenant(tenant, limits: isWarned ? #"{"daily": 30}"# : #"{"daily": 30, "warn": []}"#)
        }
        if let fault { try await fixture.main.script(fault.text) }
        let shared = Board()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 0..<6 {
                group.addTask { [session = fixture.session()] in
                    var generator = Generator(state: seed &+ UInt64(worker) &* 7919)
                    let owner = MessageID(at: .now, using: &generator)
                    try await session.query("SELECT ledger.owner_start($1, 'here')", [.uuid(owner)])
                    for _ in 0..<steps {
                        do {
                            try await step(session, owner, shared, &generator)
                        } catch let error as DatabaseError where error.sqlState == "55P03" {
                            continue  // a busy meter is an answer too
                        } catch {
                            shared.withLock { $0.faults.append("\(error)") }
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        var outcome = shared.withLock {
            Outcome(faults: $0.faults, accepted: $0.accepted.count, refused: $0.refused)
        }
        for tenant in tenants { outcome.faults += try await audit(fixture, tenant) }
        return outcome
    }

    private static func step(
        _ session: DatabaseConnection, _ owner: MessageID, _ shared: Board,
        _ generator: inout Generator
    ) async throws {
        let tenant = tenants.randomElement(using: &generator) ?? "acme"
        func change(_ call: String) async throws { try await session.query("SELECT \(call)") }
        switch Int.random(in: 0..<100, using: &generator) {
        case 0..<60:
            let mail = (0..<Int.random(in: 1...3, using: &generator)).map { _ in
                let tenant = tenants.randomElement(using: &generator) ?? "acme"
                let credential = ["a", "b"].randomElement(using: &generator) ?? "a"
                return Mail(
                    tenant: tenant, credential: "\(tenant).\(credential)",
                    recipients: Int.random(in: 1...5, using: &generator))
            }
            let isOwned = Bool.random(using: &generator)
            let verdicts = try await Fixture.send(
                mail, batch: MessageID(at: .now, using: &generator), owner: isOwned ? owner : nil, on: session)
            shared.withLock {
                $0.accepted += verdicts.filter { $0.verdict == "accepted" }.map(\.id)
                $0.refused += verdicts.count { $0.verdict != "accepted" }
            }
        case 60..<68:
            let cap = Int.random(in: 10...60, using: &generator)
            try await change(#"admin.tenant_set('tester', '\#(tenant)', '{"daily": \#(cap)}')"#)
        case 68..<70: try await change("admin.tenant_suspend('tester', '\(tenant)', NULL, false)")
        case 70..<74: try await change("admin.tenant_resume('tester', '\(tenant)')")
        case 74..<75: try await change("admin.domain_remove('tester', '\(tenant)', '\(tenant).example')")
        case 75..<78: try await change("admin.domain_add('tester', '\(tenant)', '\(tenant).example', true)")
        case 78: try await change("admin.credential_revoke('tester', 'bolt.b', NULL)")
        case 79..<88:
            let known = shared.withLock { $0.accepted }
            guard let id = known.randomElement(using: &generator) else { return }
            try await session.query("SELECT ledger.cancel('tester', ARRAY[$1::uuid], 'test')", [.text(id)])
        case 88..<96:
            // Settle half of what is leased to this owner, some of it marked meanwhile.
            try await session.query("SELECT id FROM ledger.claim($1, 3, 100000)", [.uuid(owner)])
            try await session.query(
                """
                SELECT s.verdict FROM (
                    SELECT coalesce(array_agg(tenant_id), '{}') AS t, coalesce(array_agg(message_id), '{}') AS m,
                           coalesce(array_agg(number), '{}') AS n,
                           coalesce(array_agg((ARRAY['delivered', 'deferred', 'bounced', 'released'])[1 + g % 4]), '{}') AS s
                    FROM (SELECT r.*, row_number() OVER () AS g FROM gatepost.recipient r
                          WHERE r.owner_id = $1 LIMIT 4) r) AS a,
                LATERAL ledger.settle($1, a.t, a.m, a.n, a.s, array_fill(250, ARRAY[cardinality(a.n)]),
                    array_fill('2.0.0'::text, ARRAY[cardinality(a.n)]), array_fill('ok'::bytea, ARRAY[cardinality(a.n)]),
                    array_fill(NULL::timestamptz, ARRAY[cardinality(a.n)])) s
                """, [.uuid(owner)])
        default: try await session.query("SELECT ledger.upkeep_cancelled(5)")
        }
    }

    /// Replays a tenant's ledger and audit in the order of their instants (each was taken under the meter) and says what
    /// should not have happened.
    private static func audit(_ fixture: Fixture, _ tenant: String) async throws -> [String] {
        var faults: [String] = []
        let balance = try await fixture.balance(tenant)
        if Set(balance).count != 1 {
            faults.append("\(tenant): day, month, credentials, hours, ledger, stored: \(balance)")
        }

        var used: Int64 = 0
        var cap: Int64 = 30
        var isActive = true
        var hasDomain = true
        var revoked: Set<String> = []
        let rows = try await fixture.main.query(
            """
            SELECT l.at, 'ledger' AS what, c.name AS object, l.recipients AS n, NULL::bigint AS cap
            FROM gatepost.ledger l JOIN gatepost.credential c ON c.id = l.credential_id
            JOIN gatepost.tenant t ON t.id = l.tenant_id WHERE t.slug = $1
            UNION ALL
            SELECT a.at, a.action, a.object, 0, (a.detail ->> 'daily')::bigint FROM admin.audit a WHERE a.tenant = $1
            ORDER BY 1, 4 DESC
            """, [.text(tenant)])
        for row in rows {
            switch try row.string("what") {
            case "ledger":
                let n = try row.int64("n")
                used += n
                guard n > 0 else { continue }
                if used > cap { faults.append("\(tenant): a debit of \(n) took used to \(used) over a cap of \(cap)") }
                if !isActive { faults.append("\(tenant): a debit while suspended") }
                if !hasDomain { faults.append("\(tenant): a debit without a domain") }
                if revoked.contains(try row.string("object")) { faults.append("\(tenant): a debit after the revoke") }
            case "tenant set": cap = try row.int64("cap")
            case "tenant suspend": isActive = false
            case "tenant resume": isActive = true
            case "domain remove": hasDomain = false
            case "domain add": hasDomain = true
            case "credential revoke": revoked.insert(try row.string("object"))
            default: break
            }
        }
        return faults
    }
}
