//! Accounts and their summaries.

use crate::{
    caller::Caller,
    extract::{Json, Keyed, PathId},
    fields::{
        AccountNumber, AccountStatus, AccountType, Currency, FreezeScope, Id, Money, Suspender,
        Time,
    },
    openapi::IdempotencyHeader,
    paging::{Paging, page_of},
    query::{List, Unfiltered},
    reply::{Answer, Reply},
};
use axum::extract::State;
use ledger::AccountId;
use platform::{Platform, accounts};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// An account to be opened.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"accountType": "checking", "currency": "USD"}))]
pub(crate) struct OpenAccount {
    account_type: AccountType,
    /// Absent: USD.
    currency: Option<Currency>,
}

/// What an account is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"status": "suspended"}))]
pub(crate) struct ChangeAccount {
    status: AccountStatus,
}

/// Which accounts.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AccountQuery {
    /// Only in this state.
    pub(super) status: Option<AccountStatus>,
    /// Only of this type.
    pub(super) r#type: Option<AccountType>,
    /// Only in this currency.
    pub(super) currency: Option<Currency>,
}

impl From<AccountQuery> for accounts::AccountFilter {
    fn from(query: AccountQuery) -> Self {
        Self {
            user: None,
            status: query.status.map(|status| status.0),
            account_type: query.r#type.map(|kind| kind.0),
            currency: query.currency.map(|currency| currency.0),
        }
    }
}

/// An account.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Account {
    id: Uuid,
    user_id: Uuid,
    account_number: AccountNumber,
    account_type: AccountType,
    currency: Currency,
    /// The sum of its entries.
    balance: Money,
    /// The balance less what pending transactions hold.
    available_balance: Money,
    status: AccountStatus,
    /// Who suspended it; `null` unless it is suspended. Only an administrator restores
    /// or closes what one suspended.
    #[schema(required)]
    suspended_by: Option<Suspender>,
    limits: Limits,
    /// What stops its money; `null` once it has ended.
    #[schema(required)]
    freeze: Option<Freeze>,
    created_at: Time,
    updated_at: Time,
}

/// How much may go out of an account; `null` is not limited.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Limits {
    /// How far below zero the available balance may go.
    overdraft: Money,
    /// The most of one outgoing order.
    #[schema(required)]
    per_transaction: Option<Money>,
    /// The most of all outgoing orders of one day (UTC).
    #[schema(required)]
    daily: Option<Money>,
}

impl From<ledger::Limits> for Limits {
    fn from(limits: ledger::Limits) -> Self {
        Self {
            overdraft: limits.overdraft.into(),
            per_transaction: limits.per_transaction.map(Money::from),
            daily: limits.daily.map(Money::from),
        }
    }
}

/// An order from above that an account's money stay where it is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Freeze {
    scope: FreezeScope,
    /// Why.
    reason: String,
    /// When it ends by itself; `null`: when an administrator lifts it.
    #[schema(required)]
    until: Option<Time>,
}

impl From<accounts::Freeze> for Freeze {
    fn from(freeze: accounts::Freeze) -> Self {
        let (scope, until) = (FreezeScope(freeze.scope), freeze.until.map(Time));
        Self { scope, reason: freeze.reason, until }
    }
}

impl From<accounts::Account> for Account {
    fn from(account: accounts::Account) -> Self {
        Self {
            id: account.id.0,
            user_id: account.user_id.0,
            account_number: AccountNumber(account.number),
            account_type: AccountType(account.account_type),
            currency: Currency(account.currency),
            balance: account.balance.into(),
            available_balance: account.available_balance.into(),
            status: AccountStatus(account.status),
            suspended_by: account.suspended_by.map(Suspender),
            limits: account.limits.into(),
            freeze: account.freeze.map(Freeze::from),
            created_at: Time(account.created_at),
            updated_at: Time(account.updated_at),
        }
    }
}

/// An account at a glance: the documented view `account_summaries`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    id: Uuid,
    user_id: Uuid,
    account_number: AccountNumber,
    account_type: AccountType,
    balance: Money,
    available_balance: Money,
    #[schema(minimum = 0)]
    transaction_count: i64,
    #[schema(required)]
    last_transaction_date: Option<Time>,
}

impl From<accounts::Summary> for Summary {
    fn from(summary: accounts::Summary) -> Self {
        Self {
            id: summary.id.0,
            user_id: summary.user_id.0,
            account_number: AccountNumber(summary.number),
            account_type: AccountType(summary.account_type),
            balance: summary.balance.into(),
            available_balance: summary.available_balance.into(),
            transaction_count: summary.transaction_count,
            last_transaction_date: summary.last_transaction_date.map(Time),
        }
    }
}

page_of! {
    /// A page of accounts.
    Accounts { accounts: Account }
}
page_of! {
    /// A page of summaries.
    Summaries { summaries: Summary }
}

/// Open an account
#[utoipa::path(
    post, path = "/accounts", operation_id = "open_account", tag = "Accounts",
    params(IdempotencyHeader), request_body = OpenAccount,
    responses((status = 201, description = "The account, empty", body = Account)),
)]
pub(crate) async fn open(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Keyed(key, new): Keyed<OpenAccount>,
) -> Answer<Account> {
    let currency = new.currency.map(|currency| currency.0);
    let outcome = accounts::open(&platform, &actor, new.account_type.0, currency, key).await?;
    let reply = Reply::outcome("Account created successfully", outcome);
    Ok(reply.created(|account: &Account| format!("/api/v1/accounts/{}", account.id)))
}

/// Your accounts
#[utoipa::path(
    get, path = "/accounts", operation_id = "list_accounts", tag = "Accounts",
    params(AccountQuery, Paging),
    responses((status = 200, description = "Newest first", body = Accounts)),
)]
pub(crate) async fn list(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    List(filter, page): List<AccountQuery>,
) -> Answer<Accounts> {
    let accounts = accounts::list(&platform, &actor, filter.into(), page).await?;
    Ok(Reply::ok("Accounts retrieved successfully", accounts.into()))
}

/// One account
#[utoipa::path(
    get, path = "/accounts/{id}", operation_id = "get_account", tag = "Accounts",
    params(("id" = Id, Path)),
    responses((status = 200, description = "The account", body = Account)),
)]
pub(crate) async fn get(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<AccountId>,
) -> Answer<Account> {
    let account = accounts::get(&platform, &actor, id).await?;
    Ok(Reply::ok("Account retrieved successfully", account.into()))
}

/// Suspend, restore or close an account
///
/// What an administrator suspended, only an administrator restores or closes; theirs
/// takes the place of the owner's suspension.
#[utoipa::path(
    put, path = "/accounts/{id}", operation_id = "update_account", tag = "Accounts",
    params(("id" = Id, Path)), request_body = ChangeAccount,
    responses(
        (status = 200, description = "The account, changed", body = Account),
        (status = 403, description = "`permission_required`, `suspended_by_administrator`"),
        (
            status = 422,
            description = "`account_closed`, `account_not_empty`, `account_has_pending`, \
                `account_frozen`",
        ),
    ),
)]
pub(crate) async fn set_status(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<AccountId>,
    Json(change): Json<ChangeAccount>,
) -> Answer<Account> {
    let account = accounts::set_status(&platform, &actor, id, change.status.0).await?;
    Ok(Reply::ok("Account updated successfully", account.into()))
}

/// Close an account
///
/// For good. Its balance must be zero and nothing pending. Ends the schedules out of it
/// and pauses those into it: its owner's at once, another's when its next run is refused.
#[utoipa::path(
    delete, path = "/accounts/{id}", operation_id = "close_account", tag = "Accounts",
    params(("id" = Id, Path)),
    responses(
        (status = 200, description = "The account, closed", body = Account),
        (status = 403, description = "`permission_required`, `suspended_by_administrator`"),
        (status = 422, description = "`account_not_empty`, `account_has_pending`"),
    ),
)]
pub(crate) async fn close(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<AccountId>,
) -> Answer<Account> {
    let account = accounts::close(&platform, &actor, id).await?;
    Ok(Reply::ok("Account closed successfully", account.into()))
}

/// Your accounts at a glance
#[utoipa::path(
    get, path = "/accounts/summary", operation_id = "list_summaries", tag = "Accounts",
    params(Paging),
    responses((status = 200, description = "Newest first", body = Summaries)),
)]
pub(crate) async fn summaries(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    List(Unfiltered {}, page): List<Unfiltered>,
) -> Answer<Summaries> {
    let summaries = accounts::summaries(&platform, &actor, page).await?;
    Ok(Reply::ok("Summaries retrieved successfully", summaries.into()))
}
