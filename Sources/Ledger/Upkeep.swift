package import Logging
package import Postgres

/// What must be done now and then: partitions made and dropped, lost owners' rows freed, cancelled recipients
/// refunded, old rows deleted. Any number of nodes may do it at once; `gatepost maintain` does it without one.
package struct Upkeep: Sendable {
    /// How long things are kept.
    package struct Keep: Sendable {
        /// Bodies, after their last recipient is final.
        package var bodies = Duration.seconds(24 * 3600)
        /// Messages and events.
        package var messages = Duration.seconds(30 * 24 * 3600)
        package init() {}
    }

    package struct Report: Sendable, Equatable {
        /// What was done to partitions, in the database's words.
        package var partitions: [String] = []
        package var ownersFreed = 0
        package var orphansFreed = 0
        package var cancelled = 0
        package var expired = 0
        /// A lock was not had in time: the next run goes on.
        package var isUnfinished = false
        package init() {}
    }

    private let connection: DatabaseConnection
    private let keep: Keep
    private let logger: Logger
    private static let chunk: Int32 = 1000

    package init(_ database: DatabaseConfiguration, keep: Keep = Keep(), logger: Logger) {
        connection = DatabaseConnection(database, name: "upkeep")
        self.keep = keep
        self.logger = logger
    }

    /// Everything once. Looks at owners twice, ten seconds apart, if one of them may be lost.
    package func runOnce() async throws(DatabaseError) -> Report {
        // What a lost node holds waits for this, so it is not kept waiting by a step of tidying that fails.
        var lost = LostOwners()
        var freed = try await freeLost(&lost)
        if lost.hasSuspects {
            try? await Task.sleep(for: LostOwners.freeLockFor + .milliseconds(100))
            freed += try await freeLost(&lost)
        }
        var report = try await tidy()
        report.ownersFreed = freed
        await connection.close()
        return report
    }

    /// In the background until cancelled: owners and what was cancelled every 5 s, everything else every minute.
    package func run() async {
        var lost = LostOwners()
        var nextTidy = ContinuousClock.now
        var steps = ClockSteps()
        var isAway = false
        while !Task.isCancelled {
            do throws(DatabaseError) {
                let freed = try await freeLost(&lost)
                if freed > 0 { _ = try await repeated("SELECT ledger.upkeep_orphans($1) AS n") }
                // Somebody waits for the refund: a forwarder has given back what was cancelled in its memory.
                _ = try await repeated("SELECT ledger.upkeep_cancelled($1) AS n")
                // The partitions of another day are wanted at once: nothing can be written without them.
                if try await steps.hear(connection) { nextTidy = .now }
                if ContinuousClock.now >= nextTidy {
                    let report = try await tidy()
                    for line in report.partitions { logger.info("upkeep", metadata: ["did": "\(line)"]) }
                    nextTidy = .now + .seconds(report.isUnfinished ? 5 : 60)
                }
                isAway = false
            } catch {
                if !isAway { logger.warning("upkeep failed", metadata: ["reason": "\(error)"]) }
                isAway = true
                // Its own monotonic clock goes on: an owner that renewed meanwhile is seen to have.
            }
            try? await Task.sleep(for: .seconds(5))
        }
        await connection.close()
    }

    private func tidy() async throws(DatabaseError) -> Report {
        var report = Report()
        var failure: DatabaseError?
        // What stands in one step's way is none in the others'.
        do throws(DatabaseError) {
            (report.partitions, report.isUnfinished) = try await partitions()
        } catch {
            failure = error
        }
        let steps: [(count: WritableKeyPath<Report, Int>, statement: String)] = [
            (\.orphansFreed, "SELECT ledger.upkeep_orphans($1) AS n"),
            (\.cancelled, "SELECT ledger.upkeep_cancelled($1) AS n"),
            (\.expired, "SELECT ledger.upkeep_expired($1) AS n"),
        ]
        for (count, statement) in steps {
            do throws(DatabaseError) {
                report[keyPath: count] = try await repeated(statement)
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
        return report
    }

    /// Not had in time: a lock; made or dropped by another node at the same time: a partition. The next run goes on.
    private static let lostRaces: Set<String> = ["55P03", "23505", "42P01", "42P07"]

    private func partitions() async throws(DatabaseError) -> (done: [String], isUnfinished: Bool) {
        var done: [String] = []
        while !Task.isCancelled {
            do {
                let rows = try await connection.query(
                    """
                    SELECT ledger.upkeep_partitions($1 * pg_catalog.interval '1 second',
                                                    $2 * pg_catalog.interval '1 second') AS did
                    """,
                    [
                        .double(Double(keep.bodies.components.seconds)),
                        .double(Double(keep.messages.components.seconds)),
                    ])
                guard let did = try rows.first?.stringOrNil("did") else { return (done, false) }
                done.append(did)
            } catch {
                guard let state = error.sqlState, Self.lostRaces.contains(state) else { throw error }
                return (done, true)
            }
        }
        return (done, true)
    }

    /// A function that works through so many rows a call, until it finds none.
    private func repeated(_ statement: String) async throws(DatabaseError) -> Int {
        var total = 0
        while !Task.isCancelled {
            let count = try await connection.query(statement, [.int32(Self.chunk)]).first?.int64("n") ?? 0
            total += Int(count)
            if count == 0 { break }
        }
        return total
    }

    private func freeLost(_ lost: inout LostOwners) async throws(DatabaseError) -> Int {
        let rows = try await connection.query("SELECT id, renewals, locked, same_server FROM ledger.owners()")
        var sightings: [OwnerSighting] = []
        for row in rows {
            sightings.append(
                OwnerSighting(
                    id: try row.uuid("id"), renewals: try row.int64("renewals"), isLocked: try row.bool("locked"),
                    isOnThisServer: try row.bool("same_server")))
        }
        var freed = 0
        for owner in lost.observe(sightings, now: .now) {
            let rows = try await connection.query(
                "SELECT ledger.owner_free($1, $2) AS freed", [.uuid(owner.id), .int64(owner.renewals)])
            guard try rows.first?.bool("freed") == true else { continue }
            freed += 1
            logger.notice("a lost node's messages are free again", metadata: ["owner": "\(owner.id)"])
        }
        return freed
    }
}

/// Whether the database's time was set, or another server leads whose time differs.
private struct ClockSteps {
    /// The database's time less ours, which nobody sets.
    private var difference: Duration?
    private let start = ContinuousClock.now

    mutating func hear(_ connection: DatabaseConnection) async throws(DatabaseError) -> Bool {
        guard let row = try await connection.query("SELECT ledger.clock() AS clock").first else { return false }
        let before = difference
        let now = Duration.microseconds(try row.timestamp("clock").microseconds) - start.duration(to: .now)
        difference = now
        guard let before else { return false }
        return now - before > .seconds(60) || before - now > .seconds(60)
    }
}
