//! One key, one effect.

use crate::book::{assert_sound, count};
use crate::money::{draft, funds, transfer};
use jiff::SignedDuration;
use ledger::Kind;
use platform::{
    Error, Fate, IdempotencyKey, Platform, SystemClock,
    accounts::{self, AccountType},
    api_keys::{self, KeyName, NewApiKey},
    housekeeping,
    orders::{self, Draft},
};
use std::{collections::BTreeSet, sync::Arc};
use testkit::{Bank, bank, settings};

fn key(name: &str) -> Option<IdempotencyKey> {
    Some(IdempotencyKey::new(name, b"the same request").unwrap())
}

#[tokio::test]
async fn a_retry_gets_the_first_outcome_and_moves_nothing() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).empty().await;
    let deposit = draft(Kind::Deposit, &account, "5");
    let first = orders::create(&bank.platform, &ada, deposit.clone(), key("k")).await.unwrap();
    bank.clock.advance(SignedDuration::from_hours(23));
    let again = orders::create(&bank.platform, &ada, deposit, key("k")).await.unwrap();
    assert!(again.replayed && !first.replayed);
    assert_eq!((again.at, again.value.id), (first.at, first.value.id));
    assert_eq!(format!("{:?}", again.value), format!("{:?}", first.value));
    assert_eq!(funds(&bank, &ada, &account).await, "5.00 / 5.00");
}

#[tokio::test]
async fn a_refusal_is_an_outcome_and_is_replayed_even_when_it_would_now_be_granted() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).empty().await;
    let withdrawal = draft(Kind::Withdrawal, &account, "5");
    let create = async |draft, key| orders::create(&bank.platform, &ada, draft, key).await;
    let first = create(withdrawal.clone(), key("k")).await.unwrap_err();
    assert!(matches!(first, Error::Refused { original: None, .. }));
    create(draft(Kind::Deposit, &account, "5"), None).await.unwrap();
    let again = create(withdrawal, key("k")).await.unwrap_err();
    assert!(matches!(again, Error::Refused { original: Some(_), .. }), "{again:?}");
    assert_eq!(again.code(), "insufficient_funds");
}

#[tokio::test]
async fn a_retry_after_the_order_has_expired_hears_of_the_first_outcome() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).with("5").await;
    let soon = bank.platform.now() + SignedDuration::from_mins(1);
    let hold = draft(Kind::Withdrawal, &account, "5");
    let hold = Draft { complete: false, expires: Some(soon), ..hold };
    let create = async |key| orders::create(&bank.platform, &ada, hold.clone(), key).await;
    let first = create(key("k")).await.unwrap();
    bank.clock.advance(SignedDuration::from_mins(2));
    let again = create(key("k")).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.value.id, first.value.id);
    let late = create(key("other")).await.unwrap_err();
    assert_eq!(late.code(), "transaction_expired");
}

#[tokio::test]
async fn the_same_key_with_another_request_is_refused() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).empty().await;
    let deposit = draft(Kind::Deposit, &account, "5");
    orders::create(&bank.platform, &ada, deposit.clone(), key("k")).await.unwrap();
    let other = Some(IdempotencyKey::new("k", b"another request").unwrap());
    let error = orders::create(&bank.platform, &ada, deposit, other.clone()).await.unwrap_err();
    assert!(matches!(error, Error::KeyReused));
    let opened = accounts::open(&bank.platform, &ada, AccountType::Savings, None, other).await;
    assert!(matches!(opened, Err(Error::KeyReused)), "keys are one space for all requests");
}

#[tokio::test]
async fn two_users_may_use_the_same_key() {
    let bank = bank().await;
    for email in ["ada@example.com", "bob@example.com"] {
        let user = bank.user(email).await;
        let account = bank.account(&user).empty().await;
        let deposit = draft(Kind::Deposit, &account, "5");
        let outcome = orders::create(&bank.platform, &user, deposit, key("k")).await.unwrap();
        assert!(!outcome.replayed);
    }
}

#[tokio::test]
async fn a_hundred_duplicates_at_once_on_two_servers_have_one_effect() {
    let bank = bank().await;
    let other =
        Platform::connect(&bank.database.url, settings(), Arc::new(SystemClock)).await.unwrap();
    let ada = bank.user("ada@example.com").await;
    let (source, target) = (bank.account(&ada).with("100").await, bank.account(&ada).empty().await);
    let attempts: Vec<_> = (0..100)
        .map(|n| {
            let platform = if n % 2 == 0 { bank.platform.clone() } else { other.clone() };
            let (ada, draft) = (ada.clone(), transfer(&source, &target, "7"));
            tokio::spawn(async move { orders::create(&platform, &ada, draft, key("k")).await })
        })
        .collect();
    let mut outcomes = BTreeSet::new();
    let mut fresh = 0;
    for attempt in attempts {
        let outcome = attempt.await.unwrap().unwrap();
        fresh += usize::from(!outcome.replayed);
        outcomes.insert(format!("{:?} {}", outcome.value, outcome.at));
    }
    assert_eq!((fresh, outcomes.len()), (1, 1));
    assert_eq!(funds(&bank, &ada, &target).await, "7.00 / 7.00");
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn opening_an_account_twice_under_one_key_opens_one() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let attempts: Vec<_> = (0..10)
        .map(|_| {
            let (platform, ada) = (bank.platform.clone(), ada.clone());
            tokio::spawn(async move {
                accounts::open(&platform, &ada, AccountType::Savings, None, key("k")).await
            })
        })
        .collect();
    for attempt in attempts {
        attempt.await.unwrap().unwrap();
    }
    assert_eq!(count(&bank.client().await, "accounts").await, 1);
}

#[tokio::test]
async fn the_secret_of_an_api_key_is_not_kept_for_a_replay() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let new = NewApiKey {
        name: KeyName::parse("ci").unwrap(),
        permissions: BTreeSet::new(),
        rate_limit: 100,
        expires_at: None,
    };
    let first = api_keys::issue(&bank.platform, &ada, new.clone(), key("k")).await.unwrap();
    let again = api_keys::issue(&bank.platform, &ada, new, key("k")).await.unwrap();
    let secret = first.value.secret.unwrap();
    assert_eq!((again.value.key.id, again.value.secret), (first.value.key.id, None));
    let kept = format!("wallstreet.idempotency_keys WHERE outcome LIKE '%{secret}%'");
    assert_eq!(count(&bank.client().await, &kept).await, 0);
}

#[tokio::test]
async fn a_retry_after_the_api_key_has_expired_hears_of_the_first_outcome() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let new = NewApiKey {
        name: KeyName::parse("ci").unwrap(),
        permissions: BTreeSet::new(),
        rate_limit: 100,
        expires_at: Some(bank.platform.now() + SignedDuration::from_mins(1)),
    };
    let first = api_keys::issue(&bank.platform, &ada, new.clone(), key("k")).await.unwrap();
    bank.clock.advance(SignedDuration::from_mins(2));
    let again = api_keys::issue(&bank.platform, &ada, new, key("k")).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.value.key.id, first.value.key.id);
}

#[tokio::test]
async fn what_was_not_found_leaves_the_key_free() {
    let bank = bank().await;
    let (ada, bob) = (bank.user("ada@example.com").await, bank.user("bob@example.com").await);
    let account = bank.account(&bob).empty().await;
    let error =
        orders::create(&bank.platform, &ada, draft(Kind::Deposit, &account, "5"), key("k")).await;
    assert!(matches!(error, Err(Error::NotFound(_))));
    assert_eq!(count(&bank.client().await, "wallstreet.idempotency_keys").await, 0);
}

const DAY: SignedDuration = SignedDuration::from_hours(24);

async fn sweep_after(bank: &Bank, days: i32) {
    bank.clock.advance(DAY * days);
    housekeeping::sweep(&bank.platform).await.unwrap();
}

#[tokio::test]
async fn a_key_has_no_second_effect_for_a_year_though_its_answer_is_kept_for_a_week() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).empty().await;
    let deposit = || draft(Kind::Deposit, &account, "5");
    let refused = || draft(Kind::Withdrawal, &account, "50");
    let done = orders::create(&bank.platform, &ada, deposit(), key("done")).await.unwrap().value;
    orders::create(&bank.platform, &ada, refused(), key("refused")).await.unwrap_err();
    accounts::open(&bank.platform, &ada, AccountType::Savings, None, key("opened")).await.unwrap();
    let batch = IdempotencyKey::new("batch", b"the same request").unwrap();
    orders::open_batch(&bank.platform, &ada, &batch).await.unwrap();
    orders::settle(&bank.platform, &ada, "void").await.unwrap();

    sweep_after(&bank, 6).await;
    let replay = orders::create(&bank.platform, &ada, deposit(), key("done")).await.unwrap();
    assert!(replay.replayed && replay.value.id == done.id, "an answer is kept for a week");
    for days in [2, 100, 256] {
        sweep_after(&bank, days).await;
        let other = Some(IdempotencyKey::new("done", b"another request").unwrap());
        for (name, key) in [("done", other), ("done", key("done")), ("refused", key("refused"))] {
            let again = orders::create(&bank.platform, &ada, deposit(), key).await.unwrap_err();
            assert_eq!(again.code(), "idempotency_key_expired", "{name} after {days} more days");
        }
        for (name, code) in
            [("opened", "idempotency_key_expired"), ("void", "idempotency_key_void")]
        {
            let again = accounts::open(&bank.platform, &ada, AccountType::Savings, None, key(name));
            assert_eq!(again.await.unwrap_err().code(), code);
            let ordered = orders::create(&bank.platform, &ada, deposit(), key(name)).await;
            assert_eq!(ordered.unwrap_err().code(), code);
        }
        let again = orders::open_batch(&bank.platform, &ada, &batch).await.unwrap_err();
        assert_eq!(again.code(), "idempotency_key_expired");
        let fate = async |name| orders::outcome(&bank.platform, &ada, name).await;
        let Ok(Fate::Committed { value, at }) = fate("done").await else { panic!("it was done") };
        assert_eq!((value.id, at), (done.id, done.created_at));
        assert!(matches!(fate("refused").await, Ok(Fate::Refused { refusal: None, .. })));
        assert!(matches!(fate("void").await, Ok(Fate::Void { .. })));
        assert!(matches!(fate("opened").await, Err(Error::KeyReused)));
        assert_eq!(fate("batch").await.unwrap_err().code(), "validation_failed");
    }
    assert_eq!(funds(&bank, &ada, &account).await, "5.00 / 5.00");
    let client = bank.client().await;
    let stubs = "wallstreet.idempotency_keys WHERE request_id = '' AND fingerprint = ''";
    assert_eq!(count(&client, stubs).await, 5);
    let longest = "SELECT max(octet_length(outcome)) FROM wallstreet.idempotency_keys";
    assert!(client.query_one(longest, &[]).await.unwrap().get::<_, i32>(0) < 80, "a stub is small");
    sweep_after(&bank, 2).await;
    assert_eq!(count(&client, "wallstreet.idempotency_keys").await, 0, "a year is over");
}

#[tokio::test]
async fn more_keys_than_one_round_takes_all_become_stubs() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let client = bank.client().await;
    let many = "INSERT INTO wallstreet.idempotency_keys
        SELECT $1, 'k' || n, '', '\"void\"', 'r', $2::text::timestamptz FROM generate_series(1, 2500) AS n";
    let now = bank.platform.now().to_string();
    client.execute(many, &[&ada.user_id.0, &now]).await.unwrap();
    bank.clock.advance(DAY * 8);
    assert_eq!(housekeeping::sweep(&bank.platform).await.unwrap(), 2500);
    assert_eq!(housekeeping::sweep(&bank.platform).await.unwrap(), 0);
    bank.clock.advance(DAY * 365);
    // The login has been forgotten with them.
    assert!(housekeeping::sweep(&bank.platform).await.unwrap() >= 2500);
    assert_eq!(count(&client, "wallstreet.idempotency_keys").await, 0);
}

#[test]
fn a_key_is_visible_ascii_of_at_most_255_characters() {
    for wrong in ["", " ", "a b", "é", "\u{7f}", &"x".repeat(256)] {
        assert!(IdempotencyKey::new(wrong, b"").is_err(), "{wrong:?}");
    }
    assert!(IdempotencyKey::new(&"x".repeat(255), b"").is_ok());
}
