-- ledger.resolve: the fence. Was this batch committed? If not, it never will be.
--   In     batch, whose commit is in doubt
--   Out    the rows that accept returned, if it was committed; no rows: fenced, it can never commit any more, what has
--          a waiting session is sent again under a new batch id and new message ids
--   Locks  the batch row; waits as long as the old transaction takes to end.
--   Repeat says the same, and writes each time (a commit only then proves something).    Role  gatepost_node
CREATE OR REPLACE FUNCTION ledger.resolve(batch uuid) RETURNS SETOF ledger.verdict
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM set_config('lock_timeout', '0', true);  -- it must have an answer, whatever that takes
    INSERT INTO gatepost.batch AS b (id, at) VALUES (resolve.batch, ledger.clock())
    ON CONFLICT ON CONSTRAINT batch_pkey DO UPDATE SET resolved = b.resolved + 1;
    RETURN QUERY SELECT v.* FROM gatepost.batch b, unnest(b.verdicts) AS v WHERE b.id = resolve.batch;
END
$$;

ALTER FUNCTION ledger.resolve(uuid) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.resolve(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.resolve(uuid) TO gatepost_node;
