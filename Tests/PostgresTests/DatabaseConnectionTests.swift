import Postgres
import TestSupport
import Testing

@Suite struct DatabaseConnectionTests {
    @Test func `a connection pins what accept relies on, whatever the role says`() async throws {
        let database = try await PrivateDatabase.createEmpty()
        let superuser = database.connection()
        try await superuser.script(
            """
            ALTER DATABASE \(database.name) SET default_transaction_isolation = 'repeatable read';
            ALTER DATABASE \(database.name) SET synchronous_commit = off;
            ALTER DATABASE \(database.name) SET statement_timeout = '1s';
            ALTER DATABASE \(database.name) SET client_min_messages = error
            """)
        var configuration = database.configuration()
        configuration.isAdministrative = true
        let connection = DatabaseConnection(configuration)
        let row = try #require(
            try await connection.query(
                """
                SELECT current_setting('transaction_isolation') AS isolation,
                       current_setting('synchronous_commit') AS synchronous,
                       current_setting('statement_timeout') AS statement,
                       current_setting('client_min_messages') AS messages,
                       current_setting('idle_in_transaction_session_timeout') AS idle
                """
            ).first)
        #expect(try row.string("isolation") == "read committed")
        #expect(try row.string("synchronous") == "on")
        #expect(try row.string("statement") == "0")
        #expect(try row.string("messages") == "warning")
        #expect(try row.string("idle") == "10s")
    }

    @Test func `a refusal has its SQLSTATE and constraint, and the connection goes on`() async throws {
        let connection = try await PrivateDatabase.createEmpty().connection()
        try await connection.script("CREATE TABLE public.t (id int CONSTRAINT t_one PRIMARY KEY)")
        try await connection.query("INSERT INTO public.t VALUES (1)")
        let failure = await #expect(throws: DatabaseError.self) {
            try await connection.query("INSERT INTO public.t VALUES (1)")
        }
        #expect(failure?.kind == .refused)
        #expect(failure?.sqlState == "23505")
        #expect(failure?.constraint == "t_one")
        #expect(try await connection.query("SELECT FROM public.t").count == 1)
    }

    @Test func `a warning before the end of a commit is doubt`() async throws {
        let connection = try await PrivateDatabase.createEmpty().connection()
        let failure = await #expect(throws: DatabaseError.self) {
            try await connection.script("DO $$ BEGIN RAISE WARNING 'only local' USING ERRCODE = '01000'; END $$")
        }
        #expect(failure?.kind == .doubt)
        #expect(failure?.sqlState == "01000")
        try await connection.script("DO $$ BEGIN RAISE NOTICE 'harmless'; END $$")
    }

    @Test func `a server that has become read-only is left for another connection`() async throws {
        let connection = try await PrivateDatabase.createEmpty().connection()
        try await connection.query("SET default_transaction_read_only = on")
        let failure = await #expect(throws: DatabaseError.self) {
            try await connection.query("CREATE TABLE public.t ()")
        }
        #expect(failure?.sqlState == "25006")
        try await connection.query("CREATE TABLE public.t ()")
    }

    @Test func `a connection whose server ended it while idle is replaced without a failure`() async throws {
        let database = try await PrivateDatabase.createEmpty()
        let (idle, other) = (database.connection(), database.connection())
        let backend = try await idle.query("SELECT pg_backend_pid() AS pid")[0].int64("pid")
        try await other.query("SELECT pg_terminate_backend($1::int)", [.int32(Int32(backend))])
        #expect(
            try await eventually {
                try await other.query("SELECT FROM pg_stat_activity WHERE pid = $1", [.int64(backend)]).isEmpty
            })
        #expect(try await idle.query("SELECT pg_backend_pid() AS pid")[0].int64("pid") != backend)
    }

    @Test func `a backend killed in a statement is doubt; the next statement has a new connection`() async throws {
        let database = try await PrivateDatabase.createEmpty()
        let (victim, other) = (database.connection(), database.connection())
        let backend = try await victim.query("SELECT pg_backend_pid() AS pid").first?.int64("pid") ?? 0
        async let failure = #expect(throws: DatabaseError.self) { try await victim.query("SELECT pg_sleep(60)") }
        #expect(
            await eventually {
                (try? await other.query(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND query LIKE '%sleep%'",
                    [.int64(backend)]))?.isEmpty == false
            })
        #expect(await failure?.kind == .doubt)
        #expect(try await victim.query("SELECT pg_backend_pid() AS pid").first?.int64("pid") != backend)
    }

    @Test func `a connection lost inside a transaction has had no effect and is not replaced under it`() async throws {
        let database = try await PrivateDatabase.createEmpty()
        let connection = database.connection()
        let failure = await #expect(throws: DatabaseError.self) {
            try await connection.transaction { connection in
                try connection.query("CREATE TABLE public.t ()")
                _ = try? connection.query("SELECT pg_terminate_backend(pg_backend_pid())")
                try connection.query("CREATE TABLE public.u ()")
            }
        }
        #expect(failure?.kind == .unreachable)
        let there = try await connection.query("SELECT FROM pg_class WHERE relname IN ('t', 'u')")
        #expect(there.isEmpty)
    }

    @Test func `what a transaction's body throws rolls back and is thrown on`() async throws {
        struct Stop: Error {}
        let connection = try await PrivateDatabase.createEmpty().connection()
        await #expect(throws: Stop.self) {
            try await connection.transaction { connection in
                try connection.query("CREATE TABLE public.t ()")
                throw Stop()
            }
        }
        #expect(try await connection.query("SELECT FROM pg_class WHERE relname = 't'").isEmpty)
    }

    @Test func `a server that is not there is unreachable, a bad string and a bad file are configuration`() async {
        let nobody = DatabaseConfiguration(url: "host=127.0.0.1 port=\(FreePort.find()) user=x dbname=x")
        #expect(await Self.kindOfFailure(nobody) == .unreachable)
        #expect(await Self.kindOfFailure(DatabaseConfiguration(url: "host=127.0.0.1 prot=1")) == .configuration)
        #expect(await Self.kindOfFailure(DatabaseConfiguration(url: "", passwordFile: "/nowhere")) == .configuration)
        #expect(await Self.kindOfFailure(DatabaseConfiguration(url: "host=::1 sslmode=maybe")) == .configuration)
        #expect(await Self.kindOfFailure(DatabaseConfiguration(url: "host=::1 port=none")) == .configuration)
    }

    @Test func `a description and an error never show the password`() async {
        let configuration = DatabaseConfiguration(url: "postgres://u:hunter2@127.0.0.1:1/d")
        #expect(configuration.description == "host=127.0.0.1 port=1 user=u dbname=d")
        let broken = DatabaseConnection(DatabaseConfiguration(url: "password=hunter2 =hunter2"))
        let failure = await #expect(throws: DatabaseError.self) { try await broken.connect() }
        #expect(failure?.description.contains("hunter2") == false)
    }

    @Test func `the pool serves more callers than it has connections`() async throws {
        let pool = DatabasePool(try await PrivateDatabase.createEmpty().configuration(), connections: 2)
        let sum = try await withThrowingTaskGroup(of: Int64.self) { group in
            for number in 1...50 {
                group.addTask { try await pool.query("SELECT $1 AS n", [.int64(Int64(number))])[0].int64("n") }
            }
            return try await group.reduce(0, +)
        }
        #expect(sum == 50 * 51 / 2)
        await pool.shutdown()
    }

    private static func kindOfFailure(_ configuration: DatabaseConfiguration) async -> DatabaseError.Kind? {
        do {
            try await DatabaseConnection(configuration).connect()
            return nil
        } catch {
            return error.kind
        }
    }
}
