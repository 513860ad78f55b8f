/// Why a statement did not succeed, and what that says about its effect.
package struct DatabaseError: Error, Sendable, CustomStringConvertible {
    package enum Kind: Sendable, Equatable {
        /// No connection, and nothing of this statement's transaction can have been committed.
        case unreachable
        /// PostgreSQL answered with an error; the statement (and its transaction) had no effect.
        case refused
        /// The request was sent and its outcome is not known: it may be committed, now or later.
        case doubt
        /// The answer is not what the caller expects: another column, type or count. Ours to fix.
        case unexpected
        /// The configuration cannot work: connection string, password file.
        case configuration
    }

    package let kind: Kind
    /// Five characters, from PostgreSQL only.
    package let sqlState: String?
    /// For our log, never for SMTP clients: it may quote what users sent.
    package let message: String
    /// The constraint that was violated, where one was.
    package let constraint: String?

    package init(_ kind: Kind, _ message: String, sqlState: String? = nil, constraint: String? = nil) {
        self.kind = kind
        self.message = message
        self.sqlState = sqlState
        self.constraint = constraint
    }

    /// Why no connection came to be, in libpq's words. Of a parameter that cannot be it complains before it asks a server,
    /// and names none.
    init(connecting message: String) {
        let isOfSettings =
            message.hasPrefix("invalid ") && (message.contains(" value") || message.contains("port number"))
            || message.contains("invalid integer value \"") || message.hasPrefix("definition of service \"")
        self.init(
            isOfSettings ? .configuration : .unreachable,
            isOfSettings ? "the database's connection string cannot be used: \(message)" : message)
    }

    /// The first two characters of the SQLSTATE: what kind of refusal it is.
    package var sqlStateClass: Substring? { sqlState?.prefix(2) }

    /// PostgreSQL answered, and lets this user not in. libpq gives no SQLSTATE for that (class 28): only its words.
    package var isRefusedLogin: Bool {
        guard kind == .unreachable else { return false }
        return [
            "authentication failed", "no pg_hba.conf entry", "pg_hba.conf rejects connection", "no password supplied",
            "is not permitted to log in", "permission denied for database",
        ].contains { message.contains($0) }
            || message.contains("role \"") && message.contains("does not exist")
    }

    package var description: String {
        let detail = sqlState.map { " (SQLSTATE \($0))" } ?? ""
        return switch kind {
        case .unreachable:
            "the database \(isRefusedLogin ? "does not let this user in" : "is not reachable"): \(message)\(detail)"
        case .refused: "the database refused: \(message)\(detail)"
        case .doubt: "the outcome is unknown: \(message)\(detail)"
        case .unexpected: "unexpected answer from the database: \(message)"
        case .configuration: message
        }
    }
}
