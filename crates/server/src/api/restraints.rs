//! Restraints: what an administrator says of an account's limits, and freezes.

use super::accounts::Account;
use crate::{
    caller::Caller,
    extract::{Json, PathId},
    fields::{Amount, FreezeReason, FreezeScope, Id, Overdraft, Time},
    reply::{Answer, Reply},
};
use axum::extract::State;
use ledger::AccountId;
use platform::{Platform, accounts};
use serde::Deserialize;
use utoipa::ToSchema;

/// How much may go out of an account. What is absent or `null` is not limited.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"overdraft": 500.00, "perTransaction": 1000.00, "daily": null}))]
pub(crate) struct SetLimits {
    overdraft: Overdraft,
    /// The most of one outgoing order.
    per_transaction: Option<Amount>,
    /// The most of all outgoing orders of one day (UTC).
    daily: Option<Amount>,
}

/// What is to stop.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"scope": "debits", "reason": "Card reported stolen"}))]
pub(crate) struct FreezeAccount {
    scope: FreezeScope,
    reason: FreezeReason,
    /// When it ends by itself; absent: when it is lifted.
    until: Option<Time>,
}

/// One account of anybody
#[utoipa::path(
    get, path = "/admin/accounts/{id}", operation_id = "admin_get_account", tag = "Admin",
    params(("id" = Id, Path)),
    responses((status = 200, description = "The account", body = Account)),
)]
pub(crate) async fn account(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<AccountId>,
) -> Answer<Account> {
    let account = accounts::get_any(&platform, &actor, id).await?;
    Ok(Reply::ok("Account retrieved successfully", account.into()))
}

/// Set an account's limits
///
/// All of them at once. They bind the next order; what is held already stays held.
#[utoipa::path(
    put, path = "/admin/accounts/{id}/limits", operation_id = "admin_set_limits", tag = "Admin",
    params(("id" = Id, Path)), request_body = SetLimits,
    responses(
        (status = 200, description = "The account, changed", body = Account),
        (
            status = 422,
            description = "`overdraft_in_use`, `fraction_of_unit`, `account_closed`",
        ),
    ),
)]
pub(crate) async fn set_limits(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<AccountId>,
    Json(limits): Json<SetLimits>,
) -> Answer<Account> {
    let limits = ledger::Limits {
        overdraft: limits.overdraft.0,
        per_transaction: limits.per_transaction.map(|amount| amount.0),
        daily: limits.daily.map(|amount| amount.0),
    };
    let account = accounts::set_limits(&platform, &actor, id, limits).await?;
    Ok(Reply::ok("Limits updated successfully", account.into()))
}

/// Freeze an account
///
/// For money that goes out, that comes in, or both. What is pending stays pending,
/// and can be cancelled. An earlier freeze is replaced.
#[utoipa::path(
    post, path = "/admin/accounts/{id}/freeze", operation_id = "admin_freeze_account",
    tag = "Admin", params(("id" = Id, Path)), request_body = FreezeAccount,
    responses(
        (status = 200, description = "The account, frozen", body = Account),
        (status = 422, description = "`account_closed`"),
    ),
)]
pub(crate) async fn freeze(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<AccountId>,
    Json(FreezeAccount { scope, reason, until }): Json<FreezeAccount>,
) -> Answer<Account> {
    let freeze = (scope.0, reason.0, until.map(|time| time.0));
    let account = accounts::freeze(&platform, &actor, id, freeze).await?;
    Ok(Reply::ok("Account frozen successfully", account.into()))
}

/// Lift a freeze
///
/// An account that is not frozen stays as it is.
#[utoipa::path(
    delete, path = "/admin/accounts/{id}/freeze", operation_id = "admin_unfreeze_account",
    tag = "Admin", params(("id" = Id, Path)),
    responses(
        (status = 200, description = "The account, free", body = Account),
        (status = 422, description = "`account_closed`"),
    ),
)]
pub(crate) async fn unfreeze(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<AccountId>,
) -> Answer<Account> {
    let account = accounts::unfreeze(&platform, &actor, id).await?;
    Ok(Reply::ok("Freeze lifted successfully", account.into()))
}
