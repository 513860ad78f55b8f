import Ledger
import Logging
import Postgres
import SMTP
import Synchronization
import TestSupport
import Testing

extension LedgerSuite {
    /// Warnings are written once, and noticed once, however many connections and nodes there are.
    @Suite struct WarningTests {
        /// What was logged of limits.
        private final class Lines: Sendable {
            private let lines = Mutex<[Logger.Metadata]>([])
            var all: [Logger.Metadata] { lines.withLock { $0 } }
            func add(_ line: Logger.Metadata) { lines.withLock { $0.append(line) } }
        }

        private struct Log: LogHandler {
            let lines: Lines
            var metadata: Logger.Metadata = [:]
            var logLevel = Logger.Level.trace

            init(to lines: Lines) { self.lines = lines }

            subscript(metadataKey key: String) -> Logger.Metadata.Value? {
                get { metadata[key] }
                set { metadata[key] = newValue }
            }

            func log(event: LogEvent) {
                if event.message == "limit warning" { lines.add(event.metadata ?? [:]) }
            }
        }

        private static func notifier(_ fixture: Fixture, _ lines: Lines) -> Notifier {
            Notifier(
                fixture.database.configuration(as: .node), logger: Logger(label: "test") { _ in Log(to: lines) }
            ) { warning in
                guard let contact = warning.contact, let to = try? Mailbox(parsing: contact) else { return nil }
                return LimitMail(to: to, content: Array("Subject: \(warning.percent) %\r\n\r\n".utf8))
            }
        }

        @Test func `acceptors that race past a percent leave one warning and one event for it`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant(limits: #"{"daily":40}"#)
            let (first, second) = (fixture.acceptor(), fixture.acceptor())
            let request = try acme.request()
            async let one = first.submit(Array(repeating: request, count: 25))
            async let other = second.submit(Array(repeating: request, count: 25))
            let told = await [one, other]
            #expect(told.reduce(0) { $0 + $1.acknowledged.count } == 40)
            let rows = try await fixture.operation.query(
                """
                SELECT w.percent, w.used, (SELECT count(*) FROM gatepost.event e WHERE e.kind = 'limit_warning'
                    AND (e.detail ->> 'percent')::int = w.percent) AS events
                FROM gatepost.warning w WHERE w.tenant_id = $1 AND w.limit_name = 'daily' ORDER BY w.percent
                """, [.int64(acme.tenantID)])
            #expect(try rows.map { try $0.int64("percent") } == [50, 80, 100])
            #expect(try rows.allSatisfy { try $0.int64("events") == 1 })
            #expect(try rows.last?.int64("used") == 40)
            await first.shutdown()
            await second.shutdown()
        }

        @Test func `two nodes notice each warning once, in one log and by one mail`() async throws {
            let fixture = try await Fixture()
            let senders = [
                try await fixture.tenant("acme", limits: #"{"daily":10}"#),
                try await fixture.tenant("bolt", limits: #"{"daily":10}"#),
            ]
            try await fixture.operation.query(
                "UPDATE gatepost.tenant SET contact = 'ops@acme.example' WHERE slug = 'acme'")
            let acceptor = fixture.acceptor()
            for sender in senders { _ = await acceptor.submit(try (0..<10).map { _ in try sender.request() }) }
            await acceptor.shutdown()

            let lines = Lines()
            let noticed = try await withThrowingTaskGroup(of: [LimitWarning].self) { group in
                for _ in 0..<4 {
                    let notifier = Self.notifier(fixture, lines)
                    group.addTask { try await notifier.runOnce() }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(noticed.count == 6)
            #expect(Set(noticed.map { "\($0.tenant) \($0.percent)" }).count == 6)
            #expect(lines.all.count == 6)
            #expect(lines.all.allSatisfy { $0["limit"] == "daily" && $0["cap"]?.description == "10" })
            let mails = try await fixture.operation.query(
                """
                SELECT r.address, m.kind, m.sender FROM gatepost.message m
                JOIN gatepost.recipient r ON r.tenant_id = m.tenant_id AND r.message_id = m.id WHERE m.kind = 'notice'
                """)
            #expect(try mails.map { try $0.string("address") } == Array(repeating: "ops@acme.example", count: 3))
            #expect(try mails.allSatisfy { try $0.string("sender") == "" })
            let again = try await Self.notifier(fixture, lines).runOnce()
            #expect(again.isEmpty)
            let charged = try await fixture.operation.query(
                "SELECT sum(recipients)::int8 AS n FROM gatepost.usage WHERE credential_id = 0 AND period = 'day'")
            #expect(try charged.first?.int64("n") == 20)
        }

        @Test func `a notice is claimed and forwarded like any mail, and no report is made of it`() async throws {
            let fixture = try await Fixture()
            let acme = try await fixture.tenant(limits: #"{"daily":1}"#)
            try await fixture.operation.query("UPDATE gatepost.tenant SET contact = 'ops@acme.example'")
            let owner = fixture.owner()
            try await owner.start()
            let acceptor = fixture.acceptor(owner: owner)
            #expect(await acceptor.submit([try acme.request()]).acknowledged.count == 1)
            #expect(try await Self.notifier(fixture, Lines()).runOnce().count == 3)
            let queue = fixture.queue(owner)
            let claimed = try await queue.claim(maxMessages: 10, maxBytes: 1 << 20)
            #expect(claimed.count == 3)
            #expect(claimed.allSatisfy { $0.kind == .notice && $0.sender == .null })
            #expect(claimed.allSatisfy { $0.recipients.map(\.mailbox.description) == ["ops@acme.example"] })
            await acceptor.shutdown()
            await queue.shutdown()
            await owner.shutdown()
        }
    }
}
