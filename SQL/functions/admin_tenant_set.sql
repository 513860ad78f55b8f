-- admin.tenant_set: change a tenant's limits and ways.
--   In     os_user; slug; changes: an object with any of
--            daily, monthly               recipients; null is unlimited
--            rate, burst                  recipients a minute, and how many at once; rate null is unlimited, burst left out or
--                                         null is the rate
--            message_size, recipients_per_message   octets; recipients. No null: these have an end
--            sessions                     per node; null is unlimited
--            zone                         an IANA name; takes effect at the next midnight of the zone in force
--            policy                       'defer' | 'reject' at a cap
--            partial, resubmission, null_sender     booleans
--            warn                         array of percents
--            pool                         a pool's name
--   Out    changed: false if everything was so already
--   Raises GP002 no such tenant or pool; GP004 an unknown key or a value that cannot be (MESSAGE says which, HINT what can).
--   Locks  the meter first: when it returns, nothing under way was decided by the old values and is still uncommitted.
--   Repeat harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.tenant_set(os_user text, slug text, changes jsonb) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION admin.tenant_set(text, text, jsonb) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.tenant_set(text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.tenant_set(text, text, jsonb) TO gatepost_admin;
