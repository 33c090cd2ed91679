//! Who may undo what somebody did: suspensions, keys, and what goes with a password.

use crate::book::count;
use ledger::AccountStatus;
use platform::{
    Actor, Origin, Permission, Result,
    accounts::{self, Account, Suspender},
    api_keys::{self, KeyName, NewApiKey},
    users::{self, Along, Password, UserChange, UserStatus},
};
use testkit::{Bank, PASSWORD, bank};

/// The same person through a new key that may do this much.
pub async fn holding(bank: &Bank, owner: &Actor, permissions: &[Permission]) -> Actor {
    let new = NewApiKey {
        name: KeyName::parse("key").unwrap(),
        permissions: permissions.iter().copied().collect(),
        rate_limit: 100,
        expires_at: None,
    };
    let issued = api_keys::issue(&bank.platform, owner, new, None).await.unwrap();
    let secret = issued.value.secret.unwrap();
    api_keys::authenticate(&bank.platform, Origin::default(), &secret).await.unwrap()
}

async fn set(bank: &Bank, by: &Actor, account: &Account, to: AccountStatus) -> Result<Account> {
    accounts::set_status(&bank.platform, by, account.id, to).await
}

#[tokio::test]
async fn only_as_much_authority_as_suspended_an_account_restores_it() {
    let bank = bank().await;
    let (ada, admin) = (bank.user("ada@example.com").await, bank.admin().await);
    let key = holding(&bank, &ada, &[Permission::WriteAccounts]).await;
    let account = bank.account(&ada).empty().await;
    let (suspended, active) = (AccountStatus::Suspended, AccountStatus::Active);
    let own = set(&bank, &key, &account, suspended).await.unwrap();
    assert_eq!(own.suspended_by, Some(Suspender::Owner));
    let restored = set(&bank, &ada, &account, active).await.unwrap();
    assert_eq!((restored.status, restored.suspended_by), (active, None));
    // An administrator's takes the place of the owner's, and not the other way.
    set(&bank, &ada, &account, suspended).await.unwrap();
    for by in [&admin, &ada, &key] {
        let after = set(&bank, by, &account, suspended).await.unwrap();
        assert_eq!(after.suspended_by, Some(Suspender::Admin));
    }
    for to in [active, AccountStatus::Closed] {
        for by in [&ada, &key] {
            let refused = set(&bank, by, &account, to).await.unwrap_err();
            assert_eq!(refused.code(), "suspended_by_administrator");
        }
    }
    let refused = users::close(&bank.platform, &ada).await.unwrap_err();
    assert_eq!(refused.code(), "suspended_by_administrator");
    set(&bank, &admin, &account, active).await.unwrap();
    users::close(&bank.platform, &ada).await.unwrap();
    let client = bank.client().await;
    let by = |who| format!("audit_logs WHERE action = 'ACCOUNT_UPDATED' AND details @> '{who}'");
    let owner = by(r#"{"by": "owner", "status": "suspended", "type": "checking"}"#);
    assert_eq!(count(&client, &owner).await, 2);
    assert_eq!(count(&client, &by(r#"{"by": "admin", "status": "suspended"}"#)).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_user_who_is_closed_eight_times_at_once_is_closed_once() {
    let bank = bank().await;
    let (ada, bob) = (bank.user("ada@example.com").await, bank.user("bob@example.com").await);
    bank.account(&ada).empty().await;
    let admin = bank.admin().await;
    let closed = UserChange { role: None, status: Some(UserStatus::Closed) };
    let each = (0..8).map(|_| {
        let (platform, ada, bob, admin) =
            (bank.platform.clone(), ada.clone(), bob.user_id, admin.clone());
        tokio::spawn(async move {
            let own = users::close(&platform, &ada).await;
            let others = users::change(&platform, &admin, bob, closed).await;
            (own.is_ok(), others.unwrap().status)
        })
    });
    let mut own = 0;
    for told in each.collect::<Vec<_>>() {
        let (closed, status) = told.await.unwrap();
        own += usize::from(closed);
        assert_eq!(status, UserStatus::Closed);
    }
    assert_eq!(own, 1);
    let client = bank.client().await;
    for (action, facts) in [("USER_CLOSED", 1), ("USER_UPDATED", 1), ("ACCOUNT_CLOSED", 1)] {
        let rows = format!("audit_logs WHERE action = '{action}'");
        assert_eq!(count(&client, &rows).await, facts, "{action}");
    }
}

#[tokio::test]
async fn an_administrator_closes_a_user_with_an_account_that_one_suspended() {
    let bank = bank().await;
    let (ada, admin) = (bank.user("ada@example.com").await, bank.admin().await);
    let account = bank.account(&ada).empty().await;
    set(&bank, &admin, &account, AccountStatus::Suspended).await.unwrap();
    let closed = UserChange { role: None, status: Some(UserStatus::Closed) };
    users::change(&bank.platform, &admin, ada.user_id, closed).await.unwrap();
    let account = accounts::get_any(&bank.platform, &admin, account.id).await.unwrap();
    assert_eq!((account.status, account.suspended_by), (AccountStatus::Closed, None));
}

#[tokio::test]
async fn an_administrator_is_an_owner_of_their_own_account_and_a_key_of_theirs_too() {
    let bank = bank().await;
    let admin = bank.admin().await;
    let account = bank.account(&admin).empty().await;
    let own = set(&bank, &admin, &account, AccountStatus::Suspended).await.unwrap();
    assert_eq!(own.suspended_by, Some(Suspender::Owner));
    let key = holding(&bank, &admin, &[Permission::WriteAccounts]).await;
    set(&bank, &key, &account, AccountStatus::Active).await.unwrap();
    let ada = bank.user("ada@example.com").await;
    let hers = bank.account(&ada).empty().await;
    set(&bank, &admin, &hers, AccountStatus::Suspended).await.unwrap();
    let beyond = set(&bank, &key, &hers, AccountStatus::Active).await.unwrap_err();
    assert_eq!(beyond.code(), "account_not_found");
}

#[tokio::test]
async fn what_was_suspended_without_the_platform_only_an_administrator_restores() {
    let bank = bank().await;
    let (ada, admin) = (bank.user("ada@example.com").await, bank.admin().await);
    let account = bank.account(&ada).empty().await;
    let client = bank.client().await;
    client.batch_execute("UPDATE accounts SET status = 'suspended'").await.unwrap();
    let refused = set(&bank, &ada, &account, AccountStatus::Active).await.unwrap_err();
    assert_eq!(refused.code(), "suspended_by_administrator");
    set(&bank, &admin, &account, AccountStatus::Active).await.unwrap();
}

#[tokio::test]
async fn a_new_password_can_take_all_api_keys_along() {
    let bank = bank().await;
    let (ada, bob) = (bank.user("ada@example.com").await, bank.user("bob@example.com").await);
    for owner in [&ada, &ada, &bob] {
        holding(&bank, owner, &[Permission::ReadAccounts]).await;
    }
    let change = async |current: &str, new: &str, keys| {
        let new = Password::parse(new).unwrap();
        let along = Along { keys, orders: false };
        let gone = users::change_password(&bank.platform, &ada, current, new, along).await;
        gone.map(|gone| (gone.keys, gone.orders))
    };
    assert_eq!(change(PASSWORD, "Another-Horse-2", false).await.unwrap(), (0, 0));
    let client = bank.client().await;
    assert_eq!(count(&client, "api_keys").await, 3);
    change("wrong", "Another-Horse-3", true).await.unwrap_err();
    assert_eq!(count(&client, "api_keys").await, 3);
    assert_eq!(change("Another-Horse-2", "Another-Horse-3", true).await.unwrap(), (2, 0));
    assert_eq!(count(&client, "api_keys").await, 1, "Bob's stays");
    assert_eq!(count(&client, "audit_logs WHERE action = 'API_KEY_REVOKED'").await, 2);
}
