import Postgres
import TestSupport
import Testing

@Suite struct MigratorTests {
    static let roles = SchemaFile(
        kind: .migration, name: "0001_roles.sql",
        text:
            "DO $$ BEGIN CREATE ROLE gatepost_owner LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;"
            + " ALTER SCHEMA gatepost OWNER TO gatepost_owner; ALTER TABLE gatepost.schema_file OWNER TO gatepost_owner"
    )
    static let table = SchemaFile(
        kind: .migration, name: "0002_table.sql", text: "CREATE TABLE gatepost.t (a int);\n")
    static func function(returning value: Int) -> SchemaFile {
        SchemaFile(
            kind: .function, name: "one.sql",
            text: "CREATE OR REPLACE FUNCTION gatepost.one() RETURNS int LANGUAGE sql AS 'SELECT \(value)'")
    }

    @Test func `migrations apply once, functions again when they change`() async throws {
        let connection = try await PrivateDatabase.createEmpty().connection()
        let first = Migrator(migrations: [Self.roles], functions: [Self.function(returning: 1)])
        #expect(try await first.migrate(connection).migrations == [Self.roles])
        #expect(try await first.migrate(connection).isEmpty)

        let second = Migrator(migrations: [Self.table, Self.roles], functions: [Self.function(returning: 2)])
        #expect(try await second.plan(connection).text.contains("CREATE TABLE gatepost.t"))
        let done = try await second.migrate(connection)
        #expect(done.migrations == [Self.table])
        #expect(done.functions == [Self.function(returning: 2)])
        #expect(try await connection.query("SELECT gatepost.one() AS one")[0].int64("one") == 2)
        try await second.checkServes(connection)
    }

    @Test func `a schema whose owner or whose grants a restore has lost is not up to date`() async throws {
        let connection = try await PrivateDatabase.create().connection()
        try await Migrator.embedded.migrate(connection)
        for (loss, words) in [
            ("ALTER SCHEMA ledger OWNER TO postgres", "the schema belongs to postgres, not to gatepost_owner"),
            ("REVOKE USAGE ON SCHEMA admin FROM gatepost_admin", "gatepost_admin may not use the schema"),
        ] {
            try await connection.query("BEGIN")
            try await connection.query(loss)
            let error = await #expect(throws: MigrationError.self) { _ = try await Migrator.embedded.plan(connection) }
            #expect(error?.message.hasPrefix(words) == true, "\(String(describing: error))")
            try await connection.query("ROLLBACK")
        }
        #expect(try await Migrator.embedded.plan(connection).isEmpty)
    }

    @Test func `twenty migrations at once do it once`() async throws {
        let database = try await PrivateDatabase.createEmpty()
        let migrator = Migrator(migrations: [Self.roles, Self.table], functions: [Self.function(returning: 1)])
        let applied = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<20 {
                group.addTask { try await migrator.migrate(database.connection()).migrations.count }
            }
            return try await group.reduce(0, +)
        }
        #expect(applied == 2)
    }

    @Test func `a changed and an unknown migration are refused, and nothing is touched`() async throws {
        let connection = try await PrivateDatabase.createEmpty().connection()
        try await Migrator(migrations: [Self.roles, Self.table], functions: []).migrate(connection)
        let changed = SchemaFile(kind: .migration, name: Self.table.name, text: "CREATE TABLE gatepost.t (b int)")
        let extra = SchemaFile(kind: .function, name: "two.sql", text: "SELECT 1")
        let changing = await #expect(throws: MigrationError.self) {
            try await Migrator(migrations: [Self.roles, changed], functions: [extra]).migrate(connection)
        }
        #expect(changing?.message.contains("0002_table.sql is not the one that was applied") == true)
        let older = await #expect(throws: MigrationError.self) {
            try await Migrator(migrations: [Self.roles], functions: [extra]).migrate(connection)
        }
        #expect(older?.message.contains("migration 0002_table.sql, which this binary does not know") == true)
        #expect(try await connection.query("SELECT FROM gatepost.schema_file").count == 2)
    }

    @Test func `a migration that fails leaves the ones before it and nothing of its own`() async throws {
        let connection = try await PrivateDatabase.createEmpty().connection()
        let broken = SchemaFile(
            kind: .migration, name: "0003_broken.sql", text: "CREATE TABLE gatepost.u (); SELECT 1/0")
        await #expect(throws: DatabaseError.self) {
            try await Migrator(migrations: [Self.roles, Self.table, broken], functions: []).migrate(connection)
        }
        let there = try await connection.query(
            "SELECT to_regclass('gatepost.u')::text AS u, count(*) AS n FROM gatepost.schema_file")
        #expect(try there[0].stringOrNil("u") == nil)
        #expect(try there[0].int64("n") == 2)
    }

    @Test func `a node serves on a newer schema only when that allows it`() async throws {
        let connection = try await PrivateDatabase.createEmpty().connection()
        let ours = Migrator(migrations: [Self.roles], functions: [Self.function(returning: 1)])
        let none = await #expect(throws: MigrationError.self) { try await ours.checkServes(connection) }
        #expect(none?.hint == "create it with `gatepost migrate`")
        try await ours.migrate(connection)

        func newer(_ number: Int, oldestNode: String) -> SchemaFile {
            SchemaFile(
                kind: .migration, name: "000\(number)_newer.sql", text: "-- oldest node: \(oldestNode)\nSELECT 1")
        }
        var migrations = [Self.roles, newer(2, oldestNode: "0.1.0")]
        try await Migrator(
            migrations: migrations, functions: [Self.function(returning: 2)], release: Release(0, 2, 0)
        ).migrate(connection)
        try await ours.checkServes(connection)

        migrations.append(newer(3, oldestNode: "0.3.0"))
        try await Migrator(
            migrations: migrations, functions: [Self.function(returning: 2)], release: Release(0, 3, 1)
        ).migrate(connection)
        let refused = await #expect(throws: MigrationError.self) { try await ours.checkServes(connection) }
        #expect(refused?.message.contains("made for gatepost 0.3.0 or newer and this is 0.1.0") == true)
        #expect(refused?.hint.contains("run gatepost 0.3.1") == true)
    }

    @Test func `a missing migration and a stale function ask for gatepost migrate`() async throws {
        let connection = try await PrivateDatabase.createEmpty().connection()
        try await Migrator(migrations: [Self.roles], functions: [Self.function(returning: 1)]).migrate(connection)
        for migrator in [
            Migrator(migrations: [Self.roles, Self.table], functions: []),
            Migrator(migrations: [Self.roles], functions: [Self.function(returning: 2)]),
        ] {
            let refused = await #expect(throws: MigrationError.self) { try await migrator.checkServes(connection) }
            #expect(refused?.hint == "bring it up to date with `gatepost migrate`")
        }
    }
}
