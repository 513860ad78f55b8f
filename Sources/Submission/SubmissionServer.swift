// The submission role: the listener that customers' applications reach. It authenticates, judges and answers; what is
// true of a message is decided by the ledger in PostgreSQL. Stateless but for its caches: run as many as wanted.

package import Ledger
package import Logging
package import NIOCore
package import NIOPosix
package import Network
package import SASL
import SMTP
import Synchronization
package import TLS
package import Tenancy

/// Listens for submissions (RFC 6409) and keeps open sessions in step with what operators change.
package actor SubmissionServer {
    private let shared: SubmissionShared
    private let group: any EventLoopGroup
    private let connections: ChannelRegistry
    private var listeners: [any Channel] = []
    /// Those of `listeners` on which TLS begins at once.
    package private(set) var tlsPorts: [Int] = []
    private var watcher: Task<Void, Never>?
    private var checker: Task<Void, Never>?
    private var reviewer: Task<Void, Never>?

    package init(
        configuration: SubmissionConfiguration, tls: TLSContextSource, budget: BodyBudget, sasl: SASLServer,
        directory: Directory, acceptor: Acceptor, refusals: RefusalJournal,
        group: any EventLoopGroup, threads: NIOThreadPool, logger: Logger
    ) {
        self.group = group
        connections = ChannelRegistry(limit: .max)
        shared = SubmissionShared(
            configuration: configuration, tls: tls, budget: budget, sasl: sasl, directory: directory,
            acceptor: acceptor, refusals: refusals, group: group, threads: threads, logger: logger)
    }

    /// Opens the listening sockets and begins to watch the directory for revocations.
    package func start() async throws(ListenFailure) {
        let configuration = shared.configuration
        for (addresses, isImplicitTLS) in [(configuration.listen, false), (configuration.listenTLS, true)] {
            for address in addresses { try await listen(on: address, isImplicitTLS: isImplicitTLS) }
        }
        let changes = shared.directory.changes()
        watcher = Task { [shared] in
            for await change in changes { shared.open.hear(change) }
        }
        checker = Task { [shared] in await shared.open.run() }
        reviewer = Task { [shared] in
            while (try? await Task.sleep(for: .seconds(5))) != nil {
                shared.budget.reviewPromises()
                // While changes cannot be heard of, they are looked for.
                if shared.directory.isListening { shared.open.retry() } else { shared.open.hear(.everything) }
            }
        }
    }

    private func listen(on address: ListenAddress, isImplicitTLS: Bool) async throws(ListenFailure) {
        let port = address.port
        let report: @Sendable (String) -> Void = { [shared] reason in
            shared.logger.warning(
                "connections wait to be accepted",
                metadata: ["port": .stringConvertible(port), "reason": .string(reason)])
        }
        let channel = try await address.bind(on: group, report: report) { [shared, connections] channel in
            channel.eventLoop.makeCompletedFuture {
                guard connections.admit(channel) else { throw ChannelError.operationUnsupported }
                let door = Door(
                    shared: shared, isImplicitTLS: isImplicitTLS, port: port,
                    clientAddress: channel.remoteAddress?.ipAddress ?? "unknown")
                try channel.pipeline.syncOperations.addHandler(door)
            }
        }
        listeners.append(channel)
        if isImplicitTLS { tlsPorts.append(channel.localAddress?.port ?? 0) }
        shared.logger.info(
            "submission listening",
            metadata: [
                "address": "\(channel.localAddress?.ipAddress ?? address.host):\(channel.localAddress?.port ?? 0)",
                "tls": isImplicitTLS ? "at once" : "STARTTLS",
            ])
    }

    /// Takes new limits; sessions that are open go on, by the new ones from their next step.
    package func reconfigure(_ configuration: SubmissionConfiguration) { shared.reconfigure(configuration) }

    /// The ports that were opened, in the order of the configuration.
    package var ports: [Int] { listeners.compactMap { $0.localAddress?.port } }

    package var connectionCount: Int { connections.count }

    /// Octets of heap that all handshakes and messages have gone through, roughly: how much of it may lie free since.
    package nonisolated var churn: Int { shared.churn.load(ordering: .relaxed) }

    /// Takes no more connections, answers `421` to the idle, lets transactions under way finish, and closes.
    package func stop(grace: Duration) async {
        for listener in listeners {
            try? await listener.close().get()
        }
        connections.broadcast(ShutdownRequested())
        await connections.drain(within: grace)
        watcher?.cancel()
        checker?.cancel()
        reviewer?.cancel()
    }
}
