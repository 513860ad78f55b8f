import Ledger
import Postgres
import TestSupport
import Testing

extension LedgerSuite {
    /// What PostgreSQL refuses in the middle of accept: each error really raised there, and what the client is told.
    @Suite(.timeLimit(.minutes(10))) struct RefusedByDatabaseTests {
        /// Makes the next `times` inserts into `message` fail. A sequence counts, for it is not rolled back.
        private func plant(_ sqlState: String, times: Int, in fixture: Fixture) async throws {
            try await fixture.operation.query("DROP SEQUENCE IF EXISTS gatepost.planted")
            try await fixture.operation.query("CREATE SEQUENCE gatepost.planted")
            try await fixture.operation.query("GRANT USAGE ON SEQUENCE gatepost.planted TO PUBLIC")
            try await fixture.operation.query(
                """
                CREATE OR REPLACE FUNCTION gatepost.plant() RETURNS trigger LANGUAGE plpgsql AS $f$
                BEGIN
                    IF nextval('gatepost.planted') <= TG_ARGV[1]::int THEN
                        RAISE EXCEPTION 'planted' USING ERRCODE = TG_ARGV[0];
                    END IF;
                    RETURN NULL;
                END $f$
                """)
            try await fixture.operation.query(
                """
                CREATE OR REPLACE TRIGGER plant AFTER INSERT ON gatepost.batch
                FOR EACH ROW EXECUTE FUNCTION gatepost.plant('\(sqlState)', '\(times)')
                """)
        }

        @Test(arguments: ["40P01", "40001", "25006"])
        func `what passes by itself is tried again, once each, under new ids`(sqlState: String) async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let acceptor = fixture.acceptor()
            try await plant(sqlState, times: 2, in: fixture)
            var tally = Tally()
            tally.add(await acceptor.submit(try acme.request()))
            #expect(tally.acknowledged.count == 1)
            try await fixture.expectExact(acme, tally)
            await acceptor.shutdown()
        }

        @Test(arguments: ["40P01", "25006", "53300", "57014", "XX000"])
        func `what does not pass is told to the client, stored nowhere, and over when it is over`(
            sqlState: String
        ) async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let acceptor = fixture.acceptor()
            try await plant(sqlState, times: 1_000_000, in: fixture)
            guard case .unavailable = await acceptor.submit(try acme.request()) else {
                Issue.record("an answer that is not 451")
                return
            }
            #expect(try await fixture.truth(acme) == Fixture.Truth(stored: [], storedRecipients: 0, used: 0, ledger: 0))
            try await fixture.operation.query("DROP TRIGGER plant ON gatepost.batch")
            var tally = Tally()
            tally.add(await acceptor.submit(try acme.request()))
            #expect(tally.acknowledged.count == 1)
            try await fixture.expectExact(acme, tally)
            await acceptor.shutdown()
        }

        @Test func `a full disk has a code of its own`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let acceptor = fixture.acceptor()
            try await plant("53100", times: 1, in: fixture)
            guard case .outOfSpace = await acceptor.submit(try acme.request()) else {
                Issue.record("an answer that is not 452")
                return
            }
            guard case .accepted = await acceptor.submit(try acme.request()) else {
                Issue.record("not accepted once there is room")
                return
            }
            await acceptor.shutdown()
        }

        @Test func `a tenant whose meter another holds for long is told so, and nobody waits for ever`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let acceptor = fixture.acceptor()
            let holder = fixture.database.connection()
            try await holder.query("BEGIN")
            try await holder.query(
                "SELECT FROM gatepost.meter WHERE tenant_id = $1 FOR UPDATE", [.int64(acme.tenantID)])
            guard case .unavailable = await acceptor.submit(try acme.request()) else {
                Issue.record("an answer that is not 451")
                return
            }
            try await holder.query("COMMIT")
            guard case .accepted = await acceptor.submit(try acme.request()) else {
                Issue.record("not accepted once the lock was free")
                return
            }
            await acceptor.shutdown()
        }

        @Test func `no connection to be had: refused at once, back by itself`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let name = fixture.database.name
            try await fixture.operation.query("ALTER DATABASE \(name) CONNECTION LIMIT 0")
            let acceptor = fixture.acceptor()
            guard case .unavailable = await acceptor.submit(try acme.request()) else {
                Issue.record("an answer that is not 451")
                return
            }
            try await fixture.operation.query("ALTER DATABASE \(name) CONNECTION LIMIT -1")
            #expect(
                await eventually {
                    guard let request = try? acme.request(), case .accepted = await acceptor.submit(request) else {
                        return false
                    }
                    return true
                })
            await acceptor.shutdown()
        }
    }
}
