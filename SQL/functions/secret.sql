-- ledger.secret: a secret that all nodes share, made by migrate.
--   In     'verifier' (32 octets, the key of made-up SCRAM verifiers) or 'ticket' (96 octets, TLS session tickets)
--   Out    the octets, null if there is none by that name
--   Locks  none.    Repeat  the same.    Role  gatepost_node
CREATE OR REPLACE FUNCTION ledger.secret(name text) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.secret FROM gatepost.cluster_secret s WHERE s.name = $1
$$;

ALTER FUNCTION ledger.secret(text) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.secret(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.secret(text) TO gatepost_node;
