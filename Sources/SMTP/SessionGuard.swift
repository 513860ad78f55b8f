/// What a server counts about a client that does nothing useful, and what it remembers of a refused DATA.
struct SessionGuard {
    /// Whether lines may be a message that was sent without waiting for 354 (RFC 2920 §3.1).
    private enum Suspicion {
        case none
        /// DATA was just refused: the next line tells.
        case dataRefused
        /// What followed was no command: from here on nothing sends mail, for the lines are someone's text.
        case messageText
    }

    private let maxErrors: Int
    private let maxIdleCommands: Int
    private var errors = 0
    private var idleCommands = 0
    private var suspicion = Suspicion.none

    init(maxErrors: Int, maxIdleCommands: Int) {
        self.maxErrors = maxErrors
        self.maxIdleCommands = maxIdleCommands
    }

    /// Counts an error; true when it is one too many.
    mutating func noteError() -> Bool {
        errors += 1
        return errors >= maxErrors
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

    mutating func noteDataRefused() {
        if suspicion == .none { suspicion = .dataRefused }
    }

    /// Whether the line, by its being a command or not, is to be taken for message text.
    mutating func isMessageText(isCommand: Bool) -> Bool {
        if suspicion == .dataRefused { suspicion = isCommand ? .none : .messageText }
        return suspicion == .messageText
    }
}
