import Delivery
import Foundation
import NIOPosix
import SMTP
import TestSupport
import Testing

/// Whoever waits for the outcome waits no longer than it said, and has the message tried again: it must not go on later.
@Suite struct NextHopClientTests {
    @Test func `what is overdue is not sent, whether it is under way or waits its turn`() async throws {
        let peer = try await ScriptedPeer(["RCPT=@slow"])
        let client = NextHopClient(
            to: NextHop(host: "127.0.0.1", port: peer.port, wire: .smtp, tls: .none), hostname: "relay.example",
            tls: .nothing, limit: 1, on: MultiThreadedEventLoopGroup.singleton.next())
        let transaction = try message()
        async let first = client.deliver(transaction, within: .milliseconds(100))
        async let second = client.deliver(transaction, within: .milliseconds(100))
        for outcome in await first + second {
            guard case .deferred(let reply) = outcome else {
                Issue.record("\(outcome)")
                continue
            }
            #expect(reply.isOurs && reply.code == 451 && reply.text == "it took too long to pass it on")
        }
        let third = await client.deliver(transaction, within: .seconds(30))
        #expect(third.count == 1 && third.allSatisfy { if case .delivered = $0 { true } else { false } }, "\(third)")
        #expect(peer.log.components(separatedBy: "content\n").count == 2, "\(peer.log)")
        client.close()
    }

    @Test func `whom a server that is not ready leaves unasked hears so, and not of a broken connection`() async throws
    {
        let peer = try await ScriptedPeer(["GREETING=554 5.3.2 go away"])
        let client = NextHopClient(
            to: NextHop(host: "127.0.0.1", port: peer.port, wire: .smtp, tls: .none), hostname: "relay.example",
            tls: .nothing, limit: 1, on: MultiThreadedEventLoopGroup.singleton.next())
        let outcomes = await client.deliver(try message(), within: .seconds(30))
        #expect(outcomes.map(\.reply.enhanced) == [RemoteReply.notReachedCode], "\(outcomes)")
        client.close()
    }

    @Test func `whom a transaction has no room for goes in the next one, until all are told`() async throws {
        let peer = try await ScriptedPeer([
            "RCPT=250 ok / 250 ok / 452 4.5.3 too many / 452 4.5.3 too many / 550 5.1.1 who / 250 ok / 452 4.5.3 too many / 452 4.2.2 full"
        ])
        let client = NextHopClient(
            to: NextHop(host: "127.0.0.1", port: peer.port, wire: .smtp, tls: .none), hostname: "relay.example",
            tls: .nothing, limit: 1, on: MultiThreadedEventLoopGroup.singleton.next())
        let outcomes = await client.deliver(
            try message((1...5).map { "r\($0)@d.example" }), within: .seconds(30))
        // r3 and r4 in a second transaction; r4 alone in a third, which brings nobody forward.
        #expect(
            outcomes.map(Attempt.text) == [
                "delivered 250", "delivered 250", "delivered 250", "deferred 452", "bounced 550 5.1.1",
            ])
        let content = peer.log.components(separatedBy: "content\n").count - 1
        #expect(content == 2, "\(peer.log)")
        client.close()
    }
}
