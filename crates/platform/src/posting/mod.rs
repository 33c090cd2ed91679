//! The posting queue: the one road for money.
//!
//! Orders wait in a bounded queue; a writer takes all that waits, without any
//! artificial delay, and posts it in one database transaction (see [`batch`]).
//! A full queue refuses at once instead of growing. An answer is given only
//! after the commit is durable. If the connection breaks between COMMIT and its
//! answer, the database is asked for a row that only this batch can have written:
//! nobody is told "failed" about money that moved, or "done" about money that
//! did not. Nothing is waited for without bound, neither a lock nor a link.

mod batch;
mod rows;
mod store;

use crate::{
    actor::Actor,
    clock::Clock,
    db::{self, BUSY, Connection},
    error::{Error, Result},
    idempotency::{IdempotencyKey, Outcome},
    settings::PoolSettings,
    transactions::{Description, Metadata, Transaction},
};
use batch::{Patience, Posted};
use deadpool_postgres::Pool;
use jiff::Timestamp;
use ledger::{Action, Authority};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
pub(crate) use store::ALL as STATEMENTS;
use tokio::{
    sync::{Mutex, Notify, mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};
use uuid::Uuid;

/// The most orders that wait; a full queue is some tenths of a second of work.
const CAPACITY: usize = 4096;
/// The most orders in one database transaction.
const MAX_BATCH: usize = 500;
/// How often a batch is tried when the database drops it before COMMIT.
const ATTEMPTS: u32 = 4;
/// How long it is tried again at all.
const RETRY_PATIENCE: Duration = Duration::from_secs(5);
/// How long a batch may take until COMMIT, and how long COMMIT may take. Longer
/// than the database's own timeouts: beyond it the link is dead.
const STEP_PATIENCE: Duration = Duration::from_secs(20);
/// How long an unknown outcome is asked after.
const SETTLE_PATIENCE: Duration = Duration::from_secs(10);
/// An order that waited longer is not begun: its client has been told.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// The writer's own connections, so that money does not queue with reading: one
/// to post with, one to ask what became of it.
const CONNECTIONS: usize = 2;

/// What the caller wants written beside the money.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    pub(crate) description: Option<Description>,
    pub(crate) metadata: Metadata,
}

/// An order on its way through the queue.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) actor: Actor,
    pub(crate) authority: Authority,
    pub(crate) action: Action,
    pub(crate) words: Words,
    pub(crate) key: Option<IdempotencyKey>,
    /// The id of its audit row.
    pub(crate) audit_id: Uuid,
}

type Answer = Result<Outcome<Transaction>>;

/// An order that waits.
struct Job {
    order: Order,
    reply: oneshot::Sender<Answer>,
    since: Instant,
}

/// The way in.
pub(crate) struct Queue {
    jobs: mpsc::Sender<Job>,
    closing: Arc<Notify>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Queue {
    /// Starts the writer, on connections of its own.
    pub(crate) fn open(database: &str, pool: PoolSettings, clock: Arc<dyn Clock>) -> Result<Self> {
        let pool = db::pool(database, PoolSettings { max: CONNECTIONS, ..pool })?;
        let (jobs, waiting) = mpsc::channel(CAPACITY);
        let closing = Arc::new(Notify::new());
        let writer = Arc::new(Writer { pool, clock });
        let task = tokio::spawn(run(writer, waiting, Arc::clone(&closing)));
        Ok(Self { jobs, closing, writer: Mutex::new(Some(task)) })
    }

    /// Posts one order; returns when its outcome is durable.
    pub(crate) async fn post(&self, order: Order) -> Answer {
        let (reply, answer) = oneshot::channel();
        let job = Job { order, reply, since: Instant::now() };
        self.jobs.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => refused("the posting queue is full"),
            mpsc::error::TrySendError::Closed(_) => Error::shutting_down(),
        })?;
        let unknown = |_| Error::OutcomeUnknown { cause: "the writer fell".to_owned() };
        answer.await.map_err(unknown)?
    }

    /// Takes no more orders and returns when the last one is answered.
    pub(crate) async fn close(&self) {
        self.closing.notify_one();
        if let Some(task) = self.writer.lock().await.take() {
            // The task ends by itself; if it panicked there is nothing left to wait for.
            let _ = task.await;
        }
    }
}

struct Writer {
    pool: Pool,
    clock: Arc<dyn Clock>,
}

/// Takes all that waits and posts it, until told to close and nothing waits. A
/// batch is a task of its own: should it fall, the next one stands.
async fn run(writer: Arc<Writer>, mut waiting: mpsc::Receiver<Job>, closing: Arc<Notify>) {
    let mut jobs = Vec::with_capacity(MAX_BATCH);
    let mut open = true;
    loop {
        let taken = tokio::select! {
            taken = waiting.recv_many(&mut jobs, MAX_BATCH) => taken,
            () = closing.notified(), if open => {
                waiting.close();
                open = false;
                continue;
            }
        };
        if taken == 0 {
            writer.pool.close();
            return;
        }
        let (writer, jobs) = (Arc::clone(&writer), std::mem::take(&mut jobs));
        if let Err(fall) = tokio::spawn(async move { writer.post_all(jobs).await }).await {
            tracing::error!(%fall, "a batch fell: its orders are in doubt");
        }
    }
}

impl Writer {
    /// Posts a batch and answers everyone in it. If one order makes the database
    /// refuse the whole, each is posted alone, so that it hurts only itself.
    async fn post_all(&self, jobs: Vec<Job>) {
        let mut orders = Vec::with_capacity(jobs.len());
        let mut replies = Vec::with_capacity(jobs.len());
        for Job { order, reply, since } in jobs {
            if since.elapsed() > LONGEST_WAIT {
                let _ = reply.send(Err(refused("the order waited too long in the queue")));
            } else {
                orders.push(order);
                replies.push(reply);
            }
        }
        let answers = match self.post(&orders).await {
            Ok(answers) => answers,
            Err(Error::Internal(cause)) if orders.len() > 1 => {
                tracing::error!(%cause, "a batch was refused: posting its orders one by one");
                let mut answers = Vec::with_capacity(orders.len());
                for order in &orders {
                    let alone = self.post(std::slice::from_ref(order)).await;
                    answers.push(alone.and_then(|mut one| one.pop().unwrap_or(Err(lost()))));
                }
                answers
            }
            Err(error) => orders.iter().map(|_| Err(again(&error))).collect(),
        };
        for (reply, answer) in replies.into_iter().zip(answers) {
            // Who has left does not read their answer; the outcome stands all the same.
            let _ = reply.send(answer);
        }
    }

    /// Posts a batch, again if the database dropped it before COMMIT; without the
    /// orders whose accounts somebody else holds, if they hold them for long.
    async fn post(&self, orders: &[Order]) -> Result<Vec<Answer>> {
        let began = Instant::now();
        let mut attempt = 1;
        let mut patience = Patience::Wait;
        loop {
            match self.try_post(orders, patience).await {
                Err(Error::Unavailable { what: BUSY, .. }) if patience == Patience::Wait => {
                    patience = Patience::LeaveOut;
                }
                Err(Error::Unavailable { cause, .. })
                    if attempt < ATTEMPTS && began.elapsed() < RETRY_PATIENCE =>
                {
                    tracing::warn!(attempt, cause, "the database dropped a batch: trying again");
                    tokio::time::sleep(Duration::from_millis(20) * attempt * attempt).await;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    async fn try_post(&self, orders: &[Order], patience: Patience) -> Result<Vec<Answer>> {
        let now = self.clock.now();
        let at = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        let mut connection = Connection::lend(&self.pool).await?;
        let Ok(begun) = timeout(STEP_PATIENCE, connection.begin()).await else {
            connection.discard();
            return Err(refused("the database went silent"));
        };
        let tx = begun?;
        let write = async {
            let posted = batch::post_in(&tx, orders, at, patience).await?;
            let xid: String = tx.get(store::XID, &[]).await?.try_get(0)?;
            Ok::<_, Error>((posted, xid))
        };
        let Ok(written) = timeout(STEP_PATIENCE, write).await else {
            drop(tx);
            connection.discard();
            return Err(refused("the database went silent before COMMIT"));
        };
        let (Posted { answers, witness }, xid) = written?;
        let error = match timeout(STEP_PATIENCE, tx.commit()).await {
            Ok(Ok(())) => return Ok(answers),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the database went silent at COMMIT".to_owned(),
        };
        connection.discard();
        self.settle(&xid, witness, error).await.map(|()| answers)
    }

    /// Finds out whether a batch whose COMMIT got no answer took place.
    async fn settle(&self, xid: &str, witness: Option<Uuid>, error: String) -> Result<()> {
        tracing::warn!(xid, error, "COMMIT got no answer: asking what became of it");
        // What only refused can be done again: it moved nothing.
        let Some(witness) = witness else { return Err(refused(&error)) };
        let asking = async {
            loop {
                match self.is_there(xid, witness).await {
                    Ok(Some(true)) => return Ok(()),
                    Ok(Some(false)) => return Err(refused(&error)),
                    Ok(None) | Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        };
        let unknown = |_| Err(Error::OutcomeUnknown { cause: error.clone() });
        timeout(SETTLE_PATIENCE, asking).await.unwrap_or_else(unknown)
    }

    /// Whether the batch's witness is there; `None` while its transaction may
    /// still commit.
    async fn is_there(&self, xid: &str, witness: Uuid) -> Result<Option<bool>> {
        let connection = Connection::lend(&self.pool).await?;
        // A name the database has not given yet is an error, and of no living transaction.
        match connection.find(store::XID_STATUS, &[&xid]).await {
            Ok(Some(row)) if row.try_get(0)? => return Ok(None),
            Err(error @ Error::Unavailable { .. }) => return Err(error),
            _ => {}
        }
        let row = connection.find(store::WITNESS, &[&witness]).await?;
        row.map(|row| Ok(row.try_get(0)?)).transpose()
    }
}

/// The same bad news for every order of a batch.
fn again(error: &Error) -> Error {
    match error {
        Error::Unavailable { what, retry_after, cause } => {
            Error::Unavailable { what, retry_after: *retry_after, cause: cause.clone() }
        }
        Error::OutcomeUnknown { cause } => Error::OutcomeUnknown { cause: cause.clone() },
        other => Error::internal(other.to_string()),
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
