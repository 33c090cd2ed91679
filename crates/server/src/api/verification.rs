//! The check of the ledger, for administrators.

use crate::{
    caller::Caller,
    fields::Time,
    reply::{Answer, Reply},
};
use axum::extract::State;
use platform::{
    Platform,
    verification::{self, Outcome, Report},
};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// What the checker of this server does and found.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LedgerCheck {
    /// Whether one is under way on this server.
    running: bool,
    /// What the last one found; null before the first since the start, and after one that broke off.
    #[schema(required)]
    last: Option<LedgerReport>,
    /// When the last one broke off: since then the ledger is not checked, and the log has the cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    failed_at: Option<Time>,
}

/// A check of the whole ledger.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LedgerReport {
    /// Whether everything is as it should be.
    sound: bool,
    /// When it began.
    at: Time,
    #[schema(minimum = 0)]
    took_ms: u64,
    #[schema(minimum = 0)]
    accounts: i64,
    #[schema(minimum = 0)]
    transactions: i64,
    #[schema(minimum = 0)]
    entries: i64,
    #[schema(minimum = 0)]
    seals: i64,
    /// The newest sealed entry; 0: none is.
    #[schema(minimum = 0)]
    sealed_up_to: i64,
    /// How many differences there are in all.
    #[schema(minimum = 0)]
    differences: i64,
    checks: Vec<LedgerRule>,
    /// What is worth knowing and is no difference.
    notes: Vec<String>,
}

/// One rule of the ledger.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LedgerRule {
    #[schema(example = "balances")]
    name: &'static str,
    /// What holds where there is no difference.
    #[schema(example = "a balance is the sum of the entries")]
    rule: &'static str,
    /// How many things were compared.
    #[schema(minimum = 0)]
    examined: i64,
    #[schema(minimum = 0)]
    differences: i64,
    #[schema(minimum = 0)]
    took_ms: u64,
    /// The first of them.
    #[schema(max_items = 100)]
    first: Vec<LedgerDifference>,
}

/// Something that is not as it should be.
#[derive(Serialize, ToSchema)]
pub(crate) struct LedgerDifference {
    /// Which account, transaction, entry, audit row, seal or currency.
    subject: String,
    /// What of it.
    what: String,
    /// What the database says.
    stored: String,
    /// What the entries say.
    recomputed: String,
}

fn milliseconds(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

impl From<&Report> for LedgerReport {
    fn from(report: &Report) -> Self {
        let rule = |check: &verification::Check| LedgerRule {
            name: check.name,
            rule: check.rule,
            examined: check.examined,
            differences: check.differences,
            took_ms: milliseconds(check.took),
            first: check.first.iter().cloned().map(Into::into).collect(),
        };
        Self {
            sound: report.is_sound(),
            at: Time(report.at),
            took_ms: milliseconds(report.took),
            accounts: report.size.accounts,
            transactions: report.size.transactions,
            entries: report.size.entries,
            seals: report.size.seals,
            sealed_up_to: report.size.sealed_up_to,
            differences: report.differences(),
            checks: report.checks.iter().map(rule).collect(),
            notes: report.notes.clone(),
        }
    }
}

impl From<verification::Difference> for LedgerDifference {
    fn from(difference: verification::Difference) -> Self {
        let verification::Difference { subject, what, stored, recomputed } = difference;
        Self { subject, what, stored, recomputed }
    }
}

impl From<verification::State> for LedgerCheck {
    fn from(state: verification::State) -> Self {
        let (last, failed_at) = match &state.last {
            Some(Outcome::Found(report)) => (Some((&**report).into()), None),
            Some(Outcome::Failed(at)) => (None, Some(Time(*at))),
            None => (None, None),
        };
        Self { running: state.running, last, failed_at }
    }
}

/// The last check of the ledger
///
/// The server checks by itself, as often as `LEDGER_CHECK_INTERVAL` says.
#[utoipa::path(
    get, path = "/admin/ledger/check", operation_id = "admin_get_ledger_check", tag = "Admin",
    responses((status = 200, description = "What it found", body = LedgerCheck)),
)]
pub(crate) async fn last(
    State(platform): State<Platform>,
    Caller(actor): Caller,
) -> Answer<LedgerCheck> {
    let state = verification::last(&platform, &actor)?;
    Ok(Reply::ok("Ledger check retrieved successfully", state.into()))
}

/// Check the ledger now
///
/// Waits up to 20 seconds for the end; a longer check goes on, and `GET` tells what
/// it found. While one is under way, here or on another server, none is begun.
#[utoipa::path(
    post, path = "/admin/ledger/check", operation_id = "admin_check_ledger", tag = "Admin",
    responses((status = 200, description = "What it found, or that it is running", body = LedgerCheck)),
)]
pub(crate) async fn check(
    State(platform): State<Platform>,
    Caller(actor): Caller,
) -> Answer<LedgerCheck> {
    let state = verification::check_now(&platform, &actor).await?;
    Ok(Reply::ok("Ledger checked", state.into()))
}
