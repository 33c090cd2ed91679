//! Statements and rows of `wallstreet.seals`, and of the entries under them.

use crate::{
    db::{Numeric, maybe_time, statements, time},
    error::{Error, Result},
    proof::{AuditRow, Digest, Entry, Hold, PublicKey, Seal, Signature},
};
use ledger::Money;
use tokio_postgres::{
    Row,
    types::{FromSql, Type},
};

/// The columns of a [`Seal`].
macro_rules! seal {
    () => {
        "number, format, first_entry, last_entry, entry_count, root, first_audit, last_audit,
         audit_count, audit_root, previous, hash, sealed_at, signing_key, signature"
    };
}

/// The columns of an [`Entry`].
macro_rules! entry {
    () => {
        "id, transaction_id, source_id, target_id, amount, currency, source_seq, source_balance,
         target_seq, target_balance, recorded_at, effective_at"
    };
}

/// The columns of an [`AuditRow`].
macro_rules! audit {
    () => {
        "number, id, user_id, action, resource_type, resource_id, ip_address, user_agent,
         details::text AS details, created_at"
    };
}

statements! {
    /// The key of all salts.
    SALT_KEY = "SELECT salt_key FROM wallstreet.sealing";
    /// What format 2 began with.
    BEGUN = "SELECT begun_at, begun_after, newest,
               (SELECT applied_at FROM wallstreet.migrations WHERE number = 12) AS applied_at,
               (SELECT min(created_at) FROM audit_logs
                 WHERE action IN ('SEALING_STARTED', 'SEALING_DELAYED', 'SEALING_STOPPED')) AS first_note
          FROM wallstreet.sealing";
    /// The number of the next seal.
    NUMBER = "UPDATE wallstreet.sealing SET newest = newest + 1 RETURNING newest";
    /// Starts of the sealer in a time, and its waits with the moment since when.
    NOTES = "SELECT created_at, action = 'SEALING_DELAYED' AS waited, details ->> 'since' AS since
          FROM audit_logs
         WHERE action IN ('SEALING_STARTED', 'SEALING_DELAYED')
           AND created_at BETWEEN $1 AND $2 ORDER BY created_at, number";
    /// What happened between two moments and is not sealed before an audit row; but
    /// for what is recorded while no server runs, or by one that does not come far.
    BETWEEN = "SELECT FROM audit_logs
         WHERE number >= $1 AND created_at > $2 AND created_at < $3
           AND action NOT IN ('SEALING_STARTED', 'ADMIN_CREATED') LIMIT 1";
    /// The newest entry and the newest audit row if one of them is not sealed, and
    /// an id that no transaction can have that was there before: the select list
    /// is evaluated only for a row, and after the statement's snapshot was taken.
    MARK = "SELECT newest.entry, newest.audit, pg_current_xact_id()::text::bigint AS xid,
               pg_postmaster_start_time() AS server_since
          FROM (SELECT coalesce((SELECT max(id) FROM wallstreet.entries), 0) AS entry,
                       coalesce((SELECT max(number) FROM audit_logs), 0) AS audit) AS newest
          LEFT JOIN (SELECT last_entry, last_audit FROM wallstreet.seals WHERE format = 2
                      ORDER BY number DESC LIMIT 1) AS sealed ON true
         WHERE newest.entry > coalesce(sealed.last_entry, 0) OR newest.audit > coalesce(sealed.last_audit, 0)";
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
    /// Audit rows behind one and up to another.
    AUDIT = concat!("SELECT ", audit!(), " FROM audit_logs
         WHERE number > $1 AND number <= $2 ORDER BY number LIMIT $3");
    /// A new seal.
    INSERT = concat!("INSERT INTO wallstreet.seals (", seal!(), ", entry_marks, audit_marks)
        VALUES ($1, $2, $3, $4, $5::bigint::integer, $6, $7, $8, $9::bigint::integer, $10, $11, $12, $13, $14, $15,
                $16, $17)");
    /// One seal.
    FIND = concat!("SELECT ", seal!(), " FROM wallstreet.seals WHERE number = $1");
    /// Seals from a place in the chain back.
    LIST = concat!("SELECT ", seal!(), " FROM wallstreet.seals
         WHERE number <= $1 ORDER BY number DESC LIMIT $2");
    /// The whole chain.
    CHAIN = concat!("SELECT ", seal!(), ", entry_marks, audit_marks FROM wallstreet.seals ORDER BY number");
    /// The whole book.
    BOOK = concat!("SELECT ", entry!(), " FROM wallstreet.entries ORDER BY id");
    /// The whole audit trail.
    TRAIL = concat!("SELECT ", audit!(), " FROM audit_logs ORDER BY number");
    /// The seal above an entry.
    ABOVE = concat!("SELECT ", seal!(), " FROM wallstreet.seals
         WHERE format = 2 AND entry_count > 0 AND last_entry >= $1 ORDER BY last_entry LIMIT 1");
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
    let audit_count = row.try_get::<_, Option<i32>>("audit_count")?;
    Ok(Seal {
        number: row.try_get("number")?,
        format: row.try_get("format")?,
        first_entry: row.try_get("first_entry")?,
        last_entry: row.try_get("last_entry")?,
        entry_count: row.try_get::<_, i32>("entry_count")?.into(),
        root: digest(row, "root")?,
        first_audit: row.try_get("first_audit")?,
        last_audit: row.try_get("last_audit")?,
        audit_count: audit_count.map(Into::into),
        audit_root: bytes(row, "audit_root")?.map(Digest),
        previous: digest(row, "previous")?,
        hash: digest(row, "hash")?,
        sealed_at: time(row, "sealed_at")?,
        key: bytes(row, "signing_key")?.map(PublicKey),
        signature: bytes(row, "signature")?.map(Signature),
    })
}

/// Somebody who rules the database can store anything: what is no hash is unlike
/// every hash, and the check of the ledger names its seal.
fn digest(row: &Row, column: &str) -> Result<Digest> {
    Ok(bytes(row, column)?.map_or(Digest::ZERO, Digest))
}

fn bytes<const N: usize>(row: &Row, column: &str) -> Result<Option<[u8; N]>> {
    let bytes: Option<&[u8]> = row.try_get(column)?;
    Ok(bytes.and_then(|bytes| bytes.try_into().ok()))
}

pub(super) fn read_audit(row: &Row) -> Result<AuditRow> {
    Ok(AuditRow {
        number: row.try_get("number")?,
        id: row.try_get("id")?,
        user_id: row.try_get("user_id")?,
        action: row.try_get("action")?,
        resource_type: row.try_get("resource_type")?,
        resource_id: row.try_get("resource_id")?,
        ip_address: row.try_get("ip_address")?,
        user_agent: row.try_get("user_agent")?,
        details: row.try_get("details")?,
        created_at: maybe_time(row, "created_at")?,
    })
}

pub(super) fn read_entry(row: &Row) -> Result<Entry> {
    let money = |column: &str| {
        Ok::<_, Error>(row.try_get::<_, Option<Lenient>>(column)?.and_then(|sum| sum.0))
    };
    let Lenient(amount) = row.try_get("amount")?;
    // No entry is about nothing: so this is unlike every amount that was sealed.
    let amount = amount.unwrap_or(Money::ZERO);
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

/// A sum that somebody who rules the database may have made none, `NaN` for one: the
/// row still has to be read, to be named.
struct Lenient(Option<Money>);

impl<'a> FromSql<'a> for Lenient {
    fn from_sql(
        kind: &Type,
        raw: &'a [u8],
    ) -> std::result::Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(Numeric::from_sql(kind, raw).ok().map(|Numeric(sum)| sum)))
    }

    fn accepts(kind: &Type) -> bool {
        <Numeric as FromSql>::accepts(kind)
    }
}

pub(super) fn read_hold(row: &Row) -> Result<Hold> {
    let Numeric(amount) = row.try_get("amount")?;
    let Numeric(captured) = row.try_get("captured")?;
    let held = amount.minus(captured).ok_or_else(|| Error::internal("a hold is out of range"))?;
    Ok(Hold { transaction_id: row.try_get("id")?, amount, captured, held })
}
