internal import Postgres

extension Administration {
    /// What one round of upkeep did.
    package struct Maintenance: Sendable, Hashable {
        /// Each step on partitions, in words.
        package var partitions: [String] = []
        package var rowsDeleted: Int64 = 0
        package var recipientsFreed: Int64 = 0
        package var recipientsCancelled: Int64 = 0
    }

    /// Does all upkeep there is to do. Each step is a transaction of its own and harmless to repeat.
    ///
    /// - Parameter progress: told each step on partitions.
    package func maintain(_ progress: @Sendable (String) -> Void) async throws(AdministrationError) -> Maintenance {
        var done = Maintenance()
        var attempts = 0
        while true {
            do throws(AdministrationError) {
                let step = try await read("SELECT ledger.upkeep_partitions() AS step") { try $0.stringOrNil("step") }
                guard let step = step.first ?? nil else { break }
                progress(step)
                done.partitions.append(step)
                attempts = 0
            } catch {
                // Busy tables are left for a moment rather than held up (50 ms of lock_timeout).
                guard case .busy = error, attempts < 50 else { throw error }
                attempts += 1
                guard (try? await Task.sleep(for: .milliseconds(100))) != nil else { throw error }
            }
        }
        done.recipientsFreed = try await sum("SELECT ledger.upkeep_orphans(1000) AS count")
        done.recipientsCancelled = try await sum("SELECT ledger.upkeep_cancelled(1000) AS count")
        done.rowsDeleted = try await sum("SELECT ledger.upkeep_expired(10000) AS count")
        return done
    }

    /// Called until there is nothing more.
    private func sum(_ sql: String) async throws(AdministrationError) -> Int64 {
        var total: Int64 = 0
        while true {
            let count = try await read(sql) { try $0.int64("count") }.first ?? 0
            guard count > 0 else { return total }
            total += count
        }
    }
}
