import Postgres

/// The database: there, ours, of this version, and how much a commit on it promises.
struct DatabaseCheck {
    let settings: Settings

    func findings() async -> [Finding] {
        let configuration: DatabaseConfiguration
        do {
            configuration = try settings.database(as: .admin)
        } catch {
            return [.wrong("database", error.message, hint: error.hint)]
        }
        let connection = DatabaseConnection(configuration)
        let server: Server
        do {
            server = try await Server(connection)
        } catch {
            let key = DatabaseRole.admin.key
            let refusal = error as? DatabaseError
            let hint: String? =
                if refusal?.isRefusedLogin == true {
                    Failure.loginRefused("\(error)", configuration, key).hint
                } else if refusal?.kind == .configuration {
                    key
                } else {
                    Failure.connectionHint("\(error)", configuration, key)
                }
            return [.wrong("database", "\(error)", hint: hint)]
        }
        var findings: [Finding] = [
            .ok("database", "PostgreSQL \(server.version) at \(configuration), as \(server.user)")
        ]
        findings += server.promise
        findings.append(server.clock)
        findings.append(await schema(connection))
        // Where the function is missing, the schema's line has said so.
        if let upkeep = try? await Upkeep(connection) { findings += upkeep.findings }
        await connection.close()
        findings.append(await node())
        return findings
    }

    private func schema(_ connection: DatabaseConnection) async -> Finding {
        do {
            let release = try await Migrator.embedded.checkServes(connection)
            let mine = "\(release)" == "\(Release.current)"
            return .ok("schema", "of gatepost \(release)" + (mine ? "" : ", which \(Gatepost.version) may serve"))
        } catch let error as MigrationError {
            return .wrong("schema", error.message, hint: error.hint)
        } catch {
            return .wrong("schema", "\(error)")
        }
    }

    /// The node's own role, which must be able to do little.
    private func node() async -> Finding {
        do {
            let connection = DatabaseConnection(try settings.database(as: .node))
            let row = try await connection.query(
                """
                SELECT r.rolname, r.rolsuper, current_database() AS name, f.is_there, f.serves
                FROM pg_roles r CROSS JOIN LATERAL (
                    SELECT count(*) > 0 AS is_there, bool_and(has_function_privilege(f.oid, 'EXECUTE')) AS serves
                    FROM pg_proc f JOIN pg_namespace s ON s.oid = f.pronamespace
                    WHERE s.nspname = 'ledger' AND f.proname IN ('accept', 'login', 'claim', 'settle', 'secret')) AS f
                WHERE r.rolname = current_user
                """)
            await connection.close()
            let user = try row.first?.string("rolname") ?? "?"
            guard try row.first?.bool("is_there") == true else {
                return .wrong(
                    "node role",
                    "`serve` connects to the database \(try row.first?.string("name") ?? "?"), which has no Gatepost",
                    hint: "`gatepost migrate`, or database.url is to name the database that it was run on")
            }
            if try row.first?.bool("rolsuper") == true {
                return .note(
                    "node role", "`serve` connects as \(user), a superuser",
                    hint: "database.url should connect as gatepost_node, which may do little")
            }
            guard try row.first?.bool("serves") == true else {
                return .wrong(
                    "node role", "`serve` connects as \(user), which may not do what a node does",
                    hint: "database.url should connect as gatepost_node")
            }
            return .ok("node role", "`serve` connects as \(user)")
        } catch {
            return .wrong("node role", "\(error)", hint: "database.url")
        }
    }

    /// What `admin.health` tells of the schema's own state.
    private struct Upkeep {
        /// Until when the family of partitions that ends first has any; nil: one has none.
        var partitionsUntil: Instant?
        var synchronousReplicas: Int64?
        var waitsForReplica: Bool
        var tenantsHeld, connectionsUsed, connectionsMax: Int64

        init(_ connection: DatabaseConnection) async throws {
            let rows = try await connection.query(
                """
                SELECT synchronous_replicas, synchronous_standby_names <> '' AS waits, tenants_held, connections_used,
                       connections_max::bigint AS connections_max,
                       (SELECT CASE WHEN bool_and(p.value IS NOT NULL) THEN min(p.value::timestamptz) END
                        FROM jsonb_each_text(partitions_until) p) AS partitions_until
                FROM admin.health()
                """)
            guard let row = rows.first else { throw DatabaseError(.unexpected, "no row") }
            partitionsUntil = try row.timestampOrNil("partitions_until")
            synchronousReplicas = try row.int64OrNil("synchronous_replicas")
            waitsForReplica = try row.bool("waits")
            tenantsHeld = try row.int64("tenants_held")
            connectionsUsed = try row.int64("connections_used")
            connectionsMax = try row.int64("connections_max")
        }

        var findings: [Finding] {
            var findings: [Finding] = []
            let hint = "`gatepost maintain`; a running forwarder makes them ahead"
            if let partitionsUntil {
                let text = "made until \(Show.time(partitionsUntil.microseconds))"
                let isSoon = partitionsUntil < Instant.now.advanced(by: .seconds(3 * 3600))
                findings.append(isSoon ? .wrong("partitions", text, hint: hint) : .ok("partitions", text))
            } else {
                findings.append(.wrong("partitions", "a family of partitions has none", hint: hint))
            }
            if waitsForReplica, synchronousReplicas == 0 {
                findings.append(
                    .wrong("promise", "commits wait for a standby and none is there: nothing is accepted"))
            }
            if connectionsUsed * 10 > connectionsMax * 9 {
                findings.append(
                    .note("connections", "\(connectionsUsed) of \(connectionsMax) are taken", hint: "max_connections"))
            }
            if tenantsHeld > 0 {
                findings.append(
                    .note("queue", "held for \(tenantsHeld) suspended tenants", hint: "gatepost tenant resume NAME"))
            }
            return findings
        }
    }

    private struct Server {
        var version, user: String
        var synchronousCommit, standbys: String
        var isRecovering, fsync, fullPageWrites: Bool
        /// Of the database's clock ahead of ours, in seconds.
        var ahead: Double

        init(_ connection: DatabaseConnection) async throws {
            let before = Instant.now
            let rows = try await connection.query(
                """
                SELECT split_part(current_setting('server_version'), ' ', 1) AS version, current_user::text AS who,
                       pg_is_in_recovery() AS recovering, current_setting('fsync') = 'on' AS fsync,
                       current_setting('full_page_writes') = 'on' AS full_page_writes,
                       (SELECT s.reset_val FROM pg_settings s WHERE s.name = 'synchronous_commit') AS commit,
                       current_setting('synchronous_standby_names') AS standbys, clock_timestamp() AS clock
                """)
            let after = Instant.now
            guard let row = rows.first else { throw DatabaseError(.unexpected, "no row") }
            version = try row.string("version")
            user = try row.string("who")
            isRecovering = try row.bool("recovering")
            fsync = try row.bool("fsync")
            fullPageWrites = try row.bool("full_page_writes")
            synchronousCommit = try row.stringOrNil("commit") ?? "on"
            standbys = try row.string("standbys")
            let clock = try row.timestamp("clock").microseconds
            let inBetween = max(before.microseconds - clock, clock - after.microseconds, 0)
            ahead = Double(clock < before.microseconds ? -inBetween : inBetween) / 1_000_000
        }

        /// LEDGER: single node, asynchronous or synchronous.
        var promise: [Finding] {
            var findings: [Finding] = []
            if isRecovering {
                findings.append(.wrong("promise", "this server is a standby and takes no writes"))
            }
            for (setting, isOn) in [("fsync", fsync), ("full_page_writes", fullPageWrites)] where !isOn {
                findings.append(
                    .wrong("promise", "\(setting) is off: a power cut loses accepted mail", hint: "\(setting) = on"))
            }
            if ["off", "local"].contains(synchronousCommit) {
                findings.append(
                    .note(
                        "promise",
                        "synchronous_commit is \(synchronousCommit) by default; Gatepost's own sessions set it to on"))
            }
            if standbys.isEmpty {
                findings.append(
                    .note(
                        "promise", "single node or asynchronous: a commit is on this server's disk, and on no other's",
                        hint: "with standbys, synchronous_standby_names makes a failover lose nothing"))
            } else {
                findings.append(.ok("promise", "synchronous: a commit waits for \(standbys)"))
            }
            return findings
        }

        var clock: Finding {
            let text = "the database's is \(abs(ahead) < 0.05 ? "the same" : "\(Int(ahead * 1000)) ms off ours")"
            return abs(ahead) < 2 ? .ok("clocks", text) : .wrong("clocks", text, hint: "set both by NTP")
        }
    }
}
