package import Ledger
import NIOCore
package import Network
package import Postgres

/// What this node holds in memory under its lease: bounded in number and octets, and never forgotten without a word.
package struct HeldMessages {
    private struct Entry {
        var tenantID: Int64
        var poolID: Int64
        var owner: MessageID
        var octets: Int
        var recipients: [QueuedMessage.Recipient]
        /// The numbers of those that have their outcome.
        var finished: Set<Int32> = []

        var open: Int { recipients.count - finished.count }

        func isOpen(_ number: Int32, lease: Int32) -> Bool {
            var (low, high) = (0, recipients.count)
            while low < high {
                let middle = (low + high) / 2
                if recipients[middle].number < number { low = middle + 1 } else { high = middle }
            }
            return low < recipients.count && recipients[low].number == number && recipients[low].lease == lease
                && (finished.isEmpty || !finished.contains(number))
        }
    }

    let maxMessages: Int
    let maxOctets: Int
    /// Where sessions take the memory for their messages from: what is held here is not there for them.
    let budget: BodyBudget?
    private var entries: [MessageID: Entry] = [:]
    private var octets = 0
    private var uses: [Int64: (messages: Int, octets: Int)] = [:]
    /// Leases given back by ``keep(_:by:of:)`` that nobody here had heard of: the answer of the claim that made them may be
    /// on its way yet, and must find nothing.
    private var returnedUnheard: Set<Owner.LeasedRecipient> = []
    /// What the last audit found leased here and not held.
    private var suspects: Set<Owner.LeasedRecipient> = []
    /// What was given back for it: whoever brings one of these after all, brings it without a lease.
    private var forgotten = LeastRecentlyUsed<Owner.LeasedRecipient, Bool>(capacity: 10_000)

    package init(maxMessages: Int, maxOctets: Int, budget: BodyBudget? = nil) {
        self.budget = budget
        self.maxMessages = maxMessages
        self.maxOctets = maxOctets
    }

    /// How many more messages may be claimed.
    package var room: Int { octets >= maxOctets || budget?.isUsedUp == true ? 0 : space }
    private var space: Int { octets >= maxOctets ? 0 : max(0, maxMessages - entries.count) }

    /// Whether more may be taken for a pool: it may hold as much as is still free, so that one pool's backlog has half of
    /// the room, two have a third each, and there is always some for the others.
    func hasRoom(for pool: Int64) -> Bool {
        let use = uses[pool] ?? (0, 0)
        return space > 0 && use.messages <= maxMessages - entries.count && use.octets <= maxOctets - octets
    }

    /// What is claimed of a message that is here already waits so long: its other recipients may take that long, and each
    /// claim reads its body.
    private static let pause = Duration.seconds(5)

    /// Sorts messages that are leased to this node: those that are kept, what gives the others back, and those whose
    /// stored body is gone, which can only bounce.
    ///
    /// - Parameter isClaimed: they are the answer of a claim. One is under way at a time, so those that have come before it
    ///   have all been heard.
    package mutating func take(
        _ messages: [QueuedMessage], isClaimed: Bool, now: Instant
    ) -> (taken: [QueuedMessage], returned: [Settlement], bodiless: [QueuedMessage]) {
        var taken: [QueuedMessage] = []
        var returned: [Settlement] = []
        var bodiless: [QueuedMessage] = []
        for message in withoutReturned(messages, isClaimed: isClaimed) {
            if message.content.readableBytes == 0 {
                bodiless.append(message)
            } else if add(message, isClaimed: isClaimed) {
                taken.append(message)
            } else {
                let until = entries[message.id].map { _ in now.advanced(by: Self.pause) }
                returned += message.recipients.map { Settlement(.released(until: until), of: $0, in: message) }
            }
        }
        if isClaimed { returnedUnheard = [] }
        return (taken, returned, bodiless)
    }

    private func withoutReturned(_ messages: [QueuedMessage], isClaimed: Bool) -> [QueuedMessage] {
        guard isClaimed && !returnedUnheard.isEmpty || forgotten.count > 0 else { return messages }
        return messages.compactMap { message in
            let still = message.recipients.indices.filter {
                let (number, lease) = (message.recipients[$0].number, message.recipients[$0].lease)
                let one = Owner.LeasedRecipient(messageID: message.id, number: number, lease: lease)
                return !(isClaimed && returnedUnheard.contains(one)) && forgotten.peek(one) == nil
            }
            if still.count == message.recipients.count { return message }
            return still.isEmpty ? nil : message.part(still)
        }
    }

    /// Takes the message in, if there is room and it is not here already.
    ///
    /// - Parameter isClaimed: it was fetched for room that its pool had.
    mutating func add(_ message: QueuedMessage, isClaimed: Bool = false) -> Bool {
        guard isClaimed ? space > 0 : hasRoom(for: message.poolID), entries[message.id] == nil else { return false }
        if let budget {
            // What was just accepted can be fetched again when there is room; what was fetched is in memory already.
            if isClaimed {
                budget.hold(message.content.readableBytes)
            } else if !budget.take(message.content.readableBytes) {
                return false
            }
        }
        let use = uses[message.poolID] ?? (0, 0)
        uses[message.poolID] = (use.messages + 1, use.octets + message.content.readableBytes)
        entries[message.id] = Entry(
            tenantID: message.tenantID, poolID: message.poolID, owner: message.owner,
            octets: message.content.readableBytes, recipients: message.recipients)
        octets += message.content.readableBytes
        return true
    }

    /// A message's recipients, all of it or a part, have their outcome.
    package mutating func finish(_ message: QueuedMessage) {
        guard let entry = entries[message.id], entry.owner == message.owner else { return }
        let ended = message.recipients.lazy.filter { entry.isOpen($0.number, lease: $0.lease) }
        if ended.count == entry.open {
            remove(message.id)
        } else {
            entries[message.id]?.finished.formUnion(ended.map(\.number))
        }
    }

    /// Whether all of the message, or of the part, is here under the leases it was taken with, and has no outcome yet.
    package func holds(_ message: QueuedMessage) -> Bool {
        guard let entry = entries[message.id], entry.owner == message.owner else { return false }
        return message.recipients.allSatisfy { entry.isOpen($0.number, lease: $0.lease) }
    }

    /// Whose messages they are.
    var tenants: [Int64] { Array(Set(entries.values.map(\.tenantID))) }

    package var leased: [Owner.LeasedMessage] {
        entries.map { Owner.LeasedMessage(tenantID: $0.value.tenantID, messageID: $0.key) }
    }

    /// Keeps those whose every open recipient is still leased here, and under the lease it is held with; what there is of
    /// the others, and what is leased here and not held, is to be given back.
    ///
    /// To give back what is not ours changes nothing: a lease that is over is nobody's to end.
    ///
    /// - Parameters:
    ///   - leased: to `owner`, under which the lease is held again.
    ///   - asked: of these. What came later is leased here beyond doubt: nobody else will ever look for it.
    package mutating func keep(
        _ leased: [Owner.LeasedRecipient], by owner: MessageID, of asked: [Owner.LeasedMessage]
    ) -> [Settlement] {
        let leases = Dictionary(grouping: leased, by: \.messageID)
        var returned: [Settlement] = []
        for message in asked {
            let id = message.messageID
            let entry = entries[id]
            // What was given back, or got its outcome, while the lease was in doubt, was free by then, and has been leased
            // again with the others. (An outcome that is still on its way is written before this.)
            let strange = leases[id, default: []].filter { !isHeld($0, by: owner) }
            returned += strange.map { Settlement(releasing: $0, tenant: message.tenantID, owner: owner) }
            returnedUnheard.formUnion(strange)
            guard let entry, leases[id, default: []].count - strange.count < entry.open else { continue }
            for one in entry.recipients where !entry.finished.contains(one.number) {
                let held = Owner.LeasedRecipient(messageID: id, number: one.number, lease: one.lease)
                returned.append(Settlement(releasing: held, tenant: entry.tenantID, owner: entry.owner))
            }
            remove(id)
        }
        return returned
    }

    /// Whether it is here, open, and under that lease.
    private func isHeld(_ one: Owner.LeasedRecipient, by owner: MessageID) -> Bool {
        guard let entry = entries[one.messageID] else { return false }
        return entry.owner == owner && entry.isOpen(one.number, lease: one.lease)
    }

    /// What is leased to `owner`, and was not held now and at the audit before, is to be given back.
    ///
    /// Outcomes that PostgreSQL lost (an asynchronous failover), or any mistake of ours, would else leave mail leased to a
    /// living node that does not know of it, and unsent until that ends. An answer of `accept` or `claim` that is on its way is
    /// here before the next audit, as a rule; an outcome that is on its way is written before this.
    ///
    /// - Parameter leased: with their tenants.
    package mutating func audit(_ leased: [Owner.LeasedRecipient: Int64], by owner: MessageID) -> [Settlement] {
        let unknown = leased.filter { !isHeld($0.key, by: owner) }
        let lost = unknown.filter { suspects.contains($0.key) }
        suspects = Set(unknown.keys).subtracting(lost.keys)
        for one in lost.keys { forgotten.set(one, true) }
        return lost.sorted { ($0.key.messageID, $0.key.number) < ($1.key.messageID, $1.key.number) }
            .map { Settlement(releasing: $0.key, tenant: $0.value, owner: owner) }
    }

    package mutating func removeAll() {
        budget?.giveBack(octets)
        returnedUnheard = []
        suspects = []
        entries = [:]
        uses = [:]
        octets = 0
    }

    private mutating func remove(_ id: MessageID) {
        guard let entry = entries.removeValue(forKey: id) else { return }
        octets -= entry.octets
        budget?.giveBack(entry.octets)
        let use = uses[entry.poolID] ?? (0, 0)
        uses[entry.poolID] = use.messages <= 1 ? nil : (use.messages - 1, use.octets - entry.octets)
    }
}
