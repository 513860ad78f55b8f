-- ledger.login: everything AUTH and a session need to know about a login name, in one row.
--   In     name, canonical (lower case)
--   Out    no row: unknown. Statuses are as stored: it is the caller who answers 525 or 535. verifier is null where
--          certificate (SHA-256 of its DER) is not: SASL EXTERNAL. Limits are the tighter of the tenant's and the
--          credential's, but for sessions, which are counted apart. limit_name, remaining, cap, used, resets_at,
--          resets_text: the cap on recipients with the least left at `clock`, all null if every cap is unlimited (a
--          hint for RCPT; accept decides), the last two also while 10000 recipients or more are left; byte_limit_name
--          … byte_resets_text: the same of the caps on octets, with octets left. Of a credential in test mode: of what
--          it has used in test mode. sender_domains: the verified ones.
--   Locks  none.    Repeat  harmless.    Role  gatepost_node
DROP FUNCTION IF EXISTS ledger.login(text);
CREATE FUNCTION ledger.login(name text) RETURNS TABLE (
    login_id bigint, credential_id bigint, tenant_id bigint, tenant text, credential text, pool_id bigint,
    verifier text, digest bytea, certificate bytea, login_valid_until timestamptz,
    tenant_status text, tenant_reason text,
    credential_revoked_at timestamptz, credential_revoked_reason text, credential_expires_at timestamptz,
    credential_not_before timestamptz, not_before_text text,
    credential_suspended_at timestamptz, credential_suspended_reason text,
    mode text, mechanisms text[], senders text[], networks text[],
    message_size bigint, recipients_per_message int, message_size_limit text, recipients_limit text,
    sessions int, credential_sessions int,
    policy text, partial boolean, null_sender boolean, foreign_names boolean, resubmission boolean,
    sender_domains text[],
    limit_name text, remaining bigint, cap bigint, used bigint, resets_at timestamptz, resets_text text,
    byte_limit_name text, byte_remaining bigint, byte_cap bigint, byte_used bigint, byte_resets_at timestamptz,
    byte_resets_text text, clock timestamptz
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz := gatepost.clock();
    v_login gatepost.login;
    v_credential gatepost.credential;
    v_tenant gatepost.tenant;
    v_zone text;
    v_day date;
    v_month date;
    v_period text;
    v_room record;
    v_byte_room record;
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
    v_day := (v_now AT TIME ZONE v_zone)::date;
    v_month := date_trunc('month', v_now AT TIME ZONE v_zone)::date;
    v_period := CASE v_credential.mode WHEN 'test' THEN 'test' ELSE 'day' END;

    -- To begin such a query is half of what all this costs, and many have no such caps.
    IF coalesce(v_tenant.daily_cap, v_tenant.monthly_cap, v_credential.daily_cap, v_credential.monthly_cap) IS NULL THEN
        SELECT NULL::text AS limit_name, NULL::bigint AS remaining, NULL::bigint AS cap, NULL::bigint AS used,
               NULL::timestamptz AS resets_at, NULL::text AS resets_text
        INTO v_room;
    ELSE
        SELECT x.limit_name, greatest(0, x.cap - x.used) AS remaining, x.cap, x.used, NULL::timestamptz AS resets_at,
               NULL::text AS resets_text
        INTO v_room
        FROM (
            SELECT 'daily' AS limit_name, v_tenant.daily_cap AS cap,
                   CASE WHEN v_tenant.daily_window = 'rolling' AND v_period = 'day'
                        THEN (gatepost.rolling(v_tenant.id, v_now, NULL, NULL)).used
                        ELSE coalesce((SELECT u.recipients FROM gatepost.usage u
                                       WHERE u.tenant_id = v_tenant.id AND u.credential_id = 0 AND u.period = v_period
                                         AND u.starts = v_day), 0) END AS used
            UNION ALL
            SELECT 'monthly', CASE v_period WHEN 'day' THEN v_tenant.monthly_cap END,
                   coalesce((SELECT u.recipients FROM gatepost.usage u
                             WHERE u.tenant_id = v_tenant.id AND u.credential_id = 0 AND u.period = 'month'
                               AND u.starts = v_month), 0)
            UNION ALL
            SELECT 'credential_daily', v_credential.daily_cap,
                   coalesce((SELECT u.recipients FROM gatepost.usage u
                             WHERE u.tenant_id = v_tenant.id AND u.credential_id = v_credential.id
                               AND u.period = v_period AND u.starts = v_day), 0)
            UNION ALL
            SELECT 'credential_monthly', v_credential.monthly_cap,
                   coalesce((SELECT sum(u.recipients)::bigint FROM gatepost.usage u
                             WHERE u.tenant_id = v_tenant.id AND u.credential_id = v_credential.id
                               AND u.period = v_period
                               AND u.starts BETWEEN v_month AND v_day), 0)
            WHERE v_credential.monthly_cap IS NOT NULL
        ) AS x
        WHERE x.cap IS NOT NULL
        ORDER BY x.cap - x.used LIMIT 1;
    END IF;
    IF v_room.remaining >= 10000 THEN
        -- (Far from it, nobody asks; and to know it costs as much as all the rest.)
        NULL;
    ELSIF v_room.limit_name = 'daily' AND v_tenant.daily_window = 'rolling' AND v_period = 'day' THEN
        v_room.resets_at := (gatepost.rolling(v_tenant.id, v_now, v_room.cap, 1)).resets_at;
        v_room.resets_text := gatepost.instant_text(v_room.resets_at, v_zone);
    ELSIF v_room.limit_name IS NOT NULL THEN
        SELECT e.resets_at, e.resets_text INTO v_room.resets_at, v_room.resets_text
        FROM gatepost.reset(v_tenant.id, v_now,
            CASE WHEN v_room.limit_name IN ('monthly', 'credential_monthly') THEN 'month' ELSE 'day' END) e;
    END IF;

    IF coalesce(v_tenant.bytes_daily_cap, v_credential.bytes_daily_cap) IS NULL THEN
        SELECT NULL::text AS limit_name, NULL::bigint AS remaining, NULL::bigint AS cap, NULL::bigint AS used,
               NULL::timestamptz AS resets_at, NULL::text AS resets_text
        INTO v_byte_room;
    ELSE
        SELECT x.limit_name, greatest(0, x.cap - x.used) AS remaining, x.cap, x.used, e.resets_at, e.resets_text
        INTO v_byte_room
        FROM (
            SELECT 'bytes_daily' AS limit_name, v_tenant.bytes_daily_cap AS cap,
                   coalesce((SELECT u.bytes FROM gatepost.usage u
                             WHERE u.tenant_id = v_tenant.id AND u.credential_id = 0 AND u.period = v_period
                               AND u.starts = v_day), 0) AS used
            WHERE v_tenant.bytes_daily_cap IS NOT NULL
            UNION ALL
            SELECT 'credential_bytes_daily', v_credential.bytes_daily_cap,
                   coalesce((SELECT u.bytes FROM gatepost.usage u
                             WHERE u.tenant_id = v_tenant.id AND u.credential_id = v_credential.id
                               AND u.period = v_period AND u.starts = v_day), 0)
            WHERE v_credential.bytes_daily_cap IS NOT NULL
        ) AS x
        CROSS JOIN LATERAL gatepost.reset(v_tenant.id, v_now, 'day') e
        ORDER BY x.cap - x.used LIMIT 1;
    END IF;

    RETURN QUERY SELECT
        v_login.id, v_credential.id, v_tenant.id, v_tenant.slug, v_credential.name, v_tenant.pool_id,
        v_login.verifier, v_login.digest, v_login.certificate, v_login.valid_until,
        v_tenant.status, v_tenant.reason,
        v_credential.revoked_at, v_credential.revoked_reason, v_credential.expires_at,
        v_credential.not_before, gatepost.instant_text(v_credential.not_before, v_zone),
        v_credential.suspended_at, v_credential.suspended_reason,
        v_credential.mode, v_credential.mechanisms, v_credential.senders, v_credential.networks::text[],
        least(v_tenant.message_size, v_credential.message_size),
        least(v_tenant.recipients_per_message, v_credential.recipients_per_message),
        CASE WHEN v_credential.message_size < v_tenant.message_size
             THEN 'credential_message_size' ELSE 'message_size' END,
        CASE WHEN v_credential.recipients_per_message < v_tenant.recipients_per_message
             THEN 'credential_recipients_per_message' ELSE 'recipients_per_message' END,
        v_tenant.sessions, v_credential.sessions,
        v_tenant.policy, v_tenant.partial, v_tenant.null_sender, v_tenant.foreign_names, v_tenant.resubmission,
        ARRAY(SELECT d.domain FROM gatepost.sender_domain d
              WHERE d.tenant_id = v_tenant.id AND d.verified_at IS NOT NULL ORDER BY d.domain),
        v_room.limit_name, v_room.remaining, v_room.cap, v_room.used, v_room.resets_at, v_room.resets_text,
        v_byte_room.limit_name, v_byte_room.remaining, v_byte_room.cap, v_byte_room.used, v_byte_room.resets_at,
        v_byte_room.resets_text, v_now;
END
$$;

ALTER FUNCTION ledger.login(text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.login(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.login(text) TO gatepost_node;
