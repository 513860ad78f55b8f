-- ledger.suppressed: which of these its tenant does not write to any more, so that accept would neither store nor charge
-- them. For RCPT, where a cap seems to be reached; accept decides.
--   In     tenant_id; addresses, as ledger.accept takes them
--   Out    their places, from 1, in order; null: the tenant suppresses nobody at all
--   Locks  none.    Repeat  harmless.    Role  gatepost_node
CREATE OR REPLACE FUNCTION ledger.suppressed(tenant_id bigint, addresses text[]) RETURNS int[]
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    v_now timestamptz := gatepost.clock();
BEGIN
    IF NOT EXISTS (SELECT FROM gatepost.suppression s WHERE s.tenant_id = suppressed.tenant_id) THEN
        RETURN NULL;
    END IF;
    RETURN ARRAY(
        SELECT n.ord::int FROM unnest(addresses) WITH ORDINALITY AS n (address, ord)
        CROSS JOIN LATERAL (
            SELECT s.until FROM gatepost.suppression s
            WHERE s.tenant_id = suppressed.tenant_id AND s.address = lower(n.address) OFFSET 0) AS s
        WHERE (s.until <= v_now) IS NOT TRUE
        ORDER BY n.ord);
END
$$;

ALTER FUNCTION ledger.suppressed(bigint, text[]) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.suppressed(bigint, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.suppressed(bigint, text[]) TO gatepost_node;
