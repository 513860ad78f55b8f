-- admin.ledger_entries: a tenant's ledger as it was written, a page at a time.
--   In     slug (a deleted one's too); since: the first day wanted; after_message, after_entry: the last row of the page
--          before, null for the first; page_size
--   Out    in the order of message ids, so but for a minute in that of time; a refund follows its debit, whenever it was.
--          day is the local day that paid.
--   Raises GP002 no such tenant.    Locks  none.    Repeat  harmless.    Role  gatepost_admin, gatepost_viewer
CREATE OR REPLACE FUNCTION admin.ledger_entries(
    slug text, since timestamptz, after_message uuid, after_entry int, page_size int
) RETURNS TABLE (
    message_id uuid, entry int, credential text, day date, month date, recipients bigint, bytes bigint, reason text,
    at timestamptz
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    v_tenant bigint := (SELECT t.id FROM gatepost.tenant t WHERE t.slug = ledger_entries.slug);
    v_after uuid := coalesce(after_message, gatepost.uuid_floor(coalesce(since, '2000-01-01')));
BEGIN
    IF v_tenant IS NULL THEN
        RAISE EXCEPTION 'no tenant "%"', slug USING ERRCODE = 'GP002', HINT = 'gatepost tenant list';
    END IF;
    RETURN QUERY
        SELECT l.message_id, l.entry, c.name, l.day, l.month, l.recipients, l.bytes, l.reason, l.at
        FROM (SELECT * FROM gatepost.ledger l
              WHERE l.tenant_id = v_tenant AND (l.message_id, l.entry) > (v_after, coalesce(after_entry, -1))
              ORDER BY l.message_id, l.entry LIMIT greatest(page_size, 0)) AS l
        LEFT JOIN gatepost.credential c ON c.tenant_id = v_tenant AND c.id = l.credential_id
        ORDER BY l.message_id, l.entry;
END
$$;

ALTER FUNCTION admin.ledger_entries(text, timestamptz, uuid, int, int) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.ledger_entries(text, timestamptz, uuid, int, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.ledger_entries(text, timestamptz, uuid, int, int) TO gatepost_admin, gatepost_viewer;
