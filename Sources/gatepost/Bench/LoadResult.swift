import Foundation
import Histogram
import SubmissionClient
import Synchronization

/// What a load run is shown as.
struct LoadResult {
    let plan: LoadPlan
    let report: LoadReport
    /// Messages a second of accept() alone, in the same run.
    let acceptAlone: Double?

    /// What the columns are called, and the share of messages that were no slower.
    private static let percentiles: KeyValuePairs = ["p50": 50.0, "p90": 90, "p95": 95, "p99": 99, "p999": 99.9]

    private func microseconds(_ histogram: Histogram<UInt64>, _ percent: Double) -> Int64 {
        histogram.totalCount == 0 ? 0 : Int64(clamping: histogram.valueAtPercentile(percent))
    }

    private func longest(_ histogram: Histogram<UInt64>) -> Int64 {
        histogram.totalCount == 0 ? 0 : Int64(clamping: histogram.max)
    }

    private func members(_ histogram: Histogram<UInt64>) -> JSON {
        .object(
            Self.percentiles.map { JSON.Member(name: $0.key, value: .number(microseconds(histogram, $0.value))) }
                + [JSON.Member(name: "max", value: .number(longest(histogram)))])
    }

    private func columns(_ histogram: Histogram<UInt64>) -> String {
        let shown = ["p50": "p50", "p90": "p90", "p99": "p99", "p999": "p99.9"]
        return Self.percentiles.compactMap { name, percent in
            shown[name].map { "\($0) \(Self.milliseconds(microseconds(histogram, percent)))" }
        }.joined(separator: "  ") + "  max \(Self.milliseconds(longest(histogram)))"
    }

    private var sizes: (fixed: Int?, name: String) {
        switch plan.sizes {
        case .fixed(let size): (size, "fixed")
        case .likeMail: (nil, "mail")
        }
    }

    private var processorMicroseconds: Int64 {
        report.accepted == 0 ? 0 : Int64(report.processorTime.inSeconds * 1e6 / Double(report.accepted))
    }

    private var share: Double? { acceptAlone.map { report.messagesPerSecond / max($0, 1) } }

    var json: JSON {
        [
            "accepted": .number(report.accepted), "refused": .number(report.refused),
            "unanswered": .number(report.unanswered), "messages": .number(plan.messages),
            "connections": .number(plan.connections), "sessions": .number(report.sessions),
            "messages_per_connection": plan.messagesPerConnection == 0 ? .null : .number(plan.messagesPerConnection),
            "size": .number(sizes.fixed), "sizes": .string(sizes.name), "octets": .number(report.octets),
            "recipients": .number(plan.recipients), "logins": .number(plan.logins.count),
            "mechanism": .string(report.mechanism?.rawValue), "pipeline": .bool(plan.client.pipelines),
            "tls": .string(report.tls), "implicit_tls": .bool(plan.tls?.isAtOnce ?? false),
            "rate": .number(plan.rate.map { Int64($0) }), "elapsed_us": .number(Int64(report.elapsed.inSeconds * 1e6)),
            "messages_per_second": .number(Int64(report.messagesPerSecond)),
            "latency_us": members(report.latency), "setup_us": members(report.setUp),
            "client_cpu_us_per_message": .number(processorMicroseconds),
            "refusals": members(report.refusals), "failures": members(report.failures),
            "accept_messages_per_second": .number(acceptAlone.map { Int64($0) }),
            "share_of_accept_percent": .number(share.map { Int64($0 * 100) }),
            "interrupted": .bool(report.isInterrupted),
        ]
    }

    private func members(_ counts: [String: Int]) -> JSON {
        .object(counts.sorted { $0.key < $1.key }.map { JSON.Member(name: $0.key, value: .number($0.value)) })
    }

    var text: String {
        var text = Table.properties([
            "messages": "\(report.accepted) accepted, \(report.refused) refused, \(report.unanswered) unanswered, "
                + "\(Self.seconds(report.elapsed))",
            "rate":
                "\(Int(report.messagesPerSecond)) messages/s, \(Int(report.messagesPerSecond) * plan.recipients) recipients/s",
            "latency": columns(report.latency),
            "set-up": columns(report.setUp),
            "sessions":
                "\(report.sessions) by \(report.mechanism?.rawValue ?? "nobody"), \(report.tls ?? "no TLS")",
            "client": "\(processorMicroseconds) µs of processor time for each message",
        ])
        if let acceptAlone, let share {
            text += Table.properties([
                "accept() alone": "\(Int(acceptAlone)) messages/s in batches of 50, before and after; this run is "
                    + "\(Int(share * 100)) % of it"
            ])
        }
        if !report.refusals.isEmpty {
            var table = Table([.left("REFUSED"), .right("MESSAGES"), .left("FIRST REPLY")])
            for (code, count) in report.refusals.sorted(by: { $0.value > $1.value }) {
                table.add([code, "\(count)", report.examples[code] ?? ""])
            }
            text += "\n" + table.text
        }
        if !report.failures.isEmpty {
            var table = Table([.left("CONNECTION ENDED"), .right("TIMES")])
            for (reason, count) in report.failures.sorted(by: { $0.value > $1.value }).prefix(10) {
                table.add([reason, "\(count)"])
            }
            text += "\n" + table.text
        }
        return text
    }

    private static func seconds(_ duration: Duration) -> String { String(format: "%.2f s", duration.inSeconds) }
    private static func milliseconds(_ microseconds: Int64) -> String {
        String(format: microseconds < 100_000 ? "%.1f ms" : "%.0f ms", Double(microseconds) / 1000)
    }
}

/// How far a run has come, on the standard error: a bar that moves on a terminal, else a line for each tenth.
final class ProgressLine: Sendable {
    private let isJSON: Bool
    private let isTerminal: Bool
    private let tenths = Mutex(0)

    init(isJSON: Bool) {
        self.isJSON = isJSON
        isTerminal = isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
    }

    func show(_ progress: LoadGenerator.Progress) {
        let done = progress.accepted + progress.refused
        let percent = done * 100 / max(progress.total, 1)
        let seconds = progress.elapsed.inSeconds
        let rate = seconds > 0 ? Double(done) / seconds : 0
        if isTerminal {
            let left = rate > 0 ? ", \(Int(Double(progress.total - done) / rate + 0.5)) s left" : ""
            let refused = progress.refused > 0 ? ", \(progress.refused) refused" : ""
            let bar = Show.bar(Int64(done), of: Int64(progress.total), width: 30)
            write("\r\u{1B}[K\(bar) \(percent) %  \(done) of \(progress.total), \(Int(rate))/s\(refused)\(left)")
        } else if !isJSON {
            let isNew = tenths.withLock { tenths in
                guard percent / 10 > tenths else { return false }
                tenths = percent / 10
                return true
            }
            if isNew { write("\(percent) %  \(done) of \(progress.total), \(Int(rate))/s\n") }
        }
    }

    func end() { if isTerminal { write("\r\u{1B}[K") } }

    private func write(_ text: String) { gatepost.write(text, to: STDERR_FILENO) }
}
