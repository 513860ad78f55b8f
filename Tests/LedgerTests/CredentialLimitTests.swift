import Ledger
import NIOCore
import Postgres
import SMTP
import Synchronization
import TestSupport
import Testing

extension LedgerSuite {
    /// What a request carries for the rules of its credential, and what comes back.
    @Suite struct CredentialLimitTests {
        private static func refusal(_ verdict: AcceptVerdict) throws -> AcceptRefusal {
            guard case .refused(let refusal) = verdict else { throw Unexpected(verdict: verdict) }
            return refusal
        }

        private struct Unexpected: Error { var verdict: AcceptVerdict }

        private static func change(_ fixture: Fixture, _ values: String) async throws {
            try await fixture.operation.query("UPDATE gatepost.credential SET \(values)")
        }

        @Test func `every author of a message must be a sender of its credential`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            try await Self.change(fixture, "senders = '{a@acme.example}'")
            let acceptor = fixture.acceptor()
            var request = try acme.request()
            request.fromAddresses = ["a@acme.example"]
            guard case .accepted = await acceptor.submit(request) else {
                Issue.record("an allowed sender was refused")
                return
            }
            request.fromAddresses = ["a@acme.example", "ceo@acme.example"]
            let refusal = try Self.refusal(await acceptor.submit(request))
            #expect(refusal.verdict == .senderAddress)
            #expect(refusal.detail == "ceo@acme.example")
            // Of two messages in one call each is judged by its own.
            var other = try acme.request()
            other.fromAddresses = ["x@acme.example"]
            request.fromAddresses = ["a@acme.example"]
            let tally = await acceptor.submit([request, other, request])
            #expect(tally.acknowledged.count == 2)
            #expect(tally.refused == [.senderAddress])
            await acceptor.shutdown()
        }

        @Test func `a refusal's id is its event's, with the session and what was refused`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant(limits: #"{"daily":1}"#)
            let acceptor = fixture.acceptor()
            let session = MessageID(at: .now)
            var request = try acme.request(to: ["b@x.example", "c@x.example"])
            request.session = session
            let refusal = try Self.refusal(await acceptor.submit(request))
            let id = try #require(refusal.id)
            let row = try #require(
                try await fixture.operation.query(
                    """
                    SELECT kind, session, credential_id, detail ->> 'verdict' AS verdict,
                           (detail ->> 'recipients')::int8 AS recipients, detail ->> 'sender' AS sender
                    FROM gatepost.event WHERE message_id = $1
                    """, [.uuid(id)]
                ).first)
            #expect(try row.string("kind") == "refused")
            #expect(try row.uuid("session") == session)
            #expect(try row.int64("credential_id") == acme.credentialID)
            #expect(try row.string("verdict") == "cap_daily")
            #expect(try row.int64("recipients") == 2)
            #expect(try row.string("sender") == "a@acme.example")
            #expect(try await fixture.truth(acme).used == 0)
            await acceptor.shutdown()
        }

        @Test func `what a credential in test mode sends is accepted, and no forwarder gets it`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            try await Self.change(fixture, "mode = 'test'")
            let owner = fixture.owner()
            try await owner.start()
            let forwarded = Mutex(0)
            let acceptor = fixture.acceptor(
                owner: owner, onAccepted: { messages in forwarded.withLock { $0 += messages.count } })
            let tally = await acceptor.submit(try (0..<5).map { _ in try acme.request() })
            #expect(tally.acknowledged.count == 5)
            try await Self.change(fixture, "mode = 'live'")
            #expect(await acceptor.submit([try acme.request()]).acknowledged.count == 1)
            #expect(forwarded.withLock { $0 } == 1)
            let queue = fixture.queue(owner)
            #expect(try await queue.claim(maxMessages: 10, maxBytes: 1 << 20).isEmpty)
            #expect(try await fixture.truth(acme).used == 1)
            #expect(try await fixture.truth(acme).ledger == 1)
            await acceptor.shutdown()
            await queue.shutdown()
            await owner.shutdown()
        }

        @Test func `a suspended credential, and one whose time has not come, say so`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let acceptor = fixture.acceptor()
            try await Self.change(fixture, "suspended_at = now(), suspended_reason = 'lost laptop'")
            let suspended = try Self.refusal(await acceptor.submit(try acme.request()))
            #expect(suspended.verdict == .credentialSuspended)
            #expect(suspended.detail == "lost laptop")
            try await Self.change(fixture, "suspended_at = NULL, not_before = '2999-01-01 00:00:00+00'")
            let early = try Self.refusal(await acceptor.submit(try acme.request()))
            #expect(early.verdict == .credentialNotYet)
            #expect(early.detail == "2999-01-01T00:00:00+00:00")
            await acceptor.shutdown()
        }

        @Test func `every verdict that accept can give is known here`() async throws {
            let fixture = try await Fixture()
            let text = try #require(
                try await fixture.operation.query(
                    "SELECT prosrc AS text FROM pg_proc WHERE oid = 'ledger.accept'::regproc"
                ).first?.string("text"))
            // What the function assigns or returns as a verdict.
            let named = text.matches(of: /(?:v_verdict := |THEN )'([a-z_]+)'/).map { String($0.1) }
            #expect(named.count > 20)
            let limits = [
                "credential_", "credential_message_size", "daily", "monthly", "bytes_daily", "first_time_daily", "test",
                "day", "month",
            ]
            let outcomes = ["accepted", "resubmitted", "stale_id"]
            for name in Set(named).subtracting(limits).subtracting(outcomes) {
                #expect(AcceptRefusal.Verdict(rawValue: name) != nil, "\(name)")
            }
            for verdict in AcceptRefusal.Verdict.allCases {
                #expect(text.contains("'\(verdict.rawValue)'"), "\(verdict) is never given")
            }
        }
    }
}
