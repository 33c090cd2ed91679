-- One index for the transactions of an account, not two: the documented
-- `idx_transactions_account_id` also has their order, newest first, which lists
-- read. Each transfer writes two index entries less. It holds the lock of a
-- rename, and builds nothing.
DROP INDEX idx_transactions_account_id;
ALTER INDEX transactions_account_newest RENAME TO idx_transactions_account_id;
