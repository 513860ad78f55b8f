/// Rows for people: columns aligned, numbers to the right, everything from outside made inert.
///
/// On a terminal the texts are shortened, the widest column first, until a row takes one line of it. Figures, times, and the
/// names and ids that other commands are given (`key`), are not: where they need more than a line, the row is longer than one.
/// Elsewhere everything is whole. The text may change from one release to the next; programs read `--json`.
struct Table {
    enum Alignment { case left, right }

    struct Column {
        var title: String
        var alignment: Alignment
        /// What other commands are given, or a time: cut short it would be of no use.
        var isKey = false

        static func left(_ title: String) -> Column { Column(title: title, alignment: .left) }
        static func right(_ title: String) -> Column { Column(title: title, alignment: .right) }
        static func time(_ title: String) -> Column { Column(title: title, alignment: .left, isKey: true) }
        static func key(_ title: String) -> Column { Column(title: title, alignment: .left, isKey: true) }
    }

    private let columns: [Column]
    private var rows: [[String]] = []

    init(_ columns: [Column]) { self.columns = columns }

    var isEmpty: Bool { rows.isEmpty }

    /// - Parameter cells: one for each column.
    mutating func add(_ cells: [String]) {
        precondition(cells.count == columns.count, "a row has a cell for each column")
        rows.append(cells.map(\.printable))
    }

    /// Whole.
    var text: String { text(for: Terminal(width: nil, showsColour: false)) }

    func text(for terminal: Terminal) -> String {
        let lines = [columns.map(\.title)] + rows
        let widths = widths(of: lines, within: terminal.width)
        var text = ""
        for (number, line) in lines.enumerated() {
            var cells = ""
            for (index, whole) in line.enumerated() {
                let cell = whole.shortened(toWidth: widths[index])
                let padding = String(repeating: " ", count: max(0, widths[index] - cell.displayWidth))
                if index > 0 { cells += "  " }
                cells += columns[index].alignment == .right ? padding + cell : cell + padding
            }
            while cells.last == " " { cells.removeLast() }
            text += (number == 0 ? terminal.paint(cells, .bold) : cells) + "\n"
        }
        return text
    }

    private func widths(of lines: [[String]], within limit: Int?) -> [Int] {
        var widths = columns.indices.map { column in lines.map { $0[column].displayWidth }.max() ?? 0 }
        guard let limit else { return widths }
        let gaps = 2 * (columns.count - 1)
        while widths.reduce(gaps, +) > limit {
            // A figure cut short would be a wrong figure.
            let candidates = columns.indices.filter {
                columns[$0].alignment == .left && !columns[$0].isKey && widths[$0] > Self.least
            }
            guard let widest = candidates.max(by: { widths[$0] < widths[$1] }) else { break }
            widths[widest] -= 1
        }
        return widths
    }

    /// Fewer columns than this say nothing.
    private static let least = 8

    /// Names and values below each other, for one thing.
    static func properties(_ pairs: KeyValuePairs<String, String>) -> String {
        let width = pairs.map { $0.key.displayWidth }.max() ?? 0
        return pairs.map { name, value in
            name + String(repeating: " ", count: width - name.displayWidth) + "  " + value.printable + "\n"
        }.joined()
    }
}

extension String {
    /// At most so many columns of a terminal, the last one `…` where something is left out.
    func shortened(toWidth width: Int) -> String {
        guard displayWidth > width else { return self }
        var kept = ""
        var used = 0
        for character in self {
            let next = String(character).displayWidth
            if used + next > width - 1 { break }
            kept.append(character)
            used += next
        }
        return kept + "…"
    }
}
