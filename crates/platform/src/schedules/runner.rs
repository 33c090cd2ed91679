//! Runs what is due, exactly once, on any number of servers and across crashes.
//!
//! A run is begun (a short transaction marks it), posted under a key that only
//! this occurrence has, and noted together with the next one. Whoever begins a run
//! again — after a crash, or because the first one is slow — posts under the same
//! key and so reads the same outcome. Being alone is only a courtesy: nothing but
//! the key is relied upon. Whether what stands behind the schedule still allows it is
//! judged in the posting itself, under the schedule's lock; a schedule that nothing
//! stands behind any more is paused. What the posting leaves no key for, as when the
//! owner is suspended, takes the key itself when it is noted: whoever comes late finds it
//! taken, or finds what was posted before.

use super::{Missed, PauseReason, Run, RunStatus, Schedule, Status, rows, store};
use crate::{
    Platform,
    actor::{Actor, Credential, Origin, Role},
    clock::Sure,
    db::{Tx, Utc, time},
    error::{Error, Result},
    facts::{self, By, Fact},
    idempotency::{self, IdempotencyKey, Outcome},
    mandates, orders,
    transactions::Transaction,
};
use jiff::{SignedDuration, Timestamp};
use ledger::{Refusal, TransactionId};
use std::{future::Future, pin::pin, time::Duration};
use tokio::task::JoinSet;
use uuid::Uuid;

/// How often it is looked for what is due.
const EVERY: Duration = Duration::from_secs(1);
/// The most runs that are begun together.
const BATCH: i64 = 64;
/// How long a begun run is left to whoever began it.
const LEASE: SignedDuration = SignedDuration::from_secs(10);
/// The longest pause before a run that could not be posted is tried again.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(5);

/// Runs schedules until `stop` is ready, and then to the end of what has begun.
pub async fn run(platform: Platform, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    loop {
        // A task of its own: should it fall, the next one stands.
        let begun = tokio::spawn({
            let platform = platform.clone();
            async move { round(&platform).await }
        });
        let pause = match begun.await {
            Ok(Ok(Round { begun: 1.., .. })) => Duration::ZERO,
            Ok(Ok(_)) => EVERY,
            Ok(Err(error)) => {
                tracing::warn!(%error, "schedules will be looked at again");
                EVERY
            }
            Err(fall) => {
                tracing::error!(%fall, "a round of schedules fell: its runs will be begun again");
                EVERY
            }
        };
        tokio::select! {
            biased;
            () = &mut stop => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Runs everything that is due by now; says how many runs came to an end.
///
/// # Errors
/// [`Error::Unavailable`] while the database does not answer; what was begun is
/// begun again later.
pub async fn run_due(platform: &Platform) -> Result<usize> {
    let mut noted = 0;
    loop {
        let round = round(platform).await?;
        noted += round.noted;
        if round.begun == 0 {
            return Ok(noted);
        }
    }
}

/// What one round came to.
struct Round {
    begun: usize,
    noted: usize,
}

async fn round(platform: &Platform) -> Result<Round> {
    let due = begin(platform).await?;
    let begun = due.len();
    let mut posting = JoinSet::new();
    for due in due {
        let platform = platform.clone();
        posting.spawn(async move {
            let answer = due.post(&platform).await;
            (due, answer)
        });
    }
    let mut verdicts = Vec::new();
    for (due, answer) in posting.join_all().await {
        match Verdict::of(answer) {
            Ok(verdict) => verdicts.push((due, verdict)),
            Err(error) => due.postpone(platform, &error).await,
        }
    }
    let noted = match note(platform, &verdicts).await {
        Err(Error::Internal(cause)) if verdicts.len() > 1 => {
            tracing::error!(%cause, "runs could not be noted together: noting them one by one");
            let mut noted = 0;
            for alone in verdicts.chunks(1) {
                match note(platform, alone).await {
                    Ok(one) => noted += one,
                    Err(error) => tracing::error!(%error, "a run will be begun again"),
                }
            }
            noted
        }
        noted => noted?,
    };
    Ok(Round { begun, noted })
}

/// A run that has begun.
struct Due {
    schedule: Schedule,
    due_at: Timestamp,
    actor: Actor,
    key: IdempotencyKey,
}

/// Marks what is due as begun; first notes as skipped what nobody wants any more.
/// While time is in doubt nothing is due.
async fn begin(platform: &Platform) -> Result<Vec<Due>> {
    let mut due = Vec::new();
    let Some(now) = platform.sure().map(Sure::now) else { return Ok(due) };
    let mut connection = platform.connection().await?;
    let tx = connection.begin().await?;
    for row in tx.query(store::LOCK_WAKING, &[&Utc(now), &BATCH]).await? {
        if !platform.clock().agrees(now, time(&row, "database")?) {
            tracing::warn!("the database's clock has jumped: schedules wait");
            return Ok(Vec::new());
        }
        let mut schedule = store::read(&row)?;
        if schedule.missed == Missed::Skip && !schedule.begun {
            skip_missed_in(&tx, platform, &mut schedule, now).await?;
        }
        // The condition that it wakes says that there is a next one.
        let Some(due_at) = schedule.next_at else { continue };
        due.push(Due::new(schedule, due_at));
    }
    if due.is_empty() {
        return Ok(due);
    }
    let ids: Vec<Uuid> = due.iter().map(|due| due.schedule.id).collect();
    let lease = now.saturating_add(LEASE).map_err(Error::internal)?;
    tx.execute(store::BEGIN_RUNS, &[&ids, &Utc(lease)]).await?;
    tx.commit().await?;
    Ok(due)
}

/// Goes on to the newest occurrence that is due.
async fn skip_missed_in(
    tx: &Tx<'_>,
    platform: &Platform,
    schedule: &mut Schedule,
    now: Timestamp,
) -> Result<()> {
    let (first, newest) = (schedule.next_run, schedule.rhythm.due(now) - 1);
    if newest <= first {
        return Ok(());
    }
    schedule.skip_in(tx, newest, now).await?;
    rows::move_in(tx, &[schedule], now).await?;
    let fact = Fact::ScheduleSkipped {
        schedule: schedule.id,
        owner: schedule.user_id,
        first,
        last: newest - 1,
    };
    let origin = origin(schedule);
    let by = By { user: Some(schedule.user_id), origin: &origin, at: now };
    facts::record_in(tx, platform.new_id(), by, fact).await
}

/// Where the orders of a schedule come from.
fn origin(schedule: &Schedule) -> Origin {
    Origin {
        ip: None,
        user_agent: Some(format!("schedule {}", schedule.id)),
        request_id: format!("schedule {} {}", schedule.id, schedule.next_run),
    }
}

impl Due {
    fn new(schedule: Schedule, due_at: Timestamp) -> Self {
        let origin = origin(&schedule);
        let key = IdempotencyKey::internal(origin.request_id.clone());
        // In the owner's name; what that allows is found out when it is posted.
        let (role, credential) = (Role::User, Credential::Schedule(schedule.id));
        let actor = Actor { user_id: schedule.user_id, role, credential, origin };
        Self { schedule, due_at, actor, key }
    }

    async fn post(&self, platform: &Platform) -> Result<Outcome<Transaction>> {
        orders::create(platform, &self.actor, self.schedule.draft()?, Some(self.key.clone())).await
    }

    /// Leaves the run for later: after one second, then two, then four … If that
    /// cannot be written down, it is begun again when its lease is over.
    async fn postpone(&self, platform: &Platform, error: &Error) {
        let Schedule { id, next_run, attempts, .. } = self.schedule;
        tracing::warn!(schedule = %id, run = next_run, attempts, %error, "a run will be tried again");
        let seconds = 1_i64 << attempts.clamp(0, 16);
        let pause = SignedDuration::from_secs(seconds).min(LONGEST_PAUSE);
        let wake = platform.now().saturating_add(pause).unwrap_or(Timestamp::MAX);
        let write = async {
            let connection = platform.connection().await?;
            connection.execute(store::POSTPONE, &[&id, &next_run, &Utc(wake)]).await
        };
        if let Err(error) = write.await {
            tracing::warn!(schedule = %id, %error, "a run could not be postponed");
        }
    }
}

/// What became of a run.
#[derive(Clone)]
struct Verdict {
    result: Result<TransactionId, (&'static str, String)>,
    /// Whether the key keeps it already.
    kept: bool,
}

impl Verdict {
    /// What an answer of the bank means; the error is one that may pass.
    fn of(answer: Result<Outcome<Transaction>>) -> Result<Self> {
        match answer {
            Ok(outcome) => Ok(Self { result: Ok(outcome.value.id), kept: true }),
            Err(error) => {
                let kept = match &error {
                    Error::Refused { .. } => true,
                    Error::Invalid(_)
                    | Error::Unauthenticated(_)
                    | Error::Forbidden(_)
                    | Error::NotFound(_) => false,
                    Error::Conflict(_)
                    | Error::KeyReused
                    | Error::Unavailable { .. }
                    | Error::OutcomeUnknown { .. }
                    | Error::Undone
                    | Error::DerivationTooLong { .. }
                    | Error::Internal(_) => return Err(error),
                };
                Ok(Self { result: Err((error.code(), error.to_string())), kept })
            }
        }
    }

    /// The verdict that counts: that of the key, if somebody posted under it before.
    async fn settle_in(&self, tx: &Tx<'_>, due: &Due, now: Timestamp) -> Result<Self> {
        if self.kept {
            return Ok(self.clone());
        }
        match idempotency::claim_in(tx, &due.actor, Some(&due.key), now).await {
            Ok(None) => Ok(self.clone()),
            Ok(Some(outcome)) => Self::of(Ok(outcome)),
            Err(error) => Self::of(Err(error)),
        }
    }

    fn run(self, due: &Due, now: Timestamp) -> Run {
        let (transaction_id, refusal) = match self.result {
            Ok(transaction) => (Some(transaction), None),
            Err(refusal) => (None, Some(refusal)),
        };
        let completed = transaction_id.is_some();
        let (code, message) = refusal.unzip();
        Run {
            n: due.schedule.next_run,
            due_at: due.due_at,
            status: if completed { RunStatus::Completed } else { RunStatus::Refused },
            transaction_id,
            code: code.map(str::to_owned),
            message,
            noted_at: now,
        }
    }
}

/// Notes runs, goes on to the next ones, and tells; says how many nobody else had
/// noted before.
async fn note(platform: &Platform, verdicts: &[(Due, Verdict)]) -> Result<usize> {
    if verdicts.is_empty() {
        return Ok(0);
    }
    let now = platform.now();
    let mut connection = platform.connection().await?;
    let tx = connection.begin().await?;
    let ids: Vec<Uuid> = verdicts.iter().map(|(due, _)| due.schedule.id).collect();
    let (mut runs, mut moved, mut told) = (Vec::new(), Vec::new(), Vec::new());
    let mut doubtful = Vec::new();
    for row in tx.query(store::LOCK_BEGUN, &[&ids]).await? {
        let mut schedule = store::read(&row)?;
        let ours = |due: &Due| {
            due.schedule.id == schedule.id && due.schedule.next_run == schedule.next_run
        };
        let Some((due, verdict)) = verdicts.iter().find(|(due, _)| ours(due)) else { continue };
        let run = verdict.settle_in(&tx, due, now).await?.run(due, now);
        schedule.proceed(schedule.next_run + 1);
        if run.code.as_deref() == Some(Refusal::AccountClosed.code())
            && schedule.status == Status::Active
        {
            schedule.status = Status::Paused;
            schedule.pause_reason = Some(PauseReason::AccountClosed);
            let reason = PauseReason::AccountClosed.as_str();
            let fact =
                Fact::SchedulePaused { schedule: schedule.id, owner: schedule.user_id, reason };
            told.push((platform.new_id(), By::actor(&due.actor, now), fact));
        }
        if run.code.is_some() && !verdict.kept {
            doubtful.push(schedule.id);
        }
        let fact = Fact::ScheduleRun {
            schedule: schedule.id,
            owner: schedule.user_id,
            n: run.n,
            transaction: run.transaction_id,
            code: run.code.clone(),
            status: schedule.status.as_str(),
        };
        told.push((platform.new_id(), By::actor(&due.actor, now), fact));
        runs.push((schedule.id, run));
        moved.push(schedule);
    }
    if runs.is_empty() {
        return Ok(0);
    }
    rows::insert_runs_in(&tx, &runs, now).await?;
    rows::move_in(&tx, &moved.iter().collect::<Vec<_>>(), now).await?;
    facts::record_all_in(&tx, &told).await?;
    let by = By { user: None, origin: &Origin::default(), at: now };
    mandates::pause_lapsed_of_in(&tx, platform, &by, &doubtful).await?;
    tx.commit().await?;
    Ok(runs.len())
}
