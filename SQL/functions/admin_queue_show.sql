-- admin.queue_show: one message, a row per recipient.
--   In     id.    Out  no row: nobody has it. reply: the remote's last words, raw. marked: cancelled while under way
--   Locks  none.    Repeat  harmless.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.queue_show(id uuid) RETURNS TABLE (
    tenant text, credential text, message_state text, kind text, size bigint, sender text, from_domain text,
    message_id_header text, client text, helo bytea, accepted_at timestamptz, body_stored boolean,
    number int, address text, state text, marked boolean, leased boolean, attempts int, next_attempt timestamptz,
    last_attempt timestamptz, final_at timestamptz, reply_code int, reply_enhanced text, reply bytea
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION admin.queue_show(uuid) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.queue_show(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.queue_show(uuid) TO gatepost_admin;
