/// Comma-separated values (RFC 4180): commas, double quotes, lines that end in LF or CR LF.
enum CSV {
    struct Row: Equatable, Sendable {
        /// Where it begins, from 1.
        var line: Int
        var cells: [String]
    }

    struct ParsingError: Error, Equatable {
        var line: Int
        var reason: String
    }

    /// Every row; empty lines are left out. A byte order mark at the beginning is no text.
    static func rows(_ text: String) throws(ParsingError) -> [Row] {
        var rows: [Row] = []
        var cells: [String] = []
        var cell: [UInt8] = []
        var line = 1
        var beginning = 1
        var state = State.start
        var octets = Array(text.utf8)
        if octets.starts(with: [0xEF, 0xBB, 0xBF]) { octets.removeFirst(3) }
        func endCell() {
            cells.append(String(decoding: cell, as: UTF8.self))
            cell = []
            state = .start
        }
        func endRow() {
            if state != .start || !cells.isEmpty {
                if state == .plain, cell.last == 0x0D { cell.removeLast() }
                endCell()
                if cells != [""] { rows.append(Row(line: beginning, cells: cells)) }
            }
            cells = []
            beginning = line
        }
        for octet in octets {
            if octet == 0x0A { line += 1 }
            switch (state, octet) {
            case (.quoted, UInt8(ascii: "\"")): state = .closed
            case (.quoted, _): cell.append(octet)
            case (_, 0x0A): endRow()
            case (_, UInt8(ascii: ",")): endCell()
            case (.start, UInt8(ascii: "\"")): state = .quoted
            case (.closed, UInt8(ascii: "\"")):
                cell.append(octet)
                state = .quoted
            case (.closed, 0x0D): break
            case (.closed, _): throw ParsingError(line: line, reason: "text after a closing quote")
            case (.plain, UInt8(ascii: "\"")): throw ParsingError(line: line, reason: "a quote within a bare value")
            case (.start, _), (.plain, _):
                cell.append(octet)
                state = .plain
            }
        }
        guard state != .quoted else { throw ParsingError(line: beginning, reason: "a quote that is not closed") }
        endRow()
        return rows
    }

    private enum State { case start, plain, quoted, closed }

    /// What a spreadsheet would take for a formula, with an apostrophe before it.
    static func harmless(_ text: String) -> String {
        let isFormula = text.utf8.first.map { "=+-@\t\r".utf8.contains($0) } ?? false
        return isFormula ? "'" + text : text
    }

    /// A value as it goes into a file.
    static func cell(_ text: String) -> String {
        let shown = harmless(text)
        let isPlain = shown.utf8.allSatisfy { $0 != 0x22 && $0 != 0x2C && $0 != 0x0A && $0 != 0x0D }
        return isPlain ? shown : "\"" + shown.replacing("\"", with: "\"\"") + "\""
    }

    static func row(_ cells: [String]) -> String { cells.map(cell).joined(separator: ",") + "\n" }
}
