-- admin.credential_problems: what credential_issue_many would refuse, before anything is made.
--   In     parallel arrays, one element per credential; terms as text of an object
--   Out    a row for each that cannot be: its position from 1, and the sentence
--   Locks  none, writes nothing.    Repeat  harmless.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.credential_problems(slugs text[], terms text[])
RETURNS TABLE (number bigint, problem text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_new gatepost.credential;
    v_hint text;
    r record;
BEGIN
    FOR r IN SELECT * FROM unnest(slugs, terms) WITH ORDINALITY AS n (slug, terms, number) LOOP
        BEGIN
            v_new := NULL;
            v_new.tenant_id := gatepost.tenant_id(r.slug);
            v_new.mode := 'live';
            PERFORM gatepost.credential_changed(v_new, r.terms::jsonb);
        EXCEPTION WHEN SQLSTATE 'GP002' OR SQLSTATE 'GP004' OR data_exception THEN
            GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT, v_hint = PG_EXCEPTION_HINT;
            problem := problem || CASE WHEN v_hint <> '' THEN ' (' || v_hint || ')' ELSE '' END;
            number := r.number;
            RETURN NEXT;
        END;
    END LOOP;
END
$$;

ALTER FUNCTION admin.credential_problems(text[], text[]) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.credential_problems(text[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.credential_problems(text[], text[]) TO gatepost_admin;
