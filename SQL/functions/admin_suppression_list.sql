-- admin.suppression_list: whom a tenant does not write to any more, by address, a page at a time.
--   In     slug; address: only this one, in any case, null: all; after: the last address of the page before, null for the
--          first; page_size
--   Out    those whose end has come too.    Raises  GP002 no such tenant
--   Locks  none.    Repeat  harmless.    Role  gatepost_admin, gatepost_viewer
CREATE OR REPLACE FUNCTION admin.suppression_list(slug text, address text, after text, page_size int)
RETURNS TABLE (suppressed text, reason text, until timestamptz, created_at timestamptz, in_force boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan  -- the page begins at its key, not at the first row
AS $$
#variable_conflict use_column
DECLARE
    v_id bigint := gatepost.tenant_id(slug);
    v_now timestamptz := ledger.clock();
BEGIN
    RETURN QUERY
        SELECT s.address, s.reason, s.until, s.created_at, (s.until <= v_now) IS NOT TRUE
        FROM gatepost.suppression s
        WHERE s.tenant_id = v_id AND (suppression_list.address IS NULL OR s.address = lower(suppression_list.address))
          AND (suppression_list.after IS NULL OR s.address > suppression_list.after)
        ORDER BY s.address LIMIT page_size;
END
$$;

ALTER FUNCTION admin.suppression_list(text, text, text, int) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.suppression_list(text, text, text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.suppression_list(text, text, text, int) TO gatepost_admin, gatepost_viewer;
