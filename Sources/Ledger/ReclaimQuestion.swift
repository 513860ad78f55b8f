package import Postgres

/// Which messages `ledger.owner_reclaim` is asked for: those in memory, and those of reclaims whose outcome is unknown.
///
/// A reclaim that nobody heard the answer of may have leased what was free by then. What has left memory since would stay
/// leased to a living node and be sent by nobody: so it is asked for again, until an answer tells what is to be given
/// back.
package struct ReclaimQuestion {
    private var doubtful: [MessageID: Owner.LeasedMessage] = [:]

    package init() {}

    package func messages(inMemory: [Owner.LeasedMessage]) -> [Owner.LeasedMessage] {
        guard !doubtful.isEmpty else { return inMemory }
        var rest = doubtful
        for message in inMemory { rest[message.messageID] = nil }
        return inMemory + rest.values.sorted { $0.messageID < $1.messageID }
    }

    /// There was no answer; one that refuses leaves nothing behind.
    package mutating func failed(_ error: DatabaseError, asked: [Owner.LeasedMessage]) {
        guard error.kind != .refused else { return }
        for message in asked { doubtful[message.messageID] = message }
    }

    /// It was answered, or the id is given up and with it all that is leased to it.
    package mutating func settled() { doubtful = [:] }
}
