internal import Synchronization

/// The context of the moment. Each new handshake asks for it; connections that are open keep the one they began with.
///
/// It is exchanged as a whole or not at all: where a file is missing, half written or does not belong to its key, the
/// context of before goes on.
package final class TLSContextSource: Sendable {
    private let make: @Sendable (_ before: TLSContext?) throws(TLSError) -> TLSContext
    private let state: Mutex<TLSContext>
    /// The certificates on disk are no good, and the list in force is newer than the context: made whole as soon as can be.
    private let isListAlone = Mutex(false)

    /// - Parameter make: reads the files; called now, and at each `reload()` with the context of before.
    package init(
        _ make: @escaping @Sendable (_ before: TLSContext?) throws(TLSError) -> TLSContext
    ) throws(TLSError) {
        self.make = make
        state = Mutex(try make(nil))
    }

    /// For those whose files never change.
    package init(fixed context: TLSContext) {
        make = { _ throws(TLSError) in context }
        state = Mutex(context)
    }

    package var current: TLSContext { state.withLock { $0 } }

    /// Reads the files again. Throws where they are no good, and then nothing has changed.
    package func reload() throws(TLSError) {
        let made = try make(current)
        state.withLock { $0 = made }
        isListAlone.withLock { $0 = false }
    }

    package enum RevocationReload {
        case unchanged
        /// The files were read again, all of them.
        case read
        /// The list alone: of the others one is no good. What was taken back is taken back all the same.
        case readAlone(TLSError)
    }

    /// Reads the files again if the revocation list is another one than before.
    package func reloadIfRevocationsChanged() -> RevocationReload {
        let context = current
        let hasChanged = context.revocations?.hasChanged == true
        guard hasChanged || isListAlone.withLock({ $0 }) else { return .unchanged }
        do throws(TLSError) {
            try reload()
            return .read
        } catch {
            guard hasChanged else { return .unchanged }
            context.readRevocationsAlone()
            isListAlone.withLock { $0 = true }
            return .readAlone(error)
        }
    }
}

/// Says when a certificate's end comes near: once at each of 30, 14, 7 and 1 days, and once after it.
package struct ExpiryWatch: Sendable {
    package struct Warning: Sendable, Hashable {
        package let file: String
        package let notAfter: Int64
        /// Whole days; negative when it has ended.
        package let daysLeft: Int64
        /// `2026-11-24T13:30:00Z`
        package var endText: String { dateText(notAfter) }
    }

    private static let thresholds: [Int64] = [30, 14, 7, 1, 0]
    /// The threshold each certificate was last warned at.
    private var told: [String: (notAfter: Int64, threshold: Int64)] = [:]

    package init() {}

    /// What is to be said now. A certificate that was replaced begins anew.
    package mutating func due(_ certificates: [(file: String, notAfter: Int64)], now: Int64) -> [Warning] {
        var warnings: [Warning] = []
        for (file, notAfter) in certificates {
            let left = notAfter - now
            guard let threshold = Self.thresholds.last(where: { left <= $0 * 86_400 }) else {
                told[file] = nil
                continue
            }
            if let last = told[file], last.notAfter == notAfter, last.threshold <= threshold { continue }
            told[file] = (notAfter, threshold)
            warnings.append(
                Warning(
                    file: file, notAfter: notAfter, daysLeft: left >= 0 ? left / 86_400 : (left - 86_399) / 86_400))
        }
        return warnings
    }
}
