//! A schedule is paused, resumed and ended.
//!
//! Resuming is giving the order anew: it takes what making it would take, and the
//! schedule belongs to whatever credential did it from then on. What an
//! administrator paused, an administrator resumes.

use super::{PauseReason, Schedule, Status, rows, rules, store};
use crate::{
    Platform,
    actor::{Actor, Permission},
    db::{Param, Tx, Utc},
    error::{Error, Forbidden, Resource, Result},
    facts::{self, By, Fact},
    mandates, users,
};
use jiff::Timestamp;
use uuid::Uuid;

/// Pauses, resumes or ends a schedule. What fell due while it was paused is noted
/// as skipped when it is resumed.
///
/// # Errors
/// [`Resource::Schedule`] when it is not the caller's to see; an ended one stays so.
/// A key needs what making the schedule would need. Resuming is refused for whatever
/// making it would be refused for, and after an administrator's pause.
pub async fn set_status(
    platform: &Platform,
    actor: &Actor,
    schedule: Uuid,
    status: Status,
) -> Result<Schedule> {
    actor.require(Permission::WriteTransactions)?;
    let at = platform.now();
    let mut connection = platform.connection().await?;
    let tx = connection.begin().await?;
    let found = find_in(&tx, store::FIND, actor, schedule).await?;
    let owner = found.user_id;
    // Users are locked before accounts, and these before schedules.
    let mut both = [actor.user_id, owner];
    both.sort();
    for one in both {
        users::lock_in(&tx, one).await?;
    }
    let actor = &rules::prove_in(&tx, actor, at).await?;
    if status == Status::Active && found.status == Status::Paused {
        rules::judge_in(&tx, platform, actor, &found.draft()?, found.to_account_id).await?;
    } else if mandates::key_of(actor).is_some() {
        rules::require_authority_in(&tx, platform, actor, &found).await?;
    }
    let mut after = find_in(&tx, store::LOCK, actor, schedule).await?;
    let own = owner == actor.user_id;
    let pauses = if own { PauseReason::Owner } else { PauseReason::Administrator };
    let raised = status == Status::Paused && !own && after.pause_reason != Some(pauses);
    if after.status == status && !raised || found.status == status && status == Status::Active {
        return Ok(after);
    }
    match (after.status, status) {
        (Status::Ended, _) => {
            let text = "an ended schedule stays ended: make a new one";
            return Err(Error::invalid("status", "final", text));
        }
        (_, Status::Active) => resume_in(&tx, platform, actor, &mut after, at).await?,
        (_, Status::Paused) => after.pause_reason = Some(pauses),
        (_, Status::Ended) => after.pause_reason = None,
    }
    after.status = status;
    after.updated_at = at;
    if status == Status::Active && !after.begun {
        after.skip_in(&tx, after.rhythm.due(at), at).await?;
    }
    rows::move_in(&tx, &[&after], at).await?;
    let api_key = after.api_key_id.filter(|_| status == Status::Active && own);
    let fact = match after.status {
        Status::Ended => Fact::ScheduleEnded { schedule, owner, reason: None },
        status => Fact::ScheduleUpdated { schedule, owner, status: status.as_str(), api_key },
    };
    facts::record_in(&tx, platform.new_id(), By::actor(actor, at), fact).await?;
    tx.commit().await?;
    Ok(after)
}

/// Ends a schedule; its history stays.
///
/// # Errors
/// [`Resource::Schedule`] when it is not the caller's to see.
pub async fn end(platform: &Platform, actor: &Actor, schedule: Uuid) -> Result<Schedule> {
    set_status(platform, actor, schedule, Status::Ended).await
}

async fn find_in(tx: &Tx<'_>, sql: &str, actor: &Actor, schedule: Uuid) -> Result<Schedule> {
    let scope = actor.scope().map(|user| user.0);
    let row = tx.find(sql, &[&schedule, &scope]).await?;
    store::read(&row.ok_or(Error::NotFound(Resource::Schedule))?)
}

/// Gives the order anew: its owner with what they act with now, an administrator
/// with what it was made with.
async fn resume_in(
    tx: &Tx<'_>,
    platform: &Platform,
    actor: &Actor,
    schedule: &mut Schedule,
    at: Timestamp,
) -> Result<()> {
    if schedule.pause_reason == Some(PauseReason::Administrator) && actor.scope().is_some() {
        return Err(Error::Forbidden(Forbidden::Paused));
    }
    if schedule.user_id == actor.user_id {
        schedule.api_key_id = mandates::key_of(actor);
        let session = mandates::session_of(actor);
        let params: [Param<'_>; 4] = [&schedule.id, &schedule.api_key_id, &Utc(at), &session];
        tx.execute(store::ADOPT, &params).await?;
    } else if mandates::judge_in(tx, platform, schedule.id, at).await?.is_err() {
        return Err(Error::Forbidden(Forbidden::Lapsed));
    }
    schedule.pause_reason = None;
    Ok(())
}
