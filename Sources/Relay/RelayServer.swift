// The relay role: an egress node that holds no queue and no database credential. It takes a message from a holder of
// a pool certificate, delivers it while the sender waits, and answers for each recipient. Everyone else is refused.

package import Logging
package import NIOCore
import NIOPosix
package import Network
import SMTP
package import TLS

/// Listens, lets pool members in and hands what they bring to the route.
package actor RelayServer {
    package struct Configuration: Sendable {
        package var listen: [ListenAddress]
        package var hostname: String
        /// Octets of content in one message.
        package var maxMessageSize: Int
        package var maxConnections: Int

        package init(
            listen: [ListenAddress], hostname: String, maxMessageSize: Int = 64 * 1024 * 1024,
            maxConnections: Int = 1000
        ) {
            self.listen = listen
            self.hostname = hostname
            self.maxMessageSize = maxMessageSize
            self.maxConnections = maxConnections
        }
    }

    private let shared: RelayShared
    private let configuration: Configuration
    private let group: any EventLoopGroup
    private let connections: ChannelRegistry
    private var listeners: [any Channel] = []

    /// - Parameter tls: must ask for a client certificate signed by the pool's authority, without requiring one.
    package init(
        configuration: Configuration, tls: TLSContextSource, route: any Route, group: any EventLoopGroup, logger: Logger
    ) {
        self.configuration = configuration
        self.group = group
        // (A few more: those who are told that there is no room.)
        connections = ChannelRegistry(limit: configuration.maxConnections + 50)
        shared = RelayShared(
            dialogue: .init(hostname: configuration.hostname, maxMessageSize: configuration.maxMessageSize), tls: tls,
            route: route, door: RelayDoor(connections: configuration.maxConnections), logger: logger)
    }

    /// Opens the listening sockets.
    package func start() async throws(ListenFailure) {
        for address in configuration.listen {
            let report: @Sendable (String) -> Void = { [shared] reason in
                shared.logger.warning(
                    "connections wait to be accepted",
                    metadata: ["port": .stringConvertible(address.port), "reason": .string(reason)])
            }
            let channel = try await address.bind(on: group, report: report) { [shared, connections] channel in
                channel.eventLoop.makeCompletedFuture {
                    guard connections.admit(channel) else { throw ChannelError.operationUnsupported }
                    try channel.pipeline.syncOperations.addHandler(RelayHandler(shared: shared))
                }
            }
            listeners.append(channel)
            shared.logger.info(
                "relay listening", metadata: ["address": "\(address.host):\(channel.localAddress?.port ?? 0)"])
        }
    }

    /// The revocation list is another one: connections of certificates that it names end.
    package func revocationsChanged() { connections.broadcast(RevocationsChanged()) }

    /// The ports that were opened, in the order of the configuration.
    package var ports: [Int] { listeners.compactMap { $0.localAddress?.port } }

    /// Takes no more connections, lets transactions under way finish, and closes.
    package func stop(grace: Duration) async {
        for listener in listeners {
            try? await listener.close().get()
        }
        connections.broadcast(ShutdownRequested())
        await connections.drain(within: grace)
    }
}

/// Sent to every connection when the revocation list has changed.
struct RevocationsChanged: Sendable {}

/// What all of a relay's connections share.
struct RelayShared: Sendable {
    let dialogue: RelayDialogue.Configuration
    let tls: TLSContextSource
    let route: any Route
    let door: RelayDoor
    let logger: Logger
}
