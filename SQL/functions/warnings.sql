-- ledger.warnings: caps that were used to a percent, and nobody has noticed yet, oldest first.
--   In     at most this many
--   Out    what a line in the log and a mail to the tenant's contact say. credential: null for the whole tenant.
--          resets_text: when the cap starts again.
--   Locks  none: ledger.warning_noticed decides who it is that notices.    Repeat  the same.    Role  gatepost_node
CREATE OR REPLACE FUNCTION ledger.warnings(at_most int) RETURNS TABLE (
    tenant_id bigint, credential_id bigint, limit_name text, starts date, percent int, cap bigint, used bigint,
    at timestamptz, tenant text, credential text, contact text, resets_text text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT w.tenant_id, w.credential_id, w.limit_name, w.starts, w.percent, w.cap, w.used, w.at, t.slug, c.name,
               t.contact, CASE WHEN w.limit_name <> 'daily' OR t.daily_window = 'day' THEN (
                   gatepost.reset(w.tenant_id, w.at,
                                  CASE WHEN w.limit_name LIKE '%monthly' THEN 'month' ELSE 'day' END)).resets_text END
        FROM (SELECT o.* FROM gatepost.warning o WHERE o.noticed_at IS NULL ORDER BY o.at LIMIT at_most) AS w
        JOIN LATERAL (SELECT t.* FROM gatepost.tenant t WHERE t.id = w.tenant_id OFFSET 0) AS t ON true
        LEFT JOIN LATERAL (
            SELECT c.name FROM gatepost.credential c
            WHERE c.tenant_id = w.tenant_id AND c.id = w.credential_id OFFSET 0) AS c ON true
        ORDER BY w.at;
END
$$;

ALTER FUNCTION ledger.warnings(int) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.warnings(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.warnings(int) TO gatepost_node;
