import NIOCore
import NIOPosix
import Postgres
import TestSupport
import Testing

@testable import Ledger

@Suite struct AcceptMailboxTests {
    private let sender = Fixture.Sender(tenantID: 1, credentialID: 1, loginID: 1, slug: "acme", poolID: 1)

    private func item(octets: Int = 10) throws -> AcceptItem {
        AcceptItem(
            request: try sender.request(body: String(repeating: "x", count: octets)),
            eventLoop: MultiThreadedEventLoopGroup.singleton.any(), completion: { _ in }, deadline: .now + .seconds(60))
    }

    private func count(_ taken: AcceptMailbox.Taken) -> Int {
        if case .batch(let items) = taken { items.count } else { -1 }
    }

    @Test func `a free thread takes everything that waits`() throws {
        let mailbox = AcceptMailbox(workers: 1, limits: .init())
        for _ in 0..<7 { #expect(mailbox.put(try item())) }
        #expect(count(mailbox.take(0)) == 7)
    }

    @Test func `a call is bounded in messages and in octets, and takes one however large`() throws {
        let mailbox = AcceptMailbox(workers: 1, limits: .init(messages: 3, bytes: 10_000))
        for octets in [10, 10, 10, 10, 8000, 8000, 50_000] { #expect(mailbox.put(try item(octets: octets))) }
        #expect(count(mailbox.take(0)) == 3)
        #expect(count(mailbox.take(0)) == 1)
        #expect(count(mailbox.take(0)) == 1)
        #expect(count(mailbox.take(0)) == 1)
        #expect(count(mailbox.take(0)) == 1)
    }

    @Test func `a second thread joins a busy one only when sixteen wait`() async throws {
        let mailbox = AcceptMailbox(workers: 2, limits: .init())  // thread 0 is busy: it never takes
        async let joined = Self.onThread { mailbox.take(1) }
        for _ in 0..<16 { #expect(mailbox.put(try item())) }
        #expect(count(await joined) == 16)
    }

    @Test func `a lone message wakes an idle thread at once`() async throws {
        let mailbox = AcceptMailbox(workers: 2, limits: .init())
        async let first = Self.onThread { mailbox.take(0) }
        #expect(mailbox.leave(1).isEmpty)  // the other one has no database
        #expect(mailbox.put(try item()))
        #expect(count(await first) == 1)
    }

    @Test func `with every thread away nothing is taken, and what waited is given back`() throws {
        let mailbox = AcceptMailbox(workers: 2, limits: .init())
        for _ in 0..<3 { #expect(mailbox.put(try item())) }
        #expect(mailbox.leave(0).isEmpty)
        #expect(mailbox.leave(1).count == 3)
        #expect(!mailbox.put(try item()))
        #expect(!mailbox.isAvailable)
        mailbox.comeBack(1)
        #expect(mailbox.put(try item()))
        #expect(count(mailbox.take(1)) == 1)
    }

    @Test func `closing gives out what waits and then ends`() throws {
        let mailbox = AcceptMailbox(workers: 1, limits: .init())
        #expect(mailbox.put(try item()))
        mailbox.close()
        #expect(!mailbox.put(try item()))
        #expect(count(mailbox.take(0)) == 1)
        #expect(count(mailbox.take(0)) == -1)
    }

    @Test func `a bad part is halved, a mixed one split by tenant, in order`() throws {
        func item(of tenant: Int64) throws -> AcceptItem {
            var sender = sender
            sender.tenantID = tenant
            return AcceptItem(
                request: try sender.request(), eventLoop: MultiThreadedEventLoopGroup.singleton.any(),
                completion: { _ in }, deadline: .now)
        }
        var parts = Parts(try [1, 2, 1, 3, 2].map { try item(of: $0) })
        let next = parts.next()
        let whole = try #require(next)
        parts.byTenant(whole)
        var tenants: [[Int64]] = []
        while let part = parts.next() { tenants.append(part.items.map(\.request.tenantID)) }
        #expect(tenants == [[1, 1], [2, 2], [3]])

        parts.apart(whole)
        let halves = [parts.next()?.items.count, parts.next()?.items.count]
        #expect(halves == [2, 3])

        var part = whole
        var sent = 1
        while parts.again(part), let next = parts.next() { (part, sent) = (next, sent + 1) }
        #expect(sent == 9)
    }

    private static func onThread<R: Sendable>(_ body: @escaping @Sendable () -> R) async -> R {
        await withCheckedContinuation { continuation in
            startThread(name: "test") { continuation.resume(returning: body()) }
        }
    }
}
