import Ledger
import Logging
import NIOCore
import NIOPosix
import Postgres
import SMTP
import TestSupport
import Testing

/// A migrated database with tenants, and the ledger's parts over it.
struct Fixture {
    let database: PrivateDatabase
    let operation: DatabaseConnection

    init() async throws { try await self.init(PrivateDatabase.create()) }

    init(_ database: PrivateDatabase) {
        self.database = database
        operation = database.connection()
    }

    struct Sender: Sendable {
        var tenantID: Int64
        var credentialID: Int64
        var loginID: Int64
        var slug: String
        var poolID: Int64
        var domain: String { "\(slug).example" }
    }

    /// A tenant with a domain and a credential; `limits` as admin.tenant_create takes them.
    func tenant(_ slug: String = "acme", limits: String = #"{"daily":1000000}"#) async throws -> Sender {
        let id = try await operation.query(
            "SELECT id FROM admin.tenant_create('tester', $1, $2)", [.text(slug), .json(limits)])[0].int64("id")
        try await operation.query(
            "SELECT * FROM admin.domain_add('tester', $1, $2, true)", [.text(slug), .text("\(slug).example")])
        let row = try await operation.query(
            """
            SELECT credential_id, login_id, (SELECT pool_id FROM gatepost.tenant WHERE id = $2) AS pool
            FROM admin.credential_issue('tester', $1, $1 || '.k1', 'SCRAM-SHA-256$4096:c2FsdA==$eA==:eA==', NULL)
            """, [.text(slug), .int64(id)])[0]
        return Sender(
            tenantID: id, credentialID: try row.int64("credential_id"), loginID: try row.int64("login_id"), slug: slug,
            poolID: try row.int64("pool"))
    }

    func acceptor(
        through port: Int? = nil, owner: Owner? = nil, _ change: (inout Acceptor.Configuration) -> Void = { _ in },
        onAccepted: @escaping @Sendable ([AcceptedMessage]) -> Void = { _ in }
    ) -> Acceptor {
        let url = port.map { database.tcpURL(as: .node, port: $0) } ?? database.url(as: .node)
        var configuration = Acceptor.Configuration(database: DatabaseConfiguration(url: url))
        change(&configuration)
        return Acceptor(configuration, owner: owner, logger: .quiet, onAccepted: onAccepted)
    }

    func owner(
        _ node: String = "node", through proxy: CuttingProxy? = nil, auditEvery: Duration = .seconds(30)
    ) -> Owner {
        Owner(
            proxy.map { DatabaseConfiguration(url: database.tcpURL(as: .node, port: $0.port)) }
                ?? database.configuration(as: .node), node: node, clock: DatabaseClock(),
            renewEvery: .milliseconds(50), auditEvery: auditEvery, logger: .quiet)
    }

    func queue(_ owner: Owner) -> Queue {
        Queue(database.configuration(as: .node), owner: owner, clock: DatabaseClock(), logger: .quiet)
    }

    // MARK: What is true in the database

    struct Truth: Equatable {
        var stored: Set<String>
        var storedRecipients: Int64
        var used: Int64
        var ledger: Int64
    }

    func truth(_ sender: Sender) async throws -> Truth {
        let ids = try await operation.query(
            "SELECT id::text AS id FROM gatepost.message WHERE tenant_id = $1", [.int64(sender.tenantID)]
        ).map { try $0.string("id") }
        let row = try await operation.query(
            """
            SELECT (SELECT count(*) FROM gatepost.recipient WHERE tenant_id = $1) AS stored,
                   coalesce((SELECT sum(recipients) FROM gatepost.ledger WHERE tenant_id = $1), 0)::int8 AS ledger,
                   coalesce((SELECT sum(recipients) FROM gatepost.usage
                             WHERE tenant_id = $1 AND credential_id = 0 AND period = 'day'), 0)::int8 AS used
            """, [.int64(sender.tenantID)])[0]
        return Truth(
            stored: Set(ids), storedRecipients: try row.int64("stored"), used: try row.int64("used"),
            ledger: try row.int64("ledger"))
    }

    /// acknowledged ⊆ stored ⊆ acknowledged + unknown, and used = Σ ledger = stored recipients.
    func expectExact(_ sender: Sender, _ tally: Tally, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let truth = try await truth(sender)
        #expect(
            tally.acknowledged.subtracting(truth.stored).isEmpty, "acknowledged and not stored",
            sourceLocation: sourceLocation)
        #expect(
            truth.stored.count <= tally.acknowledged.count + tally.unknown,
            "stored \(truth.stored.count), acknowledged \(tally.acknowledged.count), unknown \(tally.unknown)",
            sourceLocation: sourceLocation)
        #expect(truth.used == truth.storedRecipients, sourceLocation: sourceLocation)
        #expect(truth.ledger == truth.storedRecipients, sourceLocation: sourceLocation)
    }

    /// How many calls were committed, and the largest number of messages in one.
    func calls() async throws -> (count: Int64, largest: Int64) {
        let row = try await operation.query(
            """
            SELECT count(*) AS calls, coalesce(max(cardinality(verdicts)), 0)::int8 AS largest
            FROM gatepost.batch WHERE verdicts IS NOT NULL
            """)[0]
        return (try row.int64("calls"), try row.int64("largest"))
    }
}

/// What clients were told.
struct Tally: Sendable {
    var acknowledged: Set<String> = []
    var refused: [AcceptRefusal.Verdict] = []
    var unavailable = 0
    var unknown = 0

    mutating func add(_ verdict: AcceptVerdict) {
        switch verdict {
        case .accepted(let id, _): acknowledged.insert("\(id)")
        case .resubmitted(let id): acknowledged.insert("\(id)")
        case .refused(let refusal): refused.append(refusal.verdict)
        case .unavailable, .outOfSpace: unavailable += 1
        case .unknown: unknown += 1
        }
    }
}

extension Fixture.Sender {
    func request(
        to recipients: [String] = ["b@example.net"], from: String? = nil,
        body: String = "Subject: hello\r\n\r\nhello\r\n",
        digest: [UInt8]? = nil, messageIDHeader: String? = nil
    ) throws -> AcceptRequest {
        AcceptRequest(
            tenantID: tenantID, credentialID: credentialID, loginID: loginID, tenantSlug: slug,
            credentialName: "\(slug).k1", poolID: poolID,
            sender: .mailbox(try Mailbox(parsing: "a@\(from ?? domain)")), fromDomain: try Domain(parsing: domain),
            recipients: try recipients.map { try EnvelopeRecipient(Mailbox(parsing: $0)) },
            content: ByteBuffer(string: body),
            resubmissionDigest: digest,
            trace: { id, _ in ByteBuffer(string: "Received: by test with ESMTPSA id \(id)\r\n") },
            clientAddress: "192.0.2.1", heloName: "client", messageIDHeader: messageIDHeader)
    }
}

extension Acceptor {
    func submit(_ request: AcceptRequest) async -> AcceptVerdict {
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        return await withCheckedContinuation { continuation in
            submit(request, on: loop) { verdict in
                loop.preconditionInEventLoop()
                continuation.resume(returning: verdict)
            }
        }
    }

    /// Many at once.
    func submit(_ requests: [AcceptRequest]) async -> Tally {
        await withTaskGroup(of: AcceptVerdict.self) { group in
            for request in requests { group.addTask { await self.submit(request) } }
            return await group.reduce(into: Tally()) { $0.add($1) }
        }
    }
}

extension Logger {
    static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
}
