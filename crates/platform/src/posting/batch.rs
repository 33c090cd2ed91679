//! One batch in one database transaction: seen before? lock, decide, write, tell.
//!
//! Reading is one round trip, writing with COMMIT another; in between nothing is
//! asked. Nothing is written before every order is decided. A refusal is an
//! answer, not a failure: it never hurts its neighbours, unless their job is
//! atomic, and its key remembers it.

use super::{
    Answer, Mandated, Order,
    doubt::{self, Doubt},
    draft::{Draft, named},
    read,
    references::References,
    rows::{self, KeyRow},
    store,
    waiting::Job,
};
use crate::{
    clock::Clock,
    db::{self, BUSY, Flight, time},
    error::{Error, Original, Result},
    facts,
    idempotency::{Earlier, IdempotencyKey, Outcome},
    mandates::{self, Later, Mandate, PauseReason},
    transactions,
};
use jiff::Timestamp;
use ledger::{AccountId, Action, Authority, Refusal, UserId};
use std::{
    collections::HashMap,
    sync::{
        LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use uuid::Uuid;

/// What nearly every batch writes, as one statement: each one costs its start, and
/// an answer that wakes us.
pub(crate) static WRITE: LazyLock<String> = LazyLock::new(|| {
    let [audit, news] = facts::WRITES;
    db::together(&[
        store::INSERT_TRANSACTIONS,
        store::UPDATE_ACCOUNTS,
        store::INSERT_ENTRIES,
        audit,
        news,
        store::INSERT_KEYS,
    ])
});

/// Every statement of a batch, so that a connection knows them beforehand.
pub(super) static STATEMENTS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let mut all = vec![
        store::READ,
        store::READ_FREE,
        store::FIND_TRANSACTIONS,
        store::OPEN_ROUNDING,
        store::LOCK_ROUNDING,
        store::LOCK_QUOTES,
        WRITE.as_str(),
        store::CHANGE_TRANSACTIONS,
        store::INSERT_EXCHANGES,
        store::UPDATE_ROUNDING,
        store::USE_QUOTES,
    ];
    all.extend(mandates::IN_A_BATCH);
    all
});

/// What to do about an account that somebody else holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Wait, as long as the lock timeout.
    Wait,
    /// Leave its orders out; the others need not suffer.
    LeaveOut,
}

/// What a batch comes to, once it is committed.
pub(super) struct Posted {
    /// One answer an order, job by job.
    pub(super) answers: Vec<Vec<Answer>>,
    /// The name of the database transaction.
    pub(super) xid: String,
    /// An audit row that is there exactly if the batch is; absent if it moved nothing.
    pub(super) witness: Option<Uuid>,
}

/// Opens the transaction, locks everything the orders can touch, and reads it into
/// an empty draft.
pub(super) async fn read<'o>(
    flight: &Flight,
    jobs: &'o [Job],
    clock: &dyn Clock,
    mut draft: Draft<'o>,
    patience: Patience,
    again: bool,
) -> Result<Batch<'o>> {
    let orders: Vec<&Order> = jobs.iter().flat_map(|job| &job.orders).collect();
    let asked: Vec<(UserId, &IdempotencyKey)> = orders
        .iter()
        .filter_map(|order| Some((order.actor.user_id, order.key.as_ref()?)))
        .collect();
    let session = flight.session()?;
    // What comes under a key while the locks are waited for is not seen, and makes
    // writing fail. So the second time the locks come first.
    let lock = async {
        let locked = read::accounts_and_keys(session, &orders, &asked, patience);
        if again { locked.await.map(drop) } else { Ok(()) }
    };
    let later: Vec<Later> = orders.iter().filter_map(|order| Some(order.mandated?.later)).collect();
    let (begun, locked, read, found, mandates) = tokio::join!(
        biased;
        flight.say("BEGIN"),
        lock,
        read::accounts_and_keys(session, &orders, &asked, patience),
        read::find_transactions(session, &orders),
        mandates::read(session, &later),
    );
    begun.and(locked)?;
    let names: HashMap<(UserId, &str), &'o str> =
        asked.iter().map(|(user, key)| ((*user, key.key.as_str()), key.key.as_str())).collect();
    let (mut xid, mut earlier) = (String::new(), HashMap::new());
    for row in read? {
        if row.try_get::<_, Option<&str>>("key")?.is_some() {
            let one = Earlier::read(&row)?;
            let name = names.get(&(one.user, one.key.as_str())).map(|name| (one.user, *name));
            earlier.extend(name.map(|name| (name, one)));
            continue;
        }
        if xid.is_empty() {
            xid = row.try_get("xid")?;
            draft.started = time(&row, "started")?;
        }
        draft.book.add_account(read::account(&row)?);
    }
    for row in found? {
        let transaction = transactions::store::read(&row)?;
        if let (Some(exchange), Some(ledger::Direction::Out)) =
            (&transaction.exchange, transaction.direction)
        {
            draft.book.add_exchange(transaction.id, exchange.terms);
        }
        draft.rows.insert(transaction.id, transaction);
    }
    for row in draft.rows.values() {
        let other = row.paired_transaction_id.and_then(|other| draft.rows.get(&other));
        draft.book.add_leg(read::leg(row, other));
    }
    read::lock_rounding(flight, &orders, &mut draft.book).await?;
    read::lock_quotes(flight, &orders, &mut draft).await?;
    let at = draft.at;
    let doubt = (!clock.agrees(at, draft.started)).then(|| Doubt::between(at, draft.started));
    Ok(Batch { jobs, patience, doubt, xid, earlier, mandates: mandates?, draft })
}

/// Orders with all that they need to be decided.
pub(super) struct Batch<'o> {
    jobs: &'o [Job],
    patience: Patience,
    doubt: Option<Doubt>,
    xid: String,
    earlier: HashMap<(UserId, &'o str), Earlier>,
    mandates: Vec<Mandate>,
    draft: Draft<'o>,
}

/// A batch that is decided and waits to be written.
pub(super) struct Decided<'o> {
    draft: Draft<'o>,
    keys: Vec<KeyRow<'o>>,
}

impl<'o> Batch<'o> {
    /// Decides every order, in order. The error is a fault of ours; what the bank
    /// refuses is an answer.
    pub(super) fn decide(mut self, references: &References) -> Result<(Posted, Decided<'o>)> {
        let mut answers: Vec<Answer> = Vec::new();
        let mut first_use: HashMap<(UserId, &str), (usize, &Order)> = HashMap::new();
        for job in self.jobs {
            let start = answers.len();
            let before = (job.orders.len() > 1).then(|| self.draft.clone());
            for order in &job.orders {
                let name = order.key.as_ref().map(|key| (order.actor.user_id, key.key.as_str()));
                let earlier = name.and_then(|name| self.earlier.get(&name)).zip(order.key.as_ref());
                let first = name.and_then(|name| first_use.get(&name));
                let answer = match (earlier, first) {
                    (Some((earlier, key)), _) => earlier.clone().replay(key),
                    (None, Some((place, first))) => {
                        repeat(order, first, &answers[*place], self.draft.at)
                    }
                    (None, None) => {
                        first_use.extend(name.map(|name| (name, (answers.len(), order))));
                        self.decide_one(order, references)?
                    }
                };
                answers.push(answer);
            }
            if let Some(before) = before.filter(|_| answers[start..].iter().any(Result::is_err)) {
                self.draft = before;
                let fresh = |answer: &&mut Answer| answer.as_ref().is_ok_and(|one| !one.replayed);
                for answer in answers[start..].iter_mut().filter(fresh) {
                    *answer = Err(Error::Undone);
                }
                // Their keys are free again, for whoever comes later in the batch.
                first_use.retain(|_, (place, _)| !matches!(answers[*place], Err(Error::Undone)));
            }
        }
        let orders = self.jobs.iter().flat_map(|job| &job.orders);
        let keys = rows::keys(orders.zip(&answers))?;
        let mut answers = answers.into_iter();
        let posted = Posted {
            xid: self.xid,
            witness: self.draft.facts.first().map(|(id, ..)| *id),
            answers: self
                .jobs
                .iter()
                .map(|job| answers.by_ref().take(job.orders.len()).collect())
                .collect(),
        };
        Ok((posted, Decided { draft: self.draft, keys }))
    }

    fn decide_one(&mut self, order: &'o Order, references: &References) -> Result<Answer> {
        if let Some(refused) = self.refuse_unread(order) {
            return Ok(Err(refused));
        }
        let at = self.draft.at;
        let authority = match self.authority(order) {
            Ok(authority) => authority,
            Err(lapsed) => return Ok(Err(lapsed)),
        };
        let decided = self.draft.decide(order, authority, || references.next(at))?;
        let outcome = |value| Outcome { value, at, replayed: false };
        Ok(decided.map(outcome).map_err(|refusal| Error::from(refusal).decided(at)))
    }

    /// What whoever orders may do: of what was ordered for later, what stands behind it now.
    fn authority(&self, order: &Order) -> Result<Authority> {
        let Some(Mandated { later, users_settle }) = order.mandated else {
            return Ok(order.authority);
        };
        let mandate = self.mandates.iter().find(|mandate| mandate.is_for(later));
        let mandate = mandate.ok_or_else(|| Error::Unavailable {
            what: BUSY,
            retry_after: Duration::from_secs(1),
            cause: "what stands behind the order is being changed".to_owned(),
        })?;
        mandate.judge(self.draft.at, users_settle).map_err(PauseReason::error)
    }

    /// What the rules cannot judge: a time that is in doubt, accounts that somebody
    /// else holds, and rows that were written without the platform, for which nothing
    /// was held.
    fn refuse_unread(&self, order: &Order) -> Option<Error> {
        if self.doubt.is_some_and(|doubt| doubt.matters_to(order, &self.draft.book)) {
            return Some(doubt::refusal());
        }
        let row = named(&order.action).and_then(|id| self.draft.rows.get(&id));
        if row.is_some_and(|row| row.direction.is_none()) {
            return Some(Refusal::TransactionForeign.into());
        }
        let held = |account: &AccountId| self.draft.book.account(*account).is_none();
        // An account that is not there is not held by anybody: the rules say so.
        let there = row.is_some() || matches!(order.action, Action::Create(_));
        let left_out =
            self.patience == Patience::LeaveOut && there && order.touches.iter().any(held);
        left_out.then(|| Error::Unavailable {
            what: BUSY,
            retry_after: Duration::from_secs(1),
            cause: "an account of the order is locked".to_owned(),
        })
    }
}

impl Decided<'_> {
    /// Writes all of it and commits: one round trip.
    ///
    /// # Errors
    /// [`Error::OutcomeUnknown`] when COMMIT got no answer; with any other error
    /// nothing has happened.
    pub(super) async fn write(&self, flight: &Flight) -> Result<()> {
        let Self { draft, keys } = self;
        let session = flight.session()?;
        let (left, changed, at) = (draft.left(), draft.changed(), draft.at);
        let carried: Vec<_> = draft.book.carries().collect();
        // What cannot even be sent leaves the transaction whole in the database's eyes:
        // so nothing that failed here is followed by COMMIT. Whatever fails there, COMMIT
        // rolls back.
        let failed = AtomicBool::new(false);
        let seen = |result: Result<()>| {
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            result
        };
        let [audit, news] = facts::params(&draft.facts)?;
        let columns = [
            rows::transactions(&draft.new, at),
            rows::accounts(&left)?,
            rows::entries(&draft.entries),
            audit,
            news,
            rows::key_columns(keys, at),
        ];
        let columns = db::in_a_row(&columns);
        let (written, amended, agreed, rounded, used, later, ended) = tokio::join!(
            biased;
            async {
                // No change is without its fact; a refusal has its key at most.
                let nothing = draft.facts.is_empty() && keys.is_empty();
                let written = async { session.execute(&WRITE, &columns).await.map(drop) };
                if nothing { Ok(()) } else { seen(written.await) }
            },
            async { seen(rows::change_transactions(session, &changed).await) },
            async { seen(rows::insert_exchanges(session, &draft.exchanges, at).await) },
            async { seen(rows::update_rounding(session, &carried).await) },
            async { seen(rows::use_quotes(session, &draft.used).await) },
            async { seen(mandates::insert(session, &draft.later).await) },
            async {
                let failed = failed.load(Ordering::Relaxed);
                flight.say(if failed { "ROLLBACK" } else { "COMMIT" }).await
            },
        );
        ended.map_err(|error| Error::OutcomeUnknown { cause: error.to_string() })?;
        written.and(amended).and(agreed).and(rounded).and(used).and(later)
    }
}

/// The answer to an order whose key was first used by a neighbour.
fn repeat(order: &Order, first: &Order, answer: &Answer, at: Timestamp) -> Answer {
    if order.key != first.key {
        return Err(Error::KeyReused);
    }
    match answer {
        Ok(outcome) => Ok(Outcome { value: outcome.value.clone(), at, replayed: true }),
        Err(Error::Refused { refusal, .. }) => {
            let request_id = first.actor.origin.request_id.clone();
            let original = Some(Original { at, request_id });
            Err(Error::Refused { refusal: refusal.clone(), at: Some(at), original })
        }
        Err(Error::NotFound(resource)) => Err(Error::NotFound(*resource)),
        Err(Error::Forbidden(reason)) => Err(Error::Forbidden(*reason)),
        Err(other) => Err(other.again()),
    }
}
