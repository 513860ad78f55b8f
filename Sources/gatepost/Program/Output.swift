import Glibc

/// Results on the standard output, talk on the standard error: what a pipe gets is data.
struct Output: Sendable {
    let isJSON: Bool

    /// One thing: one JSON value, or a text that is already `printable`.
    func show(_ json: @autoclosure () -> JSON, _ text: @autoclosure () -> String) {
        write(isJSON ? json().text + "\n" : text(), to: STDOUT_FILENO)
    }

    /// Many things: a line of JSON for each, or a table. `empty` is said where there are none.
    func list<Item>(
        _ items: [Item], _ columns: [Table.Column], empty: String, json: (Item) -> JSON, row: (Item) -> [String]
    ) {
        if isJSON {
            for item in items { write(json(item).text + "\n", to: STDOUT_FILENO) }
        } else if items.isEmpty {
            note(empty)
        } else {
            var table = Table(columns)
            for item in items { table.add(row(item)) }
            write(table.text(for: .output), to: STDOUT_FILENO)
        }
    }

    /// For people only: what to do next, what to mind.
    func note(_ text: String) {
        if !isJSON { write(text + "\n", to: STDERR_FILENO) }
    }

    /// What no reader of the rows can see in them, be it a person or a program.
    func remark(_ text: String) { write(text + "\n", to: STDERR_FILENO) }

    /// A list that ends before its last row.
    func noteLimit(_ limit: Int64) { remark("note: the newest \(limit); --limit N shows more") }
}

/// How values look to people.
enum Show {
    static func limit(_ value: Int64?) -> String { value.map(String.init) ?? "unlimited" }
    static func size(_ bytes: Int64) -> String { ByteSize(bytes: Int(clamping: bytes)).text }
    /// Octets in the largest unit that leaves a whole part: `4.2 KiB`.
    static func roughSize(_ bytes: Int64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var tenths = bytes * 10
        var unit = 0
        while tenths >= 10_240, unit < units.count - 1 {
            tenths /= 1024
            unit += 1
        }
        return unit == 0 ? "\(bytes) B" : "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }

    static func time(_ microseconds: Int64?) -> String {
        microseconds.map { UTCTime(microseconds: $0).secondsText } ?? "-"
    }
    static func onOff(_ value: Bool) -> String { value ? "on" : "off" }

    /// `3 min ago`; a time to come is `now`.
    static func ago(_ microseconds: Int64, now: UTCTime = .now()) -> String {
        let seconds = max(0, (now.microseconds - microseconds) / 1_000_000)
        return switch seconds {
        case ..<5: "now"
        case ..<120: "\(seconds) s ago"
        case ..<7200: "\(seconds / 60) min ago"
        case ..<172_800: "\(seconds / 3600) h ago"
        default: "\(seconds / 86_400) d ago"
        }
    }

    /// `█████░░░░░`; full only where nothing is left.
    static func bar(_ used: Int64, of cap: Int64, width: Int = 10) -> String {
        let share = Double(min(used, cap)) / Double(max(cap, 1))
        let filled = used >= cap ? width : min(Int(share * Double(width)), width - 1)
        return String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
    }
}
