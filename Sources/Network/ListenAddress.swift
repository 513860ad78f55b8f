package import NIOCore
import NIOPosix

/// Where a role listens: a host name or address, and a TCP port (0: any free one).
package struct ListenAddress: Hashable, Sendable, CustomStringConvertible {
    package var host: String
    package var port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// A listening socket that could not be opened: which, and why.
package struct ListenFailure: Error, CustomStringConvertible {
    package let address: ListenAddress
    package let reason: String
    package var description: String { "cannot listen on \(address): \(reason)" }
}

extension ListenAddress {
    /// Opens the socket; every accepted connection passes through `initializer` before its first octet is read.
    package func bind(
        on group: any EventLoopGroup, initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) async throws(ListenFailure) -> any Channel {
        do {
            return try await ServerBootstrap(group: group)
                .serverChannelOption(.backlog, value: 1024)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelOption(.socketOption(.so_keepalive), value: 1)
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .childChannelOption(.maxMessagesPerRead, value: 1)
                .childChannelOption(.recvAllocator, value: ReceiveAllocator())
                .childChannelInitializer(initializer)
                .bind(host: host, port: port).get()
        } catch {
            throw ListenFailure(address: self, reason: String(describing: error))
        }
    }
}
