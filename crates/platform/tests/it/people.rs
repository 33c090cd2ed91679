//! Who comes in, how long they stay, and what ends it.

use crate::book::count;
use jiff::SignedDuration;
use ledger::Kind;
use platform::{
    Actor, Environment, Error, Origin, Platform, Role, Settings, SystemClock,
    error::{Conflict, Forbidden, Unauthenticated},
    login::{self, Login, Registration},
    orders, sessions,
    users::{self, Email, Name, Password, ProfileChange, UserChange, UserStatus},
};
use std::sync::Arc;
use testkit::{Bank, PASSWORD, bank, bank_with, settings};

async fn come_in(bank: &Bank, email: &str, password: &str) -> Result<Login, Error> {
    login::login(&bank.platform, &Origin::default(), email, password).await
}

async fn present(bank: &Bank, token: &str) -> Result<Actor, Error> {
    sessions::authenticate(&bank.platform, Origin::default(), token).await
}

async fn renew(bank: &Bank, token: &str) -> Result<Login, Error> {
    login::refresh(&bank.platform, &Origin::default(), token).await
}

fn why<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    result.unwrap_err().code()
}

fn registration(email: &str) -> Registration {
    Registration {
        email: Email::parse(email).unwrap(),
        password: Password::parse(PASSWORD).unwrap(),
        first_name: Name::parse("Ada").unwrap(),
        last_name: Name::parse("Lovelace").unwrap(),
        phone: None,
    }
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_password_look_alike_and_both_are_audited() {
    let bank = bank().await;
    bank.user("ada@example.com").await;
    assert_eq!(why(come_in(&bank, "ada@example.com", "wrong").await), "invalid_credentials");
    assert_eq!(why(come_in(&bank, "eve@example.com", PASSWORD).await), "invalid_credentials");
    let client = bank.client().await;
    assert_eq!(count(&client, "audit_logs WHERE action = 'LOGIN_FAILED'").await, 2);
    let secret = format!("audit_logs WHERE details::text LIKE '%{PASSWORD}%'");
    assert_eq!(count(&client, &secret).await, 0);
}

#[tokio::test]
async fn an_address_belongs_to_one_user_whatever_its_case_and_however_many_try_at_once() {
    let bank = bank().await;
    let attempts: Vec<_> = ["Ada@Example.com", "ada@example.com", "ADA@EXAMPLE.COM"]
        .into_iter()
        .map(|email| {
            let (platform, registration) = (bank.platform.clone(), registration(email));
            tokio::spawn(async move {
                login::register(&platform, &Origin::default(), registration).await
            })
        })
        .collect();
    let mut made = 0;
    for attempt in attempts {
        match attempt.await.unwrap() {
            Ok(_) => made += 1,
            Err(error) => {
                assert!(matches!(error, Error::Conflict(Conflict::EmailTaken)), "{error:?}");
            }
        }
    }
    assert_eq!(made, 1);
    come_in(&bank, "aDa@example.com", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn logging_out_ends_both_tokens_at_once() {
    let bank = bank().await;
    bank.user("ada@example.com").await;
    let login = come_in(&bank, "ada@example.com", PASSWORD).await.unwrap();
    let actor = present(&bank, &login.token).await.unwrap();
    sessions::logout(&bank.platform, &actor).await.unwrap();
    assert_eq!(why(present(&bank, &login.token).await), "session_ended");
    assert_eq!(why(renew(&bank, &login.refresh_token).await), "session_ended");
}

#[tokio::test]
async fn a_refresh_token_works_once_and_its_second_use_ends_the_session() {
    let bank = bank().await;
    bank.user("ada@example.com").await;
    let first = come_in(&bank, "ada@example.com", PASSWORD).await.unwrap();
    let second = renew(&bank, &first.refresh_token).await.unwrap();
    present(&bank, &second.token).await.unwrap();
    assert_eq!(why(renew(&bank, &first.refresh_token).await), "session_ended");
    assert_eq!(why(present(&bank, &second.token).await), "session_ended");
    assert_eq!(why(renew(&bank, &second.refresh_token).await), "session_ended");
    let client = bank.client().await;
    assert_eq!(count(&client, "audit_logs WHERE action = 'REFRESH_REUSE_DETECTED'").await, 1);
}

#[tokio::test]
async fn tokens_expire_when_they_say_and_are_not_interchangeable() {
    let bank = bank().await;
    bank.user("ada@example.com").await;
    let login = come_in(&bank, "ada@example.com", PASSWORD).await.unwrap();
    assert_eq!(why(present(&bank, &login.refresh_token).await), "invalid_token");
    assert_eq!(why(renew(&bank, &login.token).await), "invalid_token");
    bank.clock.advance(SignedDuration::from_hours(24));
    assert_eq!(why(present(&bank, &login.token).await), "token_expired");
    let renewed = renew(&bank, &login.refresh_token).await.unwrap();
    bank.clock.advance(SignedDuration::from_hours(7 * 24));
    assert_eq!(why(renew(&bank, &renewed.refresh_token).await), "token_expired");
}

#[tokio::test]
async fn a_token_that_was_altered_or_signed_otherwise_is_worth_nothing() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as b64};
    let bank = bank().await;
    bank.user("ada@example.com").await;
    let token = come_in(&bank, "ada@example.com", PASSWORD).await.unwrap().token;
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("{token}")
    };
    let none = b64.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let longer = b64
        .encode(String::from_utf8(b64.decode(claims).unwrap()).unwrap().replace("user", "admin"));
    for forged in [
        format!("{none}.{claims}."),
        format!("{none}.{claims}.{signature}"),
        format!("{header}.{longer}.{signature}"),
        format!("{header}.{claims}."),
        format!("{header}.{claims}"),
        format!("{claims}.{signature}"),
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        format!("{token}="),
        format!("{token}.{signature}"),
    ] {
        assert_eq!(why(present(&bank, &forged).await), "invalid_token", "{forged}");
    }
}

#[tokio::test]
async fn another_password_ends_all_other_sessions_and_only_the_right_one_changes_it() {
    let bank = bank().await;
    let here = bank.user("ada@example.com").await;
    let elsewhere = come_in(&bank, "ada@example.com", PASSWORD).await.unwrap();
    let new = || Password::parse("Another-Horse-2").unwrap();
    let wrong =
        users::change_password(&bank.platform, &here, "wrong", new(), users::Along::default())
            .await
            .unwrap_err();
    let Error::Invalid(violations) = wrong else { panic!("{wrong:?}") };
    assert_eq!(violations[0].field, "currentPassword");
    users::change_password(&bank.platform, &here, PASSWORD, new(), users::Along::default())
        .await
        .unwrap();
    assert_eq!(why(present(&bank, &elsewhere.token).await), "session_ended");
    assert_eq!(sessions::list(&bank.platform, &here).await.unwrap().len(), 1);
    assert_eq!(why(come_in(&bank, "ada@example.com", PASSWORD).await), "invalid_credentials");
    come_in(&bank, "ada@example.com", "Another-Horse-2").await.unwrap();
}

#[tokio::test]
async fn a_suspended_user_is_out_at_once_and_in_again_when_restored() {
    let bank = bank().await;
    let admin = bank.admin().await;
    let ada = bank.user("ada@example.com").await;
    let login = come_in(&bank, "ada@example.com", PASSWORD).await.unwrap();
    let set = async |status| {
        let change = UserChange { role: None, status: Some(status) };
        users::change(&bank.platform, &admin, ada.user_id, change).await
    };
    set(UserStatus::Suspended).await.unwrap();
    assert_eq!(why(present(&bank, &login.token).await), "session_ended");
    assert_eq!(why(come_in(&bank, "ada@example.com", PASSWORD).await), "user_inactive");
    assert_eq!(why(come_in(&bank, "ada@example.com", "wrong").await), "invalid_credentials");
    set(UserStatus::Active).await.unwrap();
    come_in(&bank, "ada@example.com", PASSWORD).await.unwrap();
    set(UserStatus::Closed).await.unwrap();
    assert_eq!(why(set(UserStatus::Active).await), "validation_failed");
}

#[tokio::test]
async fn the_last_administrator_can_neither_leave_nor_be_demoted_even_when_two_try_at_once() {
    let bank = bank().await;
    let admin = bank.admin().await;
    let demote = UserChange { role: Some(Role::User), status: None };
    let change = users::change(&bank.platform, &admin, admin.user_id, demote).await;
    assert!(matches!(change, Err(Error::Conflict(Conflict::LastAdmin))));
    assert!(matches!(
        users::close(&bank.platform, &admin).await,
        Err(Error::Conflict(Conflict::LastAdmin))
    ));
    let second = bank.user("ada@example.com").await;
    let promote = UserChange { role: Some(Role::Admin), status: None };
    users::change(&bank.platform, &admin, second.user_id, promote).await.unwrap();
    let second =
        bank.actor(&come_in(&bank, "ada@example.com", PASSWORD).await.unwrap().token).await;
    let (one, two) = tokio::join!(
        users::change(&bank.platform, &admin, admin.user_id, demote),
        users::change(&bank.platform, &second, second.user_id, demote),
    );
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
}

#[tokio::test]
async fn only_an_administrator_sees_and_changes_other_users() {
    let bank = bank().await;
    let (ada, bob) = (bank.user("ada@example.com").await, bank.user("bob@example.com").await);
    let promote = UserChange { role: Some(Role::Admin), status: None };
    let forbidden = [
        users::get(&bank.platform, &ada, bob.user_id).await.unwrap_err(),
        users::change(&bank.platform, &ada, ada.user_id, promote).await.unwrap_err(),
        users::list(&bank.platform, &ada, users::UserFilter::default(), Default::default())
            .await
            .unwrap_err(),
    ];
    for error in forbidden {
        assert!(matches!(error, Error::Forbidden(Forbidden::AdminOnly)), "{error:?}");
    }
}

#[tokio::test]
async fn a_user_leaves_with_empty_accounts_only_and_is_then_gone_but_not_forgotten() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).with("1").await;
    assert_eq!(why(users::close(&bank.platform, &ada).await), "user_has_money");
    let withdrawal = crate::money::draft(Kind::Withdrawal, &account, "1");
    orders::create(&bank.platform, &ada, withdrawal, None).await.unwrap();
    users::close(&bank.platform, &ada).await.unwrap();
    assert_eq!(why(come_in(&bank, "ada@example.com", PASSWORD).await), "user_inactive");
    let client = bank.client().await;
    assert_eq!(count(&client, "accounts WHERE status = 'closed'").await, 1);
    assert_eq!(count(&client, "audit_logs WHERE action = 'ACCOUNT_CLOSED'").await, 1);
    assert_eq!(count(&client, "wallstreet.outbox WHERE event_types = 'account.closed'").await, 1);
    assert_eq!(count(&client, "transactions").await, 2);
    let taken =
        login::register(&bank.platform, &Origin::default(), registration("ada@example.com")).await;
    assert!(matches!(taken, Err(Error::Conflict(Conflict::EmailTaken))));
}

#[tokio::test]
async fn a_profile_changes_only_where_it_is_told_to() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let phone = users::Phone::parse("+14155550100").unwrap();
    let change = ProfileChange { phone: Some(Some(phone)), ..ProfileChange::default() };
    let user = users::update_profile(&bank.platform, &ada, change).await.unwrap();
    assert_eq!((user.first_name.as_str(), user.phone.as_deref()), ("Ada", Some("+14155550100")));
    let change = ProfileChange { phone: Some(None), ..ProfileChange::default() };
    assert_eq!(users::update_profile(&bank.platform, &ada, change).await.unwrap().phone, None);
}

#[tokio::test]
async fn a_login_renews_a_hash_that_is_weaker_than_today() {
    let bank = bank().await;
    bank.user("ada@example.com").await;
    let stronger = Settings { bcrypt_cost: 5, ..settings() };
    let platform =
        Platform::connect(&bank.database.url, stronger, Arc::new(SystemClock)).await.unwrap();
    login::login(&platform, &Origin::default(), "ada@example.com", PASSWORD).await.unwrap();
    assert_eq!(count(&bank.client().await, "users WHERE password_hash LIKE '$2b$05$%'").await, 1);
    login::login(&platform, &Origin::default(), "ada@example.com", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn the_sample_administrator_works_in_development_and_bars_production() {
    let bank = bank().await;
    assert!(login::ensure_sample_admin(&bank.platform).await.unwrap());
    assert!(
        login::ensure_sample_admin(&bank.platform).await.unwrap(),
        "a second start changes nothing"
    );
    let login = come_in(&bank, "admin@wallstreet.com", "Admin123!").await.unwrap();
    assert_eq!(login.user.role, Role::Admin);
    let production = Settings { environment: Environment::Production, ..settings() };
    let platform = Platform::connect(&bank.database.url, production.clone(), Arc::new(SystemClock))
        .await
        .unwrap();
    assert_eq!(why(login::ensure_sample_admin(&platform).await), "validation_failed");
    let fresh = bank_with(production).await;
    assert!(!login::ensure_sample_admin(&fresh.platform).await.unwrap());
    assert_eq!(
        why(come_in(&fresh, "admin@wallstreet.com", "Admin123!").await),
        "invalid_credentials"
    );
}

#[tokio::test]
async fn a_login_that_began_with_the_old_password_does_not_bring_it_back() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    // Slow, and with a hash to renew: the login is still verifying when the change is done.
    let stronger = Settings { bcrypt_cost: 11, ..settings() };
    let client = bank.client().await;
    let slow = bcrypt_of(PASSWORD, 10);
    client.execute("UPDATE users SET password_hash = $1", &[&slow]).await.unwrap();
    let platform =
        Platform::connect(&bank.database.url, stronger, Arc::new(SystemClock)).await.unwrap();
    let login = tokio::spawn(async move {
        login::login(&platform, &Origin::default(), "ada@example.com", PASSWORD).await
    });
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let new = bcrypt_of("Another-Horse-2", 4);
    client.execute("UPDATE users SET password_hash = $1", &[&new]).await.unwrap();
    let login = login.await.unwrap();
    if let Err(error) = &login {
        assert_eq!(error.code(), "invalid_credentials");
    }
    come_in(&bank, "ada@example.com", "Another-Horse-2").await.unwrap();
    assert!(login.is_err(), "the password was changed before the login was done");
    drop(ada);
}

#[tokio::test]
async fn who_was_demoted_changes_nobody_even_with_a_proof_from_before() {
    let bank = bank().await;
    let admin = bank.admin().await;
    let second = bank.user("bob@example.com").await;
    let role = |role| UserChange { role: Some(role), status: None };
    users::change(&bank.platform, &admin, second.user_id, role(Role::Admin)).await.unwrap();
    let proven = Actor { role: Role::Admin, ..second };
    users::change(&bank.platform, &admin, proven.user_id, role(Role::User)).await.unwrap();
    let again = users::change(&bank.platform, &proven, proven.user_id, role(Role::Admin)).await;
    assert_eq!(why(again), "admin_required");
    let suspend = UserChange { role: None, status: Some(UserStatus::Suspended) };
    users::change(&bank.platform, &admin, proven.user_id, suspend).await.unwrap();
    let opened = platform::accounts::open(
        &bank.platform,
        &proven,
        platform::accounts::AccountType::Savings,
        None,
        None,
    );
    assert_eq!(why(opened.await), "user_inactive");
}

#[tokio::test]
async fn a_change_to_what_already_is_leaves_no_line_in_the_trail() {
    let bank = bank().await;
    let (admin, ada) = (bank.admin().await, bank.user("ada@example.com").await);
    let same = UserChange { role: Some(Role::User), status: Some(UserStatus::Active) };
    users::change(&bank.platform, &admin, ada.user_id, same).await.unwrap();
    let client = bank.client().await;
    assert_eq!(count(&client, "audit_logs WHERE action = 'USER_UPDATED'").await, 0);
}

#[tokio::test]
async fn a_password_typed_as_an_address_is_not_kept() {
    let bank = bank().await;
    assert_eq!(why(come_in(&bank, PASSWORD, "x").await), "invalid_credentials");
    let kept = format!("audit_logs WHERE details::text ILIKE '%{PASSWORD}%'");
    assert_eq!(count(&bank.client().await, &kept).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refreshing_while_being_suspended_is_no_deadlock() {
    let bank = bank().await;
    let admin = bank.admin().await;
    let ada = bank.user("ada@example.com").await;
    for _ in 0..15 {
        let login = come_in(&bank, "ada@example.com", PASSWORD).await.unwrap();
        let set = |status| UserChange { role: None, status: Some(status) };
        let (refreshed, suspended) = tokio::join!(
            renew(&bank, &login.refresh_token),
            users::change(&bank.platform, &admin, ada.user_id, set(UserStatus::Suspended)),
        );
        suspended.unwrap();
        if let Err(error) = refreshed {
            assert!(matches!(error, Error::Unauthenticated(_)), "{error:?}");
        }
        users::change(&bank.platform, &admin, ada.user_id, set(UserStatus::Active)).await.unwrap();
    }
}

fn bcrypt_of(password: &str, cost: u32) -> String {
    bcrypt::hash(password, cost).unwrap()
}

#[test]
fn a_password_follows_the_documented_rule_and_is_not_a_common_one() {
    for (wrong, says) in [
        ("Sh0rt!", "8 characters"),
        ("alllower1!", "upper-case"),
        ("ALLUPPER1!", "lower-case"),
        ("NoDigits!!", "a digit"),
        ("NoSpecial11", "special"),
        ("Password123!", "common"),
        ("Null\0Byte1!", "U+0000"),
    ] {
        assert!(Password::parse(wrong).unwrap_err().contains(says), "{wrong}");
    }
    assert!(Password::parse(&format!("Aa1!{}", "x".repeat(68))).is_ok());
    assert!(Password::parse(&format!("Aa1!{}", "x".repeat(69))).unwrap_err().contains("72 bytes"));
    assert!(Password::parse("Ünïcödé-1").is_ok());
}

#[tokio::test]
async fn a_password_of_72_bytes_counts_to_the_last_and_a_longer_one_never_passes_for_it() {
    let bank = bank().await;
    let password = format!("Aa1!{}", "x".repeat(68));
    let registration = Registration {
        password: Password::parse(&password).unwrap(),
        ..registration("ada@example.com")
    };
    login::register(&bank.platform, &Origin::default(), registration).await.unwrap();
    come_in(&bank, "ada@example.com", &password).await.unwrap();
    let other_end = format!("{}y", &password[..71]);
    assert_eq!(why(come_in(&bank, "ada@example.com", &other_end).await), "invalid_credentials");
    assert_eq!(
        why(come_in(&bank, "ada@example.com", &format!("{password}x")).await),
        "invalid_credentials"
    );
}

#[test]
fn what_people_write_about_themselves_is_bounded() {
    for wrong in [
        "",
        "a",
        "a@b",
        "@b.c",
        "a@@b.c",
        "a b@c.de",
        "a@b..c",
        "a@-b.c",
        "a\0@b.cd",
        &format!("{}@b.cd", "a".repeat(65)),
    ] {
        assert!(Email::parse(wrong).is_err(), "{wrong:?}");
    }
    assert_eq!(
        Email::parse("Ada.L+x@Sub.Example.COM").unwrap().as_str(),
        "ada.l+x@sub.example.com"
    );
    for wrong in ["", "   ", &"x".repeat(101), "a\0b", "a\nb"] {
        assert!(Name::parse(wrong).is_err(), "{wrong:?}");
    }
    for wrong in
        ["", "123", "+", "+0123456789", "+1234567890123456", "+12a4567890", "0014155550100"]
    {
        assert!(users::Phone::parse(wrong).is_err(), "{wrong:?}");
    }
}

#[tokio::test]
async fn a_session_ends_only_by_its_owner() {
    let bank = bank().await;
    let (ada, eve) = (bank.user("ada@example.com").await, bank.user("eve@example.com").await);
    let hers = sessions::list(&bank.platform, &ada).await.unwrap()[0].id;
    let error = sessions::end(&bank.platform, &eve, hers).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error:?}");
    sessions::end(&bank.platform, &ada, hers).await.unwrap();
    let again = sessions::end(&bank.platform, &ada, hers).await.unwrap_err();
    assert!(matches!(again, Error::NotFound(_)));
}

#[test]
fn every_way_of_being_nobody_has_a_code_of_its_own() {
    let codes: std::collections::BTreeSet<_> =
        Unauthenticated::ALL.iter().map(|why| why.code()).collect();
    assert_eq!(codes.len(), Unauthenticated::ALL.len());
}
