//! What one user may have.

use platform::{
    Actor, Settings, Shares,
    accounts::{self, AccountType},
};
use testkit::{bank_with, settings};

#[tokio::test]
async fn a_user_has_so_many_open_accounts_and_no_more_also_when_asking_at_once() {
    let shares = Shares { accounts: 3, ..Shares::default() };
    let bank = bank_with(Settings { shares, ..settings() }).await;
    let (ada, bob) = (bank.user("ada@example.com").await, bank.user("bob@example.com").await);
    let open = |by: &Actor| {
        let (platform, by) = (bank.platform.clone(), by.clone());
        tokio::spawn(async move {
            accounts::open(&platform, &by, AccountType::Savings, None, None).await
        })
    };
    let mut opened = Vec::new();
    for asked in (0..8).map(|_| open(&ada)).collect::<Vec<_>>() {
        match asked.await.unwrap() {
            Ok(outcome) => opened.push(outcome.value),
            Err(error) => assert_eq!(error.code(), "validation_failed"),
        }
    }
    assert_eq!(opened.len(), 3);
    open(&bob).await.unwrap().unwrap();
    // A closed one makes room, and an administrator needs none.
    accounts::close(&bank.platform, &ada, opened[0].id).await.unwrap();
    open(&ada).await.unwrap().unwrap();
    open(&ada).await.unwrap().unwrap_err();
    let root = bank.admin().await;
    for _ in 0..4 {
        open(&root).await.unwrap().unwrap();
    }
}
