package import Postgres
internal import Synchronization

/// Whom tenants do not write to any more, asked for where a cap seems to be reached: accept neither stores nor charges
/// them, so that a session must not count them either.
///
/// Remembers for a while only which tenants suppress nobody, as most do: these are refused without a question. accept
/// decides again anyway.
package final class Suppressions: Sendable {
    static let patience = Duration.seconds(2)
    private static let capacity = 100_000

    private struct Memory {
        var nobody: [Int64: ContinuousClock.Instant] = [:]
        /// Changes are heard of: only then is anything remembered.
        var isListening = false
        /// Rises whenever something was forgotten: what was asked before is not remembered after.
        var generation = 0
    }

    private let memory = Mutex(Memory())
    private let lookUp: @Sendable (Int64, [String]) async throws -> [Int64]?

    package convenience init(_ pool: DatabasePool) {
        self.init { tenant, addresses in
            let rows = try await pool.query(
                "SELECT ledger.suppressed($1, $2) AS places", [.int64(tenant), .textArray(addresses)],
                within: Self.patience)
            guard let row = rows.first, try !row.isNull("places") else { return nil }
            return try row.int64s("places")
        }
    }

    /// - Parameter lookUp: the places, from 1, of those suppressed; nil: the tenant suppresses nobody.
    init(lookUp: @escaping @Sendable (Int64, [String]) async throws -> [Int64]?) { self.lookUp = lookUp }

    /// Whether the tenant suppresses nobody, as was heard a moment ago.
    package func isNobody(of tenant: Int64) -> Bool {
        memory.withLock { memory in
            guard let until = memory.nobody[tenant] else { return false }
            if until > .now { return true }
            memory.nobody[tenant] = nil
            return false
        }
    }

    /// Whether changes are heard of from now on; what was remembered before is forgotten.
    func listen(_ isListening: Bool) {
        memory.withLock { memory in
            memory.isListening = isListening
            memory.generation += 1
            memory.nobody = [:]
        }
    }

    /// The tenant, or any where it is nil, may suppress somebody from now on.
    func forget(_ tenant: Int64?) {
        memory.withLock { memory in
            memory.generation += 1
            if let tenant { memory.nobody[tenant] = nil } else { memory.nobody = [:] }
        }
    }

    /// - Parameter addresses: as accept is given them.
    /// - Returns: which of them are suppressed, by their places from 1, in order.
    package func places(of addresses: [String], tenant: Int64) async throws -> [Int] {
        let generation = memory.withLock { $0.generation }
        if let places = try await lookUp(tenant, addresses) { return places.map { Int($0) } }
        memory.withLock { memory in
            guard memory.isListening, memory.generation == generation else { return }
            if memory.nobody.count >= Self.capacity { memory.nobody = [:] }
            memory.nobody[tenant] = .now + Directory.lifetime
        }
        return []
    }
}
