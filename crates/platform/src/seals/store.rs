//! Statements and rows of `wallstreet.seals`, and of the entries under them.

use crate::{
    db::{Numeric, maybe_time, statements, time},
    error::{Error, Result},
    proof::{Digest, Entry, Hold, Seal},
};
use ledger::Money;
use tokio_postgres::Row;

/// The columns of a [`Seal`].
macro_rules! seal {
    () => {
        "number, first_entry, last_entry, entry_count, root, previous, hash, sealed_at"
    };
}

/// The columns of an [`Entry`].
macro_rules! entry {
    () => {
        "id, transaction_id, source_id, target_id, amount, currency, source_seq, source_balance,
         target_seq, target_balance, recorded_at, effective_at"
    };
}

statements! {
    /// The newest entry if it is not sealed, and an id that no transaction can
    /// have that was there before: the select list is evaluated only for a row,
    /// and after the statement's snapshot was taken.
    MARK = "SELECT newest.id, pg_current_xact_id()::text::bigint AS xid,
               pg_postmaster_start_time() AS server_since
          FROM (SELECT max(id) AS id FROM wallstreet.entries) AS newest
         WHERE newest.id > coalesce((SELECT max(last_entry) FROM wallstreet.seals), 0)";
    /// Whether every transaction with an id below `$1` has ended, and whether
    /// this is still the server that gave it.
    SETTLED = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint >= $1 AS ended,
               pg_postmaster_start_time() = $2::timestamptz AS same_server";
    /// The right to set the next seal, until the end of the transaction.
    LOCK = "SELECT pg_try_advisory_xact_lock(6083144180247411261)";
    /// The newest seal.
    NEWEST = concat!("SELECT ", seal!(), " FROM wallstreet.seals ORDER BY number DESC LIMIT 1");
    /// Entries behind one and up to another.
    ENTRIES = concat!("SELECT ", entry!(), " FROM wallstreet.entries
         WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3");
    /// A new seal.
    INSERT = "INSERT INTO wallstreet.seals
            (number, first_entry, last_entry, entry_count, root, previous, hash, sealed_at)
        VALUES ($1, $2, $3, $4::bigint::integer, $5, $6, $7, $8)";
    /// One seal.
    FIND = concat!("SELECT ", seal!(), " FROM wallstreet.seals WHERE number = $1");
    /// Seals from a place in the chain back.
    LIST = concat!("SELECT ", seal!(), " FROM wallstreet.seals
         WHERE number <= $1 ORDER BY number DESC LIMIT $2");
    /// Seals from a place in the chain on.
    ONWARDS = concat!("SELECT ", seal!(), " FROM wallstreet.seals
         WHERE number > $1 ORDER BY number LIMIT $2");
    /// The seal above an entry.
    ABOVE = concat!("SELECT ", seal!(), " FROM wallstreet.seals
         WHERE last_entry >= $1 ORDER BY last_entry LIMIT 1");
    /// The account whose balance is to be explained.
    ACCOUNT = "SELECT currency, balance, available_balance, entry_count FROM accounts WHERE id = $1";
    /// An account's newest entry that is sealed.
    NEWEST_SEALED = concat!("SELECT ", entry!(), " FROM (
            (SELECT ", entry!(), " FROM wallstreet.entries
              WHERE source_id = $1 AND source_seq IS NOT NULL AND id <= $2 ORDER BY source_seq DESC LIMIT 1)
            UNION ALL
            (SELECT ", entry!(), " FROM wallstreet.entries
              WHERE target_id = $1 AND target_seq IS NOT NULL AND id <= $2 ORDER BY target_seq DESC LIMIT 1)) AS e
         ORDER BY id DESC LIMIT 1");
    /// An account's entries behind a place in its history.
    SINCE = concat!("SELECT ", entry!(), " FROM (
            (SELECT ", entry!(), ", source_seq AS place FROM wallstreet.entries
              WHERE source_id = $1 AND source_seq > $2 ORDER BY source_seq LIMIT $3)
            UNION ALL
            (SELECT ", entry!(), ", target_seq FROM wallstreet.entries
              WHERE target_id = $1 AND target_seq > $2 ORDER BY target_seq LIMIT $3)) AS e
         ORDER BY place LIMIT $3");
    /// What holds an account's money.
    HOLDS = "SELECT id, amount, coalesce(captured_amount, 0) AS captured FROM transactions
         WHERE account_id = $1 AND status = 'pending' AND direction = 'out'
         ORDER BY created_at, id LIMIT $2";
}

pub(super) fn read(row: &Row) -> Result<Seal> {
    Ok(Seal {
        number: row.try_get("number")?,
        first_entry: row.try_get("first_entry")?,
        last_entry: row.try_get("last_entry")?,
        entry_count: row.try_get::<_, i32>("entry_count")?.into(),
        root: digest(row, "root")?,
        previous: digest(row, "previous")?,
        hash: digest(row, "hash")?,
        sealed_at: time(row, "sealed_at")?,
    })
}

fn digest(row: &Row, column: &str) -> Result<Digest> {
    let bytes: &[u8] = row.try_get(column)?;
    let wrong = |_| Error::internal(format!("wallstreet.seals.{column} is not a SHA-256 hash"));
    bytes.try_into().map(Digest).map_err(wrong)
}

pub(super) fn read_entry(row: &Row) -> Result<Entry> {
    let money = |column: &str| -> Result<Option<Money>> {
        Ok(row.try_get::<_, Option<Numeric>>(column)?.map(|Numeric(sum)| sum))
    };
    let Numeric(amount) = row.try_get("amount")?;
    Ok(Entry {
        id: row.try_get("id")?,
        transaction_id: row.try_get("transaction_id")?,
        source_id: row.try_get("source_id")?,
        target_id: row.try_get("target_id")?,
        amount,
        currency: row.try_get("currency")?,
        source_seq: row.try_get("source_seq")?,
        source_balance: money("source_balance")?,
        target_seq: row.try_get("target_seq")?,
        target_balance: money("target_balance")?,
        recorded_at: time(row, "recorded_at")?,
        effective_at: maybe_time(row, "effective_at")?,
    })
}

pub(super) fn read_hold(row: &Row) -> Result<Hold> {
    let Numeric(amount) = row.try_get("amount")?;
    let Numeric(captured) = row.try_get("captured")?;
    let held = amount.minus(captured).ok_or_else(|| Error::internal("a hold is out of range"))?;
    Ok(Hold { transaction_id: row.try_get("id")?, amount, captured, held })
}
