//! Random operations against a bank of thirty lines that cannot be wrong.
//!
//! The model keeps, for each account, what was ever paid in and out and what is
//! held; the rules must agree with it after every operation, and a refusal must
//! change nothing.

use crate::world::{ADA, ROOT, World, account_id, amount};
use ledger::{AccountId, Entry, Kind, Money, NewTransaction, Status, TransactionId};
use proptest::prelude::*;
use std::collections::HashMap;

const ACCOUNTS: u128 = 4;

#[derive(Clone, Debug)]
enum Op {
    Create { kind: Kind, from: u128, to: u128, hundredths: i64, complete: bool },
    End { pick: usize, complete: bool },
}

fn op() -> impl Strategy<Value = Op> {
    let kind = prop::sample::select(Kind::ALL.to_vec());
    prop_oneof![
        3 => (kind, 1..=ACCOUNTS, 1..=ACCOUNTS, 1_i64..5_000, any::<bool>()).prop_map(
            |(kind, from, to, hundredths, complete)| Op::Create { kind, from, to, hundredths, complete }
        ),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(pick, complete)| Op::End { pick, complete }),
    ]
}

#[derive(Default)]
struct Model {
    balance: HashMap<u128, i64>,
    held: HashMap<u128, i64>,
}

impl Model {
    fn available(&self, account: u128) -> i64 {
        self.balance.get(&account).copied().unwrap_or_default()
            - self.held.get(&account).copied().unwrap_or_default()
    }

    fn moves(&mut self, kind: Kind, from: u128, to: u128, hundredths: i64) {
        match kind {
            Kind::Deposit | Kind::Credit => *self.balance.entry(from).or_default() += hundredths,
            Kind::Withdrawal | Kind::Debit => *self.balance.entry(from).or_default() -= hundredths,
            Kind::Transfer => {
                *self.balance.entry(from).or_default() -= hundredths;
                *self.balance.entry(to).or_default() += hundredths;
            }
        }
    }
}

fn is_outgoing(kind: Kind) -> bool {
    matches!(kind, Kind::Withdrawal | Kind::Debit | Kind::Transfer)
}

/// The balance of every account, also the bank's own, from the entries alone.
fn sums(entries: &[Entry]) -> HashMap<AccountId, i64> {
    let mut sums = HashMap::new();
    for entry in entries {
        *sums.entry(entry.source.account).or_insert(0) -= entry.amount.hundredths();
        *sums.entry(entry.target.account).or_insert(0) += entry.amount.hundredths();
    }
    sums
}

fn check(world: &World, model: &Model, entries: &[Entry]) {
    let sums = sums(entries);
    assert_eq!(sums.values().sum::<i64>(), 0, "the book balances");
    for n in 1..=ACCOUNTS {
        let account = world.book.account(account_id(n)).unwrap();
        let balance = model.balance.get(&n).copied().unwrap_or_default();
        assert_eq!(account.balance.hundredths(), balance, "balance of {n}");
        assert_eq!(account.available.hundredths(), model.available(n), "available of {n}");
        assert_eq!(sums.get(&account.id).copied().unwrap_or_default(), balance, "entries of {n}");
        assert!(account.available >= Money::ZERO && account.available <= account.balance);
        let touching = |entry: &&Entry| {
            [entry.source, entry.target].iter().any(|side| side.account == account.id)
        };
        let count = entries.iter().filter(touching).count();
        assert_eq!(usize::try_from(account.entry_count), Ok(count), "the sequence of {n} is dense");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]
    #[test]
    fn any_history_agrees_with_the_model(ops in prop::collection::vec(op(), 1..80)) {
        let mut world = (1..=ACCOUNTS).fold(World::new(), |world, n| world.with(n, ADA, "0"));
        let mut model = Model::default();
        let mut entries = Vec::new();
        let mut pending: Vec<(TransactionId, Kind, u128, u128, i64)> = Vec::new();
        for op in ops {
            match op {
                Op::Create { kind, from, to, hundredths, complete } => {
                    let text = Money::from_hundredths(hundredths).unwrap().to_string();
                    let order = world.order(kind, from, &text);
                    let target = (kind == Kind::Transfer).then(|| account_id(to));
                    let order = NewTransaction { target, complete, amount: amount(&text), ..order };
                    let possible = (kind != Kind::Transfer || from != to)
                        && (!is_outgoing(kind) || model.available(from) >= hundredths);
                    let decision = world.create(ROOT, order.clone());
                    prop_assert_eq!(decision.is_ok(), possible);
                    let Ok(decision) = decision else { check(&world, &model, &entries); continue };
                    if complete {
                        model.moves(kind, from, to, hundredths);
                    } else {
                        if is_outgoing(kind) { *model.held.entry(from).or_default() += hundredths; }
                        pending.push((order.id, kind, from, to, hundredths));
                    }
                    entries.extend(decision.entries);
                }
                Op::End { pick, complete } => {
                    if pending.is_empty() { continue; }
                    let (id, kind, from, to, hundredths) = pending.remove(pick % pending.len());
                    let decision = if complete { world.complete(ROOT, id) } else { world.cancel(ROOT, id) };
                    let decision = decision.unwrap();
                    let expected = if complete { Status::Completed } else { Status::Failed };
                    prop_assert!(decision.legs.iter().all(|leg| leg.status == expected));
                    if is_outgoing(kind) { *model.held.entry(from).or_default() -= hundredths; }
                    if complete { model.moves(kind, from, to, hundredths); }
                    prop_assert_eq!(!decision.entries.is_empty(), complete);
                    entries.extend(decision.entries);
                }
            }
            check(&world, &model, &entries);
        }
    }
}
