//! API keys: how programs come in.
//!
//! Owns `api_keys`. The key is shown once, when it is issued; the table holds
//! its keyed hash. A key may do what it was given and what its owner may, never
//! more; keys do not manage keys.

mod secret;
mod store;
mod uses;

use crate::{
    Platform,
    actor::{Actor, Credential, Origin, Permission, Role, permissions},
    clock::Clock,
    db::{Param, Tx, Utc, word},
    error::{Error, Forbidden, Resource, Result, Unauthenticated},
    facts::{self, By, Fact},
    idempotency::{self, IdempotencyKey, Outcome},
    lookup::Lookup,
    mandates,
    settings::PoolSettings,
    text::{bounded, bounded_text},
    users,
};
use jiff::Timestamp;
use ledger::UserId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};
pub(crate) use store::ALL as STATEMENTS;
use uses::Uses;
use uuid::Uuid;

/// The most keys one user can have.
const MOST: i64 = 100;

bounded_text! {
    /// What the owner calls the key: 1 to 100 characters.
    KeyName, |text| bounded(text.trim(), 1, 100).map(str::to_owned)
}

/// A key, without the secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of the documented table, by their names")]
pub struct ApiKey {
    pub id: Uuid,
    pub name: String,
    /// Its beginning and end, to tell keys apart.
    pub hint: Option<String>,
    pub permissions: BTreeSet<Permission>,
    /// Requests per rate-limit window; 0: unlimited.
    pub rate_limit: i32,
    pub is_active: bool,
    pub last_used: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A key to be issued.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// What it is called.
    pub name: KeyName,
    /// What it may do.
    pub permissions: BTreeSet<Permission>,
    /// Requests per rate-limit window; 0: unlimited.
    pub rate_limit: i32,
    /// When it stops by itself.
    pub expires_at: Option<Timestamp>,
}

/// A key just issued.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IssuedKey {
    /// The key.
    pub key: ApiKey,
    /// Its secret, this once; a replay does not have it.
    #[serde(skip)]
    pub secret: Option<String>,
}

/// What can be changed about a key; an absent part stays.
#[derive(Clone, Debug, Default)]
pub struct KeyChange {
    /// What it is called.
    pub name: Option<KeyName>,
    /// What it may do.
    pub permissions: Option<BTreeSet<Permission>>,
    /// Requests per rate-limit window; 0: unlimited.
    pub rate_limit: Option<i32>,
    /// When it stops by itself; `Some(None)`: never.
    pub expires_at: Option<Option<Timestamp>>,
    /// Whether it works at all.
    pub is_active: Option<bool>,
}

impl KeyChange {
    fn fields(&self) -> Vec<&'static str> {
        [
            self.name.is_some().then_some("name"),
            self.permissions.is_some().then_some("permissions"),
            self.rate_limit.is_some().then_some("rateLimit"),
            self.expires_at.is_some().then_some("expiresAt"),
            self.is_active.is_some().then_some("isActive"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Issues a key to the caller.
///
/// # Errors
/// Only for a logged-in person; nobody gives what they do not have; at most 100
/// keys a user; an expiry lies in the future.
pub async fn issue(
    platform: &Platform,
    actor: &Actor,
    new: NewApiKey,
    key: Option<IdempotencyKey>,
) -> Result<Outcome<IssuedKey>> {
    actor.require_session()?;
    check_grant(platform, actor, &new.permissions)?;
    check_rate_limit(platform, actor, new.rate_limit)?;
    let at = platform.now();
    let mut connection = platform.connection().await?;
    let tx = connection.begin().await?;
    if let Some(earlier) = idempotency::claim_in(&tx, actor, key.as_ref(), at).await? {
        return Ok(earlier);
    }
    check_expiry(new.expires_at, at)?;
    users::lock_active_in(&tx, actor.user_id).await?;
    if tx.get(store::COUNT, &[&actor.user_id.0]).await?.try_get::<_, i64>(0)? >= MOST {
        return Err(Error::invalid("name", "too_many", "you have 100 keys: revoke one first"));
    }
    let secret = secret::make(platform.settings().environment)?;
    let params: [Param<'_>; 9] = [
        &platform.new_id(),
        &actor.user_id.0,
        &secret::hash(&secret, &platform.settings().api_key_salt)?,
        &secret::hint(&secret),
        &new.name.as_str(),
        &stored(&new.permissions),
        &new.rate_limit,
        &new.expires_at.map(Utc),
        &Utc(at),
    ];
    let issued = store::read(&tx.get(store::INSERT, &params).await?)?;
    let fact = Fact::ApiKeyCreated {
        key: issued.id,
        name: issued.name.clone(),
        permissions: new.permissions.iter().map(|permission| permission.as_str()).collect(),
    };
    facts::record_in(&tx, platform.new_id(), By::actor(actor, at), fact).await?;
    let value = IssuedKey { key: issued, secret: Some(secret) };
    idempotency::finish_in(&tx, actor, key.as_ref(), &value).await?;
    tx.commit().await?;
    Ok(Outcome { value, at, replayed: false })
}

/// The caller's keys, newest first.
///
/// # Errors
/// Only for a logged-in person.
pub async fn list(platform: &Platform, actor: &Actor) -> Result<Vec<ApiKey>> {
    actor.require_session()?;
    let connection = platform.connection().await?;
    let rows = connection.query(store::LIST, &[&actor.user_id.0]).await?;
    rows.iter().map(store::read).collect()
}

/// Changes one of the caller's keys.
///
/// # Errors
/// Only for a logged-in person; [`Resource::ApiKey`] when it is not theirs.
pub async fn update(
    platform: &Platform,
    actor: &Actor,
    key: Uuid,
    change: KeyChange,
) -> Result<ApiKey> {
    actor.require_session()?;
    let now = platform.now();
    if let Some(permissions) = &change.permissions {
        check_grant(platform, actor, permissions)?;
    }
    if let Some(limit) = change.rate_limit {
        check_rate_limit(platform, actor, limit)?;
    }
    check_expiry(change.expires_at.flatten(), now)?;
    let mut connection = platform.connection().await?;
    let tx = connection.begin().await?;
    users::lock_active_in(&tx, actor.user_id).await?;
    let row = tx.find(store::LOCK, &[&key, &actor.user_id.0]).await?;
    let before = store::read(&row.ok_or(Error::NotFound(Resource::ApiKey))?)?;
    let fields = change.fields();
    if fields.is_empty() {
        return Ok(before);
    }
    let params: [Param<'_>; 7] = [
        &key,
        &change.name.as_ref().map(KeyName::as_str),
        &change.permissions.as_ref().map(stored),
        &change.rate_limit,
        &change.expires_at.is_some(),
        &change.expires_at.flatten().map(Utc),
        &change.is_active,
    ];
    let after = store::read(&tx.get(store::UPDATE, &params).await?)?;
    let (by, fact) = (By::actor(actor, now), Fact::ApiKeyUpdated { key, fields });
    facts::record_in(&tx, platform.new_id(), by.clone(), fact).await?;
    mandates::pause_lapsed_in(&tx, platform, &by, actor.user_id).await?;
    tx.commit().await?;
    Ok(after)
}

/// Takes a key away; it stops at once, and with it what it ordered for later.
///
/// # Errors
/// Only for a logged-in person; [`Resource::ApiKey`] when it is not theirs.
pub async fn revoke(platform: &Platform, actor: &Actor, key: Uuid) -> Result<()> {
    actor.require_session()?;
    let mut connection = platform.connection().await?;
    let tx = connection.begin().await?;
    users::lock_active_in(&tx, actor.user_id).await?;
    if tx.execute(store::DELETE, &[&key, &actor.user_id.0]).await? == 0 {
        return Err(Error::NotFound(Resource::ApiKey));
    }
    let by = By::actor(actor, platform.now());
    facts::record_in(&tx, platform.new_id(), by.clone(), Fact::ApiKeyRevoked { key }).await?;
    mandates::pause_lapsed_in(&tx, platform, &by, actor.user_id).await?;
    tx.commit().await
}

/// What a key stands for.
#[derive(Clone)]
pub(crate) struct Holder {
    user: UserId,
    role: Role,
    key: Uuid,
    permissions: BTreeSet<Permission>,
    rate_limit: u32,
    usable: bool,
    welcome: bool,
}

/// Where keys are looked up, by hash. Their use is noted beside, once a minute.
pub(crate) fn lookup(
    database: &str,
    pool: PoolSettings,
    clock: Arc<dyn Clock>,
) -> Result<Lookup<String, Holder>> {
    let uses = Uses::open(database, pool)?;
    Lookup::open(database, pool, move |flight, hashes: Vec<String>| {
        let (now, uses) = (clock.now(), uses.clone());
        async move {
            let connection = flight.session()?;
            let rows = connection.query(store::AUTHENTICATE, &[&hashes, &Utc(now)]).await?;
            let (mut found, mut stale) = (HashMap::new(), Vec::<Uuid>::new());
            for row in rows {
                let holder = Holder {
                    user: UserId(row.try_get("user_id")?),
                    role: word(&row, "role")?,
                    key: row.try_get("id")?,
                    permissions: permissions(&row.try_get("permissions")?),
                    rate_limit: row.try_get::<_, i32>("rate_limit")?.try_into().unwrap_or_default(),
                    usable: row.try_get("usable")?,
                    welcome: row.try_get("welcome")?,
                };
                if holder.usable && holder.welcome && row.try_get("stale")? {
                    stale.push(holder.key);
                }
                found.insert(row.try_get("key_hash")?, holder);
            }
            uses.note(stale, now);
            Ok(found)
        }
    })
}

/// Who a key stands for, at this moment.
///
/// # Errors
/// [`Unauthenticated::InvalidKey`], alike for unknown, revoked and expired.
pub async fn authenticate(platform: &Platform, origin: Origin, key: &str) -> Result<Actor> {
    let invalid = || Error::Unauthenticated(Unauthenticated::InvalidKey);
    if !secret::is_well_formed(key) {
        return Err(invalid());
    }
    let hash = secret::hash(key, &platform.settings().api_key_salt)?;
    let holder = platform.keys().find(hash).await?;
    let holder = holder.filter(|holder| holder.usable).ok_or_else(invalid)?;
    if !holder.welcome {
        return Err(Error::Unauthenticated(Unauthenticated::InactiveUser));
    }
    let Holder { user: user_id, role, key: id, permissions, rate_limit, .. } = holder;
    let credential = Credential::ApiKey { id, permissions, rate_limit };
    Ok(Actor { user_id, role, credential, origin })
}

/// What a user's key may do at this moment; the caller holds the user's lock.
pub(crate) async fn permissions_in(
    tx: &Tx<'_>,
    user: UserId,
    key: Uuid,
    now: Timestamp,
) -> Result<BTreeSet<Permission>> {
    let row = tx.find(store::PERMISSIONS, &[&key, &user.0, &Utc(now)]).await?;
    let row = row.ok_or(Error::Unauthenticated(Unauthenticated::InvalidKey))?;
    Ok(permissions(&row.try_get("permissions")?))
}

fn check_grant(
    platform: &Platform,
    actor: &Actor,
    permissions: &BTreeSet<Permission>,
) -> Result<()> {
    let beyond = |permission: &Permission| match permission {
        Permission::ReadAudit | Permission::AdminUsers => !actor.is_admin(),
        Permission::ProcessTransactions => !actor.is_admin() && !platform.settings().users_settle,
        _ => false,
    };
    if permissions.iter().any(beyond) {
        return Err(Error::Forbidden(Forbidden::AdminOnly));
    }
    Ok(())
}

/// A limit that a user could lift is none, where users are strangers.
fn check_rate_limit(platform: &Platform, actor: &Actor, limit: i32) -> Result<()> {
    let most = platform.settings().shares.key_requests;
    let within = u32::try_from(limit).is_ok_and(|limit| (1..=most).contains(&limit));
    if actor.is_admin() || most == 0 || within {
        return Ok(());
    }
    let text = format!(
        "must be between 1 and {most}; only an administrator goes beyond, or lifts it with 0"
    );
    Err(Error::invalid("rateLimit", "out_of_range", text))
}

fn check_expiry(expires_at: Option<Timestamp>, now: Timestamp) -> Result<()> {
    match expires_at {
        Some(expires) if expires <= now => {
            Err(Error::invalid("expiresAt", "in_the_past", "must lie in the future"))
        }
        _ => Ok(()),
    }
}

fn stored(permissions: &BTreeSet<Permission>) -> Value {
    let granted = permissions.iter().map(|p| (p.as_str().to_owned(), Value::Bool(true)));
    Value::Object(granted.collect::<Map<_, _>>())
}
