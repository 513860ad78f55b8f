internal import Postgres
internal import SiteSupport

/// A database whose SQL clock runs, ahead of the machine's or behind it. (Its time-outs go by the machine's, and
/// misbehave where that is set.)
struct SteppedClock: Sendable {
    private let sql: DatabaseConnection
    /// Where it began, as an SQL expression.
    let start: String
    /// Five seconds before the change of time of the night that it began in.
    let change: String

    /// - Parameter instant: an evening, as PostgreSQL reads it.
    init(_ sql: DatabaseConnection, at instant: String) async throws {
        self.sql = sql
        start = "timestamptz '\(instant)'"
        // In all of the European Union at 01:00 UTC.
        change =
            "(date_trunc('day', timestamptz '\(instant)' AT TIME ZONE 'UTC') + interval '25 hours'"
            + " - interval '5 seconds') AT TIME ZONE 'UTC'"
        try await sql.script(
            """
            CREATE TABLE gatepost.test_offset (ahead interval NOT NULL);
            INSERT INTO gatepost.test_offset VALUES ('0');
            ALTER TABLE gatepost.test_offset OWNER TO gatepost_owner;
            CREATE TABLE gatepost.test_jump (at timestamptz NOT NULL);
            CREATE OR REPLACE FUNCTION gatepost.clock() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$
            BEGIN
                RETURN pg_catalog.clock_timestamp() + (SELECT o.ahead FROM gatepost.test_offset o);
            END
            $$;
            """)
        try await set(to: start)
    }

    /// - Parameter instant: an SQL expression.
    func set(to instant: String) async throws {
        // A forwarder's upkeep may just be making the same partition: then again.
        for attempt in 0... {
            do { return try await move(to: instant) } catch { guard attempt < 20 else { throw error } }
        }
    }

    private func move(to instant: String) async throws {
        try await sql.script(
            """
            DO $$
            DECLARE
                v_now timestamptz := \(instant);
            BEGIN
                -- Partitions are made three days ahead: what is jumped over or into, upkeep would make within a minute.
                PERFORM gatepost.make_partition(f.name, v_now + d.d)
                FROM gatepost.partition_family f,
                     (VALUES (interval '-5 minutes'), (interval '0'), (interval '5 minutes')) AS d (d);
                INSERT INTO gatepost.test_jump VALUES (v_now);
                UPDATE gatepost.test_offset SET ahead = v_now - clock_timestamp();
            END
            $$
            """)
    }
}
