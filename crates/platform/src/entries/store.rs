//! Statements and rows of `wallstreet.entries`, read from one account's side.

use super::{Basis, Entry, Place, broken};
use crate::{
    db::{Connection, Numeric, Param, Utc, maybe_time, statements, time, word},
    error::{Error, Result},
};
use jiff::Timestamp;
use ledger::{AccountId, TransactionId};
use tokio_postgres::Row;
use uuid::Uuid;

/// An account's entries of one direction.
macro_rules! side {
    (out) => {
        "SELECT source_seq AS sequence, 'out' AS direction, source_balance AS balance, \
         target_id AS counterparty_id, amount, currency, transaction_id, recorded_at, \
         effective_at FROM wallstreet.entries WHERE source_id = $1"
    };
    (in) => {
        "SELECT target_seq AS sequence, 'in' AS direction, target_balance AS balance, \
         source_id AS counterparty_id, amount, currency, transaction_id, recorded_at, \
         effective_at FROM wallstreet.entries WHERE target_id = $1"
    };
}

/// The columns of an [`Entry`].
macro_rules! columns {
    () => {
        "e.sequence, e.direction, e.balance, e.counterparty_id, e.amount, e.currency, \
         e.recorded_at, e.effective_at, leg.id AS transaction_id, leg.transaction_type, \
         leg.description, leg.reference_number"
    };
}

/// The receiver of a transfer has a transaction of their own, beside the sender's
/// that the entry names.
macro_rules! with_transactions {
    () => {
        " LEFT JOIN transactions named ON named.id = e.transaction_id
          LEFT JOIN transactions leg ON leg.id =
               CASE WHEN named.account_id = $1 THEN named.id ELSE named.paired_transaction_id END"
    };
}

statements! {
    /// For each border the newest entry recorded before it, found by halving, and the
    /// balance then; for no border, the newest of all. If asked, with what was
    /// recorded later but counts before.
    PLACES = "WITH RECURSIVE search (border, low, high, newest) AS (
            SELECT border, CASE WHEN border IS NULL THEN entry_count ELSE 0 END, entry_count, entry_count
              FROM accounts, unnest($2::timestamptz[]) AS border WHERE id = $1
            UNION ALL
            SELECT border, CASE WHEN recorded_at < border THEN middle ELSE low END,
                   CASE WHEN recorded_at < border THEN high ELSE middle - 1 END, newest
              FROM (SELECT *, (low + high + 1) / 2 AS middle FROM search WHERE low < high) AS open,
                   LATERAL (SELECT recorded_at FROM wallstreet.entries
                             WHERE source_id = $1 AND source_seq = open.middle
                            UNION ALL
                            SELECT recorded_at FROM wallstreet.entries
                             WHERE target_id = $1 AND target_seq = open.middle) AS e)
        SELECT low AS sequence, newest, (SELECT newest_entry_at FROM accounts WHERE id = $1) AS recorded,
               CASE low WHEN 0 THEN 0 ELSE
                   (SELECT source_balance FROM wallstreet.entries WHERE source_id = $1 AND source_seq = low
                    UNION ALL
                    SELECT target_balance FROM wallstreet.entries WHERE target_id = $1 AND target_seq = low) END
             + CASE WHEN $3 THEN
                   coalesce((SELECT sum(amount) FROM wallstreet.entries
                              WHERE target_id = $1 AND effective_at < border AND recorded_at >= border), 0)
                 - coalesce((SELECT sum(amount) FROM wallstreet.entries
                              WHERE source_id = $1 AND effective_at < border AND recorded_at >= border), 0)
               ELSE 0 END AS balance
          FROM search WHERE low = high ORDER BY border";
    /// The entries behind a place up to another one, oldest first.
    RANGE = concat!("SELECT ", columns!(), " FROM (",
        side!(out), " AND source_seq > $2 AND source_seq <= $3 UNION ALL ",
        side!(in), " AND target_seq > $2 AND target_seq <= $3) AS e",
        with_transactions!(), " ORDER BY e.sequence");
    /// The next 1,000 entries of a period by the date they count on: those that count
    /// when they were recorded, behind $2 up to $3, merged with those up to $7 that
    /// have a date of their own, behind ($4, $6) and before $5.
    EFFECTIVE = concat!("SELECT ", columns!(), " FROM (SELECT * FROM (
        (", side!(out), " AND source_seq > $2 AND source_seq <= $3 AND effective_at IS NULL
          ORDER BY source_seq LIMIT 1000) UNION ALL
        (", side!(in), " AND target_seq > $2 AND target_seq <= $3 AND effective_at IS NULL
          ORDER BY target_seq LIMIT 1000) UNION ALL
        (", side!(out), " AND effective_at >= coalesce($4::timestamptz, '-infinity') AND effective_at < $5
            AND (effective_at, source_seq) > (coalesce($4::timestamptz, '-infinity'), $6::bigint) AND source_seq <= $7
          ORDER BY effective_at, source_seq LIMIT 1000) UNION ALL
        (", side!(in), " AND effective_at >= coalesce($4::timestamptz, '-infinity') AND effective_at < $5
            AND (effective_at, target_seq) > (coalesce($4::timestamptz, '-infinity'), $6::bigint) AND target_seq <= $7
          ORDER BY effective_at, target_seq LIMIT 1000)) AS sides
        ORDER BY coalesce(effective_at, recorded_at), sequence LIMIT 1000) AS e",
        with_transactions!(), " ORDER BY coalesce(e.effective_at, e.recorded_at), e.sequence");
}

/// Where each border lies; borders come in order.
pub(super) async fn places<const N: usize>(
    connection: &Connection,
    account: AccountId,
    borders: [Option<Timestamp>; N],
    basis: Basis,
) -> Result<[Place; N]> {
    let borders: Vec<Option<Utc>> = borders.into_iter().map(|border| border.map(Utc)).collect();
    let late = basis == Basis::Effective;
    let rows = connection.query(PLACES, &[&account.0, &borders, &late]).await?;
    let places = rows.iter().map(|row| read_place(account, row)).collect::<Result<Vec<_>>>()?;
    // A search that met a gap has no end.
    <[Place; N]>::try_from(places).map_err(|_| broken(account, 0))
}

fn read_place(account: AccountId, row: &Row) -> Result<Place> {
    let sequence = row.try_get("sequence")?;
    // An entry that is counted and not there has left no balance.
    let balance = row.try_get::<_, Option<Numeric>>("balance")?;
    let Numeric(balance) = balance.ok_or_else(|| broken(account, sequence))?;
    Ok(Place {
        sequence,
        balance,
        newest: row.try_get("newest")?,
        recorded: maybe_time(row, "recorded")?,
    })
}

/// The entries `low + 1 ..= high`, oldest first.
pub(super) async fn range(
    connection: &Connection,
    account: AccountId,
    low: i64,
    high: i64,
) -> Result<Vec<Entry>> {
    if low == high {
        return Ok(Vec::new());
    }
    let rows = connection.query(RANGE, &[&account.0, &low, &high]).await?;
    let entries = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
    for (entry, expected) in entries.iter().zip(low + 1..) {
        if entry.sequence != expected {
            return Err(broken(account, expected));
        }
    }
    if entries.last().is_none_or(|entry| entry.sequence != high) {
        return Err(broken(account, high));
    }
    Ok(entries)
}

/// How far a statement by effective date has been read.
pub(super) struct Read {
    /// The newest entry read of those that count when they were recorded.
    pub low: i64,
    /// The last of them.
    pub high: i64,
    /// The newest entry read of those with a date of their own.
    pub dated: (Option<Timestamp>, i64),
    /// Their end.
    pub to: Timestamp,
    /// The newest entry that is known.
    pub newest: i64,
}

/// The next 1,000 entries by the date they count on.
pub(super) async fn effective(
    connection: &Connection,
    account: AccountId,
    read_so_far: &Read,
) -> Result<Vec<Entry>> {
    let Read { low, high, dated: (dated, behind), to, newest } = read_so_far;
    let (dated, to) = (dated.map(Utc), Utc(*to));
    let params: [Param<'_>; 7] = [&account.0, low, high, &dated, &to, behind, newest];
    connection.query(EFFECTIVE, &params).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Entry> {
    let Numeric(balance) = row.try_get("balance")?;
    let transaction: Option<Uuid> = row.try_get("transaction_id")?;
    let nameless = || Error::internal("an entry names a transaction that is not there");
    Ok(Entry {
        sequence: row.try_get("sequence")?,
        transaction_id: TransactionId(transaction.ok_or_else(nameless)?),
        transaction_type: word(row, "transaction_type")?,
        direction: word(row, "direction")?,
        amount: row.try_get::<_, Numeric>("amount")?.amount()?,
        currency: word(row, "currency")?,
        balance,
        counterparty: row.try_get::<_, Uuid>("counterparty_id")?.into(),
        recorded_at: time(row, "recorded_at")?,
        effective_at: maybe_time(row, "effective_at")?,
        description: row.try_get("description")?,
        reference_number: row.try_get("reference_number")?,
    })
}
