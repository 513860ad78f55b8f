-- ledger.certificate_login: whose login a client certificate is (SASL EXTERNAL).
--   In     SHA-256 of the certificate's DER
--   Out    the login's name, null: nobody's. Whether it may come in, ledger.login says.
--   Locks  none.    Repeat  harmless.    Role  gatepost_node
CREATE OR REPLACE FUNCTION ledger.certificate_login(certificate bytea) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.name FROM gatepost.login l WHERE l.certificate = certificate_login.certificate
$$;

ALTER FUNCTION ledger.certificate_login(bytea) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.certificate_login(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.certificate_login(bytea) TO gatepost_node;
