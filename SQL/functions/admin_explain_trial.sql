-- admin.explain_trial: what ledger.accept would say to a message now. It is accept itself that is asked, and all it wrote
-- is taken back before this returns.
--   In     username (a login's name); client; sender, without brackets, '' is the null path; its domain; from_addresses,
--          from_domains: whom the header speaks for, the first being the author; addresses, domains: the recipients, each
--          once; size in octets
--   Out    accept's verdict; no row: nobody has the username
--   Raises 55P03 the tenant's meter was not had in a second.
--   Locks  the tenant's meter, for as long as accept takes.    Repeat  the same, unless something changed
--   Role   gatepost_admin
CREATE OR REPLACE FUNCTION admin.explain_trial(
    username text, client text, sender text, sender_domain text, from_addresses text[], from_domains text[],
    addresses text[], domains text[], size bigint
) RETURNS SETOF ledger.verdict
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_login gatepost.login;
    v_out ledger.verdict[];
    v_authors text[] := ARRAY(SELECT d.domain FROM unnest(from_domains[2:]) AS d (domain));
BEGIN
    SELECT l.* INTO v_login FROM gatepost.login l WHERE l.name = username;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    BEGIN
        v_out := ARRAY(
            SELECT v FROM ledger.accept(
                batch => gen_random_uuid(), owner => NULL, ids => ARRAY[gatepost.uuid_new(ledger.clock())],
                tenant_ids => ARRAY[v_login.tenant_id], credential_ids => ARRAY[v_login.credential_id],
                login_ids => ARRAY[v_login.id], senders => ARRAY[sender], sender_domains => ARRAY[sender_domain],
                from_domains => from_domains[1:1], bodies => ARRAY[''::bytea], sizes => ARRAY[size],
                digests => ARRAY[NULL::bytea], clients => ARRAY[client], helos => ARRAY[NULL::bytea],
                message_id_headers => ARRAY[NULL::text],
                recipient_messages => array_fill(1, ARRAY[cardinality(addresses)]), recipient_addresses => addresses,
                recipient_domains => domains, author_messages => array_fill(1, ARRAY[cardinality(v_authors)]),
                author_domains => v_authors, from_messages => array_fill(1, ARRAY[cardinality(from_addresses)]),
                from_addresses => from_addresses) AS v);
        RAISE EXCEPTION USING ERRCODE = 'GP999', MESSAGE = 'taken back';
    EXCEPTION WHEN SQLSTATE 'GP999' THEN
        NULL;  -- everything since the inner BEGIN is undone, the meter's lock with it; the variable keeps its value
    END;
    RETURN QUERY SELECT * FROM unnest(v_out);
END
$$;

ALTER FUNCTION admin.explain_trial(text, text, text, text, text[], text[], text[], text[], bigint)
    OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.explain_trial(text, text, text, text, text[], text[], text[], text[], bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.explain_trial(text, text, text, text, text[], text[], text[], text[], bigint)
    TO gatepost_admin;
