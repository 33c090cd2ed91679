//! Restraints: how much may go out of an account, and what stops its money.
//!
//! Set by administrators alone, under the row lock that money takes: an order is
//! decided before a restraint or after it, never beside it. The rules themselves
//! are in [`ledger`]. Knows no posting.

use super::{Account, store};
use crate::{
    Platform,
    actor::{Actor, Permission},
    clock::moment,
    db::{Numeric, Param, Tx, Utc, maybe_time, word},
    error::{Error, Resource, Result},
    facts::{self, By, Fact},
    text::{bounded, bounded_text},
};
use jiff::Timestamp;
use ledger::{AccountId, AccountStatus, Amount, Currency, FreezeScope, Limits, Refusal};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

/// An order from above that an account's money stay where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// What it stops.
    pub scope: FreezeScope,
    /// Why, for the owner to read.
    pub reason: String,
    /// When it ends by itself; absent: when somebody lifts it.
    pub until: Option<Timestamp>,
}

bounded_text! {
    /// Why an account is frozen: 1 to 200 characters.
    FreezeReason, |text| bounded(text.trim(), 1, 200).map(str::to_owned)
}

/// Says how far below zero an account may go, and the most of one order and of
/// one day.
///
/// # Errors
/// Only for an administrator. [`Refusal::OverdraftInUse`] when less is allowed
/// than is used; [`Refusal::AccountClosed`].
pub async fn set_limits(
    platform: &Platform,
    actor: &Actor,
    account: AccountId,
    limits: Limits,
) -> Result<Account> {
    change(platform, actor, account, async |tx, before| {
        let currency = before.currency;
        let overdraft = limits.overdraft.positive();
        [overdraft, limits.per_transaction, limits.daily]
            .into_iter()
            .flatten()
            .try_for_each(|limit| unless_whole(currency, limit))?;
        if before.available_balance < limits.overdraft.negated() {
            let used = before.available_balance.negated();
            return Err(Refusal::OverdraftInUse { used, currency }.into());
        }
        let limit = |limit: Option<Amount>| limit.map(Numeric::from);
        let params: [Param<'_>; 4] = [
            &account.0,
            &Numeric(limits.overdraft),
            &limit(limits.per_transaction),
            &limit(limits.daily),
        ];
        tx.execute(store::SET_LIMITS, &params).await?;
        let owner = before.user_id;
        Ok((limits != before.limits).then_some(Fact::AccountLimitsChanged {
            account,
            owner,
            limits,
        }))
    })
    .await
}

/// Stops an account's money; an earlier freeze is replaced.
///
/// # Errors
/// Only for an administrator. An end in the past; [`Refusal::AccountClosed`].
pub async fn freeze(
    platform: &Platform,
    actor: &Actor,
    account: AccountId,
    (scope, reason, until): (FreezeScope, FreezeReason, Option<Timestamp>),
) -> Result<Account> {
    if until.is_some_and(|until| until <= platform.now()) {
        return Err(Error::invalid("until", "in_the_past", "must lie in the future"));
    }
    let freeze = Freeze { scope, reason: reason.as_str().to_owned(), until };
    change(platform, actor, account, async |tx, before| {
        let params: [Param<'_>; 4] =
            [&account.0, &scope.as_str(), &reason.as_str(), &until.map(Utc)];
        tx.execute(store::FREEZE, &params).await?;
        let (owner, already) = (before.user_id, before.freeze.as_ref() == Some(&freeze));
        Ok((!already).then(|| Fact::AccountFrozen {
            account,
            owner,
            scope: scope.as_str(),
            reason: freeze.reason.clone(),
            until,
        }))
    })
    .await
}

/// Lets an account's money move again; one that is not frozen stays as it is.
///
/// # Errors
/// Only for an administrator. [`Refusal::AccountClosed`].
pub async fn unfreeze(platform: &Platform, actor: &Actor, account: AccountId) -> Result<Account> {
    change(platform, actor, account, async |tx, before| {
        tx.execute(store::UNFREEZE, &[&account.0]).await?;
        let owner = before.user_id;
        Ok(before.freeze.as_ref().map(|_| Fact::AccountUnfrozen { account, owner }))
    })
    .await
}

/// One change of one account under its lock; without a fact it was none.
async fn change(
    platform: &Platform,
    actor: &Actor,
    account: AccountId,
    write: impl AsyncFnOnce(&Tx<'_>, &Account) -> Result<Option<Fact>>,
) -> Result<Account> {
    actor.require(Permission::AdminUsers)?;
    let mut connection = platform.connection().await?;
    let tx = connection.begin().await?;
    let row = tx.find(store::LOCK, &[&account.0, &None::<Uuid>]).await?;
    // Under the lock, so that the trail tells of the changes in their order.
    let at = platform.now();
    let before = store::read(&row.ok_or(Error::NotFound(Resource::Account))?, at)?;
    if before.status == AccountStatus::Closed {
        return Err(Refusal::AccountClosed.into());
    }
    let Some(fact) = write(&tx, &before).await? else { return Ok(before) };
    let row = tx.get(store::FIND, &[&account.0, &None::<Uuid>]).await?;
    let after = store::read(&row, at)?;
    facts::record_in(&tx, platform.new_id(), By::actor(actor, at), fact).await?;
    tx.commit().await?;
    Ok(after)
}

/// The refusal to close what is frozen: whoever froze it lifts it first.
pub(super) fn unless_frozen(account: &Account) -> Result<()> {
    match &account.freeze {
        None => Ok(()),
        Some(Freeze { scope, reason, until }) => Err(Refusal::AccountFrozen {
            scope: *scope,
            reason: reason.clone(),
            until: until.map(moment),
        }
        .into()),
    }
}

fn unless_whole(currency: Currency, limit: Amount) -> Result<()> {
    currency.check(limit).map_err(|_| Refusal::FractionOfUnit { currency }.into())
}

/// The limits in a row.
pub(super) fn read_limits(row: &Row) -> Result<Limits> {
    let limit =
        |column| row.try_get::<_, Option<Numeric>>(column)?.map(Numeric::amount).transpose();
    let Numeric(overdraft): Numeric = row.try_get("overdraft_limit")?;
    Ok(Limits {
        overdraft,
        per_transaction: limit("transaction_limit")?,
        daily: limit("daily_limit")?,
    })
}

/// The freeze in a row, unless it has ended.
pub(super) fn read_freeze(row: &Row, now: Timestamp) -> Result<Option<Freeze>> {
    if row.try_get::<_, Option<&str>>("freeze_scope")?.is_none() {
        return Ok(None);
    }
    let freeze = Freeze {
        scope: word(row, "freeze_scope")?,
        reason: row.try_get("freeze_reason")?,
        until: maybe_time(row, "freeze_until")?,
    };
    Ok(Some(freeze).filter(|freeze| freeze.until.is_none_or(|until| now < until)))
}
