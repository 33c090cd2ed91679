//! Amounts are read exactly, or not at all.

use ledger::{Amount, AmountError, Currency, CurrencyError, Money};
use proptest::prelude::*;

#[test]
fn a_plain_decimal_is_read_to_the_hundredth() {
    for (text, hundredths) in [
        ("1", 100),
        ("1.5", 150),
        ("1.05", 105),
        ("0.01", 1),
        ("0007.10", 710),
        ("9999999999999.99", 999_999_999_999_999),
    ] {
        assert_eq!(Amount::parse(text).map(Amount::hundredths), Ok(hundredths), "{text}");
    }
}

#[test]
fn what_is_not_a_plain_positive_decimal_is_refused_with_its_reason() {
    use AmountError::{Malformed, NotPositive, TooLarge, TooPrecise};
    for (text, reason) in [
        ("", Malformed),
        (".", Malformed),
        (".5", Malformed),
        ("5.", Malformed),
        ("1e2", Malformed),
        ("1E2", Malformed),
        ("+1", Malformed),
        (" 1", Malformed),
        ("1 ", Malformed),
        ("1,000", Malformed),
        ("NaN", Malformed),
        ("Infinity", Malformed),
        ("-NaN", Malformed),
        ("0x10", Malformed),
        ("١", Malformed),
        ("1.2.3", Malformed),
        ("--", Malformed),
        ("0", NotPositive),
        ("0.00", NotPositive),
        ("-1", NotPositive),
        ("-0.01", NotPositive),
        ("1.001", TooPrecise),
        ("1.000", TooPrecise),
        ("10000000000000", TooLarge),
        ("10000000000000.00", TooLarge),
        ("99999999999999999999999999", TooLarge),
    ] {
        assert_eq!(Amount::parse(text), Err(reason), "{text:?}");
    }
}

#[test]
fn a_yen_has_no_hundredths_and_a_dinar_cannot_be_kept() {
    let yen = Currency::parse("JPY").unwrap();
    assert_eq!(yen.check(Amount::parse("100").unwrap()), Ok(()));
    assert_eq!(yen.check(Amount::parse("100.5").unwrap()), Err(CurrencyError::NoDecimals(yen)));
    assert_eq!(Currency::parse("KWD"), Err(CurrencyError::TooFine));
    for unknown in ["", "usd", "USDX", "ZZZ", "XXX", "XAU"] {
        assert_eq!(Currency::parse(unknown), Err(CurrencyError::Unknown), "{unknown:?}");
    }
}

#[test]
fn sums_beyond_the_documented_column_do_not_exist() {
    assert_eq!(Money::MAX.plus(Amount::parse("0.01").unwrap()), None);
    assert_eq!(Money::from_hundredths(i64::MAX), None);
    assert_eq!(Money::from_hundredths(i64::MIN), None);
}

#[test]
fn a_sum_that_may_be_nothing_is_read_like_an_amount_but_for_zero() {
    let read = |text| Money::parse(text).map(|money| money.to_string());
    assert_eq!(read("0"), Ok("0.00".to_owned()));
    assert_eq!(read("500.5"), Ok("500.50".to_owned()));
    assert_eq!(read("9999999999999.99"), Ok(Money::MAX.to_string()));
    for (text, reason) in [
        ("-0", AmountError::Negative),
        ("-5", AmountError::Negative),
        ("", AmountError::Malformed),
        ("1e3", AmountError::Malformed),
        ("0.001", AmountError::TooPrecise),
        ("10000000000000", AmountError::TooLarge),
    ] {
        assert_eq!(Money::parse(text), Err(reason), "{text:?}");
    }
}

proptest! {
    #[test]
    fn what_is_printed_reads_back_as_the_same_amount(hundredths in 1_i64..=999_999_999_999_999) {
        let amount = Amount::from_hundredths(hundredths).unwrap();
        prop_assert_eq!(Amount::parse(&amount.to_string()), Ok(amount));
    }

    #[test]
    fn no_text_makes_the_parser_panic_and_what_it_accepts_has_two_decimals(text in ".{0,24}") {
        if let Ok(amount) = Amount::parse(&text) {
            let printed = amount.to_string();
            prop_assert_eq!(printed.split_once('.').map(|(_, decimals)| decimals.len()), Some(2));
        }
    }

    #[test]
    fn taking_back_what_was_added_leaves_nothing_behind(a in -1_000_000_i64..1_000_000, b in 1_i64..1_000_000) {
        let (money, amount) = (Money::from_hundredths(a).unwrap(), Amount::from_hundredths(b).unwrap());
        prop_assert_eq!(money.plus(amount).and_then(|sum| sum.minus(amount)), Some(money));
    }
}
