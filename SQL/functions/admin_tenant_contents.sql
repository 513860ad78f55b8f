-- admin.tenant_contents: what goes with a tenant, for the question before it is deleted.
--   In     slug
--   Out    credentials that are not revoked; sender domains; messages and recipients that still wait;
--          resubmission keys and correspondents
--   Raises GP002 no such tenant.    Locks  none.    Repeat  harmless.    Role  gatepost_admin,
--          gatepost_viewer
DROP FUNCTION IF EXISTS admin.tenant_contents(text);
CREATE FUNCTION admin.tenant_contents(slug text)
RETURNS TABLE (credentials bigint, domains bigint, messages bigint, recipients bigint, keys bigint, correspondents bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_id bigint := gatepost.tenant_id(tenant_contents.slug);
BEGIN
    RETURN QUERY
        SELECT (SELECT count(*) FROM gatepost.credential c WHERE c.tenant_id = v_id AND c.revoked_at IS NULL),
               (SELECT count(*) FROM gatepost.sender_domain d WHERE d.tenant_id = v_id),
               count(DISTINCT q.message_id), count(*),
               (SELECT count(*) FROM gatepost.recent k WHERE k.tenant_id = v_id),
               (SELECT count(*) FROM gatepost.correspondent k WHERE k.tenant_id = v_id)
        FROM (SELECT r.message_id FROM gatepost.recipient r
              WHERE r.tenant_id = v_id AND r.state IN ('queued', 'deferred')
              UNION ALL
              SELECT r.message_id FROM gatepost.recipient_straggler r
              WHERE r.tenant_id = v_id AND r.state IN ('queued', 'deferred')) AS q;
END
$$;

ALTER FUNCTION admin.tenant_contents(text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.tenant_contents(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.tenant_contents(text) TO gatepost_admin, gatepost_viewer;
