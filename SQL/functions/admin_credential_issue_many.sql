-- admin.credential_issue_many: as admin.credential_issue, many at a time: all of them or none.
--   In     os_user; parallel arrays, one element per credential, any order; terms as text of an object
--   Out    how many were made; those that were there already, with the same verifier, are not counted
--   Raises as admin.credential_issue, for the first that cannot be
--   Locks  the meters first, in tenant order.    Repeat  harmless, and writes each time.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.credential_issue_many(
    os_user text, slugs text[], names text[], verifiers text[], digests bytea[], terms text[]
) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_tenants jsonb := (SELECT jsonb_object_agg(n.slug, gatepost.tenant_id(n.slug))
                        FROM (SELECT DISTINCT s AS slug FROM unnest(slugs) s) AS n);
    v_made bigint := 0;
    r record;
BEGIN
    PERFORM gatepost.lock_meters(ARRAY(SELECT t.value::bigint FROM jsonb_each_text(v_tenants) t));
    FOR r IN SELECT * FROM unnest(slugs, names, verifiers, digests, terms) AS n (slug, name, verifier, digest, terms)
    LOOP
        v_made := v_made + (SELECT m.created::int FROM gatepost.credential_make(
            os_user, (v_tenants ->> r.slug)::bigint, r.slug, r.name, r.verifier, r.digest, r.terms::jsonb) m);
    END LOOP;
    RETURN v_made;
END
$$;

ALTER FUNCTION admin.credential_issue_many(text, text[], text[], text[], bytea[], text[]) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.credential_issue_many(text, text[], text[], text[], bytea[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.credential_issue_many(text, text[], text[], text[], bytea[], text[]) TO gatepost_admin;
