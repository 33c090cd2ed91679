//! Account numbers and references have the documented form.

use ledger::{AccountNumber, Currency, NumberKey, Reference, SystemAccount};
use proptest::prelude::*;
use std::collections::HashSet;

#[test]
fn ten_thousand_account_numbers_are_all_different_and_in_no_visible_order() {
    let key = NumberKey(0x1234_5678_9abc_def0_0fed_cba9_8765_4321);
    let numbers: Vec<String> =
        (0..10_000).map(|n| AccountNumber::nth(n, key).unwrap().to_string()).collect();
    assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), numbers.len());
    let ascending = numbers.windows(2).filter(|pair| pair[0] < pair[1]).count();
    assert!((4_000..6_000).contains(&ascending), "{ascending} of 9999 neighbours ascend");
}

#[test]
fn the_last_number_is_followed_by_none() {
    let key = NumberKey(7);
    assert!(AccountNumber::nth(99_999_999_999, key).is_some());
    assert!(AccountNumber::nth(100_000_000_000, key).is_none());
}

#[test]
fn another_key_gives_other_numbers() {
    assert_ne!(AccountNumber::nth(1, NumberKey(1)), AccountNumber::nth(1, NumberKey(2)));
}

#[test]
fn the_accounts_of_the_bank_itself_spell_purpose_and_currency() {
    let usd = Currency::parse("USD").unwrap();
    let eur = Currency::parse("EUR").unwrap();
    assert_eq!(SystemAccount::Cash.id(usd).to_string(), "00000000-0000-8000-8001-000000555344");
    let rounding = SystemAccount::Rounding.id(eur);
    assert_eq!(rounding.to_string(), "00000000-0000-8000-8004-000000455552");
    let all: HashSet<_> = [
        SystemAccount::Cash,
        SystemAccount::Adjustments,
        SystemAccount::Conversion,
        SystemAccount::Rounding,
    ]
    .into_iter()
    .flat_map(|account| [account.id(usd), account.id(eur)])
    .collect();
    assert_eq!(all.len(), 8);
}

proptest! {
    #[test]
    fn every_number_reads_back_and_no_single_mistyped_digit_does(n in 0_u64..100_000_000_000, key: u128, place in 2_usize..14, by in 1_u8..10) {
        let number = AccountNumber::nth(n, NumberKey(key)).unwrap().to_string();
        prop_assert_eq!(number.len(), 14);
        prop_assert_eq!(AccountNumber::parse(&number).map(|n| n.to_string()), Ok(number.clone()));
        let mut mistyped = number.into_bytes();
        mistyped[place] = b'0' + (mistyped[place] - b'0' + by) % 10;
        prop_assert!(AccountNumber::parse(std::str::from_utf8(&mistyped).unwrap()).is_err());
    }

    #[test]
    fn a_reference_has_the_documented_form(seconds in 0_i64..10_000_000_000, random: u32) {
        let reference = Reference::new(seconds, random).to_string();
        let mut parts = reference.split('-');
        prop_assert_eq!(parts.next(), Some("TXN"));
        let expected = seconds.to_string();
        prop_assert_eq!(parts.next(), Some(expected.as_str()));
        let suffix = parts.next().unwrap();
        prop_assert!(suffix.len() == 6 && suffix.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
        prop_assert_eq!(parts.next(), None);
    }
}
