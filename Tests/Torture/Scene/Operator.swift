import Foundation
import Postgres
import SiteSupport
import TestSupport

/// An operator who does not leave the tenants alone: caps are moved around what has been used, messages cancelled, a
/// tenant suspended and resumed, a credential revoked.
struct Operator: Sendable {
    let database: PrivateDatabase
    let population: Population
    let load: Load
    var seed: UInt64
    var revokes = true

    /// Until the load stops. What fails because the database is away is not repeated: the audit says what was done.
    func run() async -> Int {
        let connection = database.connection(as: .admin)
        var random = Seeded(state: seed ^ 0x0FE2)
        var changes = 0
        var isRevoked = !revokes
        while !load.isStopping {
            do {
                switch Int.random(in: 0..<20, using: &random) {
                case 0..<12:
                    let slug = population.capped.randomElement(using: &random) ?? "edge1"
                    // Rarely far above, sometimes below what has been used already.
                    let room = Int64.random(in: -5...60, using: &random)
                    try await connection.query(
                        """
                        SELECT admin.tenant_set('torture', $1, jsonb_build_object('daily', greatest(1, $2 + (
                            SELECT coalesce(max(u.used), 0) FROM admin.usage($1) AS u WHERE u.scope = 'day'))))
                        """, [.text(slug), .int64(room)])
                case 12..<17:
                    guard let id = load.recent(200).randomElement(using: &random) else { continue }
                    try await connection.query(
                        "SELECT ledger.cancel('torture', ARRAY[$1::text::uuid], 'torture')", [.text(id)])
                case 17..<19:
                    try await connection.query("SELECT admin.tenant_suspend('torture', 'edge4', 'torture', false)")
                    try? await Task.sleep(for: .milliseconds(100))
                    try await connection.query("SELECT admin.tenant_resume('torture', 'edge4')")
                default:
                    guard !isRevoked, load.acknowledged > 300 else { continue }
                    isRevoked = true
                    try await connection.query(
                        "SELECT admin.credential_revoke('torture', $1, 'torture')", [.text(population.doomed.username)])
                }
                changes += 1
            } catch {
                try? await Task.sleep(for: .milliseconds(50))
            }
            try? await Task.sleep(for: .milliseconds(Int64.random(in: 20...200, using: &random)))
        }
        // A tenant left suspended would keep nothing: acceptance alone is stopped.
        await connection.close()
        return changes
    }
}
