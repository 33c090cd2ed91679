//! What a schedule needs when it is made or resumed: somebody who may give such an
//! order at this moment, and accounts that take it.

use super::{Schedule, store};
use crate::{
    Platform,
    actor::{Actor, Credential, Permission},
    api_keys,
    db::{Tx, word},
    error::{Error, Forbidden, Resource, Result},
    mandates,
    orders::Draft,
    users,
};
use jiff::Timestamp;
use ledger::{AccountId, AccountStatus, Authority, Currency, Kind, Refusal, UserId};
use uuid::Uuid;

/// Who acts, as they are at this moment, under the lock of the user: whatever takes
/// a right away comes before the caller's transaction or after it.
///
/// # Errors
/// Whoever is no longer welcome, or whose key no longer writes transactions.
pub(super) async fn prove_in(tx: &Tx<'_>, actor: &Actor, now: Timestamp) -> Result<Actor> {
    let role = users::lock_active_in(tx, actor.user_id).await?.role;
    let credential = match &actor.credential {
        Credential::ApiKey { id, rate_limit, .. } => {
            let permissions = api_keys::permissions_in(tx, actor.user_id, *id, now).await?;
            Credential::ApiKey { id: *id, permissions, rate_limit: *rate_limit }
        }
        other => other.clone(),
    };
    let proven = Actor { role, credential, ..actor.clone() };
    proven.require(Permission::WriteTransactions)?;
    Ok(proven)
}

/// Passes who may give the order of a schedule, whatever state its accounts are in.
pub(super) async fn require_authority_in(
    tx: &Tx<'_>,
    platform: &Platform,
    actor: &Actor,
    schedule: &Schedule,
) -> Result<()> {
    let authority = actor.authority(platform.settings().users_settle);
    let account = tx.find(store::ACCOUNTS, &[&vec![schedule.account_id.0]]).await?;
    let account = account.ok_or(Error::NotFound(Resource::Account))?;
    require_reach(authority, UserId(account.try_get("user_id")?))?;
    require_settlement(authority, schedule.kind)
}

fn require_reach(authority: Authority, account_owner: UserId) -> Result<()> {
    match authority.only {
        Some(only) if only != account_owner => Err(Error::NotFound(Resource::Account)),
        _ => Ok(()),
    }
}

fn require_settlement(authority: Authority, kind: Kind) -> Result<()> {
    match mandates::settles(kind) && !authority.settles {
        true => Err(Error::Forbidden(Forbidden::Settlement)),
        false => Ok(()),
    }
}

/// Refuses at once what would be refused at every run; says the currency. The
/// rules are those of an order, in their order, without those about money.
pub(super) async fn judge_in(
    tx: &Tx<'_>,
    platform: &Platform,
    actor: &Actor,
    draft: &Draft,
    target: Option<AccountId>,
) -> Result<Currency> {
    let authority = actor.authority(platform.settings().users_settle);
    let named: Vec<Uuid> =
        [Some(draft.account), target].into_iter().flatten().map(|a| a.0).collect();
    let rows = tx.query(store::ACCOUNTS, &[&named]).await?;
    let find = |account: AccountId| {
        let found = rows.iter().find(|row| row.try_get("id").is_ok_and(|id: Uuid| id == account.0));
        found.ok_or(Error::NotFound(Resource::Account))
    };
    let source = find(draft.account)?;
    require_reach(authority, UserId(source.try_get("user_id")?))?;
    require_active(word(source, "status")?)?;
    let currency: Currency = word(source, "currency")?;
    if let Some(order) = draft.currency.filter(|order| *order != currency) {
        return Err(Refusal::CurrencyMismatch { account: currency, order }.into());
    }
    currency.check(draft.amount).map_err(|_| Refusal::FractionOfUnit { currency })?;
    if let Some(target) = target {
        if target == draft.account {
            return Err(Refusal::SameAccount.into());
        }
        let target = find(target)?;
        require_active(word(target, "status")?)?;
        let other: Currency = word(target, "currency")?;
        if other != currency {
            return Err(Refusal::CurrencyMismatch { account: other, order: currency }.into());
        }
    }
    require_settlement(authority, draft.kind)?;
    Ok(currency)
}

fn require_active(status: AccountStatus) -> Result<()> {
    match status {
        AccountStatus::Active => Ok(()),
        AccountStatus::Suspended => Err(Refusal::AccountSuspended.into()),
        AccountStatus::Closed => Err(Refusal::AccountClosed.into()),
    }
}
