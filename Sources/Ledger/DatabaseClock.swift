package import Postgres
internal import Synchronization

/// The database's time, estimated: this machine's clock and the difference that the last answer showed.
///
/// What is stored or promised takes its time from here, so that a node whose clock is wrong does no harm.
package final class DatabaseClock: Sendable {
    private let offset = Atomic<Int64>(0)

    package init() {}

    package var now: Instant {
        Instant(microseconds: Instant.now.microseconds + offset.load(ordering: .relaxed))
    }

    package var secondsSinceEpoch: Int64 { now.microseconds / 1_000_000 }

    /// `instant` was the database's time just now.
    package func adjust(to instant: Instant) {
        offset.store(instant.microseconds - Instant.now.microseconds, ordering: .relaxed)
    }

    /// Asks for it.
    func adjust(from connection: BlockingConnection, deadline: ContinuousClock.Instant) throws(DatabaseError) {
        let rows = try connection.query("SELECT ledger.clock() AS clock", [], deadline: deadline)
        guard let row = rows.first else { throw DatabaseError(.unexpected, "no clock") }
        adjust(to: try row.timestamp("clock"))
    }
}
