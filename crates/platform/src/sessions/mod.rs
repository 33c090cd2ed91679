//! Sessions: a person who logged in, until they leave.
//!
//! Owns `wallstreet.sessions`. Access and refresh tokens name their session and
//! are checked against it at every use, so ending the row ends both at once.
//! A refresh token works once; a second use means somebody else has it, and
//! ends the session. Knows no passwords.

mod store;

use crate::{
    Platform,
    actor::{Actor, Credential, Origin, Role},
    clock::{Clock, LongSure},
    db::{Connection, Tx, Utc, time, word},
    error::{Error, Resource, Result, Unauthenticated},
    facts::{self, By, Fact},
    lookup::Lookup,
    settings::PoolSettings,
    token::{self, Access, AccessUse, Refresh, RefreshUse},
};
use jiff::Timestamp;
use ledger::UserId;
use std::{sync::Arc, time::Duration};
pub(crate) use store::ALL as STATEMENTS;
use tokio_postgres::Row;
use uuid::Uuid;

/// A live login, as its owner sees it.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id.
    pub id: Uuid,
    /// When it began.
    pub created_at: Timestamp,
    /// When its tokens were last renewed.
    pub refreshed_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// From where it was opened.
    pub ip_address: Option<String>,
    /// By what it was opened.
    pub user_agent: Option<String>,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// The pair a login returns.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

/// Who a token is made for.
pub(crate) struct Holder<'a> {
    pub(crate) user: UserId,
    pub(crate) email: &'a str,
    pub(crate) role: &'static str,
}

/// Opens a session.
pub(crate) async fn open_in(
    tx: &Tx<'_>,
    platform: &Platform,
    origin: &Origin,
    holder: Holder<'_>,
) -> Result<(Uuid, Tokens)> {
    let (id, now) = (platform.new_id(), platform.now());
    let expires = later(now, platform.settings().refresh_ttl)?;
    let address = origin.ip.map(|ip| ip.to_string());
    tx.execute(
        store::INSERT,
        &[&id, &holder.user.0, &address, &origin.user_agent, &Utc(now), &Utc(expires)],
    )
    .await?;
    Ok((id, tokens(platform, &holder, id, 0)?))
}

/// The pair for one generation of a session.
pub(crate) fn tokens(
    platform: &Platform,
    holder: &Holder<'_>,
    sid: Uuid,
    generation: i32,
) -> Result<Tokens> {
    let (settings, now) = (platform.settings(), platform.now());
    let access = Access {
        user_id: holder.user.0,
        email: holder.email.to_owned(),
        role: holder.role.to_owned(),
        sid,
        iat: now.as_second(),
        exp: later(now, settings.access_ttl)?.as_second(),
        token_use: AccessUse::Access,
    };
    let refresh = Refresh {
        sid,
        generation,
        iat: now.as_second(),
        exp: later(now, settings.refresh_ttl)?.as_second(),
        token_use: RefreshUse::Refresh,
    };
    Ok(Tokens {
        access: token::sign(&settings.jwt_secret, &access)?,
        refresh: token::sign(&settings.jwt_secret, &refresh)?,
    })
}

/// What became of a refresh token.
pub(crate) enum Rotation {
    /// It was the newest: the session lives on in the next generation.
    Next { user: UserId, session: Uuid, generation: i32 },
    /// It had been used before: the session has been ended.
    Replayed { user: UserId, session: Uuid },
}

/// Uses up a refresh token.
pub(crate) async fn rotate_in(tx: &Tx<'_>, platform: &Platform, token: &str) -> Result<Rotation> {
    let (settings, now) = (platform.settings(), platform.now());
    let claims: Refresh = token::verify(&settings.jwt_secret, token, now)?;
    let expires = later(now, settings.refresh_ttl)?;
    tx.find(store::LOCK_HOLDER, &[&claims.sid]).await?;
    let rotated = tx
        .find(store::ROTATE, &[&claims.sid, &claims.generation, &Utc(now), &Utc(expires)])
        .await?;
    if let Some(row) = rotated {
        return Ok(Rotation::Next {
            user: UserId(row.try_get("user_id")?),
            session: claims.sid,
            generation: row.try_get("generation")?,
        });
    }
    let ended = || Error::Unauthenticated(Unauthenticated::EndedSession);
    let row = tx.find(store::FIND, &[&claims.sid, &Utc(now)]).await?.ok_or_else(ended)?;
    if !row.try_get::<_, bool>("live")? {
        return Err(ended());
    }
    let user = UserId(row.try_get("user_id")?);
    tx.execute(store::END, &[&claims.sid, &user.0, &Utc(now)]).await?;
    Ok(Rotation::Replayed { user, session: claims.sid })
}

/// Whose a live session is.
#[derive(Clone)]
pub(crate) struct Bearer {
    user: UserId,
    role: Role,
    welcome: bool,
}

/// Where sessions are looked up; an ended one is not found.
pub(crate) fn lookup(
    database: &str,
    pool: PoolSettings,
    clock: Arc<dyn Clock>,
) -> Result<Lookup<Uuid, Bearer>> {
    Lookup::open(database, pool, move |flight, sessions: Vec<Uuid>| {
        let now = Utc(clock.now());
        async move {
            let rows = flight.session()?.query(store::AUTHENTICATE, &[&sessions, &now]).await?;
            let bearer = |row: &Row| {
                let user = UserId(row.try_get("id")?);
                let bearer =
                    Bearer { user, role: word(row, "role")?, welcome: row.try_get("welcome")? };
                Ok((row.try_get("sid")?, bearer))
            };
            rows.iter().map(bearer).collect()
        }
    })
}

/// Who an access token stands for, at this moment.
///
/// # Errors
/// [`Error::Unauthenticated`], saying which way the token is worthless.
pub async fn authenticate(platform: &Platform, origin: Origin, token: &str) -> Result<Actor> {
    let now = platform.now();
    let claims: Access = token::verify(&platform.settings().jwt_secret, token, now)?;
    let bearer = platform.sessions().find(claims.sid).await?;
    let bearer = bearer.ok_or(Error::Unauthenticated(Unauthenticated::EndedSession))?;
    if !bearer.welcome {
        return Err(Error::Unauthenticated(Unauthenticated::InactiveUser));
    }
    let credential = Credential::Session(claims.sid);
    Ok(Actor { user_id: bearer.user, role: bearer.role, credential, origin })
}

/// The caller's live sessions, newest first, at most 100.
///
/// # Errors
/// Only for a logged-in person, not for a key.
pub async fn list(platform: &Platform, actor: &Actor) -> Result<Vec<Session>> {
    let current = actor.require_session()?;
    let connection = platform.connection().await?;
    let rows = connection.query(store::LIST, &[&actor.user_id.0, &Utc(platform.now())]).await?;
    rows.iter()
        .map(|row| {
            let id = row.try_get("id")?;
            Ok(Session {
                id,
                created_at: time(row, "created_at")?,
                refreshed_at: time(row, "refreshed_at")?,
                expires_at: time(row, "expires_at")?,
                ip_address: row.try_get("ip_address")?,
                user_agent: row.try_get("user_agent")?,
                current: id == current,
            })
        })
        .collect()
}

/// Ends the session that asks; its tokens are worthless from now on.
///
/// # Errors
/// Only for a logged-in person, not for a key.
pub async fn logout(platform: &Platform, actor: &Actor) -> Result<()> {
    let session = actor.require_session()?;
    finish(platform, actor, session, Fact::LoggedOut { session }).await
}

/// Ends one of the caller's sessions.
///
/// # Errors
/// [`Resource::Session`] when it is not a live one of the caller's.
pub async fn end(platform: &Platform, actor: &Actor, session: Uuid) -> Result<()> {
    actor.require_session()?;
    finish(platform, actor, session, Fact::SessionEnded { session }).await
}

async fn finish(platform: &Platform, actor: &Actor, session: Uuid, fact: Fact) -> Result<()> {
    let now = platform.now();
    let mut connection = platform.connection().await?;
    let tx = connection.begin().await?;
    if tx.execute(store::END, &[&session, &actor.user_id.0, &Utc(now)]).await? == 0 {
        return Err(Error::NotFound(Resource::Session));
    }
    facts::record_in(&tx, platform.new_id(), By::actor(actor, now), fact).await?;
    tx.commit().await
}

/// Ends all of a user's sessions, but for one if it is named.
pub(crate) async fn end_all_in(
    tx: &Tx<'_>,
    user: UserId,
    except: Option<Uuid>,
    now: Timestamp,
) -> Result<()> {
    tx.execute(store::END_ALL, &[&user.0, &Utc(now), &except]).await?;
    Ok(())
}

/// Forgets sessions that expired more than 30 days ago; says how many.
pub(crate) async fn purge(connection: &Connection, sure: LongSure) -> Result<u64> {
    let kept = jiff::SignedDuration::from_hours(30 * 24);
    let before = sure.now().saturating_sub(kept).map_err(Error::internal)?;
    connection.execute(store::PURGE, &[&Utc(before)]).await
}

fn later(now: Timestamp, by: Duration) -> Result<Timestamp> {
    now.checked_add(by).map_err(Error::internal)
}
