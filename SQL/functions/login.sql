-- ledger.login: everything AUTH and a session need to know about a login name, in one row.
--   In     name, canonical (lower case)
--   Out    no row: unknown. Statuses are as stored: it is the caller who answers 525 or 535. limit_name, remaining,
--          cap, used, resets_at, resets_text: the cap with the least left at `clock`, all null if every cap is
--          unlimited (a hint for RCPT; accept decides). sender_domains: the verified ones.
--   Locks  none.    Repeat  harmless.    Role  gatepost_node
CREATE OR REPLACE FUNCTION ledger.login(name text) RETURNS TABLE (
    login_id bigint, credential_id bigint, tenant_id bigint, tenant text, credential text, pool_id bigint,
    verifier text, digest bytea, login_valid_until timestamptz,
    tenant_status text, tenant_reason text,
    credential_revoked_at timestamptz, credential_revoked_reason text, credential_expires_at timestamptz,
    networks text[], message_size bigint, recipients_per_message int, sessions int,
    policy text, partial boolean, null_sender boolean, resubmission boolean, sender_domains text[],
    limit_name text, remaining bigint, cap bigint, used bigint, resets_at timestamptz, resets_text text,
    clock timestamptz
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz := ledger.clock();
    v_login gatepost.login;
    v_credential gatepost.credential;
    v_tenant gatepost.tenant;
    v_zone text;
    v_reset record;
BEGIN
    SELECT l.* INTO v_login FROM gatepost.login l WHERE l.name = login.name;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT c.* INTO v_credential FROM gatepost.credential c
    WHERE c.tenant_id = v_login.tenant_id AND c.id = v_login.credential_id;
    SELECT t.* INTO v_tenant FROM gatepost.tenant t WHERE t.id = v_login.tenant_id;
    IF v_credential.id IS NULL OR v_tenant.id IS NULL OR v_tenant.status = 'deleted' THEN
        RETURN;
    END IF;
    v_zone := CASE WHEN v_tenant.next_zone_from <= v_now THEN v_tenant.next_zone ELSE v_tenant.zone END;

    SELECT x.limit_name, greatest(0, x.cap - x.used) AS remaining, x.cap, x.used, NULL::timestamptz AS resets_at,
           NULL::text AS resets_text
    INTO v_reset
    FROM (
        SELECT 'daily' AS limit_name, v_tenant.daily_cap AS cap,
               CASE WHEN v_tenant.daily_window = 'rolling'
                    THEN (gatepost.rolling(v_tenant.id, v_now, NULL, NULL)).used
                    ELSE coalesce((SELECT u.recipients FROM gatepost.usage u
                                   WHERE u.tenant_id = v_tenant.id AND u.credential_id = 0 AND u.period = 'day'
                                     AND u.starts = (v_now AT TIME ZONE v_zone)::date), 0) END AS used
        UNION ALL
        SELECT 'monthly', v_tenant.monthly_cap,
               coalesce((SELECT u.recipients FROM gatepost.usage u
                         WHERE u.tenant_id = v_tenant.id AND u.credential_id = 0 AND u.period = 'month'
                           AND u.starts = date_trunc('month', v_now AT TIME ZONE v_zone)::date), 0)
        UNION ALL
        SELECT 'credential_daily', v_credential.daily_cap,
               coalesce((SELECT u.recipients FROM gatepost.usage u
                         WHERE u.tenant_id = v_tenant.id AND u.credential_id = v_credential.id AND u.period = 'day'
                           AND u.starts = (v_now AT TIME ZONE v_zone)::date), 0)
    ) AS x
    WHERE x.cap IS NOT NULL
    ORDER BY x.cap - x.used LIMIT 1;
    IF v_reset.limit_name = 'daily' AND v_tenant.daily_window = 'rolling' THEN
        v_reset.resets_at := (gatepost.rolling(v_tenant.id, v_now, v_reset.cap, 1)).resets_at;
        v_reset.resets_text := gatepost.instant_text(v_reset.resets_at, v_zone);
    ELSIF v_reset.limit_name IS NOT NULL THEN
        SELECT e.resets_at, e.resets_text INTO v_reset.resets_at, v_reset.resets_text
        FROM gatepost.reset(v_tenant.id, v_now, CASE v_reset.limit_name WHEN 'monthly' THEN 'month' ELSE 'day' END) e;
    END IF;

    RETURN QUERY SELECT
        v_login.id, v_credential.id, v_tenant.id, v_tenant.slug, v_credential.name, v_tenant.pool_id,
        v_login.verifier, v_login.digest, v_login.valid_until,
        v_tenant.status, v_tenant.reason,
        v_credential.revoked_at, v_credential.revoked_reason, v_credential.expires_at,
        v_credential.networks::text[], v_tenant.message_size, v_tenant.recipients_per_message, v_tenant.sessions,
        v_tenant.policy, v_tenant.partial, v_tenant.null_sender, v_tenant.resubmission,
        ARRAY(SELECT d.domain FROM gatepost.sender_domain d
              WHERE d.tenant_id = v_tenant.id AND d.verified_at IS NOT NULL ORDER BY d.domain),
        v_reset.limit_name, v_reset.remaining, v_reset.cap, v_reset.used, v_reset.resets_at, v_reset.resets_text, v_now;
END
$$;

ALTER FUNCTION ledger.login(text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.login(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.login(text) TO gatepost_node;
