-- gatepost.credential_terms: what a credential may do, by the names that admin.credential_set takes; null is none of its
-- own.
--   In     a credential's row.    Out  an object with every name.    Locks  none.    Repeat  the same
--   Role   none; admin.credential_issue and admin.credential_set use it
CREATE OR REPLACE FUNCTION gatepost.credential_terms(credential gatepost.credential) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_build_object(
        'label', credential.label, 'mode', credential.mode,
        'daily', credential.daily_cap, 'monthly', credential.monthly_cap, 'rate', credential.rate,
        'burst', credential.burst, 'bytes_daily', credential.bytes_daily_cap,
        'message_size', credential.message_size, 'recipients_per_message', credential.recipients_per_message,
        'sessions', credential.sessions, 'networks', credential.networks::text[], 'senders', credential.senders,
        'mechanisms', credential.mechanisms, 'not_before', credential.not_before, 'expires', credential.expires_at)
$$;

ALTER FUNCTION gatepost.credential_terms(gatepost.credential) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.credential_terms(gatepost.credential) FROM PUBLIC;
