//! Many schedules or runs as arrays: one statement a table.

use super::{PauseReason, Run, Schedule, Status, store};
use crate::{
    db::{Param, Tx, Utc},
    error::Result,
};
use jiff::Timestamp;
use uuid::Uuid;

/// Writes where schedules stand, and when each is to be looked at next: a begun
/// one whatever its status, for what has begun ends; else an active one when it
/// is due.
pub(super) async fn move_in(tx: &Tx<'_>, moved: &[&Schedule], at: Timestamp) -> Result<()> {
    let ids: Vec<Uuid> = moved.iter().map(|s| s.id).collect();
    let states: Vec<&str> = moved.iter().map(|s| s.status.as_str()).collect();
    let runs: Vec<i64> = moved.iter().map(|s| s.next_run).collect();
    let nexts: Vec<Option<Utc>> = moved.iter().map(|s| s.next_at.map(Utc)).collect();
    let wakes: Vec<Option<Utc>> = moved
        .iter()
        .map(|s| s.next_at.filter(|_| s.begun || s.status == Status::Active).map(Utc))
        .collect();
    let begun: Vec<bool> = moved.iter().map(|s| s.begun).collect();
    let reasons: Vec<Option<&str>> =
        moved.iter().map(|s| s.pause_reason.map(PauseReason::as_str)).collect();
    let params: [Param<'_>; 8] = [&ids, &states, &runs, &nexts, &wakes, &begun, &Utc(at), &reasons];
    tx.execute(store::MOVE, &params).await?;
    Ok(())
}

/// Writes what became of runs, each with its schedule.
pub(super) async fn insert_runs_in(tx: &Tx<'_>, runs: &[(Uuid, Run)], at: Timestamp) -> Result<()> {
    let schedules: Vec<Uuid> = runs.iter().map(|(schedule, _)| *schedule).collect();
    let numbers: Vec<i64> = runs.iter().map(|(_, run)| run.n).collect();
    let dues: Vec<Utc> = runs.iter().map(|(_, run)| Utc(run.due_at)).collect();
    let states: Vec<&str> = runs.iter().map(|(_, run)| run.status.as_str()).collect();
    let transactions: Vec<Option<Uuid>> =
        runs.iter().map(|(_, run)| run.transaction_id.map(|id| id.0)).collect();
    let codes: Vec<Option<&str>> = runs.iter().map(|(_, run)| run.code.as_deref()).collect();
    let texts: Vec<Option<&str>> = runs.iter().map(|(_, run)| run.message.as_deref()).collect();
    let params: [Param<'_>; 8] =
        [&schedules, &numbers, &dues, &states, &transactions, &codes, &texts, &Utc(at)];
    tx.execute(store::INSERT_RUNS, &params).await?;
    Ok(())
}
