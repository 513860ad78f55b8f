/// A few connections for look-ups and changes that many ask for at once: AUTH, the directory, the CLI.
///
/// Accept, claim and the lease have connections of their own and never wait here.
package actor DatabasePool {
    private let configuration: DatabaseConfiguration
    private let limit: Int
    private var idle: [DatabaseConnection] = []
    private var made = 0
    private var waiting: [CheckedContinuation<DatabaseConnection, Never>] = []
    /// While the database is known to be away, callers are told at once instead of queueing for a time-out each.
    private var outage: (error: DatabaseError, until: ContinuousClock.Instant)?

    package init(_ configuration: DatabaseConfiguration, connections: Int = 2) {
        precondition(connections > 0)
        self.configuration = configuration
        limit = connections
    }

    @discardableResult
    package func query(
        _ sql: String, _ parameters: [DatabaseValue] = [], within limit: Duration? = nil
    ) async throws(DatabaseError) -> Rows {
        if let outage, ContinuousClock.now < outage.until { throw outage.error }
        let connection = await take()
        defer { giveBack(connection) }
        if let outage, ContinuousClock.now < outage.until { throw outage.error }
        do {
            let rows = try await connection.query(sql, parameters, within: limit)
            outage = nil
            return rows
        } catch {
            note(error)
            throw error
        }
    }

    /// A transaction on one of the connections; see `DatabaseConnection.transaction`.
    package func transaction<R: Sendable>(
        _ body: @escaping @Sendable (isolated DatabaseConnection) throws -> R
    ) async throws -> R {
        if let outage, ContinuousClock.now < outage.until { throw outage.error }
        let connection = await take()
        defer { giveBack(connection) }
        do {
            let value = try await connection.transaction(body)
            outage = nil
            return value
        } catch {
            if let error = error as? DatabaseError { note(error) }
            throw error
        }
    }

    /// Ends the idle connections; those in use end when they are given back and nobody asks any more.
    package func shutdown() async {
        let ending = idle
        idle = []
        made -= ending.count
        for connection in ending { await connection.close() }
    }

    private func note(_ error: DatabaseError) {
        if error.kind == .unreachable { outage = (error, .now + .milliseconds(250)) }
    }

    private func take() async -> DatabaseConnection {
        if let connection = idle.popLast() { return connection }
        if made < limit {
            made += 1
            return DatabaseConnection(configuration, name: "database \(made)")
        }
        return await withCheckedContinuation { waiting.append($0) }
    }

    private func giveBack(_ connection: DatabaseConnection) {
        if waiting.isEmpty { idle.append(connection) } else { waiting.removeFirst().resume(returning: connection) }
    }
}
