package import Postgres

/// What `gatepost check` asks of the database. Facts; the judgement is the caller's, but for the promise.
package struct DatabaseHealth: Sendable, Hashable {
    /// What a `250` is worth when the primary is lost.
    package enum Promise: String, Sendable, Hashable {
        /// One server: what it has is what there is.
        case singleNode = "single node"
        /// A failover may lose what was acknowledged last.
        case asynchronous
        /// A commit waits for a standby.
        case synchronous
        /// The server does not show its standbys to gatepost_owner.
        case unknown
    }

    package var clock: Instant
    /// The database's clock less this machine's; half the round trip uncertain.
    package var clockOffset: Duration
    package var roundTrip: Duration
    /// `server_version_num`: 150018.
    package var version: Int64
    package var isStandby: Bool
    package var fsync, fullPageWrites: Bool
    package var synchronousCommit, synchronousStandbyNames: String
    /// Standbys that stream, and those a commit waits for; nil: not to be seen.
    package var replicas, synchronousReplicas: Int64?
    /// Until when there are partitions, by family; nil: none.
    package var partitionsUntil: [String: Instant?]
    /// Nodes that hold leases, and the oldest of their renewals.
    package var owners: Int64
    package var oldestRenewal: Instant?
    /// Pools in use that have no active member.
    package var poolsWithoutMembers: [String]
    package var tenantsHeld: Int64
    package var connectionsUsed, connectionsMax: Int64

    package var promise: Promise {
        guard let replicas, let synchronousReplicas else { return .unknown }
        let isSynchronous =
            !synchronousStandbyNames.isEmpty && synchronousReplicas > 0
            && ["on", "remote_apply"].contains(synchronousCommit)
        if isSynchronous { return .synchronous }
        return replicas == 0 && synchronousStandbyNames.isEmpty ? .singleNode : .asynchronous
    }

    /// The settings without which a crash alone may lose what was acknowledged: `fsync`, …
    package var unsafeSettings: [String] {
        var names: [String] = []
        if !fsync { names.append("fsync") }
        if !fullPageWrites { names.append("full_page_writes") }
        if synchronousCommit == "off" { names.append("synchronous_commit") }
        return names
    }
}

extension Administration {
    /// - Throws: `schemaMissing` where the schema is older than this binary.
    package func health() async throws(AdministrationError) -> DatabaseHealth {
        let before = ContinuousClock.now
        let sentAt = Instant.now
        let rows = try await read(
            """
            SELECT clock, version, in_recovery, fsync, full_page_writes, synchronous_commit, synchronous_standby_names,
                   replicas, synchronous_replicas, owners, oldest_renewal, pools_without_members, tenants_held,
                   connections_used, connections_max
            FROM admin.health()
            """
        ) { row in
            DatabaseHealth(
                clock: try row.timestamp("clock"), clockOffset: .zero, roundTrip: .zero,
                version: try row.int64("version"), isStandby: try row.bool("in_recovery"),
                fsync: try row.bool("fsync"), fullPageWrites: try row.bool("full_page_writes"),
                synchronousCommit: try row.string("synchronous_commit"),
                synchronousStandbyNames: try row.string("synchronous_standby_names"),
                replicas: try row.int64OrNil("replicas"),
                synchronousReplicas: try row.int64OrNil("synchronous_replicas"),
                partitionsUntil: [:], owners: try row.int64("owners"),
                oldestRenewal: try row.timestampOrNil("oldest_renewal"),
                poolsWithoutMembers: try row.strings("pools_without_members"),
                tenantsHeld: try row.int64("tenants_held"), connectionsUsed: try row.int64("connections_used"),
                connectionsMax: try row.int64("connections_max"))
        }
        guard var health = rows.first else { throw .failed("the database gave no answer") }
        health.roundTrip = ContinuousClock.now - before
        let middle = sentAt.advanced(by: health.roundTrip / 2)
        health.clockOffset = .microseconds(health.clock.microseconds - middle.microseconds)
        let partitions = try await read(
            """
            SELECT p.key AS family, p.value::timestamptz AS until
            FROM admin.health() h CROSS JOIN LATERAL jsonb_each_text(h.partitions_until) AS p
            """
        ) { row in (try row.string("family"), try row.timestampOrNil("until")) }
        for (family, until) in partitions { health.partitionsUntil[family] = .some(until) }
        return health
    }
}
