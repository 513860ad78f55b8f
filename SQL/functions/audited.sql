-- gatepost.audited: a line in the audit, an event, and the word to the nodes that the directory changed. In the
-- change's transaction.
--   In     os_user; tenant or null; action ('tenant set'); object it was done to; detail; payload for NOTIFY
--          gatepost_directory ('tenant:7', 'credential:7', 'pool', 'everything'), null: nothing a node must know
--   Locks  none.    Role  none; cancel and admin.* use it
CREATE OR REPLACE FUNCTION gatepost.audited(os_user text, tenant bigint, action text, object text, detail jsonb,
    payload text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF coalesce(os_user, '') = '' THEN
        RAISE EXCEPTION 'no operating-system user given for the audit' USING ERRCODE = 'GP004';
    END IF;
    INSERT INTO gatepost.audit (at, os_user, tenant_id, action, object, detail)
    VALUES (ledger.clock(), os_user, tenant, action, object, coalesce(detail, '{}'));
    IF tenant IS NOT NULL THEN
        INSERT INTO gatepost.event (tenant_id, id, at, kind, credential_id, detail)
        SELECT audited.tenant, gatepost.uuid_new(n.at), n.at,
               CASE WHEN action LIKE 'credential %' THEN 'credential_changed' ELSE 'tenant_changed' END,
               CASE WHEN action LIKE 'credential %' THEN
                   (SELECT c.id FROM gatepost.credential c WHERE c.tenant_id = audited.tenant AND c.name = object) END,
               jsonb_build_object('action', action, 'object', object, 'by', os_user, 'detail', coalesce(detail, '{}'))
        FROM (SELECT ledger.clock() AS at) AS n
        WHERE action NOT LIKE 'queue %';
    END IF;
    IF payload IS NOT NULL THEN
        PERFORM pg_notify('gatepost_directory', payload);
    END IF;
END
$$;

ALTER FUNCTION gatepost.audited(text, bigint, text, text, jsonb, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.audited(text, bigint, text, text, jsonb, text) FROM PUBLIC;
