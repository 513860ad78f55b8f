-- ledger.warning_noticed: one node notices a warning, and with it the mail about it is stored.
--   In     the warning's key; the mail: to whom (null: none), its domain as A-label, the whole message, whether its
--          address needs SMTPUTF8. Mail of kind notice: from the null sender, never charged, free for any forwarder.
--   Out    true: it was the caller, who logs it. False: another has it, or has had it.
--   Locks  the warning's row, skipping one that is locked; never the meter.    Repeat  harmless (false).
--   Role   gatepost_node
CREATE OR REPLACE FUNCTION ledger.warning_noticed(
    tenant_id bigint, credential_id bigint, limit_name text, starts date, percent int,
    address text DEFAULT NULL, domain text DEFAULT NULL, content bytea DEFAULT NULL, smtputf8 boolean DEFAULT false
) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz := ledger.clock();
    v_mail uuid := CASE WHEN warning_noticed.address IS NOT NULL THEN gatepost.uuid_new(v_now) END;
BEGIN
    PERFORM FROM gatepost.warning w
    WHERE w.tenant_id = warning_noticed.tenant_id AND w.credential_id = warning_noticed.credential_id
      AND w.limit_name = warning_noticed.limit_name AND w.starts = warning_noticed.starts
      AND w.percent = warning_noticed.percent AND w.noticed_at IS NULL
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE gatepost.warning w SET noticed_at = v_now, mail_id = v_mail
    WHERE w.tenant_id = warning_noticed.tenant_id AND w.credential_id = warning_noticed.credential_id
      AND w.limit_name = warning_noticed.limit_name AND w.starts = warning_noticed.starts
      AND w.percent = warning_noticed.percent;
    IF v_mail IS NOT NULL THEN
        INSERT INTO gatepost.message (tenant_id, id, kind, credential_id, login_id, accepted_at, size, recipients,
                                      sender, from_domain, body_type, smtputf8)
        VALUES (warning_noticed.tenant_id, v_mail, 'notice', 0, 0, v_now, octet_length(content), 1, '', '', '7bit',
                coalesce(warning_noticed.smtputf8, false));
        INSERT INTO gatepost.body (tenant_id, message_id, content)
        VALUES (warning_noticed.tenant_id, v_mail, warning_noticed.content);
        -- Nothing is told of what becomes of a notice.
        INSERT INTO gatepost.recipient (tenant_id, message_id, number, next_attempt, state, address, domain, notify)
        VALUES (warning_noticed.tenant_id, v_mail, 1, v_now, 'queued', warning_noticed.address,
                warning_noticed.domain, 0);
    END IF;
    RETURN true;
END
$$;

ALTER FUNCTION ledger.warning_noticed(bigint, bigint, text, date, int, text, text, bytea, boolean)
    OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.warning_noticed(bigint, bigint, text, date, int, text, text, bytea, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.warning_noticed(bigint, bigint, text, date, int, text, text, bytea, boolean)
    TO gatepost_node;
