DROP VIEW account_summaries;
DROP TABLE integration_configs, webhook_deliveries, webhooks, audit_logs,
           transactions, accounts, api_keys, users;
DROP FUNCTION update_updated_at_column();

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'uuid-ossp') THEN
        DROP EXTENSION "uuid-ossp";
    ELSE
        DROP FUNCTION public.uuid_generate_v4();
    END IF;
END $$;
