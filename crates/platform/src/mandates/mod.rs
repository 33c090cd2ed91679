//! Mandates: what was ordered for later may do without anybody asking again.
//!
//! A schedule, and an order that completes by itself, act for whoever gave the order, with
//! the credential it was given with: its owner's login, or one API key. What that may do is
//! looked up when it matters and never remembered. Whatever takes a right away (a key that
//! is revoked, a role, a user's state) calls [`pause_lapsed_in`] in its own transaction; a
//! run or completion looks once more under its own lock ([`read`]), so it moves money before
//! such a change or not at all. A login that ends takes nothing away: what it ordered stands
//! for the user, until they say otherwise with a new password ([`pause_sessions_in`]).
//! Reads `users`, `api_keys`, `accounts` and `transactions`; pauses and ends rows of
//! `wallstreet.schedules`, owns `wallstreet.completions`. Knows no calendar.

mod completions;
mod store;

use crate::{
    Platform,
    actor::{Actor, Credential, Origin, Permission, Role, permissions},
    db::{Connection, Param, Tx, Utc, maybe_time, maybe_word, word},
    error::{Error, Forbidden, Result, Unauthenticated},
    facts::{self, By, Fact},
};
pub(crate) use completions::{Ordered, insert, lapse_due, purge};
use jiff::Timestamp;
use ledger::{AccountId, Authority, Kind, TransactionId, UserId, words};
use std::collections::HashSet;
pub(crate) use store::ALL as STATEMENTS;
use tokio_postgres::Row;
use uuid::Uuid;

words! {
    /// Why a schedule is paused, or an order does not complete by itself any more.
    PauseReason {
        /// Its owner said so.
        Owner = "owner",
        /// An administrator said so; only an administrator resumes it.
        Administrator = "administrator",
        /// The API key it was made with is gone.
        KeyRevoked = "api_key_revoked",
        /// The API key it was made with is switched off.
        KeyInactive = "api_key_inactive",
        /// The API key it was made with has expired.
        KeyExpired = "api_key_expired",
        /// Its key or its owner may no longer give such an order.
        PermissionLost = "permission_lost",
        /// Its owner is suspended or closed.
        UserInactive = "user_inactive",
        /// An account it needs is closed.
        AccountClosed = "account_closed",
        /// Its owner set another password, and stopped what other logins had ordered.
        PasswordChanged = "password_changed",
    }
}

impl PauseReason {
    /// What an order is answered that is given for this reason in vain.
    pub(crate) fn error(self) -> Error {
        match self {
            Self::UserInactive => Error::Unauthenticated(Unauthenticated::InactiveUser),
            Self::KeyRevoked | Self::KeyInactive | Self::KeyExpired => {
                Error::Unauthenticated(Unauthenticated::InvalidKey)
            }
            Self::PasswordChanged => Error::Unauthenticated(Unauthenticated::EndedSession),
            Self::Owner | Self::Administrator | Self::PermissionLost | Self::AccountClosed => {
                Error::Forbidden(Forbidden::Permission)
            }
        }
    }
}

/// What a batch may ask here, so that a connection knows it beforehand.
pub(crate) const IN_A_BATCH: [&str; 5] = [
    store::KEEP,
    store::READ,
    store::KEEP_COMPLETIONS,
    store::READ_COMPLETIONS,
    store::INSERT_COMPLETIONS,
];

/// An order that the bank gives for somebody who does not ask at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Later {
    /// A run of this schedule.
    Schedule(Uuid),
    /// The completion of this transaction, which is due.
    Completion(TransactionId),
}

impl Later {
    fn id(self) -> Uuid {
        match self {
            Self::Schedule(id) | Self::Completion(TransactionId(id)) => id,
        }
    }
}

/// The API key that acts, if one does.
pub(crate) fn key_of(actor: &Actor) -> Option<Uuid> {
    match actor.credential {
        Credential::ApiKey { id, .. } => Some(id),
        Credential::Session(_) | Credential::Schedule(_) => None,
    }
}

/// The login that acts, if one does.
pub(crate) fn session_of(actor: &Actor) -> Option<Uuid> {
    match actor.credential {
        Credential::Session(id) => Some(id),
        Credential::ApiKey { .. } | Credential::Schedule(_) => None,
    }
}

/// The API key of a mandate, as it is at this moment.
struct Key {
    id: Uuid,
    there: bool,
    active: bool,
    expires_at: Option<Timestamp>,
    permissions: serde_json::Value,
}

/// Who stands behind an order for later, with what, as it is at this moment.
pub(crate) struct Mandate {
    id: Uuid,
    user: UserId,
    role: Role,
    welcome: bool,
    key: Option<Key>,
    /// Whether the order takes the right to change by word how much money there is.
    settles: bool,
    account_owner: Option<UserId>,
    /// It was taken away before, and does not come back.
    lapsed: Option<PauseReason>,
}

impl Mandate {
    fn read(row: &Row) -> Result<Self> {
        let key = match row.try_get("api_key_id")? {
            Some(id) => Some(Key {
                id,
                there: row.try_get("key_there")?,
                active: row.try_get("key_active")?,
                expires_at: maybe_time(row, "key_expires_at")?,
                permissions: row.try_get("permissions")?,
            }),
            None => None,
        };
        Ok(Self {
            id: row.try_get("id")?,
            user: UserId(row.try_get("user_id")?),
            role: word(row, "role")?,
            welcome: row.try_get("welcome")?,
            key,
            settles: row.try_get("settles")?,
            account_owner: row.try_get::<_, Option<Uuid>>("account_owner")?.map(UserId),
            lapsed: maybe_word(row, "lapsed")?,
        })
    }

    /// Whether it is the one for this order.
    pub(crate) fn is_for(&self, later: Later) -> bool {
        self.id == later.id()
    }

    /// What it allows at this moment; else, why it has lapsed.
    pub(crate) fn judge(
        &self,
        now: Timestamp,
        users_settle: bool,
    ) -> Result<Authority, PauseReason> {
        if let Some(reason) = self.lapsed {
            return Err(reason);
        }
        if !self.welcome {
            return Err(PauseReason::UserInactive);
        }
        let credential = match &self.key {
            None => Credential::Schedule(self.id),
            Some(key) if !key.there => return Err(PauseReason::KeyRevoked),
            Some(key) if !key.active => return Err(PauseReason::KeyInactive),
            Some(key) if key.expires_at.is_some_and(|end| end <= now) => {
                return Err(PauseReason::KeyExpired);
            }
            Some(key) => Credential::ApiKey {
                id: key.id,
                permissions: permissions(&key.permissions),
                rate_limit: 0,
            },
        };
        let (user_id, role, origin) = (self.user, self.role, Origin::default());
        let actor = Actor { user_id, role, credential, origin };
        let authority = actor.authority(users_settle);
        let reaches =
            self.account_owner.is_none_or(|owner| authority.only.is_none_or(|only| only == owner));
        let may = actor.require(Permission::WriteTransactions).is_ok()
            && reaches
            && (authority.settles || !self.settles);
        if may { Ok(authority) } else { Err(PauseReason::PermissionLost) }
    }
}

/// Whether a run of this type changes by word alone how much money the bank holds.
pub(crate) fn settles(kind: Kind) -> bool {
    matches!(kind, Kind::Deposit | Kind::Credit | Kind::Debit)
}

/// What stands behind orders that are about to be given, kept as it is until the caller's
/// transaction ends; one that somebody changes at this moment is left out.
pub(crate) async fn read(session: &Connection, orders: &[Later]) -> Result<Vec<Mandate>> {
    let (mut schedules, mut completions) = (Vec::new(), Vec::new());
    for order in orders {
        match order {
            Later::Schedule(id) => schedules.push(*id),
            Later::Completion(id) => completions.push(id.0),
        }
    }
    let (runs, ends) = tokio::join!(
        biased;
        kept(session, [store::KEEP, store::READ], &schedules),
        kept(session, [store::KEEP_COMPLETIONS, store::READ_COMPLETIONS], &completions),
    );
    let mut mandates = runs?;
    mandates.extend(ends?);
    Ok(mandates)
}

async fn kept(session: &Connection, sql: [&str; 2], ids: &[Uuid]) -> Result<Vec<Mandate>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let params: [Param<'_>; 1] = [&ids];
    let (kept, rows) =
        tokio::join!(biased; session.query(sql[0], &params), session.query(sql[1], &params));
    let kept = ids_of(&kept?)?.into_iter().collect::<HashSet<Uuid>>();
    let mut mandates = rows?.iter().map(Mandate::read).collect::<Result<Vec<_>>>()?;
    mandates.retain(|mandate| kept.contains(&mandate.id));
    Ok(mandates)
}

fn ids_of(rows: &[Row]) -> Result<Vec<Uuid>> {
    rows.iter().map(|row| Ok(row.try_get("id")?)).collect()
}

/// The same for one schedule that the caller's transaction has locked.
pub(crate) async fn judge_in(
    tx: &Tx<'_>,
    platform: &Platform,
    schedule: Uuid,
    now: Timestamp,
) -> Result<Result<Authority, PauseReason>> {
    let row = tx.get(store::READ, &[&vec![schedule]]).await?;
    Ok(Mandate::read(&row)?.judge(now, platform.settings().users_settle))
}

/// Stops what a user ordered for later and has nothing behind it any more. The caller
/// holds the user's lock, and has changed what there was to change.
pub(crate) async fn pause_lapsed_in(
    tx: &Tx<'_>,
    platform: &Platform,
    by: &By<'_>,
    user: UserId,
) -> Result<()> {
    let rows = tx.query(store::LOCK_OF_USER, &[&user.0]).await?;
    pause_lapsed_of_in(tx, platform, by, &ids_of(&rows)?).await?;
    completions::lapse_of_user_in(tx, platform, by, user).await
}

/// The same for some schedules that the caller's transaction has locked.
pub(crate) async fn pause_lapsed_of_in(
    tx: &Tx<'_>,
    platform: &Platform,
    by: &By<'_>,
    schedules: &[Uuid],
) -> Result<()> {
    let lapsed = lapsed_in(tx, platform, store::READ, schedules, by.at).await?;
    pause_in(tx, platform, by, &lapsed).await.map(drop)
}

/// Which of some rows have nothing behind them any more, and why.
async fn lapsed_in(
    tx: &Tx<'_>,
    platform: &Platform,
    sql: &str,
    ids: &[Uuid],
    at: Timestamp,
) -> Result<Vec<(Uuid, PauseReason)>> {
    let (settle, mut lapsed) = (platform.settings().users_settle, Vec::new());
    if ids.is_empty() {
        return Ok(lapsed);
    }
    for row in tx.query(sql, &[&ids]).await? {
        let mandate = Mandate::read(&row)?;
        lapsed.extend(mandate.judge(at, settle).err().map(|why| (mandate.id, why)));
    }
    Ok(lapsed)
}

/// Stops what a user's logins ordered for later, all but the one that asks; says how much.
/// The caller holds the user's lock.
pub(crate) async fn pause_sessions_in(
    tx: &Tx<'_>,
    platform: &Platform,
    by: &By<'_>,
    user: UserId,
    asks: Uuid,
) -> Result<usize> {
    let why = |rows: Vec<Row>| {
        let ids = ids_of(&rows)?.into_iter();
        Ok::<_, Error>(ids.map(|id| (id, PauseReason::PasswordChanged)).collect::<Vec<_>>())
    };
    let schedules = why(tx.query(store::LOCK_OF_SESSIONS, &[&user.0, &asks]).await?)?;
    let paused = pause_in(tx, platform, by, &schedules).await?;
    let rows = tx.query(store::LOCK_COMPLETIONS_OF_SESSIONS, &[&user.0, &asks]).await?;
    Ok(paused + completions::lapse_in(tx, platform, by, &why(rows)?).await?)
}

async fn pause_in(
    tx: &Tx<'_>,
    platform: &Platform,
    by: &By<'_>,
    lapsed: &[(Uuid, PauseReason)],
) -> Result<usize> {
    if lapsed.is_empty() {
        return Ok(0);
    }
    let ids: Vec<Uuid> = lapsed.iter().map(|(id, _)| *id).collect();
    let reasons: Vec<&str> = lapsed.iter().map(|(_, why)| why.as_str()).collect();
    let mut told = Vec::new();
    for row in tx.query(store::PAUSE, &[&ids, &reasons, &Utc(by.at)]).await? {
        let reason: PauseReason = word(&row, "pause_reason")?;
        let fact = Fact::SchedulePaused {
            schedule: row.try_get("id")?,
            owner: UserId(row.try_get("user_id")?),
            reason: reason.as_str(),
        };
        told.push((platform.new_id(), by.clone(), fact));
    }
    facts::record_all_in(tx, &told).await?;
    Ok(told.len())
}

/// Ends the schedules out of an account that is being closed, and pauses its owner's
/// own into it. Others' into it are paused when their next run is refused: there can
/// be any number of them, and nobody is to keep an account open by them.
pub(crate) async fn close_account_in(
    tx: &Tx<'_>,
    platform: &Platform,
    by: &By<'_>,
    account: AccountId,
    owner: UserId,
) -> Result<()> {
    let (mut out, mut into) = (Vec::new(), Vec::new());
    for row in tx.query(store::LOCK_OF_ACCOUNT, &[&account.0, &owner.0]).await? {
        let id: Uuid = row.try_get("id")?;
        match row.try_get("out")? {
            true => out.push(id),
            false => into.push((id, PauseReason::AccountClosed)),
        }
    }
    let mut told = Vec::new();
    for row in tx.query(store::END, &[&out, &Utc(by.at)]).await? {
        let fact = Fact::ScheduleEnded {
            schedule: row.try_get("id")?,
            owner: UserId(row.try_get("user_id")?),
            reason: Some(PauseReason::AccountClosed.as_str()),
        };
        told.push((platform.new_id(), by.clone(), fact));
    }
    facts::record_all_in(tx, &told).await?;
    pause_in(tx, platform, by, &into).await.map(drop)
}
