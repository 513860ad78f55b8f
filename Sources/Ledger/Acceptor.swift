package import Logging
package import NIOCore
package import Postgres

/// Group commit: what sessions submit while PostgreSQL is busy goes to it together, in one call and one commit.
///
/// A verdict of `.accepted` comes only after that commit. A commit in doubt is fenced (LEDGER, "A commit in doubt")
/// and never guessed at. While the database is known to be away, messages are answered `.unavailable` at once, and
/// threads of the acceptor's own bring the connections back.
package final class Acceptor: Sendable {
    package struct Configuration: Sendable {
        package var database: DatabaseConfiguration
        /// One is cheapest; the second is for the case that the first is stuck in a slow commit.
        package var connections = 2
        /// Bounds of one call.
        package var messagesPerCall = 100
        /// libpq gathers a call in a buffer that doubles and is kept as long as the connection: 4 MiB, unless one message
        /// needs more. Beyond some dozen messages a larger call gains nothing.
        package var bytesPerCall = 4_000_000
        /// A second connection joins a busy one only when so many wait.
        package var joinThreshold = 32
        /// After so long without an answer a client is closed without one.
        package var patience = Duration.seconds(60)
        /// The server's identity in messages it cannot answer for.
        package init(database: DatabaseConfiguration) { self.database = database }
    }

    /// The database's time, as far as it is known here.
    package let clock: DatabaseClock
    private let mailbox: AcceptMailbox
    private let patience: Duration
    private let workers: Group
    private let settler: Settler?

    /// - Parameters:
    ///   - owner: the lease that accepted rows are inserted under; nil without a forwarder: they are stored free.
    ///   - onAccepted: what was committed and is leased to `owner`, to be forwarded from memory. Called on the
    ///     acceptor's threads, before the verdicts are given. Never called for what was in doubt.
    package init(
        _ configuration: Configuration, owner: Owner? = nil, clock: DatabaseClock = DatabaseClock(), logger: Logger,
        onAccepted: @escaping @Sendable ([AcceptedMessage]) -> Void = { _ in }
    ) {
        self.clock = clock
        patience = configuration.patience
        let mailbox = AcceptMailbox(
            workers: configuration.connections,
            limits: AcceptMailbox.Limits(
                messages: configuration.messagesPerCall, bytes: configuration.bytesPerCall,
                join: configuration.joinThreshold))
        self.mailbox = mailbox
        let settler = owner.map { _ in Settler(configuration.database, logger: logger) }
        self.settler = settler
        let workers = Group()
        self.workers = workers
        for index in 0..<configuration.connections {
            workers.enter()
            startThread(name: "accept \(index)") {
                AcceptWorker(
                    index, mailbox, database: configuration.database, owner: owner, settler: settler, clock: clock,
                    logger: logger, onAccepted: onAccepted
                ).run()
                workers.leave()
            }
        }
    }

    /// The database's time in seconds since 1970, for Date and Message-ID fields.
    package var secondsSinceEpoch: Int64 { clock.secondsSinceEpoch }

    /// Whether messages can be taken just now, as far as is known.
    package var isAvailable: Bool { mailbox.isAvailable }

    /// Takes a message. `completion` is called once, on `eventLoop`, never before this returns.
    package func submit(
        _ request: AcceptRequest, on eventLoop: any EventLoop, completion: @escaping @Sendable (AcceptVerdict) -> Void
    ) {
        let item = AcceptItem(
            request: request, eventLoop: eventLoop, completion: completion, deadline: .now + patience)
        if !mailbox.put(item) { eventLoop.execute { completion(.unavailable) } }
    }

    /// Returns when every message submitted so far has its verdict.
    package func drain() async { await mailbox.drain() }

    /// Takes no more messages, answers those it has, and ends its threads and connections.
    package func shutdown() async {
        mailbox.close()
        await workers.wait()
        await settler?.shutdown()
    }
}
