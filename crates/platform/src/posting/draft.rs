//! What the decisions of a batch come to: the book in memory, and the rows that
//! will be written if the batch is. A clone is a point to come back to.

use super::{Order, lost};
use crate::{
    clock,
    error::Result,
    facts::{self, By, Fact, Movement},
    mandates::Ordered,
    transactions::{Exchange, Transaction},
};
use jiff::Timestamp;
use ledger::{
    Account, AccountId, Action, Authority, Book, Decision, Entry, Leg, Money, Pair, QuoteId,
    Reference, Refusal, Status, TransactionId, decide,
};
use std::collections::{BTreeSet, HashMap, HashSet};
use uuid::Uuid;

/// Why a transaction failed that was called off.
const CANCELLED: &str = "cancelled";
/// Why one failed whose time was over.
const EXPIRED: &str = "expired";

#[derive(Clone)]
pub(super) struct Draft<'o> {
    pub(super) book: Book,
    pub(super) at: Timestamp,
    /// When the database transaction began, by the database's clock: what its
    /// triggers write into `updated_at`.
    pub(super) started: Timestamp,
    /// Transactions that were there before, as they now stand.
    pub(super) rows: HashMap<TransactionId, Transaction>,
    changed: BTreeSet<TransactionId>,
    pub(super) new: Vec<Transaction>,
    pub(super) exchanges: Vec<(TransactionId, Exchange)>,
    /// Where the rates of the quotes come from.
    pub(super) quoted: HashMap<QuoteId, String>,
    /// Which quotes are used up, and by what.
    pub(super) used: Vec<(QuoteId, TransactionId)>,
    /// Those of the new ones that complete by themselves.
    pub(super) later: Vec<Ordered>,
    touched: HashSet<AccountId>,
    pub(super) entries: Vec<Entry>,
    pub(super) facts: Vec<(Uuid, By<'o>, Fact)>,
}

impl<'o> Draft<'o> {
    /// Nothing is decided yet.
    pub(super) fn new(book: Book, at: Timestamp) -> Self {
        Self {
            book,
            at,
            started: at,
            rows: HashMap::new(),
            changed: BTreeSet::new(),
            new: Vec::new(),
            exchanges: Vec::new(),
            quoted: HashMap::new(),
            used: Vec::new(),
            later: Vec::new(),
            touched: HashSet::new(),
            entries: Vec::new(),
            facts: Vec::new(),
        }
    }

    /// Accounts as the decisions leave them, where they changed something.
    pub(super) fn left(&self) -> Vec<&Account> {
        self.book.accounts().filter(|account| self.touched.contains(&account.id)).collect()
    }

    /// Transactions that were there before and have changed.
    pub(super) fn changed(&self) -> Vec<&Transaction> {
        self.changed.iter().filter_map(|id| self.rows.get(id)).collect()
    }

    /// Decides one order for who may do that much; on yes, notes all that is to be written. The outer error
    /// is a fault of ours, the inner one the bank's answer.
    pub(super) fn decide(
        &mut self,
        order: &'o Order,
        authority: Authority,
        mut reference: impl FnMut() -> Reference,
    ) -> Result<Result<Transaction, Refusal>> {
        let decision = match decide(&mut self.book, authority, &order.action) {
            Ok(decision) => decision,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let exchange = decision
            .exchange
            .map(|terms| Exchange { terms, rate_source: self.rate_source(order, decision.quote) });
        let transactions = decision
            .legs
            .iter()
            .map(|leg| match decision.created {
                true => Ok(self.create(order, leg, exchange.clone(), &reference())),
                false => self.change(leg, &order.action),
            })
            .collect::<Result<Vec<_>>>()?;
        for leg in &decision.amended {
            self.change(leg, &order.action)?;
        }
        if let (Some(exchange), Some(leg)) = (exchange, decision.legs.first()) {
            self.exchanges.push((leg.id, exchange));
        }
        self.used.extend(decision.quote.zip(decision.legs.first().map(|leg| leg.id)));
        if let Action::Create(new) = &order.action {
            self.later.extend(Ordered::by(&order.actor, new));
        }
        self.note(order, &decision, &transactions)?;
        self.touched.extend(decision.legs.iter().map(|leg| leg.account));
        self.entries.extend(decision.entries);
        // Of a new one the first leg is the answer, of one that was there the one
        // that was named.
        let asked = named(&order.action).filter(|_| !decision.created);
        let answer = transactions
            .into_iter()
            .find(|transaction| asked.is_none_or(|asked| asked == transaction.id));
        answer.map(Ok).ok_or_else(lost)
    }

    /// Where the rate comes from; of a reversal, where the original's did.
    fn rate_source(&self, order: &Order, quote: Option<QuoteId>) -> String {
        if let Some(quoted) = quote.and_then(|quote| self.quoted.get(&quote)) {
            return quoted.clone();
        }
        let said = order.words.rate_source.as_ref().map(|source| source.as_str().to_owned());
        let original = || self.rows.get(&named(&order.action)?)?.exchange.clone();
        said.or_else(|| Some(original()?.rate_source)).unwrap_or_default()
    }

    fn create(
        &mut self,
        order: &Order,
        leg: &Leg,
        exchange: Option<Exchange>,
        reference: &Reference,
    ) -> Transaction {
        let transaction = Transaction {
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
            reverses_transaction_id: leg.reverses,
            captured_amount: None,
            reversed_amount: leg.reversed,
            exchange,
            expires_at: leg.expires.map(clock::timestamp),
            complete_at: leg.completes.map(clock::timestamp),
            completion_lapsed: None,
            effective_at: leg.effective.map(clock::timestamp),
            failure_reason: None,
            created_at: self.at,
            updated_at: self.at,
            completed_at: (leg.status == Status::Completed).then_some(self.at),
        };
        self.new.push(transaction.clone());
        transaction
    }

    fn change(&mut self, leg: &Leg, action: &Action) -> Result<Transaction> {
        let row = self.rows.get_mut(&leg.id).ok_or_else(lost)?;
        let (was, at) = (row.status, self.at);
        row.status = leg.status;
        row.updated_at = self.started;
        row.reversed_amount = leg.reversed;
        let in_parts = row.captured_amount.is_some() || leg.captured != Money::from(leg.amount);
        row.captured_amount =
            Some(leg.captured).filter(|captured| in_parts && *captured > Money::ZERO);
        if was != leg.status {
            row.completion_lapsed = None;
            row.completed_at = (leg.status == Status::Completed).then_some(at);
            row.failure_reason = (leg.status == Status::Failed).then(|| reason(action).to_owned());
        }
        self.changed.insert(leg.id);
        Ok(row.clone())
    }

    /// Notes the one fact of an accepted order.
    fn note(&mut self, order: &'o Order, decision: &Decision, legs: &[Transaction]) -> Result<()> {
        let mut movements = legs.iter().map(|leg| self.movement(leg));
        let mut movement = movements.next().ok_or_else(lost)??;
        movement.quote = decision.quote;
        let paired = movements.next().transpose()?;
        if let Some(new) = legs.first().filter(|_| decision.created) {
            let metadata = new.metadata.printed()?;
            movement.words = facts::words(new.description.as_deref(), &metadata);
        }
        let fact = match (&order.action, movement.status) {
            (Action::Reverse(reversal), _) => {
                Fact::TransactionReversed { original: reversal.id, movement, paired }
            }
            _ if decision.created => Fact::TransactionCreated { movement, paired },
            (action, Status::Failed) => {
                Fact::TransactionFailed { movement, paired, reason: reason(action) }
            }
            (Action::Capture(_), _) => Fact::TransactionCaptured { movement, paired },
            _ => Fact::TransactionCompleted { movement, paired },
        };
        let by = match order.action {
            // Nobody asks for it: time does.
            Action::Expire(_) | Action::CompleteDue(_) => {
                By { user: None, origin: &order.actor.origin, at: self.at }
            }
            _ => By::actor(&order.actor, self.at),
        };
        self.facts.push((order.audit_id, by, fact));
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
            captured: transaction.captured_amount,
            reverses: transaction.reverses_transaction_id,
            reference: transaction.reference_number.clone(),
            direction: transaction.direction.unwrap_or(transaction.kind.direction()),
            pair: transaction
                .paired_transaction_id
                .zip(transaction.counterparty_account_id)
                .map(|(transaction, account)| Pair { transaction, account }),
            expires: transaction.expires_at,
            completes: transaction.complete_at,
            effective: transaction.effective_at,
            exchange: transaction
                .exchange
                .as_ref()
                .map(|exchange| (exchange.terms, exchange.rate_source.clone())),
            quote: None,
            words: None,
        })
    }
}

fn reason(action: &Action) -> &'static str {
    match action {
        Action::Expire(_) => EXPIRED,
        _ => CANCELLED,
    }
}

/// The transaction that an order is about, if it is there already.
pub(super) fn named(action: &Action) -> Option<TransactionId> {
    match action {
        Action::Create(_) => None,
        Action::Complete(id)
        | Action::Cancel(id)
        | Action::Expire(id)
        | Action::CompleteDue(id) => Some(*id),
        Action::Capture(capture) => Some(capture.id),
        Action::Reverse(reversal) => Some(reversal.id),
    }
}
