-- report.tenant_id: the tenant of whoever logged in; what row-level security asks.
--   Out    the tenant of gatepost.report_login for session_user, which neither SET ROLE nor a SECURITY DEFINER function
--          changes; null: nobody's, who sees nothing
--   Locks  none.    Repeat  the same.    Role  gatepost_report, gatepost_report_view
CREATE OR REPLACE FUNCTION report.tenant_id() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.tenant_id FROM gatepost.report_login l WHERE l.role = session_user
$$;

ALTER FUNCTION report.tenant_id() OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION report.tenant_id() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION report.tenant_id() TO gatepost_report, gatepost_report_view;
