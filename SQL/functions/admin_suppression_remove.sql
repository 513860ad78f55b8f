-- admin.suppression_remove: a tenant may write to them again, from the moment this returns.
--   In     os_user; slug; addresses, in any case.    Out  how many were there.    Raises  GP002 no such tenant
--   Locks  the meter first.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.suppression_remove(os_user text, slug text, addresses text[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_id bigint := gatepost.tenant_id(slug);
    v_address text;
    v_removed bigint := 0;
BEGIN
    PERFORM gatepost.lock_meters(ARRAY[v_id]);
    FOR v_address IN
        DELETE FROM gatepost.suppression s
        WHERE s.tenant_id = v_id AND s.address = ANY (ARRAY(SELECT lower(a.address) FROM unnest(addresses) AS a (address)))
        RETURNING s.address
    LOOP
        PERFORM gatepost.audited(os_user, v_id, 'suppression remove', slug || ' ' || v_address, NULL, NULL);
        v_removed := v_removed + 1;
    END LOOP;
    RETURN v_removed;
END
$$;

ALTER FUNCTION admin.suppression_remove(text, text, text[]) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.suppression_remove(text, text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.suppression_remove(text, text, text[]) TO gatepost_admin;
