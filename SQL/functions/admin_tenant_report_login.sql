-- admin.tenant_report_login: which database login reads a tenant's rows in schema report; or, no longer does.
--   In     os_user; slug; role, a database login's name, there already or to come; remove: take it away
--   Out    changed
--   Raises GP002 no such tenant; GP003 the login is another tenant's; GP004 a role that sees more than its rows: a
--          superuser, one with BYPASSRLS, or of Gatepost's own
--   Locks  the meter first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.tenant_report_login(os_user text, slug text, role text, remove boolean)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_id bigint := gatepost.tenant_id(slug);
    v_other bigint;
BEGIN
    IF tenant_report_login.role !~ '^[a-z][a-z0-9_]{0,62}$' IS NOT FALSE
        OR tenant_report_login.role ~ '^(gatepost|pg)_' OR NOT remove AND EXISTS (
            SELECT FROM pg_roles r
            WHERE r.rolname = tenant_report_login.role AND (r.rolsuper OR r.rolbypassrls OR EXISTS (
                SELECT FROM pg_roles g
                WHERE (g.rolname IN ('gatepost_owner', 'gatepost_admin', 'gatepost_node', 'gatepost_viewer',
                                     'gatepost_report_view')
                       -- (PostgreSQL's own: pg_read_all_data and its kin.)
                       OR g.rolname LIKE 'pg\_%' AND g.rolname <> 'pg_database_owner')
                  AND pg_has_role(r.oid, g.oid, 'MEMBER'))))
    THEN
        RAISE EXCEPTION '"%" cannot be a tenant''s login', tenant_report_login.role USING ERRCODE = 'GP004',
            HINT = 'A role of its own: small letters, digits and underscores, with no other rights.';
    END IF;
    PERFORM gatepost.lock_meters(ARRAY[v_id]);
    IF remove THEN
        DELETE FROM gatepost.report_login l WHERE l.role = tenant_report_login.role AND l.tenant_id = v_id;
    ELSE
        INSERT INTO gatepost.report_login AS l (role, tenant_id) VALUES (tenant_report_login.role, v_id)
        ON CONFLICT ON CONSTRAINT report_login_pkey DO NOTHING;
    END IF;
    IF NOT FOUND THEN
        SELECT l.tenant_id INTO v_other FROM gatepost.report_login l WHERE l.role = tenant_report_login.role;
        IF v_other <> v_id THEN
            RAISE EXCEPTION 'the login "%" is another tenant''s', tenant_report_login.role USING ERRCODE = 'GP003';
        END IF;
        RETURN false;
    END IF;
    PERFORM gatepost.audited(os_user, v_id, 'tenant report-login', slug,
                             jsonb_build_object('role', tenant_report_login.role, 'removed', remove), NULL);
    RETURN true;
END
$$;

ALTER FUNCTION admin.tenant_report_login(text, text, text, boolean) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.tenant_report_login(text, text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.tenant_report_login(text, text, text, boolean) TO gatepost_admin;
