//! The check of the ledger: every stored fact recomputed from the entries and from
//! what the audit trail says, and every entry and audit row held against the seals.
//!
//! All of one check reads one snapshot, so nothing that is posted meanwhile looks
//! like a difference. It changes nothing. The same rules are checked by
//! `wallstreet verify ledger`, by a running server from time to time, and by an
//! administrator's request.

mod chain;
mod report;
mod store;
mod watch;

use crate::{
    Platform,
    actor::{Actor, Permission},
    db::{Param, Tx},
    error::{Error, Result},
};
pub use chain::Pins;
pub use report::{Check, Difference, Report, Size};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
pub(crate) use store::ALL as STATEMENTS;
use tokio_postgres::Row;
pub use watch::Outcome;
pub(crate) use watch::Watch;

/// How long after a start the first check begins, at the latest.
const FIRST_AFTER: Duration = Duration::from_secs(5 * 60);
/// How long a request waits for the check it asked for.
const PATIENCE: Duration = Duration::from_secs(20);

/// How much of the database a check may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// One core and little memory: others are at work.
    Gentle,
    /// What the database gives.
    Full,
}

impl Pace {
    /// A check of a large book is longer than any request may be. Compiling its
    /// statements, and remembering rows that do not come again, only costs.
    fn settings(self) -> [&'static str; 5] {
        let [patience, workers, memory] = match self {
            Self::Gentle => [
                "SET LOCAL statement_timeout = '1h'",
                "SET LOCAL max_parallel_workers_per_gather = 0",
                "SET LOCAL work_mem = '32MB'",
            ],
            Self::Full => [
                "SET LOCAL statement_timeout = 0",
                "SET LOCAL max_parallel_workers_per_gather = 4",
                "SET LOCAL work_mem = '128MB'",
            ],
        };
        [patience, workers, memory, "SET LOCAL jit = off", "SET LOCAL enable_memoize = off"]
    }
}

/// How far a check is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// What is being checked.
    pub name: &'static str,
    /// How much of it is done.
    pub done: i64,
    /// Of how much; a check that is one statement has no steps.
    pub of: i64,
}

/// The rules that are one statement each, and what they examine.
type Rule = (&'static str, &'static str, &'static str, fn(&Size) -> i64);
const RULES: [Rule; 15] = [
    (
        "balances",
        "a balance is the sum of the entries, and the account knows how many and the newest",
        store::BALANCES,
        |size| size.accounts,
    ),
    (
        "histories",
        "every entry of an account follows the one before: sequence, running balance, time",
        store::HISTORIES,
        |size| size.entries,
    ),
    (
        "entries",
        "an entry joins the accounts of its transaction, in their currency and on its date",
        store::ENTRIES,
        |size| size.entries,
    ),
    (
        "transactions",
        "the entries of a transaction move what its state says",
        store::MOVEMENTS,
        |size| size.transactions,
    ),
    ("transfers", "the halves of a transfer stand alike", store::HALVES, |size| size.transactions),
    ("reversals", "what was given back is the sum of the reversals", store::REVERSALS, |size| {
        size.transactions
    }),
    ("holds", "what is available is the balance without the open holds", store::HOLDS, |size| {
        size.accounts
    }),
    ("limits", "nobody is further below zero than allowed", store::LIMITS, |size| size.accounts),
    (
        "spending",
        "what was spent on a day is the sum of its orders, but for what was released",
        store::SPENDING,
        |size| size.accounts,
    ),
    (
        "currencies",
        "all accounts of a currency, with the bank's own, add up to zero",
        store::CURRENCIES,
        |size| size.accounts,
    ),
    (
        "exchanges",
        "an exchange is what was agreed, and its rate makes one amount of the other",
        store::EXCHANGES,
        |size| size.exchanges,
    ),
    (
        "rounding",
        "what exchanges left over is on the rounding account or carried",
        store::ROUNDING,
        |size| size.exchanges,
    ),
    (
        "openings",
        "an account is what the audit trail opened, and restrained as it says",
        store::OPENINGS,
        |size| size.accounts,
    ),
    (
        "orders",
        "a transaction is what the audit trail says was ordered, and ended as it says",
        store::ORDERS,
        |size| size.transactions,
    ),
    ("trail", "what the audit trail tells of is there, once", store::TRAIL, |size| size.audit_rows),
];

/// Checks everything, and says how far it is.
///
/// # Errors
/// [`Error::Unavailable`] when the database does not answer to the end.
pub async fn check(
    platform: &Platform,
    pace: Pace,
    progress: impl FnMut(Progress),
) -> Result<Report> {
    check_against(platform, &ours(platform), pace, progress).await
}

/// Checks everything, also against what is known of the chain from elsewhere.
///
/// # Errors
/// See [`check`].
pub async fn check_against(
    platform: &Platform,
    pins: &Pins,
    pace: Pace,
    progress: impl FnMut(Progress),
) -> Result<Report> {
    let mut connection = platform.connection_beside().await?;
    let tx = connection.snapshot().await?;
    check_in(&tx, platform, pins, pace, progress).await
}

/// The keys of this server, and those that the operator says it had.
fn ours(platform: &Platform) -> Pins {
    let former = platform.settings().former_keys.iter().copied();
    Pins { keys: platform.signer().public().into_iter().chain(former).collect(), ..Pins::default() }
}

async fn check_in(
    tx: &Tx<'_>,
    platform: &Platform,
    pins: &Pins,
    pace: Pace,
    mut progress: impl FnMut(Progress),
) -> Result<Report> {
    let (at, began) = (platform.now(), Instant::now());
    for setting in pace.settings() {
        tx.execute(setting, NOTHING).await?;
    }
    let size = read_size(&tx.get(store::SIZE, NOTHING).await?)?;
    let mut checks = Vec::with_capacity(RULES.len() + 1);
    for (name, rule, statement, examined) in RULES {
        let examined = examined(&size);
        progress(Progress { name, done: 0, of: 0 });
        let began = Instant::now();
        let rows = tx.query(statement, NOTHING).await?;
        let differences = rows.first().map_or(Ok(0), |row| row.try_get("total"))?;
        let first = rows.iter().map(read_difference).collect::<Result<_>>()?;
        let took = began.elapsed();
        checks.push(Check { name, rule, examined, differences, first, took });
    }
    let (name, rule) = (
        "seals",
        "the chain is unbroken and signed, every entry and audit row is under it in time, and is as it was",
    );
    let (of, chained) = (size.sealed_up_to, Instant::now());
    progress(Progress { name, done: 0, of });
    let ground = chain::Ground { salts: platform.salts(), pins, now: at };
    let told = |done| progress(Progress { name, done, of });
    let chain::Found { total: differences, first, notes } =
        chain::check_in(tx, &ground, told).await?;
    let took = chained.elapsed();
    checks.push(Check { name, rule, examined: size.seals, differences, first, took });
    Ok(Report { at, took: began.elapsed(), size, checks, notes })
}

const NOTHING: &[Param<'_>] = &[];

fn read_size(row: &Row) -> Result<Size> {
    Ok(Size {
        accounts: row.try_get("accounts")?,
        transactions: row.try_get("transactions")?,
        entries: row.try_get("entries")?,
        exchanges: row.try_get("exchanges")?,
        audit_rows: row.try_get("audit_rows")?,
        seals: row.try_get("seals")?,
        sealed_up_to: row.try_get("sealed_up_to")?,
    })
}

fn read_difference(row: &Row) -> Result<Difference> {
    let text = |column: &str| -> Result<String> {
        Ok(row.try_get::<_, Option<String>>(column)?.unwrap_or_else(|| "nothing".to_owned()))
    };
    Ok(Difference {
        subject: text("subject")?,
        what: text("what")?,
        stored: text("stored")?,
        recomputed: text("recomputed")?,
    })
}

/// Checks for ever, every so often; on one of several servers at a time.
pub async fn run(platform: Platform, every: Duration) {
    tokio::time::sleep(every.min(FIRST_AFTER)).await;
    loop {
        if let Err(error) = take_turn(&platform).await {
            tracing::warn!(?error, "the ledger could not be checked: trying again later");
        }
        tokio::time::sleep(every).await;
    }
}

/// One check, unless one is under way, here or on another server. Says whether
/// it took place.
///
/// # Errors
/// See [`check`].
pub async fn take_turn(platform: &Platform) -> Result<bool> {
    let Some(turn) = platform.watch().begin() else { return Ok(false) };
    let checked = check_alone(platform).await;
    match &checked {
        Ok(Some(report)) => turn.keep(Outcome::Found(Arc::clone(report))),
        Ok(None) => {}
        Err(_) => turn.keep(Outcome::Failed(platform.now())),
    }
    Ok(checked?.is_some())
}

/// One check; `None`: another server is at it.
async fn check_alone(platform: &Platform) -> Result<Option<Arc<Report>>> {
    let mut connection = platform.connection_beside().await?;
    let tx = connection.snapshot().await?;
    if !tx.get(store::LOCK, NOTHING).await?.try_get::<_, bool>(0)? {
        return Ok(None);
    }
    let report = check_in(&tx, platform, &ours(platform), Pace::Gentle, |_| {}).await?;
    let (took, entries, differences) = (report.took, report.size.entries, report.differences());
    if report.is_sound() {
        tracing::info!(?took, entries, "the ledger is sound");
    } else {
        let which = report.checks.iter().flat_map(|check| &check.first).next();
        let which = which.map(|Difference { subject, what, .. }| format!("{subject}: {what}"));
        tracing::error!(
            ?took,
            entries,
            differences,
            first = which,
            "THE LEDGER IS NOT SOUND: run `wallstreet verify ledger`"
        );
    }
    Ok(Some(Arc::new(report)))
}

/// What this server's checker is doing and how its last check ended.
#[derive(Clone, Debug)]
pub struct State {
    /// Whether one is under way here.
    pub running: bool,
    /// How the last one ended.
    pub last: Option<Outcome>,
}

fn state(platform: &Platform) -> State {
    State { running: platform.watch().is_running(), last: platform.last_check() }
}

/// What the last check found.
///
/// # Errors
/// Only for an administrator; a key needs `read:audit`.
pub fn last(platform: &Platform, actor: &Actor) -> Result<State> {
    actor.require(Permission::ReadAudit)?;
    Ok(state(platform))
}

/// Checks now, and waits for the end if it is near; otherwise the check goes on.
///
/// # Errors
/// Only for an administrator; a key needs `read:audit`. See [`check`].
pub async fn check_now(platform: &Platform, actor: &Actor) -> Result<State> {
    actor.require(Permission::ReadAudit)?;
    let checking = {
        let platform = platform.clone();
        tokio::spawn(async move { take_turn(&platform).await })
    };
    if let Ok(done) = tokio::time::timeout(PATIENCE, checking).await {
        done.map_err(Error::internal)??;
    }
    Ok(state(platform))
}
