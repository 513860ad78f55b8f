import Glibc

/// How far a long command is, for people at a terminal; elsewhere it says nothing.
struct Progress {
    private let what: String
    private let total: Int
    private let isShown: Bool
    private let width: Int
    private let beginning = ContinuousClock.now
    private var shownAt: ContinuousClock.Instant?

    init(_ what: String, total: Int, isQuiet: Bool) {
        self.what = what
        self.total = total
        isShown = !isQuiet && isatty(STDERR_FILENO) == 1
        width = Terminal(of: STDERR_FILENO, environment: [:]).width ?? 80
    }

    /// At most ten times a second.
    mutating func show(_ done: Int) {
        let now = ContinuousClock.now
        guard isShown, done == total || shownAt.map({ now - $0 >= .milliseconds(100) }) ?? true else { return }
        shownAt = now
        write(
            "\r" + Self.line(what, done, of: total, in: now - beginning).shortened(toWidth: width - 1) + "\u{1b}[K",
            to: STDERR_FILENO)
    }

    /// Leaves the line to what comes next.
    func end() { if isShown, shownAt != nil { write("\r\u{1b}[K", to: STDERR_FILENO) } }

    /// `credentials  ███░░░░░░░  3400 of 10000  820/s, 8 s left`.
    static func line(_ what: String, _ done: Int, of total: Int, in time: Duration) -> String {
        let seconds = Double(time.components.seconds) + Double(time.components.attoseconds) / 1e18
        let rate = seconds > 0 ? Double(done) / seconds : 0
        let left = rate > 0 ? "  \(Int(rate))/s, \(Int(Double(total - done) / rate)) s left" : ""
        return "\(what)  \(Show.bar(Int64(done), of: Int64(total)))  \(done) of \(total)\(left)"
    }
}
