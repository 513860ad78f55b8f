-- ledger.owners: what can be seen of every lease holder, for those who look for lost ones.
--   Out    locked: its advisory lock is held (never tried, only looked at); same_server: its last renewal was written
--          on this very incarnation of the server. Lost is an owner (a) seen with same_server and not locked at the
--          same renewals twice, 10 s apart; or (b) whose renewals stand still for 5 minutes of the looker's own clock.
--   Locks  none.    Repeat  harmless.    Role  gatepost_node, gatepost_admin
CREATE OR REPLACE FUNCTION ledger.owners()
RETURNS TABLE (id uuid, node text, renewals bigint, locked boolean, same_server boolean, renewed_at timestamptz)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT o.id, o.node, o.renewals, gatepost.owner_locked(o.lock_object, NULL), o.incarnation = gatepost.incarnation(),
           o.renewed_at
    FROM gatepost.owner o ORDER BY o.started_at, o.id
$$;

ALTER FUNCTION ledger.owners() OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.owners() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.owners() TO gatepost_node, gatepost_admin;
