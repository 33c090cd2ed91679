//! Coming in and going out.

use crate::{
    caller::{Anyone, Caller},
    extract::Json,
    fields::{Email, Password, PersonName, Phone, Role, Time, Typed},
    reply::{Answer, Reply},
};
use axum::extract::State;
use platform::{Platform, login as entrance, sessions, users};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Who wants to become a user.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "email": "ada@example.com", "password": "Correct-Horse-7",
    "firstName": "Ada", "lastName": "Lovelace",
}))]
pub(crate) struct Register {
    email: Email,
    password: Password,
    first_name: PersonName,
    last_name: PersonName,
    phone: Option<Phone>,
}

impl From<Register> for entrance::Registration {
    fn from(new: Register) -> Self {
        Self {
            email: new.email.0,
            password: new.password.0,
            first_name: new.first_name.0,
            last_name: new.last_name.0,
            phone: new.phone.map(|phone| phone.0),
        }
    }
}

/// Who wants to come in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "ada@example.com", "password": "Correct-Horse-7"}))]
pub(crate) struct LogIn {
    email: Typed,
    password: Typed,
}

/// Who wants to stay.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Refresh {
    refresh_token: Typed,
}

/// Another password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "currentPassword": "Correct-Horse-7", "newPassword": "Better-Horse-8",
}))]
pub(crate) struct ChangePassword {
    current_password: Typed,
    new_password: Password,
    /// Revoke all your API keys as well; what they ordered for later is paused. Absent:
    /// they go on working.
    revoke_api_keys: Option<bool>,
    /// Pause what your other sessions ordered for later as well: schedules, and
    /// transactions with `completeAt`. Absent: it stands, for a session acts for you.
    pause_orders: Option<bool>,
}

/// What went with the old password.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PasswordChanged {
    /// How many API keys were revoked.
    revoked_api_keys: usize,
    /// How many orders for later of other sessions were paused.
    paused_orders: usize,
}

/// Who came in, and with what they come again.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Login {
    user: LoggedIn,
    /// For `Authorization: Bearer`.
    token: String,
    /// For one refresh.
    refresh_token: String,
}

/// Who came in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoggedIn {
    id: Uuid,
    #[schema(format = Email, max_length = 255)]
    email: String,
    first_name: String,
    last_name: String,
    role: Role,
    created_at: Time,
}

impl From<entrance::Login> for Login {
    fn from(login: entrance::Login) -> Self {
        let users::User { id, email, first_name, last_name, role, created_at, .. } = login.user;
        let (role, created_at) = (Role(role), Time(created_at));
        let user = LoggedIn { id: id.0, email, first_name, last_name, role, created_at };
        Self { user, token: login.token, refresh_token: login.refresh_token }
    }
}

/// Become a user
#[utoipa::path(
    post, path = "/auth/register", tag = "Auth", security(()), request_body = Register,
    responses(
        (status = 201, description = "Registered and logged in", body = Login),
        (status = 409, description = "`email_taken`"),
    ),
)]
pub(crate) async fn register(
    State(platform): State<Platform>,
    Anyone(origin): Anyone,
    Json(new): Json<Register>,
) -> Answer<Login> {
    let login = entrance::register(&platform, &origin, new.into()).await?;
    let reply = Reply::ok("User registered successfully", login.into());
    Ok(reply.created(|_| "/api/v1/users/profile".to_owned()))
}

/// Log in
#[utoipa::path(
    post, path = "/auth/login", tag = "Auth", security(()), request_body = LogIn,
    responses(
        (status = 200, description = "Logged in", body = Login),
        (
            status = 401,
            description = "`invalid_credentials`, alike for an unknown address and a wrong \
                password; `user_inactive`",
        ),
    ),
)]
pub(crate) async fn login(
    State(platform): State<Platform>,
    Anyone(origin): Anyone,
    Json(LogIn { email, password }): Json<LogIn>,
) -> Answer<Login> {
    let login = entrance::login(&platform, &origin, &email.0, &password.0).await?;
    Ok(Reply::ok("Login successful", login.into()))
}

/// Renew a login
///
/// The old refresh token dies; using it again ends the session.
#[utoipa::path(
    post, path = "/auth/refresh", tag = "Auth", security(()), request_body = Refresh,
    responses(
        (status = 200, description = "A new pair of tokens", body = Login),
        (
            status = 401,
            description = "`invalid_token`, `token_expired`, `session_ended`, `user_inactive`",
        ),
    ),
)]
pub(crate) async fn refresh(
    State(platform): State<Platform>,
    Anyone(origin): Anyone,
    Json(Refresh { refresh_token }): Json<Refresh>,
) -> Answer<Login> {
    let login = entrance::refresh(&platform, &origin, &refresh_token.0).await?;
    Ok(Reply::ok("Token refreshed successfully", login.into()))
}

/// Change your password
///
/// Ends all your other sessions, and with `revokeApiKeys` all your API keys. What was
/// ordered for later by these keys is paused; what other sessions ordered is with
/// `pauseOrders`.
#[utoipa::path(
    post, path = "/auth/change-password", tag = "Auth", security(("bearer" = [])),
    request_body = ChangePassword,
    responses((status = 200, description = "Changed", body = PasswordChanged)),
)]
pub(crate) async fn change_password(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Json(change): Json<ChangePassword>,
) -> Answer<PasswordChanged> {
    let along = users::Along {
        keys: change.revoke_api_keys.unwrap_or(false),
        orders: change.pause_orders.unwrap_or(false),
    };
    let (current, new) = (change.current_password.0, change.new_password.0);
    let gone = users::change_password(&platform, &actor, &current, new, along).await?;
    let told = PasswordChanged { revoked_api_keys: gone.keys, paused_orders: gone.orders };
    Ok(Reply::ok("Password changed successfully", told))
}

/// Log out
///
/// Ends this session on the server: its tokens stop at once.
#[utoipa::path(
    post, path = "/auth/logout", tag = "Auth", security(("bearer" = [])),
    responses((status = 200, description = "Logged out", body = ())),
)]
pub(crate) async fn logout(State(platform): State<Platform>, Caller(actor): Caller) -> Answer {
    sessions::logout(&platform, &actor).await?;
    Ok(Reply::ok("Logged out successfully", ()))
}
