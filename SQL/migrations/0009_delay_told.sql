-- 0009: that a sender was told of a delay is remembered with the recipient (ledger.settle), not told from the clock.
SET LOCAL ROLE gatepost_owner;

COMMENT ON COLUMN gatepost.recipient.notify IS
    'NOTIFY of RCPT: 0 never, 1 success + 2 failure + 4 delay; null: not given. + 8: the delay has been told.';

SET LOCAL ROLE NONE;
