//! A bank that is too simple to be wrong: it keeps orders and balances, adds
//! everything up anew whenever it is asked, and says what the rules should
//! answer, by code. It shares no arithmetic with them.

use crate::world::{DAY, HOUR};
use ledger::{FreezeScope, Kind};
use std::collections::HashMap;

pub const CURRENCIES: [&str; 5] = ["USD", "USD", "EUR", "JPY", "USD"];

/// How much may stand pending on an account: orders, and bytes of what is written on them.
pub const QUOTA: (usize, i64) = (6, 60);

pub type Verdict = Result<(), &'static str>;

/// Account `n` is the `n`th of them, from one.
pub struct Account {
    pub balance: i64,
    pub overdraft: i64,
    pub per_transaction: Option<i64>,
    pub daily: Option<i64>,
    pub freeze: Option<(FreezeScope, Option<i64>)>,
    newest_day: i64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum State {
    Pending,
    Completed,
    Failed,
}

#[derive(Clone, Debug)]
pub struct Order {
    pub kind: Kind,
    pub from: usize,
    /// The receiver of a transfer; else the same account.
    pub to: usize,
    pub amount: i64,
    /// The receiver's amount and what rounding left, of an exchange.
    pub got: Option<(i64, i128)>,
    pub state: State,
    pub captured: i64,
    pub reversed: i64,
    pub is_reversal: bool,
    pub bytes: i64,
    created: i64,
    expires: Option<i64>,
    completes: Option<i64>,
    /// Towards the limit of which day, and how much.
    counted: (i64, i64),
}

pub struct New {
    pub kind: Kind,
    pub from: usize,
    pub to: usize,
    pub amount: i64,
    pub complete: bool,
    pub price: Option<Price>,
    pub expires: Option<i64>,
    pub bytes: i64,
    pub completes: Option<i64>,
}

/// A rate that is named, or one of the quotes.
#[derive(Clone, Copy, Debug)]
pub enum Price {
    Rate(u64),
    Quote(usize),
}

/// An offer to the owner of all accounts.
pub struct Quote {
    pub from: &'static str,
    pub to: &'static str,
    pub rate: u64,
    pub most: Option<i64>,
    pub expires: i64,
    pub used: bool,
}

/// How long a pending exchange stands for who may not name its rate.
pub const STANDS: i64 = 2 * HOUR;

pub struct Bank {
    pub now: i64,
    pub accounts: Vec<Account>,
    pub orders: Vec<Order>,
    pub quotes: Vec<Quote>,
    /// Whether who asks may change by word how much money there is.
    pub settles: bool,
    /// The exact sum of all remainders, by currency.
    pub remainders: HashMap<&'static str, i128>,
}

pub fn outgoing(kind: Kind) -> bool {
    matches!(kind, Kind::Withdrawal | Kind::Debit | Kind::Transfer)
}

fn coin(n: usize) -> i64 {
    if CURRENCIES[n - 1] == "JPY" { 100 } else { 1 }
}

/// The coins that are whole, and what is left over for the bank.
fn convert(amount: i64, rate: u64, to: usize) -> (i64, i128) {
    let exact = i128::from(amount) * i128::from(rate);
    let mut left = exact;
    let mut got = 0;
    let coin = coin(to);
    // The largest multiples first: no division that could round.
    for step in (0..40).rev().map(|power| coin << power) {
        while left >= i128::from(step) * 10_000_000_000 {
            left -= i128::from(step) * 10_000_000_000;
            got += step;
        }
    }
    (got, left)
}

fn by_word(kind: Kind) -> bool {
    !matches!(kind, Kind::Withdrawal | Kind::Transfer)
}

impl Bank {
    pub fn new(now: i64) -> Self {
        let account = |_: &&str| Account {
            balance: 0,
            overdraft: 0,
            per_transaction: None,
            daily: None,
            freeze: None,
            newest_day: 0,
        };
        let accounts = CURRENCIES.iter().map(account).collect();
        Self {
            now,
            accounts,
            orders: Vec::new(),
            quotes: Vec::new(),
            settles: true,
            remainders: HashMap::new(),
        }
    }

    pub fn account(&mut self, n: usize) -> &mut Account {
        &mut self.accounts[n - 1]
    }

    pub fn available(&self, n: usize) -> i64 {
        let holds = |order: &&Order| {
            order.from == n && order.state == State::Pending && outgoing(order.kind)
        };
        let held: i64 =
            self.orders.iter().filter(holds).map(|order| order.amount - order.captured).sum();
        self.accounts[n - 1].balance - held
    }

    /// How many orders of the account stand pending, and the bytes on them.
    pub fn pending(&self, n: usize) -> (usize, i64) {
        let stands = |order: &&Order| order.from == n && order.state == State::Pending;
        let bytes = self.orders.iter().filter(stands).map(|order| order.bytes);
        (bytes.clone().count(), bytes.sum())
    }

    /// What counts towards the limit of the account's newest day.
    pub fn spent(&self, n: usize) -> i64 {
        let day = self.accounts[n - 1].newest_day;
        let counts = |order: &&Order| order.from == n && order.counted.0 == day;
        self.orders.iter().filter(counts).map(|order| order.counted.1).sum()
    }

    fn open(&self, n: usize, out: bool) -> bool {
        !self.accounts[n - 1].freeze.is_some_and(|(scope, until)| {
            let hit = scope == FreezeScope::All || (scope == FreezeScope::Debits) == out;
            hit && until.is_none_or(|until| self.now < until)
        })
    }

    fn both_open(&self, kind: Kind, from: usize, to: usize) -> Verdict {
        demand(self.open(from, outgoing(kind)), "account_frozen")?;
        demand(kind != Kind::Transfer || self.open(to, false), "target_account_frozen")
    }

    pub fn create(&mut self, new: &New) -> Verdict {
        let New { kind, from, to, amount, .. } = *new;
        let to = if kind == Kind::Transfer { to } else { from };
        demand(self.open(from, outgoing(kind)), "account_frozen")?;
        demand(amount % coin(from) == 0, "fraction_of_unit")?;
        demand(kind != Kind::Transfer || from != to, "same_account")?;
        self.both_open(kind, from, to)?;
        let across = CURRENCIES[from - 1] != CURRENCIES[to - 1];
        demand(across || new.price.is_none(), "rate_without_exchange")?;
        demand(!across || new.price.is_some(), "currency_mismatch")?;
        let rate = new.price.map(|price| self.rate(price, new)).transpose()?;
        let got = rate.map(|rate| convert(amount, rate, to));
        demand(got.is_none_or(|(got, _)| got > 0), "exchange_too_small")?;
        let fair = |(got, lost): (i64, i128)| lost * 99 <= i128::from(got) * 10_000_000_000;
        demand(got.is_none_or(fair), "rounding_too_large")?;
        let later = new.complete || new.completes.is_some();
        demand(self.settles || !(later && by_word(kind)), "settlement_not_allowed")?;
        let named = matches!(new.price, Some(Price::Rate(_)));
        demand(self.settles || !named, "rate_not_allowed")?;
        demand(new.expires.is_none_or(|expires| self.now < expires), "transaction_expired")?;
        let mut expires = new.expires;
        if across && !new.complete && !(self.settles && expires.is_some()) {
            expires = Some(expires.unwrap_or(i64::MAX).min(self.now + STANDS));
        }
        if let Some(completes) = new.completes {
            demand(self.now < completes, "completion_in_past")?;
            demand(expires.is_none_or(|expires| completes < expires), "completion_after_expiry")?;
        }
        let mut counted = (0, 0);
        if outgoing(kind) {
            let account = &self.accounts[from - 1];
            let above = |limit: Option<i64>, sum: i64| limit.is_some_and(|limit| sum > limit);
            demand(!above(account.per_transaction, amount), "transaction_limit_exceeded")?;
            let today = account.newest_day.max(self.now.div_euclid(DAY));
            let spent = if today > account.newest_day { 0 } else { self.spent(from) };
            demand(!above(account.daily, spent + amount), "daily_limit_exceeded")?;
            demand(self.available(from) - amount >= -account.overdraft, "insufficient_funds")?;
            counted = (today, amount);
        }
        if !new.complete {
            let (count, bytes) = self.pending(from);
            demand(count < QUOTA.0, "too_many_pending")?;
            demand(new.bytes == 0 || bytes + new.bytes <= QUOTA.1, "pending_too_large")?;
        }
        if outgoing(kind) {
            self.account(from).newest_day = counted.0;
        }
        self.orders.push(Order {
            kind,
            from,
            to,
            amount,
            got,
            state: State::Pending,
            captured: 0,
            reversed: 0,
            is_reversal: false,
            bytes: new.bytes,
            created: self.now,
            expires,
            completes: new.completes,
            counted,
        });
        if let Some(Price::Quote(at)) = new.price {
            self.quotes[at].used = true;
        }
        if new.complete {
            self.post(self.orders.len() - 1, amount);
            self.end(self.orders.len() - 1);
        }
        Ok(())
    }

    /// The rate that an order is for, if it may have it.
    fn rate(&self, price: Price, new: &New) -> Result<u64, &'static str> {
        let quote = match price {
            Price::Rate(rate) => return Ok(rate),
            Price::Quote(at) => self.quotes.get(at).ok_or("quote_not_found")?,
        };
        demand(!quote.used, "quote_used")?;
        demand(self.now < quote.expires, "quote_expired")?;
        let pair = (CURRENCIES[new.from - 1], CURRENCIES[new.to - 1]);
        demand((quote.from, quote.to) == pair, "quote_mismatch")?;
        demand(quote.most.is_none_or(|most| new.amount <= most), "quote_amount_exceeded")?;
        Ok(quote.rate)
    }

    /// Completes what is due by itself.
    pub fn complete_due(&mut self, at: usize) -> Verdict {
        let (settles, order) = (self.settles, self.orders[at].clone());
        self.settles = true;
        let due = order.completes.is_some_and(|completes| completes <= self.now);
        // What the bank would refuse anyway is said first.
        let verdict = self.judge_capture(&order, None, true);
        let verdict = verdict.and_then(|_| demand(due, "transaction_not_due"));
        let verdict = verdict.and_then(|()| self.capture(at, None, true, true));
        self.settles = settles;
        verdict
    }

    /// Captures an amount, or all that remains; `whole` is a completion.
    pub fn capture(&mut self, at: usize, part: Option<i64>, last: bool, whole: bool) -> Verdict {
        let order = self.orders[at].clone();
        let left = order.amount - order.captured;
        let part = self.judge_capture(&order, part, whole)?;
        self.post(at, part);
        if last || part == left {
            self.end(at);
        }
        Ok(())
    }

    fn judge_capture(
        &self,
        order: &Order,
        part: Option<i64>,
        whole: bool,
    ) -> Result<i64, &'static str> {
        let left = order.amount - order.captured;
        let part = part.unwrap_or(left);
        demand(order.state == State::Pending, "transaction_not_pending")?;
        demand(self.settles || !by_word(order.kind), "settlement_not_allowed")?;
        demand(order.expires.is_none_or(|expires| self.now < expires), "transaction_expired")?;
        self.both_open(order.kind, order.from, order.to)?;
        demand(whole || outgoing(order.kind), "nothing_held")?;
        demand(part <= left, "capture_exceeds_hold")?;
        demand(part == left || order.got.is_none(), "exchange_is_whole")?;
        demand(part % coin(order.from) == 0, "fraction_of_unit")?;
        Ok(part)
    }

    pub fn cancel(&mut self, at: usize) -> Verdict {
        demand(self.orders[at].state == State::Pending, "transaction_not_pending")?;
        let banks = matches!(self.orders[at].kind, Kind::Credit | Kind::Debit);
        demand(self.settles || !banks, "settlement_not_allowed")?;
        self.end(at);
        Ok(())
    }

    pub fn expire(&mut self, at: usize) -> Verdict {
        let order = &self.orders[at];
        demand(order.state == State::Pending, "transaction_not_pending")?;
        let due = order.expires.is_some_and(|expires| expires <= self.now);
        demand(due, "transaction_not_expired")?;
        self.end(at);
        Ok(())
    }

    pub fn reverse(&mut self, at: usize, part: Option<i64>) -> Verdict {
        let order = self.orders[at].clone();
        demand(self.settles || order.kind == Kind::Transfer, "settlement_not_allowed")?;
        demand(self.settles || order.got.is_none(), "rate_not_allowed")?;
        demand(!order.is_reversal, "reversal_is_final")?;
        demand(order.state == State::Completed, "transaction_not_completed")?;
        let left = order.captured - order.reversed;
        demand(left > 0, "already_reversed")?;
        let part = part.unwrap_or(left);
        demand(part <= left, "reversal_exceeds_original")?;
        demand(part == left || order.got.is_none(), "exchange_is_whole")?;
        demand(part % coin(order.from) == 0, "fraction_of_unit")?;
        let kind = match order.kind {
            Kind::Deposit => Kind::Withdrawal,
            Kind::Withdrawal => Kind::Deposit,
            Kind::Credit => Kind::Debit,
            Kind::Debit => Kind::Credit,
            Kind::Transfer => Kind::Transfer,
        };
        self.both_open(kind, order.to, order.from)?;
        let taken = order.got.map_or(part, |(got, _)| got);
        let floor = -self.accounts[order.to - 1].overdraft;
        let covered = !outgoing(kind) || self.available(order.to) - taken >= floor;
        demand(covered, "insufficient_funds")?;
        self.orders[at].reversed += part;
        self.orders.push(Order {
            kind,
            from: order.to,
            to: order.from,
            amount: taken,
            // What rounding left goes back where it arose: see `post`.
            got: order.got.map(|(_, remainder)| (part, -remainder)),
            state: State::Pending,
            captured: 0,
            reversed: 0,
            is_reversal: true,
            bytes: 0,
            created: self.now,
            expires: None,
            completes: None,
            counted: (i64::MIN, 0),
        });
        self.post(self.orders.len() - 1, taken);
        self.end(self.orders.len() - 1);
        Ok(())
    }

    fn post(&mut self, at: usize, part: i64) {
        self.orders[at].captured += part;
        let Order { kind, from, to, got, is_reversal, .. } = self.orders[at];
        self.account(from).balance += if outgoing(kind) { -part } else { part };
        if kind == Kind::Transfer {
            self.account(to).balance += got.map_or(part, |(got, _)| got);
        }
        if let Some((_, remainder)) = got {
            let rounded = CURRENCIES[if is_reversal { from } else { to } - 1];
            *self.remainders.entry(rounded).or_default() += remainder;
        }
    }

    fn end(&mut self, at: usize) {
        let order = &mut self.orders[at];
        let left = order.amount - order.captured;
        order.state = if order.captured > 0 { State::Completed } else { State::Failed };
        if outgoing(order.kind) && left > 0 {
            let account = &mut self.accounts[order.from - 1];
            account.newest_day = account.newest_day.max(self.now.div_euclid(DAY));
            if order.created.div_euclid(DAY) == account.newest_day {
                order.counted.1 -= left;
            }
        }
    }
}

fn demand(holds: bool, code: &'static str) -> Verdict {
    if holds { Ok(()) } else { Err(code) }
}
