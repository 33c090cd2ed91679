//! Accounts: where a user holds money.
//!
//! Owns the table `accounts`. Balances are changed by [`crate::posting`] alone; here
//! an account is opened, suspended, restored, restrained and closed, always under the
//! row lock that money takes.

mod restraints;
mod store;

use crate::{
    Platform,
    actor::{Actor, Permission},
    db::{Connection, Param, Tx, Utc},
    error::{Error, Forbidden, Resource, Result},
    facts::{self, By, Fact},
    idempotency::{self, IdempotencyKey, Outcome},
    mandates,
    page::{Cursor, Listing, PageRequest},
    users,
};
use jiff::Timestamp;
use ledger::{
    AccountId, AccountNumber, AccountStatus, Currency, Limits, Money, NumberKey, Refusal, UserId,
    words,
};
pub use restraints::{Freeze, FreezeReason, freeze, set_limits, unfreeze};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
pub(crate) use store::ALL as STATEMENTS;
use uuid::Uuid;

/// An account as its owner sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of the documented table, by their names")]
pub struct Account {
    pub id: AccountId,
    pub user_id: UserId,
    pub number: AccountNumber,
    pub account_type: AccountType,
    pub currency: Currency,
    pub balance: Money,
    pub available_balance: Money,
    pub status: AccountStatus,
    /// Who suspended it, while it is suspended.
    #[serde(default)]
    pub suspended_by: Option<Suspender>,
    /// How much may go out of it.
    #[serde(default)]
    pub limits: Limits,
    /// What stops its money, unless that has ended.
    #[serde(default)]
    pub freeze: Option<Freeze>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

words! {
    /// The documented types of account.
    AccountType {
        /// For every day.
        Checking = "checking",
        /// To keep.
        Savings = "savings",
        /// To grow.
        Investment = "investment",
        /// Of a company.
        Business = "business",
    }
}

words! {
    /// On whose authority an account is suspended.
    Suspender {
        /// Its owner's, who restores it.
        Owner = "owner",
        /// An administrator's; only an administrator restores it.
        Admin = "admin",
    }
}

/// The documented view `account_summaries`.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns of the documented view, by their names")]
pub struct Summary {
    pub id: AccountId,
    pub user_id: UserId,
    pub number: AccountNumber,
    pub account_type: AccountType,
    pub balance: Money,
    pub available_balance: Money,
    pub transaction_count: i64,
    pub last_transaction_date: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
}

/// The secret that orders this database's account numbers.
pub(crate) async fn number_key(connection: &Connection) -> Result<NumberKey> {
    let row = connection.find(store::NUMBER_KEY, &[]).await?;
    let row = row.ok_or_else(|| Error::internal("wallstreet.numbering has no row"))?;
    Ok(NumberKey(row.try_get::<_, Uuid>("key")?.as_u128()))
}

/// Opens an account for the caller, empty.
///
/// # Errors
/// A key needs `write:accounts`.
pub async fn open(
    platform: &Platform,
    actor: &Actor,
    account_type: AccountType,
    currency: Option<Currency>,
    key: Option<IdempotencyKey>,
) -> Result<Outcome<Account>> {
    actor.require(Permission::WriteAccounts)?;
    let (at, currency) = (platform.now(), currency.unwrap_or(Currency::USD));
    let mut connection = platform.connection().await?;
    let tx = connection.begin().await?;
    if let Some(earlier) = idempotency::claim_in(&tx, actor, key.as_ref(), at).await? {
        return Ok(earlier);
    }
    users::lock_active_in(&tx, actor.user_id).await?;
    check_share_in(&tx, platform, actor).await?;
    let account = insert_in(&tx, platform, actor, account_type, currency, at).await?;
    let fact = Fact::AccountCreated {
        account: account.id,
        owner: account.user_id,
        number: account.number.to_string(),
        account_type: account_type.as_str(),
        currency,
    };
    facts::record_in(&tx, platform.new_id(), By::actor(actor, at), fact).await?;
    idempotency::finish_in(&tx, actor, key.as_ref(), &account).await?;
    tx.commit().await?;
    Ok(Outcome { value: account, at, replayed: false })
}

/// What stands pending is bounded for each account, so accounts are for each user.
async fn check_share_in(tx: &Tx<'_>, platform: &Platform, actor: &Actor) -> Result<()> {
    let most = platform.settings().shares.accounts;
    if most == 0 || actor.is_admin() {
        return Ok(());
    }
    let row = tx.get(store::COUNT_OPEN, &[&actor.user_id.0, &most]).await?;
    if row.try_get::<_, i64>(0)? < most {
        return Ok(());
    }
    let text = format!("you have {most} open accounts: close one first");
    Err(Error::invalid("accountType", "too_many", text))
}

async fn insert_in(
    tx: &Tx<'_>,
    platform: &Platform,
    actor: &Actor,
    account_type: AccountType,
    currency: Currency,
    at: Timestamp,
) -> Result<Account> {
    // A number can be taken by a row that came with another key, as in imported data.
    for _ in 0..100 {
        let place: i64 = tx.get(store::NEXT_NUMBER, &[]).await?.try_get(0)?;
        let number = u64::try_from(place).ok();
        let number = number.and_then(|place| AccountNumber::nth(place, platform.number_key()));
        let number = number.ok_or_else(|| Error::internal("account numbers are used up"))?;
        let params: [Param<'_>; 6] = [
            &platform.new_id(),
            &actor.user_id.0,
            &number.as_str(),
            &account_type.as_str(),
            &currency.code(),
            &Utc(at),
        ];
        if let Some(row) = tx.find(store::INSERT, &params).await? {
            return store::read(&row, at);
        }
    }
    Err(Error::internal("no free account number in 100 tries"))
}

/// One account.
///
/// # Errors
/// [`Resource::Account`] when it is not the caller's to see.
pub async fn get(platform: &Platform, actor: &Actor, account: AccountId) -> Result<Account> {
    actor.require(Permission::ReadAccounts)?;
    find(&platform.connection().await?, actor, account, platform.now()).await
}

/// One account, whosever it is.
///
/// # Errors
/// Only for an administrator. [`Resource::Account`] when there is none.
pub async fn get_any(platform: &Platform, actor: &Actor, account: AccountId) -> Result<Account> {
    actor.require(Permission::AdminUsers)?;
    find(&platform.connection().await?, actor, account, platform.now()).await
}

async fn find(
    connection: &Connection,
    actor: &Actor,
    account: AccountId,
    now: Timestamp,
) -> Result<Account> {
    let scope = actor.scope().map(|user| user.0);
    let row = connection.find(store::FIND, &[&account.0, &scope]).await?;
    store::read(&row.ok_or(Error::NotFound(Resource::Account))?, now)
}

/// Passes if the account is the caller's to see.
pub(crate) async fn require_visible(
    connection: &Connection,
    actor: &Actor,
    account: AccountId,
) -> Result<()> {
    let scope = actor.scope().map(|user| user.0);
    let row = connection.find(store::FIND, &[&account.0, &scope]).await?;
    row.map(|_| ()).ok_or(Error::NotFound(Resource::Account))
}

/// The ids behind account numbers, whoever owns them; an unknown one is left out.
pub(crate) async fn resolve(
    platform: &Platform,
    numbers: Vec<&str>,
) -> Result<HashMap<String, AccountId>> {
    if numbers.is_empty() {
        return Ok(HashMap::new());
    }
    let connection = platform.connection().await?;
    let rows = connection.query(store::FIND_NUMBERS, &[&numbers]).await?;
    rows.iter()
        .map(|row| Ok((row.try_get("account_number")?, AccountId(row.try_get("id")?))))
        .collect()
}

/// Which accounts are looked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccountFilter {
    /// Whose; only an administrator may leave it open.
    pub user: Option<UserId>,
    /// In this state.
    pub status: Option<AccountStatus>,
    /// Of this type.
    pub account_type: Option<AccountType>,
    /// In this currency.
    pub currency: Option<Currency>,
}

/// The caller's accounts, newest first.
///
/// # Errors
/// A key needs `read:accounts`.
pub async fn list(
    platform: &Platform,
    actor: &Actor,
    filter: AccountFilter,
    page: PageRequest,
) -> Result<Listing<Account>> {
    actor.require(Permission::ReadAccounts)?;
    let own = AccountFilter { user: Some(actor.user_id), ..filter };
    search(platform, own, page).await
}

/// Everybody's accounts, newest first.
///
/// # Errors
/// Only for an administrator.
pub async fn list_all(
    platform: &Platform,
    actor: &Actor,
    filter: AccountFilter,
    page: PageRequest,
) -> Result<Listing<Account>> {
    actor.require(Permission::AdminUsers)?;
    search(platform, filter, page).await
}

async fn search(
    platform: &Platform,
    filter: AccountFilter,
    page: PageRequest,
) -> Result<Listing<Account>> {
    let connection = platform.connection().await?;
    let user = filter.user.map(|user| user.0);
    let status = filter.status.map(AccountStatus::as_str);
    let account_type = filter.account_type.map(AccountType::as_str);
    let currency = filter.currency.map(Currency::code);
    let (at, id) = page.after();
    let params: [Param<'_>; 8] =
        [&user, &status, &account_type, &currency, &at, &id, &page.fetch(), &page.offset()];
    let rows = connection.query(store::LIST, &params).await?;
    let now = platform.now();
    let accounts = rows.iter().map(|row| store::read(row, now)).collect::<Result<Vec<_>>>()?;
    let total = match page.counts() {
        true => connection.find(store::COUNT, &[&user, &status, &account_type, &currency]).await?,
        false => None,
    };
    let total = total.map(|row| row.try_get(0)).transpose()?;
    Ok(Listing::cut(accounts, total, page, |account| Cursor::new(account.created_at, account.id.0)))
}

/// The caller's accounts in the shape of the documented view.
///
/// # Errors
/// A key needs `read:accounts`.
pub async fn summaries(
    platform: &Platform,
    actor: &Actor,
    page: PageRequest,
) -> Result<Listing<Summary>> {
    actor.require(Permission::ReadAccounts)?;
    let connection = platform.connection().await?;
    let user = actor.user_id.0;
    let (at, id) = page.after();
    let params: [Param<'_>; 5] = [&user, &at, &id, &page.fetch(), &page.offset()];
    let rows = connection.query(store::SUMMARIES, &params).await?;
    let summaries = rows.iter().map(store::read_summary).collect::<Result<Vec<_>>>()?;
    let nothing: Option<&str> = None;
    let total = match page.counts() {
        true => connection.find(store::COUNT, &[&user, &nothing, &nothing, &nothing]).await?,
        false => None,
    };
    let total = total.map(|row| row.try_get(0)).transpose()?;
    Ok(Listing::cut(summaries, total, page, |summary| {
        Cursor::new(summary.created_at, summary.id.0)
    }))
}

/// Suspends, restores or closes an account. An administrator's suspension takes the
/// place of its owner's.
///
/// # Errors
/// A closed account stays closed; closing has the rules of [`close`]; what an
/// administrator suspended, its owner neither restores nor closes.
pub async fn set_status(
    platform: &Platform,
    actor: &Actor,
    account: AccountId,
    status: AccountStatus,
) -> Result<Account> {
    actor.require(Permission::WriteAccounts)?;
    let mut connection = platform.connection().await?;
    let tx = connection.begin().await?;
    let scope = actor.scope().map(|user| user.0);
    let row = tx.find(store::LOCK, &[&account.0, &scope]).await?;
    // Under the lock, so that the trail tells of the changes in their order.
    let at = platform.now();
    let before = store::read(&row.ok_or(Error::NotFound(Resource::Account))?, at)?;
    let owner = before.user_id;
    let suspender = if owner == actor.user_id { Suspender::Owner } else { Suspender::Admin };
    let raised = status == AccountStatus::Suspended && before.suspended_by < Some(suspender);
    if before.status == status && !raised {
        return Ok(before);
    }
    if before.status == AccountStatus::Closed {
        return Err(Refusal::AccountClosed.into());
    }
    if before.suspended_by == Some(Suspender::Admin) && actor.scope().is_some() {
        return Err(Error::Forbidden(Forbidden::Suspended));
    }
    let by = By::actor(actor, at);
    let fact = if status == AccountStatus::Closed {
        require_at_rest_in(&tx, &before).await?;
        mandates::close_account_in(&tx, platform, &by, account, owner).await?;
        Fact::AccountClosed { account, owner }
    } else {
        let account_type = before.account_type.as_str();
        let by = suspender.as_str();
        Fact::AccountUpdated { account, owner, status: status.as_str(), account_type, by }
    };
    let suspended_by = (status == AccountStatus::Suspended).then_some(suspender.as_str());
    let row = tx.get(store::SET_STATUS, &[&account.0, &status.as_str(), &suspended_by]).await?;
    let after = store::read(&row, at)?;
    facts::record_in(&tx, platform.new_id(), by, fact).await?;
    tx.commit().await?;
    Ok(after)
}

/// Closes an account for good.
///
/// # Errors
/// Its balance must be zero, and it must be neither frozen nor waited for, nor
/// suspended by an administrator unless one closes it. Ends the schedules out of it.
pub async fn close(platform: &Platform, actor: &Actor, account: AccountId) -> Result<Account> {
    set_status(platform, actor, account, AccountStatus::Closed).await
}

async fn require_at_rest_in(tx: &Tx<'_>, account: &Account) -> Result<()> {
    if account.balance != Money::ZERO {
        let Account { balance, currency, .. } = *account;
        return Err(Refusal::AccountNotEmpty { balance, currency }.into());
    }
    if tx.get(store::HAS_PENDING, &[&account.id.0]).await?.try_get(0)? {
        return Err(Refusal::AccountHasPending.into());
    }
    restraints::unless_frozen(account)
}
