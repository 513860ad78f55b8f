/// How `gatepost` ends; scripts rely on the numbers.
enum ExitStatus: Int32, Sendable {
    case done = 0
    /// Refused or failed.
    case failed = 1
    /// A comparison differs or a check found something.
    case differs = 2
    /// The command line or a value on it is wrong (EX_USAGE).
    case usage = 64
    /// The database is away, or did not say what became of a change (EX_UNAVAILABLE).
    case unavailable = 69
    /// The database role or the operating system forbids it (EX_NOPERM).
    case denied = 77
}

/// Why a command did not do what it was told: what is wrong, and what helps.
struct Failure: Error, Equatable, CustomStringConvertible {
    /// Goes on after `error: `; names from outside are already `printable`.
    var message: String
    /// The command or the change that helps, after `hint: `.
    var hint: String?
    var status: ExitStatus

    init(_ message: String, hint: String? = nil, _ status: ExitStatus = .failed) {
        self.message = message
        self.hint = hint
        self.status = status
    }

    /// In one line, for a log.
    var description: String { hint.map { "\(message) (\($0))" } ?? message }

    /// `error: …`, a blank line, `hint: …`.
    var text: String {
        guard let hint else { return "error: \(message)\n" }
        return "error: \(message)\n\nhint: \(hint)\n"
    }
}
