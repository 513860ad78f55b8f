-- ledger.credential_used: note when and from where logins were last used, many at a time.
--   In     parallel arrays, one element per login, none twice
--   Out    nothing.    Locks  credential_use in key order. Call at most once a minute.
--   Repeat harmless.    Role  gatepost_node
CREATE OR REPLACE FUNCTION ledger.credential_used(
    tenant_ids bigint[], credential_ids bigint[], login_ids bigint[], clients text[], used_ats timestamptz[]
) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO gatepost.credential_use AS u (tenant_id, credential_id, login_id, client, used_at)
    SELECT n.tenant_id, n.credential_id, n.login_id, n.client::inet, n.used_at
    FROM unnest(tenant_ids, credential_ids, login_ids, clients, used_ats)
        AS n (tenant_id, credential_id, login_id, client, used_at)
    ORDER BY n.tenant_id, n.credential_id, n.login_id
    ON CONFLICT ON CONSTRAINT credential_use_pkey DO UPDATE
        SET client = excluded.client, used_at = excluded.used_at
        WHERE u.used_at < excluded.used_at
$$;

ALTER FUNCTION ledger.credential_used(bigint[], bigint[], bigint[], text[], timestamptz[]) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION ledger.credential_used(bigint[], bigint[], bigint[], text[], timestamptz[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.credential_used(bigint[], bigint[], bigint[], text[], timestamptz[]) TO gatepost_node;
