import Ledger
import NIOCore
import Postgres
import SMTP
import TestSupport
import Testing

extension LedgerSuite {
    /// What travels with a message, whose domains its authors may have, and reports on it.
    @Suite(.timeLimit(.minutes(10))) struct EnvelopeTests {
        @Test func `what a client asked for comes back with the claim`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            var request = try acme.request(to: ["b@x.example", "c@y.example", "d@z.example"])
            request.parameters = MailParameters(
                body: .binaryMIME, isInternationalized: true, returnContent: .headers, envelopeID: "QQ 314+=")
            request.recipients[0].notify = [.success, .delay]
            request.recipients[0].originalRecipient = "rfc822;b+2Bc@x.example"
            request.recipients[1].notify = .never
            let plain = try acme.request()
            let acceptor = fixture.acceptor()
            _ = await acceptor.submit([request])
            _ = await acceptor.submit([plain])
            let owner = fixture.owner()
            try await owner.start()
            let queue = fixture.queue(owner)
            let claimed = try await queue.claim(maxMessages: 10, maxBytes: 1 << 20)
            try #require(claimed.count == 2)
            #expect(claimed[0].parameters == request.parameters)
            #expect(claimed[0].recipients.map(\.envelope) == request.recipients)
            #expect(claimed[0].kind == .mail)
            #expect(claimed[1].parameters == plain.parameters)
            #expect(claimed[1].recipients.map(\.envelope) == plain.recipients)
            await acceptor.shutdown()
            await queue.shutdown()
            await owner.shutdown()
        }

        @Test func `each author's domain must be the tenant's, and only the message that has another is refused`()
            async throws
        {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            _ = try await fixture.tenant("other")
            try await fixture.operation.query(
                "SELECT * FROM admin.domain_add('tester', 'acme', 'second.example', true)")
            try await fixture.operation.query(
                "SELECT * FROM admin.domain_add('tester', 'acme', 'unproven.example', false)")
            let acceptor = fixture.acceptor()
            func send(_ domains: [String]) async throws -> AcceptVerdict {
                var request = try acme.request()
                request.otherAuthorDomains = try domains.map { try Domain(parsing: $0) }
                return await acceptor.submit(request)
            }
            guard case .accepted = try await send(["second.example", "acme.example"]) else {
                Issue.record("two domains of the tenant's own were refused")
                return
            }
            for (domains, foreign) in [
                (["other.example"], "other.example"), (["second.example", "unproven.example"], "unproven.example"),
                (["nobody.example", "other.example"], "nobody.example"),
            ] {
                guard case .refused(let refusal) = try await send(domains) else {
                    Issue.record("accepted for \(domains)")
                    continue
                }
                #expect(refusal.verdict == .fromDomain)
                #expect(refusal.detail == foreign)
            }
            var foreign = try acme.request()
            foreign.otherAuthorDomains = [try Domain(parsing: "other.example")]
            let tally = await acceptor.submit([try acme.request(), foreign, try acme.request()])
            #expect(tally.acknowledged.count == 2)
            #expect(tally.refused == [.fromDomain])
            await acceptor.shutdown()
        }

        @Test func `a report is stored once, with the outcome it tells of, and charged to nobody`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let acceptor = fixture.acceptor()
            let tally = await acceptor.submit([try acme.request(to: ["b@x.example", "c@y.example"])])
            let owner = fixture.owner()
            try await owner.start()
            let queue = fixture.queue(owner)
            let message = try #require(try await queue.claim(maxMessages: 1, maxBytes: 1 << 20).first)
            let report = DeliveryReport(
                to: try Mailbox(parsing: "a@acme.example"), of: [1, 2],
                content: ByteBuffer(string: "Subject: sorry\r\n\r\n"), body: .sevenBit)
            let outcomes = [
                Settlement(.bounced, of: message.recipients[0], in: message, replyCode: 550),
                Settlement(.bounced, of: message.recipients[1], in: message, replyCode: 550),
            ]
            queue.settle(outcomes, report: report)
            queue.settle(outcomes, report: report)  // the lease is gone: neither an outcome nor a report
            await queue.drain()
            let reports = try await queue.claim(maxMessages: 10, maxBytes: 1 << 20)
            try #require(reports.count == 1)
            #expect(reports[0].kind == .report)
            #expect(reports[0].sender == .null)
            #expect(reports[0].recipients.map(\.mailbox.description) == ["a@acme.example"])
            #expect(reports[0].recipients.map(\.envelope.notify) == [.never])
            #expect(reports[0].parameters.body == .sevenBit)
            #expect(String(buffer: reports[0].content) == "Subject: sorry\r\n\r\n")
            #expect(reports[0].tenantID == acme.tenantID)
            #expect(reports[0].poolID == acme.poolID)
            let events = try await fixture.operation.query(
                "SELECT message_id, detail ->> 'report' AS report FROM gatepost.event WHERE kind = 'reported'")
            #expect(try events.map { try $0.uuid("message_id") } == [message.id])
            #expect(try events.map { try $0.string("report") } == ["\(reports[0].id)"])
            let truth = try await fixture.truth(acme)
            #expect(truth.used == 2 && truth.ledger == 2)
            #expect(truth.storedRecipients == 3)
            #expect(tally.acknowledged.count == 1)

            // Nothing is told of a report, and cancelling one refunds nothing.
            try await fixture.operation.query(
                "SELECT ledger.cancel('tester', ARRAY[$1], 'test')", [.uuid(reports[0].id)])
            #expect(try await fixture.truth(acme).used == 2)
            await acceptor.shutdown()
            await queue.shutdown()
            await owner.shutdown()
        }

        @Test func `that a delay was told is remembered with the recipient, and with no other`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let acceptor = fixture.acceptor()
            var request = try acme.request(to: ["b@x.example", "c@y.example", "d@z.example"])
            for index in request.recipients.indices { request.recipients[index].notify = [.failure, .delay] }
            _ = await acceptor.submit([request])
            let owner = fixture.owner()
            try await owner.start()
            let queue = fixture.queue(owner)
            func claim() async throws -> QueuedMessage {
                try #require(try await queue.claim(maxMessages: 9, maxBytes: 1 << 20).first { $0.kind == .mail })
            }
            for told in [[1, 3], [2]] as [Set<Int32>] {
                let message = try await claim()
                let outcomes: [Settlement.Outcome] = [
                    .deferred(until: nil), .deferred(until: nil), .released(until: nil),
                ]
                queue.settle(
                    zip(outcomes, message.recipients).map { Settlement($0, of: $1, in: message, replyCode: 450) },
                    report: DeliveryReport(
                        to: try Mailbox(parsing: "a@acme.example"), of: told, content: ByteBuffer(string: "x")))
                await queue.drain()
                let next = try await claim()
                #expect(
                    next.recipients.map(\.isDelayTold) == (told.count == 2 ? [true, false, true] : [true, true, true]))
                #expect(next.recipients.allSatisfy { $0.envelope.notify == [.failure, .delay] })
                queue.settle(next.recipients.map { Settlement(.released(until: nil), of: $0, in: next) })
                await queue.drain()
            }
            await acceptor.shutdown()
            await queue.shutdown()
            await owner.shutdown()
        }

        @Test func `why nobody took a message is kept with what is given back`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let acceptor = fixture.acceptor()
            _ = await acceptor.submit([try acme.request(to: ["b@x.example"])])
            let owner = fixture.owner()
            try await owner.start()
            let queue = fixture.queue(owner)
            // A word of ours, and then none, which takes nothing away.
            for word in ["no relay answers", nil] as [String?] {
                let message = try #require(try await queue.claim(maxMessages: 1, maxBytes: 1 << 20).first)
                queue.settle([
                    Settlement(
                        .released(until: nil), of: message.recipients[0], in: message,
                        replyCode: word == nil ? nil : 451, replyEnhanced: word == nil ? nil : "4.4.1",
                        reply: word.map { Array($0.utf8) })
                ])
                await queue.drain()
                let rows = try await fixture.operation.query(
                    "SELECT attempts, reply_code, convert_from(reply, 'UTF8') AS reply FROM gatepost.recipient")
                #expect(try rows.first?.int64("attempts") == 0 && rows.first?.int64("reply_code") == 451)
                #expect(try rows.first?.string("reply") == "no relay answers")
            }
            await acceptor.shutdown()
            await queue.shutdown()
            await owner.shutdown()
        }

        @Test func `a report that cannot be stored does not keep its outcomes from being recorded`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant()
            let acceptor = fixture.acceptor()
            _ = await acceptor.submit([try acme.request(), try acme.request()])
            try await fixture.operation.script(
                "ALTER TABLE gatepost.message ADD CONSTRAINT no_reports CHECK (kind <> 'dsn') NOT VALID")
            let owner = fixture.owner()
            try await owner.start()
            let queue = fixture.queue(owner)
            for message in try await queue.claim(maxMessages: 10, maxBytes: 1 << 20) {
                queue.settle(
                    [
                        Settlement(
                            .bounced, of: message.recipients[0], in: message, replyCode: 550, reply: Array("no".utf8))
                    ],
                    report: DeliveryReport(to: try Mailbox(parsing: "a@acme.example"), of: [1], content: ByteBuffer()))
            }
            await queue.drain()
            let states = try await fixture.operation.query("SELECT state FROM gatepost.recipient")
            #expect(try states.map { try $0.string("state") } == ["bounced", "bounced"])
            await acceptor.shutdown()
            await queue.shutdown()
            await owner.shutdown()
        }

        @Test func `a pool without room and a held queue keep nothing from the others`() async throws {
            let fixture = try await Fixture()
            var senders: [Fixture.Sender] = []
            for slug in ["full", "held", "free"] { senders.append(try await fixture.tenant(slug)) }
            try await fixture.operation.query("SELECT admin.pool_create('tester', 'other')")
            try await fixture.operation.query(#"SELECT admin.tenant_set('tester', 'full', '{"pool": "other"}')"#)
            let other = try await fixture.operation.query(
                "SELECT pool_id FROM gatepost.tenant WHERE slug = 'full'")[0].int64("pool_id")
            let acceptor = fixture.acceptor()
            for sender in senders.dropLast() {
                _ = await acceptor.submit(try (0..<300).map { _ in try sender.request() })
            }
            _ = await acceptor.submit(try (0..<3).map { _ in try senders[2].request() })
            try await fixture.operation.query("SELECT admin.tenant_suspend('tester', 'held', NULL, true)")
            let owner = fixture.owner()
            try await owner.start()
            let queue = fixture.queue(owner)
            let first = try await queue.claim(maxMessages: 50, maxBytes: 1 << 20, pools: [senders[2].poolID])
            #expect(first.map(\.tenantSlug) == ["free", "free", "free"])
            #expect(try await queue.claim(maxMessages: 50, maxBytes: 1 << 20, pools: []).isEmpty)
            let rest = try await queue.claim(maxMessages: 50, maxBytes: 1 << 20, pools: [senders[2].poolID, other])
            #expect(Set(rest.map(\.tenantSlug)) == ["full"])
            #expect(rest.count == 50)
            try await fixture.operation.query("SELECT admin.tenant_resume('tester', 'held')")
            let all = try await queue.claim(maxMessages: 500, maxBytes: 1 << 20, pools: [senders[2].poolID, other])
            #expect(all.filter { $0.tenantSlug == "held" }.count >= 200)
            #expect(all.count == 500)
            await acceptor.shutdown()
            await queue.shutdown()
            await owner.shutdown()
        }
    }
}
