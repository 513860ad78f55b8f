-- gatepost.credential_named: the row behind a credential's name; its ids never change, so it may be read before the lock.
--   Raises GP002 no such credential.    Locks  none.    Role  none; admin.* use it
CREATE OR REPLACE FUNCTION gatepost.credential_named(name text) RETURNS gatepost.credential
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_credential gatepost.credential;
BEGIN
    SELECT c.* INTO v_credential FROM gatepost.credential c WHERE c.name = credential_named.name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no credential "%"', name USING ERRCODE = 'GP002',
            HINT = format('gatepost credential list %s', split_part(name, '.', 1));
    END IF;
    RETURN v_credential;
END
$$;

ALTER FUNCTION gatepost.credential_named(text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.credential_named(text) FROM PUBLIC;
