DROP TABLE wallstreet.numbering;
DROP SEQUENCE wallstreet.account_numbers;
DROP INDEX transactions_account_pending;
DROP INDEX transactions_account_newest;
DROP TRIGGER transactions_guard_ledger ON transactions;
ALTER TABLE transactions
    DROP CONSTRAINT transactions_failure_of_failed,
    DROP CONSTRAINT transactions_pair_of_transfer,
    DROP CONSTRAINT transactions_direction_of_type,
    DROP CONSTRAINT transactions_direction_known,
    DROP COLUMN failure_reason,
    DROP COLUMN paired_transaction_id,
    DROP COLUMN counterparty_account_id,
    DROP COLUMN direction;
ALTER TABLE accounts DROP COLUMN entry_count;
DROP TABLE wallstreet.entries;
DROP FUNCTION wallstreet.refuse_rewritten_entry();
