-- admin.event_after: events in the order of their transactions, from a position on. A reader that goes on from the last
-- position it was given misses nothing and gets nothing twice, whichever order transactions commit in.
--   In     after: a position, null: from now on; page_size: how many events are looked at; slug, credential (its name),
--          of_kind, message, of_session: null for any
--   Out    those looked at that are asked for, and always the last one looked at, `matches` false where it is not one of
--          them: its position is where to go on. With `after` null one row, its position alone. No row: nothing new.
--          What a transaction that is still open wrote, or one that began after it, is left for later.
--   Raises GP002 no such tenant or credential; GP004 a position that is none, or another cluster's.    Locks  none.    Repeat  the same or more
--   Role   gatepost_admin, gatepost_viewer
CREATE OR REPLACE FUNCTION admin.event_after(
    after text, page_size int, slug text, credential text, of_kind text, message uuid, of_session uuid
) RETURNS TABLE (
    "position" text, matches boolean, id uuid, at timestamptz, kind text, tenant text, credential_name text,
    message_id uuid, number int, session uuid, reply_code int, reply_enhanced text, reply bytea, detail text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    v_tenant bigint;
    v_credential bigint;
    v_after record;
BEGIN
    SELECT f.* INTO v_tenant, v_credential FROM gatepost.event_filter(slug, event_after.credential) f;
    IF after IS NULL THEN
        RETURN QUERY SELECT pg_snapshot_xmin(pg_current_snapshot())::text || ':00000000-0000-0000-0000-000000000000',
            false, NULL::uuid, NULL::timestamptz, NULL::text, NULL::text, NULL::text, NULL::uuid, NULL::int, NULL::uuid,
            NULL::int, NULL::text, NULL::bytea, NULL::text;
        RETURN;
    END IF;
    SELECT p.* INTO v_after FROM gatepost.event_position(after) p;
    -- (Where nothing is open, the first position given is the next transaction's.)
    IF v_after.xid > pg_snapshot_xmax(pg_current_snapshot()) THEN
        -- A dump that was restored: transactions are counted anew, and nothing would come behind it for very long.
        RAISE EXCEPTION 'the position % is of another database cluster: it is ahead of this one', after
            USING ERRCODE = 'GP004', HINT = 'Begin anew, without a position.';
    END IF;
    -- One statement: the bound is that of the very snapshot that reads.
    RETURN QUERY
        SELECT q.xid::text || ':' || q.id, q.wanted, q.id, q.at, q.kind, t.slug, c.name, q.message_id, q.number,
               q.session, q.reply_code, q.reply_enhanced, q.reply, q.detail::text
        FROM (
            SELECT e.*,
                   (v_tenant IS NULL OR e.tenant_id = v_tenant)
                   AND (v_credential IS NULL OR e.credential_id IS NOT DISTINCT FROM v_credential)
                   AND (of_kind IS NULL OR e.kind = of_kind)
                   AND (message IS NULL OR e.message_id IS NOT DISTINCT FROM message)
                   AND (of_session IS NULL OR e.session IS NOT DISTINCT FROM of_session) AS wanted,
                   row_number() OVER (ORDER BY e.xid DESC, e.id DESC) AS from_end
            FROM (
                SELECT e.* FROM gatepost.event e
                WHERE (e.xid, e.id) > (v_after.xid, v_after.id) AND e.xid < pg_snapshot_xmin(pg_current_snapshot())
                ORDER BY e.xid, e.id LIMIT greatest(page_size, 1)
            ) AS e
        ) AS q
        LEFT JOIN gatepost.tenant t ON t.id = q.tenant_id
        LEFT JOIN gatepost.credential c ON c.tenant_id = q.tenant_id AND c.id = q.credential_id
        WHERE q.wanted OR q.from_end = 1
        ORDER BY q.xid, q.id;
END
$$;

ALTER FUNCTION admin.event_after(text, int, text, text, text, uuid, uuid) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.event_after(text, int, text, text, text, uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.event_after(text, int, text, text, text, uuid, uuid)
    TO gatepost_admin, gatepost_viewer;
