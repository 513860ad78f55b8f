package import Postgres

/// Why a change or a look-up of an operator's was not done.
package enum AdministrationError: Error, Sendable, Equatable {
    /// There is no such tenant, credential, pool, member or message.
    case notFound(String)
    /// The name is another's already.
    case taken(String)
    /// A value that cannot be.
    case invalid(String)
    /// The database role may not do it.
    case denied(String)
    /// PostgreSQL does not let the user in.
    case loginRefused(String)
    /// The database has no schema of ours, or an older one.
    case schemaMissing(String)
    /// Nothing was sent, nothing changed.
    case unreachable(String)
    /// The change was sent; whether it was made could not be learnt in time.
    case outcomeUnknown(String)
    /// A lock was not had in time; nothing changed.
    case busy(String)
    /// Everything else.
    case failed(String)

    /// What the database said to upkeep, each step of which is harmless to repeat: no outcome matters.
    package init(maintenance error: DatabaseError) {
        self = error.kind == .doubt ? .unreachable(error.message) : AdministrationError(error)
    }

    init(_ error: DatabaseError) {
        let message = error.message
        switch (error.kind, error.sqlState) {
        case (.refused, "GP002"?): self = .notFound(message)
        case (.refused, "GP003"?): self = .taken(message)
        case (.refused, "GP004"?): self = .invalid(message)
        // A value that could be, of a thing that is not in the state for it.
        case (.refused, "GP005"?): self = .failed(message)
        case (.refused, "42501"?): self = .denied(message)
        case (.refused, "55P03"?): self = .busy(message)
        case (.refused, "3F000"?), (.refused, "42P01"?), (.refused, "42703"?), (.refused, "42883"?):
            self = .schemaMissing(message)
        case (.refused, _), (.unexpected, _), (.configuration, _): self = .failed(error.description)
        case (.unreachable, _): self = error.isRefusedLogin ? .loginRefused(message) : .unreachable(message)
        case (.doubt, _): self = .outcomeUnknown(message)
        }
    }
}

extension DatabaseError {
    /// A refusal that may be over in a moment: shutting down, starting up, out of resources, a lock not had, a
    /// standby that is being promoted.
    var isPassing: Bool {
        guard kind == .refused, let sqlStateClass else { return kind == .unreachable || kind == .doubt }
        return ["57", "53", "55", "40", "25", "08"].contains(sqlStateClass)
    }
}
