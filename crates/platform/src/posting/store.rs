//! The statements that move money: one a table, with arrays, for a whole batch.

use crate::db::statements;
use crate::transactions::store::columns;

/// Every account the batch can touch.
macro_rules! accounts {
    () => {
        "SELECT id, user_id, currency, status, balance, available_balance, entry_count
          FROM accounts WHERE id = ANY ($1::uuid[]) ORDER BY id "
    };
}

statements! {
    /// What the keys of a batch already stand for.
    FIND_KEYS = "SELECT k.user_id, k.key, k.fingerprint, k.outcome, k.request_id, k.created_at
          FROM unnest($1::uuid[], $2::text[]) AS asked (user_id, key)
          JOIN wallstreet.idempotency_keys k ON k.user_id = asked.user_id AND k.key = asked.key";
    /// Locks every account the batch can touch, in id order, so that opposite
    /// transfers cannot deadlock. The order by is what makes it so: keep it.
    LOCK_ACCOUNTS = concat!(accounts!(), "FOR NO KEY UPDATE");
    /// The same, without waiting for whoever holds one of them.
    LOCK_FREE_ACCOUNTS = concat!(accounts!(), "FOR NO KEY UPDATE SKIP LOCKED");
    /// The transactions to be ended, with their other halves. A statement of its
    /// own, after the locks: its snapshot sees what the locks waited for.
    FIND_TRANSACTIONS = concat!("SELECT ", columns!(), " FROM transactions t
         WHERE t.id = ANY ($1::uuid[])
            OR t.id = ANY (ARRAY(SELECT paired_transaction_id FROM transactions WHERE id = ANY ($1::uuid[])))");
    /// New transactions.
    INSERT_TRANSACTIONS = "INSERT INTO transactions
            (id, account_id, transaction_type, direction, amount, currency, status, description,
             reference_number, metadata, counterparty_account_id, paired_transaction_id,
             created_at, updated_at, completed_at)
        SELECT id, account_id, transaction_type, direction, amount, currency, status, description,
               reference_number, metadata::jsonb, counterparty_account_id, paired_transaction_id,
               $13::timestamp, $13, CASE WHEN status = 'completed' THEN $13 END
          FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::numeric[], $6::text[],
                      $7::text[], $8::text[], $9::text[], $10::text[], $11::uuid[], $12::uuid[])
               AS t (id, account_id, transaction_type, direction, amount, currency, status, description,
                     reference_number, metadata, counterparty_account_id, paired_transaction_id)";
    /// Ends pending transactions.
    END_TRANSACTIONS = "UPDATE transactions t
           SET status = ended.status, failure_reason = ended.reason,
               completed_at = CASE WHEN ended.status = 'completed' THEN $4::timestamp END
          FROM unnest($1::uuid[], $2::text[], $3::text[]) AS ended (id, status, reason)
         WHERE t.id = ended.id";
    /// The balances as the batch leaves them.
    UPDATE_ACCOUNTS = "UPDATE accounts a
           SET balance = u.balance, available_balance = u.available, entry_count = u.entry_count
          FROM unnest($1::uuid[], $2::numeric[], $3::numeric[], $4::bigint[])
               AS u (id, balance, available, entry_count)
         WHERE a.id = u.id";
    /// The movements, in the order in which they were decided.
    INSERT_ENTRIES = "INSERT INTO wallstreet.entries
            (transaction_id, source_id, target_id, amount, currency, source_seq, source_balance,
             target_seq, target_balance, recorded_at)
        SELECT transaction_id, source_id, target_id, amount, currency, source_seq, source_balance,
               target_seq, target_balance, $10
          FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::numeric[], $5::text[], $6::bigint[],
                      $7::numeric[], $8::bigint[], $9::numeric[]) WITH ORDINALITY
               AS e (transaction_id, source_id, target_id, amount, currency, source_seq,
                     source_balance, target_seq, target_balance, place)
         ORDER BY place";
    /// The outcomes, under their keys.
    INSERT_KEYS = "INSERT INTO wallstreet.idempotency_keys
            (user_id, key, fingerprint, outcome, request_id, created_at)
        SELECT user_id, key, fingerprint, outcome, request_id, $6
          FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[], $5::text[])
               AS k (user_id, key, fingerprint, outcome, request_id)";
    /// The name of this database transaction, and when it began.
    NAME = "SELECT pg_current_xact_id()::text AS xid, now() AS started";
    /// Whether a database transaction is still on its way. Not what became of it:
    /// a crash can give its name to another one.
    XID_STATUS = "SELECT coalesce(pg_xact_status($1::text::xid8) = 'in progress', false)";
    /// Whether the audit row that only one batch can have written is there.
    WITNESS = "SELECT EXISTS (SELECT FROM audit_logs WHERE id = $1)";
}
