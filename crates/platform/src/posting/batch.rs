//! One batch in one database transaction: seen before? lock, decide, write, tell.
//!
//! Nothing is written before every order is decided. A refusal is an answer,
//! not a failure: it never hurts its neighbours, and its key remembers it.

use super::{
    Answer, Order, again, lost,
    rows::{self, Ended, Updates},
    store,
};
use crate::{
    db::{BUSY, Numeric, Tx, word},
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

/// What to do about an account that somebody else holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Wait, as long as the lock timeout.
    Wait,
    /// Leave its orders out; the others need not suffer.
    LeaveOut,
}

/// What a batch came to.
pub(super) struct Posted {
    /// One answer an order, in order.
    pub(super) answers: Vec<Answer>,
    /// An audit row that is there exactly if the batch is; absent if it moved nothing.
    pub(super) witness: Option<Uuid>,
}

/// Posts the orders in the caller's transaction.
pub(super) async fn post_in(
    tx: &Tx<'_>,
    orders: &[Order],
    at: Timestamp,
    patience: Patience,
) -> Result<Posted> {
    let mut batch = Batch::new(at, patience);
    let earlier = find_keys_in(tx, orders).await?;
    let mut answers: Vec<Option<Answer>> = orders
        .iter()
        .map(|order| {
            let key = order.key.as_ref()?;
            let earlier = earlier.get(&(order.actor.user_id, key.key.as_str()))?;
            Some(earlier.clone().replay(key))
        })
        .collect();
    let fresh: Vec<usize> = (0..orders.len()).filter(|place| answers[*place].is_none()).collect();
    batch.lock_in(tx, fresh.iter().map(|place| &orders[*place])).await?;

    let mut first_use: HashMap<(UserId, &str), usize> = HashMap::new();
    let mut repeats = Vec::new();
    for place in fresh {
        let order = &orders[place];
        let name = order.key.as_ref().map(|key| (order.actor.user_id, key.key.as_str()));
        if let Some(first) = name.and_then(|name| first_use.get(&name).copied()) {
            repeats.push((place, first));
            continue;
        }
        first_use.extend(name.map(|name| (name, place)));
        answers[place] = Some(batch.decide(order)?);
    }
    let updated = batch.write_in(tx).await?;
    let mut answers: Vec<Answer> = answers
        .into_iter()
        .map(|answer| with_update(answer.unwrap_or_else(|| Err(lost())), &updated))
        .collect();
    rows::insert_keys_in(tx, orders, &answers, &repeats, at).await?;
    for (place, first) in repeats {
        answers[place] = repeat(&orders[place], &orders[first], &answers[first], at);
    }
    Ok(Posted { answers, witness: batch.facts.first().map(|(id, ..)| *id) })
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
        Err(other) => Err(again(other)),
    }
}

async fn find_keys_in<'o>(
    tx: &Tx<'_>,
    orders: &'o [Order],
) -> Result<HashMap<(UserId, &'o str), Earlier>> {
    let asked: Vec<(UserId, &IdempotencyKey)> = orders
        .iter()
        .filter_map(|order| Some((order.actor.user_id, order.key.as_ref()?)))
        .collect();
    if asked.is_empty() {
        return Ok(HashMap::new());
    }
    let users: Vec<Uuid> = asked.iter().map(|(user, _)| user.0).collect();
    let keys: Vec<&str> = asked.iter().map(|(_, key)| key.key.as_str()).collect();
    let mut known = HashMap::new();
    for row in tx.query(store::FIND_KEYS, &[&users, &keys]).await? {
        let earlier = Earlier::read(&row)?;
        let name = asked.iter().find(|(user, key)| *user == earlier.user && key.key == earlier.key);
        known.extend(name.map(|(user, key)| ((*user, key.key.as_str()), earlier)));
    }
    Ok(known)
}

fn with_update(answer: Answer, updated: &Updates) -> Answer {
    answer.map(|mut outcome| {
        if let (false, Some(at)) = (outcome.replayed, updated.get(&outcome.value.id)) {
            outcome.value.updated_at = *at;
        }
        outcome
    })
}

/// What a batch knows and what it will write.
struct Batch<'o> {
    at: Timestamp,
    patience: Patience,
    book: Book,
    rows: HashMap<TransactionId, Transaction>,
    touched: HashSet<AccountId>,
    new: Vec<Transaction>,
    ended: Vec<Ended>,
    entries: Vec<Entry>,
    facts: Vec<(Uuid, By<'o>, Fact)>,
}

impl<'o> Batch<'o> {
    fn new(at: Timestamp, patience: Patience) -> Self {
        Self {
            at,
            patience,
            book: Book::default(),
            rows: HashMap::new(),
            touched: HashSet::new(),
            new: Vec::new(),
            ended: Vec::new(),
            entries: Vec::new(),
            facts: Vec::new(),
        }
    }

    /// Locks and reads everything the orders can touch.
    async fn lock_in(&mut self, tx: &Tx<'_>, orders: impl Iterator<Item = &Order>) -> Result<()> {
        let (mut accounts, mut named): (Vec<Uuid>, Vec<Uuid>) = (Vec::new(), Vec::new());
        for order in orders {
            match &order.action {
                Action::Create(new) => {
                    accounts.push(new.account.0);
                    accounts.extend(new.target.map(|target| target.0));
                }
                Action::Complete(id) | Action::Cancel(id) => named.push(id.0),
            }
        }
        let lock = match self.patience {
            Patience::Wait => store::LOCK_ACCOUNTS,
            Patience::LeaveOut => store::LOCK_FREE_ACCOUNTS,
        };
        for row in tx.query(lock, &[&accounts, &named]).await? {
            self.book.add_account(read_account(&row)?);
        }
        if !named.is_empty() {
            for row in tx.query(store::FIND_TRANSACTIONS, &[&named]).await? {
                let transaction = transactions::store::read(&row)?;
                self.book.add_leg(leg_of(&transaction));
                self.rows.insert(transaction.id, transaction);
            }
        }
        Ok(())
    }

    /// Decides one order and notes what it writes. The outer error is a fault
    /// of ours; the inner one is the bank's answer.
    fn decide(&mut self, order: &'o Order) -> Result<Answer> {
        if let Some(refused) = self.refuse_unread(&order.action) {
            return Ok(Err(refused));
        }
        let decision = match decide(&mut self.book, order.authority, &order.action) {
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
        self.touched.extend(decision.legs.iter().map(|leg| leg.account));
        self.entries.extend(decision.entry);
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
                let row = self.rows.get(id)?;
                if row.direction.is_none() {
                    return Some(Refusal::TransactionForeign.into());
                }
                vec![Some(row.account_id), row.counterparty_account_id]
            }
        };
        let held = |account: &AccountId| self.book.account(*account).is_none();
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
        self.new.extend(transactions.iter().cloned());
        Ok(transactions)
    }

    fn end(&mut self, decision: &Decision) -> Result<Vec<Transaction>> {
        let mut transactions = Vec::with_capacity(decision.legs.len());
        for leg in &decision.legs {
            let reason = (leg.status == Status::Failed).then_some(CANCELLED);
            self.ended.push((leg.id, leg.status, reason));
            let row = self.rows.get_mut(&leg.id).ok_or_else(lost)?;
            row.status = leg.status;
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
        self.facts.push((order.audit_id, By::actor(&order.actor, self.at), fact));
        Ok(())
    }

    fn movement(&self, transaction: &Transaction) -> Result<Movement> {
        let account = self.book.account(transaction.account_id).ok_or_else(lost)?;
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

    /// Writes all of it: one statement a table.
    async fn write_in(&self, tx: &Tx<'_>) -> Result<Updates> {
        rows::insert_transactions_in(tx, &self.new, self.at).await?;
        let updated = rows::end_transactions_in(tx, &self.ended, self.at).await?;
        let touched = self.book.accounts().filter(|account| self.touched.contains(&account.id));
        rows::update_accounts_in(tx, &touched.collect::<Vec<_>>()).await?;
        rows::insert_entries_in(tx, &self.entries, self.at).await?;
        if !self.facts.is_empty() {
            facts::record_all_in(tx, &self.facts).await?;
        }
        Ok(updated)
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
