//! A database that goes away in the middle: nothing acknowledged is lost, and
//! what was in doubt is settled by its key.

use crate::book::{assert_sound, count};
use crate::money::{draft, transfer};
use ledger::Kind;
use platform::{Error, IdempotencyKey, orders};
use std::time::Duration;
use testkit::bank;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_cut_under_load_lose_nothing_and_repeat_nothing() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let (source, target) =
        (bank.account(&ada).with("1000").await, bank.account(&ada).empty().await);
    let client = bank.client().await;
    let name = bank.database.name().to_owned();
    let cutter = bank.client().await;
    let cutting = tokio::spawn(async move {
        const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = $1 AND application_name = 'wallstreet'";
        for _ in 0..30 {
            cutter.query(CUT, &[&name]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    });
    let workers: Vec<_> = (0..8_u32)
        .map(|worker| {
            let (platform, ada) = (bank.platform.clone(), ada.clone());
            let draft = transfer(&source, &target, "1");
            tokio::spawn(async move {
                for n in 0..40 {
                    let key = IdempotencyKey::new(&format!("{worker}-{n}"), b"transfer").unwrap();
                    // A client that hears "try again" or "not known yet" tries again with its key.
                    loop {
                        match orders::create(&platform, &ada, draft.clone(), Some(key.clone()))
                            .await
                        {
                            Ok(_) => break,
                            Err(Error::Unavailable { .. } | Error::OutcomeUnknown { .. }) => {
                                tokio::time::sleep(Duration::from_millis(5)).await;
                            }
                            Err(error) => panic!("{error:?}"),
                        }
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    cutting.await.unwrap();
    assert_eq!(count(&client, "transactions WHERE transaction_type = 'transfer'").await, 2 * 320);
    let row = client
        .query_one("SELECT balance::text FROM accounts WHERE id = $1", &[&target.id.0])
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>(0), "320.00");
    assert_sound(&client).await;
}

#[tokio::test]
async fn a_database_that_takes_no_connections_is_unavailable_and_then_works_again_without_a_restart()
 {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).empty().await;
    let deposit = draft(Kind::Deposit, &account, "1");
    let close = |open: bool| {
        let name = bank.database.name().to_owned();
        async move {
            let elsewhere = testkit::empty_database().await;
            let client = elsewhere.client().await;
            let sql = format!(
                "ALTER DATABASE {name} ALLOW_CONNECTIONS {open};
                 SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            );
            client.batch_execute(&sql).await.unwrap();
        }
    };
    close(false).await;
    let error = orders::create(&bank.platform, &ada, deposit.clone(), None).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert!(matches!(bank.platform.ping().await, Err(Error::Unavailable { .. })));
    close(true).await;
    orders::create(&bank.platform, &ada, deposit, None).await.unwrap();
    bank.platform.ping().await.unwrap();
    assert_sound(&bank.client().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_somebody_holds_for_long_stalls_its_own_orders_only() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let (held, free) = (bank.account(&ada).empty().await, bank.account(&ada).empty().await);
    let client = bank.client().await;
    client.batch_execute("BEGIN").await.unwrap();
    client.query("SELECT FROM accounts WHERE id = $1 FOR UPDATE", &[&held.id.0]).await.unwrap();
    let attempts: Vec<_> = [&held, &free, &held, &free]
        .into_iter()
        .map(|account| {
            let (platform, ada) = (bank.platform.clone(), ada.clone());
            let deposit = draft(Kind::Deposit, account, "1");
            tokio::spawn(async move { orders::create(&platform, &ada, deposit, None).await })
        })
        .collect();
    let mut outcomes = Vec::new();
    for attempt in attempts {
        outcomes.push(attempt.await.unwrap().map_err(|error| error.code()).map(drop));
    }
    assert_eq!(outcomes, [Err("unavailable"), Ok(()), Err("unavailable"), Ok(())]);
    client.batch_execute("ROLLBACK").await.unwrap();
    orders::create(&bank.platform, &ada, draft(Kind::Deposit, &held, "1"), None).await.unwrap();
    assert_sound(&client).await;
}
