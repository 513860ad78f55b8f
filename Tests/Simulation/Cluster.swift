import Forwarding
import Ledger
import NIOCore
import Postgres
import SMTP

/// A ledger, the nodes before it and the clients before those: what happens in one world, and what must be so at its end.
final class Cluster {
    private let world: World
    private let ledger: ModelLedger
    private var nodes: [Node] = []
    private var sessions: [Session] = []
    private var clients: [Client] = []
    private var wasCut: [Bool] = []
    private let accounts: [Session.Account]
    private let relays: Relays
    private let schedule: RetrySchedule
    private let renewEvery: Moment
    private var starting = 0

    init(_ world: World) {
        self.world = world
        let names = ["one", "two", "three"]
        let count = world.chance.within(1...3)
        accounts = names.prefix(count).enumerated().map { index, name in
            Session.Account(
                tenant: index, user: "\(name).k7m2q9", password: "gp_\(name)", domain: "\(name).example",
                maxRecipients: world.chance.pick([3, 10, 100]), maxMessageSize: world.chance.pick([2_000, 20_000]))
        }
        ledger = ModelLedger(
            world,
            tenants: (0..<count).map { _ in ModelLedger.Tenant(cap: world.chance.pick([3, 10, 40, 1000])) })
        relays = Relays(world, ledger)
        // Rarely the real days and hours: they take their time even here.
        let isStandard = world.chance.permille(10)
        schedule =
            isStandard
            ? .standard
            : RetrySchedule(waits: [.seconds(2), .seconds(5), .seconds(10), .seconds(20)], expiry: .seconds(90))
        renewEvery = isStandard ? 200_000_000 : 5_000_000
        if isStandard { relays.limitOutages(to: 3_600_000_000) }
        for index in 0..<world.chance.within(1...2) {
            nodes.append(makeNode(forwards: index == 0 || world.plant == .leaseIgnored || world.chance.permille(700)))
        }
        ledger.changed = { [unowned self] in for node in nodes { node.courier?.arrangeClaim() } }
    }

    private func makeNode(forwards: Bool) -> Node {
        let machine = Machine(world)
        machine.isNeeded = { [unowned self] in isBusy }
        let courier =
            forwards
            ? Courier(machine, ledger, relays: relays, schedule: schedule, renewEvery: renewEvery) : nil
        return Node(machine, ledger, courier: courier) { [unowned self] item, verdict in decided(item, verdict) }
    }

    /// Whether there is something left to do, or may still be.
    private var isBusy: Bool {
        open > 0 || starting > 0 || !ledger.isAtRest || ledger.contents.open > 0
            || nodes.contains { $0.unanswered > 0 && !$0.machine.isDead }
    }

    /// Sessions that nobody has ended.
    private var open = 0

    private func decided(_ item: AcceptItem, _ verdict: AcceptVerdict) {
        guard let origin = item.request.session else { return }
        sessions[Int(origin.high)].decided(Int(origin.low), verdict)
    }

    /// Everything that will happen is arranged; the world then runs it.
    func begin() {
        for node in nodes { node.start() }
        world.after(30_000_000) { [world] in world.areFaultsOver = true }
        let span = world.chance.within(1_000...3_000_000)
        let count = world.chance.within(4...16)
        starting = count
        for _ in 0..<count {
            world.at(Moment(world.chance.below(span))) { [self] in connect() }
        }
        if world.chance.permille(150) {
            for _ in 0..<world.chance.within(1...3) {
                let outage = Moment(world.chance.permille(800) ? world.chance.within(0...200_000) : 90_000_000)
                let fails = world.chance.permille(500)
                world.at(Moment(world.chance.below(span * 2))) { [self] in ledger.crash(failingOver: fails, for: outage)
                }
            }
        }
        trouble(span)
        if world.chance.permille(200) {
            for _ in 0..<world.chance.within(1...3) {
                let tenant = world.chance.below(accounts.count)
                let cap = world.chance.within(0...60)
                let isSuspended = world.chance.permille(100)
                world.at(Moment(world.chance.below(span * 2))) { [self] in
                    ledger.administer(tenant: tenant) {
                        $0.cap = cap
                        $0.isSuspended = isSuspended
                    }
                }
            }
        }
    }

    /// Processes that stand still or are killed, and come back.
    private func trouble(_ span: Int) {
        // Where the lease is ignored, many worlds have what makes that matter.
        let isLong = world.plant == .leaseIgnored
        if isLong || world.chance.permille(100) {
            let index = world.chance.below(nodes.count)
            let pause = Moment(
                !isLong && world.chance.permille(800) ? world.chance.within(1_000...20_000_000) : 330_000_000)
            world.tally.stalls += 1
            world.at(Moment(world.chance.below(span * 2))) { [self] in nodes[index].machine.standStill(for: pause) }
        }
        if world.chance.permille(150) {
            let index = world.chance.below(nodes.count)
            world.tally.kills += 1
            world.at(Moment(world.chance.below(span * 2))) { [self] in kill(index) }
        }
    }

    private func kill(_ index: Int) {
        let old = nodes[index]
        old.kill()
        for session in sessions where session.node === old { end(session.number) }
        starting += 1
        world.after(Moment(world.chance.within(100_000...3_000_000))) { [self] in
            starting -= 1
            let new = makeNode(forwards: old.courier != nil)
            nodes[index] = new
            dead.append(old)
            new.start()
            new.courier?.arrangeClaim()
        }
    }

    private var dead: [Node] = []

    // MARK: A connection

    private func connect() {
        starting -= 1
        open += 1
        let number = sessions.count
        let node = world.chance.pick(nodes)
        let isImplicitTLS = world.chance.permille(600)
        let (manner, plan) = PlanMaker(accounts: accounts).plan(
            &world.chance, key: number, isImplicitTLS: isImplicitTLS)
        let isCut = world.chance.permille(200)
        let cut = { [self] in
            world.tell("session \(number): the connection breaks")
            wasCut[number] = true
            world.tally.cuts += 1
            end(number)
        }
        let toServer = Wire(
            world, limit: isCut && world.chance.permille(700) ? world.chance.within(0...900) : nil,
            receive: { [self] octets in
                world.tell("session \(number) < \(octets.shown)")
                let octets = Array(octets)
                node.machine.perform { [self] in sessions[number].receive(octets[...]) }
            }, cut: cut)
        let toClient = Wire(
            world, limit: isCut ? world.chance.within(0...900) : nil,
            receive: { [self] in clients[number].receive($0) }, cut: cut)
        let session = Session(
            world, number: number, node: node, accounts: accounts, isImplicitTLS: isImplicitTLS,
            write: { [world] octets in
                world.tell("session \(number) > \(octets[...].shown)")
                toClient.send(octets)
            }, resume: { toServer.resume() },
            close: { [self] in
                world.tell("session \(number): the server closes")
                toServer.end()
                // What was said before is still heard.
                world.after(5_000_000) { toClient.end() }
            })
        toServer.isHeld = { [unowned session] in session.isAwaitingAnswer }
        let client = Client(
            world, manner: manner, plan: plan, send: { toServer.send($0) },
            beginTLS: { [self] in
                node.machine.perform { [self] in
                    sessions[number].secured()
                    clients[number].secured()
                }
            },
            leave: { [self] in
                world.after(world.latency()) { self.end(number) }
            })
        sessions.append(session)
        clients.append(client)
        wasCut.append(false)
        world.tally.sessions += 1
        var isOpen = true
        end.append { [unowned self, unowned session, unowned client] in
            if isOpen { open -= 1 }
            isOpen = false
            toServer.end()
            toClient.end()
            client.vanish()
            session.vanish()
        }
        node.machine.perform { session.begin() }
        // Some lose patience; the others are gone by then.
        let patience = world.chance.permille(50) ? world.chance.within(100...2_000_000) : 400_000_000
        world.after(Moment(patience)) { [self] in end(number) }
    }

    private var end: [() -> Void] = []

    private func end(_ number: Int) { end[number]() }

    /// Nothing of a world outlives it.
    func dissolve() {
        end = []
        sessions = []
        clients = []
        for node in nodes + dead { node.dissolve() }
        nodes = []
        dead = []
        ledger.changed = {}
    }

    // MARK: The end

    /// For who replays a world that was stopped: whom it still had to deliver to.
    func tellOpen() {
        for message in ledger.contents.messages {
            for (index, row) in message.recipients.enumerated() where !row.isFinal {
                world.tell(
                    "left: \(message.id) \(index + 1), \(row.state), leased to "
                        + "\(row.owner.map { "\($0)" } ?? "nobody"), due \(row.next / 1000) ms")
            }
        }
    }

    /// What must be so when nothing is left to happen.
    func judge() {
        var stored: [MessageID: Int] = [:]
        for (place, message) in ledger.contents.messages.enumerated() {
            if stored[message.origin] != nil { world.violate("message \(message.origin) is stored twice") }
            stored[message.origin] = place
        }
        for session in sessions { judge(session, stored) }
        for message in ledger.contents.messages {
            let attempts = sessions[Int(message.origin.high)].attempts
            world.check(Int(message.origin.low) < attempts.count, "\(message.id) is nobody's")
            judge(message)
        }
        for tenant in ledger.contents.tenants {
            world.check(tenant.used == tenant.stored, "\(tenant.used) used and \(tenant.stored) stored at the end")
        }
        world.check(ledger.isAtRest, "a transaction never ended")
    }

    private func judge(_ session: Session, _ stored: [MessageID: Int]) {
        world.tally.replies += session.replies
        var judge = Judge(heard: session.heard, said: session.said, securedAt: session.securedAt)
        let contents: [Judge.Content]
        do throws(Judge.Fault) {
            contents = try judge.read(isOpen: false, wasEnded: session.endedItself)
        } catch {
            return world.violate("session \(session.number): \(error.what)")
        }
        for (index, attempt) in session.attempts.enumerated() {
            let origin = MessageID(high: UInt64(session.number), low: UInt64(index))
            let message = stored[origin].map { ledger.contents.messages[$0] }
            switch attempt.verdict {
            case .queued(let id):
                world.tally.acknowledged += 1
                world.check(
                    ledger.message(id) != nil, "session \(session.number): \(id) was acknowledged and is not stored")
            case .refused:
                world.tally.refused += 1
                world.check(message == nil, "session \(session.number): message \(index) was refused and is stored")
            case .closed, nil:
                world.tally.unknown += 1
            }
            guard let content = contents.first(where: { $0.replies == attempt.replies }) else {
                world.violate("session \(session.number): message \(index) never came whole")
                continue
            }
            if let message { compare(message, content, session) }
        }
    }

    /// Everyone has an outcome, and a true one.
    private func judge(_ message: StoredMessage) {
        for (index, row) in message.recipients.enumerated() {
            let taken = relays.taken[Relays.Key(message: message.id, mailbox: row.envelope.mailbox), default: []]
            switch row.state {
            case .delivered: world.check(!taken.isEmpty, "\(message.id) \(index + 1) was never delivered")
            case .bounced: world.tally.bounced += 1
            case .queued, .deferred:
                world.violate(
                    "\(message.id) \(index + 1) is left \(row.state), leased to "
                        + "\(row.owner.map { "\($0)" } ?? "nobody")")
            }
        }
    }

    private func compare(_ message: StoredMessage, _ content: Judge.Content, _ session: Session) {
        let octets = Array(message.content.readableBytesView)
        if message.request.parameters.body != .binaryMIME {
            for (index, octet) in octets.enumerated() {
                let isLineEnd =
                    octet == 0x0D
                    ? index + 1 < octets.count && octets[index + 1] == 0x0A
                    : octet == 0x0A ? index > 0 && octets[index - 1] == 0x0D : octet != 0
                if !isLineEnd { return world.violate("\(message.id) holds a bare \(octet) at \(index)") }
            }
        }
        world.check(
            octets.body.elementsEqual(content.octets.body), "\(message.id) is stored otherwise than it was sent")
        world.check(
            message.recipients.map { "\($0.envelope.mailbox)" } == content.recipients || !content.isPlain,
            "\(message.id) goes to \(message.recipients.map(\.envelope.mailbox)), not to \(content.recipients)")
    }
}

extension Judge.Content {
    /// Its addresses are written as we would write them.
    var isPlain: Bool { recipients.allSatisfy { $0.contains("@") && !$0.contains("\"") } }
}

extension [UInt8] {
    /// What stands behind the header.
    fileprivate var body: ArraySlice<UInt8> {
        var index = 0
        while index + 3 < count {
            if self[index] == 0x0D, self[index + 1] == 0x0A, self[index + 2] == 0x0D, self[index + 3] == 0x0A {
                return self[(index + 4)...]
            }
            index += 1
        }
        return []
    }
}

extension ArraySlice<UInt8> {
    /// For people who replay.
    var shown: String {
        let text = map { octet in
            switch octet {
            case 0x0D: "\\r"
            case 0x0A: "\\n"
            case 0x20...0x7E: String(UnicodeScalar(octet))
            default: "\\\(Int(octet))"
            }
        }
        let whole = text.joined()
        return whole.count <= 160 ? whole : "\(whole.prefix(160))… (\(count) octets)"
    }
}
