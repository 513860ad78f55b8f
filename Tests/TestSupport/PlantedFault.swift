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
        guard let lock = healthy.range(of: "    -- 2. The lock."), let time = healthy.range(of: "    -- 3. The time"),
            let write = healthy.range(of: "    -- 5. Write")
        else { preconditionFailure("accept.sql has lost the headings that faults are planted by") }
        let step = healthy[lock.lowerBound..<time.lowerBound]
        let pretend = "    v_locked := tenant_ids;\n"
        return switch self {
        case .noLock: healthy[..<lock.lowerBound] + pretend + healthy[time.lowerBound...]
        case .noRecheckAfterLock:
            healthy[..<lock.lowerBound] + pretend + healthy[time.lowerBound..<write.lowerBound] + step
                + healthy[write.lowerBound...]
        }
    }
}
