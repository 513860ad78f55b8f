-- gatepost.rolling: a tenant's use in a rolling day, and when so many more will fit.
--   In     tenant, at, cap, wanted recipients
--   Out    used: what the last 25 UTC hour buckets hold (24 would forget mail before its day is over), later-stamped
--          ones included; resets_at: when `wanted` fit under cap if nothing more is sent, null if they never do
--   Locks  none; called under the meter.    Repeat  the same.    Role  none; the ledger's functions use it
CREATE OR REPLACE FUNCTION gatepost.rolling(
    tenant bigint, at timestamptz, cap bigint, wanted bigint, OUT used bigint, OUT resets_at timestamptz
)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(sum(h.recipients), 0)::bigint,
           min(h.starts + interval '25 hours') FILTER (WHERE h.later + wanted <= cap)
    FROM (SELECT u.starts, u.recipients,
                 coalesce(sum(u.recipients) OVER (ORDER BY u.starts DESC
                                                  ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS later
          FROM gatepost.usage_hour u
          WHERE u.tenant_id = tenant AND u.starts >= date_trunc('hour', at, 'UTC') - interval '24 hours') AS h
$$;

ALTER FUNCTION gatepost.rolling(bigint, timestamptz, bigint, bigint) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.rolling(bigint, timestamptz, bigint, bigint) FROM PUBLIC;
