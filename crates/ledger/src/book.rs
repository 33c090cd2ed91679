//! The accounts and transactions a batch holds locks on, as its decisions so
//! far left them. Knows no rule: [`crate::decide()`] alone judges.

use crate::{
    Account, AccountId, Amount, Currency, Direction, Exchange, Kind, Moment, Money, Quota, Quote,
    QuoteId, Remainder, Status, TransactionId,
};
use std::collections::HashMap;

/// What is decided against. A clone is a point to come back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Book {
    now: Moment,
    quota: Quota,
    accounts: HashMap<AccountId, Account>,
    legs: HashMap<TransactionId, Leg>,
    exchanges: HashMap<TransactionId, Exchange>,
    carried: HashMap<Currency, Remainder>,
    quotes: HashMap<QuoteId, Quote>,
}

impl Book {
    /// An empty book; every decision in it is taken at this moment.
    pub fn new(now: Moment) -> Self {
        Self {
            now,
            quota: Quota::default(),
            accounts: HashMap::new(),
            legs: HashMap::new(),
            exchanges: HashMap::new(),
            carried: HashMap::new(),
            quotes: HashMap::new(),
        }
    }

    /// The same book, in which no more than this may stand pending on an account.
    #[must_use]
    pub fn within(self, quota: Quota) -> Self {
        Self { quota, ..self }
    }

    /// How much may stand pending on an account.
    pub fn quota(&self) -> Quota {
        self.quota
    }

    /// When its decisions are taken.
    pub fn now(&self) -> Moment {
        self.now
    }

    /// Adds a locked account.
    pub fn add_account(&mut self, account: Account) {
        self.accounts.insert(account.id, account);
    }

    /// Adds a transaction whose account is locked; of a transfer, both halves
    /// are needed.
    pub fn add_leg(&mut self, leg: Leg) {
        self.legs.insert(leg.id, leg);
    }

    /// Adds the exchange of a transfer between currencies, by its sender's half.
    pub fn add_exchange(&mut self, sender: TransactionId, exchange: Exchange) {
        self.exchanges.insert(sender, exchange);
    }

    /// Says what is carried for a currency; needed where an exchange that
    /// rounds in it is to be booked.
    pub fn set_carried(&mut self, currency: Currency, carried: Remainder) {
        self.carried.insert(currency, carried);
    }

    /// Adds a locked quote; needed where an order names it.
    pub fn add_quote(&mut self, quote: Quote) {
        self.quotes.insert(quote.id, quote);
    }

    /// The quote as the decisions so far left it.
    pub fn quote(&self, id: QuoteId) -> Option<&Quote> {
        self.quotes.get(&id)
    }

    /// All quotes, in no order.
    pub fn quotes(&self) -> impl Iterator<Item = &Quote> {
        self.quotes.values()
    }

    /// Notes that a quote is used up.
    pub(crate) fn use_quote(&mut self, id: QuoteId) {
        if let Some(quote) = self.quotes.get_mut(&id) {
            quote.used = true;
        }
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

    /// All transactions, in no order.
    pub fn legs(&self) -> impl Iterator<Item = &Leg> {
        self.legs.values()
    }

    /// The exchange of a transfer, by its sender's half.
    pub fn exchange(&self, sender: TransactionId) -> Option<&Exchange> {
        self.exchanges.get(&sender)
    }

    /// The fraction of a coin that roundings in a currency came to, not booked yet.
    pub fn carried(&self, currency: Currency) -> Remainder {
        self.carried.get(&currency).copied().unwrap_or_default()
    }

    /// All that is carried, in no order.
    pub fn carries(&self) -> impl Iterator<Item = (Currency, Remainder)> {
        self.carried.iter().map(|(currency, carried)| (*currency, *carried))
    }
}

/// A row of `transactions`, as far as the rules care. What moved is at most the
/// amount, and what was reversed at most what moved.
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
    /// How much was ordered.
    pub amount: Amount,
    /// Its account's currency.
    pub currency: Currency,
    /// Where it stands.
    pub status: Status,
    /// How much has moved so far.
    pub captured: Money,
    /// How much of that went back.
    pub reversed: Money,
    /// When it was ordered.
    pub created: Moment,
    /// From when on nothing of it moves any more.
    pub expires: Option<Moment>,
    /// When it completes by itself.
    pub completes: Option<Moment>,
    /// The business date, where it is not the recorded one.
    pub effective: Option<Moment>,
    /// The transaction of the same account that it gives back.
    pub reverses: Option<TransactionId>,
    /// How many bytes its description and metadata take.
    pub bytes: i64,
}

impl Leg {
    /// What has not moved; of a pending outgoing one, what is held.
    pub fn remaining(&self) -> Option<Amount> {
        Money::from(self.amount).minus(self.captured).and_then(Money::positive)
    }

    /// What has moved and not come back.
    pub fn reversible(&self) -> Option<Amount> {
        self.captured.minus(self.reversed).and_then(Money::positive)
    }

    /// Whether its time is over.
    pub fn expired(&self, now: Moment) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// The other half of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The other transaction.
    pub transaction: TransactionId,
    /// The other account.
    pub account: AccountId,
}
