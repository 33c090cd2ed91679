//! Random histories: after every operation the rules agree with the model, on
//! the answer and on what it left, and every invariant of the book holds.

use crate::model::{self, Bank, CURRENCIES, New, QUOTA, STANDS, State, outgoing};
use crate::world::{ADA, HOUR, MODEST, NOON, ROOT, World, account_id};
use ledger::{
    AccountId, AccountStatus, Action, Amount, Capture, Currency, Direction, Entry, Freeze,
    FreezeScope, Kind, Moment, Money, NewTransaction, Price, Quota, Quote, QuoteId, Rate,
    Remainder, Status, SystemAccount, TransactionId,
};
use proptest::prelude::*;
use std::collections::HashMap;
use uuid::Uuid;

/// How many orders back an operation reaches: most of those before have ended.
const RECENT: usize = 10;

#[derive(Clone, Debug)]
enum Op {
    Create {
        kind: Kind,
        from: usize,
        to: usize,
        amount: i64,
        complete: bool,
        price: Option<model::Price>,
        hours: Option<i64>,
        bytes: i64,
        due: Option<i64>,
    },
    Quote {
        from: usize,
        to: usize,
        rate: u64,
        most: Option<i64>,
        hours: i64,
    },
    /// From now on, who asks may change by word how much money there is, or not.
    Settles(bool),
    CompleteDue(Pick),
    Complete(Pick),
    Capture {
        pick: Pick,
        permille: Option<i64>,
        last: bool,
    },
    Cancel(Pick),
    Expire(Pick),
    Reverse {
        pick: Pick,
        permille: Option<i64>,
    },
    Clock {
        hours: i64,
    },
    Limits {
        n: usize,
        overdraft: i64,
        per_transaction: Option<i64>,
        daily: Option<i64>,
    },
    Freeze {
        n: usize,
        freeze: Option<(FreezeScope, Option<i64>)>,
    },
}

/// An order of the past, by either of its halves.
#[derive(Clone, Debug)]
struct Pick {
    at: usize,
    second: bool,
}

fn pick() -> impl Strategy<Value = Pick> {
    (any::<usize>(), any::<bool>()).prop_map(|(at, second)| Pick { at, second })
}

fn some_account() -> std::ops::RangeInclusive<usize> {
    1..=CURRENCIES.len()
}

fn create() -> impl Strategy<Value = Op> {
    let kind = prop::sample::select(vec![
        Kind::Deposit,
        Kind::Deposit,
        Kind::Credit,
        Kind::Withdrawal,
        Kind::Debit,
        Kind::Transfer,
        Kind::Transfer,
        Kind::Transfer,
    ]);
    let amount = prop_oneof![1_i64..5_000, (1_i64..50).prop_map(|units| units * 100)];
    // A rate goes where it belongs most of the time, and sometimes where not.
    let rate = prop_oneof![
        rate().prop_map(model::Price::Rate),
        (0_usize..4).prop_map(model::Price::Quote)
    ];
    let accounts = (some_account(), some_account());
    let misfit = prop::bool::weighted(0.1);
    let hours = prop::option::weighted(0.3, -1_i64..20);
    let due = prop::option::weighted(0.2, -1_i64..8);
    let rest = (hours, due, 0_i64..30);
    (kind, accounts, amount, prop::bool::weighted(0.4), (rate, misfit), rest).prop_map(
        |(kind, (from, to), amount, complete, (rate, misfit), (hours, due, bytes))| {
            let across = kind == Kind::Transfer && CURRENCIES[from - 1] != CURRENCIES[to - 1];
            let price = (across != misfit).then_some(rate);
            let due = due.filter(|_| !complete);
            Op::Create { kind, from, to, amount, complete, price, hours, due, bytes }
        },
    )
}

fn rate() -> impl Strategy<Value = u64> {
    prop_oneof![3 => 1_u64..30_000_000_000, 1 => 1_u64..6, 1 => Just(5_000_000_000)]
}

fn quote() -> impl Strategy<Value = Op> {
    let most = prop::option::of(1_i64..5_000);
    (some_account(), some_account(), rate(), most, 1_i64..6)
        .prop_map(|(from, to, rate, most, hours)| Op::Quote { from, to, rate, most, hours })
}

fn op() -> impl Strategy<Value = Op> {
    let permille = || prop::option::of(1_i64..1_100);
    let limit = || prop::option::weighted(0.3, 1_000_i64..20_000);
    let scope = prop::sample::select(FreezeScope::ALL.to_vec());
    let freeze = prop::option::weighted(0.5, (scope, prop::option::of(1_i64..24)));
    prop_oneof![
        12 => create(),
        2 => pick().prop_map(Op::Complete),
        6 => (pick(), permille(), any::<bool>())
            .prop_map(|(pick, permille, last)| Op::Capture { pick, permille, last }),
        2 => pick().prop_map(Op::Cancel),
        2 => pick().prop_map(Op::Expire),
        2 => pick().prop_map(Op::CompleteDue),
        3 => quote(),
        2 => any::<bool>().prop_map(Op::Settles),
        3 => (pick(), permille()).prop_map(|(pick, permille)| Op::Reverse { pick, permille }),
        2 => (-6_i64..20).prop_map(|hours| Op::Clock { hours }),
        1 => (some_account(), 0_i64..3_000, limit(), limit()).prop_map(
            |(n, overdraft, per_transaction, daily)| {
                Op::Limits { n, overdraft, per_transaction, daily }
            }
        ),
        1 => (some_account(), freeze).prop_map(|(n, freeze)| Op::Freeze { n, freeze }),
    ]
}

fn id(n: usize) -> u128 {
    u128::try_from(n).unwrap()
}

fn quote_id(at: usize) -> QuoteId {
    QuoteId(Uuid::from_u128(id(at)))
}

fn some_amount(hundredths: i64) -> Amount {
    Amount::from_hundredths(hundredths).unwrap()
}

/// The rules and the model, side by side.
struct History {
    world: World,
    bank: Bank,
    /// The ids of the model's orders, the ordering half first.
    ids: Vec<Vec<TransactionId>>,
    entries: Vec<Entry>,
}

impl History {
    /// Every account has some money; nine tenths of a coin are carried in every
    /// currency, for or against the bank, so that a few exchanges make it whole.
    fn new(sign: i128) -> Self {
        let (mut world, mut bank) = (World::new(), Bank::new(NOON.0));
        let (count, bytes) = (i64::try_from(QUOTA.0).ok(), Some(QUOTA.1));
        world.book = world.book.within(Quota { count, bytes });
        for (place, code) in CURRENCIES.into_iter().enumerate() {
            world.put(id(place + 1), ADA, code, AccountStatus::Active, "0");
            let currency = Currency::parse(code).unwrap();
            let carried = sign * i128::from(currency.unit()) * 9_000_000_000;
            world.book.set_carried(currency, Remainder(carried));
            bank.remainders.insert(code, carried);
        }
        let mut history = Self { world, bank, ids: Vec::new(), entries: Vec::new() };
        for n in some_account() {
            let (kind, amount, complete) = (Kind::Deposit, 20_000, true);
            history.run(Op::Create {
                kind,
                from: n,
                to: n,
                amount,
                complete,
                price: None,
                hours: None,
                bytes: 0,
                due: None,
            });
        }
        history
    }

    /// The order that is picked, and the id it is named by.
    fn picked(&self, pick: &Pick) -> Option<(usize, TransactionId)> {
        let newest = self.ids.len().checked_sub(1)?;
        let at = newest - pick.at % RECENT.min(self.ids.len());
        let ids = &self.ids[at];
        Some((at, if pick.second { *ids.last()? } else { ids[0] }))
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Clock { hours } => {
                self.bank.now += hours * HOUR;
                self.world.at(Moment(self.bank.now));
            }
            Op::Limits { n, overdraft, per_transaction, daily } => {
                // Never below what is used: the floor is to hold.
                let overdraft = overdraft.max(-self.bank.available(n));
                let account = self.bank.account(n);
                (account.overdraft, account.per_transaction, account.daily) =
                    (overdraft, per_transaction, daily);
                self.world.set(id(n), |account| {
                    account.limits.overdraft = Money::from_hundredths(overdraft).unwrap();
                    account.limits.per_transaction = per_transaction.map(some_amount);
                    account.limits.daily = daily.map(some_amount);
                });
            }
            Op::Freeze { n, freeze } => {
                let freeze = freeze
                    .map(|(scope, hours)| (scope, hours.map(|hours| self.bank.now + hours * HOUR)));
                self.bank.account(n).freeze = freeze;
                let freeze = freeze.map(|(scope, until)| Freeze {
                    scope,
                    reason: String::new(),
                    until: until.map(Moment),
                });
                self.world.set(id(n), |account| account.freeze = freeze);
            }
            Op::Quote { from, to, rate, most, hours } => self.quote((from, to), rate, most, hours),
            Op::Settles(settles) => self.bank.settles = settles,
            op => self.order(&op),
        }
    }

    fn quote(&mut self, (from, to): (usize, usize), rate: u64, most: Option<i64>, hours: i64) {
        let expires = self.bank.now + hours * HOUR;
        self.world.book.add_quote(Quote {
            id: quote_id(self.bank.quotes.len()),
            owner: ADA,
            source: Currency::parse(CURRENCIES[from - 1]).unwrap(),
            target: Currency::parse(CURRENCIES[to - 1]).unwrap(),
            rate: Rate::from_parts(rate).unwrap(),
            most: most.map(some_amount),
            expires: Moment(expires),
            used: false,
        });
        let (from, to) = (CURRENCIES[from - 1], CURRENCIES[to - 1]);
        self.bank.quotes.push(model::Quote { from, to, rate, most, expires, used: false });
    }

    /// Orders the same of both, and compares the answers.
    fn order(&mut self, op: &Op) {
        let Some((action, expected)) = self.ask(op) else { return };
        let by = if self.bank.settles { ROOT } else { MODEST };
        let decided = self.world.decide(by, &action);
        let answer = decided.as_ref().map(drop).map_err(ledger::Refusal::code);
        assert_eq!(answer, expected, "{op:?}");
        let Ok(decision) = decided else { return };
        if decision.created {
            self.ids.push(decision.legs.iter().map(|leg| leg.id).collect());
        }
        self.entries.extend(decision.entries);
    }

    fn ask(&mut self, op: &Op) -> Option<(Action, crate::model::Verdict)> {
        Some(match op {
            Op::Create { kind, from, to, amount, complete, price, hours, due, bytes } => {
                let (kind, from, to, amount) = (*kind, *from, *to, *amount);
                let expires = hours.map(|hours| self.bank.now + hours * HOUR);
                let completes = due.map(|hours| self.bank.now + hours * HOUR);
                let (complete, bytes) = (*complete, *bytes);
                // The newest quotes, and one that is not there.
                let price = price.map(|price| match price {
                    model::Price::Quote(back) => {
                        model::Price::Quote((self.bank.quotes.len() + 1).saturating_sub(back))
                    }
                    rate => rate,
                });
                let new =
                    New { kind, from, to, amount, complete, price, expires, completes, bytes };
                let order = NewTransaction {
                    target: (kind == Kind::Transfer).then(|| account_id(id(to))),
                    amount: some_amount(amount),
                    complete,
                    expires: expires.map(Moment),
                    completes: completes.map(Moment),
                    price: price.map(|price| match price {
                        model::Price::Rate(parts) => Price::Rate(Rate::from_parts(parts).unwrap()),
                        model::Price::Quote(at) => Price::Quote { id: quote_id(at), by: ADA },
                    }),
                    exchange_stands: STANDS,
                    bytes,
                    ..self.world.order(kind, id(from), "1")
                };
                (Action::Create(order), self.bank.create(&new))
            }
            Op::Complete(pick) => {
                let (at, id) = self.picked(pick)?;
                (Action::Complete(id), self.bank.capture(at, None, true, true))
            }
            Op::Capture { pick, permille, last } => {
                let (at, id) = self.picked(pick)?;
                let part = permille.map(|share| 1 + self.bank.orders[at].amount * share / 1_000);
                let capture = Capture { id, amount: part.map(some_amount), last: *last };
                (Action::Capture(capture), self.bank.capture(at, part, *last, false))
            }
            Op::Cancel(pick) => {
                let (at, id) = self.picked(pick)?;
                (Action::Cancel(id), self.bank.cancel(at))
            }
            Op::Expire(pick) => {
                let (at, id) = self.picked(pick)?;
                (Action::Expire(id), self.bank.expire(at))
            }
            Op::CompleteDue(pick) => {
                let (at, id) = self.picked(pick)?;
                (Action::CompleteDue(id), self.bank.complete_due(at))
            }
            Op::Reverse { pick, permille } => {
                let (at, id) = self.picked(pick)?;
                let part = permille.map(|share| 1 + self.bank.orders[at].amount * share / 1_000);
                let ids = self.world.order(Kind::Deposit, 1, "1");
                let (new_id, new_paired_id) = (ids.id, ids.paired_id);
                let amount = part.map(some_amount);
                let reversal = ledger::Reversal { id, amount, new_id, new_paired_id };
                (Action::Reverse(reversal), self.bank.reverse(at, part))
            }
            Op::Clock { .. }
            | Op::Limits { .. }
            | Op::Freeze { .. }
            | Op::Quote { .. }
            | Op::Settles(_) => return None,
        })
    }

    fn check(&self) {
        self.check_accounts();
        self.check_legs();
        let histories = self.replay();
        for (place, model) in self.bank.accounts.iter().enumerate() {
            let account = self.world.book.account(account_id(id(place + 1))).unwrap();
            let (count, balance, newest) =
                histories.get(&account.id).copied().unwrap_or((0, 0, None));
            assert_eq!((account.entry_count, account.newest_entry), (count, newest));
            assert_eq!((account.balance.hundredths(), model.balance), (balance, balance));
        }
        self.check_rounding(&histories);
    }

    fn check_accounts(&self) {
        for n in some_account() {
            let account = self.world.book.account(account_id(id(n))).unwrap();
            let available = account.available.hundredths();
            assert_eq!(available, self.bank.available(n), "available of {n}");
            assert!(available >= -account.limits.overdraft.hundredths(), "the floor of {n}");
            assert_eq!(account.spent.amount.hundredths(), self.bank.spent(n), "spent of {n}");
            let (count, bytes) = self.bank.pending(n);
            let pending = (usize::try_from(account.pending.count).unwrap(), account.pending.bytes);
            assert_eq!(pending, (count, bytes), "pending of {n}");
            let held: i64 = self
                .world
                .book
                .legs()
                .filter(|leg| leg.account == account.id && leg.status == Status::Pending)
                .filter(|leg| leg.direction == Direction::Out)
                .map(|leg| leg.amount.hundredths() - leg.captured.hundredths())
                .sum();
            assert_eq!(available, account.balance.hundredths() - held, "holds of {n}");
        }
    }

    fn check_legs(&self) {
        assert_eq!(self.ids.len(), self.bank.orders.len());
        for (ids, order) in self.ids.iter().zip(&self.bank.orders) {
            let status = match order.state {
                State::Pending => Status::Pending,
                State::Completed => Status::Completed,
                State::Failed => Status::Failed,
            };
            let legs: Vec<_> = ids.iter().map(|id| self.world.book.leg(*id).unwrap()).collect();
            for leg in &legs {
                assert_eq!(leg.status, status, "{order:?}");
                assert!(leg.reversed <= leg.captured && leg.captured <= leg.amount.into());
            }
            let sums = (legs[0].captured.hundredths(), legs[0].reversed.hundredths());
            assert_eq!(sums, (order.captured, order.reversed), "{order:?}");
            assert_eq!(legs[0].direction == Direction::Out, outgoing(order.kind));
            if let (Some(other), None) = (legs.get(1), order.got) {
                let alike = (legs[0].amount, legs[0].captured, legs[0].reversed);
                assert_eq!((other.amount, other.captured, other.reversed), alike);
            }
        }
    }

    /// Count, balance and newest moment of every account, also the bank's own,
    /// from the entries alone; each must continue its account's history.
    fn replay(&self) -> HashMap<AccountId, (i64, i64, Option<Moment>)> {
        let mut accounts: HashMap<AccountId, (i64, i64, Option<Moment>)> = HashMap::new();
        let mut currencies: HashMap<AccountId, Currency> = HashMap::new();
        for entry in &self.entries {
            let amount = entry.amount.hundredths();
            for (side, change) in [(entry.source, -amount), (entry.target, amount)] {
                let (count, balance, newest) = accounts.entry(side.account).or_default();
                (*count, *balance) = (*count + 1, *balance + change);
                if let Some((seq, left)) = side.history {
                    assert_eq!((seq, left.hundredths()), (*count, *balance), "dense and running");
                    assert!(*newest <= Some(entry.recorded), "recorded in order");
                    *newest = Some(entry.recorded);
                }
                let currency = currencies.entry(side.account).or_insert(entry.currency);
                assert_eq!(*currency, entry.currency, "an account has one currency");
            }
        }
        for code in CURRENCIES {
            let within = |account: &AccountId| currencies[account].code() == code;
            let sum: i64 =
                accounts.iter().filter(|(id, _)| within(id)).map(|(_, (_, sum, _))| sum).sum();
            assert_eq!(sum, 0, "the book balances in {code}");
        }
        accounts
    }

    fn check_rounding(&self, histories: &HashMap<AccountId, (i64, i64, Option<Moment>)>) {
        for code in CURRENCIES {
            let currency = Currency::parse(code).unwrap();
            let booked = histories.get(&SystemAccount::Rounding.id(currency));
            let booked = i128::from(booked.map_or(0, |(_, balance, _)| *balance)) * 10_000_000_000;
            let carried = self.world.book.carried(currency).0;
            let exact = self.bank.remainders.get(code).copied().unwrap_or_default();
            assert_eq!(booked + carried, exact, "every remainder of {code}");
            assert!(carried.abs() < i128::from(currency.unit()) * 10_000_000_000);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]
    #[test]
    fn any_history_agrees_with_the_model(
        ops in prop::collection::vec(op(), 1..120), sign in prop::sample::select(vec![-1, 0, 1]),
    ) {
        let mut history = History::new(sign);
        for op in ops {
            history.run(op);
            history.check();
        }
    }
}
