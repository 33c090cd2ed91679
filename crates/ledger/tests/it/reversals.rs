//! The way back: who may take it, how far it goes, and what it leaves behind.

use crate::world::{ADA, BOB, MODEST, ROOT, World, account_id, amount, funds, only_entry, user};
use ledger::{
    AccountStatus, Authority, Currency, Direction, Kind, Money, NewTransaction, Pair, Refusal,
    Status, TransactionId,
};
use uuid::Uuid;

/// A completed transfer of 6.00 from Ada's full account to Bob's empty one, as its two ids.
fn transferred(world: &mut World) -> (TransactionId, TransactionId) {
    let legs = world.transfer(user(ADA), 1, 2, "6").unwrap().legs;
    world.complete(user(ADA), legs[0].id).unwrap();
    (legs[0].id, legs[1].id)
}

fn two() -> World {
    World::new().with(1, ADA, "10").with(2, BOB, "0")
}

#[test]
fn money_given_away_is_not_taken_back_by_its_sender() {
    let mut world = two();
    let (sent, received) = transferred(&mut world);
    assert_eq!(world.reverse(user(ADA), sent, None), Err(Refusal::ReversalNotYours));
    assert_eq!(world.reverse(user(ADA), received, None), Err(Refusal::TransactionNotFound));
    assert_eq!(world.reverse(user(BOB), sent, None), Err(Refusal::TransactionNotFound));
    let nobody = TransactionId(Uuid::nil());
    assert_eq!(world.reverse(ROOT, nobody, None), Err(Refusal::TransactionNotFound));
    let bob = Authority { only: Some(BOB), settles: false };
    assert!(world.reverse(bob, received, None).is_ok(), "but its receiver gives it back");
}

#[test]
fn money_from_outside_is_only_for_the_bank_to_reverse() {
    for kind in [Kind::Deposit, Kind::Credit, Kind::Withdrawal, Kind::Debit] {
        let mut world = World::new().with(1, ADA, "10");
        let id = world.completed(kind, 1, "2");
        assert_eq!(world.reverse(MODEST, id, None), Err(Refusal::SettlementNotAllowed));
        assert_eq!(world.reverse(user(BOB), id, None), Err(Refusal::TransactionNotFound));
        let decision = world.reverse(user(ADA), id, None).unwrap();
        assert_eq!(decision.legs[0].kind, kind.opposite());
        assert_eq!(world.funds(1), funds("10.00", "10.00"));
        let there = world.book.leg(id).unwrap().kind.direction();
        assert_eq!(decision.legs[0].direction, there.opposite());
    }
}

#[test]
fn only_what_is_completed_is_reversed() {
    let mut world = World::new().with(1, ADA, "10");
    let id = world.pending(Kind::Withdrawal, 1, "2");
    let pending = Refusal::TransactionNotCompleted { status: Status::Pending };
    assert_eq!(world.reverse(ROOT, id, None), Err(pending));
    world.cancel(ROOT, id).unwrap();
    let failed = Refusal::TransactionNotCompleted { status: Status::Failed };
    assert_eq!(world.reverse(ROOT, id, None), Err(failed));
}

#[test]
fn no_more_comes_back_than_moved() {
    let mut world = two();
    let legs = world.transfer(user(ADA), 1, 2, "6").unwrap().legs;
    world.capture(user(ADA), legs[0].id, "5").unwrap();
    world.cancel(user(ADA), legs[0].id).unwrap();
    world.reverse(user(BOB), legs[1].id, Some("3")).unwrap();
    let refusal = Refusal::ReversalExceedsOriginal {
        remaining: amount("2"),
        asked: amount("2.01"),
        currency: Currency::USD,
    };
    assert_eq!(world.reverse(user(BOB), legs[1].id, Some("2.01")), Err(refusal));
    let last = world.reverse(ROOT, legs[0].id, None).unwrap();
    assert_eq!(only_entry(&last).amount, amount("2"));
    assert_eq!(world.reverse(ROOT, legs[0].id, None), Err(Refusal::AlreadyReversed));
    assert_eq!((world.funds(1), world.funds(2)), (funds("10.00", "10.00"), funds("0.00", "0.00")));
}

#[test]
fn a_reversal_is_final() {
    let mut world = two();
    let (_, received) = transferred(&mut world);
    let legs = world.reverse(user(BOB), received, None).unwrap().legs;
    for leg in legs {
        assert_eq!(world.reverse(ROOT, leg.id, None), Err(Refusal::ReversalIsFinal));
    }
}

#[test]
fn what_the_receiver_no_longer_has_does_not_come_back_but_its_overdraft_counts() {
    let mut world = two();
    let (sent, _) = transferred(&mut world);
    world.pending(Kind::Withdrawal, 2, "4");
    let short = |available: &str| Refusal::InsufficientFunds {
        available: amount(available).into(),
        required: amount("6").into(),
        currency: Currency::USD,
    };
    assert_eq!(world.reverse(ROOT, sent, None), Err(short("2")));
    world.set(2, |account| account.limits.overdraft = amount("3").into());
    assert_eq!(world.reverse(ROOT, sent, None), Err(short("5")));
    world.set(2, |account| account.limits.overdraft = amount("4").into());
    world.reverse(ROOT, sent, None).unwrap();
    assert_eq!(world.funds(2), funds("0.00", "-4.00"));
}

#[test]
fn both_accounts_must_be_in_use() {
    for n in [1, 2] {
        let mut world = two();
        let (_, received) = transferred(&mut world);
        world.set(n, |account| account.status = AccountStatus::Suspended);
        assert_eq!(world.reverse(user(BOB), received, None), Err(Refusal::AccountSuspended));
    }
}

#[test]
fn a_transfer_comes_back_as_a_transfer_whose_halves_name_what_they_reverse() {
    let mut world = two();
    let (sent, received) = transferred(&mut world);
    let decision = world.reverse(user(BOB), received, Some("2.50")).unwrap();
    let [giving, getting] = &decision.legs[..] else { panic!("{decision:?}") };
    assert!(decision.created && decision.exchange.is_none());
    assert_eq!((giving.account, getting.account), (account_id(2), account_id(1)));
    assert_eq!((giving.direction, getting.direction), (Direction::Out, Direction::In));
    assert_eq!((giving.reverses, getting.reverses), (Some(received), Some(sent)));
    assert_eq!(giving.pair, Some(Pair { transaction: getting.id, account: account_id(1) }));
    assert_eq!(getting.pair, Some(Pair { transaction: giving.id, account: account_id(2) }));
    for leg in &decision.legs {
        assert_eq!((leg.kind, leg.status), (Kind::Transfer, Status::Completed));
        assert_eq!((leg.amount, leg.captured), (amount("2.50"), amount("2.50").into()));
        assert_eq!(leg.reversed, Money::ZERO);
        assert_eq!(world.book.leg(leg.id), Some(leg));
    }
    let amended: Vec<_> = decision.amended.iter().map(|leg| (leg.id, leg.reversed)).collect();
    assert_eq!(amended, [(sent, amount("2.50").into()), (received, amount("2.50").into())]);
    assert_eq!(world.book.leg(sent), decision.amended.first());
    let entry = only_entry(&decision);
    assert_eq!(entry.transaction, giving.id);
    assert_eq!((entry.source.account, entry.target.account), (account_id(2), account_id(1)));
    assert_eq!((world.funds(1), world.funds(2)), (funds("6.50", "6.50"), funds("3.50", "3.50")));
}

#[test]
fn twenty_reversals_of_one_transaction_give_it_back_once() {
    let mut world = two();
    let (sent, _) = transferred(&mut world);
    world.completed(Kind::Deposit, 2, "1000");
    let done = (0..20).filter(|_| world.reverse(ROOT, sent, Some("2")).is_ok()).count();
    assert_eq!(done, 3);
    assert_eq!(world.funds(1), funds("10.00", "10.00"));
}

#[test]
fn a_transfer_without_its_other_half_in_the_book_is_not_judged() {
    let mut world = two();
    let (sent, received) = transferred(&mut world);
    let mut apart = World::new().with(1, ADA, "10");
    apart.book.add_leg(world.book.leg(sent).unwrap().clone());
    assert_eq!(apart.reverse(ROOT, sent, None), Err(Refusal::TransactionNotFound));
    assert_eq!(apart.reverse(ROOT, received, None), Err(Refusal::TransactionNotFound));
}

#[test]
fn a_target_is_only_for_a_transfer_and_a_transfer_needs_one() {
    let mut world = two();
    let order = world.order(Kind::Transfer, 1, "1");
    assert_eq!(world.create(ROOT, order), Err(Refusal::TargetAccountNotFound));
    let order = world.order(Kind::Deposit, 1, "1");
    let order = NewTransaction { target: Some(account_id(2)), ..order };
    assert_eq!(world.create(ROOT, order).unwrap().legs.len(), 1);
}
