internal import Glibc
package import Logging

/// A thread's connection that comes back: when to try, how long to wait, what to say about it, once per outage.
package final class DatabaseLink {
    private let configuration: DatabaseConfiguration
    private let prepare: (BlockingConnection) throws(DatabaseError) -> Void
    private let logger: Logger
    package private(set) var connection: BlockingConnection?
    private var isAway = false
    private var failures = 0

    /// - Parameter prepare: what each new connection needs before its first use.
    package init(
        _ configuration: DatabaseConfiguration, logger: Logger,
        prepare: @escaping (BlockingConnection) throws(DatabaseError) -> Void
    ) {
        self.configuration = configuration
        self.logger = logger
        self.prepare = prepare
    }

    package var isUsable: Bool { connection?.isUsable ?? false }

    /// Usable, and not closed by the server while nothing was under way.
    package func isAlive() -> Bool {
        guard let connection, connection.isAlive() else { return false }
        return true
    }

    package func drop() { connection = nil }

    /// Connects unless connected. False when that fails; then wait for `pause`.
    package func connect() -> Bool {
        if isUsable { return true }
        connection = nil
        do {
            let made = try BlockingConnection(configuration)
            try prepare(made)
            connection = made
        } catch {
            failures += 1
            if !isAway { logger.warning("the database is away", metadata: ["reason": "\(error)"]) }
            isAway = true
            return false
        }
        if isAway { logger.notice("the database is back") }
        (isAway, failures) = (false, 0)
        return true
    }

    /// Grows to a second: an outage is noticed to have ended soon, and not made worse.
    package var pause: Duration { .milliseconds(min(1000, 50 << min(failures, 5))) }

    package func sleep(_ duration: Duration) { usleep(UInt32(duration / .microseconds(1))) }
}
