import Postgres
import TestSupport
import Testing

@Suite struct EmbeddedSchemaTests {
    @Test func `the schema of this binary is in every test's database, and nodes may serve on it`() async throws {
        let database = try await PrivateDatabase.create()
        for role in [PrivateDatabase.Role.superuser, .node, .admin] {
            try await Migrator.embedded.checkServes(database.connection(as: role))
        }
        #expect(try await Migrator.embedded.plan(database.connection()).isEmpty)
    }

    @Test func `the owner can migrate once an administrator has made the roles`() async throws {
        _ = try await PrivateDatabase.create()  // makes the roles, which the whole cluster shares
        let database = try await PrivateDatabase.createEmpty()
        try await database.connection().query("GRANT CREATE ON DATABASE \(database.name) TO gatepost_owner")
        try await Migrator.embedded.migrate(database.connection(as: .owner))
        try await Migrator.embedded.checkServes(database.connection(as: .node))
    }

    @Test func `a node may read which schema it works on and write none of it`() async throws {
        let node = try await PrivateDatabase.create().connection(as: .node)
        let failure = await #expect(throws: DatabaseError.self) {
            try await node.query("DELETE FROM gatepost.schema_file")
        }
        #expect(failure?.sqlState == "42501")
    }
}
