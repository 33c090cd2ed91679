//! A writer: the life of a batch's database transaction.
//!
//! Two round trips: one opens the transaction, locks and reads, the other writes
//! and commits. What the database dropped before COMMIT is tried again. If the
//! connection breaks once COMMIT is on its way, the database is asked for a row
//! that only this batch can have written: nobody is told "failed" about money
//! that moved, or "done" about money that did not.

use super::{
    Answer, Order,
    batch::{self, Patience},
    contention::Meters,
    draft::Draft,
    references::References,
    refused, store,
    waiting::{Job, Waiting},
};
use crate::{
    clock::{Clock, moment},
    db::{BUSY, Connection, Flight},
    error::{Error, Result},
};
use deadpool_postgres::Pool;
use futures_util::FutureExt;
use jiff::Timestamp;
use ledger::{Book, Quota};
use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::timeout;
use uuid::Uuid;

/// How often a batch is tried when the database drops it before COMMIT.
const ATTEMPTS: u32 = 4;
/// How long it is tried again at all.
const RETRY_PATIENCE: Duration = Duration::from_secs(5);
/// How long reading may take, and how long writing may take. Longer than the
/// database's own timeouts: beyond it the link is dead.
const STEP_PATIENCE: Duration = Duration::from_secs(20);
/// How long an unknown outcome is asked after.
const SETTLE_PATIENCE: Duration = Duration::from_secs(10);
/// An order that waited longer is not begun: its client has been told.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// Posts batches, one at a time.
pub(super) struct Writer {
    pub(super) pool: Pool,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) references: Arc<References>,
    pub(super) meters: Arc<Meters>,
    pub(super) quota: Quota,
}

/// Takes all that waits and posts it, until the room is closed and empty. Should a
/// batch fall, the next one stands: its connection is closed, its claims given back.
pub(super) async fn run(writer: Writer, waiting: Arc<Waiting>) {
    while let Some(taken) = waiting.take().await {
        let (jobs, claims) = taken.split();
        let fallen = AssertUnwindSafe(writer.post_all(jobs)).catch_unwind().await.is_err();
        if fallen {
            tracing::error!("a batch fell: its orders are in doubt");
        }
        waiting.release(claims);
    }
}

impl Writer {
    /// Posts the jobs together and answers everyone. If one order makes the
    /// database refuse the whole, each job is posted alone, so that it hurts only
    /// itself.
    async fn post_all(&self, jobs: Vec<Job>) {
        let mut fresh = Vec::with_capacity(jobs.len());
        for job in jobs {
            if job.since.elapsed() > LONGEST_WAIT {
                let late = |_: &Order| Err(refused("the order waited too long in the queue"));
                let _ = job.reply.send(job.orders.iter().map(late).collect());
            } else {
                fresh.push(job);
            }
        }
        let began = Instant::now();
        self.meters.begun(fresh.iter().flat_map(|job| &job.orders));
        for job in &fresh {
            self.meters.waited(job.since.elapsed());
        }
        let posted = self.post(&fresh).await;
        self.meters.took(began.elapsed());
        let answers = match posted {
            Ok(answers) => answers,
            Err(Error::Internal(cause)) if fresh.len() > 1 => {
                tracing::error!(%cause, "a batch was refused: posting its jobs one by one");
                let mut answers = Vec::with_capacity(fresh.len());
                for job in &fresh {
                    let alone = self.post(std::slice::from_ref(job)).await.map(|mut one| one.pop());
                    answers.push(match alone {
                        Ok(own) => own.unwrap_or_default(),
                        Err(error) => job.orders.iter().map(|_| Err(error.again())).collect(),
                    });
                }
                answers
            }
            Err(error) => fresh
                .iter()
                .map(|job| job.orders.iter().map(|_| Err(error.again())).collect())
                .collect(),
        };
        for (job, own) in fresh.into_iter().zip(answers) {
            // Who has left does not read their answer; the outcome stands all the same.
            let _ = job.reply.send(own);
        }
    }

    /// Posts a batch, again if the database dropped it before COMMIT; without the
    /// orders whose accounts somebody else holds, if they hold them for long.
    async fn post(&self, jobs: &[Job]) -> Result<Vec<Vec<Answer>>> {
        let began = Instant::now();
        let mut attempt = 1;
        let mut patience = Patience::Wait;
        loop {
            match self.try_post(jobs, patience, attempt > 1).await {
                Err(Error::Unavailable { what: BUSY, .. }) if patience == Patience::Wait => {
                    patience = Patience::LeaveOut;
                }
                Err(Error::Unavailable { cause, .. })
                    if attempt < ATTEMPTS && began.elapsed() < RETRY_PATIENCE =>
                {
                    tracing::warn!(attempt, cause, "the database dropped a batch: trying again");
                    self.meters.retried();
                    tokio::time::sleep(Duration::from_millis(20) * attempt * attempt).await;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    async fn try_post(
        &self,
        jobs: &[Job],
        patience: Patience,
        again: bool,
    ) -> Result<Vec<Vec<Answer>>> {
        let now = self.clock.now();
        let at = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        let lent = timeout(STEP_PATIENCE, Flight::lend(&self.pool, &batch::STATEMENTS)).await;
        let flight = lent.map_err(|_| refused("the database went silent at the door"))??;
        let draft = Draft::new(Book::new(moment(at)).within(self.quota), at);
        let reading = batch::read(&flight, jobs, self.clock.as_ref(), draft, patience, again);
        let Ok(read) = timeout(STEP_PATIENCE, reading).await else {
            return Err(refused("the database went silent before anything was written"));
        };
        let batch = match read {
            Ok(batch) => batch,
            Err(error) => return Err(turn_back(flight, error).await),
        };
        let (posted, writing) = batch.decide(&self.references)?;
        let written = match timeout(STEP_PATIENCE, writing.write(&flight)).await {
            Ok(written) => written,
            Err(_) => Err(Error::OutcomeUnknown { cause: "the database went silent".to_owned() }),
        };
        match written {
            Ok(()) => flight.land(),
            Err(Error::OutcomeUnknown { cause }) => {
                drop(flight);
                self.settle(&posted.xid, posted.witness, cause).await?;
            }
            Err(error) => return Err(turn_back(flight, error).await),
        }
        Ok(posted.answers)
    }

    /// Finds out whether a batch whose COMMIT got no answer took place.
    async fn settle(&self, xid: &str, witness: Option<Uuid>, error: String) -> Result<()> {
        self.meters.in_doubt();
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

/// Nothing was written; the connection is good for the next batch if it says so.
async fn turn_back(flight: Flight, error: Error) -> Error {
    if let Ok(Ok(())) = timeout(Duration::from_secs(1), flight.say("ROLLBACK")).await {
        flight.land();
    }
    error
}
