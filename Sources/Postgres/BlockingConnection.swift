internal import CLibPQ
internal import Glibc

/// One `PGconn`. Every call blocks its thread: only an owner with a thread of its own may hold one.
///
/// Decides what an answer is worth (LEDGER, "A commit in doubt"): it counts only when the server was ready for the
/// next statement with no WARNING before. After a doubt the connection is closed: what comes later on it is worthless.
package final class BlockingConnection {
    private let pointer: OpaquePointer
    private let notices = Notices()
    private(set) package var isUsable = true
    private(set) var isInTransaction = false

    /// Connects and pins the session's settings. `.unreachable` or `.configuration`.
    package init(_ configuration: DatabaseConfiguration) throws(DatabaseError) {
        let parameters = try configuration.parameters()
        guard let pointer = Self.connect(parameters) else { throw DatabaseError(.unreachable, "out of memory") }
        self.pointer = pointer
        guard PQstatus(pointer) == CONNECTION_OK else {
            isUsable = false
            throw DatabaseError(connecting: Self.message(of: pointer))
        }
        PQsetNoticeReceiver(pointer, receiveNotice, Unmanaged.passUnretained(notices).toOpaque())
        // Statements, their text and the functions around them mean nothing to whom an error is told.
        PQsetErrorVerbosity(pointer, PQERRORS_TERSE)
        PQsetnonblocking(pointer, 1)
        do {
            try script(configuration.sessionSettings)
        } catch {
            isUsable = false
            throw DatabaseError(.unreachable, error.message, sqlState: error.sqlState)
        }
    }

    deinit { PQfinish(pointer) }

    /// The backend's process id.
    package var backend: Int32 { PQbackendPID(pointer) }
    package var socket: Int32 { PQsocket(pointer) }

    /// Usable, and not found closed. Does not wait: it looks at what has arrived. To be asked while nothing is under
    /// way, so that a statement is not sent to a server that has gone (which would leave a doubt for nothing).
    package func isAlive() -> Bool {
        guard isUsable, PQstatus(pointer) == CONNECTION_OK else { return false }
        var descriptor = pollfd(fd: PQsocket(pointer), events: Int16(POLLIN), revents: 0)
        guard descriptor.fd >= 0 else {
            isUsable = false
            return false
        }
        while poll(&descriptor, 1, 0) != 0 {
            notices.complaint = nil
            let isOpen = PQconsumeInput(pointer) == 1 && PQstatus(pointer) == CONNECTION_OK
            // Parses what came: a server that ends says so first, and libpq takes that for a notice.
            while isOpen, let notification = PQnotifies(pointer) { PQfreemem(notification) }
            guard isOpen, notices.complaint == nil else {
                isUsable = false
                return false
            }
        }
        return true
    }

    // MARK: Statements

    /// One statement with binary parameters and results.
    ///
    /// - Parameter deadline: after it the outcome is in doubt and the connection closed; nil waits for ever (TCP's
    ///   time-outs notice a dead peer).
    package func query(
        _ sql: String, _ parameters: ParameterWriter, deadline: ContinuousClock.Instant? = nil
    ) throws(DatabaseError) -> Rows {
        try run(deadline: deadline) {
            withArguments(parameters) { count, types, values, lengths, formats in
                PQsendQueryParams(pointer, sql, count, types, values, lengths, formats, 1)
            }
        }
    }

    package func query(
        _ sql: String, _ parameters: [DatabaseValue] = [], deadline: ContinuousClock.Instant? = nil
    ) throws(DatabaseError) -> Rows {
        let writer = ParameterWriter(capacity: 256)
        for value in parameters { writer.write(value) }
        return try query(sql, writer, deadline: deadline)
    }

    /// Prepares a statement for `execute`; parameter types are PostgreSQL's to infer.
    package func prepare(
        _ name: String, _ sql: String, deadline: ContinuousClock.Instant? = nil
    ) throws(DatabaseError) {
        _ = try run(deadline: deadline) { PQsendPrepare(pointer, name, sql, 0, nil) }
    }

    /// Runs a prepared statement: spares the hot path parsing and planning.
    package func execute(
        _ name: String, _ parameters: ParameterWriter, deadline: ContinuousClock.Instant? = nil
    ) throws(DatabaseError) -> Rows {
        try run(deadline: deadline) {
            withArguments(parameters) { count, _, values, lengths, formats in
                PQsendQueryPrepared(pointer, name, count, values, lengths, formats, 1)
            }
        }
    }

    /// Several statements without parameters, constant text only, in one implicit transaction.
    package func script(_ sql: String) throws(DatabaseError) {
        _ = try run(deadline: nil) { PQsendQuery(pointer, sql) }
    }

    /// BEGIN, `body`, COMMIT. Only a failed COMMIT can leave doubt; whatever else fails has had no effect.
    package func transaction<R>(_ body: () throws -> R) throws -> R {
        precondition(!isInTransaction, "a transaction inside a transaction")
        try script("BEGIN")
        isInTransaction = true
        let value: R
        do {
            value = try body()
        } catch {
            if isUsable {
                do { try script("ROLLBACK") } catch { isUsable = false }
            }
            isInTransaction = false
            throw error
        }
        isInTransaction = false
        try script("COMMIT")
        return value
    }

    // MARK: LISTEN

    /// What has arrived, without waiting. `.unreachable` when the connection is lost.
    package func notifications() throws(DatabaseError) -> [(channel: String, payload: String)] {
        guard PQconsumeInput(pointer) == 1, PQstatus(pointer) == CONNECTION_OK else {
            isUsable = false
            throw DatabaseError(.unreachable, Self.message(of: pointer))
        }
        var all: [(channel: String, payload: String)] = []
        while let notification = PQnotifies(pointer) {
            all.append((String(cString: notification.pointee.relname), String(cString: notification.pointee.extra)))
            PQfreemem(notification)
        }
        return all
    }

    // MARK: Sending, waiting, judging

    private func run(
        deadline: ContinuousClock.Instant?, send: () -> Int32
    ) throws(DatabaseError) -> Rows {
        guard isUsable, PQstatus(pointer) == CONNECTION_OK else {
            isUsable = false
            throw DatabaseError(.unreachable, "the connection was lost")
        }
        notices.complaint = nil
        guard send() == 1 else { throw lost() }
        try flush(deadline)
        // An error message is replaced by later results': keep the first failure, read on until ready.
        var last: QueryResult?
        var failure: DatabaseError?
        while true {
            while PQisBusy(pointer) == 1 {
                try wait(for: Int16(POLLIN), deadline)
                guard PQconsumeInput(pointer) == 1 else { throw lost() }
            }
            guard let result = PQgetResult(pointer) else { break }
            switch PQresultStatus(result) {
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY:
                last = QueryResult(adopting: result)
            default:
                if failure == nil { failure = Self.refusal(result) }
                PQclear(result)
            }
        }
        guard PQstatus(pointer) == CONNECTION_OK, PQtransactionStatus(pointer) != PQTRANS_UNKNOWN,
            PQtransactionStatus(pointer) != PQTRANS_ACTIVE
        else { throw lost(failure) }
        #if PLANTED_FAULTS
            if Planted.active == .warningIsSuccess { notices.complaint = nil }
        #endif
        if let warning = notices.complaint {
            // Raised while COMMIT waits for a standby (01000, 57P01): committed here, perhaps nowhere else.
            isUsable = false
            throw DatabaseError(.doubt, warning.message, sqlState: warning.sqlState)
        }
        if let failure {
            // libpq's own, for want of memory: the server's answer was there, and is lost. It may be committed.
            guard failure.sqlState != nil else { throw lost(failure) }
            // A server that became a standby: the next connection finds the new primary.
            if failure.sqlState == "25006", !isInTransaction { isUsable = false }
            throw failure
        }
        guard let last else { throw lost() }
        return Rows(result: last)
    }

    private func flush(_ deadline: ContinuousClock.Instant?) throws(DatabaseError) {
        while true {
            switch PQflush(pointer) {
            case 0: return
            case 1:
                try wait(for: Int16(POLLIN | POLLOUT), deadline)
                // A server that answers before it has read everything would otherwise block both.
                guard PQconsumeInput(pointer) == 1 else { throw lost() }
            default: throw lost()
            }
        }
    }

    private func wait(for events: Int16, _ deadline: ContinuousClock.Instant?) throws(DatabaseError) {
        var descriptor = pollfd(fd: PQsocket(pointer), events: events, revents: 0)
        // poll would pass over it and wait for nothing.
        guard descriptor.fd >= 0 else { throw lost() }
        while true {
            var milliseconds: Int32 = -1
            if let deadline {
                let left = ContinuousClock.now.duration(to: deadline)
                guard left > .zero else {
                    isUsable = false
                    throw DatabaseError(isInTransaction ? .unreachable : .doubt, "no answer within the deadline")
                }
                milliseconds = Int32(clamping: Int64(left / .milliseconds(1)) + 1)
            }
            let ready = poll(&descriptor, 1, milliseconds)
            if ready > 0 { return }
            if ready < 0, errno != EINTR { throw lost() }
        }
    }

    /// The connection is gone, with a statement under way.
    private func lost(_ failure: DatabaseError? = nil) -> DatabaseError {
        isUsable = false
        let message = failure?.message ?? Self.message(of: pointer)
        return DatabaseError(isInTransaction ? .unreachable : .doubt, message, sqlState: failure?.sqlState)
    }

    // MARK: libpq's shapes

    private static func connect(_ parameters: [(String, String)]) -> OpaquePointer? {
        var keywords = parameters.map { strdup($0.0).map { UnsafePointer($0) } }
        var values = parameters.map { strdup($0.1).map { UnsafePointer($0) } }
        defer {
            for text in keywords + values { free(UnsafeMutablePointer(mutating: text)) }
        }
        keywords.append(nil)
        values.append(nil)
        return PQconnectdbParams(keywords, values, 0)
    }

    private func withArguments(
        _ parameters: ParameterWriter,
        _ body: (
            Int32, UnsafePointer<Oid>?, UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<Int32>?,
            UnsafePointer<Int32>?
        ) -> Int32
    ) -> Int32 {
        let all = parameters.parameters
        let types = all.map { $0.type.rawValue }
        let values = all.indices.map { parameters.withParameter($0) { start, _ in start } }
        let lengths = all.map { Int32(clamping: max(0, $0.length)) }
        let formats = [Int32](repeating: 1, count: all.count)
        return withExtendedLifetime(parameters) { body(Int32(all.count), types, values, lengths, formats) }
    }

    private static func refusal(_ result: OpaquePointer) -> DatabaseError {
        func field(_ code: Character) -> String? {
            guard let ascii = code.asciiValue, let text = PQresultErrorField(result, Int32(ascii)) else { return nil }
            return String(cString: text)
        }
        return DatabaseError(
            .refused, field("M") ?? String(cString: PQresultErrorMessage(result)).trimmed, sqlState: field("C"),
            constraint: field("n"))
    }

    private static func message(of pointer: OpaquePointer) -> String {
        // libpq goes on in a second line, behind a tab, and has a line for each address that it tried.
        String(cString: PQerrorMessage(pointer)).split(whereSeparator: \.isNewline).map {
            $0.split(separator: /\s+/).joined(separator: " ")
        }.joined(separator: "; ")
    }
}

/// What the server says beside its answers. Lives as long as the connection that calls it.
private final class Notices {
    /// The first WARNING, or what a server says that ends.
    var complaint: (sqlState: String?, message: String)?
}

private let receiveNotice: @convention(c) (UnsafeMutableRawPointer?, OpaquePointer?) -> Void = { context, result in
    guard let context, let result else { return }
    let notices = Unmanaged<Notices>.fromOpaque(context).takeUnretainedValue()
    func field(_ code: Character) -> String? {
        guard let ascii = code.asciiValue, let text = PQresultErrorField(result, Int32(ascii)) else { return nil }
        return String(cString: text)
    }
    guard notices.complaint == nil, let severity = field("V"),
        ["WARNING", "ERROR", "FATAL", "PANIC"].contains(severity)
    else { return }
    notices.complaint = (field("C"), field("M") ?? "a warning without text")
}
