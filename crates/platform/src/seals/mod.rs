//! Seals: the book, hashed in blocks of which each names the one before.
//!
//! Owns the table `wallstreet.seals`: the sealer that fills it, the lists from
//! which anybody can take a hash and keep it, and the proof of a balance against
//! it. Writes no entry and no balance, and stands nowhere in the road of money.

mod explain;
mod sealer;
mod store;

use crate::{
    Platform,
    actor::{Actor, Permission},
    db::Tx,
    error::{Error, Resource, Result},
    page::{Cursor, Listing, PageRequest, Position},
    proof::{Entry, Seal},
};
pub use explain::{MOST as MOST_EXPLAINED, explain};
pub use sealer::{MOST_ENTRIES, Sealer, run};
pub(crate) use store::ALL as STATEMENTS;
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

/// At most `most` seals behind this one, in order.
pub(crate) async fn onwards_in(tx: &Tx<'_>, behind: i64, most: i64) -> Result<Vec<Seal>> {
    let rows = tx.query(store::ONWARDS, &[&behind, &most]).await?;
    rows.iter().map(store::read).collect()
}

/// At most `most` entries behind this one, in order.
pub(crate) async fn entries_in(tx: &Tx<'_>, behind: i64, most: i64) -> Result<Vec<Entry>> {
    let rows = tx.query(store::ENTRIES, &[&behind, &i64::MAX, &most]).await?;
    rows.iter().map(store::read_entry).collect()
}
