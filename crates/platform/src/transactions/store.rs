//! Statements and rows of `transactions`, but for those that move money.

use super::{Metadata, Transaction};
use crate::{
    db::{Numeric, maybe_time, maybe_word, statements, time, word},
    error::{Error, Result},
};
use ledger::{AccountId, TransactionId};
use tokio_postgres::Row;
use uuid::Uuid;

/// The columns of a [`Transaction`].
macro_rules! columns {
    () => {
        "t.id, t.account_id, t.transaction_type, t.direction, t.amount, t.currency, t.status, \
         t.description, t.reference_number, coalesce(t.metadata, '{}')::text AS metadata, \
         t.counterparty_account_id, t.paired_transaction_id, t.failure_reason, \
         t.reverses_transaction_id, t.captured_amount, t.reversed_amount, t.expires_at, \
         t.complete_at, t.effective_at, t.created_at, t.updated_at, t.completed_at, \
         CASE WHEN t.status = 'pending' AND t.complete_at IS NOT NULL THEN \
             (SELECT CASE WHEN c.transaction_id = t.id THEN c.lapsed ELSE 'sender' END \
                FROM wallstreet.completions c WHERE c.lapsed IS NOT NULL AND c.transaction_id = \
                     CASE t.direction WHEN 'out' THEN t.id \
                     ELSE coalesce(t.paired_transaction_id, t.id) END) END AS completion_lapsed, \
         (SELECT json_build_object('rate_source', x.rate_source, 'terms', json_build_object(
             'source_currency', x.source_currency, 'source_amount', (x.source_amount * 100)::bigint, \
             'target_currency', x.target_currency, 'target_amount', (x.target_amount * 100)::bigint, \
             'rate', x.rate::text, 'remainder', trunc(x.remainder * 1000000000000), \
             'rounded', CASE WHEN t.reverses_transaction_id IS NULL THEN x.target_currency \
                             ELSE x.source_currency END))::text \
            FROM wallstreet.exchanges x WHERE t.paired_transaction_id IS NOT NULL \
             AND x.transaction_id = CASE t.direction WHEN 'out' THEN t.id \
                                    ELSE t.paired_transaction_id END) AS exchange"
    };
}
pub(crate) use columns;

/// The conditions of a list of transactions. The user's accounts are an array, not
/// a subquery: only so does the planner reach for the index on the account.
macro_rules! wanted {
    () => {
        "($1::uuid IS NULL OR t.account_id = ANY (ARRAY(SELECT id FROM accounts WHERE user_id = $1)))
           AND ($2::uuid IS NULL OR t.account_id = $2)
           AND ($3::text IS NULL OR t.status = $3)
           AND ($4::text IS NULL OR t.transaction_type = $4)
           AND ($5::timestamp IS NULL OR t.created_at >= $5)
           AND ($6::timestamp IS NULL OR t.created_at < $6)
           AND ($7::numeric IS NULL OR t.amount >= $7)
           AND ($8::numeric IS NULL OR t.amount <= $8)
           AND ($9::text IS NULL OR position(lower($9) IN
                lower(coalesce(t.description, '') || ' ' || coalesce(t.reference_number, ''))) > 0)
           AND NOT EXISTS (SELECT FROM unnest($10::text[], $11::text[]) AS wanted (key, value)
                            WHERE t.metadata ->> wanted.key IS DISTINCT FROM wanted.value)"
    };
}

/// Which transactions count towards the quota of their account: pending ones, of a
/// transfer the sender's half.
macro_rules! counted {
    () => {
        "t.status = 'pending' \
         AND (t.direction = 'out' OR t.direction = 'in' AND t.paired_transaction_id IS NULL)"
    };
}

statements! {
    /// One transaction, of one owner if one is given.
    FIND = concat!("SELECT ", columns!(), " FROM transactions t JOIN accounts a ON a.id = t.account_id
         WHERE t.id = $1 AND ($2::uuid IS NULL OR a.user_id = $2)");
    /// Which accounts a transaction can touch.
    ACCOUNTS = "SELECT account_id, counterparty_account_id FROM transactions WHERE id = $1";
    /// Pending ones whose time is over; of a transfer, the sender's half.
    DUE = concat!("SELECT t.id, t.account_id, t.counterparty_account_id FROM transactions t
         WHERE ", counted!(), " AND t.expires_at <= $1
         ORDER BY t.expires_at LIMIT 500");
    /// Pending ones that are to complete by now and have not lapsed; of a transfer, the
    /// sender's half.
    TO_COMPLETE = concat!("SELECT t.id, t.account_id, t.counterparty_account_id FROM transactions t
          JOIN wallstreet.completions c ON c.transaction_id = t.id AND c.lapsed IS NULL
         WHERE ", counted!(), " AND t.complete_at <= $1
           AND NOT EXISTS (SELECT FROM wallstreet.completion_retries r
                            WHERE r.transaction_id = t.id AND r.retry_at > $1)
         ORDER BY t.complete_at LIMIT 500");
    /// Tries completions again later, each time twice as late.
    POSTPONE = "INSERT INTO wallstreet.completion_retries AS r (transaction_id, attempts, code, retry_at)
        SELECT id, 1, code, $3::timestamptz + interval '1 second'
          FROM unnest($1::uuid[], $2::text[]) AS f (id, code) ORDER BY id
        ON CONFLICT (transaction_id) DO UPDATE
           SET attempts = r.attempts + 1, code = excluded.code,
               retry_at = $3::timestamptz
                        + least(interval '1 hour', interval '1 second' * 2 ^ least(r.attempts, 12))";
    /// Retries of what has ended.
    PURGE_RETRIES = "DELETE FROM wallstreet.completion_retries WHERE transaction_id = ANY (ARRAY(
        SELECT r.transaction_id FROM wallstreet.completion_retries r
          JOIN transactions t ON t.id = r.transaction_id WHERE t.status <> 'pending' LIMIT 1000))";
    /// What the account has pending whose order this is, locked; of a transfer the sender's.
    /// Nothing if it does not stand pending.
    LOCK_PENDING = "SELECT a.id, a.pending_count, a.pending_bytes
          FROM transactions t JOIN accounts own ON own.id = t.account_id
          JOIN accounts a ON a.id = CASE WHEN t.direction = 'in' AND t.paired_transaction_id IS NOT NULL
                                         THEN t.counterparty_account_id ELSE t.account_id END
         WHERE t.id = $1 AND ($2::uuid IS NULL OR own.user_id = $2)
           AND t.status = 'pending' AND t.direction IS NOT NULL
           FOR NO KEY UPDATE OF a";
    /// How many bytes the order counts that a pending transaction is, or is a half of.
    COUNTED_BYTES = concat!("SELECT greatest(
               octet_length(coalesce(t.description, '')) + octet_length(coalesce(t.metadata, '{}')::text),
               octet_length(coalesce(p.description, '')) + octet_length(p.metadata::text) - $2::bigint) AS bytes
          FROM transactions t LEFT JOIN transactions p ON p.id = t.paired_transaction_id
         WHERE t.id = (SELECT CASE WHEN direction = 'in' THEN coalesce(paired_transaction_id, id) ELSE id END
                         FROM transactions WHERE id = $1) AND ", counted!());
    /// Other words on what an account has pending.
    COUNT_BYTES = "UPDATE accounts SET pending_bytes = $2 WHERE id = $1";
    /// The words of a transaction; an absent part stays.
    ANNOTATE = concat!("UPDATE transactions t
           SET description = CASE WHEN $3 THEN $4 ELSE t.description END,
               metadata = coalesce($5::text::jsonb, t.metadata)
          FROM accounts a
         WHERE t.id = $1 AND a.id = t.account_id AND ($2::uuid IS NULL OR a.user_id = $2)
        RETURNING ", columns!());
    /// A page of transactions.
    LIST = concat!("SELECT ", columns!(), " FROM transactions t
         WHERE ", wanted!(), "
           AND ($12::timestamp IS NULL OR (t.created_at, t.id) < ($12, $13::uuid))
         ORDER BY t.created_at DESC, t.id DESC LIMIT $14 OFFSET $15");
    /// A page of one account's, without any other filter: a statement so plain that
    /// it is planned once, where the one above is planned anew each time.
    LIST_ACCOUNT = concat!("SELECT ", columns!(), " FROM transactions t
         WHERE t.account_id = $1
           AND (t.created_at, t.id) < (coalesce($2::timestamp, 'infinity'),
                                       coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
         ORDER BY t.created_at DESC, t.id DESC LIMIT $4");
    /// How many transactions the same filter finds.
    COUNT = concat!("SELECT count(*) FROM transactions t WHERE ", wanted!());
}

pub(crate) fn read(row: &Row) -> Result<Transaction> {
    let direction = match row.try_get::<_, Option<&str>>("direction")? {
        Some(_) => Some(word(row, "direction")?),
        None => None,
    };
    let account = row.try_get::<_, Option<Uuid>>("counterparty_account_id")?;
    let paired = row.try_get::<_, Option<Uuid>>("paired_transaction_id")?;
    let reverses = row.try_get::<_, Option<Uuid>>("reverses_transaction_id")?;
    let captured = row.try_get::<_, Option<Numeric>>("captured_amount")?;
    let Numeric(reversed_amount) = row.try_get("reversed_amount")?;
    let exchange = row.try_get::<_, Option<&str>>("exchange")?.map(serde_json::from_str);
    Ok(Transaction {
        id: TransactionId(row.try_get("id")?),
        account_id: AccountId(row.try_get("account_id")?),
        kind: word(row, "transaction_type")?,
        direction,
        amount: row.try_get::<_, Numeric>("amount")?.amount()?,
        currency: word(row, "currency")?,
        status: word(row, "status")?,
        description: row.try_get("description")?,
        reference_number: row.try_get("reference_number")?,
        metadata: Metadata::stored(row.try_get("metadata")?)?,
        counterparty_account_id: account.map(AccountId),
        paired_transaction_id: paired.map(TransactionId),
        reverses_transaction_id: reverses.map(TransactionId),
        captured_amount: captured.map(|Numeric(amount)| amount),
        reversed_amount,
        exchange: exchange.transpose().map_err(Error::internal)?,
        expires_at: maybe_time(row, "expires_at")?,
        complete_at: maybe_time(row, "complete_at")?,
        completion_lapsed: maybe_word(row, "completion_lapsed")?,
        effective_at: maybe_time(row, "effective_at")?,
        failure_reason: row.try_get("failure_reason")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
        completed_at: maybe_time(row, "completed_at")?,
    })
}
