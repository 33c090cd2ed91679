//! A small bank to decide in: named accounts, short orders.

use ledger::{
    Account, AccountId, AccountStatus, Action, Amount, Authority, Book, Currency, Decision, Kind,
    Money, NewTransaction, Refusal, TransactionId, UserId, decide,
};
use uuid::Uuid;

pub const ADA: UserId = UserId(Uuid::from_u128(0xADA));
pub const BOB: UserId = UserId(Uuid::from_u128(0xB0B));
/// An administrator who may do everything.
pub const ROOT: Authority = Authority { only: None, settles: true };

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
        Self { book: Book::default(), next: 1_000_000 }
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
        });
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
        }
    }

    pub fn create(&mut self, by: Authority, order: NewTransaction) -> Result<Decision, Refusal> {
        decide(&mut self.book, by, &Action::Create(order))
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

    pub fn complete(&mut self, by: Authority, id: TransactionId) -> Result<Decision, Refusal> {
        decide(&mut self.book, by, &Action::Complete(id))
    }

    pub fn cancel(&mut self, by: Authority, id: TransactionId) -> Result<Decision, Refusal> {
        decide(&mut self.book, by, &Action::Cancel(id))
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
