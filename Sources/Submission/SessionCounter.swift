import Synchronization
import Tenancy

/// Authenticated sessions of each tenant and each credential on this node (LEDGER, "Concurrent sessions": per node).
final class SessionCounter: Sendable {
    /// Which of a login's limits is used up.
    enum Full: Equatable { case tenant, credential }

    private struct Counts {
        var tenants: [Int64: Int64] = [:]
        var credentials: [Int64: Int64] = [:]
    }

    private let counts = Mutex(Counts())

    /// Counts one more session of the login, unless that would be more than its tenant or its credential may have.
    func enter(_ login: Login) -> Full? {
        counts.withLock { counts in
            let ofTenant = counts.tenants[login.tenantID, default: 0]
            let ofCredential = counts.credentials[login.credentialID, default: 0]
            if let limit = login.sessions, ofTenant >= limit { return .tenant }
            if let limit = login.credentialSessions, ofCredential >= limit { return .credential }
            counts.tenants[login.tenantID] = ofTenant + 1
            counts.credentials[login.credentialID] = ofCredential + 1
            return nil
        }
    }

    func leave(_ login: Login) {
        counts.withLock { counts in
            Self.decrement(&counts.tenants, login.tenantID)
            Self.decrement(&counts.credentials, login.credentialID)
        }
    }

    private static func decrement(_ counts: inout [Int64: Int64], _ key: Int64) {
        guard let open = counts[key] else { return }
        counts[key] = open > 1 ? open - 1 : nil
    }
}
