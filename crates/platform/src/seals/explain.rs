//! Why a balance is what it is: the use case behind a [`Derivation`].

use super::store;
use crate::{
    Platform, accounts,
    actor::{Actor, Permission},
    db::{Numeric, Tx},
    error::{Error, Resource, Result},
    proof::{
        Derivation, Digest, Entry, FORMAT, Opened, PublicKey, Salts, Seal, Sealed, Signature,
        merkle,
    },
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
    let head = tx.find(store::NEWEST, &[]).await?.as_ref().map(store::read).transpose()?;
    let head = head.filter(|newest| newest.format == FORMAT);
    let salts = platform.salts();
    let sealed = match &head {
        Some(head) => sealed_in(&tx, account.0, head, salts).await?,
        None => None,
    };
    let from = sealed.as_ref().map_or(0, |sealed| sealed.sequence);
    // One more than allowed tells that there are more.
    let most = i64::try_from(MOST + 1).unwrap_or(i64::MAX);
    let since = tx.query(store::SINCE, &[&account.0, &from, &most]).await?;
    let holds = tx.query(store::HOLDS, &[&account.0, &most]).await?;
    if since.len() > MOST || holds.len() > MOST {
        return Err(Error::DerivationTooLong { most: MOST });
    }
    let open = |row| store::read_entry(row)?.opened(account.0, salts).ok_or_else(broken);
    let since = since.iter().map(open).collect::<Result<Vec<Opened>>>()?;
    // Another server's clock, whose time these have, may be ahead of ours.
    let told =
        [head.as_ref().map(|head| head.sealed_at), since.last().map(|last| last.recorded_at)];
    let as_of = told.into_iter().flatten().fold(platform.now(), Ord::max);
    let derivation = Derivation {
        format: FORMAT,
        account: account.0,
        currency: row.try_get("currency")?,
        balance,
        available_balance,
        sequence: row.try_get("entry_count")?,
        as_of,
        head: head.as_ref().map(Into::into),
        sealed,
        since,
        holds: holds.iter().map(store::read_hold).collect::<Result<_>>()?,
        key: PublicKey([0; 32]),
        digest: Digest::ZERO,
        signature: Signature([0; 64]),
    };
    Ok(derivation.signed(platform.signer().key()?))
}

/// The account's newest sealed entry, and its way to the seal.
async fn sealed_in(
    tx: &Tx<'_>,
    account: Uuid,
    head: &Seal,
    salts: &Salts,
) -> Result<Option<Sealed>> {
    let row = tx.find(store::NEWEST_SEALED, &[&account, &head.last_entry]).await?;
    let Some(entry) = row.as_ref().map(store::read_entry).transpose()? else { return Ok(None) };
    let row = tx.find(store::ABOVE, &[&entry.id]).await?.ok_or_else(broken)?;
    let seal = store::read(&row)?;
    let (before, last) = (seal.first_entry.saturating_sub(1), seal.last_entry);
    let rows = tx.query(store::ENTRIES, &[&before, &last, &super::MOST_ENTRIES]).await?;
    let entries = rows.iter().map(store::read_entry).collect::<Result<Vec<_>>>()?;
    let place = entries.iter().position(|other| other.id == entry.id).ok_or_else(broken)?;
    let leaves: Vec<Digest> = entries.iter().map(|entry: &Entry| entry.leaf(salts)).collect();
    let path = merkle::path(&leaves, place);
    let index = i64::try_from(place).map_err(Error::internal)?;
    let entry = entry.opened(account, salts).ok_or_else(broken)?;
    let Opened { sequence, balance, .. } = entry;
    Ok(Some(Sealed { sequence, balance, entry, seal, index, path }))
}

fn broken() -> Error {
    Error::internal("the seals are broken: run `wallstreet verify ledger`")
}
