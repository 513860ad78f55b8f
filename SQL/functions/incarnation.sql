-- gatepost.incarnation: which server this is: its timeline and when its postmaster started.
--   Out    text, to be compared only.    Locks  none.    Role  none; the owner functions use it
CREATE OR REPLACE FUNCTION gatepost.incarnation() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8) || '/' || extract(epoch FROM pg_postmaster_start_time())
$$;

ALTER FUNCTION gatepost.incarnation() OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.incarnation() FROM PUBLIC;
