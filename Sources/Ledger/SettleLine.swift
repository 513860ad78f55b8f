internal import NIOCore
package import Postgres

/// Outcomes that wait to be written, and what goes into one call of them: the decisions of ``Settler``, without its lock.
package struct SettleLine {
    private var waiting: [SettleGroup] = []
    private static let maxPerCall = 1000
    private static let maxReportBytes = 16 << 20

    package init() {}

    package var isEmpty: Bool { waiting.isEmpty }

    /// How many outcomes or reported groups of them wait.
    package var count: Int { waiting.count }

    /// - Parameter report: tells of these outcomes, which are then one owner's; stored with the first that counts.
    package mutating func add(_ settlements: [Settlement], report: DeliveryReport? = nil) {
        guard !settlements.isEmpty else { return }
        // Without a report each goes as it can; with one, they stay together.
        if report == nil {
            for one in settlements { waiting.append(SettleGroup(settlements: [one])) }
        } else {
            waiting.append(SettleGroup(settlements: settlements, report: report))
        }
    }

    /// One call's worth: one owner, each recipient once, in order; nil when nothing waits.
    package mutating func next() -> SettleCall? {
        guard let owner = waiting.first?.settlements.first?.owner else { return nil }
        var taken: [SettleGroup] = []
        var left: [SettleGroup] = []
        var seen: Set<RecipientKey> = []
        var room = Self.maxPerCall
        var bytes = Self.maxReportBytes
        for group in waiting {
            let keys = group.settlements.map { RecipientKey(message: $0.messageID, number: $0.number) }
            let isFirst = taken.isEmpty
            let fits = room >= keys.count && bytes >= group.reportBytes
            if isFirst || fits, group.settlements.first?.owner == owner, seen.isDisjoint(with: keys) {
                seen.formUnion(keys)
                room -= keys.count
                bytes -= group.reportBytes
                taken.append(group)
            } else {
                // What comes after something left behind may be about the same recipient: it stays behind it.
                seen.formUnion(keys)
                left.append(group)
            }
        }
        waiting = left
        return SettleCall(owner: owner, groups: taken)
    }
}

extension SettleGroup {
    fileprivate var reportBytes: Int { report?.content.readableBytes ?? 0 }
}

private struct RecipientKey: Hashable {
    let message: MessageID
    let number: Int32
}

extension SettleCall {
    /// What is done about a call that did not succeed.
    package enum Consequence: Sendable {
        /// Something in it cannot be stored: these are sent instead, the last one first.
        case apart([SettleCall])
        /// On a new connection, after a moment.
        case againLater
        /// Perhaps it was written: then it finds its leases gone, which changes nothing.
        case again
    }

    package func consequence(of error: DatabaseError) -> Consequence {
        switch (error.kind, error.sqlStateClass) {
        // Neither its own fault nor for long: upkeep makes the partitions of a day that came unexpectedly.
        case (.refused, "23"?) where error.sqlState == "23514" && error.constraint == nil: .againLater
        case (.refused, "22"?), (.refused, "23"?), (.refused, "54"?): .apart(halves())
        case (.refused, _), (.unexpected, _): .againLater
        case (.doubt, _), (.unreachable, _), (.configuration, _): .again
        }
    }

    /// An outcome that cannot be stored must not hold up its neighbours; alone, it goes without the remote's words, then
    /// without its report, and at last not at all.
    private func halves() -> [SettleCall] {
        guard groups.count > 1 else {
            guard var one = groups.first else { return [] }
            if one.settlements.contains(where: \.hasWords) {
                for index in one.settlements.indices { one.settlements[index].forgetWords() }
            } else if one.report != nil {
                one.report = nil
            } else if one.settlements.count > 1 {
                return one.settlements.map { SettleCall(owner: owner, settlements: [$0]) }
            } else {
                return []
            }
            return [SettleCall(owner: owner, groups: [one])]
        }
        let middle = groups.count / 2
        return [
            SettleCall(owner: owner, groups: Array(groups[middle...])),
            SettleCall(owner: owner, groups: Array(groups[..<middle])),
        ]
    }
}

extension Settlement {
    fileprivate var hasWords: Bool { reply != nil || replyEnhanced != nil || replyCode != nil }
    fileprivate mutating func forgetWords() { (reply, replyEnhanced, replyCode) = (nil, nil, nil) }
}
