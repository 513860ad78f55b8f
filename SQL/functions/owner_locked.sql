-- gatepost.owner_locked: is an owner's advisory lock held? Looked up, never tried.
--   In     lock_object; holder: by this backend, null: by any session of a node (others may hold it, and mean nothing)
--   Locks  none.    Role  none; the owner functions use it
CREATE OR REPLACE FUNCTION gatepost.owner_locked(lock_object int, holder int) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (
        SELECT FROM pg_locks l
        WHERE l.locktype = 'advisory' AND l.classid = 1196445524 AND l.objid = lock_object::oid AND l.objsubid = 2
          AND l.granted AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
          AND CASE WHEN holder IS NULL
                  THEN (SELECT pg_has_role(a.usesysid, 'gatepost_node', 'MEMBER') FROM pg_stat_activity a
                        WHERE a.pid = l.pid)
                  ELSE l.pid = holder END)
$$;

ALTER FUNCTION gatepost.owner_locked(int, int) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.owner_locked(int, int) FROM PUBLIC;
