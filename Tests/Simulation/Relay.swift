import Delivery
import Ledger
import NIOCore
import Postgres
import SMTP
import Tenancy

/// The pool's relays, and everything they have ever taken.
final class Relays {
    /// One recipient's mail, taken by a relay.
    struct Taken {
        var by: Machine
        /// When the forwarder let go of it.
        var sentAt: Moment
        /// Its reply can reach nobody any more.
        var isLost: Bool

        /// DESIGN, promise 5.
        var mayBeRepeated: Bool { isLost || by.isDead || by.lastTrouble >= sentAt }
    }

    struct Key: Hashable {
        var message: MessageID
        var mailbox: Mailbox
    }

    let world: World
    let ledger: ModelLedger
    let members: [Member]
    private var outages: [(from: Moment, to: Moment)]
    fileprivate(set) var taken: [Key: [Taken]] = [:]
    var areFaultsOver: Bool { world.areFaultsOver }

    init(_ world: World, _ ledger: ModelLedger) {
        self.world = world
        self.ledger = ledger
        members = (1...Int64(world.chance.within(1...3))).map {
            Member(
                id: $0, host: "relay\($0).example", port: 24, wire: .lmtp, tls: .mutual,
                weight: world.chance.within(1...3))
        }
        outages = members.map { _ in
            guard world.chance.permille(250) else { return (0, 0) }
            let from = Moment(world.chance.within(0...3_000_000))
            return (from, world.chance.permille(30) ? .max : from + Moment(world.chance.within(1_000...20_000_000)))
        }
    }

    /// None is away for longer: a relay that never comes back is asked every few seconds for as long as retries go on.
    func limitOutages(to most: Moment) {
        outages = outages.map { ($0.from, $0.to - $0.from > most ? $0.from + most : $0.to) }
    }

    func isUp(_ member: Member) -> Bool {
        let outage = outages[Int(member.id) - 1]
        return world.now < outage.from || world.now >= outage.to
    }

    /// A relay has taken it: whoever was sent it before another must have given that one a reason.
    ///
    /// - Parameter isLost: the reply reaches nobody. Relays may be slow: who was sent it first may say so last.
    fileprivate func take(_ key: Key, by machine: Machine, sentAt: Moment, isLost: Bool) -> Int {
        let this = Taken(by: machine, sentAt: sentAt, isLost: isLost)
        for other in taken[key, default: []] {
            world.tally.duplicates += 1
            world.check(
                (other.sentAt <= sentAt ? other : this).mayBeRepeated,
                "\(key.message) is delivered to \(key.mailbox) again, and nothing had gone wrong")
        }
        taken[key, default: []].append(this)
        world.tally.delivered += 1
        world.note(key.message.low)
        return (taken[key]?.count ?? 1) - 1
    }

    fileprivate func note(_ key: Key, _ place: Int, _ change: (inout Taken) -> Void) {
        if var list = taken[key] {
            change(&list[place])
            taken[key] = list
        }
    }
}

/// A relay's side of one connection: the real gate, with simulated next hops behind it.
final class Relay {
    private let world: World
    private let relays: Relays
    private let member: Member
    private let machine: Machine
    private var dialogue = RelayDialogue(
        configuration: RelayDialogue.Configuration(hostname: "relay.example", maxMessageSize: 100_000))
    private var write: ([UInt8]) -> Void
    private var close: () -> Void
    private var isGone = false
    /// When the forwarder began with the content.
    var sentAt: Moment = 0
    /// What it has taken in the transactions that the forwarder knows no outcome of yet.
    private var unheard: [(key: Relays.Key, place: Int)] = []

    init(
        _ relays: Relays, _ member: Member, of machine: Machine, write: @escaping ([UInt8]) -> Void,
        close: @escaping () -> Void
    ) {
        self.relays = relays
        world = relays.world
        self.member = member
        self.machine = machine
        self.write = write
        self.close = close
    }

    func begin() {
        var output = ByteBuffer()
        dialogue.greeting(into: &output)
        flush(&output)
    }

    func receive(_ octets: ArraySlice<UInt8>) {
        guard !isGone else { return }
        var bytes = ByteBuffer(bytes: octets)
        dialogue.receive(&bytes)
        advance()
    }

    func secured() {
        guard !isGone else { return }
        dialogue.secured(peer: .poolMember)
        advance()
    }

    /// What it had answered and nobody heard is lost.
    func vanish() {
        isGone = true
        write = { _ in }
        close = {}
        for one in unheard { relays.note(one.key, one.place) { $0.isLost = true } }
        unheard = []
    }

    /// The forwarder knows what became of these.
    func hear(_ outcomes: [DeliveryDialogue.Outcome?], of recipients: [EnvelopeRecipient]) {
        for (outcome, recipient) in zip(outcomes, recipients) {
            if case .delivered? = outcome { unheard.removeAll { $0.key.mailbox == recipient.mailbox } }
        }
    }

    private func advance() {
        var output = ByteBuffer()
        while let action = dialogue.advance(into: &output) {
            switch action {
            case .startTLS: dialogue.discardInput()
            case .message(let envelope, let content):
                world.after(world.latency()) { [self] in answer(envelope, content) }
            case .denied(let command): world.violate("a pool member is denied \(command)")
            case .close:
                flush(&output)
                return close()
            }
        }
        flush(&output)
    }

    private func answer(_ envelope: RelayDialogue.Envelope, _ content: ByteBuffer) {
        // It is tried even if the forwarder is gone by now.
        guard let id = content.queueID, let message = relays.ledger.message(id) else {
            return world.violate("a relay was given what is not stored")
        }
        // A last line that had no end of its own has one now.
        var ended = message.whole
        ended.writeString("\r\n")
        world.check(content == message.whole || content == ended, "\(id) arrives otherwise than it is stored")
        let replies = envelope.recipients.map { recipient -> Reply in
            switch world.chance.below(20) {
            case 0: return Reply(450, EnhancedCode(4, 2, 1), "Come again later")
            case 1: return Reply(550, EnhancedCode(5, 1, 1), "Nobody of that name")
            default:
                let key = Relays.Key(message: id, mailbox: recipient.mailbox)
                unheard.append((key, relays.take(key, by: machine, sentAt: sentAt, isLost: isGone)))
                return Reply(250, EnhancedCode(2, 0, 0), "Ok")
            }
        }
        guard !isGone else { return vanish() }
        var output = ByteBuffer()
        dialogue.answer(replies, into: &output)
        flush(&output)
        advance()
    }

    private func flush(_ output: inout ByteBuffer) {
        guard output.readableBytes > 0 else { return }
        write(output.readBytes(length: output.readableBytes) ?? [])
        output.clear()
    }
}

extension ByteBuffer {
    /// From our Received field, the first.
    fileprivate var queueID: MessageID? {
        let head = Array(readableBytesView.prefix(600))
        let mark = Array("\tid ".utf8)
        for index in head.indices where head[index...].starts(with: mark) {
            return MessageID(String(decoding: head[(index + 4)...].prefix(36), as: UTF8.self))
        }
        return nil
    }
}
