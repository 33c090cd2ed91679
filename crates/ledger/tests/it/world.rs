//! A small bank to decide in: named accounts, short orders.

use ledger::{
    Account, AccountId, AccountStatus, Action, Amount, Authority, Book, Capture, Currency,
    Decision, Entry, Freeze, FreezeScope, Kind, Limits, Moment, Money, NewTransaction, Pending,
    Price, Rate, Refusal, Reversal, Spent, TransactionId, UserId, decide,
};
use uuid::Uuid;

pub const ADA: UserId = UserId(Uuid::from_u128(0xADA));
pub const BOB: UserId = UserId(Uuid::from_u128(0xB0B));
/// An administrator who may do everything.
pub const ROOT: Authority = Authority { only: None, settles: true };

/// A user who may do what every user may.
pub const MODEST: Authority = Authority { only: Some(ADA), settles: false };
/// Noon of some day.
pub const NOON: Moment = Moment(1_000 * DAY + DAY / 2);
pub const HOUR: i64 = 3_600_000_000;
pub const DAY: i64 = 24 * HOUR;
/// How long a pending exchange stands.
pub const MINUTE: i64 = HOUR / 60;

pub fn hours_later(hours: i64) -> Moment {
    Moment(NOON.0 + hours * HOUR)
}

pub fn user(owner: UserId) -> Authority {
    Authority { only: Some(owner), settles: true }
}

pub fn account_id(n: u128) -> AccountId {
    AccountId(Uuid::from_u128(n))
}

pub fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap()
}

pub fn money(text: &str) -> Money {
    if text == "0" { Money::ZERO } else { amount(text).into() }
}

pub struct World {
    pub book: Book,
    next: u128,
}

impl World {
    pub fn new() -> Self {
        Self { book: Book::new(NOON), next: 1_000_000 }
    }

    /// Opens account `n` with money in it.
    pub fn with(mut self, n: u128, owner: UserId, balance: &str) -> Self {
        self.put(n, owner, "USD", AccountStatus::Active, balance);
        self
    }

    pub fn put(
        &mut self,
        n: u128,
        owner: UserId,
        currency: &str,
        status: AccountStatus,
        balance: &str,
    ) {
        self.book.add_account(Account {
            id: account_id(n),
            owner,
            currency: Currency::parse(currency).unwrap(),
            status,
            balance: money(balance),
            available: money(balance),
            entry_count: 0,
            newest_entry: None,
            limits: Limits::default(),
            spent: Spent::default(),
            freeze: None,
            pending: Pending::default(),
        });
    }

    /// Changes account `n`.
    pub fn set(&mut self, n: u128, change: impl FnOnce(&mut Account)) {
        let mut account = self.book.account(account_id(n)).unwrap().clone();
        change(&mut account);
        self.book.add_account(account);
    }

    pub fn freeze(&mut self, n: u128, scope: FreezeScope, until: Option<Moment>) {
        let reason = "a court's order".to_owned();
        self.set(n, |account| account.freeze = Some(Freeze { scope, reason, until }));
    }

    /// The same bank at another moment.
    pub fn at(&mut self, now: Moment) {
        let mut book = Book::new(now).within(self.book.quota());
        self.book.accounts().cloned().for_each(|account| book.add_account(account));
        self.book.carries().for_each(|(currency, carried)| book.set_carried(currency, carried));
        self.book.quotes().cloned().for_each(|quote| book.add_quote(quote));
        for leg in self.book.legs().cloned() {
            if let Some(exchange) = self.book.exchange(leg.id) {
                book.add_exchange(leg.id, *exchange);
            }
            book.add_leg(leg);
        }
        self.book = book;
    }

    pub fn order(&mut self, kind: Kind, n: u128, text: &str) -> NewTransaction {
        self.next += 2;
        NewTransaction {
            id: TransactionId(Uuid::from_u128(self.next)),
            paired_id: TransactionId(Uuid::from_u128(self.next + 1)),
            account: account_id(n),
            target: None,
            kind,
            amount: amount(text),
            currency: None,
            complete: false,
            expires: None,
            completes: None,
            effective: None,
            price: None,
            exchange_stands: MINUTE,
            bytes: 0,
        }
    }

    /// Decides, and holds the rules to it that a refusal changes nothing.
    pub fn decide(&mut self, by: Authority, action: &Action) -> Result<Decision, Refusal> {
        let before = self.book.clone();
        let decided = decide(&mut self.book, by, action);
        if decided.is_err() {
            assert_eq!(self.book, before, "a refusal changes nothing");
        }
        decided
    }

    pub fn create(&mut self, by: Authority, order: NewTransaction) -> Result<Decision, Refusal> {
        self.decide(by, &Action::Create(order))
    }

    /// A pending order of account `n`, as its id.
    pub fn pending(&mut self, kind: Kind, n: u128, text: &str) -> TransactionId {
        let order = self.order(kind, n, text);
        self.create(ROOT, order).unwrap().legs[0].id
    }

    /// A completed order of account `n`, as its id.
    pub fn completed(&mut self, kind: Kind, n: u128, text: &str) -> TransactionId {
        let id = self.pending(kind, n, text);
        self.complete(ROOT, id).unwrap().legs[0].id
    }

    pub fn transfer(
        &mut self,
        by: Authority,
        from: u128,
        to: u128,
        text: &str,
    ) -> Result<Decision, Refusal> {
        let order = self.order(Kind::Transfer, from, text);
        self.create(by, NewTransaction { target: Some(account_id(to)), ..order })
    }

    /// A transfer between currencies.
    pub fn exchange(
        &mut self,
        from: u128,
        to: u128,
        text: &str,
        rate: &str,
    ) -> Result<Decision, Refusal> {
        let order = self.order(Kind::Transfer, from, text);
        let price = Some(Price::Rate(Rate::parse(rate).unwrap()));
        self.create(ROOT, NewTransaction { target: Some(account_id(to)), price, ..order })
    }

    pub fn complete(&mut self, by: Authority, id: TransactionId) -> Result<Decision, Refusal> {
        self.decide(by, &Action::Complete(id))
    }

    /// Captures a part and leaves the rest held.
    pub fn capture(
        &mut self,
        by: Authority,
        id: TransactionId,
        text: &str,
    ) -> Result<Decision, Refusal> {
        let amount = Some(amount(text));
        self.decide(by, &Action::Capture(Capture { id, amount, last: false }))
    }

    pub fn cancel(&mut self, by: Authority, id: TransactionId) -> Result<Decision, Refusal> {
        self.decide(by, &Action::Cancel(id))
    }

    pub fn expire(&mut self, id: TransactionId) -> Result<Decision, Refusal> {
        // It asks for nobody's authority.
        let nobody = Authority { only: Some(UserId(Uuid::nil())), settles: false };
        self.decide(nobody, &Action::Expire(id))
    }

    /// Reverses what the text says, or all.
    pub fn reverse(
        &mut self,
        by: Authority,
        id: TransactionId,
        text: Option<&str>,
    ) -> Result<Decision, Refusal> {
        self.next += 2;
        let new = |n| TransactionId(Uuid::from_u128(n));
        let (new_id, new_paired_id) = (new(self.next), new(self.next + 1));
        let amount = text.map(amount);
        self.decide(by, &Action::Reverse(Reversal { id, amount, new_id, new_paired_id }))
    }

    /// What counts towards the daily limit, printed.
    pub fn spent(&self, n: u128) -> String {
        self.book.account(account_id(n)).unwrap().spent.amount.to_string()
    }

    /// Balance and available balance, printed.
    pub fn funds(&self, n: u128) -> (String, String) {
        let account = self.book.account(account_id(n)).unwrap();
        (account.balance.to_string(), account.available.to_string())
    }
}

pub fn funds(balance: &str, available: &str) -> (String, String) {
    (balance.to_owned(), available.to_owned())
}

/// The one movement of a decision.
pub fn only_entry(decision: &Decision) -> Entry {
    assert_eq!(decision.entries.len(), 1, "{decision:?}");
    decision.entries[0].clone()
}
