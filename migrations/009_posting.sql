-- Money at speed, and the whole life of a hold.
--
-- What a transfer writes is made cheaper: what the posting road proves anyway is
-- not proven again by a foreign key for each row, and the outbox has one row a
-- fact instead of one a reader. `wallstreet verify ledger` proves all of it.

-- A balance changes often and no index names it: room on the page keeps the new
-- version beside the old one.
ALTER TABLE accounts SET (fillfactor = 70);

-- A hold is captured in parts, so a transaction can have several entries.
ALTER TABLE wallstreet.entries
    DROP CONSTRAINT entries_transaction_id_fkey,
    DROP CONSTRAINT entries_transaction_id_key,
    DROP CONSTRAINT entries_touch_an_account,
    ADD CONSTRAINT entries_touch_an_account CHECK (
        source_seq IS NOT NULL OR target_seq IS NOT NULL
        -- Between two accounts of the bank itself: what rounding left.
        OR substr(source_id::text, 15, 1) = '8' AND substr(target_id::text, 15, 1) = '8'),
    ADD COLUMN effective_at timestamptz,
    ADD CONSTRAINT entries_effective_before CHECK (effective_at <= recorded_at);

-- The few entries that count for another day than the one they were recorded on.
CREATE INDEX entries_source_effective ON wallstreet.entries (source_id, effective_at) WHERE effective_at IS NOT NULL;
CREATE INDEX entries_target_effective ON wallstreet.entries (target_id, effective_at) WHERE effective_at IS NOT NULL;

ALTER TABLE wallstreet.idempotency_keys DROP CONSTRAINT idempotency_keys_user_id_fkey;

-- The posting road compares every order with its account before it writes one. It
-- says so (`wallstreet.posting`), and is not asked again; everybody else is.
DROP TRIGGER transactions_currency ON transactions;
CREATE TRIGGER transactions_currency AFTER INSERT ON transactions
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT WHEN (current_setting('wallstreet.posting', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION wallstreet.refuse_foreign_currency();

-- How far an account may go, who stopped it, and what it spent on which day (UTC).
ALTER TABLE accounts
    ADD COLUMN overdraft_limit numeric(15, 2) NOT NULL DEFAULT 0,
    ADD COLUMN transaction_limit numeric(15, 2),
    ADD COLUMN daily_limit numeric(15, 2),
    ADD COLUMN spent_amount numeric(15, 2) NOT NULL DEFAULT 0,
    ADD COLUMN spent_day integer NOT NULL DEFAULT 0,
    ADD COLUMN freeze_scope varchar(10),
    ADD COLUMN freeze_reason varchar(200),
    ADD COLUMN freeze_until timestamptz,
    ADD COLUMN newest_entry_at timestamptz,
    DROP CONSTRAINT accounts_money_sound,
    ADD CONSTRAINT accounts_money_sound CHECK (
        balance IS NOT NULL AND available_balance IS NOT NULL
        AND balance < 'NaN' AND available_balance < 'NaN'
        AND available_balance >= -overdraft_limit AND available_balance <= balance),
    ADD CONSTRAINT accounts_limits_sound CHECK (
        overdraft_limit >= 0 AND overdraft_limit < 'NaN'
        AND (transaction_limit IS NULL OR transaction_limit > 0 AND transaction_limit < 'NaN')
        AND (daily_limit IS NULL OR daily_limit > 0 AND daily_limit < 'NaN')
        AND spent_amount >= 0 AND spent_amount < 'NaN'),
    ADD CONSTRAINT accounts_freeze_known CHECK (freeze_scope IN ('debits', 'credits', 'all')),
    ADD CONSTRAINT accounts_freeze_whole CHECK (
        (freeze_scope IS NULL) = (freeze_reason IS NULL)
        AND (freeze_until IS NULL OR freeze_scope IS NOT NULL));

-- The life of a hold. `captured_amount` is written only for a hold that is taken
-- in parts; without it, a completed transaction moved all of its amount and any
-- other none.
ALTER TABLE transactions
    ADD COLUMN captured_amount numeric(15, 2),
    ADD COLUMN reversed_amount numeric(15, 2) NOT NULL DEFAULT 0,
    ADD COLUMN reverses_transaction_id uuid,
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN effective_at timestamptz,
    ADD CONSTRAINT transactions_captured_within CHECK (captured_amount > 0 AND captured_amount <= amount),
    ADD CONSTRAINT transactions_reversed_within CHECK (
        reversed_amount >= 0
        AND (reversed_amount = 0 OR status = 'completed' AND reversed_amount <= coalesce(captured_amount, amount)));

-- A hold is only taken further, a transaction only given back further; and when
-- it counts, when it ends and what it reverses is said once.
CREATE TRIGGER transactions_guard_life BEFORE UPDATE ON transactions
    FOR EACH ROW WHEN (
        OLD.captured_amount IS DISTINCT FROM NEW.captured_amount
            AND (OLD.status <> 'pending' OR coalesce(NEW.captured_amount, 0) < coalesce(OLD.captured_amount, 0))
        OR NEW.reversed_amount < OLD.reversed_amount
        OR OLD.reverses_transaction_id IS DISTINCT FROM NEW.reverses_transaction_id
        OR OLD.expires_at IS DISTINCT FROM NEW.expires_at
        OR OLD.effective_at IS DISTINCT FROM NEW.effective_at)
    EXECUTE FUNCTION wallstreet.refuse_rewritten_transaction();

-- What ends by itself, soonest first; and what gave a transaction back.
CREATE INDEX transactions_expiring ON transactions (expires_at) WHERE status = 'pending' AND expires_at IS NOT NULL;
CREATE INDEX transactions_reversals ON transactions (reverses_transaction_id) WHERE reverses_transaction_id IS NOT NULL;

-- An exchange of currencies: what was agreed, and exactly what rounding left.
-- `transaction_id` is the sender's half. source_amount * rate = target_amount +
-- remainder for an order; a reversal has both amounts and the remainder negated.
CREATE TABLE wallstreet.exchanges (
    transaction_id uuid PRIMARY KEY,
    source_currency varchar(3) NOT NULL,
    source_amount numeric(15, 2) NOT NULL,
    target_currency varchar(3) NOT NULL,
    target_amount numeric(15, 2) NOT NULL,
    rate numeric(19, 10) NOT NULL,
    rate_source varchar(100) NOT NULL,
    remainder numeric(30, 12) NOT NULL,
    created_at timestamptz NOT NULL
);

-- What rounding left and is smaller than the smallest coin, by currency.
CREATE TABLE wallstreet.rounding (
    currency varchar(3) PRIMARY KEY,
    carried numeric(30, 12) NOT NULL
);

-- One row a fact: its names, and everybody it is news to. `parties` is a list of
-- {"userId", "resourceId", "payload"}; each party hears of each name.
CREATE TABLE wallstreet.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_types varchar(200) NOT NULL,
    parties json NOT NULL,
    created_at timestamptz NOT NULL
);
INSERT INTO wallstreet.outbox (event_types, parties, created_at)
SELECT event_type,
       json_build_array(json_build_object('userId', user_id, 'resourceId', resource_id, 'payload', payload)),
       created_at
  FROM wallstreet.events ORDER BY id;
DROP TABLE wallstreet.events;
