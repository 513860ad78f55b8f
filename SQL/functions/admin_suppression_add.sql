-- admin.suppression_add: whom a tenant does not write to any more, from the moment this returns. What is queued already
-- is left alone.
--   In     os_user; slug; addresses (local-part@domain, the domain as A-label; in any case); reason: 1 to 500 characters,
--          told to clients; until: not from then on, null: for good
--   Out    how many were not there, or there with another reason or end
--   Raises GP002 no such tenant; GP004 no address, or no reason
--   Locks  the meter first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.suppression_add(os_user text, slug text, addresses text[], reason text,
    until timestamptz) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_id bigint := gatepost.tenant_id(slug);
    v_bad text;
    v_now timestamptz;
    v_changed text[];
    v_address text;
    v_first boolean;
BEGIN
    SELECT a.address INTO v_bad FROM unnest(addresses) AS a (address)
    WHERE a.address ~ '^[^[:cntrl:]]+@[^[:cntrl:][:space:]@]+$' IS NOT TRUE OR length(a.address) > 320 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '"%" is no address', v_bad USING ERRCODE = 'GP004', HINT = 'Like b@remote.example.';
    END IF;
    IF (length(suppression_add.reason) BETWEEN 1 AND 500) IS NOT TRUE THEN
        RAISE EXCEPTION 'a suppression needs a reason of at most 500 characters' USING ERRCODE = 'GP004';
    END IF;
    PERFORM gatepost.lock_meters(ARRAY[v_id]);
    v_now := ledger.clock();
    v_first := NOT EXISTS (SELECT FROM gatepost.suppression s WHERE s.tenant_id = v_id);
    WITH changed AS (
        INSERT INTO gatepost.suppression AS s (tenant_id, address, reason, until, created_at)
        SELECT DISTINCT v_id, lower(a.address), suppression_add.reason, suppression_add.until, v_now
        FROM unnest(addresses) AS a (address)
        ON CONFLICT ON CONSTRAINT suppression_pkey DO UPDATE SET reason = excluded.reason, until = excluded.until
            WHERE (s.reason, s.until) IS DISTINCT FROM (excluded.reason, excluded.until)
        RETURNING s.address
    )
    SELECT array_agg(c.address ORDER BY c.address) INTO v_changed FROM changed c;
    FOREACH v_address IN ARRAY coalesce(v_changed, '{}') LOOP
        PERFORM gatepost.audited(os_user, v_id, 'suppression add', slug || ' ' || v_address,
                                 jsonb_build_object('reason', suppression_add.reason, 'until', suppression_add.until),
                                 NULL);
    END LOOP;
    IF v_first THEN
        -- (Nodes remember which tenants suppress nobody.)
        PERFORM pg_notify('gatepost_directory', 'tenant:' || v_id);
    END IF;
    RETURN coalesce(cardinality(v_changed), 0);
END
$$;

ALTER FUNCTION admin.suppression_add(text, text, text[], text, timestamptz) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.suppression_add(text, text, text[], text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.suppression_add(text, text, text[], text, timestamptz) TO gatepost_admin;
