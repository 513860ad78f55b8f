-- ledger.accept: decide a batch of messages, store what fits, charge it. One lock decides everything.
--   In     batch    a new id, never used before (the fence, see ledger.resolve)
--          owner    the lease holder that will forward; null: stored free, for any forwarder
--          then one element per message, in order of arrival:
--            ids                 UUIDv7 with the database's time, at most 60 s off
--            senders             reverse-path without brackets, '' is the null path
--            sender_domains      its domain as A-label in lower case, '' for the null path
--            from_domains        the From header's (or Sender's) domain, the same way
--            bodies, sizes       what is stored; octets that count as its size
--            digests             SHA-256 over envelope and content as sent; null: no resubmission check
--            clients, helos, message_id_headers   for logs and look-ups; may be null
--          and one element per recipient, messages in order, each recipient once (not checked here):
--            recipient_messages  which message, from 1
--            recipient_addresses, recipient_domains
--   Out    one row per message, in order. verdict is one of
--            accepted               queue_id = id; remaining: the smallest cap's rest, null: unlimited
--            resubmitted            queue_id = the first message's id; nothing stored, nothing charged
--            stale_id               some id of the batch was more than 60 s off: every message says so, nothing was
--                                   written (no batch row either); send again with new ids made from `clock`
--            tenant_unknown, tenant_suspended (detail: the reason), credential_unknown, credential_revoked,
--            credential_expired, login_expired, sender_domain, from_domain (detail: the domain),
--            message_size, too_many_recipients (cap, used = this message's),
--            cap_daily, cap_monthly, cap_credential_daily, rate (cap, used, resets_at, resets_text, policy)
--          limit_name: daily, monthly, credential_daily, rate, message_size, recipients_per_message
--          resets_text: ISO 8601 in the tenant's zone. policy: 'defer' or 'reject'. clock: the instant decided at,
--          on every row.
--   Raises 23505 on batch_pkey: the batch was fenced, give up. 55P03: a meter was not had in time (50 ms if the batch
--          has several tenants: split it by tenant; 1 s if it has one). 22023: malformed arrays.
--   Locks  batch, then the meters in tenant order. usage and recent under the meter only.
--   Repeat fails on batch_pkey.    Role  gatepost_node, in a transaction of its own, READ COMMITTED
CREATE OR REPLACE FUNCTION ledger.accept(
    batch uuid, owner uuid,
    ids uuid[], tenant_ids bigint[], credential_ids bigint[], login_ids bigint[],
    senders text[], sender_domains text[], from_domains text[],
    bodies bytea[], sizes bigint[], digests bytea[],
    clients text[], helos bytea[], message_id_headers text[],
    recipient_messages int[], recipient_addresses text[], recipient_domains text[]
) RETURNS SETOF ledger.verdict
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'not yet written' USING ERRCODE = 'feature_not_supported';
END
$$;

ALTER FUNCTION ledger.accept(uuid, uuid, uuid[], bigint[], bigint[], bigint[], text[], text[], text[],
    bytea[], bigint[], bytea[], text[], bytea[], text[], int[], text[], text[]) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.accept(uuid, uuid, uuid[], bigint[], bigint[], bigint[], text[], text[], text[],
    bytea[], bigint[], bytea[], text[], bytea[], text[], int[], text[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.accept(uuid, uuid, uuid[], bigint[], bigint[], bigint[], text[], text[], text[],
    bytea[], bigint[], bytea[], text[], bytea[], text[], int[], text[], text[]) TO gatepost_node;
