internal import Foundation
internal import SQL

/// Faults in `ledger.accept`, for tests that show that a harness of ours can fail. Run `text` as the owner or a
/// superuser, in the test's own database.
package enum PlantedFault: String, CaseIterable, Sendable {
    /// The meters are not locked.
    case noLock
    /// Everything is read and decided before the meters are locked, and not looked at again.
    case noRecheckAfterLock

    /// `ledger.accept` with the fault.
    package var text: String {
        let healthy = SQLFiles.functions.first { $0.name == "accept" }?.text ?? ""
        let write = "    -- 5. Write"  // the lone sender's, and everybody's
        guard let lock = healthy.range(of: "    -- 2. The lock."), let time = healthy.range(of: "    -- 3. The time"),
            healthy.contains(write)
        else { preconditionFailure("accept.sql has lost the headings that faults are planted by") }
        let step = healthy[lock.lowerBound..<time.lowerBound]
        let pretend = "    v_locked := tenant_ids;\n"
        return switch self {
        case .noLock: healthy[..<lock.lowerBound] + pretend + healthy[time.lowerBound...]
        case .noRecheckAfterLock:
            healthy[..<lock.lowerBound] + pretend
                + healthy[time.lowerBound...].replacingOccurrences(of: write, with: step + write)
        }
    }
}
