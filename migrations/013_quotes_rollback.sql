DROP TABLE wallstreet.completion_retries;
DROP INDEX transactions_completing;
DROP TRIGGER transactions_guard_completion ON transactions;
ALTER TABLE transactions
    DROP CONSTRAINT transactions_completes_in_time,
    DROP COLUMN complete_at;
DROP TABLE wallstreet.fx_quotes;
DROP FUNCTION wallstreet.refuse_rewritten_quote();
DROP TABLE wallstreet.fx_rates;
