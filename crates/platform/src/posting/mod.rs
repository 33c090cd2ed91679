//! The posting queue: the one road for money.
//!
//! Orders wait in a bounded room (see [`waiting`]); a few writers each take all
//! that waits, without any artificial delay, and post it in one database
//! transaction (see [`writer`] for the transaction's life, [`batch`] for what is
//! in it). A full room refuses at once instead of growing. An answer is given
//! only after the commit is durable. Nothing is waited for without bound, neither
//! a lock nor a link.

mod batch;
mod contention;
mod doubt;
mod draft;
mod read;
mod references;
mod rows;
mod store;
mod waiting;
mod writer;

use crate::{
    Platform,
    actor::{Actor, Permission},
    clock::Clock,
    db,
    error::{Error, Result},
    idempotency::{IdempotencyKey, Outcome},
    mandates::Later,
    secret,
    settings::{PoolSettings, Settings},
    transactions::{Description, Metadata, RateSource, Transaction},
};
pub(crate) use batch::WRITE;
pub use contention::Contention;
use contention::Meters;
use ledger::{AccountId, Action, Authority};
use references::References;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
pub(crate) use store::ALL as STATEMENTS;
use tokio::{
    sync::{Mutex, oneshot},
    task::JoinSet,
};
use uuid::Uuid;
use waiting::{Job, Refused, Waiting};
use writer::Writer;

/// The most orders that wait; a full queue is some tenths of a second of work.
const CAPACITY: usize = 4096;
/// The most orders in one database transaction, but for a job that is larger.
const MAX_BATCH: usize = 500;
/// While one writer waits for its commit, another one works. More of them only
/// take each other's cores.
const WRITERS: usize = 2;
/// Who a writer's connection is, for the triggers that ask.
const IDENTITY: &str = "SET wallstreet.posting = 'on'";

/// What the caller wants written beside the money.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    pub(crate) description: Option<Description>,
    pub(crate) metadata: Metadata,
    pub(crate) rate_source: Option<RateSource>,
}

impl Words {
    /// How many bytes of them count towards the quota of what stands pending.
    pub(crate) fn bytes(&self) -> i64 {
        let description = self.description.as_ref().map_or(0, |text| text.as_str().len());
        i64::try_from(description + self.metadata.stored_bytes()).unwrap_or(i64::MAX)
    }
}

/// What the posting road of this server is doing.
///
/// # Errors
/// Only for an administrator; a key needs `read:audit`.
pub fn contention(platform: &Platform, actor: &Actor) -> Result<Contention> {
    actor.require(Permission::ReadAudit)?;
    Ok(platform.contention())
}

/// An order on its way through the queue.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) actor: Actor,
    pub(crate) authority: Authority,
    /// Set for what was ordered for later: then its mandate is what counts.
    pub(crate) mandated: Option<Mandated>,
    pub(crate) action: Action,
    /// Every account it can touch.
    pub(crate) touches: Vec<AccountId>,
    pub(crate) words: Words,
    pub(crate) key: Option<IdempotencyKey>,
    /// The id of its audit row.
    pub(crate) audit_id: Uuid,
}

/// What an order comes from that nobody gives at this moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mandated {
    pub(crate) later: Later,
    pub(crate) users_settle: bool,
}

type Answer = Result<Outcome<Transaction>>;

/// The way in.
pub(crate) struct Queue {
    waiting: Arc<Waiting>,
    meters: Arc<Meters>,
    writers: Mutex<JoinSet<()>>,
}

impl Queue {
    /// Starts the writers, on connections of their own, so that money does not
    /// queue with reading. One more is there to ask what became of a batch.
    pub(crate) fn open(
        database: &str,
        settings: &Settings,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self> {
        let besides = [IDENTITY, db::PLANNED_ONCE];
        let pool = PoolSettings { max: WRITERS + 1, ..settings.pool };
        let pool = db::pool(database, pool, &besides)?;
        let waiting = Arc::new(Waiting::new(CAPACITY));
        let start = u32::from_be_bytes(secret::random::<4>()?);
        let references = Arc::new(References::starting_at(start));
        let meters = Arc::new(Meters::new());
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            let writer = Writer {
                pool: pool.clone(),
                clock: Arc::clone(clock),
                references: Arc::clone(&references),
                meters: Arc::clone(&meters),
                quota: settings.pending.quota,
            };
            writers.spawn(writer::run(writer, Arc::clone(&waiting)));
        }
        Ok(Self { waiting, meters, writers: Mutex::new(writers) })
    }

    /// Posts one order; returns when its outcome is durable.
    pub(crate) async fn post(&self, order: Order) -> Answer {
        let mut answers = self.post_all(vec![order], true).await?;
        answers.pop().unwrap_or_else(|| Err(lost()))
    }

    /// Posts orders: if `atomic`, all or none; otherwise each by itself, and those
    /// on one account in order. One answer an order, in order.
    pub(crate) async fn post_all(&self, orders: Vec<Order>, atomic: bool) -> Result<Vec<Answer>> {
        let groups = match atomic {
            true => vec![orders],
            false => orders.into_iter().map(|order| vec![order]).collect(),
        };
        let since = Instant::now();
        let (jobs, replies): (Vec<Job>, Vec<_>) = groups
            .into_iter()
            .map(|orders| {
                let (reply, answers) = oneshot::channel();
                let count = orders.len();
                (Job { orders, reply, since }, (count, answers))
            })
            .unzip();
        self.waiting.enter(jobs).map_err(|refusal| match refusal {
            Refused::Full => {
                self.meters.shed();
                refused("the posting queue is full")
            }
            Refused::Closed => Error::shutting_down(),
        })?;
        let mut all = Vec::with_capacity(replies.len());
        for (count, answers) in replies {
            let unknown = |_| Err(Error::OutcomeUnknown { cause: "the writer fell".to_owned() });
            all.extend(answers.await.unwrap_or_else(|_| (0..count).map(unknown).collect()));
        }
        Ok(all)
    }

    /// What it is doing.
    pub(crate) fn contention(&self) -> Contention {
        self.meters.read(self.waiting.depth())
    }

    /// Takes no more orders and returns when the last one is answered.
    pub(crate) async fn close(&self) {
        self.waiting.close();
        // A writer ends by itself; if one panicked there is nothing left to wait for.
        while self.writers.lock().await.join_next().await.is_some() {}
    }
}

/// Nothing has happened, and it may be tried again.
fn refused(cause: &str) -> Error {
    let retry_after = Duration::from_secs(1);
    Error::Unavailable { what: "Posting", retry_after, cause: cause.to_owned() }
}

fn lost() -> Error {
    Error::internal("an order got no answer")
}
