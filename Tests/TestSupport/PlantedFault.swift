internal import Foundation
internal import SQL

/// Faults in `ledger.accept`, for tests that show that a harness of ours can fail. Run `text` as the owner or a
/// superuser, in the test's own database.
package enum PlantedFault: String, CaseIterable, Sendable {
    /// The meters are not locked.
    case noLock
    /// Everything is read and decided before the meters are locked, and not looked at again. (The statement for several
    /// senders decides and writes at once: there it is as without any lock.)
    case noRecheckAfterLock
    /// The meters are not locked for the statement that decides and writes a batch of several senders at once. One that
    /// does not fit there is decided under the lock.
    case noLockForSeveral

    /// `ledger.accept` with the fault.
    package var text: String {
        let healthy = SQLFiles.functions.first { $0.name == "accept" }?.text ?? ""
        let write = "    -- 5. Write"  // the lone sender's, and everybody's
        guard let lock = healthy.range(of: "    -- 2. The lock."), let time = healthy.range(of: "    -- 3. The time"),
            let decision = healthy.range(of: "    -- 4. Decide."), let loop = healthy.range(of: "    w_ords := '{}';"),
            healthy.contains(write)
        else { preconditionFailure("accept.sql has lost the headings that faults are planted by") }
        let step = healthy[lock.lowerBound..<time.lowerBound]
        let pretend = "    v_locked := tenant_ids;\n"
        let lone = "tenant_ids[1] = ALL (tenant_ids) AND credential_ids[1] = ALL (credential_ids)"
        return switch self {
        case .noLock: healthy[..<lock.lowerBound] + pretend + healthy[time.lowerBound...]
        case .noRecheckAfterLock:
            healthy[..<lock.lowerBound] + pretend
                + healthy[time.lowerBound...].replacingOccurrences(of: write, with: step + write)
        case .noLockForSeveral:
            [
                healthy[..<lock.lowerBound], "    IF \(lone) THEN\n", step, "    ELSE\n\(pretend)    END IF;\n",
                healthy[time.lowerBound..<loop.lowerBound], "    IF NOT (\(lone)) THEN\n", step,
                healthy[time.lowerBound..<decision.lowerBound], "    END IF;\n", healthy[loop.lowerBound...],
            ].joined()
        }
    }
}
