package import Postgres
internal import Synchronization

/// What operators change and look up. Every change is one function of `admin`'s in the database: the meter's lock
/// first, the change, a row of audit, in one transaction.
///
/// A change whose answer was lost is repeated until its outcome is certain (LEDGER, "A commit in doubt"): the
/// functions are harmless to repeat and write each time. Nothing here decides who may: the database role does.
package struct Administration: Sendable {
    private let connection: DatabaseConnection
    /// Who is at the keyboard, for the audit.
    let user: String
    /// How long an outcome in doubt is pursued.
    private let patience: Duration
    private let progress = Progress()

    private final class Progress: Sendable {
        let hasChanged = Mutex(false)
    }

    /// A change was made: whatever fails later, it is not true that nothing happened.
    package var hasChanged: Bool { progress.hasChanged.withLock { $0 } }

    package init(_ connection: DatabaseConnection, user: String, patience: Duration = .seconds(60)) {
        self.connection = connection
        self.user = user
        self.patience = patience
    }

    // MARK: Tenants

    /// - Throws: `taken` where the slug is another tenant's.
    package func createTenant(_ slug: String, _ changes: TenantChanges) async throws(AdministrationError) {
        let made = try await change(
            "SELECT created FROM admin.tenant_create($1, $2, $3::text::jsonb)",
            [.text(user), .text(slug), .text(changes.json)])
        // After a doubt a repeat finds what the first attempt made.
        if !made.isTrue, !made.wasInDoubt {
            throw .taken(
                try await hasTenant(slug)
                    ? "there is a tenant `\(slug)` already"
                    : "the tenant `\(slug)` is deleted; its ledger stays, and nobody else gets the name")
        }
    }

    /// - Returns: whether anything was different.
    package func setTenant(_ slug: String, _ changes: TenantChanges) async throws(AdministrationError) -> Bool {
        try await change(
            "SELECT admin.tenant_set($1, $2, $3::text::jsonb)", [.text(user), .text(slug), .text(changes.json)]
        ).mayHaveChanged
    }

    /// When this returns, no node accepts anything more of it, not even what is under way.
    ///
    /// - Parameters:
    ///   - reason: of one that is suspended already, nil leaves it.
    ///   - holdQueue: what is queued stays; nil: it goes on, or, of one that is suspended already, does what it did.
    package func suspendTenant(
        _ slug: String, reason: String?, holdQueue: Bool?
    ) async throws(AdministrationError) -> Bool {
        try await change(
            "SELECT admin.tenant_suspend($1, $2, $3, $4)",
            [.text(user), .text(slug), .optional(reason), .optional(holdQueue)]
        ).mayHaveChanged
    }

    package func resumeTenant(_ slug: String) async throws(AdministrationError) -> Bool {
        try await change("SELECT admin.tenant_resume($1, $2)", [.text(user), .text(slug)]).mayHaveChanged
    }

    // MARK: Sender domains

    /// - Parameter trusted: the operator vouches for it. Otherwise accept refuses it until it is verified.
    /// - Returns: the token to be published in DNS, where it is to be verified so; `others`: tenants who may send from it too.
    package func addDomain(
        _ domain: String, to slug: String, trusted: Bool
    ) async throws(AdministrationError) -> (changed: Bool, token: String?, others: [String]) {
        let answer = try await repeated(
            "SELECT changed, token, others FROM admin.domain_add($1, $2, $3, $4)",
            [.text(user), .text(slug), .text(domain), .bool(trusted)])
        do {
            guard let row = answer.rows.first else { throw AdministrationError.failed("the database gave no answer") }
            return (
                try row.bool("changed") || answer.wasInDoubt, try row.stringOrNil("token"), try row.strings("others")
            )
        } catch {
            throw Self.translated(error)
        }
    }

    package func removeDomain(_ domain: String, from slug: String) async throws(AdministrationError) -> Bool {
        try await change(
            "SELECT admin.domain_remove($1, $2, $3)", [.text(user), .text(slug), .text(domain)]
        ).mayHaveChanged
    }

    // MARK: Pools

    /// - Returns: false where there was one of that name.
    package func createPool(_ name: String) async throws(AdministrationError) -> Bool {
        try await change("SELECT created FROM admin.pool_create($1, $2)", [.text(user), .text(name)]).mayHaveChanged
    }

    /// A pool that nobody uses.
    ///
    /// - Throws: `invalid` where tenants or members use it; the message names them.
    /// - Returns: false where there was none.
    package func deletePool(_ name: String) async throws(AdministrationError) -> Bool {
        try await change("SELECT admin.pool_delete($1, $2)", [.text(user), .text(name)]).mayHaveChanged
    }

    /// A member that is there already changes in what `terms` name, and takes mail again.
    ///
    /// - Returns: whether anything was different.
    package func addRelay(
        _ pool: String, host: String, port: Int, _ terms: RelayTerms = RelayTerms()
    ) async throws(AdministrationError) -> Bool {
        try await change(
            "SELECT changed FROM admin.relay_add($1, $2, $3, $4, $5::text::jsonb, $6)",
            [
                .text(user), .text(pool), .text(host), .int32(Int32(clamping: port)), .text(terms.json),
                .optional(terms.password),
            ]
        ).mayHaveChanged
    }

    /// - Returns: whether anything was different.
    package func setRelay(
        _ pool: String, host: String, port: Int, _ terms: RelayTerms
    ) async throws(AdministrationError) -> Bool {
        try await change(
            "SELECT admin.relay_set($1, $2, $3, $4, $5::text::jsonb, $6)",
            [
                .text(user), .text(pool), .text(host), .int32(Int32(clamping: port)), .text(terms.json),
                .optional(terms.password),
            ]
        ).mayHaveChanged
    }

    package func drainRelay(_ pool: String, host: String, port: Int) async throws(AdministrationError) -> Bool {
        try await change(
            "SELECT admin.relay_drain($1, $2, $3, $4)",
            [.text(user), .text(pool), .text(host), .int32(Int32(clamping: port))]
        ).mayHaveChanged
    }

    package func removeRelay(_ pool: String, host: String, port: Int) async throws(AdministrationError) -> Bool {
        try await change(
            "SELECT admin.relay_remove($1, $2, $3, $4)",
            [.text(user), .text(pool), .text(host), .int32(Int32(clamping: port))]
        ).mayHaveChanged
    }

    // MARK: The queue

    /// What became of one recipient of a cancelled message.
    package struct Cancellation: Sendable, Hashable {
        /// nil: nobody has the message.
        package var number: Int64?
        /// `cancelled`, `marked`, `final` or `unknown`, as `ledger.cancel` has them.
        package var verdict: String
    }

    /// - Parameter numbers: only these recipients; nil: all.
    package func cancel(
        _ id: MessageID, reason: String?, numbers: [Int64]? = nil
    ) async throws(AdministrationError) -> [Cancellation] {
        let answer = try await repeated(
            "SELECT number, verdict FROM ledger.cancel($1, $2, $3, $4)",
            [.text(user), .uuidArray([id]), .optional(reason), Self.numbers(numbers)])
        do {
            return try answer.rows.map {
                Cancellation(number: try $0.int64OrNil("number"), verdict: try $0.string("verdict"))
            }
        } catch {
            throw Self.translated(error)
        }
    }

    /// What became of one recipient of a message that is to be tried now.
    package struct Retry: Sendable, Hashable {
        package var number: Int64
        /// `due`, `under way`, `cancelled` or `final`, as `admin.queue_retry` has them.
        package var verdict: String
    }

    /// What waits for its next attempt is due now.
    ///
    /// - Parameter numbers: only these recipients; nil: all.
    /// - Throws: `failed` where something waits and the tenant's queue is held.
    package func retry(_ id: MessageID, numbers: [Int64]? = nil) async throws(AdministrationError) -> [Retry] {
        let answer = try await repeated(
            "SELECT number, verdict FROM admin.queue_retry($1, $2, $3)",
            [.text(user), .uuid(id), Self.numbers(numbers)])
        do {
            return try answer.rows.map { Retry(number: try $0.int64("number"), verdict: try $0.string("verdict")) }
        } catch {
            throw Self.translated(error)
        }
    }

    private static func numbers(_ numbers: [Int64]?) -> DatabaseValue {
        numbers.map { .int32Array($0.map { Int32(clamping: $0) }) } ?? .null(.int4Array)
    }

    // MARK: How

    /// Looks something up. Where a change was made before it, it is repeated as that was: what the change came to (a secret
    /// that nobody sees again) is not lost with a connection.
    func read<Value>(
        _ sql: String, _ parameters: [DatabaseValue] = [], _ value: (Rows.Row) throws -> Value
    ) async throws(AdministrationError) -> [Value] {
        let rows = try await rows(sql, parameters)
        do {
            return try rows.map(value)
        } catch {
            throw Self.translated(error)
        }
    }

    /// A look-up whose rows somebody else reads.
    func rows(_ sql: String, _ parameters: [DatabaseValue]) async throws(AdministrationError) -> Rows {
        let deadline = ContinuousClock.now + patience
        var pause = Self.firstPause
        while true {
            do {
                return try await connection.query(sql, parameters)
            } catch {
                guard hasChanged, error.isPassing, await Self.rest(&pause, until: deadline) else {
                    // A look-up in doubt changed nothing.
                    throw error.kind == .doubt ? .unreachable(error.message) : AdministrationError(error)
                }
            }
        }
    }

    struct Answer {
        var rows: Rows
        var wasInDoubt: Bool
    }

    struct Change {
        var isTrue: Bool
        var wasInDoubt: Bool
        /// A repeat after a doubt answers for itself, not for the first attempt.
        var mayHaveChanged: Bool { isTrue || wasInDoubt }
    }

    func change(_ sql: String, _ parameters: [DatabaseValue]) async throws(AdministrationError) -> Change {
        let answer = try await repeated("SELECT v.* FROM (\(sql)) AS v (answer)", parameters)
        do {
            return Change(isTrue: try answer.rows.first?.bool("answer") ?? false, wasInDoubt: answer.wasInDoubt)
        } catch {
            throw AdministrationError(error)
        }
    }

    /// One statement in a transaction of its own, sent until PostgreSQL says what became of it.
    func repeated(
        _ sql: String, _ parameters: [DatabaseValue]
    ) async throws(AdministrationError) -> Answer {
        let deadline = ContinuousClock.now + patience
        var doubt: String?
        var pause = Self.firstPause
        while true {
            do {
                let rows = try await connection.query(sql, parameters)
                progress.hasChanged.withLock { $0 = true }
                return Answer(rows: rows, wasInDoubt: doubt != nil)
            } catch {
                if error.kind == .doubt { doubt = error.message }
                // Half of what was asked for is no answer either.
                guard doubt != nil || hasChanged, error.isPassing else { throw AdministrationError(error) }
            }
            guard await Self.rest(&pause, until: deadline) else {
                if let doubt { throw .outcomeUnknown(doubt) }
                throw .unreachable("the database did not come back in time")
            }
        }
    }

    private static let firstPause = Duration.milliseconds(50)

    /// False: there is no time for it.
    private static func rest(_ pause: inout Duration, until deadline: ContinuousClock.Instant) async -> Bool {
        guard ContinuousClock.now + pause < deadline, (try? await Task.sleep(for: pause)) != nil else { return false }
        pause = min(pause * 2, .seconds(2))
        return true
    }

    static func translated(_ error: any Error) -> AdministrationError {
        switch error {
        case let error as AdministrationError: error
        case let error as DatabaseError: AdministrationError(error)
        default: .failed(String(describing: error))
        }
    }
}
