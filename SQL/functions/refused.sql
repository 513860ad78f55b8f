-- ledger.refused: write down what nodes refused by themselves, many at a time: an event of kind `refused` for each.
--   In     parallel arrays, one element per refusal: ids (UUIDv7, the id that the reply names), tenant_ids,
--          credential_ids, sessions, ats, stages (MAIL, RCPT, DATA …), codes (450), enhanceds (4.7.1), replies (the
--          text), and, null where there is none: arguments, limits (`daily`; or the name of another rule), caps, useds,
--          resets (texts), clients
--   Out    nothing
--   Locks  none.    Repeat  harmless: an event has its refusal's id.    Role  gatepost_node
CREATE OR REPLACE FUNCTION ledger.refused(
    ids uuid[], tenant_ids bigint[], credential_ids bigint[], sessions uuid[], ats timestamptz[],
    stages text[], codes int[], enhanceds text[], replies text[], arguments text[], limits text[],
    caps text[], useds text[], resets text[], clients text[]
) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO gatepost.event (tenant_id, id, at, kind, message_id, credential_id, session, reply_code,
                                reply_enhanced, reply, detail)
    SELECT n.tenant_id,
           -- An id that is far off, by a node whose clock was, has no partition.
           CASE WHEN n.id BETWEEN gatepost.uuid_floor(c.now - interval '1 hour')
                              AND gatepost.uuid_floor(c.now + interval '1 hour')
                THEN n.id ELSE gatepost.uuid_new(c.now) END,
           least(n.at, c.now), 'refused', n.id, n.credential_id, n.session, n.code, n.enhanced,
           convert_to(n.reply, 'UTF8'),
           jsonb_strip_nulls(jsonb_build_object(
               'stage', n.stage, 'reply', concat_ws(' ', n.code, n.enhanced, n.reply), 'argument', n.argument,
               'limit', n."limit", 'cap', n.cap::bigint, 'used', n.used::bigint, 'resets', n.resets,
               'client', n.client, 'by', 'node'))
    FROM unnest(ids, tenant_ids, credential_ids, sessions, ats, stages, codes, enhanceds, replies, arguments, limits,
                caps, useds, resets, clients)
        AS n (id, tenant_id, credential_id, session, at, stage, code, enhanced, reply, argument, "limit", cap, used,
            resets, client)
    CROSS JOIN (SELECT ledger.clock() AS now) AS c
    ON CONFLICT DO NOTHING
$$;

ALTER FUNCTION ledger.refused(uuid[], bigint[], bigint[], uuid[], timestamptz[], text[], int[], text[], text[], text[],
    text[], text[], text[], text[], text[]) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.refused(uuid[], bigint[], bigint[], uuid[], timestamptz[], text[], int[], text[], text[],
    text[], text[], text[], text[], text[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.refused(uuid[], bigint[], bigint[], uuid[], timestamptz[], text[], int[], text[],
    text[], text[], text[], text[], text[], text[], text[]) TO gatepost_node;
