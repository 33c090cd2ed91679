//! Many at once, on one server and on several.

use crate::book::assert_sound;
use crate::money::{draft, transfer};
use jiff::Timestamp;
use ledger::Kind;
use platform::{
    Cursor, Error, Platform, Position, SystemClock,
    orders::{self, Draft},
    page::PageRequest,
    transactions::{self, TransactionFilter},
};
use std::sync::Arc;
use testkit::{bank, settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_transfers_between_ten_accounts_on_two_servers_lose_not_a_cent() {
    let bank = bank().await;
    let other =
        Platform::connect(&bank.database.url, settings(), Arc::new(SystemClock)).await.unwrap();
    let ada = bank.user("ada@example.com").await;
    let mut accounts = Vec::new();
    for _ in 0..10 {
        accounts.push(bank.account(&ada).with("100").await);
    }
    let attempts: Vec<_> = (0..200_usize)
        .map(|n| {
            let (from, to) = (n * 7 % 10, (n * 7 + 1 + n % 9) % 10);
            let draft =
                transfer(&accounts[from], &accounts[to], &format!("{}.{:02}", n % 40, n % 99 + 1));
            let platform = if n % 2 == 0 { bank.platform.clone() } else { other.clone() };
            let ada = ada.clone();
            tokio::spawn(async move { orders::create(&platform, &ada, draft, None).await })
        })
        .collect();
    let (mut moved, mut refused) = (0, 0);
    for attempt in attempts {
        match attempt.await.unwrap() {
            Ok(_) => moved += 1,
            Err(error) => {
                assert_eq!(error.code(), "insufficient_funds", "{error:?}");
                refused += 1;
            }
        }
    }
    assert_eq!(moved + refused, 200);
    assert!(moved > 100, "{moved} moved");
    let client = bank.client().await;
    assert_sound(&client).await;
    let row = client.query_one("SELECT sum(balance)::text FROM accounts", &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "1000.00");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_is_there_once_is_spent_once() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).with("10").await;
    let attempts: Vec<_> = (0..50)
        .map(|_| {
            let (platform, ada) = (bank.platform.clone(), ada.clone());
            let withdrawal = draft(Kind::Withdrawal, &account, "3");
            tokio::spawn(async move { orders::create(&platform, &ada, withdrawal, None).await })
        })
        .collect();
    let mut taken = 0;
    for attempt in attempts {
        taken += usize::from(attempt.await.unwrap().is_ok());
    }
    assert_eq!(taken, 3);
    assert_sound(&bank.client().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_is_held_on_one_server_is_not_held_on_another() {
    let bank = bank().await;
    let other =
        Platform::connect(&bank.database.url, settings(), Arc::new(SystemClock)).await.unwrap();
    let ada = bank.user("ada@example.com").await;
    for round in 0..10 {
        let account = bank.account(&ada).with("10").await;
        let attempts: Vec<_> = (0..20)
            .map(|n| {
                let platform = if n % 2 == 0 { bank.platform.clone() } else { other.clone() };
                let hold = draft(Kind::Withdrawal, &account, "3");
                let (ada, hold) = (ada.clone(), Draft { complete: false, ..hold });
                tokio::spawn(async move { orders::create(&platform, &ada, hold, None).await })
            })
            .collect();
        let mut held = 0;
        for attempt in attempts {
            held += usize::from(attempt.await.unwrap().is_ok());
        }
        assert_eq!(held, 3, "in round {round}");
    }
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn a_cursor_or_a_filter_from_before_the_databases_calendar_is_just_early() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).with("1").await;
    let list = async |from: Option<Timestamp>, position| {
        let filter = TransactionFilter { from, ..TransactionFilter::default() };
        let page = PageRequest::new(10, position).unwrap();
        transactions::list(&bank.platform, &ada, filter, page).await.unwrap().items.len()
    };
    let early = Position::After(Cursor::new(Timestamp::MIN, account.id.0));
    let late = Position::After(Cursor::new(Timestamp::MAX, account.id.0));
    assert_eq!(list(None, early).await, 0);
    assert_eq!(list(None, late).await, 1);
    assert_eq!(list(Some(Timestamp::MIN), Position::Number(1)).await, 1);
    assert_eq!(list(Some(Timestamp::MAX), Position::Number(1)).await, 0);
}

#[tokio::test]
async fn after_closing_no_order_is_taken_and_none_that_was_is_lost() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).empty().await;
    let attempts: Vec<_> = (0..100)
        .map(|_| {
            let (platform, ada) = (bank.platform.clone(), ada.clone());
            let deposit = draft(Kind::Deposit, &account, "1");
            tokio::spawn(async move { orders::create(&platform, &ada, deposit, None).await })
        })
        .collect();
    tokio::task::yield_now().await;
    bank.platform.shutdown().await;
    let mut done = 0;
    for attempt in attempts {
        match attempt.await.unwrap() {
            Ok(_) => done += 1,
            Err(error) => assert!(matches!(error, Error::Unavailable { .. }), "{error:?}"),
        }
    }
    let client = bank.client().await;
    let row = client.query_one("SELECT balance::text FROM accounts", &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), format!("{done}.00"));
    assert_sound(&client).await;
}
