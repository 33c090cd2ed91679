-- The documented DDL lets through NaN and negative money, unknown roles, types
-- and states, two users with one e-mail address in different case, and the
-- deletion of a user together with all their money. These guards refuse that
-- in the database itself, whoever writes. Nullability in the catalogue stays
-- as documented: a CHECK says NOT NULL instead of the column.
--
-- A CHECK is added NOT VALID and validated after, so that a row that breaks it is
-- named by a statement of its own; the table stays locked until all are done.
-- NaN sorts above every number in PostgreSQL, so "< 'NaN'" is what refuses it.

ALTER TABLE users
    ADD CONSTRAINT users_role_known CHECK (role IS NOT NULL AND role IN ('user', 'admin')) NOT VALID,
    ADD CONSTRAINT users_status_known CHECK (status IS NOT NULL AND status IN ('active', 'suspended', 'closed')) NOT VALID,
    ADD CONSTRAINT users_email_shape CHECK (position('@' IN email) > 1 AND email = btrim(email)) NOT VALID;
ALTER TABLE users VALIDATE CONSTRAINT users_role_known;
ALTER TABLE users VALIDATE CONSTRAINT users_status_known;
ALTER TABLE users VALIDATE CONSTRAINT users_email_shape;
CREATE UNIQUE INDEX users_email_lower_key ON users (lower(email));

ALTER TABLE api_keys
    ADD CONSTRAINT api_keys_owned CHECK (user_id IS NOT NULL) NOT VALID,
    ADD CONSTRAINT api_keys_permissions_object CHECK (permissions IS NOT NULL AND jsonb_typeof(permissions) = 'object') NOT VALID,
    ADD CONSTRAINT api_keys_rate_limit_range CHECK (rate_limit IS NOT NULL AND rate_limit >= 0) NOT VALID;
ALTER TABLE api_keys VALIDATE CONSTRAINT api_keys_owned;
ALTER TABLE api_keys VALIDATE CONSTRAINT api_keys_permissions_object;
ALTER TABLE api_keys VALIDATE CONSTRAINT api_keys_rate_limit_range;

ALTER TABLE accounts
    ADD CONSTRAINT accounts_owned CHECK (user_id IS NOT NULL) NOT VALID,
    ADD CONSTRAINT accounts_number_format CHECK (account_number ~ '^WS[0-9]{12}$') NOT VALID,
    ADD CONSTRAINT accounts_type_known CHECK (account_type IN ('checking', 'savings', 'investment', 'business')) NOT VALID,
    ADD CONSTRAINT accounts_status_known CHECK (status IS NOT NULL AND status IN ('active', 'suspended', 'closed')) NOT VALID,
    ADD CONSTRAINT accounts_currency_format CHECK (currency IS NOT NULL AND currency ~ '^[A-Z]{3}$') NOT VALID,
    ADD CONSTRAINT accounts_money_sound CHECK (
        balance IS NOT NULL AND available_balance IS NOT NULL
        AND balance < 'NaN' AND available_balance < 'NaN'
        AND available_balance >= 0 AND available_balance <= balance) NOT VALID,
    ADD CONSTRAINT accounts_closed_empty CHECK (status <> 'closed' OR balance = 0) NOT VALID;
ALTER TABLE accounts VALIDATE CONSTRAINT accounts_owned;
ALTER TABLE accounts VALIDATE CONSTRAINT accounts_number_format;
ALTER TABLE accounts VALIDATE CONSTRAINT accounts_type_known;
ALTER TABLE accounts VALIDATE CONSTRAINT accounts_status_known;
ALTER TABLE accounts VALIDATE CONSTRAINT accounts_currency_format;
ALTER TABLE accounts VALIDATE CONSTRAINT accounts_money_sound;
ALTER TABLE accounts VALIDATE CONSTRAINT accounts_closed_empty;

ALTER TABLE transactions
    ADD CONSTRAINT transactions_owned CHECK (account_id IS NOT NULL) NOT VALID,
    ADD CONSTRAINT transactions_type_known CHECK (transaction_type IN ('deposit', 'withdrawal', 'transfer', 'credit', 'debit')) NOT VALID,
    ADD CONSTRAINT transactions_status_known CHECK (status IS NOT NULL AND status IN ('pending', 'completed', 'failed')) NOT VALID,
    ADD CONSTRAINT transactions_amount_positive CHECK (amount > 0 AND amount < 'NaN') NOT VALID,
    ADD CONSTRAINT transactions_currency_format CHECK (currency IS NOT NULL AND currency ~ '^[A-Z]{3}$') NOT VALID,
    ADD CONSTRAINT transactions_completed_at_set CHECK ((status = 'completed') = (completed_at IS NOT NULL)) NOT VALID;
ALTER TABLE transactions VALIDATE CONSTRAINT transactions_owned;
ALTER TABLE transactions VALIDATE CONSTRAINT transactions_type_known;
ALTER TABLE transactions VALIDATE CONSTRAINT transactions_status_known;
ALTER TABLE transactions VALIDATE CONSTRAINT transactions_amount_positive;
ALTER TABLE transactions VALIDATE CONSTRAINT transactions_currency_format;
ALTER TABLE transactions VALIDATE CONSTRAINT transactions_completed_at_set;

ALTER TABLE webhooks
    ADD CONSTRAINT webhooks_owned CHECK (user_id IS NOT NULL) NOT VALID,
    ADD CONSTRAINT webhooks_url_scheme CHECK (url ~ '^https?://') NOT VALID,
    ADD CONSTRAINT webhooks_events_named CHECK (cardinality(events) > 0 AND array_position(events, NULL) IS NULL) NOT VALID,
    ADD CONSTRAINT webhooks_secret_present CHECK (secret <> '') NOT VALID;
ALTER TABLE webhooks VALIDATE CONSTRAINT webhooks_owned;
ALTER TABLE webhooks VALIDATE CONSTRAINT webhooks_url_scheme;
ALTER TABLE webhooks VALIDATE CONSTRAINT webhooks_events_named;
ALTER TABLE webhooks VALIDATE CONSTRAINT webhooks_secret_present;

ALTER TABLE integration_configs
    ADD CONSTRAINT integration_configs_owned CHECK (user_id IS NOT NULL) NOT VALID,
    ADD CONSTRAINT integration_configs_type_known CHECK (integration_type IN ('stripe', 'paypal', 'plaid', 'quickbooks', 'salesforce')) NOT VALID;
ALTER TABLE integration_configs VALIDATE CONSTRAINT integration_configs_owned;
ALTER TABLE integration_configs VALIDATE CONSTRAINT integration_configs_type_known;

-- Rows that must outlive every mistake. A row trigger fires on cascades too, so
-- the documented ON DELETE CASCADE stays in the catalogue and still cannot
-- carry money away with its owner.
CREATE FUNCTION wallstreet.refuse_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: financial history is never removed', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Close the user or the account instead.';
END $$;

CREATE TRIGGER accounts_kept BEFORE DELETE ON accounts
    FOR EACH ROW EXECUTE FUNCTION wallstreet.refuse_removal();
CREATE TRIGGER accounts_kept_truncate BEFORE TRUNCATE ON accounts
    FOR EACH STATEMENT EXECUTE FUNCTION wallstreet.refuse_removal();
CREATE TRIGGER transactions_kept BEFORE DELETE ON transactions
    FOR EACH ROW EXECUTE FUNCTION wallstreet.refuse_removal();
CREATE TRIGGER transactions_kept_truncate BEFORE TRUNCATE ON transactions
    FOR EACH STATEMENT EXECUTE FUNCTION wallstreet.refuse_removal();

-- pending -> completed | failed, once; and what was ordered is never rewritten.
CREATE FUNCTION wallstreet.refuse_rewritten_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status IS DISTINCT FROM NEW.status AND OLD.status <> 'pending' THEN
        RAISE EXCEPTION 'transaction % is %, which is final', OLD.id, OLD.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'transactions_status_final',
                  HINT = 'Post a new transaction that corrects it.';
    END IF;
    RAISE EXCEPTION 'what was ordered and how it ended cannot change: transaction %', OLD.id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'transactions_immutable',
              HINT = 'Post a new transaction that corrects it.';
END $$;

CREATE TRIGGER transactions_guard BEFORE UPDATE ON transactions
    FOR EACH ROW WHEN (
        (OLD.status IS DISTINCT FROM NEW.status AND OLD.status <> 'pending')
        OR OLD.account_id IS DISTINCT FROM NEW.account_id
        OR OLD.transaction_type IS DISTINCT FROM NEW.transaction_type
        OR OLD.amount IS DISTINCT FROM NEW.amount
        OR OLD.currency IS DISTINCT FROM NEW.currency
        OR OLD.reference_number IS DISTINCT FROM NEW.reference_number
        OR OLD.created_at IS DISTINCT FROM NEW.created_at
        OR (OLD.status <> 'pending' AND OLD.completed_at IS DISTINCT FROM NEW.completed_at))
    EXECUTE FUNCTION wallstreet.refuse_rewritten_transaction();

-- A transaction is in its account's currency. One check a statement, not a row.
CREATE FUNCTION wallstreet.refuse_foreign_currency() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    offender record;
BEGIN
    SELECT t.id, t.currency AS given, a.currency AS kept INTO offender
      FROM new_rows t JOIN public.accounts a ON a.id = t.account_id
     WHERE t.currency IS DISTINCT FROM a.currency
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'transaction % is in %, its account in %', offender.id, offender.given, offender.kept
            USING ERRCODE = 'check_violation', CONSTRAINT = 'transactions_currency_of_account';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER transactions_currency AFTER INSERT ON transactions
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION wallstreet.refuse_foreign_currency();

-- What identifies an account is fixed, and closed is for ever.
CREATE FUNCTION wallstreet.refuse_rewritten_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'account %: owner, number and currency cannot change, and a closed account stays closed', OLD.id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'accounts_immutable',
              HINT = 'Open another account.';
END $$;

CREATE TRIGGER accounts_guard BEFORE UPDATE ON accounts
    FOR EACH ROW WHEN (
        OLD.user_id IS DISTINCT FROM NEW.user_id
        OR OLD.account_number IS DISTINCT FROM NEW.account_number
        OR OLD.currency IS DISTINCT FROM NEW.currency
        OR (OLD.status = 'closed' AND NEW.status <> 'closed'))
    EXECUTE FUNCTION wallstreet.refuse_rewritten_account();

-- The audit trail is written once.
CREATE FUNCTION wallstreet.refuse_rewritten_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: the audit trail is append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation',
              HINT = 'A user with history is closed, not deleted.';
END $$;

CREATE TRIGGER audit_logs_append_only BEFORE UPDATE OR DELETE ON audit_logs
    FOR EACH ROW EXECUTE FUNCTION wallstreet.refuse_rewritten_audit();
CREATE TRIGGER audit_logs_append_only_truncate BEFORE TRUNCATE ON audit_logs
    FOR EACH STATEMENT EXECUTE FUNCTION wallstreet.refuse_rewritten_audit();
