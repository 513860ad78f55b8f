-- 0006: which lease of an owner's it is. An owner may lease a recipient again that it had given back, and an outcome that
-- is written again, or arrives late, belongs to the lease it came of.
SET LOCAL ROLE gatepost_owner;

ALTER TABLE gatepost.recipient ADD COLUMN lease int;
ALTER TABLE gatepost.recipient_straggler ADD COLUMN lease int;
COMMENT ON COLUMN gatepost.recipient.lease IS
    'How often it was leased anew since it was accepted (null: never): with owner_id, which lease it is.';

SET LOCAL ROLE NONE;
