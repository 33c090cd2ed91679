-- Exchange rates and quotes, and holds that complete by themselves.
--
-- A rate is the bank's middle rate of a pair of currencies, in one of its two
-- directions; a quote is what one customer was offered, and is used up by one
-- transaction, whose posting takes it under lock.

CREATE TABLE wallstreet.fx_rates (
    id uuid PRIMARY KEY,
    source_currency varchar(3) NOT NULL,
    target_currency varchar(3) NOT NULL,
    rate numeric(19, 10) NOT NULL,
    -- By which share of it a customer's rate is worse.
    spread numeric(7, 6) NOT NULL,
    rate_source varchar(100) NOT NULL,
    valid_until timestamptz,
    updated_at timestamptz NOT NULL,
    CONSTRAINT fx_rates_of_two CHECK (source_currency <> target_currency),
    CONSTRAINT fx_rates_sound CHECK (rate > 0 AND rate < 'NaN' AND spread >= 0 AND spread < 1)
);
-- One a pair: with one for each direction, to and fro could gain.
CREATE UNIQUE INDEX fx_rates_pair ON wallstreet.fx_rates (
    least(source_currency, target_currency), greatest(source_currency, target_currency));

CREATE TABLE wallstreet.fx_quotes (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    source_currency varchar(3) NOT NULL,
    target_currency varchar(3) NOT NULL,
    rate numeric(19, 10) NOT NULL,
    rate_source varchar(100) NOT NULL,
    -- The most that may be given; absent: any amount.
    amount numeric(15, 2),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    -- The sender's half of the transfer that used it.
    transaction_id uuid UNIQUE,
    CONSTRAINT fx_quotes_of_two CHECK (source_currency <> target_currency),
    CONSTRAINT fx_quotes_sound CHECK (
        rate > 0 AND rate < 'NaN' AND (amount IS NULL OR amount > 0 AND amount < 'NaN'))
);
CREATE INDEX fx_quotes_open ON wallstreet.fx_quotes (user_id, expires_at) WHERE transaction_id IS NULL;
CREATE INDEX fx_quotes_expiring ON wallstreet.fx_quotes (expires_at) WHERE transaction_id IS NULL;

CREATE FUNCTION wallstreet.refuse_rewritten_quote() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on quote % is refused: a quote is used once, and what was offered cannot change', TG_OP, OLD.id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'fx_quotes_immutable', HINT = 'Make a new quote.';
END $$;
CREATE TRIGGER fx_quotes_guard BEFORE UPDATE ON wallstreet.fx_quotes
    FOR EACH ROW WHEN (
        OLD.transaction_id IS NOT NULL
        OR OLD.user_id IS DISTINCT FROM NEW.user_id
        OR OLD.source_currency IS DISTINCT FROM NEW.source_currency
        OR OLD.target_currency IS DISTINCT FROM NEW.target_currency
        OR OLD.rate IS DISTINCT FROM NEW.rate
        OR OLD.rate_source IS DISTINCT FROM NEW.rate_source
        OR OLD.amount IS DISTINCT FROM NEW.amount
        OR OLD.expires_at IS DISTINCT FROM NEW.expires_at)
    EXECUTE FUNCTION wallstreet.refuse_rewritten_quote();
CREATE TRIGGER fx_quotes_kept BEFORE DELETE ON wallstreet.fx_quotes
    FOR EACH ROW WHEN (OLD.transaction_id IS NOT NULL)
    EXECUTE FUNCTION wallstreet.refuse_rewritten_quote();

-- When a pending transaction completes by itself: said once, and before it expires.
ALTER TABLE transactions
    ADD COLUMN complete_at timestamptz,
    ADD CONSTRAINT transactions_completes_in_time CHECK (complete_at < expires_at);
CREATE TRIGGER transactions_guard_completion BEFORE UPDATE ON transactions
    FOR EACH ROW WHEN (OLD.complete_at IS DISTINCT FROM NEW.complete_at)
    EXECUTE FUNCTION wallstreet.refuse_rewritten_transaction();
CREATE INDEX transactions_completing ON transactions (complete_at) WHERE status = 'pending' AND complete_at IS NOT NULL;

-- What was refused when it was due, and when it is tried again.
CREATE TABLE wallstreet.completion_retries (
    transaction_id uuid PRIMARY KEY,
    attempts integer NOT NULL,
    code varchar(100) NOT NULL,
    retry_at timestamptz NOT NULL
);
