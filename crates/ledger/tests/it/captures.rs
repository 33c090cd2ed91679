//! The life of a hold: captured in parts, given back, run out.

use crate::world::{
    ADA, BOB, MODEST, ROOT, World, account_id, amount, funds, hours_later, only_entry, user,
};
use ledger::{
    AccountStatus, Action, Capture, Currency, Kind, Money, NewTransaction, Refusal, Status,
};

#[test]
fn more_than_is_still_held_is_not_captured() {
    let mut world = World::new().with(1, ADA, "10");
    let id = world.pending(Kind::Withdrawal, 1, "8");
    world.capture(ROOT, id, "5").unwrap();
    let refusal = Refusal::CaptureExceedsHold {
        remaining: amount("3"),
        asked: amount("3.01"),
        currency: Currency::USD,
    };
    assert_eq!(world.capture(ROOT, id, "3.01"), Err(refusal));
    assert_eq!(world.funds(1), funds("5.00", "2.00"));
}

#[test]
fn incoming_money_is_not_held_and_so_not_captured() {
    let mut world = World::new().with(1, ADA, "0");
    for kind in [Kind::Deposit, Kind::Credit] {
        let id = world.pending(kind, 1, "1");
        assert_eq!(world.capture(ROOT, id, "1"), Err(Refusal::NothingHeld));
    }
}

#[test]
fn what_has_ended_is_not_captured() {
    let mut world = World::new().with(1, ADA, "10");
    let id = world.completed(Kind::Withdrawal, 1, "4");
    let ended = Refusal::TransactionNotPending { status: Status::Completed };
    assert_eq!(world.capture(ROOT, id, "1"), Err(ended));
}

#[test]
fn capturing_asks_for_what_completing_asks_for() {
    let mut world = World::new().with(1, ADA, "10").with(2, BOB, "0");
    let debit = world.pending(Kind::Debit, 1, "1");
    assert_eq!(world.capture(MODEST, debit, "1"), Err(Refusal::SettlementNotAllowed));
    let legs = world.transfer(user(ADA), 1, 2, "3").unwrap().legs;
    assert_eq!(world.capture(user(BOB), legs[1].id, "1"), Err(Refusal::TransferNotYours));
    assert_eq!(world.capture(user(BOB), legs[0].id, "1"), Err(Refusal::TransactionNotFound));
    world.set(2, |account| account.status = AccountStatus::Suspended);
    assert_eq!(world.capture(user(ADA), legs[0].id, "1"), Err(Refusal::AccountSuspended));
}

#[test]
fn an_undivided_currency_is_not_captured_or_reversed_in_fractions() {
    let mut world = World::new();
    world.put(1, ADA, "JPY", AccountStatus::Active, "100");
    let id = world.pending(Kind::Withdrawal, 1, "10");
    let fraction = Refusal::FractionOfUnit { currency: Currency::parse("JPY").unwrap() };
    assert_eq!(world.capture(ROOT, id, "0.50"), Err(fraction.clone()));
    world.complete(ROOT, id).unwrap();
    assert_eq!(world.reverse(ROOT, id, Some("0.50")), Err(fraction));
}

#[test]
fn each_part_is_an_entry_of_its_own_and_the_last_one_completes() {
    let mut world = World::new().with(1, ADA, "10").with(2, BOB, "0");
    let legs = world.transfer(user(ADA), 1, 2, "6").unwrap().legs;
    let first = world.capture(user(ADA), legs[0].id, "2").unwrap();
    assert_eq!((world.funds(1), world.funds(2)), (funds("8.00", "4.00"), funds("2.00", "2.00")));
    assert!(!first.created && first.exchange.is_none() && first.amended.is_empty());
    for leg in &first.legs {
        assert_eq!((leg.status, leg.captured), (Status::Pending, amount("2").into()));
    }
    // An administrator may name either half.
    let last = world.capture(ROOT, legs[1].id, "4").unwrap();
    assert_eq!(last.legs[0].id, legs[0].id);
    for leg in &last.legs {
        assert_eq!((leg.status, leg.captured), (Status::Completed, amount("6").into()));
    }
    let entries = [only_entry(&first), only_entry(&last)];
    assert_eq!(entries.map(|entry| entry.amount), [amount("2"), amount("4")]);
    assert_eq!((world.funds(1), world.funds(2)), (funds("4.00", "4.00"), funds("6.00", "6.00")));
}

#[test]
fn a_capture_said_to_be_the_last_gives_the_rest_back() {
    let mut world = World::new().with(1, ADA, "10");
    let id = world.pending(Kind::Withdrawal, 1, "6");
    let capture = Capture { id, amount: Some(amount("2")), last: true };
    let decision = world.decide(ROOT, &Action::Capture(capture)).unwrap();
    assert_eq!(decision.legs[0].status, Status::Completed);
    assert_eq!(decision.legs[0].captured, amount("2").into());
    assert_eq!(world.funds(1), funds("8.00", "8.00"));
}

#[test]
fn a_capture_without_an_amount_and_a_completion_take_all_that_remains() {
    let mut world = World::new().with(1, ADA, "10");
    for whole in [true, false] {
        let id = world.pending(Kind::Withdrawal, 1, "5");
        world.capture(ROOT, id, "2").unwrap();
        let rest = Action::Capture(Capture { id, amount: None, last: false });
        let rest = if whole { Action::Complete(id) } else { rest };
        let decision = world.decide(ROOT, &rest).unwrap();
        assert_eq!(only_entry(&decision).amount, amount("3"));
        assert_eq!(decision.legs[0].status, Status::Completed);
    }
    assert_eq!(world.funds(1), funds("0.00", "0.00"));
}

#[test]
fn a_cancelled_transaction_that_moved_in_part_stays_completed_with_that_part() {
    let mut world = World::new().with(1, ADA, "10").with(2, BOB, "0");
    let id = world.transfer(user(ADA), 1, 2, "6").unwrap().legs[0].id;
    world.capture(user(ADA), id, "2").unwrap();
    let ended = world.cancel(user(ADA), id).unwrap();
    assert_eq!(ended.entries, []);
    for leg in &ended.legs {
        assert_eq!((leg.status, leg.captured), (Status::Completed, amount("2").into()));
    }
    assert_eq!((world.funds(1), world.funds(2)), (funds("8.00", "8.00"), funds("2.00", "2.00")));
}

#[test]
fn an_order_that_has_expired_is_neither_written_nor_booked() {
    let mut world = World::new().with(1, ADA, "10");
    let order = world.order(Kind::Withdrawal, 1, "4");
    let late = NewTransaction { expires: Some(hours_later(0)), ..order.clone() };
    assert_eq!(world.create(ROOT, late), Err(Refusal::TransactionExpired));
    let order = NewTransaction { expires: Some(hours_later(1)), ..order };
    let id = world.create(ROOT, order).unwrap().legs[0].id;
    world.capture(ROOT, id, "1").unwrap();
    world.at(hours_later(1));
    assert_eq!(world.capture(ROOT, id, "1"), Err(Refusal::TransactionExpired));
    assert_eq!(world.complete(ROOT, id), Err(Refusal::TransactionExpired));
    assert_eq!(world.funds(1), funds("9.00", "6.00"));
}

#[test]
fn only_what_is_pending_and_due_expires() {
    let mut world = World::new().with(1, ADA, "10");
    let forever = world.pending(Kind::Withdrawal, 1, "1");
    let order = world.order(Kind::Withdrawal, 1, "4");
    let order = NewTransaction { expires: Some(hours_later(1)), ..order };
    let id = world.create(ROOT, order).unwrap().legs[0].id;
    world.at(ledger::Moment(hours_later(1).0 - 1));
    assert_eq!(world.expire(id), Err(Refusal::TransactionNotExpired));
    world.at(hours_later(1));
    assert_eq!(world.expire(forever), Err(Refusal::TransactionNotExpired));
    let ended = world.expire(id).unwrap();
    assert_eq!((ended.legs[0].status, ended.legs[0].captured), (Status::Failed, Money::ZERO));
    assert_eq!(world.funds(1), funds("10.00", "9.00"));
    let again = Refusal::TransactionNotPending { status: Status::Failed };
    assert_eq!(world.expire(id), Err(again));
}

#[test]
fn what_moved_before_it_expired_stays_moved() {
    let mut world = World::new().with(1, ADA, "10").with(2, BOB, "0");
    let order = world.order(Kind::Transfer, 1, "4");
    let expires = Some(hours_later(1));
    let order = NewTransaction { target: Some(account_id(2)), expires, ..order };
    let id = world.create(user(ADA), order).unwrap().legs[0].id;
    world.capture(user(ADA), id, "1.50").unwrap();
    world.at(hours_later(2));
    let ended = world.expire(id).unwrap();
    assert!(ended.legs.iter().all(|leg| leg.status == Status::Completed));
    assert_eq!((world.funds(1), world.funds(2)), (funds("8.50", "8.50"), funds("1.50", "1.50")));
}
