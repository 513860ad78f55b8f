import Synchronization

/// Authenticated sessions of each tenant on this node (LEDGER, "Concurrent sessions": per node).
final class SessionCounter: Sendable {
    private let counts = Mutex<[Int64: Int64]>([:])

    /// Counts one more session of the tenant, unless that would be more than `limit` (nil: unlimited).
    func enter(tenant: Int64, limit: Int64?) -> Bool {
        counts.withLock { counts in
            let open = counts[tenant, default: 0]
            if let limit, open >= limit { return false }
            counts[tenant] = open + 1
            return true
        }
    }

    func leave(tenant: Int64) {
        counts.withLock { counts in
            guard let open = counts[tenant] else { return }
            counts[tenant] = open > 1 ? open - 1 : nil
        }
    }
}
