/// Brings a database to this binary's schema, and tells whether a node may run on the one it finds.
///
/// Migrations apply in order, each in a transaction of its own, under one advisory lock; functions are re-applied
/// together when any of them changed. What was applied is recorded in `gatepost.schema_file` with its checksum.
package struct Migrator: Sendable {
    let migrations: [SchemaFile]
    let functions: [SchemaFile]
    let release: Release

    package init(migrations: [SchemaFile], functions: [SchemaFile], release: Release = .current) {
        self.migrations = migrations.sorted { $0.name < $1.name }
        self.functions = functions
        self.release = release
    }

    /// What is still to be done, in order.
    package struct Plan: Sendable, Equatable {
        package let migrations: [SchemaFile]
        package let functions: [SchemaFile]
        package var isEmpty: Bool { migrations.isEmpty && functions.isEmpty }

        /// The SQL that `migrate` would run, for `--dry-run`.
        package var text: String {
            (migrations + functions).map { "-- \($0.kind.rawValue) \($0.name)\n\($0.text)" }.joined(separator: "\n")
        }
    }

    /// Reads what the database has; changes nothing.
    package func plan(_ connection: DatabaseConnection) async throws -> Plan {
        let plan = try plan(against: await applied(connection))
        // (Until its migration was applied a role has not been made.)
        let due = plan.migrations.contains { $0.name.hasPrefix("0003") } ? Array(Self.roles.prefix(3)) : Self.roles
        try await refuseLostRoles(connection, due)
        return plan
    }

    /// Does what `plan` says. `progress` is told each file before it is applied, `restored` how many events of a restored dump
    /// have been put where they belong so far.
    @discardableResult
    package func migrate(
        _ connection: DatabaseConnection, progress: @Sendable (SchemaFile) -> Void = { _ in },
        restored: @Sendable (Int64) -> Void = { _ in }
    ) async throws -> Plan {
        try await connection.query("SELECT pg_catalog.pg_advisory_lock($1)", [.int64(Self.lockKey)])
        do {
            let plan = try await apply(connection, progress)
            try await putFirst(connection, restored)
            try await connection.query("SELECT pg_catalog.pg_advisory_unlock($1)", [.int64(Self.lockKey)])
            return plan
        } catch {
            await connection.close()  // and with it the lock
            throw error
        }
    }

    /// Whether this binary may serve on the schema it finds; throws a sentence that says what to do otherwise.
    ///
    /// - Returns: the newest release that has changed the schema.
    @discardableResult
    package func checkServes(_ connection: DatabaseConnection) async throws -> Release {
        let applied = try await applied(connection)
        guard !applied.isEmpty else {
            throw MigrationError("the database has no Gatepost schema yet", hint: "create it with `gatepost migrate`")
        }
        let missing = migrations.filter { applied[$0.name] == nil }
        if let first = missing.first {
            throw MigrationError(
                "the database's schema is older than this binary (gatepost \(release)): \(first.name) is missing",
                hint: "bring it up to date with `gatepost migrate`")
        }
        for migration in migrations { try refuseChanged(migration, applied[migration.name]) }
        let demands = applied.values.max { $0.oldestNode < $1.oldestNode }
        if let demands, demands.oldestNode > release {
            throw MigrationError(
                "the database's schema is made for gatepost \(demands.oldestNode) or newer and this is \(release)",
                hint: "run gatepost \(demands.release), which made it (\(demands.name))")
        }
        let isNewer = applied.values.contains { $0.release > release }
        if !isNewer, let stale = functions.first(where: { applied[$0.name]?.checksum != $0.checksum }) {
            throw MigrationError(
                "the database's function \(stale.name) is not this binary's (gatepost \(release))",
                hint: "bring it up to date with `gatepost migrate`")
        }
        return applied.values.map(\.release).max() ?? release
    }

    /// What a dump does not bring: roles belong to the cluster. What was restored before they were there, or without its owners
    /// (`--no-owner`), is the restorer's, and nothing is granted. No migration mends that.
    private func refuseLostRoles(_ connection: DatabaseConnection, _ due: [String]) async throws {
        let rows = try await connection.query(
            """
            SELECT pg_get_userbyid(n.nspowner) AS owner,
                ARRAY(SELECT r FROM unnest($1) AS r WHERE to_regrole(r) IS NULL) AS missing,
                ARRAY(SELECT r FROM unnest($1) AS r
                      WHERE CASE WHEN to_regrole(r) IS NULL THEN false
                                 WHEN r = 'gatepost_node' THEN NOT has_schema_privilege(r, 'ledger', 'USAGE')
                                 WHEN r = 'gatepost_admin' THEN NOT has_schema_privilege(r, 'admin', 'USAGE')
                                 ELSE false END) AS refused
            FROM pg_catalog.pg_namespace n
            WHERE n.nspname = 'ledger' AND to_regclass('gatepost.tenant') IS NOT NULL AND to_regnamespace('admin') IS NOT NULL
            """, [.textArray(due)])
        guard let row = rows.first else { return }
        let (owner, missing, refused) = (
            try row.string("owner"), try row.strings("missing"), try row.strings("refused")
        )
        let fault =
            if !missing.isEmpty {
                "the cluster has no role \(missing.joined(separator: ", "))"
            } else if owner != "gatepost_owner" {
                "the schema belongs to \(owner), not to gatepost_owner"
            } else if !refused.isEmpty {
                "\(refused.joined(separator: ", ")) may not use the schema"
            } else {
                ""
            }
        guard !fault.isEmpty else { return }
        throw MigrationError(
            "\(fault): a dump was restored before all of its roles were there, or without owners or grants",
            hint:
                "restore the roles first (`pg_dumpall --roles-only` of the old cluster), then the whole dump into an empty "
                + "database")
    }

    private static let roles = [
        "gatepost_owner", "gatepost_node", "gatepost_admin", "gatepost_viewer", "gatepost_report",
        "gatepost_report_view",
    ]

    private static let most: Int32 = 50_000

    /// Events of a dump, a part at a time, each of which stays done.
    private func putFirst(_ connection: DatabaseConnection, _ restored: @Sendable (Int64) -> Void) async throws {
        let may = try await connection.query(
            """
            SELECT coalesce(has_function_privilege(to_regprocedure('gatepost.event_restored(integer, uuid)'), 'EXECUTE'), false)
                AS may
            """)
        guard try may.first?.bool("may") == true else { return }
        var last: MessageID?
        var sum: Int64 = 0
        while true {
            let rows = try await connection.query(
                "SELECT last, moved FROM gatepost.event_restored($1, $2)", [.int32(Self.most), .optional(last)])
            guard let row = rows.first, case let moved = try row.int64("moved"), moved > 0 else { return }
            last = try row.uuid("last")
            sum += moved
            restored(sum)
            // (Less than a part is the last: what nodes write meanwhile is not run after.)
            if moved < Int64(Self.most) { return }
        }
    }

    // MARK: What is there

    struct Applied: Sendable {
        let name: String
        let checksum: [UInt8]
        let release: Release
        let oldestNode: Release
    }

    private func applied(_ connection: DatabaseConnection) async throws(DatabaseError) -> [String: Applied] {
        let there = try await connection.query("SELECT to_regclass('gatepost.schema_file') IS NOT NULL AS there")
        guard try there.first?.bool("there") == true else { return [:] }
        let rows = try await connection.query("SELECT name, checksum, release, oldest_node FROM gatepost.schema_file")
        var all: [String: Applied] = [:]
        for row in rows {
            let name = try row.string("name")
            all[name] = Applied(
                name: name, checksum: try row.bytes("checksum"),
                release: Release(try row.string("release")) ?? Release(0, 0, 0),
                oldestNode: Release(try row.string("oldest_node")) ?? Release(0, 0, 0))
        }
        return all
    }

    func plan(against applied: [String: Applied]) throws(MigrationError) -> Plan {
        let known = Set((migrations + functions).map(\.name))
        for migration in migrations { try refuseChanged(migration, applied[migration.name]) }
        let newest = applied.values.max { $0.release < $1.release }
        if let newest, newest.release > release {
            throw MigrationError(
                "gatepost \(newest.release) has changed this schema (\(newest.name)) and this is \(release)",
                hint: "migrate with gatepost \(newest.release) or newer")
        }
        if let stranger = applied.values.first(where: { !known.contains($0.name) && Self.isMigration($0.name) }) {
            throw MigrationError(
                "the database has the migration \(stranger.name), which this binary does not know",
                hint: "it was applied by gatepost \(stranger.release); use the binary that carries it")
        }
        let last = migrations.last { applied[$0.name] != nil }
        if let last, let gap = migrations.first(where: { applied[$0.name] == nil && $0.name < last.name }) {
            throw MigrationError(
                "the migration \(gap.name) was never applied, yet \(last.name) after it was",
                hint: "the files of this binary are not in the order they were applied in; use a released binary")
        }
        let changed = functions.contains { applied[$0.name]?.checksum != $0.checksum }
        return Plan(
            migrations: migrations.filter { applied[$0.name] == nil },
            // All of them when any changed: they call each other, and a half-new set was never tested.
            functions: changed ? functions : [])
    }

    private func refuseChanged(_ file: SchemaFile, _ applied: Applied?) throws(MigrationError) {
        guard let applied, applied.checksum != file.checksum else { return }
        throw MigrationError(
            "the migration \(file.name) is not the one that was applied to this database by gatepost \(applied.release)",
            hint: "an applied migration never changes: use a released binary, or restore the file and add a new one")
    }

    private static func isMigration(_ name: String) -> Bool { name.prefix(4).allSatisfy(\.isNumber) }

    // MARK: Applying

    /// Any constant will do; this one spells "gatepost".
    private static let lockKey: Int64 = 0x6761_7465_706f_7374

    private func apply(
        _ connection: DatabaseConnection, _ progress: @Sendable (SchemaFile) -> Void
    ) async throws -> Plan {
        let plan = try await plan(connection)
        if plan.isEmpty { return plan }
        try await connection.script(Self.bootstrap)
        for migration in plan.migrations {
            progress(migration)
            try await connection.transaction { connection in
                try connection.script(migration.text)
                try record(migration, connection)
            }
        }
        for function in plan.functions { progress(function) }
        if !plan.functions.isEmpty {
            try await connection.transaction { connection in
                // They may name each other in any order, and all belong to the owner, whoever migrates.
                try connection.script("SET LOCAL check_function_bodies = off; SET LOCAL ROLE gatepost_owner")
                for function in plan.functions {
                    do throws(DatabaseError) {
                        try connection.script(function.text)
                    } catch {
                        throw DatabaseError(
                            error.kind, "\(function.name): \(error.message)", sqlState: error.sqlState)
                    }
                    try record(function, connection)
                }
            }
        }
        try await connection.script(Self.grants)
        return plan
    }

    private func record(_ file: SchemaFile, _ connection: isolated DatabaseConnection) throws(DatabaseError) {
        try connection.query(
            """
            INSERT INTO gatepost.schema_file AS f (name, checksum, release, oldest_node)
            VALUES ($1, $2, $3, $4)
            ON CONFLICT (name) DO UPDATE SET checksum = excluded.checksum, release = excluded.release,
                oldest_node = excluded.oldest_node, applied_at = pg_catalog.clock_timestamp()
            """,
            [.text(file.name), .bytes(file.checksum), .text("\(release)"), .text("\(file.oldestNode)")])
    }

    /// The record must be there before the first migration.
    private static let bootstrap = """
        CREATE SCHEMA IF NOT EXISTS gatepost;
        CREATE TABLE IF NOT EXISTS gatepost.schema_file (
            name text PRIMARY KEY,
            checksum bytea NOT NULL,
            release text NOT NULL,
            oldest_node text NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
        );
        """

    /// Every role may read which schema it works on.
    private static let grants = """
        DO $$
        DECLARE reader text;
        BEGIN
            FOREACH reader IN ARRAY ARRAY['gatepost_node', 'gatepost_admin'] LOOP
                IF EXISTS (SELECT FROM pg_roles WHERE rolname = reader) THEN
                    EXECUTE format('GRANT USAGE ON SCHEMA gatepost TO %I', reader);
                    EXECUTE format('GRANT SELECT ON gatepost.schema_file TO %I', reader);
                END IF;
            END LOOP;
        END $$;
        """
}

/// Why a schema was not touched, or not served on: what is wrong, and the command that helps.
package struct MigrationError: Error, Sendable, CustomStringConvertible {
    package let message: String
    package let hint: String

    init(_ message: String, hint: String) {
        self.message = message
        self.hint = hint
    }

    package var description: String { "\(message)\n\nhint: \(hint)" }
}
