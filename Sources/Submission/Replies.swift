import Ledger
import SMTP

/// The replies that the role gives by itself; the dialogue's own live in `SMTP`.
extension Reply {
    static let shuttingDown = Reply(421, EnhancedCode(4, 3, 2), "The service is shutting down; please try again.")
    static let idleTooLong = Reply(421, EnhancedCode(4, 4, 2), "Idle for too long; closing the connection.")
    static let tooSlow = Reply(421, EnhancedCode(4, 4, 2), "The message comes too slowly; closing the connection.")
    static let tooManyConnections = Reply(421, EnhancedCode(4, 3, 2), "Too many connections; please try again later.")
    static let tooManyConnectionsFromAddress = Reply(
        421, EnhancedCode(4, 7, 0), "Too many connections from your address; please try again later.")
    static let tooManyAttempts = Reply(
        454, EnhancedCode(4, 7, 0), "Too many failed logins lately; please try again in a minute.")
    /// To clear text where TLS begins at once, and to silence there: the commonest mistake there is.
    static let beginsWithTLS = Reply(
        554, EnhancedCode(5, 5, 1), "This port begins with TLS; for STARTTLS use port 587")
    static let tooManyFailures = Reply(421, EnhancedCode(4, 7, 0), "Too many failed logins; closing the connection.")

    /// One answer for an unknown user, a wrong secret and a revoked credential (RFC 4954 §6, CWE-204).
    static let credentialsInvalid = Reply(535, EnhancedCode(5, 7, 8), "Authentication credentials invalid.")
    static let authenticationUnavailable = Reply(
        454, EnhancedCode(4, 7, 0), "Authentication is not possible just now; please try again.")
    static let responseMalformed = Reply(501, EnhancedCode(5, 5, 2), "That is no response this mechanism knows.")
    static let mechanismUnavailable = Reply(504, EnhancedCode(5, 5, 4), "That mechanism is not offered here.")

    /// To the right secret only (RFC 5248: 5.7.13 is "User Account Disabled").
    static func accountDisabled(_ reason: String) -> Reply { Reply(525, EnhancedCode(5, 7, 13), reason) }
    /// To the right secret only (RFC 4954 §6: weaker than what this user must have).
    static func mechanismNotAllowed(_ mechanism: String, _ allowed: [String]) -> Reply {
        Reply(
            534, EnhancedCode(5, 7, 9),
            "This credential may not log in by \(mechanism); it may by \(allowed.joined(separator: ", ")).")
    }
    /// `whose`: account or credential.
    static func sessionLimit(_ limit: Int64, of whose: String) -> Reply {
        Reply(
            421, EnhancedCode(4, 7, 0), "This \(whose) has its \(limit) sessions open already; please try again later.")
    }
    /// For a session whose right to send has ended while it was open.
    static func sessionEnded(_ reason: String) -> Reply { Reply(421, EnhancedCode(4, 7, 0), reason) }

    static let networkNotAllowed = "This credential may no longer be used from your address."

    static let nullSender = Reply(
        550, EnhancedCode(5, 7, 1),
        "This account may not send with an empty envelope sender; use an address of its own.")
    static func domainNotYours(_ domain: String, in field: String) -> Reply {
        Reply(
            550, EnhancedCode(5, 7, 1),
            "\(field) names \(domain), which is not a sender domain of this account; ask the operator to add it.")
    }

    static func nameNotYours(_ domain: String) -> Reply {
        Reply(
            550, EnhancedCode(5, 7, 1),
            "A display name shows an address of \(domain), which is no sender domain of this account; leave it out.")
    }

    static func queued(as id: String) -> Reply { Reply(250, EnhancedCode(2, 0, 0), "Ok: queued as \(id)") }
    /// Of a credential in test mode: it goes nowhere.
    static func heldForTest(as id: String) -> Reply {
        Reply(250, EnhancedCode(2, 0, 0), "Ok: held for test as \(id)")
    }
    static let notStored = Reply(
        451, EnhancedCode(4, 3, 0), "The message could not be stored just now; please try again.")
    /// The database's disk is full (RFC 3463 x.3.1: mail system full).
    static let noRoom = Reply(
        452, EnhancedCode(4, 3, 1), "There is no room to store the message; please try again later.")
}
