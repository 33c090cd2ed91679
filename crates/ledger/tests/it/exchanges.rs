//! Exchanges: two amounts, one rate, and not a fraction lost.

use crate::world::{
    ADA, BOB, MINUTE, MODEST, NOON, ROOT, World, account_id, amount, funds, hours_later, user,
};
use ledger::{
    AccountStatus, Action, Authority, Capture, Currency, Exchange, Kind, Leg, Moment,
    NewTransaction, Price, Rate, RateError, Refusal, Remainder, Spread, Status, SystemAccount,
};
use proptest::prelude::*;

fn currency(code: &str) -> Currency {
    Currency::parse(code).unwrap()
}

fn rate(text: &str) -> Rate {
    Rate::parse(text).unwrap()
}

/// Ada has dollars (1), Bob euros (2) and yen (3).
fn bank() -> World {
    let mut world = World::new().with(1, ADA, "1000");
    world.put(2, BOB, "EUR", AccountStatus::Active, "0");
    world.put(3, BOB, "JPY", AccountStatus::Active, "1000");
    world
}

/// Source, target and remainder of one exchange.
fn bought(
    source: &str,
    amount_of: &str,
    at: &str,
    target: &str,
) -> Result<(String, String), Refusal> {
    Exchange::at(rate(at), amount(amount_of), currency(source), currency(target))
        .map(|exchange| (exchange.target_amount.to_string(), exchange.remainder.to_string()))
}

#[test]
fn what_is_not_a_plain_positive_decimal_is_no_rate() {
    use RateError::{Malformed, NotPositive, TooLarge, TooPrecise};
    for (text, reason) in [
        ("", Malformed),
        (".5", Malformed),
        ("1.", Malformed),
        ("1e2", Malformed),
        ("+1", Malformed),
        ("1,5", Malformed),
        ("--1", Malformed),
        ("0", NotPositive),
        ("0.0000000000", NotPositive),
        ("-1.5", NotPositive),
        ("1.00000000000", TooPrecise),
        ("1000000000", TooLarge),
        ("99999999999999999999", TooLarge),
    ] {
        assert_eq!(Rate::parse(text), Err(reason), "{text:?}");
    }
}

#[test]
fn a_rate_is_printed_as_short_as_it_can_be() {
    for (text, printed) in [
        ("1.0850", "1.085"),
        ("0150", "150"),
        ("0.0000000001", "0.0000000001"),
        ("999999999.9999999999", "999999999.9999999999"),
    ] {
        assert_eq!(rate(text).to_string(), printed);
        assert_eq!(rate(printed), rate(text));
    }
}

#[test]
fn currencies_still_do_not_mix_without_a_rate_and_a_rate_needs_two() {
    let mut world = bank().with(4, BOB, "0");
    let mismatch = Refusal::CurrencyMismatch { account: currency("EUR"), order: Currency::USD };
    assert_eq!(world.transfer(user(ADA), 1, 2, "1"), Err(mismatch));
    assert_eq!(world.exchange(1, 4, "1", "1"), Err(Refusal::RateWithoutExchange));
    let order = world.order(Kind::Deposit, 1, "1");
    let order = NewTransaction { price: Some(Price::Rate(rate("1"))), ..order };
    assert_eq!(world.create(ROOT, order), Err(Refusal::RateWithoutExchange));
}

#[test]
fn a_rate_is_named_only_by_who_may_change_how_much_money_there_is() {
    let mut world = bank();
    world.put(2, ADA, "EUR", AccountStatus::Active, "0");
    let order = world.order(Kind::Transfer, 1, "1");
    let order = NewTransaction {
        target: Some(account_id(2)),
        price: Some(Price::Rate(rate("1000000"))),
        complete: false,
        ..order
    };
    assert_eq!(world.create(MODEST, order.clone()), Err(Refusal::RateNotAllowed));
    let agreed = world.create(ROOT, order).unwrap().legs[0].id;
    assert!(world.complete(MODEST, agreed).is_ok(), "what was agreed, its sender completes");
}

#[test]
fn what_rounds_to_nothing_or_beyond_the_column_is_no_exchange() {
    let too_small = Refusal::ExchangeTooSmall { currency: currency("EUR") };
    assert_eq!(bought("USD", "0.01", "0.5", "EUR"), Err(too_small));
    let too_small = Refusal::ExchangeTooSmall { currency: currency("JPY") };
    assert_eq!(bought("USD", "1", "0.5", "JPY"), Err(too_small));
    assert_eq!(bought("USD", "9999999999999.99", "1.1", "EUR"), Err(Refusal::BalanceTooLarge));
    let most = bought("USD", "9999999999999.99", "999999999.9999999999", "EUR");
    assert_eq!(most, Err(Refusal::BalanceTooLarge));
}

#[test]
fn the_target_is_rounded_down_to_its_smallest_coin() {
    for (text, at, target, got, left) in [
        ("1", "0.999", "EUR", "0.99", "0.009000000000"),
        ("1.01", "0.9999", "EUR", "1.00", "0.009899000000"),
        ("10", "0.9219", "EUR", "9.21", "0.009000000000"),
        ("1", "149.9999999999", "JPY", "149.00", "0.999999999900"),
        ("1", "150.5", "JPY", "150.00", "0.500000000000"),
        ("3", "2", "EUR", "6.00", "0.000000000000"),
        ("0.01", "1", "EUR", "0.01", "0.000000000000"),
    ] {
        let bought = bought("USD", text, at, target);
        assert_eq!(bought, Ok((got.to_owned(), left.to_owned())), "{text} at {at}");
    }
}

#[test]
fn what_rounding_would_make_a_hundredth_cheaper_is_no_exchange() {
    for (source, text, at, target, least) in [
        ("USD", "0.01", "1.5", "EUR", Some("0.67")),
        ("USD", "0.5", "0.999", "EUR", Some("1.01")),
        ("USD", "0.99", "1.0201", "EUR", None),
        ("USD", "0.97", "1.0206", "EUR", Some("0.98")),
        ("USD", "0.5", "148.2", "JPY", None),
        ("USD", "0.5", "151.9", "JPY", Some("0.66")),
        ("JPY", "100", "0.0199", "USD", None),
        ("JPY", "1", "0.0199", "USD", Some("51")),
        ("USD", "1149999999", "0.0000000002", "EUR", Some("5000000000")),
    ] {
        let refused = least.map(|least| Refusal::RoundingTooLarge {
            given: currency(source),
            got: currency(target),
            least: Some(amount(least)),
        });
        assert_eq!(bought(source, text, at, target).err(), refused, "{text} {source} at {at}");
        if let Some(least) = least {
            assert!(bought(source, least, at, target).is_ok(), "{least} {source} at {at}");
        }
    }
}

#[test]
fn a_cent_sent_to_and_fro_does_not_grow() {
    let mut world = World::new().with(1, ADA, "1");
    world.put(2, ADA, "EUR", AccountStatus::Active, "0");
    for text in ["0.01", "0.02", "0.99"] {
        for _ in 0..100 {
            for (from, to, at) in [(1, 2, "1.5"), (2, 1, "0.6666666666")] {
                if let Ok(sent) = world.exchange(from, to, text, at) {
                    world.complete(ROOT, sent.legs[0].id).unwrap();
                }
            }
        }
    }
    let held = |n| world.book.account(account_id(n)).unwrap().balance.hundredths();
    let worth = held(1) * 3 + held(2) * 2;
    assert!(worth <= 300, "{:?} and {:?} were one dollar", world.funds(1), world.funds(2));
}

#[test]
fn an_exchange_goes_through_the_banks_conversion_accounts() {
    let mut world = bank();
    let decision = world.exchange(1, 2, "10", "0.9219").unwrap();
    let [sent, received] = &decision.legs[..] else { panic!("{decision:?}") };
    assert_eq!((sent.amount, sent.currency), (amount("10"), Currency::USD));
    assert_eq!((received.amount, received.currency), (amount("9.21"), currency("EUR")));
    let exchange = decision.exchange.unwrap();
    assert_eq!(exchange.rounded, currency("EUR"));
    assert_eq!(world.book.exchange(sent.id), Some(&exchange));
    assert_eq!(world.funds(1), funds("1000.00", "990.00"), "pending, it holds the source");
    assert_eq!(world.book.carried(currency("EUR")), Remainder(0));

    let done = world.complete(ROOT, sent.id).unwrap();
    assert_eq!(done.exchange, None, "it was created before");
    assert_eq!(
        (world.funds(1), world.funds(2)),
        (funds("990.00", "990.00"), funds("9.21", "9.21"))
    );
    let moved: Vec<_> = done
        .entries
        .iter()
        .map(|entry| (entry.transaction, entry.source.account, entry.target.account, entry.amount))
        .collect();
    let conversion = |code| SystemAccount::Conversion.id(currency(code));
    let expected = [
        (sent.id, account_id(1), conversion("USD"), amount("10")),
        (received.id, conversion("EUR"), account_id(2), amount("9.21")),
    ];
    assert_eq!(moved, expected);
    assert_eq!(done.legs[1].captured, amount("9.21").into());
    assert_eq!(world.book.carried(currency("EUR")), Remainder(9_000_000_000));
}

#[test]
fn a_carried_coin_is_booked_as_soon_as_it_is_whole() {
    let mut world = bank();
    let buy = |world: &mut World, at| {
        let id = world.exchange(1, 2, "1", at).unwrap().legs[0].id;
        world.complete(ROOT, id).unwrap()
    };
    let first = buy(&mut world, "1.005");
    assert_eq!(first.entries.len(), 2);
    let done = buy(&mut world, "1.005");
    let eur = currency("EUR");
    let coin = done.entries.last().unwrap();
    assert_eq!((coin.transaction, coin.amount), (done.legs[1].id, amount("0.01")));
    assert_eq!(coin.source.account, SystemAccount::Conversion.id(eur));
    assert_eq!(coin.target.account, SystemAccount::Rounding.id(eur));
    assert_eq!((coin.source.history, coin.target.history), (None, None));
    assert_eq!(world.book.carried(eur), Remainder(0));

    let back = world.reverse(ROOT, done.legs[0].id, None).unwrap();
    assert_eq!(back.entries.len(), 2, "half a coin back is carried");
    let back = world.reverse(ROOT, first.legs[0].id, None).unwrap();
    let coin = back.entries.last().unwrap();
    assert_eq!(coin.source.account, SystemAccount::Rounding.id(eur));
    assert_eq!(coin.target.account, SystemAccount::Conversion.id(eur));
}

#[test]
fn an_exchange_is_captured_as_a_whole_or_not_at_all() {
    let mut world = bank();
    let id = world.exchange(1, 2, "10", "0.9").unwrap().legs[0].id;
    assert_eq!(world.capture(ROOT, id, "9.99"), Err(Refusal::ExchangeIsWhole));
    let part = Action::Capture(Capture { id, amount: Some(amount("1")), last: true });
    assert_eq!(world.decide(ROOT, &part), Err(Refusal::ExchangeIsWhole));
    let above = world.capture(ROOT, id, "10.01");
    assert!(matches!(above, Err(Refusal::CaptureExceedsHold { .. })));
    assert_eq!(world.capture(ROOT, id, "10").unwrap().legs[0].status, Status::Completed);
}

#[test]
fn a_cancelled_exchange_leaves_no_remainder() {
    let mut world = bank();
    let id = world.exchange(1, 2, "10", "0.9219").unwrap().legs[0].id;
    let ended = world.cancel(user(ADA), id).unwrap();
    assert!(ended.legs.iter().all(|leg| leg.status == Status::Failed));
    assert_eq!(world.funds(1), funds("1000.00", "1000.00"));
    assert_eq!(world.book.carried(currency("EUR")), Remainder(0));
}

#[test]
fn an_exchange_the_book_was_not_told_of_is_not_booked() {
    let mut world = bank();
    let legs = world.exchange(1, 2, "10", "0.9").unwrap().legs;
    let mut book = ledger::Book::new(NOON);
    world.book.accounts().cloned().for_each(|account| book.add_account(account));
    legs.iter().cloned().for_each(|leg| book.add_leg(leg));
    world.book = book;
    assert_eq!(world.complete(ROOT, legs[0].id), Err(Refusal::TransactionNotFound));
    assert!(world.cancel(ROOT, legs[0].id).is_ok());
}

#[test]
fn an_exchange_comes_back_as_a_whole_to_the_coin_and_with_its_remainder() {
    let mut world = bank();
    let legs = world.exchange(1, 2, "10", "0.9219").unwrap().legs;
    world.complete(ROOT, legs[0].id).unwrap();
    assert_eq!(world.reverse(ROOT, legs[0].id, Some("9.99")), Err(Refusal::ExchangeIsWhole));
    let above = world.reverse(ROOT, legs[0].id, Some("10.01"));
    assert!(matches!(above, Err(Refusal::ReversalExceedsOriginal { .. })));

    let back = world.reverse(user(BOB), legs[1].id, Some("10")).unwrap();
    assert_eq!(
        (world.funds(1), world.funds(2)),
        (funds("1000.00", "1000.00"), funds("0.00", "0.00"))
    );
    let exchange = back.exchange.unwrap();
    assert_eq!(
        (exchange.source_currency, exchange.source_amount),
        (currency("EUR"), amount("9.21"))
    );
    assert_eq!((exchange.target_currency, exchange.target_amount), (Currency::USD, amount("10")));
    assert_eq!((exchange.rate, exchange.rounded), (rate("0.9219"), currency("EUR")));
    assert_eq!(exchange.remainder, Remainder(-9_000_000_000));
    assert_eq!(world.book.exchange(back.legs[0].id), Some(&exchange));
    let reversed: Vec<_> = back.amended.iter().map(|leg| leg.reversed).collect();
    assert_eq!(reversed, [amount("10").into(), amount("9.21").into()]);
    assert_eq!(world.book.carried(currency("EUR")), Remainder(0), "nothing is left over");
    assert_eq!(world.reverse(ROOT, legs[0].id, None), Err(Refusal::AlreadyReversed));
    assert_eq!(world.reverse(ROOT, back.legs[0].id, None), Err(Refusal::ReversalIsFinal));
}

#[test]
fn a_coin_booked_by_a_reversal_hangs_on_its_leg_in_that_currency() {
    let mut world = bank();
    let legs = world.exchange(1, 2, "1", "1.005").unwrap().legs;
    world.complete(ROOT, legs[0].id).unwrap();
    world.book.set_carried(currency("EUR"), Remainder(-6_000_000_000));
    let back = world.reverse(ROOT, legs[0].id, None).unwrap();
    let coin = back.entries.last().unwrap();
    assert_eq!((coin.transaction, coin.currency), (back.legs[0].id, currency("EUR")));
    assert_eq!(world.book.carried(currency("EUR")), Remainder(-1_000_000_000));
}

#[test]
fn a_customer_does_not_reverse_an_exchange_at_its_old_rate() {
    let mut world = bank();
    let legs = world.exchange(1, 2, "10", "0.9").unwrap().legs;
    world.complete(ROOT, legs[0].id).unwrap();
    let bob = Authority { only: Some(BOB), settles: false };
    assert_eq!(world.reverse(bob, legs[1].id, None), Err(Refusal::RateNotAllowed));
    assert_eq!(world.reverse(MODEST, legs[0].id, None), Err(Refusal::ReversalNotYours));
    assert!(world.reverse(ROOT, legs[0].id, None).is_ok());
}

#[test]
fn a_pending_exchange_ends_soon_unless_who_may_name_its_rate_says_when() {
    let mut world = bank();
    let sent = world.exchange(1, 2, "10", "0.9").unwrap();
    let soon = Moment(NOON.0 + MINUTE);
    assert!(sent.legs.iter().all(|leg| leg.expires == Some(soon)), "{:?}", sent.legs);
    let order = NewTransaction {
        target: Some(account_id(2)),
        price: Some(Price::Rate(rate("0.9"))),
        expires: Some(hours_later(5)),
        ..world.order(Kind::Transfer, 1, "10")
    };
    let long = world.create(ROOT, order).unwrap().legs;
    assert_eq!(long[0].expires, Some(hours_later(5)));
    let done = NewTransaction {
        target: Some(account_id(2)),
        price: Some(Price::Rate(rate("0.9"))),
        complete: true,
        ..world.order(Kind::Transfer, 1, "10")
    };
    assert_eq!(world.create(ROOT, done).unwrap().legs[0].expires, None);
    world.at(soon);
    for by in [MODEST, ROOT] {
        assert_eq!(world.complete(by, sent.legs[0].id), Err(Refusal::TransactionExpired));
    }
    assert!(world.complete(MODEST, long[0].id).is_ok());
}

#[test]
fn a_pending_exchange_from_before_there_was_an_expiry_is_not_the_customers_to_complete() {
    let mut world = bank();
    let sent = world.exchange(1, 2, "10", "0.9").unwrap().legs;
    for leg in &sent {
        world.book.add_leg(Leg { expires: None, ..leg.clone() });
    }
    assert_eq!(world.complete(MODEST, sent[0].id), Err(Refusal::RateNotAllowed));
    assert_eq!(world.capture(MODEST, sent[0].id, "10"), Err(Refusal::RateNotAllowed));
    assert!(world.complete(ROOT, sent[0].id).is_ok());
}

/// Values that are exact decimals of each other.
const VALUES: [u64; 4] = [1, 2, 25, 160];

/// The bank's rate from one of four currencies to another, in either direction of a pair.
fn offered(from: usize, to: usize, spread: Spread) -> Rate {
    let middle = |a: usize, b: usize| {
        assert_eq!(VALUES[a] * 10_000_000_000 % VALUES[b], 0);
        Rate::from_parts(VALUES[a] * 10_000_000_000 / VALUES[b]).unwrap()
    };
    match from < to {
        true => middle(from, to).with_spread(spread).unwrap(),
        false => middle(to, from).inverse_with_spread(spread).unwrap(),
    }
}

proptest! {
    #[test]
    fn no_sequence_of_exchanges_makes_money_for_a_customer(
        steps in prop::collection::vec((0_usize..4, 0_usize..4, 1_i64..2_000), 1..200),
        spread in 0_u32..50_000,
    ) {
        let codes = ["USD", "EUR", "JPY", "CHF"].map(currency);
        let spread = Spread::from_parts(spread).unwrap();
        let mut purse = [1_000_i64; 4];
        for (from, to, part) in steps {
            let part = (part % 1_000 * codes[from].unit()).min(purse[from]);
            let part = part / codes[from].unit() * codes[from].unit();
            let Some(given) = ledger::Amount::from_hundredths(part) else { continue };
            if from == to {
                continue;
            }
            let worth = |purse: &[i64; 4]| -> i64 {
                purse.iter().zip(VALUES).map(|(held, value)| held * i64::try_from(value).unwrap()).sum()
            };
            let before = worth(&purse);
            let rate = offered(from, to, spread);
            if let Ok(exchange) = Exchange::at(rate, given, codes[from], codes[to]) {
                purse[from] -= part;
                purse[to] += exchange.target_amount.hundredths();
            }
            prop_assert!(worth(&purse) <= before);
        }
    }

    #[test]
    fn to_and_fro_at_one_middle_rate_never_gains(parts in 1_u64..u64::MAX / 2, spread in 0_u32..1_000_000) {
        let (rate, spread) = (Rate::from_parts(parts), Spread::from_parts(spread).unwrap());
        let Some(rate) = rate else { return Ok(()) };
        let (to, fro) = (rate.with_spread(spread), rate.inverse_with_spread(spread));
        if let (Some(to), Some(fro)) = (to, fro) {
            prop_assert!(to <= rate);
            let both = u128::from(to.parts()) * u128::from(fro.parts());
            prop_assert!(both <= 10_u128.pow(20), "{to} and {fro}");
        }
    }

    #[test]
    fn source_times_rate_is_target_plus_remainder_exactly(
        hundredths in 1_i64..1_000_000_000, parts in 1_u64..10_000_000_000_000, yen: bool,
    ) {
        let target = currency(if yen { "JPY" } else { "EUR" });
        let source = ledger::Amount::from_hundredths(hundredths).unwrap();
        let rate = Rate::from_parts(parts).unwrap();
        if let Ok(exchange) = Exchange::at(rate, source, Currency::USD, target) {
            let exact = i128::from(hundredths) * i128::from(parts);
            let got = i128::from(exchange.target_amount.hundredths()) * 10_000_000_000;
            prop_assert_eq!(exact, got + exchange.remainder.0);
            let coin = if yen { 1_000_000_000_000 } else { 10_000_000_000_i128 };
            prop_assert!((0..coin).contains(&exchange.remainder.0), "for the bank, less than a coin");
            prop_assert!(exchange.remainder.0 * 100 <= exact, "at most a hundredth");
            prop_assert_eq!(got % coin, 0);
        }
    }

    #[test]
    fn no_text_makes_the_rate_panic_and_what_it_prints_reads_back(text in "[0-9.-]{0,14}") {
        if let Ok(rate) = Rate::parse(&text) {
            prop_assert_eq!(Rate::parse(&rate.to_string()), Ok(rate));
        }
    }
}
