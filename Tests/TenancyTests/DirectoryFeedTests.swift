import Postgres
import TestSupport
import Testing

@testable import Tenancy

/// The directory, the listener and operators' changes together.
@Suite(.timeLimit(.minutes(10))) struct `The directory's ear` {
    @Test func `hears of a revocation, and of nothing while LISTEN is lost`() async throws {
        let database = try await PrivateDatabase.create()
        let admin = Administration(database.connection(as: .admin), user: "alice")
        try await admin.createTenant("acme", TenantChanges())
        let (username, _) = try await admin.issueCredential(for: "acme", .init())

        let directory = Directory(database)
        let listener = Listener(database.configuration(as: .node), channels: [DirectoryChange.channel])
        let feed = Task { for await event in listener.events { directory.hear(event) } }
        defer {
            listener.shutdown()
            feed.cancel()
        }
        var changes = directory.changes().makeAsyncIterator()
        // Remembered at last: the listener is up.
        let owner = database.connection()
        let isRemembering = try await eventually {
            _ = try await directory.login(named: username)
            return directory.isRemembering(username)
        }
        #expect(isRemembering)
        #expect(await changes.next() == .everything)

        let login = try #require(try await directory.login(named: username))
        #expect(try await admin.revokeCredential(username, reason: nil))
        #expect(await changes.next() == .credential(login.credentialID))
        #expect(!directory.isRemembering(username))
        #expect(try await directory.login(named: username)?.credentialRevokedAt != nil)

        #expect(try await admin.suspendTenant("acme", reason: nil, holdQueue: false))
        #expect(await changes.next() == .tenant(login.tenantID))

        #expect(
            await eventually {
                (try? await directory.login(named: username)) != nil && directory.isRemembering(username)
            })
        try await owner.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
        )
        #expect(await changes.next() == .everything)
    }
}
