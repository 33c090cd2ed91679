-- The whole schema of wallstreet, for an empty database on PostgreSQL 14 or later:
--
--     psql -U wallstreet -d wallstreet_dev -f scripts/database/init.sql
--
-- Generated from migrations/*.sql by `wallstreet migrate init-sql`; do not edit.
-- It is one transaction: after an error the database is as it was.

\set ON_ERROR_STOP on

BEGIN;
SET LOCAL search_path = public;

DO $$
BEGIN
    IF current_setting('server_version_num')::integer < 140000 THEN
        RAISE EXCEPTION 'PostgreSQL 14 or later is needed; this is %', current_setting('server_version');
    END IF;
    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE EXCEPTION 'a database in UTF8 is needed; this is in %', current_setting('server_encoding')
            USING HINT = 'Make one with: createdb --template=template0 --encoding=UTF8 --locale=C.UTF-8';
    END IF;
    IF to_regclass('public.users') IS NOT NULL OR to_regclass('wallstreet.migrations') IS NOT NULL THEN
        RAISE EXCEPTION 'this database is not empty'
            USING HINT = 'Use an empty database, or bring this one up to date with: wallstreet migrate up';
    END IF;
END $$;

CREATE SCHEMA IF NOT EXISTS wallstreet;
CREATE TABLE wallstreet.migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- 001_documented_schema

-- The documented schema, version 1.0.0: eight tables, 22 named indexes, six
-- triggers, one function, one view. Exact: later migrations only add to it.
--
-- The document names uuid_generate_v4() in every default. Where the uuid-ossp
-- extension is not to be had, the same name is defined over the built-in
-- generator, so the defaults read the same everywhere.

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'uuid-ossp') THEN
        CREATE EXTENSION IF NOT EXISTS "uuid-ossp" WITH SCHEMA public;
    ELSE
        CREATE FUNCTION public.uuid_generate_v4() RETURNS uuid
            LANGUAGE sql VOLATILE PARALLEL SAFE AS 'SELECT gen_random_uuid()';
    END IF;
END $$;

CREATE OR REPLACE FUNCTION update_updated_at_column()
RETURNS TRIGGER AS $$
BEGIN
    NEW.updated_at = CURRENT_TIMESTAMP;
    RETURN NEW;
END;
$$ language 'plpgsql';

CREATE TABLE users (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  email VARCHAR(255) UNIQUE NOT NULL,
  password_hash VARCHAR(255) NOT NULL,
  first_name VARCHAR(100) NOT NULL,
  last_name VARCHAR(100) NOT NULL,
  phone VARCHAR(20),
  role VARCHAR(50) DEFAULT 'user',
  status VARCHAR(50) DEFAULT 'active',
  email_verified BOOLEAN DEFAULT false,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  last_login TIMESTAMP
);

CREATE INDEX idx_users_email ON users (email);
CREATE INDEX idx_users_status ON users (status);
CREATE INDEX idx_users_created_at ON users (created_at);

CREATE TRIGGER update_users_updated_at BEFORE UPDATE ON users
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

CREATE TABLE api_keys (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  user_id UUID REFERENCES users(id) ON DELETE CASCADE,
  key_hash VARCHAR(255) UNIQUE NOT NULL,
  name VARCHAR(100) NOT NULL,
  permissions JSONB DEFAULT '{}',
  rate_limit INTEGER DEFAULT 100,
  is_active BOOLEAN DEFAULT true,
  last_used TIMESTAMP,
  expires_at TIMESTAMP,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);

CREATE INDEX idx_api_keys_user_id ON api_keys (user_id);
CREATE INDEX idx_api_keys_is_active ON api_keys (is_active);

CREATE TRIGGER update_api_keys_updated_at BEFORE UPDATE ON api_keys
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

CREATE TABLE accounts (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  user_id UUID REFERENCES users(id) ON DELETE CASCADE,
  account_number VARCHAR(50) UNIQUE NOT NULL,
  account_type VARCHAR(50) NOT NULL,
  currency VARCHAR(3) DEFAULT 'USD',
  balance DECIMAL(15, 2) DEFAULT 0.00,
  available_balance DECIMAL(15, 2) DEFAULT 0.00,
  status VARCHAR(50) DEFAULT 'active',
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);

CREATE INDEX idx_accounts_user_id ON accounts (user_id);
CREATE INDEX idx_accounts_account_number ON accounts (account_number);
CREATE INDEX idx_accounts_status ON accounts (status);

CREATE TRIGGER update_accounts_updated_at BEFORE UPDATE ON accounts
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

CREATE TABLE transactions (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  account_id UUID REFERENCES accounts(id) ON DELETE CASCADE,
  transaction_type VARCHAR(50) NOT NULL,
  amount DECIMAL(15, 2) NOT NULL,
  currency VARCHAR(3) DEFAULT 'USD',
  status VARCHAR(50) DEFAULT 'pending',
  description TEXT,
  reference_number VARCHAR(100) UNIQUE,
  metadata JSONB DEFAULT '{}',
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  completed_at TIMESTAMP
);

CREATE INDEX idx_transactions_account_id ON transactions (account_id);
CREATE INDEX idx_transactions_status ON transactions (status);
CREATE INDEX idx_transactions_created_at ON transactions (created_at);
CREATE INDEX idx_transactions_reference_number ON transactions (reference_number);

CREATE TRIGGER update_transactions_updated_at BEFORE UPDATE ON transactions
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

CREATE TABLE audit_logs (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  user_id UUID REFERENCES users(id) ON DELETE SET NULL,
  action VARCHAR(100) NOT NULL,
  resource_type VARCHAR(50) NOT NULL,
  resource_id UUID,
  ip_address VARCHAR(45),
  user_agent TEXT,
  details JSONB DEFAULT '{}',
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);

CREATE INDEX idx_audit_logs_user_id ON audit_logs (user_id);
CREATE INDEX idx_audit_logs_resource_type ON audit_logs (resource_type);
CREATE INDEX idx_audit_logs_created_at ON audit_logs (created_at);

CREATE TABLE webhooks (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  user_id UUID REFERENCES users(id) ON DELETE CASCADE,
  url VARCHAR(500) NOT NULL,
  events TEXT[] NOT NULL,
  secret VARCHAR(255) NOT NULL,
  is_active BOOLEAN DEFAULT true,
  retry_count INTEGER DEFAULT 0,
  last_triggered TIMESTAMP,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);

CREATE INDEX idx_webhooks_user_id ON webhooks (user_id);
CREATE INDEX idx_webhooks_is_active ON webhooks (is_active);

CREATE TRIGGER update_webhooks_updated_at BEFORE UPDATE ON webhooks
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

CREATE TABLE webhook_deliveries (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  webhook_id UUID REFERENCES webhooks(id) ON DELETE CASCADE,
  event_type VARCHAR(100) NOT NULL,
  payload JSONB NOT NULL,
  response_status INTEGER,
  response_body TEXT,
  attempts INTEGER DEFAULT 1,
  delivered BOOLEAN DEFAULT false,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  delivered_at TIMESTAMP
);

CREATE INDEX idx_webhook_deliveries_webhook_id ON webhook_deliveries (webhook_id);
CREATE INDEX idx_webhook_deliveries_delivered ON webhook_deliveries (delivered);
CREATE INDEX idx_webhook_deliveries_created_at ON webhook_deliveries (created_at);

CREATE TABLE integration_configs (
  id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
  user_id UUID REFERENCES users(id) ON DELETE CASCADE,
  integration_type VARCHAR(100) NOT NULL,
  config JSONB NOT NULL,
  credentials JSONB,
  is_active BOOLEAN DEFAULT true,
  last_sync TIMESTAMP,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);

CREATE INDEX idx_integration_configs_user_id ON integration_configs (user_id);
CREATE INDEX idx_integration_configs_integration_type ON integration_configs (integration_type);

CREATE TRIGGER update_integration_configs_updated_at BEFORE UPDATE ON integration_configs
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

CREATE VIEW account_summaries AS
SELECT
  a.id,
  a.user_id,
  a.account_number,
  a.account_type,
  a.balance,
  a.available_balance,
  COUNT(t.id) as transaction_count,
  MAX(t.created_at) as last_transaction_date
FROM accounts a
LEFT JOIN transactions t ON a.id = t.account_id
GROUP BY a.id;

INSERT INTO wallstreet.migrations (number, name, checksum)
    VALUES (1, '001_documented_schema', '3975140690bac3ef2a65c879355cc05e174564f362f50b53d4d9bb53f1595f23');

-- 002_add_2fa

-- Two-factor authentication, as the schema document plans it.

ALTER TABLE users ADD COLUMN two_factor_enabled BOOLEAN DEFAULT false;
ALTER TABLE users ADD COLUMN two_factor_secret VARCHAR(255);

INSERT INTO wallstreet.migrations (number, name, checksum)
    VALUES (2, '002_add_2fa', '3e0383ce77d0360a2c2a2aaa86913780358c9caecd9414ec9e42262bda118e35');

-- 003_guards

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

INSERT INTO wallstreet.migrations (number, name, checksum)
    VALUES (3, '003_guards', '0f24cd0481fbfbf390e14fdb09bbded4391ebfb721eee76820975e460cd17d8b');

-- 004_ledger

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

INSERT INTO wallstreet.migrations (number, name, checksum)
    VALUES (4, '004_ledger', 'c7d631d41310ce9680d77a5bd01239b3271a8dab29dc4f2ad1ff94aca274f391');

-- 005_sessions

-- A login. Its access and refresh tokens name it, so ending the row ends them.
-- `generation` counts refreshes: a refresh token of an earlier generation was
-- used twice, and ends the session. No token is stored, in any form.

CREATE TABLE wallstreet.sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    generation integer NOT NULL DEFAULT 0,
    ip_address varchar(45),
    user_agent text,
    created_at timestamptz NOT NULL,
    refreshed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE INDEX sessions_user_live ON wallstreet.sessions (user_id, created_at) WHERE ended_at IS NULL;
CREATE INDEX sessions_expiry ON wallstreet.sessions (expires_at);

INSERT INTO wallstreet.migrations (number, name, checksum)
    VALUES (5, '005_sessions', '64a52960a3d5e2c6d14ca1cf54ae5650513ee3222d8cdf256814dcf73cc07e71');

-- 006_api_key_hints

-- What a list may show of a key whose secret is only known to its holder.

ALTER TABLE api_keys ADD COLUMN key_hint varchar(32);

INSERT INTO wallstreet.migrations (number, name, checksum)
    VALUES (6, '006_api_key_hints', 'd3a931961591bd570988a79e728637542d60c44d83a6dcdbd6f41dc85124be1f');

-- 007_idempotency_keys

-- One key, one effect. The row commits with the effect it stands for; a retry
-- with the same key and the same request gets the same outcome back.
-- `outcome` is text, not jsonb: a replay must read exactly what was written.

CREATE TABLE wallstreet.idempotency_keys (
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    key varchar(255) NOT NULL,
    fingerprint bytea NOT NULL,
    outcome text,
    request_id varchar(64) NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_age ON wallstreet.idempotency_keys (created_at);

INSERT INTO wallstreet.migrations (number, name, checksum)
    VALUES (7, '007_idempotency_keys', '9afdad3dd252dba017b31454a779f2928415558c82629c03f1f297debd9cff9a');

-- 008_events

-- What the world may know, written in the transaction of the change itself.

CREATE TABLE wallstreet.events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_type varchar(100) NOT NULL,
    user_id uuid NOT NULL,
    resource_id uuid NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL
);

INSERT INTO wallstreet.migrations (number, name, checksum)
    VALUES (8, '008_events', 'aa756824aeaf4aa093c10fe369556ac770286b321b907630a86c4ad8b14449ae');

-- 009_posting

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

INSERT INTO wallstreet.migrations (number, name, checksum)
    VALUES (9, '009_posting', '5cd9ac991b8c22872e99b00ce2f899f9d5366677923f2276718b40aa7897c488');

-- 010_schedules

-- Orders that the bank gives in its owners' name, at times agreed beforehand.
-- Occurrence n (from 0) is start_at + n × every, counted in time_zone; so many as
-- next_run says are behind a schedule, each with its row in schedule_runs.
-- `begun` says that next_run may have been posted and is not noted yet; `wake_at`
-- is when the schedule is to be looked at next, absent when there is nothing to do.

CREATE TABLE wallstreet.schedules (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    account_id uuid NOT NULL,
    transaction_type varchar(20) NOT NULL,
    amount numeric(15, 2) NOT NULL,
    currency varchar(3) NOT NULL,
    to_account_id uuid,
    description text,
    metadata jsonb NOT NULL,
    start_at timestamptz NOT NULL,
    time_zone varchar(64) NOT NULL,
    every_unit varchar(5),
    every_count bigint,
    until_at timestamptz,
    runs bigint,
    missed varchar(4) NOT NULL,
    status varchar(10) NOT NULL,
    next_run bigint NOT NULL DEFAULT 0,
    next_at timestamptz,
    begun boolean NOT NULL DEFAULT false,
    attempts integer NOT NULL DEFAULT 0,
    wake_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT schedules_type_known CHECK (transaction_type IN ('deposit', 'withdrawal', 'transfer', 'credit', 'debit')),
    CONSTRAINT schedules_target_of_transfer CHECK ((to_account_id IS NOT NULL) = (transaction_type = 'transfer')),
    CONSTRAINT schedules_amount_positive CHECK (amount > 0 AND amount < 'NaN'),
    CONSTRAINT schedules_every_known CHECK (
        (every_unit IS NULL) = (every_count IS NULL)
        AND every_unit IN ('day', 'week', 'month', 'year') AND every_count > 0),
    CONSTRAINT schedules_missed_known CHECK (missed IN ('run', 'skip')),
    CONSTRAINT schedules_status_known CHECK (status IN ('active', 'paused', 'ended')),
    CONSTRAINT schedules_begun_wakes CHECK (NOT begun OR wake_at IS NOT NULL)
);
CREATE INDEX schedules_user_newest ON wallstreet.schedules (user_id, created_at DESC, id DESC);
CREATE INDEX schedules_newest ON wallstreet.schedules (created_at DESC, id DESC);
CREATE INDEX schedules_waking ON wallstreet.schedules (wake_at) WHERE wake_at IS NOT NULL;

CREATE TABLE wallstreet.schedule_runs (
    schedule_id uuid NOT NULL REFERENCES wallstreet.schedules (id) ON DELETE CASCADE,
    n bigint NOT NULL,
    due_at timestamptz NOT NULL,
    status varchar(10) NOT NULL,
    transaction_id uuid,
    code varchar(100),
    message text,
    noted_at timestamptz NOT NULL,
    PRIMARY KEY (schedule_id, n),
    CONSTRAINT schedule_runs_status_known CHECK (status IN ('completed', 'refused', 'skipped')),
    CONSTRAINT schedule_runs_completed_named CHECK ((status = 'completed') = (transaction_id IS NOT NULL)),
    CONSTRAINT schedule_runs_refused_told CHECK (
        (status = 'refused') = (code IS NOT NULL) AND (code IS NULL) = (message IS NULL))
);

-- The key of a run is kept as long as the run: nobody may post it a second time,
-- however late. A client's key has no blank, a run's has.
DROP INDEX wallstreet.idempotency_keys_age;
CREATE INDEX idempotency_keys_age ON wallstreet.idempotency_keys (created_at) WHERE strpos(key, ' ') = 0;

INSERT INTO wallstreet.migrations (number, name, checksum)
    VALUES (10, '010_schedules', 'c92086c593c01b5db296fbf9544081750e9e5e33287f4368317e22cc5fbf5050');

-- 011_seals

-- Seals: the book, hashed in blocks beside the road of money, each block naming
-- the one before. Whoever keeps one hash can tell later whether anything up to
-- it was altered, also by an administrator of the database. docs/proof.md has
-- the texts that are hashed.

CREATE TABLE wallstreet.seals (
    number bigint PRIMARY KEY,
    first_entry bigint NOT NULL,
    last_entry bigint NOT NULL UNIQUE,
    entry_count integer NOT NULL,
    root bytea NOT NULL,
    previous bytea NOT NULL UNIQUE,
    hash bytea NOT NULL,
    sealed_at timestamptz NOT NULL,
    CONSTRAINT seals_number_positive CHECK (number > 0),
    CONSTRAINT seals_range_sound CHECK (first_entry <= last_entry AND entry_count BETWEEN 1 AND 4096),
    CONSTRAINT seals_hashes_whole CHECK (
        octet_length(root) = 32 AND octet_length(previous) = 32 AND octet_length(hash) = 32)
);

CREATE FUNCTION wallstreet.refuse_rewritten_seal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on the seals is refused: seals are append-only', TG_OP
        USING ERRCODE = 'restrict_violation', HINT = 'A wrong seal tells of a wrong entry: run wallstreet verify ledger.';
END $$;
CREATE TRIGGER seals_append_only BEFORE UPDATE OR DELETE ON wallstreet.seals
    FOR EACH ROW EXECUTE FUNCTION wallstreet.refuse_rewritten_seal();
CREATE TRIGGER seals_append_only_truncate BEFORE TRUNCATE ON wallstreet.seals
    FOR EACH STATEMENT EXECUTE FUNCTION wallstreet.refuse_rewritten_seal();

-- The sealer knows who may still bring entries by the ids of running transactions.
-- So a transaction has its id before it is given the number of an entry.
CREATE FUNCTION wallstreet.identify_before_numbering() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_current_xact_id();
    RETURN NULL;
END $$;
CREATE TRIGGER entries_identified_first BEFORE INSERT ON wallstreet.entries
    FOR EACH STATEMENT EXECUTE FUNCTION wallstreet.identify_before_numbering();

INSERT INTO wallstreet.migrations (number, name, checksum)
    VALUES (11, '011_seals', '80735c13704877b4e26ba0632ca2f4991ea6b09c558424eaa6e1268a27ea1d9c');

-- 012_seal_format_2

-- Seals of format 2. They cover the audit trail too, they are signed by the
-- server, and the leaf of an entry hides each side's balance and sequence behind
-- a salted commitment, so that a proof shows its owner's side alone. The first of
-- them follows the last of format 1 and begins again at the first entry and the
-- first audit row; docs/proof.md has the texts that are hashed.

-- The order of the audit trail, dense but for what was rolled back.
ALTER TABLE audit_logs ADD COLUMN number bigint;
ALTER TABLE audit_logs DISABLE TRIGGER audit_logs_append_only;
UPDATE audit_logs SET number = placed.number
  FROM (SELECT id, row_number() OVER (ORDER BY created_at, id) AS number FROM audit_logs) AS placed
 WHERE placed.id = audit_logs.id;
ALTER TABLE audit_logs ENABLE TRIGGER audit_logs_append_only;
ALTER TABLE audit_logs
    ALTER COLUMN number SET NOT NULL,
    ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY;
DO $$ BEGIN
    PERFORM setval(pg_get_serial_sequence('audit_logs', 'number'), max(number)) FROM audit_logs HAVING max(number) > 0;
END $$;
CREATE UNIQUE INDEX audit_logs_number ON audit_logs (number);

-- As for entries: a transaction has its id before it is given a number.
CREATE TRIGGER audit_logs_identified_first BEFORE INSERT ON audit_logs
    FOR EACH STATEMENT EXECUTE FUNCTION wallstreet.identify_before_numbering();

-- What format 2 began with: the key of all salts, the moment, and the last seal
-- of format 1. `newest` is the number of the newest seal: so seals that are
-- deleted from the end of the chain are missed. Transactions without a direction
-- were written without the platform, and no audit row tells of them: so how many
-- they are is kept, and what they say.
CREATE TABLE wallstreet.sealing (
    one boolean PRIMARY KEY DEFAULT true,
    salt_key bytea NOT NULL,
    begun_at timestamptz NOT NULL,
    begun_after bigint NOT NULL,
    newest bigint NOT NULL,
    undirected bigint NOT NULL,
    undirected_digest text NOT NULL,
    CONSTRAINT sealing_one CHECK (one),
    CONSTRAINT sealing_key_whole CHECK (octet_length(salt_key) = 32)
);
INSERT INTO wallstreet.sealing (salt_key, begun_at, begun_after, newest, undirected, undirected_digest)
SELECT sha256(convert_to(concat(gen_random_uuid(), gen_random_uuid(), gen_random_uuid()), 'UTF8')), now(),
       coalesce(max(number), 0), coalesce(max(number), 0), max(u.count), max(u.digest)
  FROM (SELECT count(*) AS count, encode(sha256(coalesce(string_agg(sha256(convert_to(concat(
               id, '|', account_id, '|', transaction_type, '|', amount, '|', currency, '|', status, '|',
               to_jsonb(created_at) #>> '{}', '|', reference_number), 'UTF8')), '' ORDER BY id), '')), 'hex') AS digest
          FROM transactions WHERE direction IS NULL) AS u
  LEFT JOIN wallstreet.seals ON true;
CREATE TRIGGER sealing_kept BEFORE UPDATE OF one, salt_key, begun_at, begun_after, undirected, undirected_digest
       OR DELETE ON wallstreet.sealing
    FOR EACH ROW EXECUTE FUNCTION wallstreet.refuse_rewritten_seal();
CREATE TRIGGER sealing_kept_truncate BEFORE TRUNCATE ON wallstreet.sealing
    FOR EACH STATEMENT EXECUTE FUNCTION wallstreet.refuse_rewritten_seal();

-- `entry_marks` and `audit_marks` are the first eight bytes of each leaf, in
-- order: they prove nothing, and tell which row differs. A range without rows
-- ends before it begins.
ALTER TABLE wallstreet.seals
    DROP CONSTRAINT seals_last_entry_key,
    DROP CONSTRAINT seals_range_sound,
    ADD COLUMN format smallint NOT NULL DEFAULT 1,
    ADD COLUMN first_audit bigint,
    ADD COLUMN last_audit bigint,
    ADD COLUMN audit_count integer,
    ADD COLUMN audit_root bytea,
    ADD COLUMN signing_key bytea,
    ADD COLUMN signature bytea,
    ADD COLUMN entry_marks bytea,
    ADD COLUMN audit_marks bytea,
    ADD CONSTRAINT seals_format_known CHECK (format IN (1, 2)),
    ADD CONSTRAINT seals_format_whole CHECK (
        num_nonnulls(first_audit, last_audit, audit_count, audit_root, signing_key, signature, entry_marks, audit_marks)
            = CASE format WHEN 2 THEN 8 ELSE 0 END),
    ADD CONSTRAINT seals_range_sound CHECK (CASE format
        WHEN 2 THEN entry_count BETWEEN 0 AND 4096 AND (entry_count = 0) = (first_entry > last_entry)
            AND audit_count BETWEEN 0 AND 4096 AND (audit_count = 0) = (first_audit > last_audit)
            AND entry_count + audit_count > 0
        ELSE entry_count BETWEEN 1 AND 4096 AND first_entry <= last_entry END),
    ADD CONSTRAINT seals_signature_whole CHECK (
        octet_length(audit_root) = 32 AND octet_length(signing_key) = 32 AND octet_length(signature) = 64);
-- A server of an older version cannot add one of format 1 behind format 2.
ALTER TABLE wallstreet.seals ALTER COLUMN format DROP DEFAULT;
-- The seal of an entry.
CREATE INDEX seals_last_entry ON wallstreet.seals (last_entry) WHERE format = 2 AND entry_count > 0;

INSERT INTO wallstreet.migrations (number, name, checksum)
    VALUES (12, '012_seal_format_2', '5e3036b4a7a43f72e0a226a9fcaba0dadad2b26faad93a18bf43528923f7b6be');

-- 013_quotes

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

INSERT INTO wallstreet.migrations (number, name, checksum)
    VALUES (13, '013_quotes', 'a989c95b696196708c7c5de863469c8490db32f746eea76a5bf1a46acb97c8f3');

-- 014_authority

-- Who may undo what somebody ordered: who suspended an account, what a schedule was
-- made with, why one is paused, and schedules on the last day of the month.

-- Who suspended an account, 'owner' or 'admin'; only as much authority restores it.
-- A suspended account that does not say who was suspended by an administrator.
ALTER TABLE accounts ADD COLUMN suspended_by varchar(5);
-- That is no change of the account: its updated_at stays.
ALTER TABLE accounts DISABLE TRIGGER update_accounts_updated_at;
UPDATE accounts SET suspended_by = 'admin' WHERE status = 'suspended';
UPDATE accounts a SET suspended_by = 'owner'
  FROM (SELECT DISTINCT ON (resource_id) resource_id, user_id FROM audit_logs
         WHERE resource_type = 'account' AND action = 'ACCOUNT_UPDATED' AND details ->> 'status' = 'suspended'
         ORDER BY resource_id, created_at DESC, id DESC) newest
 WHERE newest.resource_id = a.id AND newest.user_id = a.user_id AND a.status = 'suspended';
ALTER TABLE accounts ENABLE TRIGGER update_accounts_updated_at;
ALTER TABLE accounts ADD CONSTRAINT accounts_suspended_by_known
    CHECK (suspended_by IS NULL OR suspended_by IN ('owner', 'admin') AND status = 'suspended') NOT VALID;
ALTER TABLE accounts VALIDATE CONSTRAINT accounts_suspended_by_known;

-- The key a schedule was made with, also when the key is gone; absent: its owner, logged in.
-- While it is paused, why.
ALTER TABLE wallstreet.schedules
    ADD COLUMN api_key_id uuid,
    ADD COLUMN pause_reason varchar(20),
    ADD COLUMN every_day varchar(4);
UPDATE wallstreet.schedules SET pause_reason = 'owner' WHERE status = 'paused';
UPDATE wallstreet.schedules s SET pause_reason = 'administrator'
  FROM (SELECT DISTINCT ON (resource_id) resource_id, user_id FROM audit_logs
         WHERE resource_type = 'schedule' AND action = 'SCHEDULE_UPDATED' AND details ->> 'status' = 'paused'
         ORDER BY resource_id, created_at DESC, id DESC) newest
 WHERE newest.resource_id = s.id AND newest.user_id <> s.user_id AND s.status = 'paused';
ALTER TABLE wallstreet.schedules
    ADD CONSTRAINT schedules_pause_known CHECK (
        pause_reason IS NULL
        OR status = 'paused' AND pause_reason IN (
            'owner', 'administrator', 'api_key_revoked', 'api_key_inactive', 'api_key_expired',
            'permission_lost', 'user_inactive', 'account_closed')),
    ADD CONSTRAINT schedules_day_known CHECK (
        every_day IS NULL OR (every_day = 'last' AND every_unit IN ('month', 'year')));

-- Closing an account looks for the schedules out of it, and for its owner's into it.
CREATE INDEX schedules_source ON wallstreet.schedules (account_id) WHERE status <> 'ended';

INSERT INTO wallstreet.migrations (number, name, checksum)
    VALUES (14, '014_authority', '68403c58e31611e63e8dbaeae04ed351ce06743786a9d71aa07fdf16a59f7746');

-- 015_time

-- Idempotency keys are kept for a year, the answers under them for a week: then a row
-- shrinks to a stub, whose outcome begins with {"stub". A new key is in one index by
-- age, as before; a stub is in another one.

DROP INDEX wallstreet.idempotency_keys_age;
CREATE INDEX idempotency_keys_age ON wallstreet.idempotency_keys (created_at)
    WHERE strpos(key, ' ') = 0 AND NOT starts_with(coalesce(outcome, ''), '{"stub"');
CREATE INDEX idempotency_keys_stubs ON wallstreet.idempotency_keys (created_at)
    WHERE starts_with(coalesce(outcome, ''), '{"stub"');

-- When the counter of a machine began, by the time of the server that was sure of it:
-- so the next process there knows what its clock should show.

CREATE TABLE wallstreet.clocks (
    counter uuid PRIMARY KEY,
    began_at timestamptz NOT NULL,
    noted_at timestamptz NOT NULL
);

INSERT INTO wallstreet.migrations (number, name, checksum)
    VALUES (15, '015_time', '85410289e7d6950229d710cfec930c47ba590918ca47e040419f319d440c38bb');

-- 016_quotas

-- What stands pending costs nothing and is bounded: an account knows how many of
-- its orders do, and how many bytes are written on them. A transfer is its
-- sender's order: what others would send does not use up an account's quota. Its other
-- half counts where it takes more than that order and 1024 bytes.

ALTER TABLE accounts
    ADD COLUMN pending_count bigint NOT NULL DEFAULT 0,
    ADD COLUMN pending_bytes bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT accounts_pending_sound CHECK (pending_count >= 0 AND pending_bytes >= 0);

-- Counting is no change of the account: its `updated_at` stays.
ALTER TABLE accounts DISABLE TRIGGER update_accounts_updated_at;
UPDATE accounts a
   SET pending_count = p.count, pending_bytes = p.bytes
  FROM (SELECT t.account_id, count(*) AS count,
               sum(greatest(
                   octet_length(coalesce(t.description, '')) + octet_length(coalesce(t.metadata, '{}')::text),
                   octet_length(coalesce(o.description, '')) + octet_length(o.metadata::text) - 1024)) AS bytes
          FROM transactions t LEFT JOIN transactions o ON o.id = t.paired_transaction_id
         WHERE t.status = 'pending'
           AND (t.direction = 'out' OR t.direction = 'in' AND t.paired_transaction_id IS NULL)
         GROUP BY t.account_id) p
 WHERE p.account_id = a.id;
ALTER TABLE accounts ENABLE TRIGGER update_accounts_updated_at;

INSERT INTO wallstreet.migrations (number, name, checksum)
    VALUES (16, '016_quotas', '76886090e2a62bbf3d66dbe4eabc4f8fa2596a7ca342a7a02c129b8206a512b3');

-- 017_completions

-- With what somebody ordered for later: an order that completes by itself remembers its
-- credential, as a schedule does, and whether that has lapsed.

-- Written with the order, and kept while it stands pending. `settles`: the order takes the
-- right to change by word how much money there is. The order itself is in `transactions`:
-- this holds no fact of money.
CREATE TABLE wallstreet.completions (
    transaction_id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    api_key_id uuid,
    session_id uuid,
    settles boolean NOT NULL,
    lapsed varchar(20),
    CONSTRAINT completions_lapse_known CHECK (
        lapsed IN ('api_key_revoked', 'api_key_inactive', 'api_key_expired', 'permission_lost',
                   'user_inactive', 'password_changed'))
);
CREATE INDEX completions_user ON wallstreet.completions (user_id) WHERE lapsed IS NULL;

-- What was ordered before: by whom, says the trail; with what, nothing does.
INSERT INTO wallstreet.completions (transaction_id, user_id, settles)
SELECT t.id, l.user_id,
       t.transaction_type IN ('deposit', 'credit', 'debit') OR t.effective_at IS NOT NULL
  FROM transactions t
  JOIN audit_logs l ON l.resource_type = 'transaction' AND l.resource_id = t.id
                   AND l.action = 'TRANSACTION_CREATED' AND l.user_id IS NOT NULL
 WHERE t.status = 'pending' AND t.complete_at IS NOT NULL;

-- The session a schedule was made in, or resumed in last; with a key there is none.
ALTER TABLE wallstreet.schedules
    ADD COLUMN session_id uuid,
    DROP CONSTRAINT schedules_pause_known,
    ADD CONSTRAINT schedules_pause_known CHECK (
        pause_reason IS NULL
        OR status = 'paused' AND pause_reason IN (
            'owner', 'administrator', 'api_key_revoked', 'api_key_inactive', 'api_key_expired',
            'permission_lost', 'user_inactive', 'account_closed', 'password_changed'));

INSERT INTO wallstreet.migrations (number, name, checksum)
    VALUES (17, '017_completions', 'de8ef895afe62c1819dae29f7bad53aa43f5d027ad07c60bc5e4ae73d9ec4764');

-- 018_account_index

-- One index for the transactions of an account, not two: the documented
-- `idx_transactions_account_id` also has their order, newest first, which lists
-- read. Each transfer writes two index entries less. It holds the lock of a
-- rename, and builds nothing.
DROP INDEX idx_transactions_account_id;
ALTER INDEX transactions_account_newest RENAME TO idx_transactions_account_id;

INSERT INTO wallstreet.migrations (number, name, checksum)
    VALUES (18, '018_account_index', '4fd7be114a9c6aa20ff5067ff742cb91acc3aecd0a004603d8aab3e323d91a35');

COMMIT;
