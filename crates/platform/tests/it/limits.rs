//! How much may go out of an account, and what stops its money.

use crate::book::{assert_sound, count};
use crate::life::{amount, held, reverse, second};
use crate::money::{draft, funds, order, transfer};
use jiff::{SignedDuration, Timestamp};
use ledger::{AccountStatus, FreezeScope, Kind, Limits, Money};
use platform::{
    Actor, Error, Platform,
    accounts::{self, Account, FreezeReason},
    error::Forbidden,
    orders::{self, Draft},
    users,
};
use testkit::{Bank, bank};

fn overdraft(text: &str) -> Limits {
    Limits { overdraft: Money::parse(text).unwrap(), ..Limits::default() }
}

fn most(per_transaction: &str, daily: &str) -> Limits {
    let limit = |text| ledger::Amount::parse(text).ok();
    Limits { per_transaction: limit(per_transaction), daily: limit(daily), ..Limits::default() }
}

async fn limit(bank: &Bank, account: &Account, limits: Limits) -> Result<Account, Error> {
    accounts::set_limits(&bank.platform, &bank.admin().await, account.id, limits).await
}

async fn freeze(
    bank: &Bank,
    account: &Account,
    scope: FreezeScope,
    until: Option<Timestamp>,
) -> Result<Account, Error> {
    let freeze = (scope, FreezeReason::parse("court order 7").unwrap(), until);
    accounts::freeze(&bank.platform, &bank.admin().await, account.id, freeze).await
}

async fn ada_with(bank: &Bank, amount: &str) -> (Actor, Account) {
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).with(amount).await;
    (ada, account)
}

async fn out(bank: &Bank, by: &Actor, account: &Account, amount: &str) -> &'static str {
    match order(bank, by, draft(Kind::Withdrawal, account, amount)).await {
        Ok(_) => "done",
        Err(error) => error.code(),
    }
}

#[tokio::test]
async fn only_an_administrator_limits_and_freezes() {
    let bank = bank().await;
    let (ada, account) = ada_with(&bank, "10").await;
    let reason = FreezeReason::parse("mine").unwrap();
    let freeze = (FreezeScope::All, reason, None);
    for answer in [
        accounts::set_limits(&bank.platform, &ada, account.id, overdraft("1000")).await,
        accounts::freeze(&bank.platform, &ada, account.id, freeze).await,
        accounts::unfreeze(&bank.platform, &ada, account.id).await,
        accounts::get_any(&bank.platform, &ada, account.id).await,
    ] {
        assert!(matches!(answer, Err(Error::Forbidden(Forbidden::AdminOnly))), "{answer:?}");
    }
    let seen = accounts::get(&bank.platform, &ada, account.id).await.unwrap();
    assert_eq!((seen.limits, seen.freeze), (Limits::default(), None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_orders_that_race_on_two_servers_stop_at_the_overdraft_to_the_cent() {
    let bank = bank().await;
    let other = second(&bank).await;
    let (ada, account) = ada_with(&bank, "10").await;
    limit(&bank, &account, overdraft("5.01")).await.unwrap();
    let attempts: Vec<_> = (0..50)
        .map(|n| {
            let platform = if n % 2 == 0 { bank.platform.clone() } else { other.clone() };
            let (ada, new) = (ada.clone(), draft(Kind::Withdrawal, &account, "1"));
            let new = Draft { complete: n % 3 == 0, ..new };
            tokio::spawn(async move { orders::create(&platform, &ada, new, None).await })
        })
        .collect();
    let mut done = 0;
    for attempt in attempts {
        match attempt.await.unwrap() {
            Ok(_) => done += 1,
            Err(error) => assert_eq!(error.code(), "insufficient_funds"),
        }
    }
    assert_eq!(done, 15);
    assert_eq!(out(&bank, &ada, &account, "0.02").await, "insufficient_funds");
    assert_eq!(out(&bank, &ada, &account, "0.01").await, "done");
    assert_eq!(out(&bank, &ada, &account, "0.01").await, "insufficient_funds");
    let seen = accounts::get(&bank.platform, &ada, account.id).await.unwrap();
    assert_eq!(seen.available_balance.to_string(), "-5.01");
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn an_overdraft_is_not_taken_away_while_it_is_used_whoever_tries() {
    let bank = bank().await;
    let (ada, account) = ada_with(&bank, "10").await;
    limit(&bank, &account, overdraft("50")).await.unwrap();
    assert_eq!(out(&bank, &ada, &account, "40").await, "done");
    let error = limit(&bank, &account, overdraft("29.99")).await.unwrap_err();
    assert_eq!(error.code(), "overdraft_in_use");
    assert!(error.to_string().starts_with("30.00 USD of the overdraft is in use"), "{error}");
    let client = bank.client().await;
    let raw = client.execute("UPDATE accounts SET overdraft_limit = 29.99", &[]).await.unwrap_err();
    assert_eq!(raw.as_db_error().unwrap().constraint(), Some("accounts_money_sound"));
    let allowed = limit(&bank, &account, overdraft("30")).await.unwrap();
    assert_eq!(allowed.limits, overdraft("30"));
    assert_eq!(out(&bank, &ada, &account, "0.01").await, "insufficient_funds");
    order(&bank, &ada, draft(Kind::Deposit, &account, "30")).await.unwrap();
    limit(&bank, &account, Limits::default()).await.unwrap();
    assert_eq!(out(&bank, &ada, &account, "0.01").await, "insufficient_funds");
    assert_sound(&client).await;
}

#[tokio::test]
async fn a_limit_in_yen_is_whole_and_a_closed_account_has_no_new_one() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let yen = bank.account(&ada).in_currency("JPY").empty().await;
    for limits in [overdraft("0.50"), most("0.50", ""), most("", "10.01")] {
        assert_eq!(limit(&bank, &yen, limits).await.unwrap_err().code(), "fraction_of_unit");
    }
    limit(&bank, &yen, Limits { overdraft: Money::parse("5").unwrap(), ..most("7", "9") })
        .await
        .unwrap();
    accounts::close(&bank.platform, &ada, yen.id).await.unwrap();
    assert_eq!(limit(&bank, &yen, Limits::default()).await.unwrap_err().code(), "account_closed");
    let frozen = freeze(&bank, &yen, FreezeScope::All, None).await;
    assert_eq!(frozen.unwrap_err().code(), "account_closed");
}

#[tokio::test]
async fn one_order_and_one_day_have_a_limit_and_a_new_day_begins_at_midnight() {
    let bank = bank().await;
    let (ada, account) = ada_with(&bank, "1000").await;
    limit(&bank, &account, most("60", "100")).await.unwrap();
    assert_eq!(out(&bank, &ada, &account, "60.01").await, "transaction_limit_exceeded");
    assert_eq!(out(&bank, &ada, &account, "60").await, "done");
    assert_eq!(out(&bank, &ada, &account, "40.01").await, "daily_limit_exceeded");
    assert_eq!(out(&bank, &ada, &account, "40").await, "done");
    assert_eq!(out(&bank, &ada, &account, "0.01").await, "daily_limit_exceeded");
    order(&bank, &ada, draft(Kind::Deposit, &account, "500")).await.unwrap();
    bank.clock.advance(SignedDuration::from_secs(12 * 3600 - 1));
    assert_eq!(out(&bank, &ada, &account, "0.01").await, "daily_limit_exceeded", "23:59:59");
    bank.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(out(&bank, &ada, &account, "60").await, "done", "midnight");
    assert_eq!(out(&bank, &ada, &account, "40.01").await, "daily_limit_exceeded");
    limit(&bank, &account, Limits::default()).await.unwrap();
    assert_eq!(out(&bank, &ada, &account, "500").await, "done");
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn what_is_called_off_on_the_same_day_counts_no_more_and_what_was_of_yesterday_never_did() {
    let bank = bank().await;
    let (ada, account) = ada_with(&bank, "1000").await;
    limit(&bank, &account, most("", "100")).await.unwrap();
    let hold = async |text| {
        let new = held(draft(Kind::Withdrawal, &account, text));
        order(&bank, &ada, new).await.unwrap().id
    };
    let cancel = async |id| orders::cancel(&bank.platform, &ada, id, None).await.unwrap();
    let (called_off, taken, kept) = (hold("50").await, hold("30").await, hold("20").await);
    assert_eq!(out(&bank, &ada, &account, "0.01").await, "daily_limit_exceeded", "holds count");
    cancel(called_off).await;
    orders::capture(&bank.platform, &ada, taken, Some(amount("10")), true, None).await.unwrap();
    assert_eq!(out(&bank, &ada, &account, "70.01").await, "daily_limit_exceeded");
    assert_eq!(out(&bank, &ada, &account, "70").await, "done");
    bank.clock.advance(SignedDuration::from_hours(12));
    assert_eq!(out(&bank, &ada, &account, "100").await, "done");
    cancel(kept).await;
    assert_eq!(out(&bank, &ada, &account, "0.01").await, "daily_limit_exceeded", "of yesterday");
    assert_sound(&bank.client().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_that_race_on_two_servers_stop_at_the_days_limit() {
    let bank = bank().await;
    let other = second(&bank).await;
    let (ada, account) = ada_with(&bank, "1000").await;
    limit(&bank, &account, most("", "20.50")).await.unwrap();
    let attempts: Vec<_> = (0..40)
        .map(|n| {
            let platform = if n % 2 == 0 { bank.platform.clone() } else { other.clone() };
            let (ada, new) = (ada.clone(), draft(Kind::Withdrawal, &account, "1"));
            tokio::spawn(async move { orders::create(&platform, &ada, new, None).await })
        })
        .collect();
    let mut done = 0;
    for attempt in attempts {
        match attempt.await.unwrap() {
            Ok(_) => done += 1,
            Err(error) => assert_eq!(error.code(), "daily_limit_exceeded"),
        }
    }
    assert_eq!(done, 20);
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn a_freeze_stops_its_direction_and_no_other_until_it_ends() {
    let bank = bank().await;
    let (ada, account) = ada_with(&bank, "100").await;
    let bob = bank.user("bob@example.com").await;
    let other = bank.account(&bob).with("100").await;
    let attempt = async |by, new| match order(&bank, by, new).await {
        Ok(_) => "done",
        Err(error) => error.code(),
    };
    for (scope, debits, credits) in [
        (FreezeScope::Debits, "account_frozen", "done"),
        (FreezeScope::Credits, "done", "account_frozen"),
        (FreezeScope::All, "account_frozen", "account_frozen"),
    ] {
        let end = bank.platform.now() + SignedDuration::from_mins(5);
        freeze(&bank, &account, scope, Some(end)).await.unwrap();
        let received = match credits {
            "done" => "done",
            _ => "target_account_frozen",
        };
        let (give, take) = (transfer(&account, &other, "1"), transfer(&other, &account, "1"));
        assert_eq!(attempt(&ada, draft(Kind::Withdrawal, &account, "1")).await, debits);
        assert_eq!(attempt(&ada, held(draft(Kind::Debit, &account, "1"))).await, debits);
        assert_eq!(attempt(&ada, give.clone()).await, debits);
        assert_eq!(attempt(&ada, draft(Kind::Deposit, &account, "1")).await, credits);
        assert_eq!(attempt(&bob, take.clone()).await, received);
        bank.clock.advance(SignedDuration::from_mins(5));
        let seen = accounts::get(&bank.platform, &ada, account.id).await.unwrap();
        assert_eq!(seen.freeze, None, "an ended freeze is none");
        assert_eq!(attempt(&ada, give).await, "done");
        assert_eq!(attempt(&bob, take).await, "done");
    }
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn what_is_pending_when_the_freeze_comes_is_not_taken_but_can_be_called_off() {
    let bank = bank().await;
    let (ada, account) = ada_with(&bank, "100").await;
    let bob = bank.user("bob@example.com").await;
    let other = bank.account(&bob).empty().await;
    let hold =
        async || order(&bank, &ada, held(transfer(&account, &other, "10"))).await.unwrap().id;
    let (first, second) = (hold().await, hold().await);
    let done = order(&bank, &ada, transfer(&account, &other, "5")).await.unwrap();
    freeze(&bank, &account, FreezeScope::Debits, None).await.unwrap();
    let error = orders::capture(&bank.platform, &ada, first, None, false, None).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Account is frozen for debits (court order 7): ask an administrator to lift it"
    );
    orders::cancel(&bank.platform, &ada, first, None).await.unwrap();
    let back = done.paired_transaction_id.unwrap();
    reverse(&bank, &bob, back, "2").await.unwrap();
    freeze(&bank, &account, FreezeScope::All, None).await.unwrap();
    let stopped = reverse(&bank, &bob, back, "").await.unwrap_err();
    assert_eq!(stopped.code(), "target_account_frozen", "why is not bob's business");
    let owner =
        accounts::set_status(&bank.platform, &ada, account.id, AccountStatus::Suspended).await;
    assert_eq!(owner.unwrap().status, AccountStatus::Suspended);
    let owner = accounts::set_status(&bank.platform, &ada, account.id, AccountStatus::Active).await;
    assert!(owner.unwrap().freeze.is_some(), "an owner restores an account, but lifts no freeze");
    assert_eq!(out(&bank, &ada, &account, "1").await, "account_frozen");
    let lifted = accounts::unfreeze(&bank.platform, &bank.admin().await, account.id).await.unwrap();
    assert_eq!(lifted.freeze, None);
    orders::process(&bank.platform, &ada, second, None).await.unwrap();
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn a_hold_on_a_frozen_and_suspended_account_still_ends_with_its_time() {
    let bank = bank().await;
    let (ada, account) = ada_with(&bank, "100").await;
    let end = bank.platform.now() + SignedDuration::from_mins(1);
    let new = Draft { expires: Some(end), ..held(draft(Kind::Withdrawal, &account, "10")) };
    order(&bank, &ada, new).await.unwrap();
    freeze(&bank, &account, FreezeScope::All, None).await.unwrap();
    accounts::set_status(&bank.platform, &ada, account.id, AccountStatus::Suspended).await.unwrap();
    bank.clock.advance(SignedDuration::from_mins(1));
    assert_eq!(orders::expire(&bank.platform).await.unwrap(), 1);
    assert_eq!(funds(&bank, &ada, &account).await, "100.00 / 100.00");
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn what_is_overdrawn_or_frozen_is_not_closed_and_its_owner_stays() {
    let bank = bank().await;
    let (ada, account) = ada_with(&bank, "10").await;
    let close = async || accounts::close(&bank.platform, &ada, account.id).await;
    limit(&bank, &account, overdraft("50")).await.unwrap();
    assert_eq!(out(&bank, &ada, &account, "15").await, "done");
    let error = close().await.unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        ("account_not_empty", "The account is overdrawn by 5.00 USD: pay it back before closing")
    );
    order(&bank, &ada, draft(Kind::Deposit, &account, "5")).await.unwrap();
    let end = bank.platform.now() + SignedDuration::from_mins(1);
    freeze(&bank, &account, FreezeScope::Credits, Some(end)).await.unwrap();
    assert_eq!(close().await.unwrap_err().code(), "account_frozen");
    assert_eq!(users::close(&bank.platform, &ada).await.unwrap_err().code(), "user_has_money");
    bank.clock.advance(SignedDuration::from_mins(1));
    assert_eq!(close().await.unwrap().status, AccountStatus::Closed);
    users::close(&bank.platform, &ada).await.unwrap();
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn every_change_is_told_once_and_what_changes_nothing_is_not() {
    let bank = bank().await;
    let (_, account) = ada_with(&bank, "10").await;
    let root = bank.admin().await;
    let past = freeze(&bank, &account, FreezeScope::All, Some(bank.platform.now())).await;
    assert_eq!(past.unwrap_err().code(), "validation_failed");
    for _ in 0..2 {
        limit(&bank, &account, overdraft("50")).await.unwrap();
    }
    for _ in 0..2 {
        let frozen = freeze(&bank, &account, FreezeScope::Debits, None).await.unwrap().freeze;
        assert_eq!(frozen.unwrap().reason, "court order 7");
    }
    freeze(&bank, &account, FreezeScope::All, None).await.unwrap();
    for _ in 0..2 {
        accounts::unfreeze(&bank.platform, &root, account.id).await.unwrap();
    }
    let client = bank.client().await;
    for (action, event, times) in [
        ("ACCOUNT_LIMITS_CHANGED", "account.updated", 1),
        ("ACCOUNT_FROZEN", "account.frozen", 2),
        ("ACCOUNT_UNFROZEN", "account.unfrozen", 1),
    ] {
        let told = format!("audit_logs WHERE action = '{action}' AND user_id = '{}'", root.user_id);
        assert_eq!(count(&client, &told).await, times, "{action}");
        let news = format!("wallstreet.outbox WHERE event_types = '{event}'");
        assert_eq!(count(&client, &news).await, times, "{event}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_that_change_while_money_moves_hold_for_every_order_after_them() {
    let bank = bank().await;
    let (ada, account) = ada_with(&bank, "10").await;
    let root = bank.admin().await;
    for round in 0..15 {
        limit(&bank, &account, overdraft("20")).await.unwrap();
        let change = {
            let (platform, root, id) = (bank.platform.clone(), root.clone(), account.id);
            tokio::spawn(async move {
                accounts::set_limits(&platform, &root, id, Limits::default()).await
            })
        };
        let spend = |platform: Platform| {
            let (ada, new) = (ada.clone(), draft(Kind::Withdrawal, &account, "11"));
            tokio::spawn(async move { orders::create(&platform, &ada, new, None).await })
        };
        let (change, spent) = tokio::join!(change, spend(bank.platform.clone()));
        match (change.unwrap(), spent.unwrap()) {
            (Ok(_), Err(error)) => assert_eq!(error.code(), "insufficient_funds"),
            (Err(error), Ok(spent)) => {
                assert_eq!(error.code(), "overdraft_in_use");
                reverse(&bank, &ada, spent.value.id, "").await.unwrap();
            }
            other => panic!("round {round}: {other:?}"),
        }
    }
    assert_eq!(funds(&bank, &ada, &account).await, "10.00 / 10.00");
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn after_a_clock_that_was_days_ahead_a_day_is_a_day_again_and_the_ledger_is_sound() {
    let bank = bank().await;
    let (ada, account) = ada_with(&bank, "100").await;
    limit(&bank, &account, most("", "10")).await.unwrap();
    assert_eq!(out(&bank, &ada, &account, "1").await, "done");
    bank.clock.advance(SignedDuration::from_hours(8 * 24));
    let ahead = order(&bank, &ada, held(draft(Kind::Withdrawal, &account, "9"))).await.unwrap();
    bank.seal().await;
    bank.clock.advance(SignedDuration::from_hours(-8 * 24));
    assert_eq!(out(&bank, &ada, &account, "6").await, "done");
    assert_eq!(out(&bank, &ada, &account, "5").await, "daily_limit_exceeded");
    assert_sound(&bank.client().await).await;
    assert!(crate::verification::report(&bank).await.is_sound());
    orders::cancel(&bank.platform, &ada, ahead.id, None).await.unwrap();
    bank.clock.advance(SignedDuration::from_hours(24));
    assert_eq!(out(&bank, &ada, &account, "10").await, "done");
    bank.seal().await;
    let report = crate::verification::report(&bank).await;
    assert!(report.is_sound(), "{report:?}");
    let changed = "UPDATE accounts SET spent_amount = 9 WHERE spent_amount = 10";
    bank.client().await.batch_execute(changed).await.unwrap();
    assert!(!crate::verification::report(&bank).await.is_sound());
}
