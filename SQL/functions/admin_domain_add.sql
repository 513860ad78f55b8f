-- admin.domain_add: a domain the tenant may send from.
--   In     os_user; slug; domain (A-label, lower case); trusted: the operator vouches for it. Otherwise it waits for
--          its proof (token goes into DNS)
--   Out    changed; token; others: tenants who may send from it too, which may be meant and may be a slip
--   Raises GP002 no such tenant; GP004 no domain
--   Locks  the meter first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
DROP FUNCTION IF EXISTS admin.domain_add(text, text, text, boolean);

CREATE FUNCTION admin.domain_add(os_user text, slug text, domain text, trusted boolean)
RETURNS TABLE (changed boolean, token text, others text[])
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_id bigint := gatepost.tenant_id(domain_add.slug);
    v_old gatepost.sender_domain;
    v_token text;
    v_others text[];
BEGIN
    IF domain_add.domain !~ '^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'
        IS NOT FALSE
        OR length(domain_add.domain) > 253
    THEN
        RAISE EXCEPTION '"%" is no domain', domain_add.domain USING ERRCODE = 'GP004',
            HINT = 'Two labels or more, small letters, digits and hyphens; others as xn-- labels.';
    END IF;
    PERFORM gatepost.lock_meters(ARRAY[v_id]);
    SELECT coalesce(array_agg(t.slug ORDER BY t.slug), '{}') INTO v_others
    FROM gatepost.sender_domain d JOIN gatepost.tenant t ON t.id = d.tenant_id
    WHERE d.domain = domain_add.domain AND d.verified_at IS NOT NULL AND d.tenant_id <> v_id
      AND t.status <> 'deleted';
    SELECT d.* INTO v_old FROM gatepost.sender_domain d WHERE d.tenant_id = v_id AND d.domain = domain_add.domain;
    IF FOUND AND (v_old.verified_at IS NOT NULL OR NOT trusted) THEN
        RETURN QUERY SELECT false, v_old.token, v_others;
        RETURN;
    END IF;
    v_token := coalesce(v_old.token, encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())),
        'hex'));
    INSERT INTO gatepost.sender_domain AS d (tenant_id, domain, verified_at, verified_by, token)
    VALUES (v_id, domain_add.domain, CASE WHEN trusted THEN ledger.clock() END, CASE WHEN trusted THEN 'operator' END,
        v_token)
    ON CONFLICT ON CONSTRAINT sender_domain_pkey DO UPDATE
        SET verified_at = excluded.verified_at, verified_by = excluded.verified_by;
    PERFORM gatepost.audited(os_user, v_id, 'domain add', domain_add.slug || ' ' || domain_add.domain,
                             jsonb_build_object('trusted', trusted), 'tenant:' || v_id);
    RETURN QUERY SELECT true, v_token, v_others;
END
$$;

ALTER FUNCTION admin.domain_add(text, text, text, boolean) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.domain_add(text, text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.domain_add(text, text, text, boolean) TO gatepost_admin;
