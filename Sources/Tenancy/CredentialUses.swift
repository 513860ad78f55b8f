package import Postgres
internal import Synchronization

/// When and from where each login was last used, gathered and written at most once a minute.
///
/// It is for people ("last used 3 min ago from …") and so has no part in accept's transaction: what a crash loses is a
/// minute of it.
package final class CredentialUses: Sendable {
    private struct Use {
        var tenantID, credentialID: Int64
        var client: String
        var at: Instant
    }

    /// By login: two secrets of one credential are two uses.
    private let uses = Mutex<[Int64: Use]>([:])
    private let write: @Sendable ([DatabaseValue]) async throws -> Void

    package convenience init(_ database: DatabasePool) {
        self.init { parameters in
            try await database.query("SELECT ledger.credential_used($1, $2, $3, $4, $5)", parameters)
        }
    }

    init(write: @escaping @Sendable ([DatabaseValue]) async throws -> Void) { self.write = write }

    /// - Parameter client: its address, textual; what is none is not noted, for it would fail all the others.
    package func note(_ login: Login, from client: String, at instant: Instant) {
        guard Network.octets(of: client) != nil else { return }
        uses.withLock {
            $0[login.loginID] = Use(
                tenantID: login.tenantID, credentialID: login.credentialID, client: client, at: instant)
        }
    }

    /// Writes what was noted since the last time; what cannot be written waits for the next.
    package func flush() async {
        let noted = uses.withLock { uses in
            defer { uses = [:] }
            return uses.sorted { ($0.value.tenantID, $0.key) < ($1.value.tenantID, $1.key) }
        }
        guard !noted.isEmpty else { return }
        do {
            try await write([
                .int64Array(noted.map(\.value.tenantID)), .int64Array(noted.map(\.value.credentialID)),
                .int64Array(noted.map(\.key)), .textArray(noted.map(\.value.client)),
                .timestampArray(noted.map(\.value.at)),
            ])
        } catch {
            uses.withLock { uses in uses.merge(noted.map { ($0.key, $0.value) }) { newer, _ in newer } }
        }
    }

    /// Until cancelled, and once more then.
    package func run(every pause: Duration = .seconds(60)) async {
        while (try? await Task.sleep(for: pause)) != nil { await flush() }
        await flush()
    }
}
