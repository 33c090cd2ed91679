//! A bank in memory that is too simple to be wrong: one thread, plain numbers.
//!
//! It is told what was asked and when, in one order, and says what a bank that
//! works alone would have answered. Shares no code with the rules.

use ledger::{FreezeScope, Kind};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// The most orders of an account that stand pending.
pub const MOST_PENDING: i64 = 40;

/// The accounts by their currency; all but the last are in dollars.
pub const CURRENCIES: [&str; 5] = ["USD", "USD", "USD", "USD", "EUR"];

/// How long a pending exchange stands, and how long a quote, in hours.
pub const EXCHANGE_STANDS: i64 = 3;
pub const QUOTE_STANDS: i64 = 2;

/// Yes, or the code of the refusal and, where funds are short, what there was.
pub type Verdict = Result<(), (String, i64)>;

#[derive(Clone, Debug)]
pub struct New {
    pub kind: Kind,
    pub from: usize,
    /// The receiver of a transfer; else the same account.
    pub to: usize,
    pub amount: i64,
    pub complete: bool,
    pub expires: Option<i64>,
    /// When it completes by itself.
    pub completes: Option<i64>,
    pub price: Option<Price>,
}

/// At what rate, in parts of 10⁻¹⁰.
#[derive(Clone, Debug)]
pub enum Price {
    Rate(u64),
    Quote(Quote),
}

/// What the bank offered; it is used once.
#[derive(Clone, Debug)]
pub struct Quote {
    pub id: Uuid,
    pub pair: (&'static str, &'static str),
    pub rate: u64,
    pub most: Option<i64>,
    pub expires: i64,
}

/// What an administrator sets on an account.
#[derive(Clone, Debug)]
pub struct Rule {
    pub account: usize,
    pub overdraft: i64,
    pub per_transaction: Option<i64>,
    pub daily: Option<i64>,
    pub freeze: Option<(FreezeScope, Option<i64>)>,
}

#[derive(Clone, Debug)]
pub enum Ask {
    Create(New),
    Complete(Uuid),
    Cancel(Uuid),
    Expire(Uuid),
    /// Time completes it.
    CompleteDue(Uuid),
    /// Of a server where the customer may not change by word how much money there is.
    Modest(Box<Ask>),
    Capture {
        id: Uuid,
        part: Option<i64>,
        last: bool,
    },
    Reverse {
        id: Uuid,
        part: Option<i64>,
    },
    /// All of them or none.
    Atomic(Vec<New>),
    Rule(Rule),
    Read(usize),
}

#[derive(Clone, Debug, Default)]
pub struct Account {
    pub balance: i64,
    pub available: i64,
    pub spent: i64,
    pub pending: i64,
    spent_day: i64,
    overdraft: i64,
    per_transaction: Option<i64>,
    daily: Option<i64>,
    freeze: Option<(FreezeScope, Option<i64>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Pending,
    Completed,
    Failed,
}

#[derive(Clone, Debug)]
pub struct Order {
    new: New,
    pub state: State,
    pub captured: i64,
    pub reversed: i64,
    is_reversal: bool,
    day: i64,
    /// What the receiver of an exchange gets.
    got: Option<i64>,
}

pub struct Bank {
    pub accounts: Vec<Account>,
    /// By account, in order: what it moved and the balance it left.
    pub entries: Vec<Vec<(i64, i64)>>,
    orders: Vec<Order>,
    ids: HashMap<Uuid, usize>,
    used: HashSet<Uuid>,
}

fn outgoing(kind: Kind) -> bool {
    matches!(kind, Kind::Withdrawal | Kind::Debit | Kind::Transfer)
}

fn demand(holds: bool, code: &str) -> Verdict {
    if holds { Ok(()) } else { Err((code.to_owned(), 0)) }
}

/// Time is counted in hours from noon.
fn day(hour: i64) -> i64 {
    (hour + 12).div_euclid(24)
}

impl Account {
    fn open(&self, out: bool, now: i64) -> bool {
        !self.freeze.is_some_and(|(scope, until)| {
            let hit = scope == FreezeScope::All || (scope == FreezeScope::Debits) == out;
            hit && until.is_none_or(|until| now < until)
        })
    }

    fn spent_on(&self, day: i64) -> i64 {
        if day > self.spent_day || day + 1 < self.spent_day { 0 } else { self.spent }
    }

    fn cover(&self, amount: i64) -> Verdict {
        let reach = self.available + self.overdraft;
        if amount <= reach { Ok(()) } else { Err(("insufficient_funds".into(), reach.max(0))) }
    }
}

fn admit(accounts: &[Account], kind: Kind, from: usize, to: usize, now: i64) -> Verdict {
    demand(accounts[from].open(outgoing(kind), now), "account_frozen")?;
    let received = kind != Kind::Transfer || accounts[to].open(false, now);
    demand(received, "target_account_frozen")
}

/// Changes by word how much money there is.
fn by_word(kind: Kind) -> bool {
    !matches!(kind, Kind::Withdrawal | Kind::Transfer)
}

/// What an exchange buys, in whole cents: the rest is the bank's.
fn bought(amount: i64, rate: u64) -> Option<i64> {
    let exact = i128::from(amount) * i128::from(rate);
    i64::try_from(exact / 10_000_000_000).ok()
}

/// What the receiver gets, if it is an exchange, and whether it may be one.
fn exchanged(new: &New, used: &HashSet<Uuid>, now: i64) -> Result<Option<i64>, (String, i64)> {
    let New { kind, from, to, amount, .. } = *new;
    let across = kind == Kind::Transfer && CURRENCIES[from] != CURRENCIES[to];
    demand(across || new.price.is_none(), "rate_without_exchange")?;
    let Some(price) = &new.price else {
        demand(!across, "currency_mismatch")?;
        return Ok(None);
    };
    let rate = match price {
        Price::Rate(rate) => *rate,
        Price::Quote(quote) => {
            demand(!used.contains(&quote.id), "quote_used")?;
            demand(now < quote.expires, "quote_expired")?;
            demand(quote.pair == (CURRENCIES[from], CURRENCIES[to]), "quote_mismatch")?;
            demand(quote.most.is_none_or(|most| amount <= most), "quote_amount_exceeded")?;
            quote.rate
        }
    };
    let got = bought(amount, rate).unwrap_or_default();
    demand(got > 0, "exchange_too_small")?;
    let exact = i128::from(amount) * i128::from(rate);
    let lost = exact - i128::from(got) * 10_000_000_000;
    demand(lost * 100 <= exact, "rounding_too_large")?;
    Ok(Some(got))
}

/// Until when it stands.
fn expiry(new: &New, settles: bool, now: i64) -> Option<i64> {
    if new.price.is_none() || new.complete || settles && new.expires.is_some() {
        return new.expires;
    }
    let soon = now + EXCHANGE_STANDS;
    Some(new.expires.map_or(soon, |expires| expires.min(soon)))
}

fn judge_new(
    accounts: &[Account],
    used: &HashSet<Uuid>,
    new: &New,
    settles: bool,
    now: i64,
) -> Verdict {
    let New { kind, from, to, amount, .. } = *new;
    let account = &accounts[from];
    demand(account.open(outgoing(kind), now), "account_frozen")?;
    demand(kind != Kind::Transfer || from != to, "same_account")?;
    admit(accounts, kind, from, to, now)?;
    exchanged(new, used, now)?;
    let completes = new.complete || new.completes.is_some();
    demand(settles || !(completes && by_word(kind)), "settlement_not_allowed")?;
    demand(settles || !matches!(new.price, Some(Price::Rate(_))), "rate_not_allowed")?;
    demand(new.expires.is_none_or(|expires| now < expires), "transaction_expired")?;
    if let Some(completes) = new.completes {
        demand(now < completes, "completion_in_past")?;
        let stands = expiry(new, settles, now);
        demand(stands.is_none_or(|stands| completes < stands), "completion_after_expiry")?;
    }
    if outgoing(kind) {
        let above = |limit: Option<i64>, sum: i64| limit.is_some_and(|limit| sum > limit);
        demand(!above(account.per_transaction, amount), "transaction_limit_exceeded")?;
        let spent = account.spent_on(day(now));
        demand(!above(account.daily, spent + amount), "daily_limit_exceeded")?;
        account.cover(amount)?;
    }
    demand(new.complete || account.pending < MOST_PENDING, "too_many_pending")
}

impl Bank {
    pub fn new(accounts: usize) -> Self {
        Self {
            accounts: vec![Account::default(); accounts],
            entries: vec![Vec::new(); accounts],
            orders: Vec::new(),
            ids: HashMap::new(),
            used: HashSet::new(),
        }
    }

    /// The order that one of its halves names.
    pub fn order(&self, id: Uuid) -> Option<&Order> {
        self.ids.get(&id).map(|at| &self.orders[*at])
    }

    /// What it would answer, with nothing changed.
    pub fn judge(&self, ask: &Ask, now: i64) -> Verdict {
        match ask {
            Ask::Modest(ask) => self.judge_as(ask, false, now),
            ask => self.judge_as(ask, true, now),
        }
    }

    fn judge_as(&self, ask: &Ask, settles: bool, now: i64) -> Verdict {
        let found =
            |id: &Uuid| self.order(*id).ok_or_else(|| ("transaction_not_found".to_owned(), 0));
        match ask {
            Ask::Create(new) => judge_new(&self.accounts, &self.used, new, settles, now),
            Ask::Complete(id) => {
                by_who_may(found(id)?, settles)?;
                self.judge_capture(found(id)?, None, true, now)
            }
            Ask::CompleteDue(id) => {
                let order = found(id)?;
                self.judge_capture(order, None, true, now)?;
                let due = order.new.completes.is_some_and(|completes| completes <= now);
                demand(due, "transaction_not_due")
            }
            Ask::Capture { id, part, .. } => {
                by_who_may(found(id)?, settles)?;
                self.judge_capture(found(id)?, *part, false, now)
            }
            Ask::Cancel(id) => {
                let order = found(id)?;
                pending(order)?;
                let banks = matches!(order.new.kind, Kind::Credit | Kind::Debit);
                demand(settles || !banks, "settlement_not_allowed")
            }
            Ask::Expire(id) => {
                let order = found(id)?;
                pending(order)?;
                let due = order.new.expires.is_some_and(|expires| expires <= now);
                demand(due, "transaction_not_expired")
            }
            Ask::Reverse { id, part } => {
                let order = found(id)?;
                let transfer = order.new.kind == Kind::Transfer;
                demand(settles || transfer, "settlement_not_allowed")?;
                demand(settles || order.got.is_none(), "rate_not_allowed")?;
                self.judge_reverse(order, *part, now)
            }
            Ask::Modest(_) | Ask::Atomic(_) | Ask::Rule(_) | Ask::Read(_) => Ok(()),
        }
    }

    /// What it would answer to orders one after the other, were they all done.
    pub fn judge_all(&self, all: &[New], now: i64) -> Vec<Verdict> {
        let (mut accounts, mut used) = (self.accounts.clone(), self.used.clone());
        let one = |new: &New| {
            judge_new(&accounts, &used, new, true, now)?;
            let got = exchanged(new, &used, now)?;
            if let Some(Price::Quote(quote)) = &new.price {
                used.insert(quote.id);
            }
            place(&mut accounts, new, now);
            if new.complete {
                let New { kind, from, to, amount, .. } = *new;
                for (account, delta) in moves(kind, from, to, amount, got) {
                    accounts[account].balance += delta;
                    accounts[account].available += delta.max(0);
                }
            }
            Ok(())
        };
        all.iter().map(one).collect()
    }

    fn judge_capture(&self, order: &Order, part: Option<i64>, whole: bool, now: i64) -> Verdict {
        let New { kind, from, to, amount, expires, .. } = order.new;
        let left = amount - order.captured;
        pending(order)?;
        demand(expires.is_none_or(|expires| now < expires), "transaction_expired")?;
        admit(&self.accounts, kind, from, to, now)?;
        demand(whole || outgoing(kind), "nothing_held")?;
        demand(part.unwrap_or(left) <= left, "capture_exceeds_hold")?;
        let all = part.unwrap_or(left) == left;
        demand(all || order.got.is_none(), "exchange_is_whole")
    }

    fn judge_reverse(&self, order: &Order, part: Option<i64>, now: i64) -> Verdict {
        demand(!order.is_reversal, "reversal_is_final")?;
        demand(order.state == State::Completed, "transaction_not_completed")?;
        let left = order.captured - order.reversed;
        demand(left > 0, "already_reversed")?;
        let part = part.unwrap_or(left);
        demand(part <= left, "reversal_exceeds_original")?;
        demand(part == left || order.got.is_none(), "exchange_is_whole")?;
        let part = order.got.unwrap_or(part);
        let (kind, from, to) = (order.new.kind.opposite(), order.new.to, order.new.from);
        admit(&self.accounts, kind, from, to, now)?;
        if outgoing(kind) { self.accounts[from].cover(part) } else { Ok(()) }
    }

    /// Does it; a new order gets these ids.
    pub fn apply(&mut self, ask: &Ask, ids: &[Uuid], now: i64) -> Verdict {
        self.judge(ask, now)?;
        let at = |id: &Uuid| self.ids[id];
        let (ask, settles) = match ask {
            Ask::Modest(ask) => (&**ask, false),
            ask => (ask, true),
        };
        match ask {
            Ask::Create(new) => {
                let got = exchanged(new, &self.used, now)?;
                if let Some(Price::Quote(quote)) = &new.price {
                    self.used.insert(quote.id);
                }
                place(&mut self.accounts, new, now);
                let stands = New { expires: expiry(new, settles, now), ..new.clone() };
                let at = self.write(stands, got, false, ids, now);
                if new.complete {
                    self.post(at, new.amount);
                    self.end(at, now);
                }
            }
            Ask::Complete(id) | Ask::CompleteDue(id) => {
                let at = at(id);
                self.post(at, self.orders[at].new.amount - self.orders[at].captured);
                self.end(at, now);
            }
            Ask::Capture { id, part, last } => {
                let at = at(id);
                let left = self.orders[at].new.amount - self.orders[at].captured;
                self.post(at, part.unwrap_or(left));
                if *last || part.unwrap_or(left) == left {
                    self.end(at, now);
                }
            }
            Ask::Cancel(id) | Ask::Expire(id) => self.end(at(id), now),
            Ask::Reverse { id, part } => self.give_back(at(id), *part, ids, now),
            Ask::Rule(rule) => {
                let account = &mut self.accounts[rule.account];
                (account.overdraft, account.freeze) = (rule.overdraft, rule.freeze);
                (account.per_transaction, account.daily) = (rule.per_transaction, rule.daily);
            }
            Ask::Modest(_) | Ask::Atomic(_) | Ask::Read(_) => {}
        }
        Ok(())
    }

    fn give_back(&mut self, at: usize, part: Option<i64>, ids: &[Uuid], now: i64) {
        let order = &mut self.orders[at];
        let part = part.unwrap_or(order.captured - order.reversed);
        order.reversed += part;
        let (kind, from, to) = (order.new.kind.opposite(), order.new.to, order.new.from);
        let taken = order.got.unwrap_or(part);
        let got = order.got.map(|_| part);
        if outgoing(kind) {
            self.accounts[from].available -= taken;
        }
        let (complete, expires, completes, price) = (true, None, None, None);
        let new = New { kind, from, to, amount: taken, complete, expires, completes, price };
        let at = self.write(new, got, true, ids, now);
        self.post(at, taken);
        self.end(at, now);
    }

    fn write(
        &mut self,
        new: New,
        got: Option<i64>,
        is_reversal: bool,
        ids: &[Uuid],
        now: i64,
    ) -> usize {
        let (state, day) = (State::Pending, day(now));
        self.orders.push(Order { new, state, captured: 0, reversed: 0, is_reversal, day, got });
        self.ids.extend(ids.iter().map(|id| (*id, self.orders.len() - 1)));
        self.orders.len() - 1
    }

    fn post(&mut self, at: usize, part: i64) {
        self.orders[at].captured += part;
        let New { kind, from, to, .. } = self.orders[at].new;
        for (account, delta) in moves(kind, from, to, part, self.orders[at].got) {
            self.accounts[account].balance += delta;
            self.accounts[account].available += delta.max(0);
            self.entries[account].push((delta, self.accounts[account].balance));
        }
    }

    fn end(&mut self, at: usize, now: i64) {
        let order = &mut self.orders[at];
        let left = order.new.amount - order.captured;
        order.state = if order.captured > 0 { State::Completed } else { State::Failed };
        self.accounts[order.new.from].pending -= i64::from(!order.new.complete);
        if outgoing(order.new.kind) && left > 0 {
            let account = &mut self.accounts[order.new.from];
            account.available += left;
            account.spent = account.spent_on(day(now));
            account.spent_day = account.spent_day.max(day(now));
            if order.day == account.spent_day {
                account.spent = (account.spent - left).max(0);
            }
        }
    }
}

fn pending(order: &Order) -> Verdict {
    demand(order.state == State::Pending, "transaction_not_pending")
}

/// Who may not change by word how much money there is does not book what does so.
fn by_who_may(order: &Order, settles: bool) -> Verdict {
    pending(order)?;
    demand(settles || !by_word(order.new.kind), "settlement_not_allowed")
}

/// Holds what goes out, and counts what is to stand.
fn place(accounts: &mut [Account], new: &New, now: i64) {
    accounts[new.from].pending += i64::from(!new.complete);
    if outgoing(new.kind) {
        let account = &mut accounts[new.from];
        account.spent = account.spent_on(day(now)) + new.amount;
        account.spent_day = account.spent_day.max(day(now));
        account.available -= new.amount;
    }
}

/// Which accounts move, and how.
fn moves(kind: Kind, from: usize, to: usize, part: i64, got: Option<i64>) -> Vec<(usize, i64)> {
    match kind {
        Kind::Transfer => vec![(from, -part), (to, got.unwrap_or(part))],
        _ if outgoing(kind) => vec![(from, -part)],
        _ => vec![(from, part)],
    }
}
