package import Postgres
internal import Synchronization

/// The database's time, estimated: what the last answer said, and the time that has passed since.
///
/// What is stored or promised takes its time from here, so that a node whose clock is wrong, or is set while it runs,
/// does no harm: what has passed is counted by a clock that nobody sets (and that counts suspension).
package final class DatabaseClock: Sendable {
    private let start = ContinuousClock.now
    /// The database's time at `start`, microseconds; until it is known, this machine's.
    private let origin = Atomic<Int64>(Instant.now.microseconds)

    package init() {}

    package var now: Instant { Instant(microseconds: origin.load(ordering: .relaxed) + passed) }

    private var passed: Int64 {
        let (seconds, attoseconds) = start.duration(to: .now).components
        return seconds * 1_000_000 + attoseconds / 1_000_000_000_000
    }

    package var secondsSinceEpoch: Int64 { now.microseconds / 1_000_000 }

    /// `instant` was the database's time just now.
    package func adjust(to instant: Instant) {
        origin.store(instant.microseconds - passed, ordering: .relaxed)
    }

    /// Asks for it.
    func adjust(from connection: BlockingConnection, deadline: ContinuousClock.Instant) throws(DatabaseError) {
        let rows = try connection.query("SELECT ledger.clock() AS clock", [], deadline: deadline)
        guard let row = rows.first else { throw DatabaseError(.unexpected, "no clock") }
        adjust(to: try row.timestamp("clock"))
    }
}
