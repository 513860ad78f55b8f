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

    private func count(_ taken: AcceptMailbox.Taken?) -> Int {
        switch taken {
        case .batch(let items): items.count
        case .closed: -1
        case nil: 0
        }
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

    @Test func `a second thread joins a busy one only when many wait`() async throws {
        let mailbox = AcceptMailbox(workers: 2, limits: .init())  // thread 0 is busy: it never takes
        async let joined = Self.onThread { mailbox.take(1) }
        for _ in 0..<32 { #expect(mailbox.put(try item())) }
        #expect(count(await joined) == 32)
    }

    @Test func `a lone message wakes an idle thread at once`() async throws {
        let mailbox = AcceptMailbox(workers: 2, limits: .init())
        async let first = Self.onThread { mailbox.take(0) }
        #expect(mailbox.leave(1).isEmpty)  // the other one has no database
        #expect(mailbox.put(try item()))
        #expect(count(await first) == 1)
    }

    @Test func `a thread that waits for so long only is told of nothing, and of the next message`() throws {
        let mailbox = AcceptMailbox(workers: 1, limits: .init())
        #expect(count(mailbox.take(0, atMost: .milliseconds(20))) == 0)
        #expect(mailbox.put(try item()))
        #expect(count(mailbox.take(0, atMost: .seconds(20))) == 1)
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

    @Test func `a call that hangs is waited for no more, and costs one look until then`() throws {
        var line = AcceptLine(workers: 2, limits: .init())
        let start = ContinuousClock.now
        func put() throws -> Int? { line.put(try item()).waking }
        func take(_ worker: Int, after milliseconds: Int) -> AcceptLine.Next {
            line.take(worker, at: start + .milliseconds(milliseconds), processorsAreScarce: false).next
        }
        func taken(_ next: AcceptLine.Next) -> Int? { if case .take(let taken) = next { count(taken) } else { nil } }
        guard case .sleep = take(1, after: 0) else {
            Issue.record("nothing is there")
            return
        }
        #expect(try put() == 1)
        #expect(line.isWoken(1))
        #expect(taken(take(0, after: 0)) == 1)
        guard case .sleep = take(1, after: 1) else {
            Issue.record("nothing waits")
            return
        }
        #expect(!line.isWoken(1))

        // Two come while the call is under way: the first makes the idle thread look when it will have hung.
        #expect(try put() == 1)
        #expect(try put() == nil)
        guard case .pause(until: start + .seconds(2)) = take(1, after: 5) else {
            Issue.record("does not watch")
            return
        }
        #expect(!line.isWoken(1))
        #expect(try put() == nil)
        #expect(taken(take(1, after: 2000)) == 3)
        // The one that hung comes back.
        line.decided(0)
        #expect(try put() == nil)
        guard case .pause(until: start + .seconds(4)) = take(0, after: 2500) else {
            Issue.record("is not the one who waits now")
            return
        }
        // The thread that was given up on makes sure of its call: that is no call, and may hang too.
        line.decided(1)
        line.comeBack(1)
        guard case .pause(until: start + .seconds(5)) = take(0, after: 3000) else {
            Issue.record("waits for what has not begun")
            return
        }
        #expect(taken(take(0, after: 5000)) == 1)
    }

    @Test func `a call waits a moment for those that came together lately`() throws {
        var line = AcceptLine(workers: 2, limits: .init())
        let start = ContinuousClock.now
        func put(_ count: Int) throws -> [Int] {
            try (0..<count).compactMap { _ in line.put(try item()).waking }
        }
        func taken(_ next: AcceptLine.Next) -> Int { if case .take(let taken) = next { count(taken) } else { 0 } }
        #expect(taken(line.take(1, at: start, processorsAreScarce: true).next) == 0, "nothing is there: it sleeps")
        _ = try put(8)
        #expect(taken(line.take(0, at: start, processorsAreScarce: true).next) == 8)
        line.decided(0)

        // Two are back at once: the others are about to come.
        _ = try put(2)
        guard case .pause(let until) = line.take(0, at: start + .milliseconds(1), processorsAreScarce: true).next else {
            Issue.record("does not wait for company")
            return
        }
        #expect(until == start + .milliseconds(12) && !line.isWoken(0))
        // The fourth is no reason to wake it; the fifth is.
        #expect(try put(2) == [] && !line.isWoken(0))
        #expect(try put(1) == [0] && line.isWoken(0))
        #expect(taken(line.take(0, at: start + .milliseconds(2), processorsAreScarce: true).next) == 5)
        line.decided(0)

        // Nobody else comes: it goes when its time has come, and soon expects nobody.
        var now = start + .milliseconds(2)
        for round in 0..<12 {
            _ = try put(1)
            var next = line.take(0, at: now, processorsAreScarce: true).next
            if case .pause(let until) = next {
                #expect(until <= now + .milliseconds(12) && round < 8)
                now = until
                next = line.take(0, at: now, processorsAreScarce: true).next
            }
            #expect(taken(next) == 1)
            line.decided(0)
        }
    }

    @Test func `where processors are there a call waits for nobody`() throws {
        var line = AcceptLine(workers: 1, limits: .init())
        let now = ContinuousClock.now
        for _ in 0..<8 { _ = line.put(try item()) }
        for expected in [8, 1, 1] {
            guard case .take(.batch(let items)) = line.take(0, at: now, processorsAreScarce: false).next else {
                Issue.record("waits")
                return
            }
            #expect(items.count == expected)
            line.decided(0)
            _ = line.put(try item())
        }
    }

    @Test func `messages that come one after the other never wait`() throws {
        var line = AcceptLine(workers: 1, limits: .init())
        let now = ContinuousClock.now
        for _ in 0..<50 {
            _ = line.put(try item())
            guard case .take(.batch(let items)) = line.take(0, at: now, processorsAreScarce: true).next else {
                Issue.record("waits")
                return
            }
            #expect(items.count == 1)
            guard case .sleep = line.take(0, at: now, processorsAreScarce: true).next else {
                Issue.record("takes what is not there")
                return
            }
        }
    }

    @Test func `closing does not wait for company`() throws {
        var line = AcceptLine(workers: 1, limits: .init())
        let now = ContinuousClock.now
        for _ in 0..<8 { _ = line.put(try item()) }
        guard case .take = line.take(0, at: now, processorsAreScarce: true).next else { return }
        _ = line.put(try item())
        guard case .pause = line.take(0, at: now, processorsAreScarce: true).next else {
            Issue.record("does not wait for company")
            return
        }
        line.close()
        #expect(line.isWoken(0))
        guard case .take(.batch(let rest)) = line.take(0, at: now, processorsAreScarce: true).next else {
            Issue.record("waits although it closes")
            return
        }
        #expect(rest.count == 1)
    }

    private static func onThread<R: Sendable>(_ body: @escaping @Sendable () -> R) async -> R {
        await withCheckedContinuation { continuation in
            startThread(name: "test") { continuation.resume(returning: body()) }
        }
    }
}
