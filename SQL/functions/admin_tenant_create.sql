-- admin.tenant_create: a tenant with its meter.
--   In     os_user for the audit; slug; limits: as admin.tenant_set's changes, {} for the defaults
--   Out    its id; created: false if it was there already (its limits are then left alone: what a repeat after doubt
--          sees, and what a caller who is not repeating reports as "exists")
--   Raises GP002 no such pool; GP004 a value that cannot be.
--   Locks  the meter first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.tenant_create(os_user text, slug text, limits jsonb DEFAULT '{}')
RETURNS TABLE (id bigint, created boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION admin.tenant_create(text, text, jsonb) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.tenant_create(text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.tenant_create(text, text, jsonb) TO gatepost_admin;
