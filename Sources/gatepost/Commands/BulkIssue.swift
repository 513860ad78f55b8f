import Glibc
import Postgres
import Synchronization
import Tenancy

/// `credential issue --from`: many credentials, their secrets in a file that has at any moment every one that was made.
///
/// A batch's rows are on the disk before the database is asked to make them, all in one transaction. So an interruption,
/// be it SIGKILL, leaves no credential without its secret; it may leave rows whose credentials were not made, and
/// `--resume` makes these, under the names and with the secrets that are written.
struct BulkIssue {
    let desk: Desk
    let path: String
    let results: String
    let resumes: Bool

    /// Made in one transaction, while the tenants' meters are held.
    static let batchSize = 200
    static let header = ["line", "tenant", "label", "username", "secret"]
    /// Of the input and of the results.
    private static let longestFile = 256 << 20

    func run() async throws {
        let rows = try CredentialFile(reading: path).rows
        try await check(rows)
        // A command that was interrupted before its first line has left no file to go on with.
        let resumes = resumes && access(results, F_OK) == 0
        let file = try resumes ? SecretFile(reopening: results) : SecretFile(creating: results)
        var done = 0
        do {
            if resumes {
                done = try await resume(file, rows)
            } else {
                try file.write(CSV.row(Self.header))
            }
            Interruption.listen()
            var progress = Progress("credentials", total: rows.count, isQuiet: desk.output.isJSON)
            defer { progress.end() }
            while done < rows.count {
                progress.show(done)
                if Interruption.hasCome { throw interrupted(at: rows[done].line) }
                let batch = Array(rows[done..<min(done + Self.batchSize, rows.count)])
                try await issue(batch, into: file)
                done += batch.count
            }
        } catch let error as AdministrationError {
            if done == 0, !resumes, file.length <= CSV.row(Self.header).utf8.count { file.remove() }
            let failure = await desk.failure(error, about: .other)
            throw Failure(
                failure.message + "; \(done) of \(rows.count) are made",
                hint: "the same command with --resume goes on at line \(rows[min(done, rows.count - 1)].line) of "
                    + path.printable, failure.status)
        }
        desk.output.show(
            ["issued": .number(rows.count), "results": .string(results)],
            "\(rows.count) credentials, their user names and secrets in \(results.printable) (mode 0600)\n")
    }

    private func interrupted(at line: Int) -> Failure {
        Failure(
            "interrupted before line \(line) of \(path.printable); what was made is in \(results.printable)",
            hint: "the same command with --resume goes on there")
    }

    /// Every row, before the first is made.
    private func check(_ rows: [CredentialFile.Row]) async throws {
        var problems: [String] = []
        for start in stride(from: 0, to: rows.count, by: 1000) {
            let part = rows[start..<min(start + 1000, rows.count)]
            problems += try await desk.administration.credentialProblems(part.map { ($0.tenant, $0.terms) })
                .map { "line \(rows[start + $0.index].line): \($0.problem.printable)" }
        }
        try CredentialFile.refuse(problems, in: path)
    }

    /// Written down first, made then.
    private func issue(_ rows: [CredentialFile.Row], into file: SecretFile) async throws {
        let beginning = file.length
        for attempt in 1...10 {
            let new = await Self.made(
                rows.map { ($0.tenant, Username.make(for: $0.tenant), Secret.make(), $0.terms) })
            do {
                for (row, credential) in zip(rows, new) { try file.write(Self.line(row, credential)) }
                try file.synchronize()
            } catch {
                try? file.truncate(to: beginning)
                throw error
            }
            do {
                return try await desk.administration.issueCredentials(new)
            } catch {
                if case .outcomeUnknown = error { throw error }
                // Nothing of the batch was made.
                try file.truncate(to: beginning)
                guard case .taken = error, attempt < 10 else { throw error }
            }
        }
    }

    /// Their verifiers, a millisecond each, on every core.
    private static func made(
        _ new: [(tenant: String, username: String, secret: Secret, terms: CredentialTerms)]
    ) async -> [Administration.NewCredential] {
        await withTaskGroup(of: (Int, Administration.NewCredential).self) { group in
            for (index, one) in new.enumerated() {
                group.addTask {
                    (
                        index,
                        Administration.NewCredential(
                            tenant: one.tenant, username: one.username, secret: one.secret, terms: one.terms)
                    )
                }
            }
            var made: [(Int, Administration.NewCredential)] = []
            for await one in group { made.append(one) }
            return made.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    private static func line(_ row: CredentialFile.Row, _ credential: Administration.NewCredential) -> String {
        CSV.row([
            String(row.line), row.tenant, row.terms.label ?? "", credential.username, credential.secret.exposed,
        ])
    }

    // MARK: Going on

    /// - Returns: how many rows of the input are done.
    private func resume(_ file: SecretFile, _ rows: [CredentialFile.Row]) async throws -> Int {
        var octets = try file.content(limit: Self.longestFile)
        // A line that was cut short was never asked for.
        octets.removeLast(octets.count - (octets.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0))
        try file.truncate(to: octets.count)
        let written: [CSV.Row]
        do {
            written = try CSV.rows(String(decoding: octets, as: UTF8.self))
        } catch {
            throw Failure("\(results.printable), line \(error.line): \(error.reason)")
        }
        guard let first = written.first else {
            try file.write(CSV.row(Self.header))
            return 0
        }
        guard first.cells == Self.header, written.count - 1 <= rows.count else { throw notTheResults(1) }
        var last: [Administration.NewCredential] = []
        for (row, result) in zip(rows, written.dropFirst()) {
            guard result.cells.count == Self.header.count, result.cells[0] == String(row.line),
                result.cells[1] == row.tenant, let secret = Secret(parsing: result.cells[4])
            else { throw notTheResults(result.line) }
            guard result.cells[2] == CSV.harmless(row.terms.label ?? "") else {
                throw Failure(
                    "\(path.printable), line \(row.line): the label is not the one that \(results.printable) has for it",
                    hint: "--resume wants the file as it was; what is issued is changed by `gatepost credential set`")
            }
            // Only the last batch can have been written and not made.
            guard result.line > written.count - Self.batchSize else { continue }
            if try await isMade(result.cells[3], secret) { continue }
            last.append(.init(tenant: row.tenant, username: result.cells[3], secret: secret, terms: row.terms))
        }
        if !last.isEmpty { try await desk.administration.issueCredentials(last) }
        return written.count - 1
    }

    private func isMade(_ username: String, _ secret: Secret) async throws -> Bool {
        do {
            let known = try await desk.administration.checkSecret(
                Array(secret.exposed.utf8), of: username, from: nil)
            if known.contains(where: \.matches) { return true }
        } catch {
            if case .notFound = error { return false }
            throw error
        }
        throw Failure("\(results.printable): \(username.printable) has another secret now")
    }

    private func notTheResults(_ line: Int) -> Failure {
        Failure(
            "\(results.printable), line \(line): not what `--from \(path.printable)` would have written",
            hint: "--resume wants the results of the same, unchanged file")
    }
}

/// The rows of `--from`, every cell understood.
struct CredentialFile {
    struct Row: Sendable {
        /// Where it stands in the file, from 1.
        var line: Int
        var tenant: String
        var terms: CredentialTerms
    }

    let rows: [Row]

    init(reading path: String) throws {
        let text: String
        do {
            let bytes = try readFile(path, limit: 256 << 20).bytes
            guard let valid = String(validating: bytes, as: UTF8.self) else {
                throw Failure("the file \(path.printable) is not UTF-8", .usage)
            }
            text = valid
        } catch let error as FileReadError {
            throw Failure("\(error.path.printable): \(error.reason)")
        }
        try self.init(text, path: path)
    }

    init(_ text: String, path: String) throws {
        let rows: [CSV.Row]
        do {
            rows = try CSV.rows(text)
        } catch {
            throw Failure("\(path.printable), line \(error.line): \(error.reason)", .usage)
        }
        guard let header = rows.first else { throw Failure("the file \(path.printable) is empty", .usage) }
        let columns = try Self.columns(header.cells, path)
        var problems: [String] = []
        var understood: [Row] = []
        let now = Instant.now
        for row in rows.dropFirst() {
            guard row.cells.count == columns.count else {
                problems.append("line \(row.line): \(row.cells.count) values, and \(columns.count) columns")
                continue
            }
            do {
                understood.append(try Self.row(row, columns, now))
            } catch let problem as ArgumentProblem {
                problems.append("line \(row.line): \(problem.description)")
            }
        }
        try Self.refuse(problems, in: path)
        guard !understood.isEmpty else { throw Failure("the file \(path.printable) has no row", .usage) }
        self.rows = understood
    }

    /// All that is wrong, or at least the beginning of it.
    static func refuse(_ problems: [String], in path: String) throws(Failure) {
        guard !problems.isEmpty else { return }
        let shown = problems.prefix(20).map { "\n  " + $0 }.joined()
        let more = problems.count > 20 ? "\n  and \(problems.count - 20) more" : ""
        throw Failure(
            "\(problems.count) rows of \(path.printable) cannot be; nothing was made:\(shown)\(more)",
            hint: "`gatepost credential issue --help` has the columns", .usage)
    }

    // MARK: Columns

    private typealias Understanding = @Sendable (String, Instant, inout Row) throws -> Void

    private static let known: [(name: String, understand: Understanding)] = [
        ("tenant", { text, _, row in row.tenant = try ArgumentText.slug(text) }),
        ("label", { text, _, row in row.terms.label = try ArgumentText.line(text) }),
        ("mode", { text, _, row in row.terms.mode = try ArgumentText.mode(text) }),
        ("daily", { text, _, row in row.terms.daily = try ArgumentText.limit(text) }),
        ("monthly", { text, _, row in row.terms.monthly = try ArgumentText.limit(text) }),
        ("rate", { text, _, row in row.terms.rate = try ArgumentText.rate(text) }),
        ("burst", { text, _, row in row.terms.burst = try ArgumentText.burst(text) }),
        ("bytes_daily", { text, _, row in row.terms.bytesDaily = try ArgumentText.byteLimit(text) }),
        ("message_size", { text, _, row in row.terms.messageSize = try ArgumentText.messageSizeLimit(text) }),
        (
            "recipients_per_message",
            { text, _, row in row.terms.recipientsPerMessage = try ArgumentText.recipientLimit(text) }
        ),
        ("sessions", { text, _, row in row.terms.sessions = try ArgumentText.sessions(text) }),
        ("networks", { text, _, row in row.terms.networks = try words(text).map(ArgumentText.network) }),
        ("senders", { text, _, row in row.terms.senders = try words(text).map(ArgumentText.sender) }),
        ("mechanisms", { text, _, row in row.terms.mechanisms = try words(text).flatMap(ArgumentText.mechanism) }),
        ("not_before", { text, now, row in row.terms.notBefore = try ArgumentText.beginning(text, now: now) }),
        ("expires", { text, now, row in row.terms.expires = try ArgumentText.end(text, now: now) }),
    ]

    /// A cell that is not empty says something: blanks alone would be any network, any sender.
    private static func words(_ text: String) throws -> [String] {
        let words = text.split(separator: " ").map(String.init)
        guard !words.isEmpty else { throw ArgumentProblem("expected words apart by blanks, or nothing") }
        return words
    }

    private static func columns(_ names: [String], _ path: String) throws(Failure) -> [(
        name: String, understand: Understanding
    )] {
        var columns: [(name: String, understand: Understanding)] = []
        for name in names {
            guard let column = known.first(where: { $0.name == name }) else {
                let near = known.map(\.name).nearest(to: name).map { "did you mean `\($0)`? " } ?? ""
                throw Failure(
                    "\(path.printable) has a column `\(name.shortened(to: 60).printable)`, which there is not",
                    hint: near + "there are \(known.map(\.name).joined(separator: ", "))", .usage)
            }
            guard !columns.contains(where: { $0.name == name }) else {
                throw Failure("\(path.printable) has the column `\(name)` twice", .usage)
            }
            columns.append(column)
        }
        guard names.contains("tenant") else {
            throw Failure("\(path.printable) has no column `tenant`", hint: "its first row names the columns", .usage)
        }
        return columns
    }

    private static func row(
        _ row: CSV.Row, _ columns: [(name: String, understand: Understanding)], _ now: Instant
    ) throws -> Row {
        var made = Row(line: row.line, tenant: "", terms: CredentialTerms())
        for (column, cell) in zip(columns, row.cells) where !cell.isEmpty || column.name == "tenant" {
            do {
                try column.understand(cell, now, &made)
            } catch let problem as ArgumentProblem {
                throw ArgumentProblem(
                    "\(column.name) `\(cell.shortened(to: 60).printable)`: \(problem.description)")
            }
        }
        return made
    }
}

/// Ctrl-C, remembered until a moment at which everything is consistent.
private enum Interruption {
    private static let flag = Atomic<Bool>(false)

    static var hasCome: Bool { flag.load(ordering: .relaxed) }

    /// Does what a signal handler may do, and no more.
    private static let remember: @convention(c) (Int32) -> Void = { number in
        flag.store(true, ordering: .relaxed)
        signal(number, SIG_DFL)
    }

    /// A second one ends the program as it always would.
    static func listen() {
        signal(SIGINT, remember)
        signal(SIGTERM, remember)
    }
}
