/// A connection for everything but the hot path: its blocking calls run on a thread of its own.
///
/// Connects when first needed and again after a loss. A statement that was sent when the connection broke is never
/// repeated here: whether it took effect is the caller's to find out (`DatabaseError.Kind.doubt`).
package actor DatabaseConnection {
    private nonisolated let thread: ThreadExecutor
    private let configuration: DatabaseConfiguration
    private var connection: BlockingConnection?

    package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    package init(_ configuration: DatabaseConfiguration, name: String = "database") {
        self.configuration = configuration
        thread = ThreadExecutor(name: name)
    }

    /// Connects now rather than at the first statement.
    package func connect() throws(DatabaseError) { _ = try connected() }

    package var isConnected: Bool { connection?.isUsable ?? false }

    /// One statement, committed by itself unless called inside `transaction`.
    ///
    /// - Parameter within: after so long its outcome is in doubt and the connection closed; nil waits for ever.
    @discardableResult
    package func query(
        _ sql: String, _ parameters: [DatabaseValue] = [], within limit: Duration? = nil
    ) throws(DatabaseError) -> Rows {
        try connected().query(sql, parameters, deadline: limit.map { .now + $0 })
    }

    /// Several statements of constant text in one transaction.
    package func script(_ sql: String) throws(DatabaseError) { try connected().script(sql) }

    /// BEGIN, `body`, COMMIT. `body` cannot suspend, so nothing else gets into the transaction.
    ///
    /// What `body` throws rolls back and is thrown on; a COMMIT without an answer throws `.doubt`.
    package func transaction<R: Sendable>(
        _ body: @Sendable (isolated DatabaseConnection) throws -> R
    ) throws -> R {
        try connected().transaction { try body(self) }
    }

    package func close() { connection = nil }

    private func connected() throws(DatabaseError) -> BlockingConnection {
        if let connection, isInTransaction || connection.isAlive() { return connection }
        connection = nil
        let made = try BlockingConnection(configuration)
        connection = made
        return made
    }

    /// Inside a transaction a lost connection must fail what follows, not be replaced under it.
    private var isInTransaction: Bool { connection?.isInTransaction ?? false }
}
