package import Logging
package import Postgres

/// Reads logins for AUTH on a thread and a connection of its own: names asked for while a call is under way, or a moment
/// after one, go together in the next.
///
/// A lone name is read at once. A call for one costs PostgreSQL twice what a further name in it does, so that no two calls
/// begin within ``pace``, unless many wait.
package final class LoginReader: Sendable {
    /// What a name is answered with; on the reader's thread. The login is nil where nobody has the name.
    package typealias Completion = @Sendable (Result<Login?, any Error>) -> Void

    /// Between the beginnings of two calls: little beside a TLS handshake.
    static let pace = Duration.milliseconds(4)
    /// The same where processors are scarce: it is spent in their queues anyway.
    private static let longPace = Duration.milliseconds(12)
    /// So many that wait are read without regard to `pace`; one call takes four times as many.
    static let crowd = 16
    /// While the database is known to be away, askers are told at once.
    private static let outage = Duration.milliseconds(250)

    private struct Asker {
        var name: String
        var completion: Completion
    }

    private struct State {
        var waiting: [Asker] = []
        var isClosing = false
        var awayUntil: ContinuousClock.Instant?
    }

    private let monitor = Monitor(State(), conditions: 1)
    private let ended = Group()
    private let database: DatabaseConfiguration
    private let logger: Logger

    package init(_ database: DatabaseConfiguration, logger: Logger) {
        self.database = database
        self.logger = logger
        ended.enter()
        startThread(name: "logins") {
            self.run()
            self.ended.leave()
        }
    }

    /// - Parameter completion: called once; with a `DatabaseError` where the database is away.
    package func read(_ name: String, completion: @escaping Completion) {
        let isTaken = monitor.withLock { state in
            if state.isClosing { return false }
            if let awayUntil = state.awayUntil, .now < awayUntil { return false }
            state.waiting.append(Asker(name: name, completion: completion))
            return true
        }
        if isTaken { monitor.signal(0) } else { completion(.failure(Self.away)) }
    }

    /// Answers who still waits, and ends the thread and its connection.
    package func shutdown() async {
        monitor.withLock { $0.isClosing = true }
        monitor.signalAll()
        await ended.wait()
    }

    // MARK: The thread

    private func run() {
        let link = DatabaseLink(database, logger: logger) { connection throws(DatabaseError) in
            try connection.prepare("logins", Self.statement, deadline: .now + Directory.patience)
        }
        var earliest = ContinuousClock.now
        var processors = ProcessorScarcity.ofThisThread()
        while let askers = next(earliest) {
            let now = ContinuousClock.now
            earliest = now + (processors.isScarce(at: now) ? Self.longPace : Self.pace)
            guard link.isAlive() || link.connect(), let connection = link.connection else {
                let waiting = monitor.withLock { state in
                    state.awayUntil = .now + Self.outage
                    defer { state.waiting = [] }
                    return state.waiting
                }
                answer(askers + waiting, Self.away)
                continue
            }
            monitor.withLock { $0.awayUntil = nil }
            // (A statement that is outdated is prepared anew, on another connection.)
            if !read(askers, connection) || !connection.isUsable { link.drop() }
        }
    }

    /// Who waits, when it is their turn; nil: nobody will any more.
    private func next(_ earliest: ContinuousClock.Instant) -> [Asker]? {
        while true {
            let isNeeded = monitor.wait(on: 0) { state in
                state.waiting.isEmpty && !state.isClosing ? nil : !state.waiting.isEmpty
            }
            guard isNeeded == true else { return nil }
            let left = ContinuousClock.now.duration(to: earliest)
            if left > .zero {
                _ = monitor.wait(on: 0, atMost: left) { $0.waiting.count >= Self.crowd || $0.isClosing ? true : nil }
            }
            let askers = monitor.withLock { state in
                let count = min(state.waiting.count, 4 * Self.crowd)
                defer { state.waiting.removeFirst(count) }
                return Array(state.waiting.prefix(count))
            }
            if !askers.isEmpty { return askers }
        }
    }

    /// False: the connection's statement is no good any more.
    private func read(_ askers: [Asker], _ connection: BlockingConnection) -> Bool {
        var found: [Result<Login?, any Error>] = Array(repeating: .success(nil), count: askers.count)
        do {
            let writer = ParameterWriter(capacity: 1024)
            writer.write(.textArray(askers.map(\.name)))
            let rows = try connection.execute("logins", writer, deadline: .now + Directory.patience)
            let place = try rows.column("place")
            for row in rows {
                let index = Int(try row.int64(at: place)) - 1
                found[index] = Result { try Login(name: askers[index].name, row) }
            }
        } catch {
            let isOutdated = ["26000", "0A000"].contains(error.sqlState)
            guard askers.count > 1, connection.isUsable, !isOutdated else {
                answer(askers, error)
                return !isOutdated
            }
            // One name that the database cannot take must not be the others' misfortune.
            return askers.reduce(true) { isGood, asker in read([asker], connection) && isGood }
        }
        for (asker, found) in zip(askers, found) { asker.completion(found) }
        return true
    }

    private func answer(_ askers: [Asker], _ error: any Error) {
        for asker in askers { asker.completion(.failure(error)) }
    }

    private static let away = DatabaseError(.unreachable, "no connection")

    private static let statement = """
        SELECT n.place, \(Login.columns.map { "l.\($0)" }.joined(separator: ", "))
        FROM unnest($1::text[]) WITH ORDINALITY AS n (name, place) CROSS JOIN LATERAL ledger.login(n.name) AS l
        """
}
