package import Logging
package import Postgres
internal import SMTP

/// Notices warnings: one line in the log of one node, and one mail to the tenant's contact, however many nodes look.
///
/// Whoever marks the warning's row has noticed it; the mail is stored in the same transaction.
package struct Notifier: Sendable {
    private let connection: DatabaseConnection
    private let mail: @Sendable (LimitWarning) -> LimitMail?
    private let logger: Logger
    private static let chunk: Int32 = 100

    /// - Parameter mail: makes the mail about a warning; nil: there is to be none.
    package init(
        _ database: DatabaseConfiguration, logger: Logger, mail: @escaping @Sendable (LimitWarning) -> LimitMail?
    ) {
        connection = DatabaseConnection(database, name: "notifier")
        self.logger = logger
        self.mail = mail
    }

    /// In the background until cancelled, every 5 s.
    package func run() async {
        var isAway = false
        while !Task.isCancelled {
            do throws(DatabaseError) {
                _ = try await runOnce()
                isAway = false
            } catch {
                if !isAway { logger.warning("warnings could not be read", metadata: ["reason": "\(error)"]) }
                isAway = true
            }
            try? await Task.sleep(for: .seconds(5))
        }
        await connection.close()
    }

    /// Everything that nobody has noticed yet. Returns what was noticed here.
    package func runOnce() async throws(DatabaseError) -> [LimitWarning] {
        var noticed: [LimitWarning] = []
        while !Task.isCancelled {
            let rows = try await connection.query(
                "SELECT w.*, w.starts::pg_catalog.text AS starts_text FROM ledger.warnings($1) AS w",
                [.int32(Self.chunk)])
            for row in rows {
                let warning = try LimitWarning(row)
                if try await notice(warning) { noticed.append(warning) }
            }
            if rows.count < Int(Self.chunk) { break }
        }
        return noticed
    }

    private func notice(_ warning: LimitWarning) async throws(DatabaseError) -> Bool {
        let mail = mail(warning)
        let rows = try await connection.query(
            """
            SELECT ledger.warning_noticed($1, $2, $3, $4::pg_catalog.date, $5, $6, $7, $8, $9) AS mine
            """,
            [
                .int64(warning.tenantID), .int64(warning.credentialID), .text(warning.limit), .text(warning.starts),
                .int32(warning.percent), .optional(mail?.recipient.description),
                .optional(mail?.recipient.domain.name), .optional(mail?.content),
                .bool(mail?.recipient.isInternationalized ?? false),
            ])
        guard try rows.first?.bool("mine") == true else { return false }
        logger.notice(
            "limit warning",
            metadata: [
                "tenant": "\(warning.tenant)", "credential": "\(warning.credential ?? "")", "limit": "\(warning.limit)",
                "percent": .stringConvertible(warning.percent), "cap": .stringConvertible(warning.cap),
                "used": .stringConvertible(warning.used), "mailed": "\(mail?.recipient.description ?? "")",
            ])
        return true
    }
}
