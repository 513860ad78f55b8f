-- ledger.resubmissible: whether a message to that address may have been stored a moment ago, so that what seems to be over
-- a cap could be the same message again, which costs nothing. For MAIL and RCPT, where a cap seems to be reached; accept
-- decides, by the whole message.
--   In     tenant_id, credential_id; sender, address: as ledger.accept takes them; address null: to anybody, from sender
--   Out    false: certainly not. True too where the credential has sent more lately than is looked at.
--   Locks  none.    Repeat  harmless.    Role  gatepost_node
CREATE OR REPLACE FUNCTION ledger.resubmissible(tenant_id bigint, credential_id bigint, sender text, address text)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    v_now timestamptz := ledger.clock();
    v_most constant int := 300;
BEGIN
    RETURN (
        SELECT count(*) = v_most OR coalesce(bool_or(k.fits), false)
        FROM (
            SELECT CASE WHEN resubmissible.address IS NULL
                        THEN EXISTS (SELECT FROM gatepost.message m
                                     WHERE m.tenant_id = r.tenant_id AND m.id = r.message_id
                                       AND m.sender = resubmissible.sender)
                        ELSE EXISTS (SELECT FROM gatepost.recipient p
                                     WHERE p.tenant_id = r.tenant_id AND p.message_id = r.message_id
                                       AND p.address = resubmissible.address) END AS fits
            FROM gatepost.recent r
            WHERE r.tenant_id = resubmissible.tenant_id AND r.credential_id = resubmissible.credential_id
              AND r.at > v_now - interval '10 minutes'
            LIMIT v_most) AS k);
END
$$;

ALTER FUNCTION ledger.resubmissible(bigint, bigint, text, text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.resubmissible(bigint, bigint, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.resubmissible(bigint, bigint, text, text) TO gatepost_node;
