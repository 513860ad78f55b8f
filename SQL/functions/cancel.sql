-- ledger.cancel: take messages back before they are delivered, and refund them.
--   In     message ids; os_user and reason for the audit
--   Out    one row per recipient: 'cancelled' (refunded now, to the day, month and credential that paid), 'marked' (under
--          way: if it is not delivered, upkeep finishes and refunds it), 'final' (it has been delivered or bounced or
--          cancelled already); one row with number null and 'unknown' for an id nobody has
--   Locks  the meters in tenant order first, then recipients in (message, number) order. Deletes the resubmission key.
--   Repeat harmless, and writes each time (the meter).    Role  gatepost_admin
CREATE OR REPLACE FUNCTION ledger.cancel(os_user text, message_ids uuid[], reason text)
RETURNS TABLE (message_id uuid, number int, verdict text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION ledger.cancel(text, uuid[], text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.cancel(text, uuid[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.cancel(text, uuid[], text) TO gatepost_admin;
