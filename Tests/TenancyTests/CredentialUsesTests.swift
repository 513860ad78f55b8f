import Postgres
import Synchronization
import TestSupport
import Testing

@testable import Tenancy

@Suite struct `The uses of credentials` {
    private struct Away: Error {}

    @Test func `are written once for many, and kept where they cannot be written`() async throws {
        let written = Mutex(0)
        let isAway = Mutex(true)
        let uses = CredentialUses { _ in
            if isAway.withLock({ $0 }) { throw Away() }
            written.withLock { $0 += 1 }
        }
        await uses.flush()
        for second in 0..<10 {
            uses.note(.sample("a.1"), from: "192.0.2.1", at: Instant(microseconds: Int64(second)))
        }
        await uses.flush()
        isAway.withLock { $0 = false }
        await uses.flush()
        await uses.flush()
        #expect(written.withLock { $0 } == 1)
    }

    @Test func `of two secrets of one credential are two`() async throws {
        let written = Mutex<[[Int64]]>([])
        let uses = CredentialUses { parameters in
            written.withLock { written in
                for case .int64Array(let values) in parameters { written.append(values) }
            }
        }
        var second = Login.sample("a.1.2")
        second.loginID = 2
        uses.note(second, from: "192.0.2.1", at: Instant(microseconds: 1))
        uses.note(.sample("a.1"), from: "192.0.2.1", at: Instant(microseconds: 2))
        await uses.flush()
        #expect(written.withLock { $0[1] } == [100, 100])
        #expect(written.withLock { $0[2].sorted() } == [1, 2])
    }

    @Test func `reach the operator`() async throws {
        let database = try await PrivateDatabase.create()
        let admin = Administration(database.connection(as: .admin), user: "alice")
        try await admin.createTenant("acme", TenantChanges())
        let (first, _) = try await admin.issueCredential(for: "acme", .init())
        let (second, _) = try await admin.issueCredential(for: "acme", .init())
        let pool = DatabasePool(database.configuration(as: .node))
        let directory = Directory(database)
        let uses = CredentialUses(pool)
        uses.note(try #require(try await directory.login(named: first)), from: "unknown", at: .now)
        let at = Instant(microseconds: 1_785_924_930_000_000)
        for (name, client) in [(second, "2001:db8::1"), (first, "192.0.2.1")] {
            uses.note(try #require(try await directory.login(named: name)), from: client, at: at)
        }
        await uses.flush()
        #expect(try await admin.credential(first).usedFrom == "192.0.2.1")
        #expect(try await admin.credential(second).usedFrom == "2001:db8::1")
        #expect(try await admin.credential(second).usedAt == at)
    }
}
