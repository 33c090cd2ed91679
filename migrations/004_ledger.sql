-- The book: double entry beside the documented tables.
--
-- One entry moves one positive amount from one account to another, so the book
-- balances by construction. `source_id` and `target_id` name a row of accounts,
-- or one of the bank's own accounts, whose ids are UUIDs of version 8 (RFC 9562)
-- that spell purpose and currency: those have no row and no stored balance.
-- For a row of accounts the entry carries its place in that account's history
-- (`*_seq`, dense from 1) and the balance it left behind.

CREATE TABLE wallstreet.entries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_id uuid NOT NULL UNIQUE REFERENCES transactions (id) ON DELETE RESTRICT,
    source_id uuid NOT NULL,
    target_id uuid NOT NULL,
    amount numeric(15, 2) NOT NULL,
    currency varchar(3) NOT NULL,
    source_seq bigint,
    source_balance numeric(15, 2),
    target_seq bigint,
    target_balance numeric(15, 2),
    recorded_at timestamptz NOT NULL,
    CONSTRAINT entries_amount_positive CHECK (amount > 0 AND amount < 'NaN'),
    CONSTRAINT entries_two_accounts CHECK (source_id <> target_id),
    CONSTRAINT entries_source_complete CHECK ((source_seq IS NULL) = (source_balance IS NULL)),
    CONSTRAINT entries_target_complete CHECK ((target_seq IS NULL) = (target_balance IS NULL)),
    CONSTRAINT entries_touch_an_account CHECK (source_seq IS NOT NULL OR target_seq IS NOT NULL)
);
CREATE UNIQUE INDEX entries_source_history ON wallstreet.entries (source_id, source_seq) WHERE source_seq IS NOT NULL;
CREATE UNIQUE INDEX entries_target_history ON wallstreet.entries (target_id, target_seq) WHERE target_seq IS NOT NULL;

CREATE FUNCTION wallstreet.refuse_rewritten_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on the book is refused: entries are append-only', TG_OP
        USING ERRCODE = 'restrict_violation', HINT = 'Post a new transaction that corrects it.';
END $$;
CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE ON wallstreet.entries
    FOR EACH ROW EXECUTE FUNCTION wallstreet.refuse_rewritten_entry();
CREATE TRIGGER entries_append_only_truncate BEFORE TRUNCATE ON wallstreet.entries
    FOR EACH STATEMENT EXECUTE FUNCTION wallstreet.refuse_rewritten_entry();

-- How many entries an account has: the sequence number of its newest one.
ALTER TABLE accounts ADD COLUMN entry_count bigint NOT NULL DEFAULT 0;

-- A transfer is two transactions, one in each account's list. `direction` tells
-- which way this one moves its account; the other three say more of it.
ALTER TABLE transactions
    ADD COLUMN direction varchar(3),
    ADD COLUMN counterparty_account_id uuid,
    ADD COLUMN paired_transaction_id uuid,
    ADD COLUMN failure_reason varchar(100),
    ADD CONSTRAINT transactions_direction_known CHECK (direction IN ('in', 'out')),
    ADD CONSTRAINT transactions_direction_of_type CHECK (
        direction IS NULL OR transaction_type = 'transfer'
        OR (direction = 'in') = (transaction_type IN ('deposit', 'credit'))),
    ADD CONSTRAINT transactions_pair_of_transfer CHECK (
        (paired_transaction_id IS NULL) = (counterparty_account_id IS NULL)
        AND (paired_transaction_id IS NULL OR transaction_type = 'transfer')),
    ADD CONSTRAINT transactions_failure_of_failed CHECK (failure_reason IS NULL OR status = 'failed');

-- Which way and with whom is as fixed as the amount; why it failed is said once.
CREATE TRIGGER transactions_guard_ledger BEFORE UPDATE ON transactions
    FOR EACH ROW WHEN (
        (OLD.direction IS NOT NULL AND (
               OLD.direction IS DISTINCT FROM NEW.direction
               OR OLD.counterparty_account_id IS DISTINCT FROM NEW.counterparty_account_id
               OR OLD.paired_transaction_id IS DISTINCT FROM NEW.paired_transaction_id))
        OR (OLD.status <> 'pending' AND OLD.failure_reason IS DISTINCT FROM NEW.failure_reason))
    EXECUTE FUNCTION wallstreet.refuse_rewritten_transaction();

-- The newest of one account by key, at the same cost at any depth.
CREATE INDEX transactions_account_newest ON transactions (account_id, created_at DESC, id DESC);

-- What waits on an account, however long its history.
CREATE INDEX transactions_account_pending ON transactions (account_id) WHERE status = 'pending';

-- Account numbers run through a keyed permutation of this sequence: they never
-- collide and do not tell how many there are. The key belongs to the database.
CREATE SEQUENCE wallstreet.account_numbers MINVALUE 0 MAXVALUE 99999999999 START 0;
CREATE TABLE wallstreet.numbering (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    key uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO wallstreet.numbering DEFAULT VALUES;
