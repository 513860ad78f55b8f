import Cryptography
import Ledger
import Logging
import MailMessage
import NIOCore
import NIOPosix
import Postgres
import SMTP
import SubmissionClient
import Tenancy

/// `ledger.accept` alone, on scratch tenants `bench-1`, `bench-2` … of the configured database.
///
/// They are made where they are missing; a tenant with such a name that no benchmark made is left alone, and so is one
/// that was deleted: the next number takes its place. What they accept is leased to this process, so that no forwarder sends it, and
/// cancelled in the end; then they are suspended.
struct AcceptBench {
    struct Cell {
        let tenants, batch, connections: Int
        let report: AcceptBenchmark.Report

        var messagesPerSecond: Double {
            report.elapsed > .zero ? Double(report.messages) / report.elapsed.inSeconds : 0
        }
        var microsecondsPerCall: Double { report.busy.inSeconds * 1e6 / Double(max(report.calls, 1)) }
    }

    private struct Account: Sendable {
        let tenantID, credentialID, loginID, poolID: Int64
        let slug, credential: String
        let sender: Mailbox
    }

    private let administration: Administration
    private let node, adminDatabase: DatabaseConfiguration
    private let owner: Owner
    private let accounts: [Account]

    static func with(_ common: CommonOptions, tenants: Int, _ body: (AcceptBench) async throws -> Void) async throws {
        try await Desk.sit(common) { desk in
            let node = try desk.settings.database(as: .node)
            do {
                let bench = try await AcceptBench(desk, node, tenants)
                try await body(bench)
                try await bench.tidy()
            } catch let error as DatabaseError {
                throw Failure("the benchmark of accept() failed: \(error.description.printable)")
            }
        }
    }

    private init(_ desk: Desk, _ node: DatabaseConfiguration, _ tenants: Int) async throws {
        administration = desk.administration
        self.node = node
        adminDatabase = try desk.settings.database(as: .admin)
        let connection = DatabaseConnection(node)
        var accounts: [Account] = []
        var number = 0
        while accounts.count < tenants {
            number += 1
            if let account = try await Self.account("bench-\(number)", desk.administration, connection) {
                accounts.append(account)
            }
        }
        self.accounts = accounts
        var logger = Logger(label: "bench")
        logger.logLevel = .critical
        owner = Owner(node, node: "bench", clock: DatabaseClock(), logger: logger)
        try await owner.start()
    }

    /// Nil: somebody else's, or deleted.
    private static func account(
        _ slug: String, _ administration: Administration, _ node: DatabaseConnection
    ) async throws -> Account? {
        var limits = TenantChanges()
        limits.daily = .unlimited
        let domain = "\(slug).invalid"
        var known: [CredentialRecord] = []
        if let tenant = try await administration.tenantIfAny(slug) {
            guard tenant.status != "deleted", try await administration.domains(of: slug).map(\.domain) == [domain]
            else { return nil }
            known = try await administration.credentials(of: slug)
            guard known.allSatisfy({ $0.label == label }) else { return nil }
            _ = try await administration.setTenant(slug, limits)
            _ = try await administration.resumeTenant(slug)
        } else {
            try await administration.createTenant(slug, limits)
            _ = try await administration.addDomain(domain, to: slug, trusted: true)
        }
        let name = try await credential(of: slug, known, administration)
        let rows = try await node.query(
            "SELECT tenant_id, credential_id, login_id, pool_id FROM ledger.login($1)", [.text(name)])
        guard let row = rows.first else { throw Failure("the scratch tenant \(slug) has no login") }
        return Account(
            tenantID: try row.int64("tenant_id"), credentialID: try row.int64("credential_id"),
            loginID: try row.int64("login_id"), poolID: try row.int64("pool_id"), slug: slug, credential: name,
            sender: try Mailbox(parsing: "sender@\(domain)"))
    }

    private static let label = "gatepost bench accept"

    private static func credential(
        of slug: String, _ known: [CredentialRecord], _ administration: Administration
    ) async throws -> String {
        if let usable = known.first(where: { $0.revokedAt == nil }) { return usable.name }
        var terms = Administration.CredentialTerms()
        terms.label = label
        return try await administration.issueCredential(for: slug, terms).username
    }

    /// - Parameter tenants: the messages of a batch are dealt out to so many, in turn.
    func measure(tenants: Int, batch: Int, connections: Int, messages: Int, size: Int) async throws -> Cell {
        let accounts = Array(accounts.prefix(tenants))
        let recipient = try Mailbox(parsing: "r1@bench.invalid")
        let contents = accounts.map {
            LoadMessage(
                size: size, from: $0.sender.description, to: recipient.description,
                date: MessageDate.string(unixSeconds: 0)
            ).numbered(0, size: size)
        }
        let run = randomBytes(8)
        let session = MessageID(at: .now)
        let benchmark = AcceptBenchmark(node, owner: owner, on: MultiThreadedEventLoopGroup.singleton.any())
        let report = try await benchmark.run(
            batch: batch, connections: connections, messages: messages, limit: .seconds(30)
        ) { number in
            let account = accounts[number % accounts.count]
            return AcceptRequest(
                tenantID: account.tenantID, credentialID: account.credentialID, loginID: account.loginID,
                tenantSlug: account.slug, credentialName: account.credential, poolID: account.poolID,
                sender: .mailbox(account.sender), fromDomain: account.sender.domain,
                recipients: [EnvelopeRecipient(recipient)], content: contents[number % accounts.count],
                resubmissionDigest: SHA256.hash(run + withUnsafeBytes(of: number, Array.init)),
                trace: { id, now in
                    TraceField.received(
                        heloName: "bench.invalid", clientAddress: "127.0.0.1", protocol: "ESMTPSA",
                        tlsVersion: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384", hostname: "bench.invalid",
                        queueID: "\(id)", date: now)
                }, clientAddress: "127.0.0.1", heloName: "bench.invalid",
                messageIDHeader: "<\(number)@bench.invalid>", isEightBit: false,
                session: session, fromAddresses: [account.sender.description])
        }
        try await cancel(report.accepted)
        return Cell(tenants: tenants, batch: batch, connections: connections, report: report)
    }

    /// What is under way is only marked: it is this process that holds it, and it never sends.
    private func cancel(_ ids: [MessageID]) async throws {
        let connection = DatabaseConnection(adminDatabase)
        for start in stride(from: 0, to: ids.count, by: 500) {
            try await connection.query(
                "SELECT count(*) FROM ledger.cancel($1, $2, $3)",
                [
                    .text("gatepost bench"), .uuidArray(Array(ids[start..<min(start + 500, ids.count)])),
                    .text("benchmark of accept()"),
                ])
        }
        await connection.close()
    }

    private func tidy() async throws {
        await owner.shutdown()
        let connection = DatabaseConnection(node)
        while let row = try await connection.query("SELECT ledger.upkeep_cancelled($1) AS n", [.int32(5000)]).first,
            try row.int64("n") > 0
        {}
        for account in accounts {
            _ = try await administration.suspendTenant(account.slug, reason: "benchmark over", holdQueue: false)
        }
    }
}
