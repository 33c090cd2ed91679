//! Schedules: orders that the bank gives in their owner's name when they are due.
//!
//! Owns `wallstreet.schedules` and `wallstreet.schedule_runs`. Here one is made,
//! and read; [`change`] pauses, resumes and ends one, [`runner`] runs what is due,
//! [`occurrence`] says when that is. What is ordered is fixed when the schedule is
//! made; what it may do is [`crate::mandates`]' to say at each run. A run that has
//! begun is finished, also when its schedule was paused or ended since, unless what
//! stands behind it is gone.

mod change;
mod occurrence;
mod rows;
mod rules;
mod runner;
mod store;

pub use crate::mandates::PauseReason;
use crate::{
    Platform,
    actor::{Actor, Permission},
    db::{Connection, Numeric, Param, Tx, Utc},
    error::{Error, Resource, Result},
    facts::{self, By, Fact},
    idempotency::{self, IdempotencyKey, Outcome},
    mandates,
    orders::{self, Draft, Target},
    page::{Cursor, Listing, PageRequest, Position},
    transactions::{Description, Metadata},
};
pub use change::{end, set_status};
use jiff::{SignedDuration, Timestamp};
use ledger::{AccountId, Amount, Currency, Kind, TransactionId, UserId, words};
pub use occurrence::{Every, MonthDay, Rhythm, Unit, zone};
pub use runner::{run, run_due};
use serde::{Deserialize, Serialize};
pub(crate) use store::ALL as STATEMENTS;
use uuid::Uuid;

/// The most schedules of one user that have not ended.
const MOST: i64 = 1000;
/// How far in the past a schedule may begin: clocks differ, and requests take time.
const LATE: SignedDuration = SignedDuration::from_mins(1);

words! {
    /// Where a schedule stands.
    Status {
        /// It runs when it is due.
        Active = "active",
        /// It does not; what falls due meanwhile is skipped when it is resumed.
        Paused = "paused",
        /// It never runs again.
        Ended = "ended",
    }
}

words! {
    /// What becomes of occurrences that nobody could run in time.
    Missed {
        /// All are caught up on, in order.
        Run = "run",
        /// Only the newest is run.
        Skip = "skip",
    }
}

words! {
    /// What became of a run.
    RunStatus {
        /// The money moved.
        Completed = "completed",
        /// The bank said no.
        Refused = "refused",
        /// Nobody asked the bank.
        Skipped = "skipped",
    }
}

/// A schedule as its owner sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "what is ordered, by the names of a transaction's columns")]
pub struct Schedule {
    pub id: Uuid,
    pub user_id: UserId,
    pub account_id: AccountId,
    pub kind: Kind,
    pub amount: Amount,
    pub currency: Currency,
    pub to_account_id: Option<AccountId>,
    pub description: Option<String>,
    pub metadata: Metadata,
    /// When it is due.
    pub rhythm: Rhythm,
    pub missed: Missed,
    pub status: Status,
    /// Why, while it is paused.
    #[serde(default)]
    pub pause_reason: Option<PauseReason>,
    /// The API key it was made with or last resumed with; absent: its owner, logged in.
    #[serde(default)]
    pub api_key_id: Option<Uuid>,
    /// Which occurrence is next, from 0: so many are behind it.
    pub next_run: i64,
    /// When that is; absent behind the last one.
    pub next_at: Option<Timestamp>,
    /// Whether the next run may have been posted.
    pub(crate) begun: bool,
    /// How often the next run was begun.
    pub(crate) attempts: i32,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// One occurrence and what became of it.
#[derive(Clone, Debug)]
pub struct Run {
    /// Which, from 0.
    pub n: i64,
    /// When it was due.
    pub due_at: Timestamp,
    /// How it ended.
    pub status: RunStatus,
    /// The transaction, if money moved.
    pub transaction_id: Option<TransactionId>,
    /// Why not, if the bank said no.
    pub code: Option<String>,
    /// The same for people.
    pub message: Option<String>,
    /// When it was noted.
    pub noted_at: Timestamp,
}

/// A schedule to be made.
#[derive(Clone, Debug)]
pub struct NewSchedule {
    /// What is ordered each time; it is always completed at once.
    pub draft: Draft,
    /// When.
    pub rhythm: Rhythm,
    /// What becomes of occurrences that nobody could run in time.
    pub missed: Missed,
}

/// Makes a schedule of the caller's.
///
/// # Errors
/// Whatever an order of the same shape is refused for, but for the money; a start
/// in the past; at most 1,000 schedules a user.
pub async fn create(
    platform: &Platform,
    actor: &Actor,
    new: NewSchedule,
    key: Option<IdempotencyKey>,
) -> Result<Outcome<Schedule>> {
    actor.require(Permission::WriteTransactions)?;
    let at = platform.now();
    let NewSchedule { draft, rhythm, missed } = new;
    let rhythm = in_microseconds(rhythm);
    rhythm.check()?;
    let target = orders::resolve(platform, draft.kind, draft.target.as_ref()).await?;
    let mut connection = platform.connection().await?;
    let tx = connection.begin().await?;
    if let Some(earlier) = idempotency::claim_in(&tx, actor, key.as_ref(), at).await? {
        return Ok(earlier);
    }
    if at.duration_since(rhythm.start_at) > LATE {
        return Err(Error::invalid("startAt", "in_the_past", "must not lie in the past"));
    }
    let actor = &rules::prove_in(&tx, actor, at).await?;
    if tx.get(store::COUNT_OPEN, &[&actor.user_id.0]).await?.try_get::<_, i64>(0)? >= MOST {
        let text = "you have 1000 schedules that have not ended: end one first";
        return Err(Error::invalid("accountId", "too_many", text));
    }
    let currency = rules::judge_in(&tx, platform, actor, &draft, target).await?;
    let next_at = rhythm.at(0).map(Utc);
    let every_day = rhythm.every.and_then(|every| every.day).map(MonthDay::as_str);
    let params: [Param<'_>; 21] = [
        &platform.new_id(),
        &actor.user_id.0,
        &draft.account.0,
        &draft.kind.as_str(),
        &Numeric::from(draft.amount),
        &currency.code(),
        &target.map(|target| target.0),
        &draft.description.as_ref().map(Description::as_str),
        &draft.metadata.as_str(),
        &Utc(rhythm.start_at),
        &rhythm.zone.iana_name().unwrap_or("UTC"),
        &rhythm.every.map(|every| every.unit.as_str()),
        &rhythm.every.map(|every| every.count),
        &rhythm.until.map(Utc),
        &rhythm.runs,
        &missed.as_str(),
        &Utc(at),
        &next_at,
        &mandates::key_of(actor),
        &every_day,
        &mandates::session_of(actor),
    ];
    let made = store::read(&tx.get(store::INSERT, &params).await?)?;
    let fact = Fact::ScheduleCreated {
        schedule: made.id,
        owner: made.user_id,
        account: made.account_id,
        kind: made.kind,
        amount: made.amount,
        currency: made.currency,
        start_at: made.rhythm.start_at,
        api_key: made.api_key_id,
    };
    facts::record_in(&tx, platform.new_id(), By::actor(actor, at), fact).await?;
    idempotency::finish_in(&tx, actor, key.as_ref(), &made).await?;
    tx.commit().await?;
    Ok(Outcome { value: made, at, replayed: false })
}

/// As exact as the database keeps it, so that what is checked is what is stored.
fn in_microseconds(rhythm: Rhythm) -> Rhythm {
    let cut = |at: Timestamp| Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at);
    Rhythm { start_at: cut(rhythm.start_at), until: rhythm.until.map(cut), ..rhythm }
}

/// One schedule.
///
/// # Errors
/// [`Resource::Schedule`] when it is not the caller's to see.
pub async fn get(platform: &Platform, actor: &Actor, schedule: Uuid) -> Result<Schedule> {
    actor.require(Permission::ReadTransactions)?;
    find(&platform.connection().await?, actor, schedule).await
}

async fn find(connection: &Connection, actor: &Actor, schedule: Uuid) -> Result<Schedule> {
    let scope = actor.scope().map(|user| user.0);
    let row = connection.find(store::FIND, &[&schedule, &scope]).await?;
    store::read(&row.ok_or(Error::NotFound(Resource::Schedule))?)
}

/// The caller's schedules, newest first; an administrator sees everybody's.
///
/// # Errors
/// A key needs `read:transactions`.
pub async fn list(
    platform: &Platform,
    actor: &Actor,
    status: Option<Status>,
    page: PageRequest,
) -> Result<Listing<Schedule>> {
    actor.require(Permission::ReadTransactions)?;
    let connection = platform.connection().await?;
    let (scope, status) = (actor.scope().map(|user| user.0), status.map(Status::as_str));
    let (at, id) = page.after();
    let params: [Param<'_>; 6] = [&scope, &status, &at, &id, &page.fetch(), &page.offset()];
    let rows = connection.query(store::LIST, &params).await?;
    let schedules = rows.iter().map(store::read).collect::<Result<Vec<_>>>()?;
    let total = match page.counts() {
        true => connection.find(store::COUNT, &[&scope, &status]).await?,
        false => None,
    };
    let total = total.map(|row| row.try_get(0)).transpose()?;
    Ok(Listing::cut(schedules, total, page, |schedule| {
        Cursor::new(schedule.created_at, schedule.id)
    }))
}

/// What became of a schedule's occurrences, newest first.
///
/// # Errors
/// [`Resource::Schedule`] when it is not the caller's to see.
pub async fn runs(
    platform: &Platform,
    actor: &Actor,
    schedule: Uuid,
    page: PageRequest,
) -> Result<Listing<Run>> {
    actor.require(Permission::ReadTransactions)?;
    let connection = platform.connection().await?;
    let behind = find(&connection, actor, schedule).await?.next_run;
    // Every number below `next_run` has its row, so a page is a place among them.
    let before: i64 = match page.position() {
        Position::Number(_) => behind - page.offset(),
        Position::After(cursor) => i64::try_from(cursor.id().as_u128()).unwrap_or(i64::MAX),
    };
    let rows = connection.query(store::RUNS, &[&schedule, &before, &page.fetch()]).await?;
    let runs = rows.iter().map(store::read_run).collect::<Result<Vec<_>>>()?;
    let total = page.counts().then_some(behind);
    Ok(Listing::cut(runs, total, page, |run| {
        Cursor::new(run.due_at, Uuid::from_u128(run.n.unsigned_abs().into()))
    }))
}

impl Schedule {
    /// What is ordered each time.
    fn draft(&self) -> Result<Draft> {
        let description = self.description.as_deref().map(Description::parse).transpose();
        Ok(Draft {
            account: self.account_id,
            kind: self.kind,
            amount: self.amount,
            currency: Some(self.currency),
            target: self.to_account_id.map(Target::Id),
            description: description.map_err(Error::internal)?,
            metadata: self.metadata.clone(),
            complete: true,
            expires: None,
            completes: None,
            effective: None,
            exchange: None,
        })
    }

    /// Goes on to occurrence `n`; behind the last one it ends.
    fn proceed(&mut self, n: i64) {
        self.next_run = n;
        self.next_at = self.rhythm.at(n);
        self.begun = false;
        if self.next_at.is_none() {
            self.status = Status::Ended;
            self.pause_reason = None;
        }
    }

    /// Notes everything before occurrence `n` as skipped. The row is locked and no
    /// run has begun, so nobody can have posted any of it.
    async fn skip_in(&mut self, tx: &Tx<'_>, n: i64, at: Timestamp) -> Result<()> {
        let passed = (self.next_run..n).filter_map(|n| Some((n, self.rhythm.at(n)?)));
        let skipped: Vec<(Uuid, Run)> = passed
            .map(|(n, due_at)| {
                let (transaction_id, code, message) = (None, None, None);
                let status = RunStatus::Skipped;
                (self.id, Run { n, due_at, status, transaction_id, code, message, noted_at: at })
            })
            .collect();
        if n > self.next_run {
            rows::insert_runs_in(tx, &skipped, at).await?;
            self.proceed(n);
        }
        Ok(())
    }
}
