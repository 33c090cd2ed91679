//! What became of an order after a time-out.

use crate::book::{assert_sound, count};
use crate::life::second;
use crate::money::{draft, funds, transfer};
use ledger::Kind;
use platform::{
    Error, Fate, IdempotencyKey, Result,
    accounts::{self, AccountType},
    error::Conflict,
    orders,
    transactions::Transaction,
};
use std::time::Duration;
use testkit::bank;

fn key(name: &str) -> Option<IdempotencyKey> {
    Some(IdempotencyKey::new(name, b"the same request").unwrap())
}

fn is_void<T: std::fmt::Debug>(answer: &Result<T>) -> bool {
    matches!(answer, Err(Error::Conflict(Conflict::KeyVoid)))
}

#[tokio::test]
async fn what_was_never_seen_is_impossible_from_then_on() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).empty().await;
    for _ in 0..2 {
        let fate = orders::outcome(&bank.platform, &ada, "k").await.unwrap();
        assert!(matches!(fate, Fate::Void { .. }), "{fate:?}");
    }
    let deposit = draft(Kind::Deposit, &account, "5");
    for _ in 0..2 {
        let late = orders::create(&bank.platform, &ada, deposit.clone(), key("k")).await;
        assert!(is_void(&late), "{late:?}");
    }
    let opened = accounts::open(&bank.platform, &ada, AccountType::Savings, None, key("k")).await;
    assert!(is_void(&opened), "the key is void for everything");
    let bob = bank.user("bob@example.com").await;
    let his = bank.account(&bob).empty().await;
    orders::create(&bank.platform, &bob, draft(Kind::Deposit, &his, "5"), key("k")).await.unwrap();
    assert_eq!(funds(&bank, &ada, &account).await, "0.00 / 0.00");
    let client = bank.client().await;
    assert_eq!(count(&client, "audit_logs WHERE action = 'IDEMPOTENCY_KEY_VOIDED'").await, 1);
}

#[tokio::test]
async fn what_was_done_or_refused_is_told_with_its_time_and_changes_nothing() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).empty().await;
    let deposit = draft(Kind::Deposit, &account, "5");
    let done = orders::create(&bank.platform, &ada, deposit.clone(), key("done")).await.unwrap();
    let too_much = draft(Kind::Withdrawal, &account, "6");
    orders::create(&bank.platform, &ada, too_much, key("refused")).await.unwrap_err();
    bank.clock.advance(jiff::SignedDuration::from_hours(1));
    let fate = orders::outcome(&bank.platform, &ada, "done").await.unwrap();
    let Fate::Committed { value, at } = fate else { panic!("{fate:?}") };
    assert_eq!((value.id, at), (done.value.id, done.at));
    let fate = orders::outcome(&bank.platform, &ada, "refused").await.unwrap();
    let Fate::Refused { refusal, at } = fate else { panic!("{fate:?}") };
    let code = refusal.map(|refusal| refusal.code());
    assert_eq!((code, at), (Some("insufficient_funds"), done.at));
    let again = orders::create(&bank.platform, &ada, deposit, key("done")).await.unwrap();
    assert!(again.replayed, "asking does not spoil the key");
    let of_a_capture = orders::process(&bank.platform, &ada, done.value.id, key("process")).await;
    assert_eq!(of_a_capture.unwrap_err().code(), "transaction_not_pending");
    let fate = orders::outcome(&bank.platform, &ada, "process").await.unwrap();
    assert!(matches!(fate, Fate::Refused { .. }), "{fate:?}");
}

#[tokio::test]
async fn a_key_that_stands_for_something_else_or_is_none_tells_nothing() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    accounts::open(&bank.platform, &ada, AccountType::Savings, None, key("account")).await.unwrap();
    let other = orders::outcome(&bank.platform, &ada, "account").await;
    assert!(matches!(other, Err(Error::KeyReused)), "{other:?}");
    for none in ["", "a b", &"x".repeat(256)] {
        let answer = orders::outcome(&bank.platform, &ada, none).await;
        assert_eq!(answer.unwrap_err().code(), "validation_failed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_still_waits_for_an_account_is_void_once_somebody_was_told_never() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).empty().await;
    let mut client = bank.client().await;
    let holder = client.transaction().await.unwrap();
    holder.query("SELECT 1 FROM accounts FOR UPDATE", &[]).await.unwrap();
    let waiting = {
        let (platform, ada) = (bank.platform.clone(), ada.clone());
        let deposit = draft(Kind::Deposit, &account, "5");
        tokio::spawn(async move { orders::create(&platform, &ada, deposit, key("k")).await })
    };
    tokio::time::sleep(Duration::from_millis(200)).await;
    let fate = orders::outcome(&bank.platform, &ada, "k").await.unwrap();
    assert!(matches!(fate, Fate::Void { .. }), "{fate:?}");
    holder.rollback().await.unwrap();
    let late = waiting.await.unwrap();
    assert!(is_void(&late), "{late:?}");
    assert_eq!(funds(&bank, &ada, &account).await, "0.00 / 0.00");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_hundred_races_nobody_is_told_never_of_what_was_done() {
    let bank = bank().await;
    let other = second(&bank).await;
    let ada = bank.user("ada@example.com").await;
    let (source, target) = (bank.account(&ada).with("100").await, bank.account(&ada).empty().await);
    let mut done = 0;
    for round in 0..100_u64 {
        let name = format!("k{round}");
        let (asks, orders_) = match round % 2 {
            0 => (bank.platform.clone(), other.clone()),
            _ => (other.clone(), bank.platform.clone()),
        };
        let ordering = {
            let (ada, new, key) = (ada.clone(), transfer(&source, &target, "1"), key(&name));
            tokio::spawn(async move { orders::create(&orders_, &ada, new, key).await })
        };
        // Sometimes before, sometimes in the middle, sometimes after.
        tokio::time::sleep(Duration::from_micros(round % 10 * 800)).await;
        let fate = orders::outcome(&asks, &ada, &name).await.unwrap();
        let ordered = ordering.await.unwrap();
        match (fate, ordered) {
            (Fate::Void { .. }, ordered) => {
                assert!(is_void(&ordered), "round {round}: {ordered:?}");
            }
            (Fate::Committed { value, .. }, Ok(ordered)) => {
                let told: &Transaction = &value;
                assert_eq!(told.id, ordered.value.id);
                done += 1;
            }
            different => panic!("round {round}: {different:?}"),
        }
    }
    assert_eq!(funds(&bank, &ada, &target).await, format!("{done}.00 / {done}.00"));
    assert_sound(&bank.client().await).await;
}
