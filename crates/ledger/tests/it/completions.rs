//! Holds that complete by themselves.

use crate::world::{ADA, BOB, MODEST, NOON, ROOT, World, account_id, amount, funds, hours_later};
use ledger::{
    Action, Authority, Capture, FreezeScope, Kind, Moment, NewTransaction, Refusal, Status,
    TransactionId, UserId,
};
use uuid::Uuid;

fn due_at(world: &mut World, kind: Kind, at: Moment) -> NewTransaction {
    NewTransaction { completes: Some(at), ..world.order(kind, 1, "40") }
}

fn complete_due(world: &mut World, id: TransactionId) -> Result<ledger::Decision, Refusal> {
    // It asks for nobody's authority.
    let nobody = Authority { only: Some(UserId(Uuid::nil())), settles: false };
    world.decide(nobody, &Action::CompleteDue(id))
}

#[test]
fn a_hold_completes_at_its_time_and_not_before() {
    let mut world = World::new().with(1, ADA, "100");
    let new = due_at(&mut world, Kind::Withdrawal, hours_later(2));
    let id = world.create(MODEST, new).unwrap().legs[0].id;
    assert_eq!(world.funds(1), funds("100.00", "60.00"));
    world.at(Moment(hours_later(2).0 - 1));
    assert_eq!(complete_due(&mut world, id), Err(Refusal::TransactionNotDue));
    world.at(hours_later(2));
    let done = complete_due(&mut world, id).unwrap();
    assert_eq!(done.legs[0].status, Status::Completed);
    assert_eq!(world.funds(1), funds("60.00", "60.00"));
    let again = complete_due(&mut world, id);
    assert!(matches!(again, Err(Refusal::TransactionNotPending { .. })));
}

#[test]
fn both_halves_of_a_transfer_tell_when_it_completes() {
    let mut world = World::new().with(1, ADA, "100").with(2, BOB, "0");
    let order = due_at(&mut world, Kind::Transfer, hours_later(1));
    let order = NewTransaction { target: Some(account_id(2)), ..order };
    let legs = world.create(MODEST, order).unwrap().legs;
    assert!(legs.iter().all(|leg| leg.completes == Some(hours_later(1))));
    world.at(hours_later(1));
    complete_due(&mut world, legs[0].id).unwrap();
    assert_eq!(world.funds(2), funds("40.00", "40.00"));
}

#[test]
fn who_may_not_complete_it_does_not_order_it_so() {
    let mut world = World::new().with(1, ADA, "100");
    for kind in [Kind::Deposit, Kind::Credit, Kind::Debit] {
        let new = due_at(&mut world, kind, hours_later(1));
        assert_eq!(world.create(MODEST, new.clone()), Err(Refusal::SettlementNotAllowed));
        assert!(world.create(ROOT, new).is_ok(), "{kind:?}");
    }
}

#[test]
fn it_lies_in_the_future_and_before_the_expiry() {
    let mut world = World::new().with(1, ADA, "100");
    let new = due_at(&mut world, Kind::Withdrawal, NOON);
    assert_eq!(world.create(MODEST, new), Err(Refusal::CompletionInPast));
    let new = due_at(&mut world, Kind::Withdrawal, hours_later(2));
    let (completes, expires) = (hours_later(2), hours_later(2));
    let never = NewTransaction { expires: Some(expires), ..new };
    let refused = Refusal::CompletionAfterExpiry { completes, expires };
    assert_eq!(world.create(MODEST, never), Err(refused));
}

#[test]
fn what_was_captured_before_is_not_taken_again() {
    let mut world = World::new().with(1, ADA, "100");
    let new = due_at(&mut world, Kind::Withdrawal, hours_later(1));
    let id = world.create(MODEST, new).unwrap().legs[0].id;
    let part = Capture { id, amount: Some(amount("15")), last: false };
    world.decide(MODEST, &Action::Capture(part)).unwrap();
    world.at(hours_later(1));
    let done = complete_due(&mut world, id).unwrap();
    assert_eq!(done.entries[0].amount, amount("25"));
    assert_eq!(world.funds(1), funds("60.00", "60.00"));
}

#[test]
fn what_was_cancelled_frozen_or_has_expired_does_not_complete() {
    let mut world = World::new().with(1, ADA, "100");
    let new = due_at(&mut world, Kind::Withdrawal, hours_later(1));
    let cancelled = world.create(MODEST, new).unwrap().legs[0].id;
    world.cancel(MODEST, cancelled).unwrap();
    let new = due_at(&mut world, Kind::Withdrawal, hours_later(1));
    let late = NewTransaction { expires: Some(hours_later(3)), ..new };
    let late = world.create(MODEST, late).unwrap().legs[0].id;
    let order = world.order(Kind::Withdrawal, 1, "10");
    let plain = world.create(MODEST, order).unwrap().legs[0].id;
    world.at(hours_later(2));
    assert!(complete_due(&mut world, cancelled).is_err());
    assert_eq!(complete_due(&mut world, plain), Err(Refusal::TransactionNotDue));
    world.freeze(1, FreezeScope::Debits, Some(hours_later(3)));
    assert!(matches!(complete_due(&mut world, late), Err(Refusal::AccountFrozen { .. })));
    world.at(hours_later(3));
    assert_eq!(complete_due(&mut world, late), Err(Refusal::TransactionExpired));
    assert!(world.expire(late).is_ok());
}
