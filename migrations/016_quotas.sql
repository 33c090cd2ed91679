-- What stands pending costs nothing and is bounded: an account knows how many of
-- its orders do, and how many bytes are written on them. A transfer is its
-- sender's order: what others would send does not use up an account's quota.

ALTER TABLE accounts
    ADD COLUMN pending_count bigint NOT NULL DEFAULT 0,
    ADD COLUMN pending_bytes bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT accounts_pending_sound CHECK (pending_count >= 0 AND pending_bytes >= 0);

-- Counting is no change of the account: its `updated_at` stays.
ALTER TABLE accounts DISABLE TRIGGER update_accounts_updated_at;
UPDATE accounts a
   SET pending_count = p.count, pending_bytes = p.bytes
  FROM (SELECT account_id, count(*) AS count,
               sum(octet_length(coalesce(description, '')) + octet_length(coalesce(metadata, '{}')::text)) AS bytes
          FROM transactions
         WHERE status = 'pending'
           AND (direction = 'out' OR direction = 'in' AND paired_transaction_id IS NULL)
         GROUP BY account_id) p
 WHERE p.account_id = a.id;
ALTER TABLE accounts ENABLE TRIGGER update_accounts_updated_at;
