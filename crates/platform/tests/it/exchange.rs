//! Foreign exchange: two amounts, one rate, and not a fraction lost.

use crate::book::{assert_sound, count};
use crate::life::{amount, held, reverse, second};
use crate::money::{draft, funds, order, transfer};
use ledger::{Currency, Kind, Rate, Status, SystemAccount};
use platform::{
    Actor, Error, Settings,
    accounts::Account,
    entries::{self, EntryFilter, Order},
    error::Forbidden,
    orders::{self, Draft, Price},
    page::PageRequest,
    transactions::{self, RateSource},
};
use testkit::{Bank, bank, bank_with, settings};
use tokio_postgres::Client;

const ALL: EntryFilter = EntryFilter { from: None, to: None, order: Order::Descending };

pub fn at(rate: &str, new: Draft) -> Draft {
    let source = RateSource::parse("ECB 2026-01-15").unwrap();
    Draft { exchange: Some(Price::Rate(Rate::parse(rate).unwrap(), source)), ..new }
}

async fn in_two_currencies(bank: &Bank, other: &str) -> (Actor, Account, Account) {
    let ada = bank.user("ada@example.com").await;
    let dollars = bank.account(&ada).with("1000").await;
    let others = bank.account(&ada).in_currency(other).empty().await;
    (ada, dollars, others)
}

/// What the bank's own account holds, by its entries.
async fn holds(client: &Client, account: SystemAccount, currency: &str) -> String {
    let id = account.id(Currency::parse(currency).unwrap()).0;
    let sum = "SELECT coalesce(sum(CASE target_id WHEN $1 THEN amount ELSE -amount END), 0)::text
                 FROM wallstreet.entries WHERE $1 IN (source_id, target_id)";
    client.query_one(sum, &[&id]).await.unwrap().get(0)
}

async fn carried(client: &Client, currency: &str) -> String {
    let carried = "SELECT carried::text FROM wallstreet.rounding WHERE currency = $1";
    client.query_one(carried, &[&currency]).await.unwrap().get(0)
}

#[tokio::test]
async fn nobody_names_their_own_rate_where_users_do_not_make_money_by_word() {
    let bank = bank_with(Settings { users_settle: false, ..settings() }).await;
    let (ada, dollars, euros) = in_two_currencies(&bank, "EUR").await;
    let wish = at("1000000", transfer(&dollars, &euros, "1"));
    for wish in [wish.clone(), held(wish.clone())] {
        let error = order(&bank, &ada, wish).await.unwrap_err();
        assert!(matches!(error, Error::Forbidden(Forbidden::Rate)), "{error:?}");
    }
    order(&bank, &bank.admin().await, at("0.9", transfer(&dollars, &euros, "1"))).await.unwrap();
    assert_eq!(funds(&bank, &ada, &euros).await, "0.90 / 0.90");
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn an_exchange_needs_a_rate_two_currencies_and_at_least_a_coin() {
    let bank = bank().await;
    let (ada, dollars, euros) = in_two_currencies(&bank, "EUR").await;
    let more = bank.account(&ada).empty().await;
    let yen = bank.account(&ada).in_currency("JPY").empty().await;
    for (new, code) in [
        (transfer(&dollars, &euros, "1"), "currency_mismatch"),
        (at("1.1", transfer(&dollars, &more, "1")), "rate_without_exchange"),
        (at("0.4", transfer(&dollars, &euros, "0.01")), "exchange_too_small"),
        (at("0.4", transfer(&dollars, &yen, "1")), "exchange_too_small"),
        (at("1.5", transfer(&dollars, &euros, "0.01")), "rounding_too_large"),
        (at("1.95", transfer(&dollars, &yen, "1")), "rounding_too_large"),
        (at("100", transfer(&yen, &dollars, "0.50")), "fraction_of_unit"),
        (at("999999999", transfer(&dollars, &yen, "999999")), "balance_too_large"),
        (at("1.1", draft(Kind::Withdrawal, &dollars, "1")), "validation_failed"),
    ] {
        assert_eq!(order(&bank, &ada, new).await.unwrap_err().code(), code);
    }
    assert_eq!(count(&bank.client().await, "wallstreet.exchanges").await, 0);
}

#[tokio::test]
async fn an_exchange_is_two_amounts_through_the_conversion_accounts_of_both_currencies() {
    let bank = bank().await;
    let (ada, dollars, euros) = in_two_currencies(&bank, "EUR").await;
    let given =
        order(&bank, &ada, at("0.9217", transfer(&dollars, &euros, "99.99"))).await.unwrap();
    assert_eq!((given.status, given.amount), (Status::Completed, amount("99.99")));
    let terms = given.exchange.clone().unwrap();
    assert_eq!(terms.rate_source, "ECB 2026-01-15");
    // 99.99 × 0.9217 = 92.160783
    assert_eq!(terms.terms.target_amount, amount("92.16"));
    assert_eq!(terms.terms.remainder.to_string(), "0.000783000000");
    let got = transactions::get(&bank.platform, &ada, given.paired_transaction_id.unwrap());
    let got = got.await.unwrap();
    assert_eq!((got.amount, got.currency.code()), (amount("92.16"), "EUR"));
    assert_eq!(got.exchange, given.exchange, "both halves tell the same");
    assert_eq!(funds(&bank, &ada, &dollars).await, "900.01 / 900.01");
    assert_eq!(funds(&bank, &ada, &euros).await, "92.16 / 92.16");
    let client = bank.client().await;
    assert_eq!(holds(&client, SystemAccount::Conversion, "USD").await, "99.99");
    assert_eq!(holds(&client, SystemAccount::Conversion, "EUR").await, "-92.16");
    assert_eq!(carried(&client, "EUR").await, "0.000783000000");
    let entries = entries::list(&bank.platform, &ada, euros.id, ALL, PageRequest::default()).await;
    let entry = entries.unwrap().items.remove(0);
    assert_eq!((entry.transaction_id, entry.balance.to_string()), (got.id, "92.16".to_owned()));
    assert_sound(&client).await;
}

#[tokio::test]
async fn what_many_roundings_leave_is_carried_and_booked_when_it_makes_a_coin() {
    let bank = bank().await;
    let (ada, dollars, euros) = in_two_currencies(&bank, "EUR").await;
    for n in 1..=60 {
        let rate = ["0.9999", "0.3333333333", "1.0049"][n % 3];
        let new = at(rate, transfer(&dollars, &euros, &format!("3.{:02}", n % 50 + 2)));
        orders::create_all(
            &bank.platform,
            &ada,
            vec![(new.clone(), None), (new, None)],
            n % 2 == 0,
        )
        .await
        .unwrap()
        .into_iter()
        .for_each(|answer| assert!(answer.is_ok(), "{answer:?}"));
    }
    let client = bank.client().await;
    let exact = "SELECT (sum(source_amount * rate) - sum(target_amount))::numeric(30, 12)::text,
                        trunc(sum(source_amount * rate) - sum(target_amount), 2)::text
                   FROM wallstreet.exchanges";
    let row = client.query_one(exact, &[]).await.unwrap();
    let (left, coins): (String, String) = (row.get(0), row.get(1));
    assert_ne!(coins, "0.00", "{left} is to make a coin");
    let booked = holds(&client, SystemAccount::Rounding, "EUR").await;
    let sum = "SELECT ($1::text::numeric + $2::text::numeric)::numeric(30, 12)::text";
    let sum = client.query_one(sum, &[&booked, &carried(&client, "EUR").await]).await.unwrap();
    assert_eq!(sum.get::<_, String>(0), left, "{booked} of it is booked");
    assert_ne!(booked, "0.00");
    assert_sound(&client).await;
}

#[tokio::test]
async fn given_back_an_exchange_leaves_nothing_behind_and_only_as_a_whole() {
    let bank = bank().await;
    let (ada, dollars, euros) = in_two_currencies(&bank, "EUR").await;
    let given =
        order(&bank, &ada, at("0.3333", transfer(&dollars, &euros, "10.01"))).await.unwrap();
    let part = reverse(&bank, &ada, given.id, "1").await.unwrap_err();
    assert_eq!(part.code(), "exchange_is_whole");
    let back = reverse(&bank, &ada, given.id, "").await.unwrap();
    assert_eq!((back.account_id, back.amount), (euros.id, amount("3.33")));
    let terms = back.exchange.clone().unwrap();
    assert_eq!(
        (terms.terms.rate.to_string().as_str(), terms.rate_source.as_str()),
        ("0.3333", "ECB 2026-01-15")
    );
    let stored = transactions::get(&bank.platform, &ada, back.id).await.unwrap();
    assert_eq!(stored.exchange, back.exchange);
    assert_eq!(reverse(&bank, &ada, given.id, "").await.unwrap_err().code(), "already_reversed");
    assert_eq!(funds(&bank, &ada, &dollars).await, "1000.00 / 1000.00");
    assert_eq!(funds(&bank, &ada, &euros).await, "0.00 / 0.00");
    let client = bank.client().await;
    assert_eq!(carried(&client, "EUR").await, "0.000000000000");
    assert_eq!(holds(&client, SystemAccount::Conversion, "USD").await, "0.00");
    assert_sound(&client).await;
}

#[tokio::test]
async fn yen_are_bought_and_sold_in_whole_units() {
    let bank = bank().await;
    let (ada, dollars, yen) = in_two_currencies(&bank, "JPY").await;
    let bought =
        order(&bank, &ada, at("156.789", transfer(&dollars, &yen, "12.34"))).await.unwrap();
    // 12.34 × 156.789 = 1934.77626
    let terms = bought.exchange.unwrap().terms;
    assert_eq!(terms.target_amount, amount("1934"));
    assert_eq!(terms.remainder.to_string(), "0.776260000000");
    order(&bank, &ada, at("0.0063", transfer(&yen, &dollars, "1000"))).await.unwrap();
    assert_eq!(funds(&bank, &ada, &yen).await, "934.00 / 934.00");
    assert_eq!(funds(&bank, &ada, &dollars).await, "993.96 / 993.96");
    for _ in 0..5 {
        order(&bank, &ada, at("156.789", transfer(&dollars, &yen, "12.34"))).await.unwrap();
    }
    let client = bank.client().await;
    assert_eq!(holds(&client, SystemAccount::Rounding, "JPY").await, "4.00");
    reverse(&bank, &ada, bought.id, "").await.unwrap();
    assert_sound(&client).await;
}

#[tokio::test]
async fn a_pending_exchange_holds_its_source_and_is_captured_as_a_whole_at_the_agreed_rate() {
    let bank = bank().await;
    let (ada, dollars, euros) = in_two_currencies(&bank, "EUR").await;
    let new = || held(at("0.9001", transfer(&dollars, &euros, "100.05")));
    let (first, second) =
        (order(&bank, &ada, new()).await.unwrap(), order(&bank, &ada, new()).await.unwrap());
    assert_eq!(funds(&bank, &ada, &dollars).await, "1000.00 / 799.90");
    let client = bank.client().await;
    let capture =
        async |part| orders::capture(&bank.platform, &ada, first.id, part, false, None).await;
    assert_eq!(capture(Some(amount("1"))).await.unwrap_err().code(), "exchange_is_whole");
    assert_eq!(carried(&client, "EUR").await, "0.000000000000", "nothing is booked yet");
    let done = capture(None).await.unwrap().value;
    assert_eq!((done.status, done.captured_amount), (Status::Completed, None));
    orders::cancel(&bank.platform, &ada, second.id, None).await.unwrap();
    assert_eq!(funds(&bank, &ada, &dollars).await, "899.95 / 899.95");
    assert_eq!(funds(&bank, &ada, &euros).await, "90.05 / 90.05");
    assert_sound(&client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exchanges_in_both_directions_race_on_two_servers_and_lose_no_fraction() {
    let bank = bank().await;
    let other = second(&bank).await;
    let ada = bank.user("ada@example.com").await;
    let mut pairs = Vec::new();
    for _ in 0..4 {
        let dollars = bank.account(&ada).with("100").await;
        let euros = bank.account(&ada).in_currency("EUR").with("100").await;
        pairs.push((dollars, euros));
    }
    let attempts: Vec<_> = (0..80)
        .map(|n: usize| {
            let (dollars, euros) = &pairs[n / 2 % 4];
            let (from, to) = if n.is_multiple_of(2) { (dollars, euros) } else { (euros, dollars) };
            let new = at("1.0047", transfer(from, to, &format!("0.{:02}", n + 3)));
            let platform = if n.is_multiple_of(3) { bank.platform.clone() } else { other.clone() };
            let ada = ada.clone();
            tokio::spawn(async move { orders::create(&platform, &ada, new, None).await })
        })
        .collect();
    for attempt in attempts {
        attempt.await.unwrap().unwrap();
    }
    let client = bank.client().await;
    assert_eq!(count(&client, "wallstreet.exchanges").await, 80);
    assert_sound(&client).await;
}

#[tokio::test]
async fn a_cent_exchanged_to_and_fro_a_hundred_times_does_not_grow() {
    let bank = bank().await;
    let (ada, dollars, euros) = in_two_currencies(&bank, "EUR").await;
    for _ in 0..100 {
        for (rate, from, to) in [("1.5", &dollars, &euros), ("0.6666666666", &euros, &dollars)] {
            for text in ["0.01", "0.02"] {
                let _ = order(&bank, &ada, at(rate, transfer(from, to, text))).await;
            }
        }
    }
    let client = bank.client().await;
    let worth =
        "SELECT (sum(CASE currency WHEN 'USD' THEN balance * 3 ELSE balance * 2 END) <= 3000)
                   FROM accounts";
    assert!(client.query_one(worth, &[]).await.unwrap().get::<_, bool>(0));
    assert_ne!(count(&client, "wallstreet.exchanges").await, 0, "some of it is exchanged");
    assert_sound(&client).await;
}

#[tokio::test]
async fn a_pending_exchange_ends_after_a_minute_also_an_administrators() {
    let bank = bank_with(Settings { users_settle: false, ..settings() }).await;
    let (ada, dollars, euros) = in_two_currencies(&bank, "EUR").await;
    let admin = bank.admin().await;
    let short =
        order(&bank, &admin, held(at("0.9", transfer(&dollars, &euros, "10")))).await.unwrap();
    let minute = bank.platform.now() + jiff::SignedDuration::from_secs(60);
    assert_eq!(short.expires_at, Some(minute));
    let later = bank.platform.now() + jiff::SignedDuration::from_hours(3);
    let long = Draft { expires: Some(later), ..held(at("0.9", transfer(&dollars, &euros, "10"))) };
    let long = order(&bank, &admin, long).await.unwrap();
    assert_eq!(long.expires_at, Some(later));
    bank.clock.advance(jiff::SignedDuration::from_secs(60));
    let error = orders::process(&bank.platform, &ada, short.id, None).await.unwrap_err();
    assert_eq!(error.code(), "transaction_expired");
    assert_eq!(orders::expire(&bank.platform).await.unwrap(), 1);
    orders::process(&bank.platform, &ada, long.id, None).await.unwrap();
    assert_eq!(funds(&bank, &ada, &dollars).await, "990.00 / 990.00");
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn a_customer_has_no_old_rate_back_by_any_way() {
    let bank = bank_with(Settings { users_settle: false, ..settings() }).await;
    let (ada, dollars, euros) = in_two_currencies(&bank, "EUR").await;
    let admin = bank.admin().await;
    let sent = order(&bank, &admin, at("0.9", transfer(&dollars, &euros, "10"))).await.unwrap();
    let got = sent.paired_transaction_id.unwrap();
    for id in [sent.id, got] {
        assert_eq!(reverse(&bank, &ada, id, "").await.unwrap_err().code(), "rate_not_allowed");
    }
    let pending =
        order(&bank, &admin, held(at("0.9", transfer(&dollars, &euros, "10")))).await.unwrap();
    // As it stands in a bank from before a pending exchange had an expiry.
    let client = bank.client().await;
    client
        .batch_execute(
            "SET session_replication_role = replica; UPDATE transactions SET expires_at = NULL;
             SET session_replication_role = origin",
        )
        .await
        .unwrap();
    bank.clock.advance(jiff::SignedDuration::from_hours(24 * 365));
    let error = orders::process(&bank.platform, &ada, pending.id, None).await.unwrap_err();
    assert_eq!(error.code(), "rate_not_allowed");
    let error = orders::capture(&bank.platform, &ada, pending.id, None, true, None).await;
    assert_eq!(error.unwrap_err().code(), "rate_not_allowed");
    orders::cancel(&bank.platform, &ada, pending.id, None).await.unwrap();
    reverse(&bank, &admin, sent.id, "").await.unwrap();
    assert_eq!(funds(&bank, &ada, &dollars).await, "1000.00 / 1000.00");
    assert_sound(&client).await;
}
