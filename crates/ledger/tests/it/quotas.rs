//! How much may stand pending on an account.

use crate::world::{ADA, BOB, ROOT, World, account_id, hours_later, user};
use ledger::{Kind, NewTransaction, Pending, Quota, Refusal, TransactionId};

fn world(count: i64, bytes: i64) -> World {
    let mut world = World::new().with(1, ADA, "100").with(2, BOB, "100");
    world.book = world.book.within(Quota { count: Some(count), bytes: Some(bytes) });
    world
}

fn pending(world: &World, n: u128) -> (i64, i64) {
    let Pending { count, bytes } = world.book.account(account_id(n)).unwrap().pending;
    (count, bytes)
}

/// A pending deposit on account 1, with so many bytes on it.
fn announce(world: &mut World, bytes: i64) -> Result<TransactionId, Refusal> {
    let order = world.order(Kind::Deposit, 1, "1");
    let decision = world.create(user(ADA), NewTransaction { bytes, ..order })?;
    Ok(decision.legs[0].id)
}

#[test]
fn one_more_than_the_quota_is_refused_for_the_administrator_as_well() {
    let mut world = world(2, 1_000);
    announce(&mut world, 10).unwrap();
    announce(&mut world, 10).unwrap();
    let refusal = announce(&mut world, 10).unwrap_err();
    assert_eq!(refusal, Refusal::TooManyPending { limit: 2, count: 2 });
    assert_eq!(
        refusal.to_string(),
        "The account has 2 pending transactions, and 2 is the most: process or cancel some, or \
         wait until they expire"
    );
    let held = world.order(Kind::Withdrawal, 1, "1");
    assert_eq!(world.create(ROOT, held).unwrap_err().code(), "too_many_pending");
    assert_eq!(pending(&world, 1), (2, 20));
}

#[test]
fn what_is_completed_at_once_needs_no_room() {
    let mut world = world(0, 0);
    let order = world.order(Kind::Withdrawal, 1, "1");
    world.create(user(ADA), NewTransaction { complete: true, bytes: 99, ..order }).unwrap();
    assert_eq!(pending(&world, 1), (0, 0));
}

#[test]
fn bytes_are_counted_to_the_last_one_and_none_need_no_room() {
    let mut world = world(9, 30);
    announce(&mut world, 20).unwrap();
    let refusal = announce(&mut world, 11).unwrap_err();
    assert_eq!(refusal, Refusal::PendingTooLarge { limit: 30, used: 20, asked: 11 });
    announce(&mut world, 10).unwrap();
    announce(&mut world, 0).unwrap();
    assert_eq!(announce(&mut world, 1).unwrap_err().code(), "pending_too_large");
    assert_eq!(pending(&world, 1), (3, 30));
}

#[test]
fn every_end_makes_room_once_and_a_part_does_not() {
    let mut world = world(4, 1_000);
    let order = |world: &mut World, kind| {
        let order = world.order(kind, 1, "10");
        let expires = Some(hours_later(1));
        let order = NewTransaction { bytes: 7, expires, ..order };
        world.create(ROOT, order).unwrap().legs[0].id
    };
    let (taken, done) = (order(&mut world, Kind::Withdrawal), order(&mut world, Kind::Deposit));
    let (gone, late) = (order(&mut world, Kind::Debit), order(&mut world, Kind::Withdrawal));
    assert_eq!(pending(&world, 1), (4, 28));
    world.capture(ROOT, taken, "4").unwrap();
    assert_eq!(pending(&world, 1), (4, 28), "it still stands");
    world.capture(ROOT, taken, "6").unwrap();
    world.complete(ROOT, done).unwrap();
    assert_eq!(pending(&world, 1), (2, 14));
    world.cancel(ROOT, gone).unwrap();
    world.cancel(ROOT, gone).unwrap_err();
    world.at(hours_later(2));
    world.expire(late).unwrap();
    assert_eq!(pending(&world, 1), (0, 0));
    world.reverse(ROOT, done, None).unwrap();
    assert_eq!(pending(&world, 1), (0, 0), "a reversal never stands pending");
}

#[test]
fn a_transfer_counts_for_its_sender_alone() {
    let mut world = world(1, 1_000);
    let sent = world.transfer(user(ADA), 1, 2, "1").unwrap().legs[0].id;
    assert_eq!((pending(&world, 1), pending(&world, 2)), ((1, 0), (0, 0)));
    let own = world.order(Kind::Deposit, 2, "1");
    world.create(user(BOB), own).unwrap();
    world.complete(user(ADA), sent).unwrap();
    assert_eq!((pending(&world, 1), pending(&world, 2)), ((0, 0), (1, 0)));
}
