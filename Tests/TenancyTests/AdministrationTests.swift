import Foundation
import Postgres
import SASL
import Synchronization
import TestSupport
import Testing

@testable import Tenancy

/// Operators' changes against a database of the test's own.
@Suite(.timeLimit(.minutes(10))) struct `An operator` {
    private func administration(
        _ database: PrivateDatabase, patience: Duration = .seconds(60)
    ) -> Administration {
        Administration(database.connection(as: .admin), user: "alice as root", patience: patience)
    }

    @Test func `makes a tenant with the documented defaults`() async throws {
        let admin = administration(try await .create())
        try await admin.createTenant("acme", TenantChanges())
        let tenant = try await admin.tenant("acme")
        #expect(tenant.daily == 1000 && tenant.monthly == nil && tenant.rate == nil && tenant.burst == nil)
        #expect(tenant.messageSize == 25 << 20 && tenant.recipientsPerMessage == 100 && tenant.sessions == 50)
        #expect(tenant.zone == "UTC" && tenant.policy == "defer" && tenant.pool == "default")
        #expect(tenant.resubmission && !tenant.partial && !tenant.nullSender && tenant.status == "active")
    }

    @Test func `sets every limit, and leaves what is not named`() async throws {
        let admin = administration(try await .create())
        _ = try await admin.createPool("other")
        var changes = TenantChanges()
        changes.daily = .unlimited
        changes.monthly = .of(20_000)
        changes.rate = .of(60)
        changes.burst = 10
        changes.messageSize = 4096
        changes.recipientsPerMessage = 7
        changes.sessions = .unlimited
        changes.policy = .reject
        changes.partial = true
        changes.resubmission = false
        changes.nullSender = true
        changes.pool = "other"
        try await admin.createTenant("acme", changes)
        let tenant = try await admin.tenant("acme")
        #expect(tenant.daily == nil && tenant.monthly == 20_000 && tenant.rate == 60 && tenant.burst == 10)
        #expect(tenant.messageSize == 4096 && tenant.recipientsPerMessage == 7 && tenant.sessions == nil)
        #expect(tenant.policy == "reject" && tenant.partial && !tenant.resubmission && tenant.nullSender)
        #expect(tenant.pool == "other")

        var one = TenantChanges()
        one.daily = .of(5)
        #expect(try await admin.setTenant("acme", one))
        #expect(try await admin.setTenant("acme", one) == false)
        let changed = try await admin.tenant("acme")
        #expect(changed.daily == 5 && changed.monthly == 20_000 && changed.rate == 60)
    }

    @Test func `changes the time zone from the next midnight on`() async throws {
        let admin = administration(try await .create())
        try await admin.createTenant("acme", TenantChanges())
        var changes = TenantChanges()
        changes.zone = "Europe/Brussels"
        #expect(try await admin.setTenant("acme", changes))
        let tenant = try await admin.tenant("acme")
        #expect(tenant.zone == "UTC" && tenant.nextZone == "Europe/Brussels" && tenant.nextZoneFrom != nil)
        changes.zone = "Europe/Nowhere"
        await #expect(throws: AdministrationError.self) { _ = try await admin.setTenant("acme", changes) }
    }

    @Test func `is told apart what is taken, missing or impossible`() async throws {
        let admin = administration(try await .create())
        try await admin.createTenant("acme", TenantChanges())
        await #expect { try await admin.createTenant("acme", TenantChanges()) } throws: { $0.is(.taken("")) }
        await #expect { _ = try await admin.setTenant("nobody", TenantChanges()) } throws: { $0.is(.notFound("")) }
        await #expect { _ = try await admin.revokeCredential("acme.x", reason: nil) } throws: { $0.is(.notFound("")) }
        var pool = TenantChanges()
        pool.pool = "nowhere"
        await #expect { _ = try await admin.setTenant("acme", pool) } throws: { $0.is(.notFound("")) }
        var burst = TenantChanges()
        burst.burst = 5
        await #expect { _ = try await admin.setTenant("acme", burst) } throws: { $0.is(.invalid("")) }
    }

    @Test func `issues a credential whose secret the directory's verifier matches`() async throws {
        let database = try await PrivateDatabase.create()
        let admin = administration(database)
        try await admin.createTenant("acme", TenantChanges())
        _ = try await admin.addDomain("acme.example", to: "acme", trusted: true)
        _ = try await admin.addDomain("unproven.example", to: "acme", trusted: false)
        var terms = Administration.CredentialTerms()
        terms.label = "web shop"
        terms.daily = .of(9)
        terms.networks = ["192.0.2.0/24"]
        terms.expires = .value(Instant.now.advanced(by: .seconds(3600)))
        let (username, secret) = try await admin.issueCredential(for: "acme", terms)

        let directory = Directory(database)
        let login = try #require(try await directory.login(named: username))
        #expect(login.verifier?.scram.matches(secret: secret.exposed.utf8) == true)
        #expect(login.verifier?.digest == secret.verifier().digest)
        #expect(login.tenant == "acme" && login.credential == username && login.senderDomains == ["acme.example"])
        #expect(login.room.remaining == 9 && login.room.limitName == "credential_daily")
        #expect(login.allows(clientAddress: "192.0.2.1") && !login.allows(clientAddress: "192.0.3.1"))
        #expect(login.obstacle(at: login.clock) == nil && login.credentialExpiresAt != nil)
        #expect(try await directory.login(named: "nobody") == nil)

        #expect(try await admin.revokeCredential(username, reason: "lost"))
        #expect(try await admin.revokeCredential(username, reason: "again") == false)
        let revoked = try #require(try await directory.login(named: username))
        #expect(revoked.obstacle(at: revoked.clock) == .credentialRevoked(reason: "lost"))
        let record = try await admin.credential(username)
        #expect(record.revokedReason == "lost" && record.label == "web shop" && record.daily == 9)
    }

    @Test func `suspends and resumes`() async throws {
        let admin = administration(try await .create())
        try await admin.createTenant("acme", TenantChanges())
        #expect(try await admin.suspendTenant("acme", reason: "invoice", holdQueue: true))
        let suspended = try await admin.tenant("acme")
        #expect(suspended.status == "suspended" && suspended.reason == "invoice" && suspended.holdsQueue)
        #expect(try await admin.suspendTenant("acme", reason: "invoice", holdQueue: true) == false)
        #expect(try await admin.suspendTenant("acme", reason: nil, holdQueue: nil) == false)
        #expect(try await admin.tenant("acme").holdsQueue)
        #expect(try await admin.resumeTenant("acme"))
        #expect(try await admin.tenant("acme").status == "active")
    }

    @Test func `manages pools and relays, and the pool directory hears of it`() async throws {
        let database = try await PrivateDatabase.create()
        let admin = administration(database)
        let pools = PoolDirectory(DatabasePool(database.configuration(as: .node)))
        let id = try #require(try await pools.pools().values.first { $0.name == "default" }?.id)
        #expect(try await pools.pool(id)?.members == [])

        #expect(
            try await admin.addRelay("default", host: "::1", port: 2525, weighing(3)))
        #expect(try await pools.pool(id)?.members == [], "remembered until it is told")
        pools.hear(.notification(channel: "gatepost_directory", payload: "tenant:1"))
        #expect(try await pools.pool(id)?.members == [], "a tenant's change is none of a pool's")
        pools.hear(.notification(channel: "gatepost_directory", payload: "pool"))
        let member = try #require(try await pools.pool(id)?.members.first)
        #expect(member.host == "::1" && member.port == 2525 && member.weight == 3 && !member.isDraining)

        #expect(try await admin.drainRelay("default", host: "::1", port: 2525))
        pools.hear(.lost("gone"))
        #expect(try await pools.pool(id)?.members.first?.isDraining == true)
        #expect(try await admin.removeRelay("default", host: "::1", port: 2525))
        #expect(try await admin.removeRelay("default", host: "::1", port: 2525) == false)
        #expect(try await admin.createPool("default") == false)
    }

    @Test func `leaves a line in the audit for each change, with the name of who made it and no secret`() async throws {
        let database = try await PrivateDatabase.create()
        let admin = administration(database)
        try await admin.createTenant("acme", TenantChanges())
        let (username, secret) = try await admin.issueCredential(for: "acme", .init())
        _ = try await admin.addDomain("acme.example", to: "acme", trusted: true)
        _ = try await admin.removeDomain("acme.example", from: "acme")
        _ = try await admin.suspendTenant("acme", reason: nil, holdQueue: false)
        _ = try await admin.revokeCredential(username, reason: nil)
        let rows = try await database.connection().query(
            "SELECT action, os_user, database_user, a::text AS line FROM admin.audit a ORDER BY id")
        #expect(
            try rows.map { try $0.string("action") } == [
                "tenant create", "credential issue", "domain add", "domain remove", "tenant suspend",
                "credential revoke",
            ])
        for row in rows {
            #expect(try row.string("os_user") == "alice as root")
            #expect(try row.string("database_user") == "gatepost_admin")
            #expect(try !row.string("line").contains(secret.exposed))
        }
        let stored = try await database.connection().query("SELECT l::text AS line FROM gatepost.login l")
        #expect(try stored.allSatisfy { try !$0.string("line").contains(secret.exposed) })
    }

    @Test func `is refused what the role may not do`() async throws {
        let database = try await PrivateDatabase.create()
        let node = Administration(database.connection(as: .node), user: "mallory")
        await #expect { try await node.createTenant("acme", TenantChanges()) } throws: { $0.is(.denied("")) }
        let empty = Administration(try await PrivateDatabase.createEmpty().connection(), user: "alice")
        await #expect { _ = try await empty.tenants(pageSize: 1) } throws: { $0.is(.schemaMissing("")) }
    }

    // MARK: Doubt

    @Test func `repeats a change whose answer was lost, until it is certain`() async throws {
        let database = try await PrivateDatabase.create()
        let admin = administration(database)
        try await admin.createTenant("acme", TenantChanges())
        let other = database.connection()
        try await other.query("BEGIN")
        try await other.query("SELECT FROM gatepost.meter FOR UPDATE")

        let suspending = Task { try await admin.suspendTenant("acme", reason: nil, holdQueue: false) }
        let killer = database.connection()
        // Wait until it waits for the meter, and end its session: the client cannot know what became of it.
        let waiting = """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE usename = 'gatepost_admin' AND wait_event_type = 'Lock' AND datname = current_database()
            """
        #expect(try await eventually { try await killer.query(waiting).count == 1 })
        // It comes back and waits again: for the lock, not for luck.
        #expect(
            try await eventually {
                try await killer.query(waiting.replacing("pg_terminate_backend(pid)", with: "pid")).count == 1
            })
        try await other.query("COMMIT")
        #expect(try await suspending.value)
        #expect(try await admin.tenant("acme").status == "suspended")
    }

    @Test func `sees what a change came to although the connection is lost behind it`() async throws {
        let cluster = try PrivateCluster(durable: false)
        let database = try await DatabaseTemplates(cluster).createDatabase()
        let isCut = Mutex(0)
        let proxy = CuttingProxy(to: cluster.port) { statement in
            guard statement.contains("FROM admin.credential WHERE") else { return nil }
            return isCut.withLock { cuts in
                cuts += 1
                return cuts <= 2 ? .cutBeforeReply : nil
            }
        }
        let admin = Administration(
            DatabaseConnection(DatabaseConfiguration(url: database.tcpURL(as: .admin, port: proxy.port))), user: "alice"
        )
        await #expect { _ = try await admin.credential("acme.nobody") } throws: { $0.is(.unreachable("")) }
        #expect(!admin.hasChanged)
        try await admin.createTenant("acme", TenantChanges())
        #expect(admin.hasChanged)
        let (name, _) = try await admin.issueCredential(for: "acme", CredentialTerms())
        #expect(try await admin.credential(name).name == name)
        #expect(isCut.withLock { $0 } == 3)
    }

    @Test func `is told that the outcome is unknown when it cannot be learnt in time`() async throws {
        let cluster = try PrivateCluster(durable: false)
        let database = try await DatabaseTemplates(cluster).createDatabase()
        let admin = administration(database, patience: .milliseconds(500))
        try await admin.createTenant("acme", TenantChanges())
        let other = database.connection()
        try await other.query("BEGIN")
        try await other.query("SELECT FROM gatepost.meter FOR UPDATE")
        let suspending = Task { try await admin.suspendTenant("acme", reason: nil, holdQueue: false) }
        let observer = database.connection()
        let waiting = "SELECT FROM pg_stat_activity WHERE usename = 'gatepost_admin' AND wait_event_type = 'Lock'"
        #expect(try await eventually { try await observer.query(waiting).count == 1 })
        // At once: a backend that ended in order would let go of its lock, and the change might yet be made.
        cluster.stop(SIGQUIT)
        await #expect { _ = try await suspending.value } throws: { $0.is(.outcomeUnknown("")) }
        // Nothing was sent this time.
        await #expect { _ = try await admin.resumeTenant("acme") } throws: { $0.is(.unreachable("")) }
    }
}

extension Error {
    /// The same kind of error, whatever it says.
    fileprivate func `is`(_ kind: AdministrationError) -> Bool {
        func name(_ error: any Error) -> Substring { "\(error)".prefix { $0 != "(" } }
        return self is AdministrationError && name(self) == name(kind)
    }
}

private func weighing(_ weight: Int64) -> RelayTerms {
    var terms = RelayTerms()
    terms.weight = weight
    return terms
}
