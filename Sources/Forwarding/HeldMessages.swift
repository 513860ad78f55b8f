package import Ledger
import NIOCore
package import Network
import Postgres

/// What this node holds in memory under its lease: bounded in number and octets, and never forgotten without a word.
package struct HeldMessages {
    private struct Entry {
        var tenantID: Int64
        var poolID: Int64
        var owner: MessageID
        var octets: Int
        /// Recipients without an outcome.
        var open: Int
    }

    let maxMessages: Int
    let maxOctets: Int
    /// Where sessions take the memory for their messages from: what is held here is not there for them.
    let budget: BodyBudget?
    private var entries: [MessageID: Entry] = [:]
    private var octets = 0
    /// The lease that the last one was taken with; a new one begins with nothing held.
    private var owner: MessageID?
    private var uses: [Int64: (messages: Int, octets: Int)] = [:]

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

    /// Sorts messages that are leased to this node: those that are kept, what gives the others back, and those whose
    /// stored body is gone, which can only bounce.
    package mutating func take(
        _ messages: [QueuedMessage], isClaimed: Bool
    ) -> (taken: [QueuedMessage], returned: [Settlement], bodiless: [QueuedMessage]) {
        var taken: [QueuedMessage] = []
        var returned: [Settlement] = []
        var bodiless: [QueuedMessage] = []
        for message in messages {
            if message.content.readableBytes == 0 {
                bodiless.append(message)
            } else if add(message, isClaimed: isClaimed) {
                taken.append(message)
            } else {
                returned += message.recipients.map { Settlement(.released(until: nil), of: $0.number, in: message) }
            }
        }
        return (taken, returned, bodiless)
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
            octets: message.content.readableBytes,
            open: message.recipients.count)
        octets += message.content.readableBytes
        owner = message.owner
        return true
    }

    /// That many of a message's recipients have their outcome.
    package mutating func finish(_ count: Int, of message: QueuedMessage) {
        guard var entry = entries[message.id], entry.owner == message.owner else { return }
        entry.open -= count
        if entry.open > 0 {
            entries[message.id] = entry
        } else {
            remove(message.id)
        }
    }

    /// Whether the message is here, under the lease it was taken with.
    package func holds(_ message: QueuedMessage) -> Bool { entries[message.id]?.owner == message.owner }

    package var leased: [Owner.LeasedMessage] {
        entries.map { Owner.LeasedMessage(tenantID: $0.value.tenantID, messageID: $0.key) }
    }

    /// Keeps those whose every open recipient is still leased here; what is leased of the others is to be given back.
    ///
    /// - Parameter asked: of these. What came later is leased here beyond doubt: nobody else will ever look for it.
    package mutating func keep(_ leased: [Owner.LeasedRecipient], of asked: [Owner.LeasedMessage]) -> [Settlement] {
        let numbers = Dictionary(grouping: leased, by: \.messageID).mapValues { $0.map(\.number) }
        var returned: [Settlement] = []
        for message in asked {
            let id = message.messageID
            guard let entry = entries[id] else {
                // It was given back, or got its outcomes, while the lease was in doubt. What was free by then has been leased
                // again with the others; an outcome that is on its way is written before it is given back once more.
                guard let owner else { continue }
                returned += numbers[id, default: []].map {
                    Settlement(releasing: $0, of: id, tenant: message.tenantID, owner: owner)
                }
                continue
            }
            guard numbers[id, default: []].count < entry.open else { continue }
            returned += numbers[id, default: []].map {
                Settlement(releasing: $0, of: id, tenant: entry.tenantID, owner: entry.owner)
            }
            remove(id)
        }
        return returned
    }

    package mutating func removeAll() {
        budget?.giveBack(octets)
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
