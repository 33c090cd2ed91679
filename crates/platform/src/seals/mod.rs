//! Seals: the book and the audit trail, hashed in blocks of which each names the
//! one before, and signed.
//!
//! Owns the tables `wallstreet.seals` and `wallstreet.sealing`: the sealer that
//! fills it, the lists from which anybody can take a hash and keep it, and the
//! proof of a balance against it. Writes no entry and no balance, and no payment
//! waits for it.

mod explain;
mod notes;
mod sealer;
mod signer;
mod store;

use crate::{
    Platform,
    actor::{Actor, Permission},
    db::{Connection, Tx, maybe_time, time},
    error::{Error, Resource, Result},
    page::{Cursor, Listing, PageRequest, Position},
    proof::{AuditRow, Entry, Salts, Seal},
};
pub use explain::{MOST as MOST_EXPLAINED, explain};
use jiff::Timestamp;
pub use notes::note_start;
pub(crate) use notes::{PUNCTUAL, is_explained_in};
pub(crate) use sealer::{MARK_BYTES, marks};
pub use sealer::{MOST_ENTRIES, Sealer, run};
pub use signer::Signer;
pub(crate) use store::ALL as STATEMENTS;
use tokio_postgres::{Portal, Row};
use uuid::Uuid;

/// One seal.
///
/// # Errors
/// [`Resource::Seal`]; a key needs `read:accounts`.
pub async fn get(platform: &Platform, actor: &Actor, number: i64) -> Result<Seal> {
    actor.require(Permission::ReadAccounts)?;
    let row = platform.connection().await?.find(store::FIND, &[&number]).await?;
    store::read(&row.ok_or(Error::NotFound(Resource::Seal))?)
}

/// All seals, newest first.
///
/// # Errors
/// A key needs `read:accounts`.
pub async fn list(platform: &Platform, actor: &Actor, page: PageRequest) -> Result<Listing<Seal>> {
    actor.require(Permission::ReadAccounts)?;
    let connection = platform.connection().await?;
    // The chain is dense, so its newest number counts it, and a page is a place in it.
    let newest = connection.find(store::NEWEST, &[]).await?;
    let count = newest.as_ref().map(store::read).transpose()?.map_or(0, |seal| seal.number);
    let from = match page.position() {
        Position::Number(_) => count - page.offset(),
        Position::After(cursor) => {
            i64::try_from(cursor.id().as_u128()).unwrap_or(i64::MAX).saturating_sub(1)
        }
    };
    let rows = connection.query(store::LIST, &[&from, &page.fetch()]).await?;
    let seals = rows.iter().map(store::read).collect::<Result<Vec<_>>>()?;
    Ok(Listing::cut(seals, page.counts().then_some(count), page, |seal| {
        Cursor::new(seal.sealed_at, Uuid::from_u128(seal.number.unsigned_abs().into()))
    }))
}

/// What keeps the leaves of this bank's seals from being guessed.
pub(crate) async fn salts(connection: &Connection) -> Result<Salts> {
    let row = connection.find(store::SALT_KEY, &[]).await?;
    let key: Option<Vec<u8>> = row.map(|row| row.try_get("salt_key")).transpose()?;
    let salts = key.as_deref().and_then(Salts::of);
    salts.ok_or_else(|| Error::internal("wallstreet.sealing has no key of 32 bytes"))
}

/// What this bank's chain began with, and how far it went.
pub(crate) struct Begun {
    /// When format 2 began.
    pub(crate) at: Timestamp,
    /// The last seal of format 1; 0: there was none.
    pub(crate) after: i64,
    /// The newest seal that was ever set.
    pub(crate) newest: i64,
    /// When the migration that brought format 2 was applied.
    pub(crate) applied: Option<Timestamp>,
    /// The first that a sealer of format 2 recorded of itself.
    pub(crate) first_note: Option<Timestamp>,
}

pub(crate) async fn begun_in(tx: &Tx<'_>) -> Result<Begun> {
    let row = tx.get(store::BEGUN, &[]).await?;
    Ok(Begun {
        at: time(&row, "begun_at")?,
        after: row.try_get("begun_after")?,
        newest: row.try_get("newest")?,
        applied: maybe_time(&row, "applied_at")?,
        first_note: maybe_time(&row, "first_note")?,
    })
}

/// A seal, and the marks of its entries and audit rows.
pub(crate) type Marked = (Seal, Option<Vec<u8>>, Option<Vec<u8>>);

/// All rows of one kind in order, a page at a time, whatever their numbers.
pub(crate) struct Pages<'a, T> {
    tx: &'a Tx<'a>,
    sql: &'static str,
    read: fn(&Row) -> Result<T>,
    most: i32,
    portal: Option<Portal>,
}

impl<T> Pages<'_, T> {
    /// The next ones; none: that was all.
    pub(crate) async fn next(&mut self) -> Result<Vec<T>> {
        let portal = match &self.portal {
            Some(portal) => portal,
            None => self.portal.insert(self.tx.open(self.sql).await?),
        };
        self.tx.page(portal, self.most).await?.iter().map(self.read).collect()
    }
}

/// The chain.
pub(crate) fn chain_in<'a>(tx: &'a Tx<'a>, most: i32) -> Pages<'a, Marked> {
    let read = |row: &Row| {
        Ok((store::read(row)?, row.try_get("entry_marks")?, row.try_get("audit_marks")?))
    };
    Pages { tx, sql: store::CHAIN, read, most, portal: None }
}

/// The book.
pub(crate) fn book_in<'a>(tx: &'a Tx<'a>, most: i32) -> Pages<'a, Entry> {
    Pages { tx, sql: store::BOOK, read: store::read_entry, most, portal: None }
}

/// The audit trail.
pub(crate) fn trail_in<'a>(tx: &'a Tx<'a>, most: i32) -> Pages<'a, AuditRow> {
    Pages { tx, sql: store::TRAIL, read: store::read_audit, most, portal: None }
}
