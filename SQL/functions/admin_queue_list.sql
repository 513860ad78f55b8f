-- admin.queue_list: messages, newest last, a page at a time.
--   In     slug or null for every tenant; everything: all that is stored, else those with a queued or deferred recipient;
--          at_most rows; after: the last id of the page before, null to begin
--   Out    state: 'deferred' if any recipient is, else 'queued', else 'bounced', 'cancelled', 'delivered'.
--          live: recipients still queued or deferred; next_attempt: the earliest of theirs
--   Raises GP002 no such tenant.    Locks  none.    Repeat  harmless.    Role  gatepost_admin
CREATE OR REPLACE FUNCTION admin.queue_list(slug text, everything boolean, at_most int, after uuid)
RETURNS TABLE (
    id uuid, tenant text, credential text, state text, recipients int, live int, size bigint, sender text,
    accepted_at timestamptz, next_attempt timestamptz
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION admin.queue_list(text, boolean, int, uuid) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.queue_list(text, boolean, int, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.queue_list(text, boolean, int, uuid) TO gatepost_admin;
