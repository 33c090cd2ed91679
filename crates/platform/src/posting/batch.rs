//! One batch in one database transaction: seen before? lock, decide, write, tell.
//!
//! Reading is one round trip, writing with COMMIT another; in between nothing is
//! asked. Nothing is written before every order is decided. A refusal is an
//! answer, not a failure: it never hurts its neighbours, unless their job is
//! atomic, and its key remembers it.

use super::{
    Answer, Order, lost,
    rows::{self, Ended, KeyRow},
    store,
    waiting::Job,
};
use crate::{
    db::{BUSY, Flight, Numeric, time, word},
    error::{Error, Original, Result},
    facts::{self, By, Fact, Movement},
    idempotency::{Earlier, IdempotencyKey, Outcome},
    secret,
    transactions::{self, Transaction},
};
use jiff::Timestamp;
use ledger::{
    Account, AccountId, Action, Book, Decision, Entry, Leg, Reference, Refusal, Status,
    TransactionId, UserId, decide, decide::Pair,
};
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};
use uuid::Uuid;

/// The reason a cancelled transaction failed for.
const CANCELLED: &str = "cancelled";

/// Every statement of a batch, so that a connection knows them beforehand.
pub(super) const STATEMENTS: &[&[(&str, &str)]] = &[store::ALL, facts::STATEMENTS];

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

/// Opens the transaction, locks everything the orders can touch, and reads it.
pub(super) async fn read<'o>(
    flight: &Flight,
    jobs: &'o [Job],
    at: Timestamp,
    patience: Patience,
) -> Result<Batch<'o>> {
    let orders: Vec<&Order> = jobs.iter().flat_map(|job| &job.orders).collect();
    let asked: Vec<(UserId, &IdempotencyKey)> = orders
        .iter()
        .filter_map(|order| Some((order.actor.user_id, order.key.as_ref()?)))
        .collect();
    let named: Vec<Uuid> = orders.iter().filter_map(|order| named(&order.action)).collect();
    let session = flight.session()?;
    let (begun, locked, keys, found, name) = tokio::join!(
        biased;
        flight.say("BEGIN"),
        rows::lock_accounts(session, &orders, patience),
        rows::find_keys(session, &asked),
        rows::find_transactions(session, &named),
        session.get(store::NAME, &[]),
    );
    begun?;
    let mut batch = Batch::new(jobs, at, patience);
    for row in locked? {
        batch.draft.book.add_account(read_account(&row)?);
    }
    for row in found? {
        let transaction = transactions::store::read(&row)?;
        batch.draft.book.add_leg(leg_of(&transaction));
        batch.draft.rows.insert(transaction.id, transaction);
    }
    for row in keys? {
        let earlier = Earlier::read(&row)?;
        let name = asked.iter().find(|(user, key)| *user == earlier.user && key.key == earlier.key);
        batch.earlier.extend(name.map(|(user, key)| ((*user, key.key.as_str()), earlier)));
    }
    let name = name?;
    batch.xid = name.try_get("xid")?;
    batch.started = time(&name, "started")?;
    Ok(batch)
}

fn named(action: &Action) -> Option<Uuid> {
    match action {
        Action::Create(_) => None,
        Action::Complete(id) | Action::Cancel(id) => Some(id.0),
    }
}

/// Orders with all that they need to be decided.
pub(super) struct Batch<'o> {
    jobs: &'o [Job],
    patience: Patience,
    at: Timestamp,
    /// When the database transaction began, by the database's clock: what its
    /// triggers write into `updated_at`.
    started: Timestamp,
    xid: String,
    earlier: HashMap<(UserId, &'o str), Earlier>,
    draft: Draft<'o>,
}

/// What the decisions so far come to.
#[derive(Clone, Default)]
struct Draft<'o> {
    book: Book,
    rows: HashMap<TransactionId, Transaction>,
    touched: HashSet<AccountId>,
    new: Vec<Transaction>,
    ended: Vec<Ended>,
    entries: Vec<Entry>,
    facts: Vec<(Uuid, By<'o>, Fact)>,
}

/// A batch that is decided and waits to be written.
pub(super) struct Decided<'o> {
    at: Timestamp,
    draft: Draft<'o>,
    keys: Vec<KeyRow<'o>>,
}

impl<'o> Batch<'o> {
    fn new(jobs: &'o [Job], at: Timestamp, patience: Patience) -> Self {
        Self {
            jobs,
            patience,
            at,
            started: at,
            xid: String::new(),
            earlier: HashMap::new(),
            draft: Draft::default(),
        }
    }

    /// Decides every order, in order. The error is a fault of ours; what the bank
    /// refuses is an answer.
    pub(super) fn decide(mut self) -> Result<(Posted, Decided<'o>)> {
        let mut answers: Vec<Answer> = Vec::new();
        let mut first_use: HashMap<(UserId, &str), (usize, &Order)> = HashMap::new();
        for job in self.jobs {
            let start = answers.len();
            let before = job.atomic.then(|| self.draft.clone());
            for order in &job.orders {
                let name = order.key.as_ref().map(|key| (order.actor.user_id, key.key.as_str()));
                let earlier = name.and_then(|name| self.earlier.get(&name)).zip(order.key.as_ref());
                let first = name.and_then(|name| first_use.get(&name));
                let answer = match (earlier, first) {
                    (Some((earlier, key)), _) => earlier.clone().replay(key),
                    (None, Some((place, first))) => repeat(order, first, &answers[*place], self.at),
                    (None, None) => {
                        first_use.extend(name.map(|name| (name, (answers.len(), order))));
                        self.decide_one(order)?
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
        Ok((posted, Decided { at: self.at, draft: self.draft, keys }))
    }

    /// Decides one order and notes what it writes. The outer error is a fault
    /// of ours; the inner one is the bank's answer.
    fn decide_one(&mut self, order: &'o Order) -> Result<Answer> {
        if let Some(refused) = self.refuse_unread(&order.action) {
            return Ok(Err(refused));
        }
        let decision = match decide(&mut self.draft.book, order.authority, &order.action) {
            Ok(decision) => decision,
            Err(refusal) => return Ok(Err(refusal.into())),
        };
        let transactions = match &order.action {
            Action::Create(_) => self.create(order, &decision)?,
            Action::Complete(_) | Action::Cancel(_) => self.end(&decision)?,
        };
        let named = match &order.action {
            Action::Create(new) => new.id,
            Action::Complete(id) | Action::Cancel(id) => *id,
        };
        self.draft.touched.extend(decision.legs.iter().map(|leg| leg.account));
        self.draft.entries.extend(decision.entry);
        self.note(order, &transactions, decision.created)?;
        let value = transactions.into_iter().find(|transaction| transaction.id == named);
        let value = value.ok_or_else(lost)?;
        Ok(Ok(Outcome { value, at: self.at, replayed: false }))
    }

    /// What the rules cannot judge: accounts that somebody else holds, and rows
    /// that were written without the platform, for which nothing was held.
    fn refuse_unread(&self, action: &Action) -> Option<Error> {
        let accounts = match action {
            Action::Create(new) => vec![Some(new.account), new.target],
            Action::Complete(id) | Action::Cancel(id) => {
                let row = self.draft.rows.get(id)?;
                if row.direction.is_none() {
                    return Some(Refusal::TransactionForeign.into());
                }
                vec![Some(row.account_id), row.counterparty_account_id]
            }
        };
        let held = |account: &AccountId| self.draft.book.account(*account).is_none();
        let left_out = self.patience == Patience::LeaveOut && accounts.iter().flatten().any(held);
        left_out.then(|| Error::Unavailable {
            what: BUSY,
            retry_after: Duration::from_secs(1),
            cause: "an account of the order is locked".to_owned(),
        })
    }

    fn create(&mut self, order: &Order, decision: &Decision) -> Result<Vec<Transaction>> {
        let transactions = decision
            .legs
            .iter()
            .map(|leg| {
                let random = u32::from_be_bytes(secret::random::<4>()?);
                let reference = Reference::new(self.at.as_second(), random);
                Ok(new_transaction(order, leg, &reference, self.at))
            })
            .collect::<Result<Vec<_>>>()?;
        self.draft.new.extend(transactions.iter().cloned());
        Ok(transactions)
    }

    fn end(&mut self, decision: &Decision) -> Result<Vec<Transaction>> {
        let mut transactions = Vec::with_capacity(decision.legs.len());
        for leg in &decision.legs {
            let reason = (leg.status == Status::Failed).then_some(CANCELLED);
            self.draft.ended.push((leg.id, leg.status, reason));
            let row = self.draft.rows.get_mut(&leg.id).ok_or_else(lost)?;
            row.status = leg.status;
            row.updated_at = self.started;
            row.failure_reason = reason.map(str::to_owned);
            row.completed_at = (leg.status == Status::Completed).then_some(self.at);
            transactions.push(row.clone());
        }
        Ok(transactions)
    }

    /// Notes the one fact of an accepted order.
    fn note(&mut self, order: &'o Order, legs: &[Transaction], created: bool) -> Result<()> {
        let mut movements = legs.iter().map(|leg| self.movement(leg));
        let movement = movements.next().ok_or_else(lost)??;
        let paired = movements.next().transpose()?;
        let fact = match (created, movement.status) {
            (true, _) => Fact::TransactionCreated { movement, paired },
            (false, Status::Failed) => {
                Fact::TransactionFailed { movement, paired, reason: CANCELLED }
            }
            (false, _) => Fact::TransactionCompleted { movement, paired },
        };
        self.draft.facts.push((order.audit_id, By::actor(&order.actor, self.at), fact));
        Ok(())
    }

    fn movement(&self, transaction: &Transaction) -> Result<Movement> {
        let account = self.draft.book.account(transaction.account_id).ok_or_else(lost)?;
        Ok(Movement {
            id: transaction.id,
            account: account.id,
            owner: account.owner,
            kind: transaction.kind,
            amount: transaction.amount,
            currency: transaction.currency,
            status: transaction.status,
            reference: transaction.reference_number.clone(),
        })
    }
}

impl Decided<'_> {
    /// Writes all of it, one statement a table, and commits: one round trip.
    ///
    /// # Errors
    /// [`Error::OutcomeUnknown`] when COMMIT got no answer; with any other error
    /// nothing has happened.
    pub(super) async fn write(&self, flight: &Flight) -> Result<()> {
        let Self { at, draft, keys } = self;
        let session = flight.session()?;
        let left = draft.book.accounts().filter(|account| draft.touched.contains(&account.id));
        let left: Vec<&Account> = left.collect();
        let (created, ended, updated, entered, told, kept, committed) = tokio::join!(
            biased;
            rows::insert_transactions(session, &draft.new, *at),
            rows::end_transactions(session, &draft.ended, *at),
            rows::update_accounts(session, &left),
            rows::insert_entries(session, &draft.entries, *at),
            facts::record_all_in(session, &draft.facts),
            rows::insert_keys(session, keys, *at),
            flight.say("COMMIT"),
        );
        committed.map_err(|error| Error::OutcomeUnknown { cause: error.to_string() })?;
        // COMMIT of what had failed was a ROLLBACK.
        [created, ended, updated, entered, told, kept].into_iter().collect()
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
            Err(Error::Refused { refusal: refusal.clone(), original })
        }
        Err(Error::NotFound(resource)) => Err(Error::NotFound(*resource)),
        Err(Error::Forbidden(reason)) => Err(Error::Forbidden(*reason)),
        Err(other) => Err(other.again()),
    }
}

fn new_transaction(order: &Order, leg: &Leg, reference: &Reference, at: Timestamp) -> Transaction {
    Transaction {
        id: leg.id,
        account_id: leg.account,
        kind: leg.kind,
        direction: Some(leg.direction),
        amount: leg.amount,
        currency: leg.currency,
        status: leg.status,
        description: order.words.description.as_ref().map(|text| text.as_str().to_owned()),
        reference_number: Some(reference.to_string()),
        metadata: order.words.metadata.clone(),
        counterparty_account_id: leg.pair.map(|pair| pair.account),
        paired_transaction_id: leg.pair.map(|pair| pair.transaction),
        failure_reason: None,
        created_at: at,
        updated_at: at,
        completed_at: (leg.status == Status::Completed).then_some(at),
    }
}

fn leg_of(transaction: &Transaction) -> Leg {
    let pair = transaction.paired_transaction_id.zip(transaction.counterparty_account_id);
    Leg {
        id: transaction.id,
        account: transaction.account_id,
        pair: pair.map(|(transaction, account)| Pair { transaction, account }),
        kind: transaction.kind,
        direction: transaction.direction.unwrap_or(transaction.kind.direction()),
        amount: transaction.amount,
        currency: transaction.currency,
        status: transaction.status,
    }
}

fn read_account(row: &tokio_postgres::Row) -> Result<Account> {
    let Numeric(balance) = row.try_get("balance")?;
    let Numeric(available) = row.try_get("available_balance")?;
    Ok(Account {
        id: AccountId(row.try_get("id")?),
        owner: UserId(row.try_get("user_id")?),
        currency: word(row, "currency")?,
        status: word(row, "status")?,
        balance,
        available,
        entry_count: row.try_get("entry_count")?,
    })
}
