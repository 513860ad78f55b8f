import Logging
import Postgres
import TestSupport
import Testing

@testable import Tenancy

extension Directory {
    /// As a node has it.
    convenience init(_ database: PrivateDatabase) {
        let configuration = database.configuration(as: .node)
        self.init(DatabasePool(configuration), LoginReader(configuration, logger: Logger(label: "test")))
    }
}

@Suite(.timeLimit(.minutes(10))) struct `The reader of logins` {
    private func read(_ reader: LoginReader, _ name: String) async -> Result<Login?, any Error> {
        await withCheckedContinuation { continuation in
            reader.read(name) { continuation.resume(returning: $0) }
        }
    }

    private func site() async throws -> (database: PrivateDatabase, names: [String]) {
        let database = try await PrivateDatabase.create()
        let admin = Administration(database.connection(as: .admin), user: "alice")
        try await admin.createTenant("acme", TenantChanges())
        var names: [String] = []
        for _ in 0..<3 { names.append(try await admin.issueCredential(for: "acme", .init()).0) }
        return (database, names)
    }

    @Test func `answers each of many names with its own login`() async throws {
        let (database, known) = try await site()
        let reader = LoginReader(database.configuration(as: .node), logger: Logger(label: "test"))
        // More than one call takes; and one that PostgreSQL refuses to read, which must not be the others' misfortune.
        let names = (0..<200).map { $0 % 7 == 0 ? known[$0 % 3] : "nobody.\($0)" } + ["a\0b"]
        let answers = await withTaskGroup(of: (String, Result<Login?, any Error>).self) { group in
            for name in names { group.addTask { (name, await read(reader, name)) } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.count == names.count)
        for (name, answer) in answers {
            switch answer {
            case .success(let login): #expect(login?.name == (known.contains(name) ? name : nil))
            case .failure(let error): #expect(name == "a\0b" && (error as? DatabaseError)?.kind == .refused)
            }
        }
        await reader.shutdown()
        await #expect(throws: DatabaseError.self) { try await read(reader, known[0]).get() }
    }

    @Test func `comes back when the connection was lost`() async throws {
        let (database, known) = try await site()
        let reader = LoginReader(database.configuration(as: .node), logger: Logger(label: "test"))
        #expect(try await read(reader, known[0]).get()?.name == known[0])
        try await database.connection().query(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE query LIKE '%ledger.login%' AND pid <> pg_backend_pid() AND datname = current_database()
            """
        )
        let isBack = await eventually { (try? await read(reader, known[1]).get()?.name) == known[1] }
        #expect(isBack)
        await reader.shutdown()
    }

    @Test func `prepares its statement anew where it is outdated`() async throws {
        let (database, known) = try await site()
        let reader = LoginReader(database.configuration(as: .node), logger: Logger(label: "test"))
        #expect(try await read(reader, known[0]).get()?.name == known[0])
        // As a later version might: another type in a column, which a prepared statement does not survive.
        try await database.connection().script(
            """
            CREATE SCHEMA before;
            ALTER FUNCTION ledger.login(text) SET SCHEMA before;
            GRANT USAGE ON SCHEMA before TO PUBLIC;
            DO $do$ BEGIN
                EXECUTE format(
                    'CREATE FUNCTION ledger.login(name text) RETURNS %s LANGUAGE sql SECURITY DEFINER
                     AS $$ SELECT * FROM before.login(name) $$',
                    replace(pg_get_function_result('before.login'::regproc), 'tenant text', 'tenant varchar'));
            END $do$;
            GRANT EXECUTE ON FUNCTION ledger.login(text) TO gatepost_node;
            """)
        let answer = await read(reader, known[1])
        #expect(throws: DatabaseError.self) { try answer.get() }
        #expect(try await read(reader, known[1]).get()?.name == known[1])
        await reader.shutdown()
    }

    @Test func `tells at once where the database is away`() async throws {
        let database = DatabaseConfiguration(url: "host=127.0.0.1 port=1 user=gatepost_node dbname=none")
        let reader = LoginReader(database, logger: Logger(label: "test"))
        for _ in 0..<3 {
            await #expect(throws: DatabaseError.self) { try await read(reader, "acme.1").get() }
        }
        await reader.shutdown()
    }
}
