import NIOCore
import NIOPosix
import Network
import Testing

@Suite struct ListenTests {
    @Test func `a connection that is accepted sends at once and is kept alive`() async throws {
        let accepted = MultiThreadedEventLoopGroup.singleton.any().makePromise(of: (any Channel).self)
        let listener = try await ListenAddress(host: "127.0.0.1", port: 0).bind(
            on: MultiThreadedEventLoopGroup.singleton
        ) { channel in
            accepted.succeed(channel)
            return channel.eventLoop.makeSucceededVoidFuture()
        }
        let address = try #require(listener.localAddress)
        let client = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(to: address).get()
        let channel = try await accepted.futureResult.get()
        #expect(try await channel.getOption(.tcpOption(.tcp_nodelay)).get() != 0)
        #expect(try await channel.getOption(.socketOption(.so_keepalive)).get() != 0)
        #expect(try await channel.getOption(.maxMessagesPerRead).get() == 1)
        #expect(try await channel.getOption(.recvAllocator).get() is ReceiveAllocator)
        try await client.close()
        try await listener.close()
    }

    @Test func `a port that is taken is said in words`() async throws {
        let listener = try await ListenAddress(host: "127.0.0.1", port: 0).bind(
            on: MultiThreadedEventLoopGroup.singleton
        ) { $0.eventLoop.makeSucceededVoidFuture() }
        let port = try #require(listener.localAddress?.port)
        do throws(ListenFailure) {
            _ = try await ListenAddress(host: "127.0.0.1", port: port).bind(
                on: MultiThreadedEventLoopGroup.singleton
            ) { $0.eventLoop.makeSucceededVoidFuture() }
            Issue.record("two listen on one port")
        } catch {
            #expect(error.description == "cannot listen on 127.0.0.1:\(port): Address already in use")
        }
        try await listener.close()
    }
}
