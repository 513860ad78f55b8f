-- gatepost.credential_make: a credential with its first login, under the meter that the caller holds.
--   In     as admin.credential_issue, the tenant by its id too
--   Out    ids; created: false on a repeat with the same name and verifier
--   Raises GP003 the name is taken by another; GP004 a value that cannot be
--   Locks  none; the caller has the meter.    Repeat  harmless
--   Role   none; admin.credential_issue and admin.credential_issue_many use it
CREATE OR REPLACE FUNCTION gatepost.credential_make(
    os_user text, tenant bigint, slug text, name text, verifier text, digest bytea, terms jsonb
) RETURNS TABLE (credential_id bigint, login_id bigint, created boolean)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_new gatepost.credential;
    v_login gatepost.login;
BEGIN
    IF (credential_make.name ~ '^[a-z0-9][a-z0-9.-]{0,63}$'
        AND starts_with(credential_make.name, credential_make.slug || '.')) IS NOT TRUE
    THEN
        RAISE EXCEPTION 'a credential of % cannot be called "%"', credential_make.slug, credential_make.name
            USING ERRCODE = 'GP004', HINT = format('%s. and then small letters, digits, dots, hyphens.',
                credential_make.slug);
    END IF;
    IF credential_make.verifier LIKE 'SCRAM-SHA-256$%' IS NOT TRUE OR length(credential_make.digest) <> 32 THEN
        RAISE EXCEPTION 'the credential''s verifier or digest cannot be' USING ERRCODE = 'GP004';
    END IF;
    SELECT l.* INTO v_login FROM gatepost.login l WHERE l.name = credential_make.name;
    IF FOUND THEN
        IF (v_login.tenant_id = tenant AND v_login.verifier = credential_make.verifier) IS NOT TRUE THEN
            RAISE EXCEPTION 'the name "%" is taken', credential_make.name USING ERRCODE = 'GP003';
        END IF;
        RETURN QUERY SELECT v_login.credential_id, v_login.id, false;
        RETURN;
    END IF;
    v_new.tenant_id := tenant;
    v_new.mode := 'live';
    v_new := gatepost.credential_changed(v_new, coalesce(terms, '{}'));
    INSERT INTO gatepost.credential AS c (tenant_id, name, label, mode, daily_cap, monthly_cap, bytes_daily_cap, rate,
                                          burst, message_size, recipients_per_message, sessions, networks, senders,
                                          mechanisms, not_before, expires_at)
    VALUES (tenant, credential_make.name, v_new.label, v_new.mode, v_new.daily_cap, v_new.monthly_cap,
            v_new.bytes_daily_cap, v_new.rate, v_new.burst, v_new.message_size, v_new.recipients_per_message,
            v_new.sessions, v_new.networks, v_new.senders, v_new.mechanisms, v_new.not_before, v_new.expires_at)
    RETURNING c.id INTO v_new.id;
    INSERT INTO gatepost.login AS l (tenant_id, credential_id, name, verifier, digest)
    VALUES (tenant, v_new.id, credential_make.name, credential_make.verifier, credential_make.digest)
    RETURNING l.* INTO v_login;
    -- Nodes may remember that there was no such name.
    PERFORM gatepost.audited(os_user, tenant, 'credential issue', credential_make.name,
        jsonb_strip_nulls(gatepost.credential_terms(v_new)) - CASE v_new.mode WHEN 'live' THEN 'mode' ELSE '' END,
        'credential:' || v_new.id);
    RETURN QUERY SELECT v_new.id, v_login.id, true;
END
$$;

ALTER FUNCTION gatepost.credential_make(text, bigint, text, text, text, bytea, jsonb) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.credential_make(text, bigint, text, text, text, bytea, jsonb) FROM PUBLIC;
