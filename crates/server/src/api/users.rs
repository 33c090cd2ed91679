//! The caller's own profile. `/users/profile` and `/auth/profile` are the same.

use crate::{
    caller::Caller,
    extract::Json,
    fields::{PersonName, Phone, Role, Time, UserStatus, nullable, unless_null},
    reply::{Answer, Reply},
};
use axum::extract::State;
use platform::{Platform, users};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A user.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    id: Uuid,
    #[schema(format = Email, max_length = 255)]
    email: String,
    first_name: String,
    last_name: String,
    #[schema(required)]
    phone: Option<String>,
    role: Role,
    status: UserStatus,
    email_verified: bool,
    created_at: Time,
    #[schema(required)]
    last_login: Option<Time>,
}

impl From<users::User> for User {
    fn from(user: users::User) -> Self {
        Self {
            id: user.id.0,
            email: user.email,
            first_name: user.first_name,
            last_name: user.last_name,
            phone: user.phone,
            role: Role(user.role),
            status: UserStatus(user.status),
            email_verified: user.email_verified,
            created_at: Time(user.created_at),
            last_login: user.last_login.map(Time),
        }
    }
}

/// What to change; what is absent stays. A phone of `null` is removed.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"firstName": "Ada", "phone": "+14155550123"}))]
pub(crate) struct ChangeProfile {
    #[serde(default, deserialize_with = "unless_null")]
    #[schema(nullable = false)]
    first_name: Option<PersonName>,
    #[serde(default, deserialize_with = "unless_null")]
    #[schema(nullable = false)]
    last_name: Option<PersonName>,
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Phone>)]
    phone: Option<Option<Phone>>,
}

impl From<ChangeProfile> for users::ProfileChange {
    fn from(change: ChangeProfile) -> Self {
        Self {
            first_name: change.first_name.map(|name| name.0),
            last_name: change.last_name.map(|name| name.0),
            phone: change.phone.map(|phone| phone.map(|phone| phone.0)),
        }
    }
}

/// Your profile
#[utoipa::path(
    get, path = "/users/profile", operation_id = "get_profile", tag = "Users",
    responses((status = 200, description = "You", body = User)),
)]
pub(crate) async fn profile(
    State(platform): State<Platform>,
    Caller(actor): Caller,
) -> Answer<User> {
    let user = users::profile(&platform, &actor).await?;
    Ok(Reply::ok("Profile retrieved successfully", user.into()))
}

/// Change your profile
#[utoipa::path(
    put, path = "/users/profile", operation_id = "update_profile", tag = "Users",
    security(("bearer" = [])), request_body = ChangeProfile,
    responses((status = 200, description = "You, changed", body = User)),
)]
pub(crate) async fn update_profile(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Json(change): Json<ChangeProfile>,
) -> Answer<User> {
    let user = users::update_profile(&platform, &actor, change.into()).await?;
    Ok(Reply::ok("Profile updated successfully", user.into()))
}

/// Close yourself
///
/// Every account must be empty and have nothing pending. Logins and keys end at
/// once; the history stays.
#[utoipa::path(
    delete, path = "/users/profile", operation_id = "close_profile", tag = "Users",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "Closed", body = ()),
        (status = 409, description = "`last_admin`"),
        (status = 422, description = "`user_has_money`"),
    ),
)]
pub(crate) async fn close(State(platform): State<Platform>, Caller(actor): Caller) -> Answer {
    users::close(&platform, &actor).await?;
    Ok(Reply::ok("User closed successfully", ()))
}

/// Your profile
#[utoipa::path(
    get, path = "/auth/profile", operation_id = "get_auth_profile", tag = "Auth",
    responses((status = 200, description = "You", body = User)),
)]
pub(crate) async fn auth_profile(platform: State<Platform>, caller: Caller) -> Answer<User> {
    profile(platform, caller).await
}

/// Change your profile
#[utoipa::path(
    put, path = "/auth/profile", operation_id = "update_auth_profile", tag = "Auth",
    security(("bearer" = [])), request_body = ChangeProfile,
    responses((status = 200, description = "You, changed", body = User)),
)]
pub(crate) async fn update_auth_profile(
    platform: State<Platform>,
    caller: Caller,
    change: Json<ChangeProfile>,
) -> Answer<User> {
    update_profile(platform, caller, change).await
}
