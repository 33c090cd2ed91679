//! Mandates: what a schedule may do without anybody asking again.
//!
//! A schedule acts for whoever made it, with the credential it was made with: its
//! owner's login, or one API key. What that may do is looked up when it matters and
//! never remembered. Whatever takes a right away (a key that is revoked, a role, a
//! user's state) calls [`pause_lapsed_in`] in its own transaction; a run looks once
//! more under the schedule's lock ([`read`]), so it moves money before such a change
//! or not at all. Reads `users`, `api_keys` and `accounts`; pauses and ends rows of
//! `wallstreet.schedules`. Knows no calendar.

use crate::{
    Platform,
    actor::{Actor, Credential, Origin, Permission, Role, permissions},
    db::{Connection, Param, Tx, Utc, maybe_time, statements, word},
    error::{Error, Forbidden, Result, Unauthenticated},
    facts::{self, By, Fact},
};
use jiff::Timestamp;
use ledger::{AccountId, Authority, Kind, UserId, words};
use std::collections::HashSet;
use tokio_postgres::Row;
use uuid::Uuid;

words! {
    /// Why a schedule is paused.
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
            _ => Error::Forbidden(Forbidden::Permission),
        }
    }
}

statements! {
    /// All of a user's that may still run, to be judged.
    LOCK_OF_USER = "SELECT id FROM wallstreet.schedules
         WHERE user_id = $1 AND (status <> 'ended' OR begun) ORDER BY id FOR NO KEY UPDATE";
    /// Those that nobody changes at this moment, kept so until the transaction ends.
    KEEP = "SELECT id FROM wallstreet.schedules WHERE id = ANY ($1::uuid[]) ORDER BY id
           FOR SHARE SKIP LOCKED";
    /// What stands behind schedules. A statement of its own, after their locks: its
    /// snapshot sees what the locks waited for.
    READ = "SELECT s.id, s.user_id, s.transaction_type, s.api_key_id, a.user_id AS account_owner,
               u.role, u.status = 'active' AS welcome, k.id IS NOT NULL AS key_there,
               coalesce(k.is_active, true) AS key_active, k.expires_at AS key_expires_at,
               coalesce(k.permissions, '{}') AS permissions
          FROM wallstreet.schedules s
          JOIN users u ON u.id = s.user_id
          LEFT JOIN accounts a ON a.id = s.account_id
          LEFT JOIN api_keys k ON k.id = s.api_key_id AND k.user_id = s.user_id
         WHERE s.id = ANY ($1::uuid[]) ORDER BY s.id";
    /// Pauses those that run; one that has begun is still looked at.
    PAUSE = "UPDATE wallstreet.schedules s
           SET status = 'paused', pause_reason = p.reason, updated_at = $3,
               wake_at = CASE WHEN s.begun THEN s.wake_at END
          FROM unnest($1::uuid[], $2::text[]) AS p (id, reason)
         WHERE s.id = p.id AND s.status = 'active'
        RETURNING s.id, s.user_id, s.pause_reason";
    /// Locks what an account's closing ends, and what of its owner's it stops.
    LOCK_OF_ACCOUNT = "SELECT id, account_id = $1 AS out FROM wallstreet.schedules
         WHERE status <> 'ended' AND (account_id = $1 OR user_id = $2 AND to_account_id = $1)
         ORDER BY id FOR NO KEY UPDATE";
    /// Ends schedules for good.
    END = "UPDATE wallstreet.schedules
           SET status = 'ended', pause_reason = NULL, updated_at = $2,
               wake_at = CASE WHEN begun THEN wake_at END
         WHERE id = ANY ($1::uuid[]) RETURNING id, user_id";
}

/// The API key of a mandate, as it is at this moment.
struct Key {
    id: Uuid,
    there: bool,
    active: bool,
    expires_at: Option<Timestamp>,
    permissions: serde_json::Value,
}

/// Who stands behind a schedule, with what, as it is at this moment.
pub(crate) struct Mandate {
    pub(crate) schedule: Uuid,
    user: UserId,
    role: Role,
    welcome: bool,
    key: Option<Key>,
    kind: Kind,
    account_owner: Option<UserId>,
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
            schedule: row.try_get("id")?,
            user: UserId(row.try_get("user_id")?),
            role: word(row, "role")?,
            welcome: row.try_get("welcome")?,
            key,
            kind: word(row, "transaction_type")?,
            account_owner: row.try_get::<_, Option<Uuid>>("account_owner")?.map(UserId),
        })
    }

    /// What it allows at this moment; else, why it has lapsed.
    pub(crate) fn judge(
        &self,
        now: Timestamp,
        users_settle: bool,
    ) -> Result<Authority, PauseReason> {
        if !self.welcome {
            return Err(PauseReason::UserInactive);
        }
        let credential = match &self.key {
            None => Credential::Schedule(self.schedule),
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
            && (authority.settles || !settles(self.kind));
        if may { Ok(authority) } else { Err(PauseReason::PermissionLost) }
    }
}

/// Whether a run of this type changes by word alone how much money the bank holds.
pub(crate) fn settles(kind: Kind) -> bool {
    matches!(kind, Kind::Deposit | Kind::Credit | Kind::Debit)
}

/// What stands behind schedules that are about to run, kept as it is until the
/// caller's transaction ends; one that somebody changes at this moment is left out.
pub(crate) async fn read(session: &Connection, schedules: &[Uuid]) -> Result<Vec<Mandate>> {
    if schedules.is_empty() {
        return Ok(Vec::new());
    }
    let params: [Param<'_>; 1] = [&schedules];
    let (kept, rows) =
        tokio::join!(biased; session.query(KEEP, &params), session.query(READ, &params));
    let kept = kept?.iter().map(|row| row.try_get("id")).collect::<Result<HashSet<Uuid>, _>>()?;
    let mut mandates = rows?.iter().map(Mandate::read).collect::<Result<Vec<_>>>()?;
    mandates.retain(|mandate| kept.contains(&mandate.schedule));
    Ok(mandates)
}

/// The same for one schedule that the caller's transaction has locked.
pub(crate) async fn judge_in(
    tx: &Tx<'_>,
    platform: &Platform,
    schedule: Uuid,
    now: Timestamp,
) -> Result<Result<Authority, PauseReason>> {
    let row = tx.get(READ, &[&vec![schedule]]).await?;
    Ok(Mandate::read(&row)?.judge(now, platform.settings().users_settle))
}

/// Pauses those of a user's schedules that have nothing behind them any more. The
/// caller holds the user's lock, and has changed what there was to change.
pub(crate) async fn pause_lapsed_in(
    tx: &Tx<'_>,
    platform: &Platform,
    by: &By<'_>,
    user: UserId,
) -> Result<()> {
    let rows = tx.query(LOCK_OF_USER, &[&user.0]).await?;
    let ids = rows.iter().map(|row| row.try_get("id")).collect::<Result<Vec<Uuid>, _>>()?;
    pause_lapsed_of_in(tx, platform, by, &ids).await
}

/// The same for some that the caller's transaction has locked.
pub(crate) async fn pause_lapsed_of_in(
    tx: &Tx<'_>,
    platform: &Platform,
    by: &By<'_>,
    schedules: &[Uuid],
) -> Result<()> {
    if schedules.is_empty() {
        return Ok(());
    }
    let settle = platform.settings().users_settle;
    let mut lapsed = Vec::new();
    for row in tx.query(READ, &[&schedules]).await? {
        let mandate = Mandate::read(&row)?;
        lapsed.extend(mandate.judge(by.at, settle).err().map(|why| (mandate.schedule, why)));
    }
    pause_in(tx, platform, by, &lapsed).await
}

async fn pause_in(
    tx: &Tx<'_>,
    platform: &Platform,
    by: &By<'_>,
    lapsed: &[(Uuid, PauseReason)],
) -> Result<()> {
    if lapsed.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = lapsed.iter().map(|(id, _)| *id).collect();
    let reasons: Vec<&str> = lapsed.iter().map(|(_, why)| why.as_str()).collect();
    let mut told = Vec::new();
    for row in tx.query(PAUSE, &[&ids, &reasons, &Utc(by.at)]).await? {
        let reason: PauseReason = word(&row, "pause_reason")?;
        let fact = Fact::SchedulePaused {
            schedule: row.try_get("id")?,
            owner: UserId(row.try_get("user_id")?),
            reason: reason.as_str(),
        };
        told.push((platform.new_id(), by.clone(), fact));
    }
    facts::record_all_in(tx, &told).await
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
    for row in tx.query(LOCK_OF_ACCOUNT, &[&account.0, &owner.0]).await? {
        let id: Uuid = row.try_get("id")?;
        match row.try_get("out")? {
            true => out.push(id),
            false => into.push((id, PauseReason::AccountClosed)),
        }
    }
    let mut told = Vec::new();
    for row in tx.query(END, &[&out, &Utc(by.at)]).await? {
        let fact = Fact::ScheduleEnded {
            schedule: row.try_get("id")?,
            owner: UserId(row.try_get("user_id")?),
            reason: Some(PauseReason::AccountClosed.as_str()),
        };
        told.push((platform.new_id(), by.clone(), fact));
    }
    facts::record_all_in(tx, &told).await?;
    pause_in(tx, platform, by, &into).await
}
