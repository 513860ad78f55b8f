import Glibc
import Postgres
import TestSupport
import Testing

extension EndToEnd {
    /// Promises 1, 2 and 5 under load and death.
    @Suite struct ExactnessTests {
        @Test func `two nodes, 64 sessions, a low cap and a SIGKILL: nothing is lost or miscounted`() async throws {
            let site = try await Site()
            let cap: Int64 = 400
            let credential = try site.tenant(
                "acme", "--daily", "\(cap)", "--sessions", "200", "--monthly", "unlimited", "--policy", "defer")
            let first = try await site.serve()
            let second = try await site.serve("submission")
            let journalFile = "\(site.folder)/journal"
            let load = try site.client(
                "load.py", journalFile, site.ca, credential.username, credential.secretFile, "64", "1000", "90",
                "news@acme.example", "\(first.port)", "\(second.port)")
            // In the middle: some are in, and the cap is not reached.
            #expect(
                await eventually(within: .seconds(60)) { Journal(journalFile).acknowledged.count > 100 })
            second.process.signal(SIGKILL)
            second.process.wait()
            load.wait()
            let journal = Journal(journalFile)
            #expect(journal.isDone)
            #expect(journal.refused.values.contains { $0.hasPrefix("450 4.7.1") } || journal.tried.count < 1000)
            try await site.judge(journal, tenant: "acme", cap: cap)
            // The cap was reached to the last recipient: the room of what died is not lost.
            let used = try await site.sql.query(
                "SELECT recipients FROM gatepost.usage WHERE credential_id = 0 AND period = 'day'")
            #expect(try used.first?.int64("recipients") == cap)
            await site.expectArrival(of: journal)
        }
    }
}
