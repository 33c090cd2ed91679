//! What bounds the money going out: overdraft, limits, freezes.

use crate::world::{ADA, BOB, ROOT, World, account_id, amount, funds, hours_later, money, user};
use ledger::{Account, Action, Capture, Currency, FreezeScope, Kind, NewTransaction, Refusal};

fn overdraft(text: &'static str) -> impl FnOnce(&mut Account) {
    move |account| account.limits.overdraft = money(text)
}

fn daily(text: &'static str) -> impl FnOnce(&mut Account) {
    move |account| account.limits.daily = Some(amount(text))
}

#[test]
fn an_account_is_overdrawn_to_its_floor_and_no_further() {
    let mut world = World::new().with(1, ADA, "10").with(2, BOB, "0");
    world.set(1, overdraft("5"));
    let refusal = Refusal::InsufficientFunds {
        available: money("15"),
        required: money("15.01"),
        currency: Currency::USD,
    };
    assert_eq!(world.transfer(user(ADA), 1, 2, "15.01"), Err(refusal));
    let id = world.transfer(user(ADA), 1, 2, "15").unwrap().legs[0].id;
    assert_eq!(world.funds(1), funds("10.00", "-5.00"));
    world.complete(user(ADA), id).unwrap();
    assert_eq!(world.funds(1), funds("-5.00", "-5.00"));
}

#[test]
fn an_account_below_a_lowered_floor_can_spend_nothing_but_receive() {
    let mut world = World::new().with(1, ADA, "0");
    world.set(1, overdraft("5"));
    world.completed(Kind::Withdrawal, 1, "4");
    world.set(1, overdraft("1"));
    let order = world.order(Kind::Withdrawal, 1, "0.01");
    let refusal = Refusal::InsufficientFunds {
        available: money("0"),
        required: money("0.01"),
        currency: Currency::USD,
    };
    assert_eq!(world.create(ROOT, order), Err(refusal));
    world.completed(Kind::Deposit, 1, "2");
    assert_eq!(world.funds(1), funds("-2.00", "-2.00"));
}

#[test]
fn one_order_above_the_limit_is_refused_and_one_at_it_is_not() {
    let mut world = World::new().with(1, ADA, "100").with(2, BOB, "0");
    world.set(1, |account| account.limits.per_transaction = Some(amount("10")));
    let refusal = Refusal::TransactionLimitExceeded {
        limit: amount("10"),
        amount: amount("10.01"),
        currency: Currency::USD,
    };
    assert_eq!(world.transfer(user(ADA), 1, 2, "10.01"), Err(refusal));
    assert!(world.transfer(user(ADA), 1, 2, "10").is_ok());
    let deposit = world.order(Kind::Deposit, 1, "50");
    assert!(world.create(ROOT, deposit).is_ok(), "what comes in has no limit");
}

#[test]
fn the_orders_of_a_day_count_together_also_while_pending() {
    let mut world = World::new().with(1, ADA, "100").with(2, BOB, "0");
    world.set(1, daily("10"));
    world.pending(Kind::Withdrawal, 1, "4");
    world.completed(Kind::Debit, 1, "3");
    let refusal = Refusal::DailyLimitExceeded {
        limit: amount("10"),
        spent: money("7"),
        amount: amount("3.01"),
        currency: Currency::USD,
    };
    assert_eq!(world.transfer(user(ADA), 1, 2, "3.01"), Err(refusal));
    assert!(world.transfer(user(ADA), 1, 2, "3").is_ok());
    assert_eq!(world.spent(1), "10.00");
}

#[test]
fn what_was_spent_counts_from_before_there_was_a_limit() {
    let mut world = World::new().with(1, ADA, "100");
    world.completed(Kind::Withdrawal, 1, "8");
    world.set(1, daily("10"));
    let order = world.order(Kind::Withdrawal, 1, "3");
    assert!(matches!(world.create(ROOT, order), Err(Refusal::DailyLimitExceeded { .. })));
}

#[test]
fn a_new_day_starts_at_nothing_and_a_clock_that_steps_back_does_not() {
    let mut world = World::new().with(1, ADA, "100");
    world.set(1, daily("10"));
    world.completed(Kind::Withdrawal, 1, "9");
    world.at(hours_later(-24));
    let order = world.order(Kind::Withdrawal, 1, "2");
    assert!(matches!(world.create(ROOT, order.clone()), Err(Refusal::DailyLimitExceeded { .. })));
    world.at(ledger::Moment(hours_later(12).0 - 1));
    assert!(world.create(ROOT, order.clone()).is_err(), "a microsecond before midnight");
    world.at(hours_later(12));
    assert!(world.create(ROOT, order).is_ok());
    assert_eq!(world.spent(1), "2.00");
}

#[test]
fn a_clock_that_was_days_ahead_and_came_back_does_not_make_one_day_of_all_until_then() {
    let mut world = World::new().with(1, ADA, "100");
    world.set(1, daily("10"));
    world.at(hours_later(8 * 24));
    world.completed(Kind::Withdrawal, 1, "9");
    world.at(hours_later(0));
    world.completed(Kind::Withdrawal, 1, "2");
    assert_eq!(world.spent(1), "2.00");
    let order = world.order(Kind::Withdrawal, 1, "9");
    assert!(matches!(world.create(ROOT, order), Err(Refusal::DailyLimitExceeded { .. })));
}

#[test]
fn what_is_released_on_the_day_it_was_ordered_can_be_spent_again() {
    let mut world = World::new().with(1, ADA, "100");
    let id = world.pending(Kind::Withdrawal, 1, "9");
    world.capture(ROOT, id, "2").unwrap();
    assert_eq!(world.spent(1), "9.00");
    world.cancel(ROOT, id).unwrap();
    assert_eq!(world.spent(1), "2.00", "the part that moved was spent");

    let id = world.pending(Kind::Withdrawal, 1, "9");
    let last = Capture { id, amount: Some(amount("3")), last: true };
    world.decide(ROOT, &Action::Capture(last)).unwrap();
    assert_eq!(world.spent(1), "5.00");
}

#[test]
fn what_is_released_on_a_later_day_makes_no_room_on_that_day() {
    let mut world = World::new().with(1, ADA, "100");
    let yesterdays = world.pending(Kind::Withdrawal, 1, "9");
    world.at(hours_later(24));
    world.pending(Kind::Withdrawal, 1, "4");
    world.cancel(ROOT, yesterdays).unwrap();
    assert_eq!(world.spent(1), "4.00");
    assert_eq!(world.funds(1), funds("100.00", "96.00"));
}

#[test]
fn more_than_can_be_counted_in_a_day_is_still_no_reason_to_refuse() {
    let mut world = World::new().with(1, ADA, "9999999999999.99");
    for _ in 0..2 {
        world.completed(Kind::Withdrawal, 1, "9999999999999.99");
        world.completed(Kind::Deposit, 1, "9999999999999.99");
    }
    assert_eq!(world.spent(1), "9999999999999.99");
    world.set(1, daily("9999999999999.99"));
    let order = world.order(Kind::Withdrawal, 1, "0.01");
    assert!(matches!(world.create(ROOT, order), Err(Refusal::DailyLimitExceeded { .. })));
}

fn frozen(scope: FreezeScope) -> Refusal {
    Refusal::AccountFrozen { scope, reason: "a court's order".to_owned(), until: None }
}

#[test]
fn a_freeze_stops_the_ways_it_names_and_no_other() {
    for (scope, stopped) in [
        (FreezeScope::Debits, [false, true]),
        (FreezeScope::Credits, [true, false]),
        (FreezeScope::All, [true, true]),
    ] {
        for (kind, stopped) in [
            (Kind::Deposit, stopped[0]),
            (Kind::Credit, stopped[0]),
            (Kind::Withdrawal, stopped[1]),
        ] {
            let mut world = World::new().with(1, ADA, "10");
            let pending = world.pending(kind, 1, "1");
            world.freeze(1, scope, None);
            let order = world.order(kind, 1, "1");
            let created = world.create(ROOT, order).map(drop);
            let completed = world.complete(ROOT, pending).map(drop);
            let expected = if stopped { Err(frozen(scope)) } else { Ok(()) };
            assert_eq!((created, completed), (expected.clone(), expected), "{scope:?} {kind:?}");
        }
    }
}

#[test]
fn a_freeze_stops_captures_and_never_a_cancellation_or_expiry() {
    let mut world = World::new().with(1, ADA, "10");
    let id = world.pending(Kind::Withdrawal, 1, "4");
    let order = world.order(Kind::Withdrawal, 1, "1");
    let due = NewTransaction { expires: Some(hours_later(1)), ..order };
    let due = world.create(ROOT, due).unwrap().legs[0].id;
    world.at(hours_later(1));
    world.freeze(1, FreezeScope::All, None);
    assert_eq!(world.capture(ROOT, id, "1"), Err(frozen(FreezeScope::All)));
    world.cancel(user(ADA), id).unwrap();
    world.expire(due).unwrap();
    assert_eq!(world.funds(1), funds("10.00", "10.00"));
}

#[test]
fn the_sender_of_a_transfer_does_not_read_why_the_receiver_is_frozen() {
    let mut world = World::new().with(1, ADA, "10").with(2, BOB, "0");
    let id = world.transfer(user(ADA), 1, 2, "1").unwrap().legs[0].id;
    world.freeze(2, FreezeScope::Credits, None);
    assert_eq!(world.transfer(user(ADA), 1, 2, "1"), Err(Refusal::TargetAccountFrozen));
    assert_eq!(world.complete(user(ADA), id), Err(Refusal::TargetAccountFrozen));
    world.freeze(2, FreezeScope::Debits, None);
    assert!(world.complete(user(ADA), id).is_ok());
}

#[test]
fn a_freeze_ends_at_its_moment() {
    let mut world = World::new().with(1, ADA, "10");
    world.freeze(1, FreezeScope::All, Some(hours_later(1)));
    let order = world.order(Kind::Withdrawal, 1, "1");
    let refusal = world.create(user(ADA), order.clone()).unwrap_err();
    assert_eq!(refusal.code(), "account_frozen");
    assert_eq!(
        refusal.to_string(),
        "Account is frozen for all (a court's order): ask an administrator to lift it, \
         or wait until it ends"
    );
    world.at(hours_later(1));
    assert!(world.create(user(ADA), order).is_ok());
}

#[test]
fn a_reversal_is_bound_by_funds_and_freezes_but_not_by_limits() {
    let mut world = World::new().with(1, ADA, "0").with(2, BOB, "10");
    let id = world.transfer(user(BOB), 2, 1, "6").unwrap().legs[0].id;
    world.complete(user(BOB), id).unwrap();
    world.set(1, |account| account.limits.per_transaction = Some(amount("1")));
    world.set(1, daily("1"));
    world.freeze(1, FreezeScope::Debits, None);
    assert_eq!(world.reverse(user(ADA), id, None), Err(Refusal::TransactionNotFound));
    let half = world.book.leg(id).unwrap().pair.unwrap().transaction;
    assert_eq!(world.reverse(user(ADA), half, None), Err(frozen(FreezeScope::Debits)));
    world.freeze(1, FreezeScope::Credits, None);
    world.freeze(2, FreezeScope::Credits, None);
    assert_eq!(world.reverse(user(ADA), half, None), Err(Refusal::TargetAccountFrozen));
    world.freeze(2, FreezeScope::Debits, None);
    world.reverse(user(ADA), half, Some("5")).unwrap();
    assert_eq!(world.spent(1), "0.00", "it does not count either");
    assert_eq!(world.book.account(account_id(2)).unwrap().balance, money("9"));
}
