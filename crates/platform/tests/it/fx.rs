//! Rates that the bank sets, and quotes that customers use once.

use crate::book::{assert_sound, count};
use crate::life::{amount, held, second};
use crate::money::{draft, funds, order, transfer};
use jiff::SignedDuration;
use ledger::{Currency, Kind, QuoteId, Rate, Spread, Status};
use platform::{
    Actor, Error, IdempotencyKey, Settings,
    accounts::Account,
    fx::{self, NewRate, Quote},
    housekeeping,
    orders::{self, Draft, Price},
    transactions::RateSource,
};
use testkit::{Bank, bank_with, settings};
use uuid::Uuid;

fn currency(code: &str) -> Currency {
    Currency::parse(code).unwrap()
}

async fn set(bank: &Bank, source: &str, target: &str, rate: &str, spread: &str) -> fx::FxRate {
    let new = NewRate {
        source: currency(source),
        target: currency(target),
        rate: Rate::parse(rate).unwrap(),
        spread: Spread::parse(spread).unwrap(),
        rate_source: RateSource::parse("ECB 2026-01-15").unwrap(),
        valid_until: None,
    };
    fx::set_rate(&bank.platform, &bank.admin().await, new).await.unwrap()
}

async fn quote(bank: &Bank, by: &Actor, pair: (&str, &str), most: &str) -> Result<Quote, Error> {
    let (pair, most) = ((currency(pair.0), currency(pair.1)), ledger::Amount::parse(most).ok());
    fx::quote(&bank.platform, by, pair, most, None).await.map(|outcome| outcome.value)
}

fn by_quote(id: QuoteId, new: Draft) -> Draft {
    Draft { exchange: Some(Price::Quote(id)), ..new }
}

/// A bank where users do not name rates; Ada has dollars and euros.
async fn setting() -> (Bank, Actor, Account, Account) {
    let bank = bank_with(Settings { users_settle: false, ..settings() }).await;
    let ada = bank.user("ada@example.com").await;
    let dollars = bank.account(&ada).with("1000").await;
    let euros = bank.account(&ada).in_currency("EUR").empty().await;
    (bank, ada, dollars, euros)
}

#[tokio::test]
async fn rates_are_set_by_who_may_settle_alone_and_serve_both_directions() {
    let (bank, ada, ..) = setting().await;
    let first = set(&bank, "USD", "EUR", "0.8", "0.01").await;
    let new = NewRate {
        source: currency("USD"),
        target: currency("EUR"),
        rate: Rate::parse("9").unwrap(),
        spread: Spread::parse("0").unwrap(),
        rate_source: RateSource::parse("me").unwrap(),
        valid_until: None,
    };
    let mine = fx::set_rate(&bank.platform, &ada, new.clone()).await;
    assert_eq!(mine.unwrap_err().code(), "admin_required");
    let rate = async |pair| quote(&bank, &ada, pair, "").await.map(|quote| quote.rate.to_string());
    assert_eq!(rate(("USD", "EUR")).await.unwrap(), "0.792");
    assert_eq!(rate(("EUR", "USD")).await.unwrap(), "1.2375");
    // The other direction takes the place of the first.
    let second = set(&bank, "EUR", "USD", "1.1", "0").await;
    assert_eq!(second.id, first.id, "a pair keeps its id");
    let admin = bank.admin().await;
    assert_eq!(fx::rates(&bank.platform, &admin).await.unwrap().len(), 1);
    assert_eq!(rate(("USD", "EUR")).await.unwrap(), "0.909090909");
    fx::remove_rate(&bank.platform, &admin, first.id).await.unwrap();
    assert_eq!(rate(("USD", "EUR")).await.unwrap_err().code(), "rate_unavailable");
    let gone = fx::remove_rate(&bank.platform, &admin, first.id).await.unwrap_err();
    assert_eq!(gone.code(), "fx_rate_not_found");
    let late = NewRate { valid_until: Some(bank.platform.now()), ..new.clone() };
    let same = NewRate { target: currency("USD"), ..new };
    for wrong in [late, same] {
        let error = fx::set_rate(&bank.platform, &admin, wrong).await.unwrap_err();
        assert_eq!(error.code(), "validation_failed");
    }
}

#[tokio::test]
async fn a_quote_ends_soon_and_not_after_its_rate() {
    let (bank, ada, ..) = setting().await;
    set(&bank, "USD", "EUR", "0.8", "0.01").await;
    let half = bank.platform.now() + SignedDuration::from_secs(30);
    assert_eq!(quote(&bank, &ada, ("USD", "EUR"), "").await.unwrap().expires_at, half);
    let soon = bank.platform.now() + SignedDuration::from_secs(5);
    let new = NewRate {
        source: currency("USD"),
        target: currency("EUR"),
        rate: Rate::parse("0.8").unwrap(),
        spread: Spread::parse("0").unwrap(),
        rate_source: RateSource::parse("ECB").unwrap(),
        valid_until: Some(soon),
    };
    fx::set_rate(&bank.platform, &bank.admin().await, new).await.unwrap();
    assert_eq!(quote(&bank, &ada, ("USD", "EUR"), "").await.unwrap().expires_at, soon);
    bank.clock.advance(SignedDuration::from_secs(5));
    let error = quote(&bank, &ada, ("USD", "EUR"), "").await.unwrap_err();
    assert_eq!(error.code(), "rate_unavailable");
}

#[tokio::test]
async fn a_quote_is_used_once_by_its_owner_for_its_pair_its_amount_and_in_its_time() {
    let (bank, ada, dollars, euros) = setting().await;
    let eve = bank.user("eve@example.com").await;
    let hers =
        (bank.account(&eve).with("100").await, bank.account(&eve).in_currency("EUR").empty().await);
    set(&bank, "USD", "EUR", "0.8", "0.01").await;
    let one = quote(&bank, &ada, ("USD", "EUR"), "100").await.unwrap();
    assert_eq!(one.target_amount(), Some(amount("79.2")));
    let code = async |by: &Actor, new: Draft| order(&bank, by, new).await.unwrap_err().code();
    let use_one = |text: &str| by_quote(one.id, transfer(&dollars, &euros, text));
    assert_eq!(
        code(&eve, by_quote(one.id, transfer(&hers.0, &hers.1, "1"))).await,
        "quote_not_found"
    );
    let foreign = fx::get(&bank.platform, &eve, one.id).await.unwrap_err();
    assert_eq!(foreign.code(), "quote_not_found");
    let nothing = by_quote(QuoteId(Uuid::nil()), transfer(&dollars, &euros, "1"));
    assert_eq!(code(&ada, nothing).await, "quote_not_found");
    assert_eq!(
        code(&ada, by_quote(one.id, transfer(&euros, &dollars, "1"))).await,
        "quote_mismatch"
    );
    assert_eq!(
        code(&ada, by_quote(one.id, draft(Kind::Withdrawal, &dollars, "1"))).await,
        "validation_failed"
    );
    assert_eq!(code(&ada, use_one("100.01")).await, "quote_amount_exceeded");
    assert_eq!(code(&ada, use_one("0.01")).await, "exchange_too_small");
    // None of these has used it.
    let done = order(&bank, &ada, use_one("50")).await.unwrap();
    assert_eq!(
        (done.status, done.exchange.unwrap().rate_source.as_str()),
        (Status::Completed, "ECB 2026-01-15")
    );
    assert_eq!(funds(&bank, &ada, &euros).await, "39.60 / 39.60");
    let used = fx::get(&bank.platform, &ada, one.id).await.unwrap();
    assert_eq!(used.transaction_id, Some(done.id));
    assert_eq!(code(&ada, use_one("50")).await, "quote_used");
    let late = quote(&bank, &ada, ("USD", "EUR"), "").await.unwrap();
    bank.clock.advance(SignedDuration::from_secs(30));
    assert_eq!(
        code(&ada, by_quote(late.id, transfer(&dollars, &euros, "1"))).await,
        "quote_expired"
    );
    let client = bank.client().await;
    let told =
        "SELECT count(*) FROM audit_logs WHERE details->>'quoteId' = $1 AND resource_id = $2";
    let told = client.query_one(told, &[&one.id.to_string(), &done.id.0]).await.unwrap();
    assert_eq!(told.get::<_, i64>(0), 1, "the trail names the quote");
    assert_sound(&client).await;
}

#[tokio::test]
async fn what_a_batch_refuses_leaves_its_quotes_unused_and_one_batch_uses_a_quote_once() {
    let (bank, ada, dollars, euros) = setting().await;
    set(&bank, "USD", "EUR", "0.8", "0").await;
    let one = quote(&bank, &ada, ("USD", "EUR"), "").await.unwrap();
    let new = |text: &str| (by_quote(one.id, transfer(&dollars, &euros, text)), None);
    let create =
        async |all, atomic| orders::create_all(&bank.platform, &ada, all, atomic).await.unwrap();
    let codes = |answers: Vec<Result<_, Error>>| -> Vec<&'static str> {
        let code = |answer: Result<_, Error>| {
            answer.map_or_else(|error| error.code(), |_: platform::Outcome<_>| "done")
        };
        answers.into_iter().map(code).collect()
    };
    assert_eq!(
        codes(create(vec![new("10"), new("20")], true).await),
        ["batch_undone", "quote_used"]
    );
    assert_eq!(codes(create(vec![new("10"), new("20")], false).await), ["done", "quote_used"]);
    assert_eq!(funds(&bank, &ada, &euros).await, "8.00 / 8.00");
    assert_sound(&bank.client().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quote_is_used_once_on_two_servers() {
    let (bank, ada, _, euros) = setting().await;
    let other = second(&bank).await;
    set(&bank, "USD", "EUR", "0.8", "0").await;
    let mut purses = Vec::new();
    for _ in 0..4 {
        purses.push(bank.account(&ada).with("100").await);
    }
    for round in 0..10 {
        let one = quote(&bank, &ada, ("USD", "EUR"), "").await.unwrap();
        let attempts: Vec<_> = (0..16)
            .map(|n: usize| {
                let new = by_quote(one.id, transfer(&purses[n % 4], &euros, "1"));
                let new = if n.is_multiple_of(3) { held(new) } else { new };
                let platform =
                    if n.is_multiple_of(2) { bank.platform.clone() } else { other.clone() };
                let (ada, name) = (ada.clone(), format!("round-{round}-{n}"));
                let key = IdempotencyKey::new(&name, b"the same").unwrap();
                tokio::spawn(async move { orders::create(&platform, &ada, new, Some(key)).await })
            })
            .collect();
        let mut done = 0;
        for attempt in attempts {
            match attempt.await.unwrap() {
                Ok(_) => done += 1,
                Err(error) => assert_eq!(error.code(), "quote_used"),
            }
        }
        assert_eq!(done, 1, "round {round}");
    }
    let client = bank.client().await;
    assert_eq!(count(&client, "wallstreet.exchanges").await, 10);
    assert_eq!(count(&client, "wallstreet.fx_quotes WHERE transaction_id IS NULL").await, 0);
    assert_sound(&client).await;
}

#[tokio::test]
async fn a_pending_exchange_by_quote_stands_for_a_minute_at_most() {
    let (bank, ada, dollars, euros) = setting().await;
    set(&bank, "USD", "EUR", "0.8", "0").await;
    let minute = bank.platform.now() + SignedDuration::from_secs(60);
    let far = bank.platform.now() + SignedDuration::from_hours(24);
    for expires in [None, Some(far)] {
        let one = quote(&bank, &ada, ("USD", "EUR"), "").await.unwrap();
        let new = by_quote(one.id, held(transfer(&dollars, &euros, "10")));
        let pending = order(&bank, &ada, Draft { expires, ..new }).await.unwrap();
        assert_eq!(pending.expires_at, Some(minute));
    }
    let one = quote(&bank, &ada, ("USD", "EUR"), "").await.unwrap();
    let new = by_quote(one.id, held(transfer(&dollars, &euros, "10")));
    let error = order(&bank, &ada, Draft { completes: Some(minute), ..new }).await.unwrap_err();
    assert_eq!(error.code(), "completion_after_expiry");
}

#[tokio::test]
async fn open_quotes_are_few_and_those_that_nobody_used_are_forgotten() {
    let (bank, ada, dollars, euros) = setting().await;
    set(&bank, "USD", "EUR", "0.8", "0").await;
    let used = quote(&bank, &ada, ("USD", "EUR"), "").await.unwrap();
    order(&bank, &ada, by_quote(used.id, transfer(&dollars, &euros, "1"))).await.unwrap();
    let mut one = used.clone();
    for _ in 0..20 {
        one = quote(&bank, &ada, ("USD", "EUR"), "").await.unwrap();
    }
    let error = quote(&bank, &ada, ("USD", "EUR"), "").await.unwrap_err();
    assert_eq!(error.code(), "validation_failed");
    bank.clock.advance(SignedDuration::from_secs(30));
    quote(&bank, &ada, ("USD", "EUR"), "").await.unwrap();
    bank.clock.advance(SignedDuration::from_mins(11));
    housekeeping::sweep(&bank.platform).await.unwrap();
    assert_eq!(fx::get(&bank.platform, &ada, one.id).await.unwrap_err().code(), "quote_not_found");
    let client = bank.client().await;
    assert_eq!(count(&client, "wallstreet.fx_quotes").await, 1, "what was used stays");
    for forged in [
        "UPDATE wallstreet.fx_quotes SET transaction_id = NULL",
        "UPDATE wallstreet.fx_quotes SET rate = 9",
        "DELETE FROM wallstreet.fx_quotes",
    ] {
        assert!(client.batch_execute(forged).await.is_err(), "{forged}");
    }
}
