//! The one place where money is decided.
//!
//! [`decide`] looks at the locked accounts and transactions of a [`Book`], says
//! yes or no to one action, and on yes changes the book in memory and returns
//! what is to be written. Deciding a batch is deciding its actions in order.
//! On no, the book is exactly what it was.

use crate::{
    Account, AccountId, Action, Amount, Authority, Currency, Direction, Kind, Money,
    NewTransaction, Refusal, Status, SystemAccount, TransactionId,
};
use std::collections::HashMap;

/// The accounts and transactions a batch holds locks on.
#[derive(Clone, Debug, Default)]
pub struct Book {
    accounts: HashMap<AccountId, Account>,
    legs: HashMap<TransactionId, Leg>,
}

/// A row of `transactions`, as far as the rules care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Its id.
    pub id: TransactionId,
    /// The account in whose list it stands.
    pub account: AccountId,
    /// The other half of a transfer.
    pub pair: Option<Pair>,
    /// What it is.
    pub kind: Kind,
    /// Which way it moves its account.
    pub direction: Direction,
    /// How much.
    pub amount: Amount,
    /// Its account's currency.
    pub currency: Currency,
    /// Where it stands.
    pub status: Status,
}

/// The other half of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The other transaction.
    pub transaction: TransactionId,
    /// The other account.
    pub account: AccountId,
}

/// One amount on its way from one account to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The transaction that caused it; of a transfer, the sender's.
    pub transaction: TransactionId,
    /// Where it comes from.
    pub source: Side,
    /// Where it goes.
    pub target: Side,
    /// How much.
    pub amount: Amount,
    /// In what.
    pub currency: Currency,
}

/// One end of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Side {
    /// Which account.
    pub account: AccountId,
    /// Its place in that account's history and the balance it left there; a
    /// system account keeps neither.
    pub history: Option<(i64, Money)>,
}

/// What an accepted action changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The transactions as they now stand, the ordering one first.
    pub legs: Vec<Leg>,
    /// Whether they are new rows or changed ones.
    pub created: bool,
    /// The movement, if money moved.
    pub entry: Option<Entry>,
}

impl Book {
    /// Adds a locked account.
    pub fn add_account(&mut self, account: Account) {
        self.accounts.insert(account.id, account);
    }

    /// Adds a transaction whose account is locked.
    pub fn add_leg(&mut self, leg: Leg) {
        self.legs.insert(leg.id, leg);
    }

    /// The account as the decisions so far left it.
    pub fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(&id)
    }

    /// All accounts, in no order.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    /// The transaction as the decisions so far left it.
    pub fn leg(&self, id: TransactionId) -> Option<&Leg> {
        self.legs.get(&id)
    }

    fn put_back(&mut self, accounts: impl IntoIterator<Item = Account>, legs: &[Leg]) {
        for account in accounts {
            self.add_account(account);
        }
        for leg in legs {
            self.add_leg(leg.clone());
        }
    }
}

/// Decides one action against the book.
///
/// # Errors
/// The [`Refusal`] that the rules demand; the book is unchanged.
pub fn decide(book: &mut Book, authority: Authority, action: &Action) -> Result<Decision, Refusal> {
    match action {
        Action::Create(order) => create(book, authority, order),
        Action::Complete(id) => end(book, authority, *id, Status::Completed),
        Action::Cancel(id) => end(book, authority, *id, Status::Failed),
    }
}

fn create(
    book: &mut Book,
    authority: Authority,
    order: &NewTransaction,
) -> Result<Decision, Refusal> {
    let mut account = book
        .account(order.account)
        .filter(|account| authority.only.is_none_or(|owner| owner == account.owner))
        .cloned()
        .ok_or(Refusal::AccountNotFound)?;
    Refusal::unless_active(account.status)?;
    let currency = account.currency;
    if let Some(asked) = order.currency.filter(|asked| *asked != currency) {
        return Err(Refusal::CurrencyMismatch { account: currency, order: asked });
    }
    currency.check(order.amount).map_err(|_| Refusal::FractionOfUnit { currency })?;
    if let Some(target) = order.target {
        check_target(book, &account, target)?;
    }
    if order.complete && needs_settlement(order.kind) && !authority.settles {
        return Err(Refusal::SettlementNotAllowed);
    }

    if order.kind.direction() == Direction::Out {
        account.available = hold(&account, order.amount)?;
    }
    let legs = new_legs(order, currency);
    let mut decision = Decision { legs, created: true, entry: None };
    if order.complete {
        settle(book, vec![account], &mut decision, Status::Completed)?;
    } else {
        book.put_back([account], &decision.legs);
    }
    Ok(decision)
}

fn check_target(book: &Book, source: &Account, target: AccountId) -> Result<(), Refusal> {
    if target == source.id {
        return Err(Refusal::SameAccount);
    }
    let target = book.account(target).ok_or(Refusal::TargetAccountNotFound)?;
    Refusal::unless_active(target.status)?;
    if target.currency != source.currency {
        return Err(Refusal::CurrencyMismatch { account: target.currency, order: source.currency });
    }
    Ok(())
}

fn needs_settlement(kind: Kind) -> bool {
    matches!(kind, Kind::Deposit | Kind::Credit | Kind::Debit)
}

fn hold(account: &Account, amount: Amount) -> Result<Money, Refusal> {
    account.available.minus(amount).filter(|left| *left >= Money::ZERO).ok_or(
        Refusal::InsufficientFunds {
            available: account.available,
            required: amount.into(),
            currency: account.currency,
        },
    )
}

fn new_legs(order: &NewTransaction, currency: Currency) -> Vec<Leg> {
    let leg = Leg {
        id: order.id,
        account: order.account,
        pair: order.target.map(|account| Pair { transaction: order.paired_id, account }),
        kind: order.kind,
        direction: order.kind.direction(),
        amount: order.amount,
        currency,
        status: Status::Pending,
    };
    let paired = order.target.map(|target| Leg {
        id: order.paired_id,
        account: target,
        pair: Some(Pair { transaction: order.id, account: order.account }),
        direction: Direction::In,
        ..leg.clone()
    });
    std::iter::once(leg).chain(paired).collect()
}

/// Completes or cancels what is pending.
fn end(
    book: &mut Book,
    authority: Authority,
    id: TransactionId,
    status: Status,
) -> Result<Decision, Refusal> {
    let named = book.leg(id).cloned().ok_or(Refusal::TransactionNotFound)?;
    let mine = |account: AccountId| {
        book.account(account)
            .is_some_and(|account| authority.only.is_none_or(|owner| owner == account.owner))
    };
    if !mine(named.account) {
        return Err(Refusal::TransactionNotFound);
    }
    let pair = named.pair.and_then(|pair| book.leg(pair.transaction)).cloned();
    // The sender's half decides, whichever of the two was named.
    let legs: Vec<Leg> = match pair {
        Some(sender) if named.direction == Direction::In => vec![sender, named],
        Some(receiver) => vec![named, receiver],
        None => vec![named],
    };
    let mut decision = Decision { legs, created: false, entry: None };
    let sender = decision.legs.first().ok_or(Refusal::TransactionNotFound)?;
    if !mine(sender.account) {
        return Err(Refusal::TransferNotYours);
    }
    if sender.status != Status::Pending {
        return Err(Refusal::TransactionNotPending { status: sender.status });
    }
    let theirs_to_end = match status {
        // A credit or debit is the bank's: its customer does not call it off.
        Status::Failed => !matches!(sender.kind, Kind::Credit | Kind::Debit),
        _ => !needs_settlement(sender.kind),
    };
    if !theirs_to_end && !authority.settles {
        return Err(Refusal::SettlementNotAllowed);
    }
    let account = book.account(sender.account).cloned().ok_or(Refusal::AccountNotFound)?;
    settle(book, vec![account], &mut decision, status)?;
    Ok(decision)
}

/// Moves the money of pending legs whose outgoing amount is already held, or
/// gives the hold back. `touched` starts with the ordering account.
fn settle(
    book: &mut Book,
    mut touched: Vec<Account>,
    decision: &mut Decision,
    status: Status,
) -> Result<(), Refusal> {
    for leg in &decision.legs {
        if touched.iter().all(|account| account.id != leg.account) {
            touched.push(book.account(leg.account).cloned().ok_or(Refusal::TargetAccountNotFound)?);
        }
    }
    for (leg, account) in decision.legs.iter_mut().zip(&mut touched) {
        leg.status = status;
        match (status, leg.direction) {
            (Status::Completed, direction) => {
                Refusal::unless_active(account.status)?;
                book_leg(account, direction, leg.amount)?;
            }
            (_, Direction::Out) => {
                account.available =
                    account.available.plus(leg.amount).ok_or(Refusal::BalanceTooLarge)?;
            }
            (_, Direction::In) => {}
        }
    }
    if status == Status::Completed {
        decision.entry = entry_of(&decision.legs, &touched);
    }
    book.put_back(touched, &decision.legs);
    Ok(())
}

fn book_leg(account: &mut Account, direction: Direction, amount: Amount) -> Result<(), Refusal> {
    account.entry_count = account.entry_count.checked_add(1).ok_or(Refusal::BalanceTooLarge)?;
    match direction {
        Direction::Out => {
            account.balance = account.balance.minus(amount).ok_or(Refusal::BalanceTooLarge)?;
        }
        Direction::In => {
            account.balance = account.balance.plus(amount).ok_or(Refusal::BalanceTooLarge)?;
            account.available = account.available.plus(amount).ok_or(Refusal::BalanceTooLarge)?;
        }
    }
    Ok(())
}

fn entry_of(legs: &[Leg], accounts: &[Account]) -> Option<Entry> {
    let leg = legs.first()?;
    let side = |account: &Account| Side {
        account: account.id,
        history: Some((account.entry_count, account.balance)),
    };
    let own = side(accounts.first()?);
    let outside = match leg.kind {
        Kind::Deposit | Kind::Withdrawal => SystemAccount::Cash,
        Kind::Credit | Kind::Debit | Kind::Transfer => SystemAccount::Adjustments,
    };
    let other =
        accounts.get(1).map_or(Side { account: outside.id(leg.currency), history: None }, side);
    let (source, target) = match leg.direction {
        Direction::Out => (own, other),
        Direction::In => (other, own),
    };
    Some(Entry { transaction: leg.id, source, target, amount: leg.amount, currency: leg.currency })
}
