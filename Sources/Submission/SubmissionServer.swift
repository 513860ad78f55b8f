// The submission role: the listener that customers' applications reach. It authenticates, judges and answers; what is
// true of a message is decided by the ledger in PostgreSQL. Stateless but for its caches: run as many as wanted.

package import Ledger
package import Logging
package import NIOCore
package import NIOPosix
package import Network
package import SASL
import SMTP
package import TLS
package import Tenancy

/// Listens for submissions (RFC 6409) and keeps open sessions in step with what operators change.
package actor SubmissionServer {
    package struct Configuration: Sendable {
        package var listen: [ListenAddress]
        /// The name in the greeting, in Received fields and in Message-IDs that are added.
        package var hostname: String
        /// Connections at a time.
        package var maxConnections: Int
        /// How long a session may be silent once it has authenticated (RFC 5321 §4.5.3.2.7).
        package var commandTimeout: Duration
        /// The largest message any tenant may send, in octets; announced before AUTH.
        package var maxMessageSize: Int
        /// The most recipients any tenant may give; a tenant's own limit replaces it after AUTH.
        package var maxRecipients: Int

        package init(
            listen: [ListenAddress], hostname: String, maxConnections: Int = 10_000,
            commandTimeout: Duration = .seconds(300), maxMessageSize: Int = 25 * 1024 * 1024, maxRecipients: Int = 1000
        ) {
            self.listen = listen
            self.hostname = hostname
            self.maxConnections = maxConnections
            self.commandTimeout = commandTimeout
            self.maxMessageSize = maxMessageSize
            self.maxRecipients = maxRecipients
        }
    }

    private let shared: SubmissionShared
    private let configuration: Configuration
    private let group: any EventLoopGroup
    private let connections: ChannelRegistry
    private var listeners: [any Channel] = []
    private var watcher: Task<Void, Never>?

    package init(
        configuration: Configuration, tls: TLSContext, sasl: SASLServer, directory: Directory, acceptor: Acceptor,
        group: any EventLoopGroup, threads: NIOThreadPool, logger: Logger
    ) {
        self.configuration = configuration
        self.group = group
        connections = ChannelRegistry(limit: configuration.maxConnections)
        shared = SubmissionShared(
            configuration: configuration, tls: tls, sasl: sasl, directory: directory, acceptor: acceptor,
            threads: threads, logger: logger)
    }

    /// Opens the listening sockets and begins to watch the directory for revocations.
    package func start() async throws(ListenFailure) {
        for address in configuration.listen {
            let channel = try await address.bind(on: group) { [shared, connections] channel in
                channel.eventLoop.makeCompletedFuture {
                    guard connections.admit(channel) else {
                        shared.logger.warning("too many connections", metadata: ["limit": "\(connections.count)"])
                        throw ChannelError.operationUnsupported
                    }
                    try channel.pipeline.syncOperations.addHandler(SubmissionHandler(shared: shared))
                }
            }
            listeners.append(channel)
            shared.logger.info(
                "submission listening", metadata: ["address": "\(address.host):\(channel.localAddress?.port ?? 0)"])
        }
        watcher = Task { [shared, connections] in
            for await change in shared.directory.changes() {
                connections.broadcast(change)
            }
        }
    }

    /// The ports that were opened, in the order of the configuration.
    package var ports: [Int] { listeners.compactMap { $0.localAddress?.port } }

    package var connectionCount: Int { connections.count }

    /// Takes no more connections, answers `421` to the idle, lets transactions under way finish, and closes.
    package func stop(grace: Duration) async {
        for listener in listeners {
            try? await listener.close().get()
        }
        connections.broadcast(ShutdownRequested())
        await connections.drain(within: grace)
        watcher?.cancel()
    }
}

/// What all sessions of a node share.
struct SubmissionShared: Sendable {
    let configuration: SubmissionServer.Configuration
    let tls: TLSContext
    let sasl: SASLServer
    let directory: Directory
    let acceptor: Acceptor
    let threads: NIOThreadPool
    let logger: Logger
    let sessions = SessionCounter()

    var dialogue: SubmissionDialogue.Configuration {
        SubmissionDialogue.Configuration(
            hostname: configuration.hostname, maxMessageSize: configuration.maxMessageSize,
            maxRecipients: configuration.maxRecipients, mechanisms: sasl.mechanisms.map(\.rawValue))
    }
}
