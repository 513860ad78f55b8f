-- gatepost.credential_changed: a credential's row with changes applied, every value checked. Writes nothing.
--   In     the row as it is (its tenant_id counts); changes as in admin.credential_set
--   Raises GP004 an unknown key or a value that cannot be (MESSAGE says which, HINT what can).    Locks  none
--   Role   none; admin.credential_issue, admin.credential_set and admin.credential_problems use it
CREATE OR REPLACE FUNCTION gatepost.credential_changed(credential gatepost.credential, changes jsonb)
RETURNS gatepost.credential
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_key text;
    v_value jsonb;
    v_texts text[];
    v_text text;
BEGIN
    IF jsonb_typeof(changes) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'changes must be an object' USING ERRCODE = 'GP004';
    END IF;
    FOR v_key, v_value IN SELECT * FROM jsonb_each(changes) LOOP
        v_texts := NULL;
        IF v_key IN ('networks', 'senders', 'mechanisms') AND v_value <> 'null' THEN
            IF jsonb_typeof(v_value) <> 'array'
                OR EXISTS (SELECT FROM jsonb_array_elements(v_value) e WHERE jsonb_typeof(e) <> 'string')
                OR jsonb_array_length(v_value) NOT BETWEEN 1 AND 100
            THEN
                RAISE EXCEPTION '% cannot be %', v_key, left(v_value::text, 100) USING ERRCODE = 'GP004',
                    HINT = 'An array of 1 to 100 texts, or null for any.';
            END IF;
            v_texts := ARRAY(SELECT DISTINCT e FROM jsonb_array_elements_text(v_value) e ORDER BY e);
        END IF;
        CASE v_key
            WHEN 'label' THEN
                IF v_value <> 'null' AND (jsonb_typeof(v_value) <> 'string'
                    OR length(v_value #>> '{}') NOT BETWEEN 1 AND 200)
                THEN
                    RAISE EXCEPTION 'the label cannot be %', left(v_value::text, 100) USING ERRCODE = 'GP004',
                        HINT = 'A text of at most 200 characters, or null.';
                END IF;
                credential.label := v_value #>> '{}';
            WHEN 'mode' THEN
                IF v_value NOT IN ('"live"', '"test"') THEN
                    RAISE EXCEPTION 'mode cannot be %', v_value USING ERRCODE = 'GP004', HINT = 'live or test.';
                END IF;
                credential.mode := v_value #>> '{}';
            WHEN 'daily' THEN credential.daily_cap := gatepost.limit_value(v_key, v_value, 999999999999999999, true);
            WHEN 'monthly' THEN
                credential.monthly_cap := gatepost.limit_value(v_key, v_value, 999999999999999999, true);
            WHEN 'bytes_daily' THEN
                credential.bytes_daily_cap := gatepost.limit_value(v_key, v_value, 999999999999999999, true);
            WHEN 'rate' THEN credential.rate := gatepost.limit_value(v_key, v_value, 1000000000, true);
            WHEN 'burst' THEN credential.burst := gatepost.limit_value(v_key, v_value, 1000000000, true);
            WHEN 'message_size' THEN
                credential.message_size := gatepost.limit_value(v_key, v_value, 268435456, true, 1024);
            WHEN 'recipients_per_message' THEN
                credential.recipients_per_message := gatepost.limit_value(v_key, v_value, 100000, true);
            WHEN 'sessions' THEN credential.sessions := gatepost.limit_value(v_key, v_value, 1000000, true);
            WHEN 'networks' THEN
                BEGIN
                    credential.networks := v_texts::cidr[];
                EXCEPTION WHEN invalid_text_representation THEN
                    RAISE EXCEPTION 'networks cannot be %', array_to_string(v_texts, ', ') USING ERRCODE = 'GP004',
                        HINT = 'Blocks like 192.0.2.0/24 or 2001:db8::/32.';
                END;
            WHEN 'senders' THEN
                FOREACH v_text IN ARRAY coalesce(v_texts, '{}') LOOP
                    IF v_text ~ '[[:cntrl:]]' OR length(v_text) > 320 OR v_text LIKE '@%' OR v_text LIKE '%*%' THEN
                        RAISE EXCEPTION 'a sender cannot be "%"', v_text USING ERRCODE = 'GP004',
                            HINT = 'An address or a domain of the tenant''s; there are no wildcards.';
                    END IF;
                    -- What is behind the last @ is the domain, whatever a quoted local part holds.
                    IF NOT EXISTS (SELECT FROM gatepost.sender_domain d WHERE d.tenant_id = credential.tenant_id
                                   AND d.domain = substring(v_text FROM '[^@]*$'))
                    THEN
                        RAISE EXCEPTION '"%" is not within the tenant''s sender domains', v_text
                            USING ERRCODE = 'GP004', HINT = 'gatepost domain list TENANT; gatepost domain add TENANT '
                                'DOMAIN';
                    END IF;
                END LOOP;
                credential.senders := v_texts;
            WHEN 'mechanisms' THEN
                IF EXISTS (SELECT FROM unnest(v_texts) m
                           WHERE m NOT IN ('SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'PLAIN', 'LOGIN', 'EXTERNAL'))
                THEN
                    RAISE EXCEPTION 'mechanisms cannot be %', array_to_string(v_texts, ', ') USING ERRCODE = 'GP004',
                        HINT = 'SCRAM-SHA-256-PLUS, SCRAM-SHA-256, PLAIN, LOGIN, EXTERNAL.';
                END IF;
                credential.mechanisms := v_texts;
            WHEN 'not_before', 'expires' THEN
                IF v_value <> 'null' AND (jsonb_typeof(v_value) <> 'string' OR v_value #>> '{}'
                    !~ '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d(:?\d\d)?)$')
                THEN
                    RAISE EXCEPTION '% cannot be %', v_key, left(v_value::text, 100) USING ERRCODE = 'GP004',
                        HINT = 'An instant like 2027-01-31T18:00:00+01:00.';
                END IF;
                BEGIN
                    IF v_key = 'expires' THEN
                        credential.expires_at := v_value #>> '{}';
                    ELSE
                        credential.not_before := v_value #>> '{}';
                    END IF;
                EXCEPTION WHEN datetime_field_overflow OR invalid_datetime_format THEN
                    RAISE EXCEPTION '% cannot be %', v_key, v_value USING ERRCODE = 'GP004',
                        HINT = 'No such day or time.';
                END;
            ELSE
                RAISE EXCEPTION 'a credential has no "%"', v_key USING ERRCODE = 'GP004',
                    HINT = 'label, mode, daily, monthly, rate, burst, bytes_daily, message_size, '
                           'recipients_per_message, sessions, networks, senders, mechanisms, not_before, expires';
        END CASE;
    END LOOP;
    IF changes -> 'burst' = 'null' OR changes ? 'rate' AND NOT changes ? 'burst' THEN
        credential.burst := credential.rate;
    END IF;
    IF credential.rate IS NULL AND credential.burst IS NOT NULL THEN
        RAISE EXCEPTION 'a burst needs a rate' USING ERRCODE = 'GP004';
    END IF;
    IF credential.expires_at <= credential.not_before THEN
        RAISE EXCEPTION 'the credential would end before it begins' USING ERRCODE = 'GP004',
            HINT = format('not before %s, expires %s', credential.not_before, credential.expires_at);
    END IF;
    RETURN credential;
END
$$;

ALTER FUNCTION gatepost.credential_changed(gatepost.credential, jsonb) OWNER TO gatepost_owner;
REVOKE ALL ON FUNCTION gatepost.credential_changed(gatepost.credential, jsonb) FROM PUBLIC;
