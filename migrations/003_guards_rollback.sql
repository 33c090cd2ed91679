DROP TRIGGER accounts_kept ON accounts;
DROP TRIGGER accounts_kept_truncate ON accounts;
DROP TRIGGER transactions_kept ON transactions;
DROP TRIGGER transactions_kept_truncate ON transactions;
DROP TRIGGER transactions_guard ON transactions;
DROP TRIGGER transactions_currency ON transactions;
DROP TRIGGER accounts_guard ON accounts;
DROP TRIGGER audit_logs_append_only ON audit_logs;
DROP TRIGGER audit_logs_append_only_truncate ON audit_logs;
DROP FUNCTION wallstreet.refuse_removal();
DROP FUNCTION wallstreet.refuse_rewritten_transaction();
DROP FUNCTION wallstreet.refuse_foreign_currency();
DROP FUNCTION wallstreet.refuse_rewritten_account();
DROP FUNCTION wallstreet.refuse_rewritten_audit();
DROP INDEX users_email_lower_key;
ALTER TABLE users
    DROP CONSTRAINT users_role_known,
    DROP CONSTRAINT users_status_known,
    DROP CONSTRAINT users_email_shape;
ALTER TABLE api_keys
    DROP CONSTRAINT api_keys_owned,
    DROP CONSTRAINT api_keys_permissions_object,
    DROP CONSTRAINT api_keys_rate_limit_range;
ALTER TABLE accounts
    DROP CONSTRAINT accounts_owned,
    DROP CONSTRAINT accounts_number_format,
    DROP CONSTRAINT accounts_type_known,
    DROP CONSTRAINT accounts_status_known,
    DROP CONSTRAINT accounts_currency_format,
    DROP CONSTRAINT accounts_money_sound,
    DROP CONSTRAINT accounts_closed_empty;
ALTER TABLE transactions
    DROP CONSTRAINT transactions_owned,
    DROP CONSTRAINT transactions_type_known,
    DROP CONSTRAINT transactions_status_known,
    DROP CONSTRAINT transactions_amount_positive,
    DROP CONSTRAINT transactions_currency_format,
    DROP CONSTRAINT transactions_completed_at_set;
ALTER TABLE webhooks
    DROP CONSTRAINT webhooks_owned,
    DROP CONSTRAINT webhooks_url_scheme,
    DROP CONSTRAINT webhooks_events_named,
    DROP CONSTRAINT webhooks_secret_present;
ALTER TABLE integration_configs
    DROP CONSTRAINT integration_configs_owned,
    DROP CONSTRAINT integration_configs_type_known;
