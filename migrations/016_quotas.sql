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
