//! Coming in: registration, login, and the renewal of a login.
//!
//! An unknown address and a wrong password look alike, in words and in time.
//! Each way in writes one audit row, the failed ones too. Owns no table.

use crate::{
    Platform,
    actor::{Origin, Role},
    db::Tx,
    error::{Conflict, Error, Result, Unauthenticated},
    facts::{self, By, Fact},
    password,
    sessions::{self, Holder, Rotation},
    settings::Environment,
    users::{self, Email, Name, NewUser, Password, Phone, User, UserStatus},
};
use ledger::UserId;
use std::time::Duration;

/// The documented sample administrator, with a hash that verifies its password.
const SAMPLE_EMAIL: &str = "admin@wallstreet.com";
const SAMPLE_PASSWORD: &str = "Admin123!";
const SAMPLE_HASH: &str = "$2b$10$CwTycUXWue0Thq9StjUM0uQbIY1accpkL7OhV1i/8H9B2TctC3hFa";

/// Somebody who has come in.
#[derive(Clone, Debug)]
pub struct Login {
    /// Who.
    pub user: User,
    /// The access token.
    pub token: String,
    /// The refresh token; works once.
    pub refresh_token: String,
}

/// What a person gives to become a user.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields of the documented request, by their names")]
pub struct Registration {
    pub email: Email,
    pub password: Password,
    pub first_name: Name,
    pub last_name: Name,
    pub phone: Option<Phone>,
}

/// Makes a user and lets them in.
///
/// # Errors
/// [`Conflict::EmailTaken`].
pub async fn register(
    platform: &Platform,
    origin: &Origin,
    registration: Registration,
) -> Result<Login> {
    let email = registration.email.as_str();
    // Hashing is dear: an address that is taken need not pay for it.
    if users::find_by_email(platform, email).await?.is_some() {
        return Err(Error::Conflict(Conflict::EmailTaken));
    }
    let hash = password::hash(platform, origin, registration.password).await?;
    let new = NewUser {
        email,
        password_hash: &hash,
        first_name: registration.first_name.as_str(),
        last_name: registration.last_name.as_str(),
        phone: registration.phone.as_ref().map(Phone::as_str),
        role: Role::User,
        email_verified: false,
    };
    let mut connection = platform.connection().await?;
    let tx = connection.begin().await?;
    let user = users::insert_in(&tx, platform, new).await?;
    let fact = Fact::UserRegistered { user: user.id, email: user.email.clone() };
    let by = By { user: Some(user.id), origin, at: platform.now() };
    let (_, tokens) = sessions::open_in(&tx, platform, origin, holder(&user)).await?;
    facts::record_in(&tx, platform.new_id(), by, fact).await?;
    tx.commit().await?;
    Ok(Login { user, token: tokens.access, refresh_token: tokens.refresh })
}

/// Lets a user in.
///
/// # Errors
/// [`Unauthenticated::InvalidCredentials`], alike for an unknown address and a
/// wrong password; [`Unauthenticated::InactiveUser`] only to who knows the password.
pub async fn login(
    platform: &Platform,
    origin: &Origin,
    email: &str,
    password: &str,
) -> Result<Login> {
    let email = email.trim().to_ascii_lowercase();
    let found = users::find_by_email(platform, &email).await?;
    let hash = found.as_ref().map(|(_, hash)| hash.as_str());
    let right = password::verify(platform, origin, password, hash).await?;
    let refused = match &found {
        None => Some(("unknown_user", Unauthenticated::InvalidCredentials)),
        Some(_) if !right => Some(("wrong_password", Unauthenticated::InvalidCredentials)),
        Some((user, _)) if user.status != UserStatus::Active => {
            Some((user.status.as_str(), Unauthenticated::InactiveUser))
        }
        Some(_) => None,
    };
    match (refused, found) {
        (None, Some((user, hash))) => let_in(platform, origin, &user, &hash, password).await,
        (refused, found) => {
            let user = found.map(|(user, _)| user.id);
            let (reason, error) =
                refused.unwrap_or(("unknown_user", Unauthenticated::InvalidCredentials));
            turn_away(platform, origin, user, email, reason).await?;
            Err(Error::Unauthenticated(error))
        }
    }
}

async fn let_in(
    platform: &Platform,
    origin: &Origin,
    user: &User,
    hash: &str,
    password: &str,
) -> Result<Login> {
    let renewed = match password::is_weak(platform, hash) {
        true => Some(password::rehash(platform, origin, password).await?),
        false => None,
    };
    let now = platform.now();
    let mut connection = platform.connection().await?;
    let tx = connection.begin().await?;
    if users::lock_in(&tx, user.id).await?.status != UserStatus::Active {
        return Err(Error::Unauthenticated(Unauthenticated::InactiveUser));
    }
    // The password may have been changed while it was being verified.
    if users::hash_in(&tx, user.id).await? != hash {
        return Err(Error::Unauthenticated(Unauthenticated::InvalidCredentials));
    }
    let user = users::touch_login_in(&tx, user.id, now, renewed.as_deref()).await?;
    let (session, tokens) = sessions::open_in(&tx, platform, origin, holder(&user)).await?;
    let by = By { user: Some(user.id), origin, at: now };
    let fact = Fact::LoginSucceeded { user: user.id, session };
    facts::record_in(&tx, platform.new_id(), by, fact).await?;
    tx.commit().await?;
    Ok(Login { user, token: tokens.access, refresh_token: tokens.refresh })
}

async fn turn_away(
    platform: &Platform,
    origin: &Origin,
    user: Option<UserId>,
    email: String,
    reason: &'static str,
) -> Result<()> {
    // Whatever was typed may be the password in the wrong field.
    let typed = Email::parse(&email).map(|email| email.as_str().to_owned());
    let email = typed.unwrap_or_else(|_| "(not an e-mail address)".to_owned());
    let by = By { user, origin, at: platform.now() };
    record(platform, by, Fact::LoginFailed { user, email, reason }).await
}

/// Renews a login: the refresh token given dies, a new pair is born.
///
/// # Errors
/// [`Unauthenticated`]; a token used twice ends its session.
pub async fn refresh(platform: &Platform, origin: &Origin, refresh_token: &str) -> Result<Login> {
    let mut connection = platform.connection().await?;
    let tx = connection.begin().await?;
    let at = platform.now();
    match sessions::rotate_in(&tx, platform, refresh_token).await? {
        Rotation::Next { user, session, generation } => {
            let user = users::lock_in(&tx, user).await?;
            if user.status != UserStatus::Active {
                return Err(Error::Unauthenticated(Unauthenticated::InactiveUser));
            }
            let tokens = sessions::tokens(platform, &holder(&user), session, generation)?;
            let by = By { user: Some(user.id), origin, at };
            record_in(&tx, platform, by, Fact::SessionRefreshed { session }).await?;
            tx.commit().await?;
            Ok(Login { user, token: tokens.access, refresh_token: tokens.refresh })
        }
        Rotation::Replayed { user, session } => {
            let by = By { user: Some(user), origin, at };
            record_in(&tx, platform, by, Fact::SessionReplayed { session }).await?;
            tx.commit().await?;
            Err(Error::Unauthenticated(Unauthenticated::EndedSession))
        }
    }
}

/// Makes an administrator, for the command line.
///
/// # Errors
/// [`Conflict::EmailTaken`].
pub async fn create_admin(
    platform: &Platform,
    email: Email,
    password: Password,
    first_name: Name,
    last_name: Name,
) -> Result<User> {
    let hash = password::hash(platform, &Origin::default(), password).await?;
    insert_admin(platform, email.as_str(), &hash, first_name.as_str(), last_name.as_str()).await
}

/// In development, makes the documented sample administrator if nobody has its
/// address. Elsewhere, refuses to go on while its password opens it.
///
/// Returns whether the documented credentials work.
///
/// # Errors
/// [`Error::Invalid`] outside development while they do.
pub async fn ensure_sample_admin(platform: &Platform) -> Result<bool> {
    let found = users::find_by_email(platform, SAMPLE_EMAIL).await?;
    let development = platform.settings().environment == Environment::Development;
    match found {
        None if development => {
            match insert_admin(platform, SAMPLE_EMAIL, SAMPLE_HASH, "Admin", "User").await {
                Ok(_) | Err(Error::Conflict(Conflict::EmailTaken)) => Ok(true),
                Err(error) => Err(error),
            }
        }
        None => Ok(false),
        Some((user, hash)) => {
            let usable = user.status == UserStatus::Active;
            let origin = Origin::default();
            let opens = usable
                && (hash == SAMPLE_HASH
                    || password::verify(platform, &origin, SAMPLE_PASSWORD, Some(&hash)).await?);
            if opens && !development {
                return Err(Error::invalid(
                    SAMPLE_EMAIL,
                    "sample_admin",
                    "still has the documented sample password: change it, or suspend the user, \
                     before running outside development",
                ));
            }
            Ok(opens)
        }
    }
}

async fn insert_admin(
    platform: &Platform,
    email: &str,
    password_hash: &str,
    first_name: &str,
    last_name: &str,
) -> Result<User> {
    let role = Role::Admin;
    let new = NewUser {
        email,
        password_hash,
        first_name,
        last_name,
        phone: None,
        role,
        email_verified: true,
    };
    let mut connection = platform.connection().await?;
    let tx = connection.begin().await?;
    let user = users::insert_in(&tx, platform, new).await?;
    let fact = Fact::AdminCreated { user: user.id, email: user.email.clone() };
    let origin =
        Origin { user_agent: Some("wallstreet command line".to_owned()), ..Origin::default() };
    let by = By { user: None, origin: &origin, at: platform.now() };
    record_in(&tx, platform, by, fact).await?;
    tx.commit().await?;
    Ok(user)
}

fn holder(user: &User) -> Holder<'_> {
    Holder { user: user.id, email: &user.email, role: user.role.as_str() }
}

async fn record_in(tx: &Tx<'_>, platform: &Platform, by: By<'_>, fact: Fact) -> Result<()> {
    facts::record_in(tx, platform.new_id(), by, fact).await
}

/// Records what changed nothing else. A database that is slow to take it must
/// not hold the answer back for long.
async fn record(platform: &Platform, by: By<'_>, fact: Fact) -> Result<()> {
    let write = async {
        let mut connection = platform.connection().await?;
        let tx = connection.begin().await?;
        record_in(&tx, platform, by, fact).await?;
        tx.commit().await
    };
    tokio::time::timeout(Duration::from_secs(5), write).await.unwrap_or_else(|_| {
        Err(Error::Unavailable {
            what: "The database",
            retry_after: Duration::from_secs(1),
            cause: "the audit trail took no row within 5 seconds".to_owned(),
        })
    })
}
