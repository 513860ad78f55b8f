/// Rows for people: columns aligned, numbers to the right, everything from outside made inert.
///
/// The text may change from one release to the next; programs read `--json`.
struct Table {
    enum Alignment { case left, right }

    struct Column {
        var title: String
        var alignment: Alignment

        static func left(_ title: String) -> Column { Column(title: title, alignment: .left) }
        static func right(_ title: String) -> Column { Column(title: title, alignment: .right) }
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

    var text: String {
        let lines = [columns.map(\.title)] + rows
        let widths = columns.indices.map { column in lines.map { $0[column].displayWidth }.max() ?? 0 }
        var text = ""
        for line in lines {
            var cells = ""
            for (index, cell) in line.enumerated() {
                let padding = String(repeating: " ", count: widths[index] - cell.displayWidth)
                if index > 0 { cells += "  " }
                cells += columns[index].alignment == .right ? padding + cell : cell + padding
            }
            while cells.last == " " { cells.removeLast() }
            text += cells + "\n"
        }
        return text
    }

    /// Names and values below each other, for one thing.
    static func properties(_ pairs: KeyValuePairs<String, String>) -> String {
        let width = pairs.map { $0.key.displayWidth }.max() ?? 0
        return pairs.map { name, value in
            name + String(repeating: " ", count: width - name.displayWidth) + "  " + value.printable + "\n"
        }.joined()
    }
}
