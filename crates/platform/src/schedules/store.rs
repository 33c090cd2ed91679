//! Statements and rows of `wallstreet.schedules` and `wallstreet.schedule_runs`.

use super::{Every, Rhythm, Run, Schedule, zone};
use crate::{
    db::{Numeric, maybe_time, maybe_word, statements, time, word},
    error::{Error, Result},
    transactions::Metadata,
};
use ledger::{AccountId, TransactionId, UserId};
use tokio_postgres::Row;
use uuid::Uuid;

/// The columns of a [`Schedule`].
macro_rules! columns {
    () => {
        "s.id, s.user_id, s.account_id, s.transaction_type, s.amount, s.currency, \
         s.to_account_id, s.description, s.metadata::text AS metadata, s.start_at, s.time_zone, \
         s.every_unit, s.every_count, s.every_day, s.until_at, s.runs, s.missed, s.status, s.pause_reason, \
         s.api_key_id, s.next_run, s.next_at, s.begun, s.attempts, s.created_at, s.updated_at"
    };
}

/// The conditions of a list of schedules.
macro_rules! wanted {
    () => {
        "($1::uuid IS NULL OR s.user_id = $1) AND ($2::text IS NULL OR s.status = $2)"
    };
}

statements! {
    /// The accounts an order names, whoever owns them; none is closed meanwhile.
    ACCOUNTS = "SELECT id, user_id, currency, status FROM accounts WHERE id = ANY ($1::uuid[])
         ORDER BY id FOR SHARE";
    /// How many a user has that have not ended.
    COUNT_OPEN = "SELECT count(*) FROM wallstreet.schedules WHERE user_id = $1 AND status <> 'ended'";
    /// A new one.
    INSERT = concat!("INSERT INTO wallstreet.schedules AS s
            (id, user_id, account_id, transaction_type, amount, currency, to_account_id, description,
             metadata, start_at, time_zone, every_unit, every_count, until_at, runs, missed,
             created_at, updated_at, next_at, wake_at, api_key_id, every_day, session_id, status)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::jsonb, $10, $11, $12, $13, $14, $15, $16,
                $17, $17, $18, $18, $19, $20, $21, 'active') RETURNING ", columns!());
    /// One, of one owner if one is given.
    FIND = concat!("SELECT ", columns!(), " FROM wallstreet.schedules s
         WHERE s.id = $1 AND ($2::uuid IS NULL OR s.user_id = $2)");
    /// One, to be changed by the caller's transaction.
    LOCK = concat!("SELECT ", columns!(), " FROM wallstreet.schedules s
         WHERE s.id = $1 AND ($2::uuid IS NULL OR s.user_id = $2) FOR NO KEY UPDATE");
    /// Some whose run has begun, to be noted; always in the same order.
    LOCK_BEGUN = concat!("SELECT ", columns!(), " FROM wallstreet.schedules s
         WHERE s.id = ANY ($1::uuid[]) AND s.begun ORDER BY s.id FOR NO KEY UPDATE");
    /// Those to be looked at now that nobody else is looking at, and what the
    /// database's clock shows.
    LOCK_WAKING = concat!("SELECT ", columns!(), ", clock_timestamp() AS database
          FROM wallstreet.schedules s
         WHERE s.wake_at <= $1 ORDER BY s.wake_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED");
    /// From now on, another credential stands behind it.
    ADOPT = "UPDATE wallstreet.schedules SET api_key_id = $2, updated_at = $3, session_id = $4
         WHERE id = $1";
    /// From now on, their next run may have been posted.
    BEGIN_RUNS = "UPDATE wallstreet.schedules
           SET begun = true, attempts = attempts + 1, wake_at = $2 WHERE id = ANY ($1::uuid[])";
    /// Tries a run again later, unless somebody has noted it.
    POSTPONE = "UPDATE wallstreet.schedules SET wake_at = $3 WHERE id = $1 AND next_run = $2 AND begun";
    /// Where schedules stand after a change.
    MOVE = "UPDATE wallstreet.schedules s
           SET status = m.status, next_run = m.next_run, next_at = m.next_at, wake_at = m.wake_at,
               begun = m.begun, pause_reason = m.pause_reason,
               attempts = CASE WHEN m.begun THEN s.attempts ELSE 0 END, updated_at = $7
          FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::timestamptz[], $5::timestamptz[], $6::boolean[],
                      $8::text[])
               AS m (id, status, next_run, next_at, wake_at, begun, pause_reason)
         WHERE s.id = m.id";
    /// What became of runs.
    INSERT_RUNS = "INSERT INTO wallstreet.schedule_runs
            (schedule_id, n, due_at, status, transaction_id, code, message, noted_at)
        SELECT r.*, $8 FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::text[],
                                   $5::uuid[], $6::text[], $7::text[]) AS r";
    /// A page of schedules.
    LIST = concat!("SELECT ", columns!(), " FROM wallstreet.schedules s
         WHERE ", wanted!(), "
           AND ($3::timestamptz IS NULL OR (s.created_at, s.id) < ($3, $4::uuid))
         ORDER BY s.created_at DESC, s.id DESC LIMIT $5 OFFSET $6");
    /// How many the same filter finds.
    COUNT = concat!("SELECT count(*) FROM wallstreet.schedules s WHERE ", wanted!());
    /// The runs before a number, newest first, at the same cost at any depth.
    RUNS = "SELECT n, due_at, status, transaction_id, code, message, noted_at
          FROM wallstreet.schedule_runs WHERE schedule_id = $1 AND n < $2 ORDER BY n DESC LIMIT $3";
}

pub(super) fn read(row: &Row) -> Result<Schedule> {
    let every = match row.try_get::<_, Option<i64>>("every_count")? {
        Some(count) => {
            let day = maybe_word(row, "every_day")?;
            Some(Every { unit: word(row, "every_unit")?, count, day })
        }
        None => None,
    };
    Ok(Schedule {
        id: row.try_get("id")?,
        user_id: UserId(row.try_get("user_id")?),
        account_id: AccountId(row.try_get("account_id")?),
        kind: word(row, "transaction_type")?,
        amount: row.try_get::<_, Numeric>("amount")?.amount()?,
        currency: word(row, "currency")?,
        to_account_id: row.try_get::<_, Option<Uuid>>("to_account_id")?.map(AccountId),
        description: row.try_get("description")?,
        metadata: Metadata::stored(row.try_get("metadata")?)?,
        rhythm: Rhythm {
            start_at: time(row, "start_at")?,
            zone: zone(row.try_get("time_zone")?).map_err(Error::internal)?,
            every,
            until: maybe_time(row, "until_at")?,
            runs: row.try_get("runs")?,
        },
        missed: word(row, "missed")?,
        status: word(row, "status")?,
        pause_reason: maybe_word(row, "pause_reason")?,
        api_key_id: row.try_get("api_key_id")?,
        next_run: row.try_get("next_run")?,
        next_at: maybe_time(row, "next_at")?,
        begun: row.try_get("begun")?,
        attempts: row.try_get("attempts")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

pub(super) fn read_run(row: &Row) -> Result<Run> {
    Ok(Run {
        n: row.try_get("n")?,
        due_at: time(row, "due_at")?,
        status: word(row, "status")?,
        transaction_id: row.try_get::<_, Option<Uuid>>("transaction_id")?.map(TransactionId),
        code: row.try_get("code")?,
        message: row.try_get("message")?,
        noted_at: time(row, "noted_at")?,
    })
}
