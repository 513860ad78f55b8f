import Delivery
import NIOCore
import SMTP
import Tenancy

/// A forwarder's connection to a relay: the real dialogue and batches, over simulated sockets.
final class SimulatedHop: Hop {
    private let world: World
    private let machine: Machine
    private let relays: Relays
    private let member: Member
    private let mayFinish: () -> Bool
    private let report: (DeliveryEvent) -> Void
    private var dialogue: DeliveryDialogue
    private var batch: DeliveryBatch?
    private var recipients: [EnvelopeRecipient] = []
    private var relay: Relay?
    private var toRelay: Wire?
    private var toUs: Wire?
    private var isOver = false
    private var isHandshaking = false
    private var idleSince: Moment?
    private(set) var tlsVersion: String?

    init(
        _ machine: Machine, _ relays: Relays, _ member: Member, mayFinish: @escaping () -> Bool,
        report: @escaping (DeliveryEvent) -> Void
    ) {
        self.machine = machine
        world = machine.world
        self.relays = relays
        self.member = member
        self.mayFinish = mayFinish
        self.report = report
        dialogue = DeliveryDialogue(wire: .lmtp, hostname: "forwarder.example", tls: .require)
    }

    var capabilities: DeliveryCapabilities? { dialogue.capabilities }

    func open() {
        machine.after(world.latency()) { [self] in
            guard !isOver else { return }
            guard relays.isUp(member) else { return fail("connection refused") }
            let isCut = world.chance.permille(relays.areFaultsOver ? 0 : 150)
            let cut = { [weak self, world] in
                world.tell("relay: the connection breaks")
                self?.relay?.vanish()
                self?.toRelay?.end()
                self?.toUs?.end()
                self?.broken()
            }
            let toUs = Wire(
                world, limit: isCut ? world.chance.within(0...2500) : nil,
                receive: { [weak self, machine] octets in
                    let octets = Array(octets)
                    machine.perform { self?.receive(octets) }
                }, cut: cut)
            let relay = Relay(
                relays, member, of: machine,
                write: { [world] octets in
                    world.tell("relay > \(octets[...].shown)")
                    toUs.send(octets)
                }, close: { [world] in world.after(1_000) { cut() } })
            toRelay = Wire(
                world, limit: isCut && world.chance.permille(700) ? world.chance.within(0...4000) : nil,
                receive: { [world] octets in
                    world.tell("relay < \(octets.shown)")
                    relay.receive(octets)
                }, cut: cut)
            self.toUs = toUs
            self.relay = relay
            relay.begin()
        }
    }

    deinit {
        guard let relay else { return }
        if world.isOver { relay.vanish() } else { world.after(1_000_000) { relay.vanish() } }
    }

    private func broken() {
        machine.perform { [self] in
            guard !isOver else { return }
            if let action = dialogue.closed() { perform(action) }
            fail("the connection was closed")
        }
    }

    func deliver(_ transaction: DeliveryDialogue.Transaction) {
        guard !isOver, let capabilities = dialogue.capabilities else { return fail("the connection was closed") }
        idleSince = nil
        recipients = transaction.recipients
        batch = DeliveryBatch(transaction, capabilities, .lmtp)
        continueBatch(mayBegin: true)
    }

    func quit() {
        guard !isOver else { return }
        isOver = true
        var output = ByteBuffer()
        dialogue.quit(into: &output)
        write(&output)
        leave()
    }

    // MARK: As DeliveryHandler does it

    private func continueBatch(mayBegin: Bool) {
        guard var batch else { return becomeIdle() }
        if mayBegin, let next = batch.next() {
            self.batch = batch
            var output = ByteBuffer()
            dialogue.deliver(next, into: &output)
            write(&output)
            return advance()
        }
        self.batch = nil
        relay?.hear(batch.outcomes, of: recipients)
        report(.outcomes(batch.outcomes))
        guard mayBegin else {
            quit()
            return report(.exhausted)
        }
        if !isOver { becomeIdle() }
    }

    private func becomeIdle() {
        let now = world.now
        idleSince = now
        machine.after(60_000_000) { [self] in
            guard idleSince == now, !isOver else { return }
            quit()
            report(.retired)
        }
        report(.ready)
    }

    private func receive(_ octets: [UInt8]) {
        guard !isOver else { return }
        var bytes = ByteBuffer(bytes: octets)
        dialogue.receive(&bytes)
        advance()
    }

    private func advance() {
        while !isOver {
            var output = ByteBuffer()
            let action = dialogue.advance(into: &output)
            write(&output)
            guard let action else { return }
            perform(action)
        }
    }

    private func perform(_ action: DeliveryDialogue.Action) {
        switch action {
        case .startTLS:
            dialogue.discardInput()
            isHandshaking = true
            machine.after(world.latency()) { [self] in
                guard !isOver else { return }
                isHandshaking = false
                tlsVersion = "TLSv1.3"
                relay?.secured()
                dialogue.secured()
                advance()
            }
        case .ready: continueBatch(mayBegin: true)
        case .exhausted: continueBatch(mayBegin: false)
        case .sendContent: sendContent()
        case .outcomes(let outcomes): batch?.take(outcomes)
        case .failed(let reply): fail("\(reply.command): \(reply.code) \(reply.text)")
        case .authenticate, .challenge, .authenticated: world.violate("nobody asked for AUTH")
        }
    }

    private func sendContent() {
        guard mayFinish() else {
            isOver = true
            batch = nil
            leave()
            return report(.abandoned)
        }
        relay?.sentAt = world.now
        var output = ByteBuffer()
        while !dialogue.sendContent(into: &output) {}
        write(&output)
        advance()
    }

    private func write(_ output: inout ByteBuffer) {
        guard output.readableBytes > 0 else { return }
        toRelay?.send(output.readBytes(length: output.readableBytes) ?? [])
        output.clear()
    }

    private func fail(_ reason: String) {
        guard !isOver else { return }
        isOver = true
        leave()
        if isHandshaking { return report(.failed(reason: reason)) }
        if let batch {
            self.batch = nil
            relay?.hear(batch.outcomes, of: recipients)
            report(.outcomes(batch.outcomes))
        }
        report(.failed(reason: reason))
    }

    /// What is on its way still arrives.
    private func leave() {
        toUs?.end()
        world.after(1_000_000) { [toRelay, relay] in
            toRelay?.end()
            relay?.vanish()
        }
    }
}
