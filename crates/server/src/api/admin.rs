//! What only an administrator sees.

use super::{
    accounts::{AccountQuery, Accounts},
    users::User,
};
use crate::{
    caller::Caller,
    extract::{Json, PathId},
    fields::{
        AccountStatus, AccountType, Begin, Currency, End, Id, Role, Search, Term, Time, UserStatus,
        unless_null,
    },
    paging::{Paging, page_of},
    query::List,
    reply::{Answer, Reply},
};
use axum::extract::State;
use ledger::UserId;
use platform::{
    Platform,
    accounts::{self, AccountFilter},
    audit_logs::{self, AuditFilter},
    users::{self, UserChange, UserFilter},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Which users.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UserQuery {
    /// Only with this role.
    role: Option<Role>,
    /// Only in this state.
    status: Option<UserStatus>,
    /// With this in address or name, in any case.
    q: Option<Search>,
}

/// What to change about a user; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"status": "suspended"}))]
pub(crate) struct ChangeUser {
    #[serde(default, deserialize_with = "unless_null")]
    #[schema(nullable = false)]
    role: Option<Role>,
    #[serde(default, deserialize_with = "unless_null")]
    #[schema(nullable = false)]
    status: Option<UserStatus>,
}

/// Which accounts, of anybody.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AnyAccountQuery {
    /// Only of this user.
    user: Option<Id>,
    /// Only in this state.
    status: Option<AccountStatus>,
    /// Only of this type.
    r#type: Option<AccountType>,
    /// Only in this currency.
    currency: Option<Currency>,
}

/// Which rows of the audit trail.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Only of this user.
    user: Option<Id>,
    /// Only this action, such as `LOGIN_FAILED`.
    action: Option<Term>,
    /// Only about this kind of thing, such as `account`.
    resource: Option<Term>,
    /// Only about this thing.
    resource_id: Option<Id>,
    /// Written at this moment or later; of a day (UTC), from its beginning.
    from: Option<Begin>,
    /// Written before this moment; of a day (UTC), including it.
    to: Option<End>,
}

impl From<AuditQuery> for AuditFilter {
    fn from(query: AuditQuery) -> Self {
        Self {
            user: query.user.map(Into::into),
            action: query.action.map(|action| action.0),
            resource_type: query.resource.map(|resource| resource.0),
            resource_id: query.resource_id.map(|id| id.0),
            from: query.from.map(|time| time.0),
            to: query.to.map(|time| time.0),
        }
    }
}

/// One row of the audit trail.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditLog {
    id: Uuid,
    /// Who did it; nobody: the system, or somebody unknown.
    #[schema(required)]
    user_id: Option<Uuid>,
    #[schema(example = "ACCOUNT_CREATED")]
    action: String,
    #[schema(example = "account")]
    resource_type: String,
    #[schema(required)]
    resource_id: Option<Uuid>,
    #[schema(required)]
    ip_address: Option<String>,
    #[schema(required)]
    user_agent: Option<String>,
    #[schema(value_type = Object)]
    details: serde_json::Value,
    created_at: Time,
}

impl From<audit_logs::AuditLog> for AuditLog {
    fn from(log: audit_logs::AuditLog) -> Self {
        Self {
            id: log.id,
            user_id: log.user_id.map(|id| id.0),
            action: log.action,
            resource_type: log.resource_type,
            resource_id: log.resource_id,
            ip_address: log.ip_address,
            user_agent: log.user_agent,
            details: log.details,
            created_at: Time(log.created_at),
        }
    }
}

page_of! {
    /// A page of users.
    Users { users: User }
}
page_of! {
    /// A page of the audit trail.
    AuditLogs { audit_logs: AuditLog }
}

/// All users
#[utoipa::path(
    get, path = "/admin/users", operation_id = "admin_list_users", tag = "Admin",
    params(UserQuery, Paging),
    responses((status = 200, description = "Newest first", body = Users)),
)]
pub(crate) async fn users(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    List(UserQuery { role, status, q }, page): List<UserQuery>,
) -> Answer<Users> {
    let (role, status) = (role.map(|role| role.0), status.map(|status| status.0));
    let filter = UserFilter { role, status, q: q.map(|words| words.0) };
    let users = users::list(&platform, &actor, filter, page).await?;
    Ok(Reply::ok("Users retrieved successfully", users.into()))
}

/// One user
#[utoipa::path(
    get, path = "/admin/users/{id}", operation_id = "admin_get_user", tag = "Admin",
    params(("id" = Id, Path)),
    responses((status = 200, description = "The user", body = User)),
)]
pub(crate) async fn user(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<UserId>,
) -> Answer<User> {
    let user = users::get(&platform, &actor, id).await?;
    Ok(Reply::ok("User retrieved successfully", user.into()))
}

/// Change a user's role or state
///
/// Whoever is suspended or closed is out at once: sessions end, API keys stop, schedules
/// are paused. A demotion pauses the schedules that relied on the role.
#[utoipa::path(
    patch, path = "/admin/users/{id}", operation_id = "admin_update_user", tag = "Admin",
    params(("id" = Id, Path)), request_body = ChangeUser,
    responses(
        (status = 200, description = "The user, changed", body = User),
        (status = 409, description = "`last_admin`"),
        (status = 422, description = "`user_has_money`"),
    ),
)]
pub(crate) async fn change_user(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<UserId>,
    Json(ChangeUser { role, status }): Json<ChangeUser>,
) -> Answer<User> {
    let (role, status) = (role.map(|role| role.0), status.map(|status| status.0));
    let user = users::change(&platform, &actor, id, UserChange { role, status }).await?;
    Ok(Reply::ok("User updated successfully", user.into()))
}

/// All accounts
#[utoipa::path(
    get, path = "/admin/accounts", operation_id = "admin_list_accounts", tag = "Admin",
    params(AnyAccountQuery, Paging),
    responses((status = 200, description = "Newest first", body = Accounts)),
)]
pub(crate) async fn accounts(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    List(query, page): List<AnyAccountQuery>,
) -> Answer<Accounts> {
    let AnyAccountQuery { user, status, r#type, currency } = query;
    let filter = AccountFilter {
        user: user.map(Into::into),
        ..AccountQuery { status, r#type, currency }.into()
    };
    let accounts = accounts::list_all(&platform, &actor, filter, page).await?;
    Ok(Reply::ok("Accounts retrieved successfully", accounts.into()))
}

/// The audit trail
#[utoipa::path(
    get, path = "/admin/audit-logs", operation_id = "admin_list_audit_logs", tag = "Admin",
    params(AuditQuery, Paging),
    responses((status = 200, description = "Newest first", body = AuditLogs)),
)]
pub(crate) async fn audit_logs(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    List(filter, page): List<AuditQuery>,
) -> Answer<AuditLogs> {
    let logs = audit_logs::list(&platform, &actor, filter.into(), page).await?;
    Ok(Reply::ok("Audit logs retrieved successfully", logs.into()))
}
