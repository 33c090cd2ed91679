//! The statements that move money: one a table, with arrays, for a whole batch. What
//! nearly every batch writes goes out as one statement, put together in [`super::batch`].

use crate::db::statements;
use crate::transactions::store::columns;

/// Every account the batch can touch, locked, and what its keys already stand for,
/// in one answer: rows with an `id`, then rows with a `key`. In id order, so that
/// opposite transfers cannot deadlock; the order by is what makes it so: keep it.
/// A key has one look into the index, however empty the table was when this was
/// planned. Each account also tells the name of this database transaction and when
/// it began: without an account nothing will be written. A key that is used while the
/// lock is waited for is not seen: its primary key refuses the second use, and the
/// batch is read again.
macro_rules! read {
    ($wait:literal) => {
        concat!(
            "WITH locked AS MATERIALIZED (
                SELECT id, user_id, currency, status, balance, available_balance, entry_count,
                       newest_entry_at, overdraft_limit, transaction_limit, daily_limit, spent_amount,
                       spent_day, freeze_scope, freeze_reason, freeze_until, pending_count, pending_bytes,
                       pg_current_xact_id()::text AS xid, now() AS started
                  FROM accounts WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE ",
            $wait,
            ")
             SELECT locked.*, NULL::text AS key, NULL::bytea AS fingerprint, NULL::text AS outcome,
                    NULL::text AS request_id, NULL::timestamptz AS created_at
               FROM locked
              UNION ALL
             SELECT NULL, k.user_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                    NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                    k.key, k.fingerprint, k.outcome, k.request_id, k.created_at
               FROM unnest($2::uuid[], $3::text[]) AS asked (user_id, key)
              CROSS JOIN LATERAL (SELECT * FROM wallstreet.idempotency_keys i
                                   WHERE i.user_id = asked.user_id AND i.key = asked.key LIMIT 1) k"
        )
    };
}

statements! {
    /// Locks the accounts and reads.
    READ = read!("");
    /// The same, without waiting for whoever holds one of them.
    READ_FREE = read!("SKIP LOCKED");
    /// The transactions to be ended, with their other halves. A statement of its
    /// own, after the locks: its snapshot sees what the locks waited for.
    FIND_TRANSACTIONS = concat!("SELECT ", columns!(), " FROM transactions t
         WHERE t.id = ANY ($1::uuid[])
            OR t.id = ANY (ARRAY(SELECT paired_transaction_id FROM transactions WHERE id = ANY ($1::uuid[])))");
    /// Makes room for what rounding carries.
    OPEN_ROUNDING = "INSERT INTO wallstreet.rounding (currency, carried)
        SELECT currency, 0 FROM unnest($1::text[]) AS c (currency) ORDER BY currency
        ON CONFLICT DO NOTHING";
    /// What rounding carries, in one order of locks.
    LOCK_ROUNDING = "SELECT currency, carried FROM wallstreet.rounding
         WHERE currency = ANY ($1::text[]) ORDER BY currency FOR NO KEY UPDATE";
    /// The quotes that the orders name, each of its own user, in one order of locks.
    LOCK_QUOTES = "SELECT q.id, q.user_id, q.source_currency, q.target_currency, q.rate::text AS rate,
               q.rate_source, q.amount, q.expires_at, q.transaction_id IS NOT NULL AS used
          FROM unnest($1::uuid[], $2::uuid[]) AS asked (id, user_id)
          JOIN wallstreet.fx_quotes q ON q.id = asked.id AND q.user_id = asked.user_id
         ORDER BY q.id FOR UPDATE OF q";
    /// What used the quotes up.
    USE_QUOTES = "UPDATE wallstreet.fx_quotes q SET transaction_id = u.transaction_id
          FROM unnest($1::uuid[], $2::uuid[]) AS u (id, transaction_id) WHERE q.id = u.id";
    /// What rounding carries from now on.
    UPDATE_ROUNDING = "UPDATE wallstreet.rounding r SET carried = u.carried::numeric
          FROM unnest($1::text[], $2::text[]) AS u (currency, carried)
         WHERE r.currency = u.currency";
    /// New transactions.
    INSERT_TRANSACTIONS = "INSERT INTO transactions
            (id, account_id, transaction_type, direction, amount, currency, status, description,
             reference_number, metadata, counterparty_account_id, paired_transaction_id,
             reverses_transaction_id, expires_at, effective_at, complete_at, created_at, updated_at,
             completed_at)
        SELECT id, account_id, transaction_type, direction, amount, currency, status, description,
               reference_number, metadata::jsonb, counterparty_account_id, paired_transaction_id,
               reverses_transaction_id, expires_at, effective_at, complete_at,
               $17::timestamp, $17, CASE WHEN status = 'completed' THEN $17 END
          FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::numeric[], $6::text[],
                      $7::text[], $8::text[], $9::text[], $10::text[], $11::uuid[], $12::uuid[],
                      $13::uuid[], $14::timestamptz[], $15::timestamptz[], $16::timestamptz[])
               AS t (id, account_id, transaction_type, direction, amount, currency, status, description,
                     reference_number, metadata, counterparty_account_id, paired_transaction_id,
                     reverses_transaction_id, expires_at, effective_at, complete_at)";
    /// What became of transactions that were there before.
    CHANGE_TRANSACTIONS = "UPDATE transactions t
           SET status = c.status, failure_reason = c.reason, captured_amount = c.captured,
               reversed_amount = c.reversed, completed_at = c.completed_at
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::numeric[], $5::numeric[], $6::timestamp[])
               AS c (id, status, reason, captured, reversed, completed_at)
         WHERE t.id = c.id";
    /// What was agreed for transfers between currencies.
    INSERT_EXCHANGES = "INSERT INTO wallstreet.exchanges
            (transaction_id, source_currency, source_amount, target_currency, target_amount, rate,
             rate_source, remainder, created_at)
        SELECT id, source_currency, source_amount, target_currency, target_amount, rate::numeric,
               rate_source, remainder::numeric, $9
          FROM unnest($1::uuid[], $2::text[], $3::numeric[], $4::text[], $5::numeric[], $6::text[],
                      $7::text[], $8::text[])
               AS x (id, source_currency, source_amount, target_currency, target_amount, rate,
                     rate_source, remainder)";
    /// The balances as the batch leaves them.
    UPDATE_ACCOUNTS = "UPDATE accounts a
           SET balance = u.balance, available_balance = u.available, entry_count = u.entry_count,
               spent_amount = u.spent_amount, spent_day = u.spent_day, newest_entry_at = u.newest_entry_at,
               pending_count = u.pending_count, pending_bytes = u.pending_bytes
          FROM unnest($1::uuid[], $2::numeric[], $3::numeric[], $4::bigint[], $5::numeric[], $6::int[],
                      $7::timestamptz[], $8::bigint[], $9::bigint[])
               AS u (id, balance, available, entry_count, spent_amount, spent_day, newest_entry_at,
                     pending_count, pending_bytes)
         WHERE a.id = u.id";
    /// The movements, in the order in which they were decided.
    INSERT_ENTRIES = "INSERT INTO wallstreet.entries
            (transaction_id, source_id, target_id, amount, currency, source_seq, source_balance,
             target_seq, target_balance, recorded_at, effective_at)
        SELECT transaction_id, source_id, target_id, amount, currency, source_seq, source_balance,
               target_seq, target_balance, recorded_at, effective_at
          FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::numeric[], $5::text[], $6::bigint[],
                      $7::numeric[], $8::bigint[], $9::numeric[], $10::timestamptz[], $11::timestamptz[])
               WITH ORDINALITY
               AS e (transaction_id, source_id, target_id, amount, currency, source_seq,
                     source_balance, target_seq, target_balance, recorded_at, effective_at, place)
         ORDER BY place";
    /// The outcomes, under their keys.
    INSERT_KEYS = "INSERT INTO wallstreet.idempotency_keys
            (user_id, key, fingerprint, outcome, request_id, created_at)
        SELECT user_id, key, fingerprint, outcome, request_id, $6
          FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[], $5::text[])
               AS k (user_id, key, fingerprint, outcome, request_id)";
    /// Whether a database transaction is still on its way. Not what became of it:
    /// a crash can give its name to another one.
    XID_STATUS = "SELECT coalesce(pg_xact_status($1::text::xid8) = 'in progress', false)";
    /// Whether the audit row that only one batch can have written is there.
    WITNESS = "SELECT EXISTS (SELECT FROM audit_logs WHERE id = $1)";
}
