//! Schedules: orders for later, once or again and again.

use super::orders::target;
use crate::{
    caller::Caller,
    extract::{Json, Keyed, PathId},
    fields::{
        AccountNumber, Amount, Currency, Description, EveryCount, Id, Kind, Metadata, Missed,
        Money, MonthDay, PauseReason, RunCount, RunStatus, ScheduleStatus, Time, TimeZone, Unit,
    },
    openapi::IdempotencyHeader,
    paging::{Paging, page_of},
    problem::Problem,
    query::{List, Unfiltered},
    reply::{Answer, Reply},
};
use axum::extract::State;
use platform::{
    Platform,
    orders::Draft,
    schedules::{self, NewSchedule, Rhythm},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// An order for later.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "accountId": "01890a5d-ac96-774b-bcce-b302099a8057", "transactionType": "transfer",
    "amount": 850.00, "toAccountNumber": "WS123456789015", "description": "Rent",
    "startAt": "2031-01-31T07:00:00Z", "timeZone": "Europe/Zurich",
    "every": {"unit": "month", "count": 1}, "missed": "run",
}))]
pub(crate) struct CreateSchedule {
    account_id: Id,
    transaction_type: Kind,
    amount: Amount,
    /// Absent: the account's. Present: must be the account's.
    currency: Option<Currency>,
    description: Option<Description>,
    metadata: Option<Metadata>,
    /// Where a transfer goes; or `toAccountNumber`.
    to_account_id: Option<Id>,
    /// Where a transfer goes; or `toAccountId`.
    to_account_number: Option<AccountNumber>,
    /// The first occurrence, from which all others are counted; with `every.day`, the
    /// first day of that kind in its month.
    start_at: Time,
    /// Whose calendar and clocks count; absent: UTC.
    time_zone: Option<TimeZone>,
    /// Absent: it runs once.
    every: Option<GivenEvery>,
    /// No occurrence is later than this.
    until: Option<Time>,
    /// There are no more occurrences than this.
    runs: Option<RunCount>,
    /// What becomes of occurrences that could not be run in time: all are caught
    /// up on (`run`), or only the newest is run (`skip`). Absent: `run`.
    missed: Option<Missed>,
}

/// How far it is from one occurrence to the next.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GivenEvery {
    unit: Unit,
    /// Absent: 1.
    count: Option<EveryCount>,
    /// For months and years: `last` is the last day of the month, from that of
    /// `startAt` on. Absent: the day of `startAt`, or the last one where a month lacks it.
    day: Option<MonthDay>,
}

impl From<GivenEvery> for schedules::Every {
    fn from(every: GivenEvery) -> Self {
        let (unit, day) = (every.unit.0, every.day.map(|day| day.0));
        Self { unit, count: every.count.map_or(1, |count| count.0), day }
    }
}

impl TryFrom<CreateSchedule> for NewSchedule {
    type Error = Problem;

    fn try_from(new: CreateSchedule) -> Result<Self, Problem> {
        let draft = Draft {
            account: new.account_id.into(),
            kind: new.transaction_type.0,
            amount: new.amount.0,
            currency: new.currency.map(|currency| currency.0),
            target: target(new.to_account_id, new.to_account_number)?,
            description: new.description.map(|description| description.0),
            metadata: new.metadata.map(|metadata| metadata.0).unwrap_or_default(),
            complete: true,
            expires: None,
            completes: None,
            effective: None,
            exchange: None,
        };
        let rhythm = Rhythm {
            start_at: new.start_at.0,
            zone: new.time_zone.map_or(jiff::tz::TimeZone::UTC, |zone| zone.0),
            every: new.every.map(Into::into),
            until: new.until.map(|time| time.0),
            runs: new.runs.map(|runs| runs.0),
        };
        let missed = new.missed.map_or(schedules::Missed::Run, |missed| missed.0);
        Ok(Self { draft, rhythm, missed })
    }
}

/// What a schedule is to be; `ended` is for good.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"status": "paused"}))]
pub(crate) struct ChangeSchedule {
    status: ScheduleStatus,
}

/// Which schedules.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ScheduleQuery {
    /// Only in this state.
    status: Option<ScheduleStatus>,
}

/// An order for later.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Schedule {
    id: Uuid,
    user_id: Uuid,
    account_id: Uuid,
    transaction_type: Kind,
    amount: Money,
    currency: Currency,
    /// Where a transfer goes.
    #[schema(required)]
    to_account_id: Option<Uuid>,
    #[schema(required)]
    description: Option<String>,
    metadata: Metadata,
    start_at: Time,
    time_zone: TimeZone,
    #[schema(required)]
    every: Option<Every>,
    #[schema(required)]
    until: Option<Time>,
    #[schema(required)]
    runs: Option<RunCount>,
    missed: Missed,
    status: ScheduleStatus,
    /// Why it is paused; `null` unless it is.
    #[schema(required)]
    pause_reason: Option<PauseReason>,
    /// The API key it was made with, or resumed with last: it runs as long as that key
    /// may give the order. `null`: with its owner's login.
    #[schema(required)]
    api_key_id: Option<Uuid>,
    /// The next occurrence, counted from 0; so many are behind it.
    #[schema(minimum = 0)]
    next_run: i64,
    /// When it runs next; `null` while it does not.
    #[schema(required)]
    next_run_at: Option<Time>,
    created_at: Time,
    updated_at: Time,
}

/// How far it is from one occurrence to the next.
#[derive(Serialize, ToSchema)]
pub(crate) struct Every {
    unit: Unit,
    count: EveryCount,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    day: Option<MonthDay>,
}

impl From<schedules::Every> for Every {
    fn from(every: schedules::Every) -> Self {
        let day = every.day.map(MonthDay);
        Self { unit: Unit(every.unit), count: EveryCount(every.count), day }
    }
}

impl From<schedules::Schedule> for Schedule {
    fn from(schedule: schedules::Schedule) -> Self {
        let rhythm = schedule.rhythm;
        let active = schedule.status == schedules::Status::Active;
        Self {
            id: schedule.id,
            user_id: schedule.user_id.0,
            account_id: schedule.account_id.0,
            transaction_type: Kind(schedule.kind),
            amount: schedule.amount.into(),
            currency: Currency(schedule.currency),
            to_account_id: schedule.to_account_id.map(|id| id.0),
            description: schedule.description,
            metadata: Metadata(schedule.metadata),
            start_at: Time(rhythm.start_at),
            time_zone: TimeZone(rhythm.zone),
            every: rhythm.every.map(Into::into),
            until: rhythm.until.map(Time),
            runs: rhythm.runs.map(RunCount),
            missed: Missed(schedule.missed),
            status: ScheduleStatus(schedule.status),
            pause_reason: schedule.pause_reason.map(PauseReason),
            api_key_id: schedule.api_key_id,
            next_run: schedule.next_run,
            next_run_at: schedule.next_at.filter(|_| active).map(Time),
            created_at: Time(schedule.created_at),
            updated_at: Time(schedule.updated_at),
        }
    }
}

/// One occurrence and what became of it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Run {
    /// Which, from 0.
    #[schema(minimum = 0)]
    n: i64,
    due_at: Time,
    status: RunStatus,
    /// The transaction, if the money moved.
    #[schema(required)]
    transaction_id: Option<Uuid>,
    /// Why not, if the bank refused: the code an order would have got.
    #[schema(required, example = "insufficient_funds")]
    code: Option<String>,
    /// The same for people.
    #[schema(required)]
    message: Option<String>,
    /// When it was run, or found to be skipped.
    ran_at: Time,
}

impl From<schedules::Run> for Run {
    fn from(run: schedules::Run) -> Self {
        Self {
            n: run.n,
            due_at: Time(run.due_at),
            status: RunStatus(run.status),
            transaction_id: run.transaction_id.map(|id| id.0),
            code: run.code,
            message: run.message,
            ran_at: Time(run.noted_at),
        }
    }
}

page_of! {
    /// A page of schedules.
    Schedules { schedules: Schedule }
}

page_of! {
    /// A page of occurrences.
    Runs { runs: Run }
}

/// Make a schedule
///
/// Each occurrence is one transaction, completed at once, exactly once. What an
/// order of the same shape would be refused for is refused here; whether there is
/// enough money is found out when it is due.
#[utoipa::path(
    post, path = "/schedules", operation_id = "create_schedule", tag = "Schedules",
    params(IdempotencyHeader), request_body = CreateSchedule,
    responses(
        (status = 201, description = "The schedule", body = Schedule),
        (status = 404, description = "`account_not_found`"),
        (
            status = 422,
            description = "`account_suspended`, `account_closed`, `currency_mismatch`, \
                `fraction_of_unit`, `same_account`",
        ),
    ),
)]
pub(crate) async fn create(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Keyed(key, new): Keyed<CreateSchedule>,
) -> Answer<Schedule> {
    let outcome = schedules::create(&platform, &actor, new.try_into()?, key).await?;
    let reply = Reply::outcome("Schedule created successfully", outcome);
    Ok(reply.created(|schedule: &Schedule| format!("/api/v1/schedules/{}", schedule.id)))
}

/// Your schedules
#[utoipa::path(
    get, path = "/schedules", operation_id = "list_schedules", tag = "Schedules",
    params(ScheduleQuery, Paging),
    responses((status = 200, description = "Newest first", body = Schedules)),
)]
pub(crate) async fn list(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    List(ScheduleQuery { status }, page): List<ScheduleQuery>,
) -> Answer<Schedules> {
    let status = status.map(|status| status.0);
    let schedules = schedules::list(&platform, &actor, status, page).await?;
    Ok(Reply::ok("Schedules retrieved successfully", schedules.into()))
}

/// One schedule
#[utoipa::path(
    get, path = "/schedules/{id}", operation_id = "get_schedule", tag = "Schedules",
    params(("id" = Id, Path)),
    responses((status = 200, description = "The schedule", body = Schedule)),
)]
pub(crate) async fn get(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<Uuid>,
) -> Answer<Schedule> {
    let schedule = schedules::get(&platform, &actor, id).await?;
    Ok(Reply::ok("Schedule retrieved successfully", schedule.into()))
}

/// Pause, resume or end a schedule
///
/// What falls due while it is paused is skipped. A run that has begun is finished.
/// Resuming takes what making it would take, and from then on it belongs to whoever
/// resumed it: the key, or the owner. What an administrator paused, an administrator
/// resumes.
#[utoipa::path(
    patch, path = "/schedules/{id}", operation_id = "update_schedule", tag = "Schedules",
    params(("id" = Id, Path)), request_body = ChangeSchedule,
    responses(
        (status = 200, description = "The schedule, changed", body = Schedule),
        (
            status = 403,
            description = "`permission_required`, `settlement_not_allowed`, \
                `paused_by_administrator`, `schedule_lapsed`",
        ),
        (
            status = 422,
            description = "`account_suspended`, `account_closed`, when it is resumed",
        ),
    ),
)]
pub(crate) async fn change(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<Uuid>,
    Json(change): Json<ChangeSchedule>,
) -> Answer<Schedule> {
    let schedule = schedules::set_status(&platform, &actor, id, change.status.0).await?;
    Ok(Reply::ok("Schedule updated successfully", schedule.into()))
}

/// End a schedule
///
/// It stays, with what it has done.
#[utoipa::path(
    delete, path = "/schedules/{id}", operation_id = "end_schedule", tag = "Schedules",
    params(("id" = Id, Path)),
    responses((status = 200, description = "The schedule, ended", body = Schedule)),
)]
pub(crate) async fn end(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<Uuid>,
) -> Answer<Schedule> {
    let schedule = schedules::end(&platform, &actor, id).await?;
    Ok(Reply::ok("Schedule ended successfully", schedule.into()))
}

/// What became of a schedule's occurrences
#[utoipa::path(
    get, path = "/schedules/{id}/runs", operation_id = "list_schedule_runs", tag = "Schedules",
    params(("id" = Id, Path), Paging),
    responses((status = 200, description = "Newest first", body = Runs)),
)]
pub(crate) async fn runs(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<Uuid>,
    List(Unfiltered {}, page): List<Unfiltered>,
) -> Answer<Runs> {
    let runs = schedules::runs(&platform, &actor, id, page).await?;
    Ok(Reply::ok("Runs retrieved successfully", runs.into()))
}
