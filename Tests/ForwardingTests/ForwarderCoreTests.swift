import Delivery
import Ledger
import Logging
import NIOCore
import NIOEmbedded
import Postgres
import SMTP
import Tenancy
import Testing

@testable import Forwarding

@Suite struct ForwarderCoreTests {
    /// A connection that does what a test says.
    private final class Hop: Delivery.Hop {
        let tlsVersion: String? = nil
        let capabilities: DeliveryCapabilities? = nil
        private(set) var delivered = 0
        private let report: (DeliveryEvent) -> Void

        init(_ report: @escaping (DeliveryEvent) -> Void) { self.report = report }

        func open() {}
        func deliver(_ transaction: DeliveryDialogue.Transaction) { delivered += 1 }
        private(set) var isQuit = false
        func quit() { isQuit = true }

        func become(_ event: DeliveryEvent) { report(event) }

        func succeed() {
            report(.outcomes([.delivered(RemoteReply(code: 250, enhanced: nil, text: "ok", command: "end of data"))]))
            report(.ready)
        }
    }

    /// A forwarder with one member, whose connections and time are the test's.
    private final class Scene {
        private(set) var hops: [Hop] = []
        private(set) var results: [DeliveryResult] = []
        var now = Duration.zero
        private(set) var core: ForwarderCore?
        let loop = EmbeddedEventLoop()

        init(members: Int64 = 1, connectionsPerMember: Int = 2) {
            let made = ForwarderCore(
                on: loop, connectionsPerMember: connectionsPerMember,
                makeHop: { [unowned self] _, _, report in
                    hops.append(Hop(report))
                    return hops[hops.count - 1]
                }, clock: { [unowned self] in now }, mayFinish: { _ in true },
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                finished: { [unowned self] in results.append($1) })
            core = made
            configure(members: members)
        }

        func configure(members: Int64, connections: Int? = nil, port: Int = 24) {
            let all = (1...members).map {
                var member = Member(
                    id: $0, host: "relay-\($0).example", port: port, wire: .lmtp, tls: .mutual, weight: 1)
                member.connections = connections
                return member
            }
            core?.configure([Pool(id: 1, name: "default", members: all)])
        }

        func take(_ number: UInt64, tenant: Int64 = 1, recipients: Int32 = 1) throws {
            let envelope = EnvelopeRecipient(try Mailbox(parsing: "a@b.example"))
            core?.take([
                QueuedMessage(
                    id: MessageID(high: number, low: 0), owner: MessageID(high: 1, low: 9), tenantID: tenant,
                    tenantSlug: "acme", credentialName: "acme.x", poolID: 1, sender: .null,
                    recipients: (1...recipients).map { .init(number: $0, envelope: envelope, attempts: 0, lease: 0) },
                    content: ByteBuffer(string: "x"), isEightBit: false, acceptedAt: .now)
            ])
        }
    }

    /// Seed 6414932966767231889 of the simulation: whatever came to this node then waited for its lease to end.
    @Test func `a probe over a connection that had died while idle says nothing, and the next one is made`() throws {
        let scene = Scene()
        for number in 1...2 as ClosedRange<UInt64> { try scene.take(number) }
        scene.hops[0].become(.ready)
        scene.hops[0].succeed()
        scene.hops[1].become(.failed(reason: "connection refused"))
        #expect(scene.results.count == 2)

        scene.now = .seconds(2)
        try scene.take(3)
        #expect(scene.hops[0].delivered == 2, "the probe, over the connection that is idle")
        scene.hops[0].become(.failed(reason: "the connection was closed"))
        try #require(scene.hops.count == 3, "the member is tried again")
        scene.hops[2].become(.ready)
        scene.hops[2].succeed()
        #expect(scene.results.count == 3)
        if case .answered = scene.results.last {} else { Issue.record("\(scene.results)") }
    }

    @Test func `a member that is to have fewer connections has them at once, those that are busy when they are done`()
        throws
    {
        let scene = Scene(connectionsPerMember: 4)
        for number in 1...4 as ClosedRange<UInt64> { try scene.take(number) }
        try #require(scene.hops.count == 4)
        for hop in scene.hops { hop.become(.ready) }
        scene.hops[0].succeed()
        for number in 5...9 as ClosedRange<UInt64> { try scene.take(number) }
        scene.configure(members: 1, connections: 2)
        scene.hops[0].succeed()
        scene.hops[1].succeed()
        #expect(scene.hops.map(\.isQuit) == [true, true, false, false])
        scene.hops[2].succeed()
        scene.hops[3].succeed()
        #expect(scene.hops.map(\.isQuit) == [true, true, false, false])
        #expect(scene.hops.map(\.delivered) == [2, 1, 2, 2] && scene.hops.count == 4)
        scene.hops[2].succeed()
        scene.hops[3].succeed()
        scene.configure(members: 1, connections: 1)
        #expect(scene.hops.filter { !$0.isQuit }.count <= 2)
    }

    @Test func `a member that moves finishes what it has begun, and a stop waits for it`() throws {
        let scene = Scene(connectionsPerMember: 1)
        try scene.take(1)
        scene.hops[0].become(.ready)
        scene.configure(members: 1, port: 25)
        try scene.take(2)
        try #require(scene.hops.count == 2, "the next goes to the new address")
        scene.hops[1].become(.ready)
        scene.hops[1].succeed()
        scene.configure(members: 1, port: 25)
        let stopped = NIOLoopBoundBox(false, eventLoop: scene.loop)
        scene.core?.stop().whenSuccess { stopped.value = true }
        #expect(!stopped.value, "the first is still under way")
        scene.hops[0].succeed()
        #expect(stopped.value && scene.results.count == 2 && scene.hops[0].isQuit && scene.hops.count == 2)
    }

    @Test func `what waits is given back where it is not to be sent, in part where a part is not`() throws {
        let scene = Scene(connectionsPerMember: 1)
        try scene.take(1, tenant: 1)
        try scene.take(2, tenant: 1)
        try scene.take(3, tenant: 2, recipients: 3)
        try scene.take(4, tenant: 3)
        try scene.take(5, tenant: 4)
        scene.hops[0].become(.ready)
        var recall = Queue.Recall()
        recall.pools = [1: nil, 2: 1, 3: 7, 5: 1]
        recall.cancelled = [MessageID(high: 3, low: 0): [2]]
        let given = scene.core?.giveBack(recall) ?? []
        #expect(given.map(\.id.high) == [2, 3, 4], "what is under way goes on, and what has not changed")
        #expect(given.map { $0.recipients.map(\.number) } == [[1], [2], [1]])
        scene.hops[0].succeed()
        #expect(scene.hops[0].delivered == 2 && scene.results.count == 1)
        // What comes of that tenant while nothing of it is to be sent, or fails, is given back as well.
        try scene.take(6, tenant: 1)
        #expect(scene.results.count == 2)
        recall.pools = [1: 1, 2: nil, 4: 7]
        #expect(scene.core?.giveBack(recall).map(\.id.high) == [5])
        scene.hops[0].become(.failed(reason: "the connection was closed"))
        #expect(scene.results.count == 3 && scene.hops.count == 1, "message 3, of tenant 2")
        if case .notTried = scene.results.last {} else { Issue.record("\(scene.results)") }
        try scene.take(7, tenant: 1)
        #expect(scene.results.count == 3)
    }

    @Test func `a connection over which MAIL was refused serves no other message`() throws {
        let scene = Scene()
        try scene.take(1)
        scene.hops[0].become(.ready)
        let denied = RemoteReply(code: 550, enhanced: nil, text: "5.7.1 Relaying denied", command: "MAIL FROM")
        scene.hops[0].become(.outcomes([.deferred(denied)]))
        scene.hops[0].become(.ready)
        try scene.take(2)
        try #require(scene.hops.count == 2, "perhaps it is the connection's certificate that is not wanted any more")
        scene.hops[1].become(.ready)
        scene.hops[1].succeed()
        try scene.take(3)
        #expect(scene.hops.count == 2)
        #expect(scene.hops[1].delivered == 2)
    }

    @Test func `a relay that does not know this forwarder is tried around, and no attempt is counted`() throws {
        let denied = DeliveryEvent.outcomes([
            .deferred(
                RemoteReply(code: 550, enhanced: EnhancedCode(5, 7, 1), text: "Relaying denied", command: "MAIL FROM"))
        ])
        let scene = Scene(members: 2)
        try scene.take(1)
        scene.hops[0].become(.ready)
        scene.hops[0].become(denied)
        scene.hops[0].become(.ready)
        #expect(scene.results.isEmpty)
        try #require(scene.hops.count == 2, "the other member")
        scene.hops[1].become(.ready)
        scene.hops[1].succeed()
        if case .answered = scene.results.last {} else { Issue.record("\(scene.results)") }

        let alone = Scene()
        try alone.take(1)
        alone.hops[0].become(.ready)
        alone.hops[0].become(denied)
        alone.hops[0].become(.ready)
        guard case .noRelay(let reason, _, _) = alone.results.last else {
            Issue.record("\(alone.results)")
            return
        }
        #expect(reason.contains("does not know this forwarder's certificate"))
    }

    @Test(arguments: [
        (452, EnhancedCode(4, 3, 1), RemoteReply.diskFullText),
        (451, RemoteReply.notReachedCode, "delivery to smarthost.example: greeting: 554 go away"),
    ])
    func `a relay that can pass nothing on is tried around, and no attempt is counted`(
        code: Int, enhanced: EnhancedCode, text: String
    ) throws {
        let full = RemoteReply(
            code: code, enhanced: enhanced, text: text, command: "end of data", isFromOurRelay: true)
        let scene = Scene(members: 2)
        try scene.take(1)
        scene.hops[0].become(.ready)
        scene.hops[0].become(.outcomes([.deferred(full)]))
        scene.hops[0].become(.ready)
        #expect(scene.results.isEmpty && scene.hops[0].isQuit)
        try #require(scene.hops.count == 2, "the other member")
        scene.hops[1].become(.ready)
        scene.hops[1].become(.outcomes([.deferred(full)]))
        scene.hops[1].become(.ready)
        guard case .noRelay(let reason, _, _) = scene.results.last else {
            Issue.record("\(scene.results)")
            return
        }
        #expect(reason.contains(text))
    }

    @Test func `what a server behind a relay says of the message is an attempt`() throws {
        let quoted = RemoteReply(
            code: 451, enhanced: RemoteReply.notReachedCode, text: "mx.example said: 451 4.4.1 no route",
            command: "end of data",
            isFromOurRelay: true)
        let scene = Scene(members: 2)
        try scene.take(1)
        scene.hops[0].become(.ready)
        scene.hops[0].become(.outcomes([.deferred(quoted)]))
        scene.hops[0].become(.ready)
        #expect(scene.hops.count == 1)
        if case .answered = scene.results.last {} else { Issue.record("\(scene.results)") }
    }

    @Test func `a connection that has served and is lost behind the dot is no idle one that had died`() throws {
        let scene = Scene()
        try scene.take(1)
        scene.hops[0].become(.ready)
        scene.hops[0].succeed()
        try scene.take(2)
        let lost = RemoteReply(code: 421, enhanced: nil, text: "connection lost", command: "end of data")
        scene.hops[0].become(.outcomes([.deferred(lost)]))
        scene.hops[0].become(.failed(reason: "the connection was closed"))
        #expect(scene.hops.count == 1, "it may have been taken: not again at once")
        if case .interrupted = scene.results.last {} else { Issue.record("\(scene.results)") }
    }

    @Test func `what one member may have taken may have been taken, whatever the next one says`() throws {
        func lost(at command: String) -> DeliveryDialogue.Outcome {
            .deferred(RemoteReply(code: 421, enhanced: nil, text: "lost", command: command, isOurs: true))
        }
        let scene = Scene(members: 2)
        try scene.take(1)
        scene.hops[0].become(.ready)
        scene.hops[0].become(.outcomes([lost(at: RemoteReply.endOfData)]))
        scene.hops[0].become(.failed(reason: "the connection was closed"))
        try #require(scene.hops.count == 2, "the other member")
        scene.hops[1].become(.ready)
        scene.hops[1].become(.outcomes([lost(at: "MAIL FROM")]))
        scene.hops[1].become(.failed(reason: "the connection was closed"))
        guard case .interrupted(let outcomes, _) = scene.results.last else {
            Issue.record("\(scene.results)")
            return
        }
        #expect(outcomes == [lost(at: RemoteReply.endOfData)])
    }

    @Test func `one that must wait for a member is waited for by none that another member takes`() throws {
        let scene = Scene(members: 2, connectionsPerMember: 1)
        // One member answers nothing for now, the other loses one message.
        for number in 1...2 as ClosedRange<UInt64> { try scene.take(number) }
        try #require(scene.hops.count == 2)
        scene.hops[0].become(.ready)
        let lost = RemoteReply(code: 421, enhanced: nil, text: "connection lost", command: "end of data")
        scene.hops[0].become(.outcomes([.deferred(lost)]))
        scene.hops[0].become(.failed(reason: "the connection was closed"))
        scene.now = .seconds(10)
        for number in 3...4 as ClosedRange<UInt64> { try scene.take(number) }
        try #require(scene.hops.count == 3, "the member is tried again, and the lost one still waits for the other")
        for _ in 3...4 {
            scene.hops[2].become(.ready)
            scene.hops[2].succeed()
        }
        #expect(scene.results.count == 2, "\(scene.results)")
    }

    @Test func `a probe without an answer holds nobody up for long`() throws {
        let scene = Scene()
        try scene.take(1)
        scene.hops[0].become(.failed(reason: "connection refused"))
        scene.now = .seconds(1)
        for number in 2...3 as ClosedRange<UInt64> { try scene.take(number) }
        try #require(scene.hops.count == 2, "one probe at a time")
        scene.now = .seconds(4)
        scene.core?.resume()
        try #require(scene.hops.count == 3)
        scene.hops[2].become(.ready)
        scene.hops[2].succeed()
        if case .answered = scene.results.last {} else { Issue.record("\(scene.results)") }
    }

    @Test func `what no relay could be asked for is due again when the first is asked`() throws {
        let scene = Scene()
        for second in [0, 1, 3, 5, 7] as [UInt64] {
            scene.now = .seconds(Int64(second))
            try scene.take(second)
            try #require(scene.hops.last).become(.failed(reason: "connection refused"))
        }
        let waits = scene.results.compactMap { result in
            if case .noRelay(_, let wait, isOutage: true) = result { wait } else { nil }
        }
        #expect(waits == [1_100, 2_100, 2_100, 2_100, 2_100].map { .milliseconds($0) })
    }
}
