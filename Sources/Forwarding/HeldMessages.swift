import Ledger
import NIOCore
import Postgres

/// What this node holds in memory under its lease: bounded in number and octets, and never forgotten without a word.
struct HeldMessages {
    private struct Entry {
        var tenantID: Int64
        var owner: MessageID
        var octets: Int
        /// Recipients without an outcome.
        var open: Int
    }

    let maxMessages: Int
    let maxOctets: Int
    private var entries: [MessageID: Entry] = [:]
    private var octets = 0

    init(maxMessages: Int, maxOctets: Int) {
        self.maxMessages = maxMessages
        self.maxOctets = maxOctets
    }

    /// How many more messages may be claimed.
    var room: Int { octets >= maxOctets ? 0 : max(0, maxMessages - entries.count) }

    /// Takes the message in, if there is room and it is not here already.
    mutating func add(_ message: QueuedMessage) -> Bool {
        guard room > 0, entries[message.id] == nil else { return false }
        entries[message.id] = Entry(
            tenantID: message.tenantID, owner: message.owner, octets: message.content.readableBytes,
            open: message.recipients.count)
        octets += message.content.readableBytes
        return true
    }

    /// That many of a message's recipients have their outcome.
    mutating func finish(_ count: Int, of message: QueuedMessage) {
        guard var entry = entries[message.id], entry.owner == message.owner else { return }
        entry.open -= count
        if entry.open > 0 {
            entries[message.id] = entry
        } else {
            remove(message.id)
        }
    }

    /// Whether the message is here, under the lease it was taken with.
    func holds(_ message: QueuedMessage) -> Bool { entries[message.id]?.owner == message.owner }

    var leased: [Owner.LeasedMessage] {
        entries.map { Owner.LeasedMessage(tenantID: $0.value.tenantID, messageID: $0.key) }
    }

    /// Keeps those whose every open recipient is still leased here; what is leased of the others is to be given back.
    mutating func keep(_ leased: [Owner.LeasedRecipient]) -> [Settlement] {
        let numbers = Dictionary(grouping: leased, by: \.messageID).mapValues { $0.map(\.number) }
        var returned: [Settlement] = []
        for (id, entry) in entries where numbers[id, default: []].count < entry.open {
            returned += numbers[id, default: []].map {
                Settlement(releasing: $0, of: id, tenant: entry.tenantID, owner: entry.owner)
            }
            remove(id)
        }
        return returned
    }

    mutating func removeAll() {
        entries = [:]
        octets = 0
    }

    private mutating func remove(_ id: MessageID) {
        if let entry = entries.removeValue(forKey: id) { octets -= entry.octets }
    }
}
