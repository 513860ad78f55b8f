import Postgres
import TestSupport
import Testing

@Suite struct ListenerTests {
    @Test(.timeLimit(.minutes(10)))
    func `a listener hears, says when it lost the server, and hears again by itself`() async throws {
        let database = try await PrivateDatabase.createEmpty()
        let connection = database.connection()
        let listener = Listener(database.configuration(), channels: ["gatepost_directory"])
        var events = listener.events.makeAsyncIterator()
        #expect(await events.next() == .connected)

        try await connection.query("SELECT pg_notify('gatepost_directory', 'tenant:1')")
        #expect(await events.next() == .notification(channel: "gatepost_directory", payload: "tenant:1"))

        try await connection.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = $1",
            [.text(database.name)])
        guard case .lost = await events.next() else {
            Issue.record("the loss was not told")
            return
        }
        #expect(await events.next() == .connected)
        try await connection.query("SELECT pg_notify('gatepost_directory', 'everything')")
        #expect(await events.next() == .notification(channel: "gatepost_directory", payload: "everything"))
        listener.shutdown()
        #expect(await events.next() == nil)
    }
}
