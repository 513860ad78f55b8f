import Forwarding
import Logging

/// Refused input of one source, counted: so many lines a minute are written, what goes beyond is summed up in one line
/// a minute (CWE-779). What was accepted, and what became of it, is never among it; that it waits is. Pure: time is an
/// argument.
struct FloodSummary {
    struct Summary: Equatable {
        var source: String
        var suppressed: Int
    }

    /// Lines that say what became of mail or of a session: never counted, whatever their source.
    private static let outcomes: Set<String> = [
        "accepted", "relayed", "delivered", "deferred", "bounced", "reported", "login", "outcome unknown",
    ]
    /// Each recipient of a pool that is away says so every two seconds, whoever its client was: a source of its own, so that
    /// an outage neither fills a disk nor hides what a client is refused.
    static let waiting = Forwarder.waiting
    /// Sources counted at a time; where there are more, the others share one count.
    static let capacity = 10_000
    private static let minute: Int64 = 60_000_000
    private static let others = "others"

    private struct Count {
        var since: Int64
        var lines = 0
        var suppressed = 0
    }

    var linesPerMinute: Int
    private var counts: [String: Count] = [:]

    init(linesPerMinute: Int) { self.linesPerMinute = linesPerMinute }

    /// Who a line is about, if it is one that a stranger can cause as often as he likes, or an outage does.
    static func source(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) -> String? {
        guard message != waiting else { return waiting }
        guard level < .error, !outcomes.contains(message), let client = metadata["client"]?.description, !client.isEmpty
        else { return nil }
        return client
    }

    /// Whether the line is to be written. `time` in microseconds.
    mutating func admits(_ source: String, at time: Int64) -> Bool {
        let isCounted = counts[source] != nil || counts.count < Self.capacity || source == Self.waiting
        let key = isCounted ? source : Self.others
        var count = counts[key] ?? Count(since: time)
        defer { counts[key] = count }
        guard count.lines < linesPerMinute else {
            count.suppressed += 1
            return false
        }
        count.lines += 1
        return true
    }

    /// Ends the minutes that are over, and says what was suppressed in them.
    mutating func due(at time: Int64) -> [Summary] {
        var summaries: [Summary] = []
        for (source, count) in counts where time - count.since >= Self.minute {
            if count.suppressed > 0 { summaries.append(Summary(source: source, suppressed: count.suppressed)) }
            counts[source] = nil
        }
        return summaries.sorted { $0.source < $1.source }
    }

    /// What is suppressed so far, for the end of the process.
    mutating func rest() -> [Summary] { due(at: .max) }
}
