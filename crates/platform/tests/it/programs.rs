//! API keys: issued once, bounded by their owner, ended at once.

use crate::money::draft;
use jiff::SignedDuration;
use ledger::Kind;
use platform::{
    Actor, Environment, Error, Origin, Permission, Settings, Shares,
    accounts::{self, AccountType},
    api_keys::{self, ApiKey, KeyChange, KeyName, NewApiKey},
    audit_logs,
    error::Forbidden,
    orders, sessions,
    transactions::{self, TransactionFilter},
    users::{self, UserChange, UserStatus},
};
use std::time::Duration;
use testkit::{Bank, bank, bank_with, settings};

fn new(permissions: &[Permission]) -> NewApiKey {
    NewApiKey {
        name: KeyName::parse("ci").unwrap(),
        permissions: permissions.iter().copied().collect(),
        rate_limit: 100,
        expires_at: None,
    }
}

async fn issue(bank: &Bank, owner: &Actor, new: NewApiKey) -> (ApiKey, String) {
    let issued = api_keys::issue(&bank.platform, owner, new, None).await.unwrap().value;
    (issued.key, issued.secret.unwrap())
}

async fn present(bank: &Bank, secret: &str) -> Result<Actor, Error> {
    api_keys::authenticate(&bank.platform, Origin::default(), secret).await
}

#[tokio::test]
async fn a_key_has_the_documented_form_and_its_text_is_nowhere_in_the_database() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let (key, secret) = issue(&bank, &ada, new(&[])).await;
    assert!(secret.starts_with("wsk_dev_") && secret.len() == 8 + 43 + 6, "{secret}");
    let hint = key.hint.unwrap();
    let (start, end) = hint.split_once('…').unwrap();
    assert!(secret.starts_with(start) && secret.ends_with(end) && hint.chars().count() == 17);
    let row = bank
        .client()
        .await
        .query_one("SELECT to_jsonb(k)::text FROM api_keys k", &[])
        .await
        .unwrap();
    assert!(!row.get::<_, &str>(0).contains(&secret[8..]));
    let live = bank_with(Settings { environment: Environment::Production, ..settings() }).await;
    let ada = live.user("ada@example.com").await;
    assert!(issue(&live, &ada, new(&[])).await.1.starts_with("wsk_live_"));
}

#[tokio::test]
async fn a_key_stops_when_it_is_revoked_switched_off_or_expired_and_a_mistyped_one_never_works() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let expires = bank.platform.now() + SignedDuration::from_hours(1);
    let expiring = NewApiKey { expires_at: Some(expires), ..new(&[]) };
    let (_, expiring) = issue(&bank, &ada, expiring).await;
    let (off, switched_off) = issue(&bank, &ada, new(&[])).await;
    let (gone, revoked) = issue(&bank, &ada, new(&[])).await;
    for secret in [&expiring, &switched_off, &revoked] {
        present(&bank, secret).await.unwrap();
    }
    bank.clock.advance(SignedDuration::from_hours(1));
    let change = KeyChange { is_active: Some(false), ..KeyChange::default() };
    api_keys::update(&bank.platform, &ada, off.id, change).await.unwrap();
    api_keys::revoke(&bank.platform, &ada, gone.id).await.unwrap();
    let mut mistyped = switched_off.clone().into_bytes();
    mistyped[20] = if mistyped[20] == b'a' { b'b' } else { b'a' };
    let mistyped = String::from_utf8(mistyped).unwrap();
    for secret in
        [expiring.as_str(), &switched_off, &revoked, &mistyped, "", "wsk_dev_", "wsk_dev_é"]
    {
        assert_eq!(present(&bank, secret).await.unwrap_err().code(), "invalid_api_key", "{secret}");
    }
}

#[tokio::test]
async fn a_key_may_do_what_it_was_given_and_nothing_else() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).with("10").await;
    for permission in Permission::ALL {
        if matches!(permission, Permission::ReadAudit | Permission::AdminUsers) {
            continue;
        }
        let (_, secret) = issue(&bank, &ada, new(&[*permission])).await;
        let key = present(&bank, &secret).await.unwrap();
        let platform = &bank.platform;
        let page = platform::PageRequest::default();
        let list = accounts::list(platform, &key, Default::default(), page).await.map(drop);
        let open = accounts::open(platform, &key, AccountType::Savings, None, None).await.map(drop);
        let read =
            transactions::list(platform, &key, TransactionFilter::default(), page).await.map(drop);
        let write = orders::create(platform, &key, draft(Kind::Withdrawal, &account, "0.01"), None)
            .await
            .map(drop);
        let profile = users::profile(platform, &key).await.map(drop);
        for (needed, result) in [
            (Permission::ReadAccounts, list),
            (Permission::WriteAccounts, open),
            (Permission::ReadTransactions, read),
            (Permission::WriteTransactions, write),
            (Permission::ReadProfile, profile),
        ] {
            match result {
                Ok(()) => assert_eq!(needed, *permission),
                Err(error) => {
                    assert_ne!(needed, *permission, "{error:?}");
                    assert!(matches!(error, Error::Forbidden(Forbidden::Permission)), "{error:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn nobody_gives_a_key_what_they_do_not_have() {
    let production =
        Settings { environment: Environment::Production, users_settle: false, ..settings() };
    let bank = bank_with(production).await;
    let (ada, admin) = (bank.user("ada@example.com").await, bank.admin().await);
    for permission in
        [Permission::ProcessTransactions, Permission::ReadAudit, Permission::AdminUsers]
    {
        let issued = api_keys::issue(&bank.platform, &ada, new(&[permission]), None).await;
        assert!(matches!(issued, Err(Error::Forbidden(Forbidden::AdminOnly))), "{permission:?}");
        issue(&bank, &admin, new(&[permission])).await;
    }
}

#[tokio::test]
async fn a_key_loses_what_its_owner_loses() {
    let bank = bank().await;
    let (admin, second) = (bank.admin().await, bank.user("bob@example.com").await);
    let role = |role| UserChange { role: Some(role), status: None };
    users::change(&bank.platform, &admin, second.user_id, role(platform::Role::Admin))
        .await
        .unwrap();
    let second = Actor { role: platform::Role::Admin, ..second };
    let (_, secret) = issue(&bank, &second, new(&[Permission::ReadAudit])).await;
    let audit = async || {
        let key = present(&bank, &secret).await?;
        audit_logs::list(&bank.platform, &key, Default::default(), Default::default()).await
    };
    audit().await.unwrap();
    users::change(&bank.platform, &admin, second.user_id, role(platform::Role::User))
        .await
        .unwrap();
    assert_eq!(audit().await.unwrap_err().code(), "admin_required");
    let suspend = UserChange { role: None, status: Some(UserStatus::Suspended) };
    users::change(&bank.platform, &admin, second.user_id, suspend).await.unwrap();
    assert_eq!(audit().await.unwrap_err().code(), "user_inactive");
}

#[tokio::test]
async fn in_production_a_key_that_processes_completes_deposits_and_one_that_does_not_cannot() {
    let production =
        Settings { environment: Environment::Production, users_settle: false, ..settings() };
    let bank = bank_with(production).await;
    let admin = bank.admin().await;
    let account = bank.account(&admin).empty().await;
    let deposit = draft(Kind::Deposit, &account, "1");
    let (_, writing) = issue(&bank, &admin, new(&[Permission::WriteTransactions])).await;
    let writing = present(&bank, &writing).await.unwrap();
    let error = orders::create(&bank.platform, &writing, deposit.clone(), None).await.unwrap_err();
    assert_eq!(error.code(), "settlement_not_allowed");
    let pending = orders::Draft { complete: false, ..deposit };
    let pending = orders::create(&bank.platform, &writing, pending, None).await.unwrap().value.id;
    let (_, processing) = issue(&bank, &admin, new(&[Permission::ProcessTransactions])).await;
    let processing = present(&bank, &processing).await.unwrap();
    orders::process(&bank.platform, &processing, pending, None).await.unwrap();
}

#[tokio::test]
async fn an_administrators_key_sees_only_their_own_things_unless_it_was_given_admin_users() {
    let bank = bank().await;
    let (ada, admin) = (bank.user("ada@example.com").await, bank.admin().await);
    let account = bank.account(&ada).empty().await;
    for (permissions, seen) in [
        (vec![Permission::ReadAccounts], false),
        (vec![Permission::ReadAccounts, Permission::AdminUsers], true),
    ] {
        let (_, secret) = issue(&bank, &admin, new(&permissions)).await;
        let key = present(&bank, &secret).await.unwrap();
        assert_eq!(accounts::get(&bank.platform, &key, account.id).await.is_ok(), seen);
    }
}

#[tokio::test]
async fn a_key_does_not_manage_keys_or_sessions() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let (issued, secret) = issue(&bank, &ada, new(&[Permission::WriteAccounts])).await;
    let key = present(&bank, &secret).await.unwrap();
    let platform = &bank.platform;
    for error in [
        api_keys::issue(platform, &key, new(&[]), None).await.map(drop).unwrap_err(),
        api_keys::list(platform, &key).await.map(drop).unwrap_err(),
        api_keys::revoke(platform, &key, issued.id).await.unwrap_err(),
        sessions::list(platform, &key).await.map(drop).unwrap_err(),
        sessions::logout(platform, &key).await.unwrap_err(),
        users::close(platform, &key).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Forbidden(Forbidden::SessionOnly)), "{error:?}");
    }
}

#[tokio::test]
async fn another_users_key_is_not_there() {
    let bank = bank().await;
    let (ada, eve) = (bank.user("ada@example.com").await, bank.user("eve@example.com").await);
    let (key, _) = issue(&bank, &ada, new(&[])).await;
    let change = api_keys::update(&bank.platform, &eve, key.id, KeyChange::default()).await;
    assert!(matches!(change, Err(Error::NotFound(_))));
    assert!(matches!(
        api_keys::revoke(&bank.platform, &eve, key.id).await,
        Err(Error::NotFound(_))
    ));
}

#[tokio::test]
async fn the_use_of_a_key_is_noted_once_a_minute() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let (_, secret) = issue(&bank, &ada, new(&[])).await;
    let used = async || api_keys::list(&bank.platform, &ada).await.unwrap()[0].last_used;
    assert_eq!(used().await, None);
    let start = bank.platform.now();
    for (after, noted) in [(0, start), (30, start), (61, start + SignedDuration::from_secs(91))] {
        bank.clock.advance(SignedDuration::from_secs(after));
        present(&bank, &secret).await.unwrap();
        let is_noted = async {
            // It is noted beside.
            while used().await != Some(noted) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(5), is_noted).await;
        assert!(waited.is_ok(), "after {after} more seconds");
    }
}

#[tokio::test]
async fn whoever_holds_the_rows_of_keys_holds_up_nobody() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let mut secrets = Vec::new();
    for _ in 0..20 {
        secrets.push(issue(&bank, &ada, new(&[])).await.1);
    }
    let other = bank.client().await;
    // Half of them by their rows, then all by the table.
    for lock in [
        "BEGIN; SELECT id FROM api_keys ORDER BY id LIMIT 10 FOR UPDATE",
        "COMMIT; BEGIN; LOCK TABLE api_keys IN SHARE MODE",
    ] {
        other.batch_execute(lock).await.unwrap();
        bank.clock.advance(SignedDuration::from_secs(61));
        let since = std::time::Instant::now();
        for _ in 0..3 {
            let all = secrets.iter().map(|secret| present(&bank, secret));
            for presented in futures_util::future::join_all(all).await {
                presented.unwrap();
            }
        }
        assert!(since.elapsed() < Duration::from_secs(1), "{lock}: {:?}", since.elapsed());
    }
}

#[tokio::test]
async fn in_production_a_user_does_not_lift_the_limit_of_their_own_key() {
    let (environment, shares) = (Environment::Production, Shares::default());
    let bank = bank_with(Settings { environment, shares, ..settings() }).await;
    let (ada, admin) = (bank.user("ada@example.com").await, bank.admin().await);
    for (limit, allowed) in [(0, false), (1, true), (10_000, true), (10_001, false)] {
        let wanted = || NewApiKey { rate_limit: limit, ..new(&[]) };
        let issued = api_keys::issue(&bank.platform, &ada, wanted(), None).await;
        assert_eq!(issued.is_ok(), allowed, "{limit}");
        issue(&bank, &admin, wanted()).await;
    }
}

#[tokio::test]
async fn a_hundred_keys_are_enough_and_none_expires_in_the_past() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let past = NewApiKey { expires_at: Some(bank.platform.now()), ..new(&[]) };
    let error = api_keys::issue(&bank.platform, &ada, past, None).await.unwrap_err();
    let Error::Invalid(violations) = error else { panic!("{error:?}") };
    assert_eq!(violations[0].field, "expiresAt");
    for _ in 0..95 {
        issue(&bank, &ada, new(&[])).await;
    }
    let attempts: Vec<_> = (0..20)
        .map(|_| {
            let (platform, ada) = (bank.platform.clone(), ada.clone());
            tokio::spawn(async move { api_keys::issue(&platform, &ada, new(&[]), None).await })
        })
        .collect();
    let mut issued = 95;
    for attempt in attempts {
        issued += usize::from(attempt.await.unwrap().is_ok());
    }
    assert_eq!(issued, 100, "also when many ask at once");
}
