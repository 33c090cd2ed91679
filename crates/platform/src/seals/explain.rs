//! Why a balance is what it is: the use case behind a [`Derivation`].

use super::store;
use crate::{
    Platform, accounts,
    actor::{Actor, Permission},
    db::{Numeric, Tx},
    error::{Error, Resource, Result},
    proof::{Derivation, Digest, Entry, Sealed, merkle},
};
use ledger::AccountId;
use uuid::Uuid;

/// The most entries and the most holds of one derivation.
pub const MOST: usize = 10_000;

/// The shortest checkable derivation of a balance, all of it of one moment.
///
/// # Errors
/// [`Resource::Account`] when it is not the caller's to see;
/// [`Error::DerivationTooLong`] when the sealer is far behind.
pub async fn explain(platform: &Platform, actor: &Actor, account: AccountId) -> Result<Derivation> {
    actor.require(Permission::ReadAccounts)?;
    let mut connection = platform.connection().await?;
    accounts::require_visible(&connection, actor, account).await?;
    let tx = connection.snapshot().await?;
    let row = tx.find(store::ACCOUNT, &[&account.0]).await?;
    let row = row.ok_or(Error::NotFound(Resource::Account))?;
    let Numeric(balance) = row.try_get("balance")?;
    let Numeric(available_balance) = row.try_get("available_balance")?;
    let sealed = sealed_in(&tx, account.0).await?;
    let from = sealed.as_ref().map_or(0, |sealed| sealed.sequence);
    // One more than allowed tells that there are more.
    let most = i64::try_from(MOST + 1).unwrap_or(i64::MAX);
    let since = tx.query(store::SINCE, &[&account.0, &from, &most]).await?;
    let holds = tx.query(store::HOLDS, &[&account.0, &most]).await?;
    if since.len() > MOST || holds.len() > MOST {
        return Err(Error::DerivationTooLong { most: MOST });
    }
    let derivation = Derivation {
        account: account.0,
        currency: row.try_get("currency")?,
        balance,
        available_balance,
        sequence: row.try_get("entry_count")?,
        as_of: platform.now(),
        sealed,
        since: since.iter().map(store::read_entry).collect::<Result<_>>()?,
        holds: holds.iter().map(store::read_hold).collect::<Result<_>>()?,
        digest: Digest::ZERO,
    };
    Ok(Derivation { digest: derivation.recomputed(), ..derivation })
}

/// The account's newest sealed entry, and its way to the seal.
async fn sealed_in(tx: &Tx<'_>, account: Uuid) -> Result<Option<Sealed>> {
    let Some(row) = tx.find(store::NEWEST, &[]).await? else { return Ok(None) };
    let newest = store::read(&row)?;
    let row = tx.find(store::NEWEST_SEALED, &[&account, &newest.last_entry]).await?;
    let Some(entry) = row.as_ref().map(store::read_entry).transpose()? else { return Ok(None) };
    let broken = || Error::internal("the seals are broken: run `wallstreet verify ledger`");
    let row = tx.find(store::ABOVE, &[&entry.id]).await?.ok_or_else(broken)?;
    let seal = store::read(&row)?;
    let (before, last) = (seal.first_entry - 1, seal.last_entry);
    let rows = tx.query(store::ENTRIES, &[&before, &last, &super::MOST_ENTRIES]).await?;
    let entries = rows.iter().map(store::read_entry).collect::<Result<Vec<_>>>()?;
    let place = entries.iter().position(|other| other.id == entry.id).ok_or_else(broken)?;
    let (sequence, _, balance) = entry.seen_from(account).ok_or_else(broken)?;
    let leaves: Vec<Digest> = entries.iter().map(Entry::leaf).collect();
    let path = merkle::path(&leaves, place);
    let index = i64::try_from(place).map_err(Error::internal)?;
    Ok(Some(Sealed { sequence, balance, entry, seal, index, path }))
}
