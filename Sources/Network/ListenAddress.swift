internal import Glibc
package import NIOCore
import NIOPosix

/// Where a role listens: a host name or address, and a TCP port (0: any free one).
package struct ListenAddress: Hashable, Sendable, CustomStringConvertible {
    package var host: String
    package var port: Int

    /// A listening socket that somebody else has opened and handed over.
    package let descriptor: Int32?

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
        descriptor = nil
    }

    /// Takes over a listening socket; it is closed with the channel that `bind` makes of it.
    package init(descriptor: Int32) {
        self.descriptor = descriptor
        (host, port) = localName(of: descriptor)
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
    ///
    /// - Parameter report: told why nobody can be accepted for a while: open files, or memory, are used up.
    package func bind(
        on group: any EventLoopGroup, report: @escaping @Sendable (_ reason: String) -> Void = { _ in },
        initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) async throws(ListenFailure) -> any Channel {
        do {
            let bootstrap = ServerBootstrap(group: group)
                .serverChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(AcceptPause(report: report))
                    }
                }
                .serverChannelOption(.backlog, value: 1024)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                // Linux gives both to the connections that are accepted: two system calls less for each.
                .serverChannelOption(.socketOption(.so_keepalive), value: 1)
                .serverChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .childChannelInitializer { channel in
                    // Not as the bootstrap's options, which are set by a chain of futures.
                    if let options = channel.syncOptions {
                        do {
                            try options.setOption(.maxMessagesPerRead, value: 1)
                            try options.setOption(.recvAllocator, value: ReceiveAllocator())
                        } catch {
                            return channel.eventLoop.makeFailedFuture(error)
                        }
                    }
                    return initializer(channel)
                }
            guard let descriptor else { return try await bootstrap.bind(host: host, port: port).get() }
            return try await bootstrap.withBoundSocket(descriptor).get()
        } catch let error as IOError {
            throw ListenFailure(address: self, reason: String(cString: strerror(error.errnoCode)))
        } catch {
            throw ListenFailure(address: self, reason: String(describing: error))
        }
    }
}

/// The address a socket is bound to; what is no internet socket has its number for a name.
private func localName(of descriptor: Int32) -> (host: String, port: Int) {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let found = withUnsafeMutablePointer(to: &storage) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) == 0 }
    }
    let unknown = (host: "socket \(descriptor)", port: 0)
    guard found else { return unknown }
    return withUnsafePointer(to: &storage) { pointer in
        switch Int32(pointer.pointee.ss_family) {
        case AF_INET:
            pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { address in
                let octets = withUnsafeBytes(of: address.pointee.sin_addr) { Array($0) }
                return (AddressOctets(octets: octets).text, Int(UInt16(bigEndian: address.pointee.sin_port)))
            }
        case AF_INET6:
            pointer.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { address in
                let octets = withUnsafeBytes(of: address.pointee.sin6_addr) { Array($0) }
                return (AddressOctets(octets: octets).text, Int(UInt16(bigEndian: address.pointee.sin6_port)))
            }
        default: unknown
        }
    }
}
