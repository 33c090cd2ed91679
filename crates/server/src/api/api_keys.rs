//! API keys. Only a logged-in person manages them.

use crate::{
    caller::Caller,
    extract::{Json, Keyed, PathId},
    fields::{GivenPermissions, Id, KeyName, KeyRate, Permissions, Time, nullable, unless_null},
    openapi::IdempotencyHeader,
    paging::{self, page_of},
    query::{List, Unfiltered},
    reply::{Answer, Reply},
};
use axum::extract::State;
use platform::{Platform, api_keys};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The documented limit of a key.
const USUAL_RATE: i32 = 100;

/// A key to be issued.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "name": "Nightly export", "permissions": ["read:accounts", "read:transactions"],
    "rateLimit": 100,
}))]
pub(crate) struct CreateApiKey {
    name: KeyName,
    permissions: GivenPermissions,
    rate_limit: Option<KeyRate>,
    /// In the future; absent: it does not expire.
    expires_at: Option<Time>,
}

impl From<CreateApiKey> for api_keys::NewApiKey {
    fn from(new: CreateApiKey) -> Self {
        Self {
            name: new.name.0,
            permissions: new.permissions.0,
            rate_limit: new.rate_limit.map_or(USUAL_RATE, |rate| rate.0),
            expires_at: new.expires_at.map(|time| time.0),
        }
    }
}

/// What to change; what is absent stays. An expiry of `null` is removed.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"name": "Hourly export", "isActive": true}))]
pub(crate) struct ChangeApiKey {
    #[serde(default, deserialize_with = "unless_null")]
    #[schema(nullable = false)]
    name: Option<KeyName>,
    #[serde(default, deserialize_with = "unless_null")]
    #[schema(nullable = false)]
    permissions: Option<GivenPermissions>,
    #[serde(default, deserialize_with = "unless_null")]
    #[schema(nullable = false)]
    rate_limit: Option<KeyRate>,
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Time>)]
    expires_at: Option<Option<Time>>,
    #[serde(default, deserialize_with = "unless_null")]
    #[schema(nullable = false)]
    is_active: Option<bool>,
}

impl From<ChangeApiKey> for api_keys::KeyChange {
    fn from(change: ChangeApiKey) -> Self {
        Self {
            name: change.name.map(|name| name.0),
            permissions: change.permissions.map(|permissions| permissions.0),
            rate_limit: change.rate_limit.map(|rate| rate.0),
            expires_at: change.expires_at.map(|time| time.map(|time| time.0)),
            is_active: change.is_active,
        }
    }
}

/// A key, without its secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiKey {
    id: Uuid,
    name: String,
    /// Beginning and end of the key, to tell keys apart.
    #[schema(required, example = "wsk_dev_AbCd…wXyZ")]
    hint: Option<String>,
    permissions: Permissions,
    rate_limit: i32,
    is_active: bool,
    #[schema(required)]
    last_used: Option<Time>,
    #[schema(required)]
    expires_at: Option<Time>,
    created_at: Time,
    updated_at: Time,
}

impl From<api_keys::ApiKey> for ApiKey {
    fn from(key: api_keys::ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            hint: key.hint,
            permissions: Permissions(key.permissions),
            rate_limit: key.rate_limit,
            is_active: key.is_active,
            last_used: key.last_used.map(Time),
            expires_at: key.expires_at.map(Time),
            created_at: Time(key.created_at),
            updated_at: Time(key.updated_at),
        }
    }
}

/// A key just issued.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IssuedApiKey {
    id: Uuid,
    /// The key itself, shown this once; `null` in a replay.
    #[schema(required, example = "wsk_dev_…")]
    key: Option<String>,
    name: String,
    permissions: Permissions,
    rate_limit: i32,
    #[schema(required)]
    expires_at: Option<Time>,
    created_at: Time,
}

impl From<api_keys::IssuedKey> for IssuedApiKey {
    fn from(issued: api_keys::IssuedKey) -> Self {
        let api_keys::ApiKey { id, name, permissions, rate_limit, expires_at, created_at, .. } =
            issued.key;
        Self {
            id,
            key: issued.secret,
            name,
            permissions: Permissions(permissions),
            rate_limit,
            expires_at: expires_at.map(Time),
            created_at: Time(created_at),
        }
    }
}

page_of! {
    /// A page of keys.
    ApiKeys { api_keys: ApiKey }
}

/// Issue an API key
///
/// A key never exceeds its owner. Nobody can see it a second time.
#[utoipa::path(
    post, path = "/api-keys", operation_id = "create_api_key", tag = "API keys",
    security(("bearer" = [])), params(IdempotencyHeader), request_body = CreateApiKey,
    responses((status = 201, description = "The key, this once", body = IssuedApiKey)),
)]
pub(crate) async fn issue(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Keyed(key, new): Keyed<CreateApiKey>,
) -> Answer<IssuedApiKey> {
    let outcome = api_keys::issue(&platform, &actor, new.into(), key).await?;
    let reply = Reply::outcome("API key created successfully", outcome);
    Ok(reply.created(|key: &IssuedApiKey| format!("/api/v1/api-keys/{}", key.id)))
}

/// Your API keys
#[utoipa::path(
    get, path = "/api-keys", operation_id = "list_api_keys", tag = "API keys",
    security(("bearer" = [])), params(paging::Pages),
    responses((status = 200, description = "Without their secrets", body = ApiKeys)),
)]
pub(crate) async fn list(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    List(Unfiltered {}, page): List<Unfiltered>,
) -> Answer<ApiKeys> {
    let keys = api_keys::list(&platform, &actor).await?;
    Ok(Reply::ok("API keys retrieved successfully", paging::cut(keys, page)?.into()))
}

/// Change an API key
///
/// What it ordered for later, and may no longer, is paused.
#[utoipa::path(
    patch, path = "/api-keys/{id}", operation_id = "update_api_key", tag = "API keys",
    security(("bearer" = [])), params(("id" = Id, Path)), request_body = ChangeApiKey,
    responses((status = 200, description = "The key, changed", body = ApiKey)),
)]
pub(crate) async fn update(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<Uuid>,
    Json(change): Json<ChangeApiKey>,
) -> Answer<ApiKey> {
    let key = api_keys::update(&platform, &actor, id, change.into()).await?;
    Ok(Reply::ok("API key updated successfully", key.into()))
}

/// Revoke an API key
///
/// It stops at once, and what it ordered for later is paused.
#[utoipa::path(
    delete, path = "/api-keys/{id}", operation_id = "revoke_api_key", tag = "API keys",
    security(("bearer" = [])), params(("id" = Id, Path)),
    responses((status = 200, description = "It has stopped", body = ())),
)]
pub(crate) async fn revoke(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<Uuid>,
) -> Answer {
    api_keys::revoke(&platform, &actor, id).await?;
    Ok(Reply::ok("API key revoked successfully", ()))
}
