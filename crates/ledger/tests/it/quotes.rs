//! Quotes: the bank's rate for one customer and one exchange.

use crate::world::{ADA, BOB, HOUR, MINUTE, MODEST, NOON, ROOT, World, account_id, amount, funds};
use ledger::{
    AccountStatus, Currency, Kind, Moment, NewTransaction, Price, Quote, QuoteId, Rate, Refusal,
    UserId,
};
use uuid::Uuid;

const SOON: Moment = Moment(NOON.0 + MINUTE / 2);

fn currency(code: &str) -> Currency {
    Currency::parse(code).unwrap()
}

fn quote() -> Quote {
    Quote {
        id: QuoteId(Uuid::from_u128(7)),
        owner: ADA,
        source: Currency::USD,
        target: currency("EUR"),
        rate: Rate::parse("0.9").unwrap(),
        most: Some(amount("100")),
        expires: SOON,
        used: false,
    }
}

/// Ada has dollars (1), euros (2) and yen (3), and a quote from dollars to euros.
fn bank() -> World {
    let mut world = World::new().with(1, ADA, "1000");
    world.put(2, ADA, "EUR", AccountStatus::Active, "10");
    world.put(3, ADA, "JPY", AccountStatus::Active, "0");
    world.book.add_quote(quote());
    world
}

fn order(world: &mut World, from: u128, to: u128, text: &str, by: UserId) -> NewTransaction {
    NewTransaction {
        target: Some(account_id(to)),
        price: Some(Price::Quote { id: quote().id, by }),
        ..world.order(Kind::Transfer, from, text)
    }
}

#[test]
fn a_customer_exchanges_at_the_rate_of_a_quote_once() {
    let mut world = bank();
    let first = order(&mut world, 1, 2, "60", ADA);
    let done = world.create(MODEST, NewTransaction { complete: true, ..first }).unwrap();
    assert_eq!(done.quote, Some(quote().id));
    assert_eq!(world.funds(2), funds("64.00", "64.00"));
    let second = order(&mut world, 1, 2, "10", ADA);
    assert_eq!(world.create(MODEST, second), Err(Refusal::QuoteUsed));
}

#[test]
fn a_refused_order_leaves_its_quote_unused() {
    let mut world = bank();
    world.set(1, |account| account.limits.per_transaction = Some(amount("50")));
    let above = order(&mut world, 1, 2, "51", ADA);
    let refused = world.create(MODEST, above);
    assert!(matches!(refused, Err(Refusal::TransactionLimitExceeded { .. })));
    assert!(!world.book.quote(quote().id).unwrap().used);
    let within = order(&mut world, 1, 2, "50", ADA);
    assert!(world.create(MODEST, within).is_ok());
}

#[test]
fn a_quote_is_for_its_owner_its_pair_its_amount_and_its_time() {
    let mut world = bank();
    let foreign = order(&mut world, 1, 2, "10", BOB);
    assert_eq!(world.create(ROOT, foreign), Err(Refusal::QuoteNotFound));
    let unknown = NewTransaction {
        price: Some(Price::Quote { id: QuoteId(Uuid::nil()), by: ADA }),
        ..order(&mut world, 1, 2, "10", ADA)
    };
    assert_eq!(world.create(MODEST, unknown), Err(Refusal::QuoteNotFound));
    for (from, to) in [(1, 3), (2, 1)] {
        let other = order(&mut world, from, to, "10", ADA);
        let refused = world.create(MODEST, other);
        assert!(matches!(refused, Err(Refusal::QuoteMismatch { .. })), "{refused:?}");
    }
    let more = order(&mut world, 1, 2, "100.01", ADA);
    let refused = world.create(MODEST, more);
    assert!(matches!(refused, Err(Refusal::QuoteAmountExceeded { .. })), "{refused:?}");
    world.put(4, ADA, "USD", AccountStatus::Active, "0");
    let same = order(&mut world, 1, 4, "10", ADA);
    assert_eq!(world.create(MODEST, same), Err(Refusal::RateWithoutExchange));
    let late = order(&mut world, 1, 2, "10", ADA);
    world.at(SOON);
    assert_eq!(world.create(MODEST, late), Err(Refusal::QuoteExpired));
}

#[test]
fn a_customer_does_not_make_the_rate_of_a_quote_stand_longer() {
    let soon = Moment(NOON.0 + MINUTE);
    for (asked, kept) in
        [(None, soon), (Some(HOUR), soon), (Some(MINUTE / 4), Moment(NOON.0 + MINUTE / 4))]
    {
        let mut world = bank();
        let expires = asked.map(|later| Moment(NOON.0 + later));
        let new = NewTransaction { expires, ..order(&mut world, 1, 2, "10", ADA) };
        assert_eq!(world.create(MODEST, new).unwrap().legs[0].expires, Some(kept));
    }
    let mut world = bank();
    let later = Some(Moment(NOON.0 + HOUR));
    let new = NewTransaction { completes: later, ..order(&mut world, 1, 2, "10", ADA) };
    let refused = world.create(MODEST, new);
    assert!(matches!(refused, Err(Refusal::CompletionAfterExpiry { .. })), "{refused:?}");
}
