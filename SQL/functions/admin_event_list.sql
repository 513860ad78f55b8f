-- admin.event_list: what happened, newest first, a page at a time.
--   In     slug, credential (its name), of_kind, message, of_session, since, until: each null for any; page_size;
--          before: the position of the last event of the page before, null for the first page
--   Out    position: 'xid:id', what `before` and admin.event_after take. reply: the remote's words, raw. With a tenant,
--          a kind, a message or a session the order is that of ids (time), else that of commits.
--   Raises GP002 no such tenant or credential; GP004 a position that is none.    Locks  none.    Repeat  harmless
--   Role   gatepost_admin, gatepost_viewer
CREATE OR REPLACE FUNCTION admin.event_list(
    slug text, credential text, of_kind text, message uuid, of_session uuid, since timestamptz, until timestamptz,
    page_size int, before text
) RETURNS TABLE (
    "position" text, id uuid, at timestamptz, kind text, tenant text, credential_name text, message_id uuid, number int,
    session uuid, reply_code int, reply_enhanced text, reply bytea, detail text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    v_tenant bigint;
    v_credential bigint;
    v_before record;
    v_from timestamptz := greatest(since, gatepost.uuid_instant(coalesce(message, of_session)) - interval '2 minutes');
    v_by_commit boolean := slug IS NULL AND event_list.credential IS NULL AND message IS NULL AND of_session IS NULL
        AND (of_kind IS NULL OR of_kind IN ('accepted', 'delivered'));
    v_where text := 'true';
    v_bound xid8;
BEGIN
    SELECT f.* INTO v_tenant, v_credential FROM gatepost.event_filter(slug, event_list.credential) f;
    SELECT p.* INTO v_before FROM gatepost.event_position(before) p;

    -- Written out with constants, for only so does the planner find the partial indexes and skip partitions.
    IF v_tenant IS NOT NULL THEN
        v_where := v_where || format(' AND e.tenant_id = %s', v_tenant);
    END IF;
    IF v_credential IS NOT NULL THEN
        v_where := v_where || format(' AND e.credential_id = %s', v_credential);
    END IF;
    IF of_kind IS NOT NULL THEN
        v_where := v_where || format(' AND e.kind = %L', of_kind);
    END IF;
    IF message IS NOT NULL THEN
        v_where := v_where || format(' AND e.message_id = %L::uuid', message);
    END IF;
    IF of_session IS NOT NULL THEN
        v_where := v_where || format(' AND e.session = %L::uuid', of_session);
    END IF;
    IF v_from IS NOT NULL THEN
        v_where := v_where || format(' AND e.id >= %L::uuid', gatepost.uuid_floor(v_from));
    END IF;
    IF until IS NOT NULL THEN
        v_where := v_where || format(' AND e.id < %L::uuid', gatepost.uuid_floor(until));
    END IF;
    -- In the order of commits the walk begins and ends near its times, not at the ends of their days. (A transaction may
    -- wait, and an id be a minute off: ten minutes are plenty.)
    IF v_by_commit AND until IS NOT NULL THEN
        v_bound := gatepost.event_bound(until, until + interval '10 minutes');
        IF v_bound IS NOT NULL THEN
            v_where := v_where || format(' AND e.xid <= %L::xid8', v_bound);
        END IF;
    END IF;
    IF v_by_commit AND v_from IS NOT NULL THEN
        v_bound := gatepost.event_bound(v_from, v_from - interval '10 minutes');
        IF v_bound IS NOT NULL THEN
            v_where := v_where || format(' AND e.xid >= %L::xid8', v_bound);
        END IF;
    END IF;
    IF before IS NOT NULL THEN
        v_where := v_where || CASE WHEN v_by_commit
            THEN format(' AND (e.xid, e.id) < (%L::xid8, %L::uuid)', v_before.xid, v_before.id)
            ELSE format(' AND e.id < %L::uuid', v_before.id) END;
    END IF;
    RETURN QUERY EXECUTE format($q$
        SELECT e.xid::text || ':' || e.id, e.id, e.at, e.kind, t.slug, c.name, e.message_id, e.number, e.session,
               e.reply_code, e.reply_enhanced, e.reply, e.detail::text
        FROM (SELECT * FROM gatepost.event e WHERE %s ORDER BY %s LIMIT %s) AS e
        LEFT JOIN gatepost.tenant t ON t.id = e.tenant_id
        LEFT JOIN gatepost.credential c ON c.tenant_id = e.tenant_id AND c.id = e.credential_id
        ORDER BY %2$s$q$,
        v_where, CASE WHEN v_by_commit THEN 'e.xid DESC, e.id DESC' ELSE 'e.id DESC' END, greatest(page_size, 0));
END
$$;

ALTER FUNCTION admin.event_list(text, text, text, uuid, uuid, timestamptz, timestamptz, int, text)
    OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION admin.event_list(text, text, text, uuid, uuid, timestamptz, timestamptz, int, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admin.event_list(text, text, text, uuid, uuid, timestamptz, timestamptz, int, text)
    TO gatepost_admin, gatepost_viewer;
