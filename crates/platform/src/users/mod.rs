//! Users: who the bank knows.
//!
//! Owns `users`. An address belongs to one user, whatever its case. A user is
//! closed, never deleted; the last active administrator can neither leave nor
//! be demoted. How people come in is [`crate::login`]'s business.

mod fields;
mod store;

pub use crate::password::Password;
use crate::{
    Platform,
    actor::{Actor, Permission, Role},
    db::{Param, Tx, Utc},
    error::{Conflict, Error, Forbidden, Resource, Result, Unauthenticated},
    facts::{self, By, Fact},
    mandates,
    page::{Cursor, Listing, PageRequest},
    password, sessions,
};
pub use fields::{Email, Name, Phone};
use jiff::Timestamp;
use ledger::{AccountId, Refusal, UserId, words};
pub(crate) use store::ALL as STATEMENTS;

/// A user, without anything secret.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns of the documented table, by their names")]
pub struct User {
    pub id: UserId,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub phone: Option<String>,
    pub role: Role,
    pub status: UserStatus,
    pub email_verified: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub last_login: Option<Timestamp>,
}

words! {
    /// The documented states of a user.
    UserStatus {
        /// Comes and goes.
        Active = "active",
        /// Locked out for now.
        Suspended = "suspended",
        /// Gone for good.
        Closed = "closed",
    }
}

/// A user to be written.
pub(crate) struct NewUser<'a> {
    pub(crate) email: &'a str,
    pub(crate) password_hash: &'a str,
    pub(crate) first_name: &'a str,
    pub(crate) last_name: &'a str,
    pub(crate) phone: Option<&'a str>,
    pub(crate) role: Role,
    pub(crate) email_verified: bool,
}

/// Writes a user; the address decides whether it can be.
pub(crate) async fn insert_in(tx: &Tx<'_>, platform: &Platform, new: NewUser<'_>) -> Result<User> {
    let params: [Param<'_>; 9] = [
        &platform.new_id(),
        &new.email,
        &new.password_hash,
        &new.first_name,
        &new.last_name,
        &new.phone,
        &new.role.as_str(),
        &new.email_verified,
        &Utc(platform.now()),
    ];
    let row = tx.find(store::INSERT, &params).await?;
    store::read(&row.ok_or(Error::Conflict(Conflict::EmailTaken))?)
}

/// Who has the address, with the hash of their password.
pub(crate) async fn find_by_email(
    platform: &Platform,
    email: &str,
) -> Result<Option<(User, String)>> {
    let row = platform.connection().await?.find(store::FIND_BY_EMAIL, &[&email]).await?;
    row.map(|row| Ok((store::read(&row)?, row.try_get("password_hash")?))).transpose()
}

/// Notes a login, and a renewed hash with it.
pub(crate) async fn touch_login_in(
    tx: &Tx<'_>,
    user: UserId,
    at: Timestamp,
    renewed_hash: Option<&str>,
) -> Result<User> {
    store::read(&tx.get(store::TOUCH_LOGIN, &[&user.0, &Utc(at), &renewed_hash]).await?)
}

/// The hash of a user's password, locked until the caller's transaction ends.
pub(crate) async fn hash_in(tx: &Tx<'_>, user: UserId) -> Result<String> {
    Ok(tx.get(store::FIND_HASH, &[&user.0]).await?.try_get("password_hash")?)
}

/// The user who acts, locked and still welcome: whoever leaves at this moment
/// leaves before or after what the caller's transaction does for them.
pub(crate) async fn lock_active_in(tx: &Tx<'_>, user: UserId) -> Result<User> {
    let user = lock_in(tx, user).await?;
    match user.status {
        UserStatus::Active => Ok(user),
        _ => Err(Error::Unauthenticated(Unauthenticated::InactiveUser)),
    }
}

/// One user, locked until the caller's transaction ends.
pub(crate) async fn lock_in(tx: &Tx<'_>, user: UserId) -> Result<User> {
    let row = tx.find(store::LOCK, &[&user.0]).await?;
    store::read(&row.ok_or(Error::NotFound(Resource::User))?)
}

/// The caller's own profile.
///
/// # Errors
/// A key needs `read:profile`.
pub async fn profile(platform: &Platform, actor: &Actor) -> Result<User> {
    actor.require(Permission::ReadProfile)?;
    find(platform, actor.user_id).await
}

async fn find(platform: &Platform, user: UserId) -> Result<User> {
    let row = platform.connection().await?.find(store::FIND, &[&user.0]).await?;
    store::read(&row.ok_or(Error::NotFound(Resource::User))?)
}

/// What a person may change about themselves; an absent part stays.
#[derive(Clone, Debug, Default)]
pub struct ProfileChange {
    /// First name.
    pub first_name: Option<Name>,
    /// Last name.
    pub last_name: Option<Name>,
    /// Telephone; `Some(None)` removes it.
    pub phone: Option<Option<Phone>>,
}

impl ProfileChange {
    fn fields(&self) -> Vec<&'static str> {
        [
            self.first_name.is_some().then_some("firstName"),
            self.last_name.is_some().then_some("lastName"),
            self.phone.is_some().then_some("phone"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Changes the caller's profile.
///
/// # Errors
/// Only for a logged-in person, not for a key.
pub async fn update_profile(
    platform: &Platform,
    actor: &Actor,
    change: ProfileChange,
) -> Result<User> {
    actor.require_session()?;
    let fields = change.fields();
    if fields.is_empty() {
        return find(platform, actor.user_id).await;
    }
    let mut connection = platform.connection().await?;
    let tx = connection.begin().await?;
    let phone = change.phone.as_ref().and_then(Option::as_ref).map(Phone::as_str);
    let params: [Param<'_>; 5] = [
        &actor.user_id.0,
        &change.first_name.as_ref().map(Name::as_str),
        &change.last_name.as_ref().map(Name::as_str),
        &change.phone.is_some(),
        &phone,
    ];
    let user = store::read(&tx.get(store::UPDATE_PROFILE, &params).await?)?;
    let fact = Fact::ProfileUpdated { user: user.id, fields };
    facts::record_in(&tx, platform.new_id(), By::actor(actor, platform.now()), fact).await?;
    tx.commit().await?;
    Ok(user)
}

/// What goes with the old password, beside the other sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Along {
    /// All API keys, and so what they ordered for later.
    pub keys: bool,
    /// What other sessions ordered for later: without this it stands for the user.
    pub orders: bool,
}

/// How much went with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// How many API keys were revoked.
    pub keys: usize,
    /// How many orders of other sessions are paused.
    pub orders: usize,
}

/// Sets another password and ends every other session of the user, and what is to go
/// along. Says how much that was.
///
/// # Errors
/// `currentPassword` must be right; only for a logged-in person, not for a key.
pub async fn change_password(
    platform: &Platform,
    actor: &Actor,
    current: &str,
    new: Password,
    along: Along,
) -> Result<Gone> {
    let session = actor.require_session()?;
    let connection = platform.connection().await?;
    let row = connection.find(store::FIND_HASH, &[&actor.user_id.0]).await?;
    drop(connection);
    let old: String = row.ok_or(Error::NotFound(Resource::User))?.try_get("password_hash")?;
    if !password::verify(platform, &actor.origin, current, Some(&old)).await? {
        return Err(Error::invalid("currentPassword", "incorrect", "is not the current password"));
    }
    let hash = password::hash(platform, &actor.origin, new).await?;
    let now = platform.now();
    let mut connection = platform.connection().await?;
    let tx = connection.begin().await?;
    lock_active_in(&tx, actor.user_id).await?;
    // Two changes at once: the second must not undo the first.
    if hash_in(&tx, actor.user_id).await? != old {
        return Err(Error::invalid("currentPassword", "incorrect", "is not the current password"));
    }
    tx.execute(store::UPDATE_HASH, &[&actor.user_id.0, &hash]).await?;
    sessions::end_all_in(&tx, actor.user_id, Some(session), now).await?;
    let (by, fact) = (By::actor(actor, now), Fact::PasswordChanged { user: actor.user_id });
    facts::record_in(&tx, platform.new_id(), by.clone(), fact).await?;
    let mut gone = Gone::default();
    if along.keys {
        gone.keys = revoke_keys_in(&tx, platform, &by, actor.user_id).await?;
    }
    if along.orders {
        let user = actor.user_id;
        gone.orders = mandates::pause_sessions_in(&tx, platform, &by, user, session).await?;
    }
    tx.commit().await?;
    Ok(gone)
}

/// Takes all of a user's API keys away, and so stops what they ordered for later.
async fn revoke_keys_in(
    tx: &Tx<'_>,
    platform: &Platform,
    by: &By<'_>,
    user: UserId,
) -> Result<usize> {
    let rows = tx.query(store::REVOKE_KEYS, &[&user.0]).await?;
    let told = rows.iter().map(|row| {
        let fact = Fact::ApiKeyRevoked { key: row.try_get("id")? };
        Ok((platform.new_id(), by.clone(), fact))
    });
    facts::record_all_in(tx, &told.collect::<Result<Vec<_>>>()?).await?;
    mandates::pause_lapsed_in(tx, platform, by, user).await?;
    Ok(rows.len())
}

/// Which users an administrator looks for.
#[derive(Clone, Debug, Default)]
pub struct UserFilter {
    /// Of this role.
    pub role: Option<Role>,
    /// In this state.
    pub status: Option<UserStatus>,
    /// Whose address or name contains this, in any case.
    pub q: Option<String>,
}

/// All users, newest first.
///
/// # Errors
/// Only for an administrator.
pub async fn list(
    platform: &Platform,
    actor: &Actor,
    filter: UserFilter,
    page: PageRequest,
) -> Result<Listing<User>> {
    actor.require(Permission::AdminUsers)?;
    let connection = platform.connection().await?;
    let (role, status) = (filter.role.map(Role::as_str), filter.status.map(UserStatus::as_str));
    let (at, id) = page.after();
    let params: [Param<'_>; 7] =
        [&role, &status, &filter.q, &at, &id, &page.fetch(), &page.offset()];
    let rows = connection.query(store::LIST, &params).await?;
    let users = rows.iter().map(store::read).collect::<Result<Vec<_>>>()?;
    let total = match page.counts() {
        true => connection.find(store::COUNT, &[&role, &status, &filter.q]).await?,
        false => None,
    };
    let total = total.map(|row| row.try_get(0)).transpose()?;
    Ok(Listing::cut(users, total, page, |user| Cursor::new(user.created_at, user.id.0)))
}

/// Any user.
///
/// # Errors
/// Only for an administrator.
pub async fn get(platform: &Platform, actor: &Actor, user: UserId) -> Result<User> {
    actor.require(Permission::AdminUsers)?;
    find(platform, user).await
}

/// What an administrator may change about a user; an absent part stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct UserChange {
    /// Another role.
    pub role: Option<Role>,
    /// Another state; anything but active ends every session at once.
    pub status: Option<UserStatus>,
}

/// Changes a user's role or state.
///
/// # Errors
/// Only for an administrator; the last one stays; closed is for ever.
pub async fn change(
    platform: &Platform,
    actor: &Actor,
    user: UserId,
    change: UserChange,
) -> Result<User> {
    actor.require(Permission::AdminUsers)?;
    let mut connection = platform.connection().await?;
    let tx = connection.begin().await?;
    // Whoever was demoted since they proved themselves changes nobody any more.
    let mut both = [actor.user_id, user];
    both.sort();
    for one in both {
        lock_in(&tx, one).await?;
    }
    if lock_active_in(&tx, actor.user_id).await?.role != Role::Admin {
        return Err(Error::Forbidden(Forbidden::AdminOnly));
    }
    let before = lock_in(&tx, user).await?;
    let same = change.role.is_none_or(|role| role == before.role)
        && change.status.is_none_or(|status| status == before.status);
    if same {
        return Ok(before);
    }
    if before.status == UserStatus::Closed && change.status.is_some_and(|s| s != before.status) {
        return Err(Error::invalid("status", "final", "a closed user stays closed"));
    }
    let leaves = change.status.is_some_and(|status| status != UserStatus::Active)
        || change.role == Some(Role::User);
    if before.role == Role::Admin && leaves {
        keep_an_admin_in(&tx, user).await?;
    }
    if change.status == Some(UserStatus::Closed) {
        close_accounts_in(&tx, platform, actor, user).await?;
    }
    let after = write_change_in(&tx, platform, user, change).await?;
    let fact = Fact::UserChanged {
        user,
        role: change.role,
        status: change.status.map(UserStatus::as_str),
    };
    let by = By::actor(actor, platform.now());
    facts::record_in(&tx, platform.new_id(), by.clone(), fact).await?;
    mandates::pause_lapsed_in(&tx, platform, &by, user).await?;
    tx.commit().await?;
    Ok(after)
}

async fn write_change_in(
    tx: &Tx<'_>,
    platform: &Platform,
    user: UserId,
    change: UserChange,
) -> Result<User> {
    if change.status.is_some_and(|status| status != UserStatus::Active) {
        sessions::end_all_in(tx, user, None, platform.now()).await?;
    }
    let (role, status) = (change.role.map(Role::as_str), change.status.map(UserStatus::as_str));
    store::read(&tx.get(store::CHANGE, &[&user.0, &role, &status]).await?)
}

/// Closes the caller for good: logins end, keys stop, the history stays.
///
/// # Errors
/// Every account must be empty and at rest, and none suspended by an administrator;
/// the last administrator stays.
pub async fn close(platform: &Platform, actor: &Actor) -> Result<()> {
    actor.require_session()?;
    let mut connection = platform.connection().await?;
    let tx = connection.begin().await?;
    let user = lock_active_in(&tx, actor.user_id).await?;
    if user.role == Role::Admin {
        keep_an_admin_in(&tx, user.id).await?;
    }
    close_accounts_in(&tx, platform, actor, user.id).await?;
    let closed = UserChange { role: None, status: Some(UserStatus::Closed) };
    write_change_in(&tx, platform, user.id, closed).await?;
    let (by, fact) = (By::actor(actor, platform.now()), Fact::UserClosed { user: user.id });
    facts::record_in(&tx, platform.new_id(), by.clone(), fact).await?;
    mandates::pause_lapsed_in(&tx, platform, &by, user.id).await?;
    tx.commit().await
}

async fn keep_an_admin_in(tx: &Tx<'_>, leaving: UserId) -> Result<()> {
    let admins = tx.query(store::LOCK_ADMINS, &[]).await?;
    let others =
        admins.iter().any(|row| row.try_get("id").is_ok_and(|id: uuid::Uuid| id != leaving.0));
    if others { Ok(()) } else { Err(Error::Conflict(Conflict::LastAdmin)) }
}

/// A user leaves with their accounts, and only when these hold and expect nothing.
async fn close_accounts_in(
    tx: &Tx<'_>,
    platform: &Platform,
    actor: &Actor,
    owner: UserId,
) -> Result<()> {
    tx.execute(store::LOCK_ACCOUNTS, &[&owner.0]).await?;
    if tx.get(store::HAS_MONEY, &[&owner.0, &Utc(platform.now())]).await?.try_get(0)? {
        return Err(Refusal::UserHasMoney.into());
    }
    let themselves = actor.user_id == owner;
    if themselves && tx.get(store::HAS_SUSPENDED, &[&owner.0]).await?.try_get(0)? {
        return Err(Error::Forbidden(Forbidden::Suspended));
    }
    let by = By::actor(actor, platform.now());
    for row in tx.query(store::CLOSE_ACCOUNTS, &[&owner.0]).await? {
        let account = AccountId(row.try_get("id")?);
        let fact = Fact::AccountClosed { account, owner };
        facts::record_in(tx, platform.new_id(), by.clone(), fact).await?;
        mandates::close_account_in(tx, platform, &by, account, owner).await?;
    }
    Ok(())
}
