ALTER INDEX idx_transactions_account_id RENAME TO transactions_account_newest;
CREATE INDEX idx_transactions_account_id ON transactions (account_id);
