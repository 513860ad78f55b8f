import Foundation
import Postgres
import SQL
import TestSupport
import Testing

/// The migration itself: the committed dump, and who may run it.
@Suite struct SchemaTests {
    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().appending(path: "SQL")

    @Test func `schema.sql is what a migrated database has (make schema rewrites it)`() async throws {
        let database = try await PrivateDatabase.create()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = [Self.folder.appending(path: "dump-schema.sh").path, database.url()]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let dump = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        let committed = try String(contentsOf: Self.folder.appending(path: "schema.sql"), encoding: .utf8)
        let difference = dump.split(separator: "\n").difference(from: committed.split(separator: "\n"))
        #expect(difference.isEmpty, "\(difference.map { "\($0)" }.joined(separator: "\n"))")
    }

    @Test func `any role that may create roles can migrate its own database, and everything is gatepost_owner's`()
        async throws
    {
        // Roles are the cluster's: this needs one that is not a superuser, and a database that is its.
        let database = try await PrivateDatabase.createEmpty()
        let superuser = database.connection()
        try await superuser.script(
            """
            DROP ROLE IF EXISTS dba_of_any_name; CREATE ROLE dba_of_any_name LOGIN CREATEROLE;
            ALTER DATABASE \(database.name) OWNER TO dba_of_any_name;
            """)
        let dba = DatabaseConnection(
            DatabaseConfiguration(url: database.cluster.url(user: "dba_of_any_name", database: database.name)))
        for file in SQLFiles.migrations + SQLFiles.functions {
            try await dba.script("BEGIN; SET client_min_messages = error; \(file.text); COMMIT")
        }
        let foreign = try await superuser.query(
            """
            SELECT c.oid::regclass::text AS name FROM pg_class c
            WHERE c.relnamespace::regnamespace::text IN ('gatepost', 'ledger', 'admin')
              AND c.relowner <> 'gatepost_owner'::regrole
            UNION ALL
            SELECT p.oid::regprocedure::text FROM pg_proc p
            WHERE p.pronamespace::regnamespace::text IN ('gatepost', 'ledger', 'admin')
              AND p.proowner <> 'gatepost_owner'::regrole
            """)
        #expect(try foreign.map { try $0.string("name") } == [])
        // Applied again, as after a change: nothing is made twice.
        for file in SQLFiles.functions {
            try await dba.script("BEGIN; SET client_min_messages = error; \(file.text); COMMIT")
        }
        let doubles = try await superuser.query(
            """
            SELECT p.proname AS name FROM pg_proc p
            WHERE p.pronamespace::regnamespace::text IN ('gatepost', 'ledger', 'admin')
            GROUP BY p.pronamespace, p.proname HAVING count(*) > 1
            """)
        #expect(doubles.isEmpty)
    }

    @Test func `every function's file opens with its contract`() {
        for file in SQLFiles.functions where !file.name.hasSuffix("views") {
            let head = file.text.prefix { $0 != "\n" }
            let isContract = head.wholeMatch(of: /-- (ledger|admin|gatepost|report)\.[a-z_]+: .+/) != nil
            #expect(isContract, "\(file.name): \(head)")
            for word in ["Role", "Locks"] { #expect(file.text.contains(word), "\(file.name) says nothing of \(word)") }
        }
    }
}
