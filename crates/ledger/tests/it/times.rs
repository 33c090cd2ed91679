//! When a movement was recorded, and when it counts.

use crate::world::{
    ADA, BOB, MODEST, NOON, ROOT, World, account_id, hours_later, only_entry, user,
};
use ledger::{Day, Kind, Moment, NewTransaction, Refusal};

#[test]
fn a_day_ends_at_midnight_also_before_the_epoch() {
    let day = 86_400_000_000;
    for (moment, expected) in [(0, 0), (day - 1, 0), (day, 1), (-1, -1), (-day, -1), (-day - 1, -2)]
    {
        assert_eq!(Moment(moment).day(), Day(expected), "{moment}");
    }
}

#[test]
fn a_business_date_takes_authority_and_lies_in_the_past() {
    let mut world = World::new().with(1, ADA, "10");
    let order = world.order(Kind::Withdrawal, 1, "1");
    let dated = |moment| NewTransaction { effective: Some(moment), ..order.clone() };
    let past = dated(hours_later(-48));
    assert_eq!(world.create(MODEST, past.clone()), Err(Refusal::BackdatingNotAllowed));
    let future = dated(Moment(NOON.0 + 1));
    assert_eq!(world.create(ROOT, future), Err(Refusal::EffectiveInFuture));
    assert!(world.create(ROOT, dated(NOON)).is_ok());
    assert!(world.create(ROOT, past).is_ok());
}

#[test]
fn the_business_date_is_on_both_legs_and_every_entry() {
    let mut world = World::new().with(1, ADA, "10").with(2, BOB, "0");
    let effective = Some(hours_later(-48));
    let order = world.order(Kind::Transfer, 1, "1");
    let order = NewTransaction { target: Some(account_id(2)), effective, ..order };
    let legs = world.create(ROOT, order).unwrap().legs;
    assert!(legs.iter().all(|leg| leg.effective == effective && leg.created == NOON));
    let entry = only_entry(&world.complete(user(ADA), legs[0].id).unwrap());
    assert_eq!((entry.effective, entry.recorded), (effective, NOON));
}

#[test]
fn entries_are_recorded_in_order_even_when_the_clock_steps_back() {
    let mut world = World::new().with(1, ADA, "10").with(2, BOB, "0").with(3, BOB, "0");
    world.completed(Kind::Withdrawal, 1, "1");
    world.at(hours_later(-1));
    let id = world.transfer(user(ADA), 1, 2, "1").unwrap().legs[0].id;
    let entry = only_entry(&world.complete(user(ADA), id).unwrap());
    assert_eq!(entry.recorded, NOON, "not before the withdrawal");
    let id = world.transfer(user(BOB), 2, 3, "1").unwrap().legs[0].id;
    let entry = only_entry(&world.complete(user(BOB), id).unwrap());
    assert_eq!(entry.recorded, NOON, "nor before what the receiver of that had");
    let newest = |n| world.book.account(account_id(n)).unwrap().newest_entry;
    assert_eq!([newest(1), newest(2), newest(3)], [Some(NOON); 3]);
    world.at(hours_later(1));
    let order = world.order(Kind::Withdrawal, 1, "1");
    let order = NewTransaction { complete: true, ..order };
    assert_eq!(only_entry(&world.create(ROOT, order).unwrap()).recorded, hours_later(1));
}
