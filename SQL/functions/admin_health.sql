-- admin.health: what `gatepost check` asks of the database, in one row. It judges nothing.
--   Out    clock; version (server_version_num); settings that a promise hangs on; replicas: how many standbys stream,
--          and how many of them a commit waits for now (both null where the server does not let gatepost_owner see it);
--          partitions: for each family until when there are any; owners and the oldest renewal; pools without an active
--          member, of those that tenants use
--   Locks  none.    Repeat  harmless.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.health() RETURNS TABLE (
    clock timestamptz, version int, in_recovery boolean, fsync boolean, full_page_writes boolean,
    synchronous_commit text, synchronous_standby_names text, replicas bigint, synchronous_replicas bigint,
    partitions_until jsonb, owners bigint, oldest_renewal timestamptz, pools_without_members text[],
    tenants_held bigint, connections_used bigint, connections_max int
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT ledger.clock(), current_setting('server_version_num')::int, pg_is_in_recovery(),
           current_setting('fsync')::boolean, current_setting('full_page_writes')::boolean,
           -- What the server would give a session of its own: this one pins it.
           (SELECT s.reset_val FROM pg_settings s WHERE s.name = 'synchronous_commit'),
           current_setting('synchronous_standby_names'),
           CASE WHEN pg_has_role('pg_read_all_stats', 'USAGE') THEN
               (SELECT count(*) FROM pg_stat_get_wal_senders() AS w WHERE w.state = 'streaming') END,
           CASE WHEN pg_has_role('pg_read_all_stats', 'USAGE') THEN
               (SELECT count(*) FROM pg_stat_get_wal_senders() AS w WHERE w.sync_state IN ('sync', 'quorum')) END,
           (SELECT jsonb_object_agg(f.name, (
                SELECT max(gatepost.uuid_instant((regexp_match(pg_get_expr(c.relpartbound, c.oid),
                                                               $r$TO \('([^']+)'\)$r$))[1]::uuid))
                FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                WHERE i.inhparent = to_regclass('gatepost.' || f.name)))
            FROM gatepost.partition_family f),
           (SELECT count(*) FROM gatepost.owner), (SELECT min(o.renewed_at) FROM gatepost.owner o),
           ARRAY(SELECT p.name FROM gatepost.relay_pool p
                 WHERE NOT EXISTS (SELECT FROM gatepost.relay r WHERE r.pool_id = p.id AND r.status = 'active')
                   AND (p.name = 'default'
                        OR EXISTS (SELECT FROM gatepost.tenant t WHERE t.pool_id = p.id AND t.status <> 'deleted'))
                 ORDER BY p.name),
           (SELECT count(*) FROM gatepost.tenant t WHERE t.hold_queue AND t.status <> 'deleted'),
           (SELECT count(*) FROM pg_stat_get_activity(NULL) AS a WHERE a.datid IS NOT NULL),
           current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int;
END
$$;

ALTER FUNCTION admin.health() OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.health() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.health() TO gatepost_admin;
