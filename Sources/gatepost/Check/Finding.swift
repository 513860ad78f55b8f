/// One line of `gatepost check`.
struct Finding: Equatable, Sendable {
    enum State: String, Sendable {
        case ok
        /// Works, and somebody should know.
        case note
        /// Does not work, or soon will not.
        case wrong
    }

    var state: State
    /// What was looked at: `database`, `relay`.
    var subject: String
    var text: String
    /// What helps.
    var hint: String?

    static func ok(_ subject: String, _ text: String) -> Finding { Finding(state: .ok, subject: subject, text: text) }

    static func note(_ subject: String, _ text: String, hint: String? = nil) -> Finding {
        Finding(state: .note, subject: subject, text: text, hint: hint)
    }

    static func wrong(_ subject: String, _ text: String, hint: String? = nil) -> Finding {
        Finding(state: .wrong, subject: subject, text: text, hint: hint)
    }

    var json: JSON {
        ["check": .string(subject), "state": .string(state.rawValue), "text": .string(text), "hint": .string(hint)]
    }

    /// `wrong  relay         …`; the word says all, the colour only finds it sooner.
    func line(for terminal: Terminal) -> String {
        let colour: Terminal.Colour =
            switch state {
            case .ok: .green
            case .note: .yellow
            case .wrong: .red
            }
        let word = state.rawValue + String(repeating: " ", count: 5 - state.rawValue.count)
        let padding = String(repeating: " ", count: max(0, 12 - subject.count))
        var line = terminal.paint(word, colour) + "  \(subject)\(padding)  \(text.printable)\n"
        if let hint { line += String(repeating: " ", count: 21) + "hint: \(hint.printable)\n" }
        return line
    }
}
