import Postgres
import Tenancy
import Testing

@testable import gatepost

@Suite struct `A failure of the database's` {
    private func failure(_ error: AdministrationError) async throws -> Failure {
        let settings = try Settings.load(
            path: nil, environment: ["GATEPOST_DATABASE_URL": "host=/nonexistent user=u password=hunter2 dbname=d"])
        let database = try settings.database(as: .admin)
        let desk = Desk(
            settings: settings, administration: Administration(DatabaseConnection(database), user: "alice"),
            output: Output(isJSON: false), database: database, role: .admin)
        return await desk.failure(error, about: .other)
    }

    @Test(arguments: [
        (AdministrationError.notFound("no x"), gatepost.ExitStatus.failed), (.taken("x"), .failed),
        (.invalid("x"), .usage),
        (.denied("x"), .denied), (.loginRefused("x"), .denied), (.schemaMissing("x"), .failed),
        (.unreachable("x"), .unavailable),
        (.outcomeUnknown("x"), .unavailable), (.busy("x"), .unavailable), (.failed("x"), .failed),
    ])
    func `ends with the documented status and tells no password`(
        error: AdministrationError, status: gatepost.ExitStatus
    ) async throws {
        let failure = try await failure(error)
        #expect(failure.status == status)
        #expect(!failure.text.contains("hunter2"))
    }

    @Test func `of a connection has the hint that its words ask for`() async throws {
        let server = "connection to server at \"127.0.0.1\", port 5432 failed: "
        let missing = try await failure(.unreachable(server + "FATAL: database \"d\" does not exist"))
        #expect(missing.hint?.contains("has no such database: make it (`createdb`)") == true, "\(missing.text)")
        let away = try await failure(.unreachable(server + "Connection refused"))
        #expect(away.hint?.contains("is PostgreSQL up at") == true, "\(away.text)")
        let rejected = DatabaseError(
            .unreachable, server + "FATAL: pg_hba.conf rejects connection for host \"127.0.0.1\", user \"u\"")
        #expect(rejected.isRefusedLogin)
    }

    @Test func `says so when the outcome is unknown, and what to do`() async throws {
        let failure = try await failure(.outcomeUnknown("server closed the connection\u{1b}"))
        #expect(failure.message.hasPrefix("outcome unknown: "))
        #expect(failure.hint?.contains("give the same command again") == true)
        #expect(!failure.text.contains("\u{1b}"))
    }
}
