package import Postgres

/// What proposed caps would have refused of a past: the ledger's entries one after the other, in constant memory.
///
/// As accept decides: a message is taken whole or not at all, and one that is refused takes nothing from the room of those
/// behind it. Entries come in the order of their ids, which is that of time but for a minute; they are put in the order in
/// which accept wrote them. A refund gives back when it was made, and only what this past would have charged.
package struct LimitReplay {
    /// Recipients and octets; nil: unlimited.
    package struct Caps: Sendable, Hashable {
        package var daily, monthly, bytesDaily: Int64?
        /// The daily cap counts 25 UTC hour buckets instead of the local day.
        package var isRolling = false

        package init(
            daily: Int64? = nil, monthly: Int64? = nil, bytesDaily: Int64? = nil, isRolling: Bool = false
        ) {
            self.daily = daily
            self.monthly = monthly
            self.bytesDaily = bytesDaily
            self.isRolling = isRolling
        }
    }

    /// A message that would have been refused, and by what.
    package struct Refusal: Sendable, Hashable {
        package var entry: LedgerEntry
        /// `daily`, `monthly` or `bytes_daily`.
        package var limit: String
        package var cap, used: Int64
    }

    package struct Day: Sendable, Hashable {
        package var day: String
        package var messages, recipients, bytes: Int64
        package var refusedMessages, refusedRecipients: Int64
    }

    /// Ids are at most 60 s from the time of the decision, and a meter is waited for a second.
    private static let slack: Int64 = 125_000_000

    private let caps: Caps
    /// Before it nothing is told, and all of it counted: what a month or a rolling day had used already.
    private let begin: Instant
    private var waiting = EntryHeap()
    private var refused: [MessageID: Int64] = [:]
    private var dayUsed: [String: Int64] = [:]
    private var dayBytes: [String: Int64] = [:]
    private var monthUsed: [String: Int64] = [:]
    private var hours: [Int64: Int64] = [:]
    private var days: [String: Day] = [:]
    private(set) package var total = Day(
        day: "", messages: 0, recipients: 0, bytes: 0, refusedMessages: 0, refusedRecipients: 0)

    package init(_ caps: Caps, from begin: Instant) {
        self.caps = caps
        self.begin = begin
    }

    /// The next entry of the ledger, by message id.
    ///
    /// - Returns: what is certain by now, in order.
    package mutating func take(_ entry: LedgerEntry) -> [Refusal] {
        waiting.insert(entry)
        return settle(upTo: entry.message.instant.microseconds - Self.slack)
    }

    /// What is left when there is no more.
    package mutating func finish() -> [Refusal] { settle(upTo: .max) }

    /// By local day, those told of so far that no later entry changes any more; all of them after `finish`.
    package mutating func finishedDays(_ isEnd: Bool = false) -> [Day] {
        let names = days.keys.sorted()
        // A day can come back after a change of zone, by one at the most.
        let done = isEnd ? names : Array(names.dropLast(2))
        return done.compactMap { days.removeValue(forKey: $0) }
    }

    private mutating func settle(upTo limit: Int64) -> [Refusal] {
        var refusals: [Refusal] = []
        while let entry = waiting.popFirst(upTo: limit) {
            if entry.entry == 0 {
                if let refusal = debit(entry) { refusals.append(refusal) }
            } else {
                refund(entry)
            }
        }
        return refusals
    }

    private mutating func debit(_ entry: LedgerEntry) -> Refusal? {
        let isTold = entry.at >= begin
        let hour = Self.hour(entry.at)
        let refusal = isTold ? judge(entry, hour) : nil
        if isTold { note(entry, isRefused: refusal != nil) }
        guard refusal == nil else {
            refused[entry.message] = entry.recipients
            // Only what may still be refunded matters: mail lives for days, not for months.
            if refused.count > 1_000_000 {
                let oldest = refused.keys.sorted().prefix(500_000)
                for message in oldest { refused[message] = nil }
            }
            return refusal
        }
        dayUsed[entry.day, default: 0] += entry.recipients
        dayBytes[entry.day, default: 0] += entry.bytes
        monthUsed[entry.month, default: 0] += entry.recipients
        hours[hour, default: 0] += entry.recipients
        forget(before: hour)
        return nil
    }

    private func judge(_ entry: LedgerEntry, _ hour: Int64) -> Refusal? {
        let used =
            caps.isRolling
            ? hours.reduce(0) { $0 + ($1.key >= hour - 24 ? $1.value : 0) } : dayUsed[entry.day, default: 0]
        if let cap = caps.daily, used + entry.recipients > cap {
            return Refusal(entry: entry, limit: "daily", cap: cap, used: used)
        }
        let month = monthUsed[entry.month, default: 0]
        if let cap = caps.monthly, month + entry.recipients > cap {
            return Refusal(entry: entry, limit: "monthly", cap: cap, used: month)
        }
        let bytes = dayBytes[entry.day, default: 0]
        if let cap = caps.bytesDaily, bytes + entry.bytes > cap {
            return Refusal(entry: entry, limit: "bytes_daily", cap: cap, used: bytes)
        }
        return nil
    }

    private mutating func note(_ entry: LedgerEntry, isRefused: Bool) {
        func add(_ day: inout Day) {
            day.messages += 1
            day.recipients += entry.recipients
            day.bytes += entry.bytes
            if isRefused {
                day.refusedMessages += 1
                day.refusedRecipients += entry.recipients
            }
        }
        add(&total)
        add(
            &days[
                entry.day,
                default: Day(
                    day: entry.day, messages: 0, recipients: 0, bytes: 0, refusedMessages: 0, refusedRecipients: 0)])
    }

    /// Its recipients are negative.
    private mutating func refund(_ entry: LedgerEntry) {
        guard refused[entry.message] == nil else { return }
        dayUsed[entry.day].map { dayUsed[entry.day] = max(0, $0 + entry.recipients) }
        monthUsed[entry.month].map { monthUsed[entry.month] = max(0, $0 + entry.recipients) }
        // To the hour that paid (gatepost.refund); its debit's time is close to the id's.
        let hour = Self.hour(entry.message.instant)
        hours[hour].map { hours[hour] = max(0, $0 + entry.recipients) }
    }

    /// What no decision to come can ask for.
    private mutating func forget(before hour: Int64) {
        guard hours.count > 60 else { return }
        hours = hours.filter { $0.key >= hour - 26 }
        for key in dayUsed.keys.sorted().dropLast(40) {
            dayUsed[key] = nil
            dayBytes[key] = nil
        }
        for key in monthUsed.keys.sorted().dropLast(4) { monthUsed[key] = nil }
    }

    private static func hour(_ instant: Instant) -> Int64 { instant.microseconds / 3_600_000_000 }
}

/// Entries that wait for their turn, the earliest first.
private struct EntryHeap {
    private var entries: [LedgerEntry] = []

    mutating func insert(_ entry: LedgerEntry) {
        entries.append(entry)
        var child = entries.count - 1
        while child > 0, Self.isBefore(entries[child], entries[(child - 1) / 2]) {
            entries.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func popFirst(upTo limit: Int64) -> LedgerEntry? {
        guard let first = entries.first, first.at.microseconds <= limit else { return nil }
        let last = entries.removeLast()
        guard !entries.isEmpty else { return first }
        entries[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < entries.count && Self.isBefore(entries[child], entries[least]) { least = child }
            guard least != parent else { return first }
            entries.swapAt(parent, least)
            parent = least
        }
    }

    private static func isBefore(_ a: LedgerEntry, _ b: LedgerEntry) -> Bool {
        (a.at.microseconds, a.message, a.entry) < (b.at.microseconds, b.message, b.entry)
    }
}
