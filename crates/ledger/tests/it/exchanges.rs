//! Exchanges: two amounts, one rate, and not a fraction lost.

use crate::world::{ADA, BOB, MODEST, NOON, ROOT, World, account_id, amount, funds, user};
use ledger::{
    AccountStatus, Action, Capture, Currency, Exchange, Kind, NewTransaction, Rate, RateError,
    Refusal, Remainder, Status, SystemAccount,
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
    let order = NewTransaction { rate: Some(rate("1")), ..order };
    assert_eq!(world.create(ROOT, order), Err(Refusal::RateWithoutExchange));
}

#[test]
fn a_rate_is_named_only_by_who_may_change_how_much_money_there_is() {
    let mut world = bank();
    world.put(2, ADA, "EUR", AccountStatus::Active, "0");
    let order = world.order(Kind::Transfer, 1, "1");
    let order = NewTransaction {
        target: Some(account_id(2)),
        rate: Some(rate("1000000")),
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
fn the_target_is_rounded_half_to_even_in_its_smallest_coin() {
    for (text, at, target, got, left) in [
        ("0.01", "1.5", "EUR", "0.02", "-0.005000000000"),
        ("0.01", "2.5", "EUR", "0.02", "0.005000000000"),
        ("0.01", "2.5000000001", "EUR", "0.03", "-0.004999999999"),
        ("10", "0.9219", "EUR", "9.22", "-0.001000000000"),
        ("1", "149.5", "JPY", "150.00", "-0.500000000000"),
        ("1", "150.5", "JPY", "150.00", "0.500000000000"),
        ("3", "2", "EUR", "6.00", "0.000000000000"),
    ] {
        let bought = bought("USD", text, at, target);
        assert_eq!(bought, Ok((got.to_owned(), left.to_owned())), "{text} at {at}");
    }
}

#[test]
fn an_exchange_goes_through_the_banks_conversion_accounts() {
    let mut world = bank();
    let decision = world.exchange(1, 2, "10", "0.9219").unwrap();
    let [sent, received] = &decision.legs[..] else { panic!("{decision:?}") };
    assert_eq!((sent.amount, sent.currency), (amount("10"), Currency::USD));
    assert_eq!((received.amount, received.currency), (amount("9.22"), currency("EUR")));
    let exchange = decision.exchange.unwrap();
    assert_eq!(exchange.rounded, currency("EUR"));
    assert_eq!(world.book.exchange(sent.id), Some(&exchange));
    assert_eq!(world.funds(1), funds("1000.00", "990.00"), "pending, it holds the source");
    assert_eq!(world.book.carried(currency("EUR")), Remainder(0));

    let done = world.complete(ROOT, sent.id).unwrap();
    assert_eq!(done.exchange, None, "it was created before");
    assert_eq!(
        (world.funds(1), world.funds(2)),
        (funds("990.00", "990.00"), funds("9.22", "9.22"))
    );
    let moved: Vec<_> = done
        .entries
        .iter()
        .map(|entry| (entry.transaction, entry.source.account, entry.target.account, entry.amount))
        .collect();
    let conversion = |code| SystemAccount::Conversion.id(currency(code));
    let expected = [
        (sent.id, account_id(1), conversion("USD"), amount("10")),
        (received.id, conversion("EUR"), account_id(2), amount("9.22")),
    ];
    assert_eq!(moved, expected);
    assert_eq!(done.legs[1].captured, amount("9.22").into());
    assert_eq!(world.book.carried(currency("EUR")), Remainder(-1_000_000_000));
}

#[test]
fn a_carried_coin_is_booked_as_soon_as_it_is_whole() {
    let mut world = bank();
    let buy = |world: &mut World, at| {
        let id = world.exchange(1, 2, "0.01", at).unwrap().legs[0].id;
        world.complete(ROOT, id).unwrap()
    };
    assert_eq!(buy(&mut world, "2.5").entries.len(), 2);
    let done = buy(&mut world, "2.5");
    let eur = currency("EUR");
    let coin = done.entries.last().unwrap();
    assert_eq!((coin.transaction, coin.amount), (done.legs[1].id, amount("0.01")));
    assert_eq!(coin.source.account, SystemAccount::Conversion.id(eur));
    assert_eq!(coin.target.account, SystemAccount::Rounding.id(eur));
    assert_eq!((coin.source.history, coin.target.history), (None, None));
    assert_eq!(world.book.carried(eur), Remainder(0));

    buy(&mut world, "1.5");
    let done = buy(&mut world, "1.5");
    let coin = done.entries.last().unwrap();
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
        (currency("EUR"), amount("9.22"))
    );
    assert_eq!((exchange.target_currency, exchange.target_amount), (Currency::USD, amount("10")));
    assert_eq!((exchange.rate, exchange.rounded), (rate("0.9219"), currency("EUR")));
    assert_eq!(exchange.remainder, Remainder(1_000_000_000));
    assert_eq!(world.book.exchange(back.legs[0].id), Some(&exchange));
    let reversed: Vec<_> = back.amended.iter().map(|leg| leg.reversed).collect();
    assert_eq!(reversed, [amount("10").into(), amount("9.22").into()]);
    assert_eq!(world.book.carried(currency("EUR")), Remainder(0), "nothing is left over");
    assert_eq!(world.reverse(ROOT, legs[0].id, None), Err(Refusal::AlreadyReversed));
    assert_eq!(world.reverse(ROOT, back.legs[0].id, None), Err(Refusal::ReversalIsFinal));
}

#[test]
fn a_coin_booked_by_a_reversal_hangs_on_its_leg_in_that_currency() {
    let mut world = bank();
    let legs = world.exchange(1, 2, "0.01", "1.5").unwrap().legs;
    world.complete(ROOT, legs[0].id).unwrap();
    world.book.set_carried(currency("EUR"), Remainder(6_000_000_000));
    let back = world.reverse(ROOT, legs[0].id, None).unwrap();
    let coin = back.entries.last().unwrap();
    assert_eq!((coin.transaction, coin.currency), (back.legs[0].id, currency("EUR")));
    assert_eq!(world.book.carried(currency("EUR")), Remainder(1_000_000_000));
}

proptest! {
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
            prop_assert!(exchange.remainder.0.abs() * 2 <= coin);
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
