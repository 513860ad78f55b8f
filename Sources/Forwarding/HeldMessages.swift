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

    /// Keeps those whose every open recipient is still leased here.
    mutating func keep(_ leased: [Owner.LeasedRecipient]) {
        var counts: [MessageID: Int] = [:]
        for recipient in leased { counts[recipient.messageID, default: 0] += 1 }
        for (id, entry) in entries where counts[id, default: 0] < entry.open { remove(id) }
    }

    mutating func removeAll() {
        entries = [:]
        octets = 0
    }

    private mutating func remove(_ id: MessageID) {
        if let entry = entries.removeValue(forKey: id) { octets -= entry.octets }
    }
}
