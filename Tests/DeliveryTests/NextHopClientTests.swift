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
}
