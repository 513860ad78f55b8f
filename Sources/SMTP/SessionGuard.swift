/// What a server counts about a client that does nothing useful, and what it remembers of a refused DATA.
struct SessionGuard {
    /// Whether lines may be a message that was sent without waiting for 354 (RFC 2920 §3.1 forbids it; scripts do it).
    private enum Suspicion {
        case none
        /// DATA was just refused: the next line tells.
        case dataRefused
        /// A header line followed. Up to the lone dot, lines are someone's text: no command in it is the client's own,
        /// though it may look like one to whoever was let write it.
        case messageText
    }

    private let maxErrors: Int
    private let maxIdleCommands: Int
    private var errors = 0
    private var idleCommands = 0
    private var suspicion = Suspicion.none
    /// So many RCPT and DATA out of place are no errors: MAIL was put off, and they came along with it, as PIPELINING allows.
    private var excused = 0

    init(maxErrors: Int, maxIdleCommands: Int) {
        self.maxErrors = maxErrors
        self.maxIdleCommands = maxIdleCommands
    }

    /// Counts an error; true when it is one too many.
    mutating func noteError() -> Bool {
        errors += 1
        return errors >= maxErrors
    }

    /// - Parameter recipients: as many as the message may have.
    mutating func noteSenderDeferred(recipients: Int) { excused = recipients + 1 }

    mutating func noteSender() { excused = 0 }

    /// Whether the next one out of place is excused.
    mutating func excuses() -> Bool {
        guard excused > 0 else { return false }
        excused -= 1
        return true
    }

    /// Counts a command that brings no mail nearer; true when it is one too many.
    mutating func noteIdleCommand() -> Bool {
        idleCommands += 1
        return idleCommands >= maxIdleCommands
    }

    /// A message was taken: the client is at work, whatever went before.
    mutating func noteMessage() {
        errors = 0
        idleCommands = 0
    }

    /// Whether the next line may be message text.
    var isSuspicious: Bool { suspicion != .none }

    mutating func noteDataRefused() {
        if suspicion == .none { suspicion = .dataRefused }
    }

    /// Whether the line is to be taken for message text, which gets an error line by line.
    mutating func isMessageText(_ line: [UInt8]) -> Bool {
        switch suspicion {
        case .none:
            return false
        case .dataRefused:
            let isHeader = line.prefix { $0 != .space }.contains(UInt8(ascii: ":"))
            suspicion = line.isEmpty || isHeader ? .messageText : .none
            return suspicion == .messageText
        case .messageText:
            if line == [.dot] { suspicion = .none }
            return true
        }
    }
}
