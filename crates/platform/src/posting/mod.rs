//! The posting queue: the one road for money.
//!
//! Orders wait in a bounded queue; a writer takes all that waits, without any
//! artificial delay, and posts it in one database transaction (see [`batch`]).
//! A full queue refuses at once instead of growing. An answer is given only
//! after the commit is durable. If the connection breaks between COMMIT and its
//! answer, the database is asked what became of that transaction: nobody is
//! told "failed" about money that moved.

mod batch;
mod rows;
mod store;

use crate::{
    actor::Actor,
    clock::Clock,
    db::Connection,
    error::{Error, Result},
    idempotency::{IdempotencyKey, Outcome},
    transactions::{Description, Metadata, Transaction},
};
use deadpool_postgres::Pool;
use jiff::Timestamp;
use ledger::{Action, Authority};
use std::{sync::Arc, time::Duration};
pub(crate) use store::ALL as STATEMENTS;
use tokio::{
    sync::{Mutex, Notify, mpsc, oneshot},
    task::JoinHandle,
};
use uuid::Uuid;

/// The most orders that wait; a full queue is some tenths of a second of work.
const CAPACITY: usize = 4096;
/// The most orders in one database transaction.
const MAX_BATCH: usize = 500;
/// How often a batch is tried when the database drops it before COMMIT.
const ATTEMPTS: u32 = 4;
/// How long an unknown outcome is asked after.
const SETTLE_PATIENCE: Duration = Duration::from_secs(10);

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
type Job = (Order, oneshot::Sender<Answer>);

/// The way in.
pub(crate) struct Queue {
    jobs: mpsc::Sender<Job>,
    closing: Arc<Notify>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Queue {
    /// Starts the writer.
    pub(crate) fn open(pool: Pool, clock: Arc<dyn Clock>) -> Self {
        let (jobs, waiting) = mpsc::channel(CAPACITY);
        let closing = Arc::new(Notify::new());
        let writer = Writer { pool, clock };
        let task = tokio::spawn(writer.run(waiting, Arc::clone(&closing)));
        Self { jobs, closing, writer: Mutex::new(Some(task)) }
    }

    /// Posts one order; returns when its outcome is durable.
    pub(crate) async fn post(&self, order: Order) -> Answer {
        let (reply, answer) = oneshot::channel();
        self.jobs.try_send((order, reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Error::Unavailable {
                what: "Posting",
                retry_after: Duration::from_secs(1),
                cause: "the posting queue is full".to_owned(),
            },
            mpsc::error::TrySendError::Closed(_) => Error::shutting_down(),
        })?;
        answer.await.map_err(|_| Error::shutting_down())?
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

impl Writer {
    async fn run(self, mut waiting: mpsc::Receiver<Job>, closing: Arc<Notify>) {
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
                return;
            }
            self.post_all(std::mem::take(&mut jobs)).await;
        }
    }

    /// Posts a batch and answers everyone in it. If one order makes the database
    /// refuse the whole, each is posted alone, so that it hurts only itself.
    async fn post_all(&self, jobs: Vec<Job>) {
        let (orders, replies): (Vec<Order>, Vec<_>) = jobs.into_iter().unzip();
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

    /// Posts a batch, again if the database dropped it before COMMIT.
    async fn post(&self, orders: &[Order]) -> Result<Vec<Answer>> {
        let mut attempt = 1;
        loop {
            match self.try_post(orders).await {
                Err(Error::Unavailable { cause, .. }) if attempt < ATTEMPTS => {
                    tracing::warn!(attempt, cause, "the database dropped a batch: trying again");
                    tokio::time::sleep(Duration::from_millis(20) * attempt * attempt).await;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    async fn try_post(&self, orders: &[Order]) -> Result<Vec<Answer>> {
        let now = self.clock.now();
        let at = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        let mut connection = Connection::lend(&self.pool).await?;
        let tx = connection.begin().await?;
        let answers = batch::post_in(&tx, orders, at).await?;
        let xid: String = tx.get(store::XID, &[]).await?.try_get(0)?;
        match tx.commit().await {
            Ok(()) => Ok(answers),
            Err(error) => {
                drop(connection);
                self.settle(&xid, error).await.map(|()| answers)
            }
        }
    }

    /// Finds out whether a transaction whose COMMIT got no answer took place.
    async fn settle(&self, xid: &str, error: Error) -> Result<()> {
        tracing::warn!(xid, %error, "COMMIT got no answer: asking what became of it");
        let asking = async {
            loop {
                match self.status_of(xid).await.as_deref() {
                    Ok("committed") => return Ok(()),
                    Ok("aborted") => return Err(dropped(&error)),
                    Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        };
        tokio::time::timeout(SETTLE_PATIENCE, asking)
            .await
            .unwrap_or_else(|_| Err(Error::OutcomeUnknown { cause: error.to_string() }))
    }

    async fn status_of(&self, xid: &str) -> Result<String> {
        let connection = Connection::lend(&self.pool).await?;
        let row = connection.find(store::XID_STATUS, &[&xid]).await?;
        let status = row.map(|row| row.try_get::<_, Option<String>>(0)).transpose()?.flatten();
        Ok(status.unwrap_or_default())
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

fn dropped(error: &Error) -> Error {
    Error::Unavailable {
        what: "The database",
        retry_after: Duration::from_secs(1),
        cause: format!("rolled back at COMMIT: {error}"),
    }
}

fn lost() -> Error {
    Error::internal("an order got no answer")
}
