//! A schedule from its making to its end.

use super::*;

#[tokio::test]
async fn a_refusal_is_a_run_and_the_next_one_is_tried_all_the_same() {
    let street = street("15").await;
    let (bank, ada) = (&street.bank, &street.ada);
    let transfer = transfer(&street.source, &street.target, "10");
    let schedule = made(bank, ada, daily(bank, transfer)).await;
    bank.clock.advance(DAY);
    assert_eq!(street.due().await, 2);
    accounts::set_status(&bank.platform, ada, street.source.id, AccountStatus::Suspended)
        .await
        .unwrap();
    bank.clock.advance(DAY);
    street.due().await;
    accounts::set_status(&bank.platform, ada, street.source.id, AccountStatus::Active)
        .await
        .unwrap();
    let deposit = Draft { complete: true, ..draft(Kind::Deposit, &street.source, "100") };
    crate::money::order(bank, ada, deposit).await.unwrap();
    bank.clock.advance(DAY);
    street.due().await;
    let words = "completed insufficient_funds account_suspended completed";
    assert_eq!(history(bank, ada, &schedule).await, words);
    assert_eq!(street.received().await, "20.00");
    let client = bank.client().await;
    let told = "wallstreet.outbox WHERE event_types = 'schedule.refused'";
    assert_eq!(count(&client, told).await, 2);
    let told = "wallstreet.outbox WHERE event_types = 'schedule.completed'";
    assert_eq!(count(&client, told).await, 2);
}

#[tokio::test]
async fn a_demoted_administrators_schedule_no_longer_reaches_what_is_not_theirs() {
    let street = street("100").await;
    let (bank, ada) = (&street.bank, &street.ada);
    let second = bank.user("second@example.com").await;
    let root = bank.admin().await;
    let role = |role| UserChange { role: Some(role), status: None };
    let change = async |role| {
        users::change(&bank.platform, &root, second.user_id, role).await.unwrap();
    };
    change(role(platform::Role::Admin)).await;
    let second = Actor { role: platform::Role::Admin, ..second };
    let transfer = transfer(&street.source, &street.target, "10");
    let schedule = made(bank, &second, daily(bank, transfer)).await;
    assert_eq!(street.due().await, 1);
    change(role(platform::Role::User)).await;
    bank.clock.advance(DAY);
    assert_eq!(street.due().await, 0);
    let paused = schedules::get(&bank.platform, &root, schedule.id).await.unwrap();
    assert_eq!(paused.pause_reason, Some(PauseReason::PermissionLost));
    assert_eq!(history(bank, &root, &schedule).await, "completed");
    assert!(schedules::get(&bank.platform, ada, schedule.id).await.is_err(), "it is not Ada's");
}

#[tokio::test]
async fn a_paused_schedule_does_not_run_and_skips_what_fell_due_meanwhile() {
    let street = street("100").await;
    let (bank, ada) = (&street.bank, &street.ada);
    let transfer = transfer(&street.source, &street.target, "10");
    let schedule = made(bank, ada, daily(bank, transfer)).await;
    street.due().await;
    let set = async |status| {
        schedules::set_status(&bank.platform, ada, schedule.id, status).await.unwrap()
    };
    set(Status::Paused).await;
    bank.clock.advance(DAY * 3);
    assert_eq!(street.due().await, 0);
    assert_eq!(set(Status::Active).await.next_run, 4);
    assert_eq!(street.due().await, 0);
    bank.clock.advance(DAY);
    street.due().await;
    let words = "completed skipped skipped skipped completed";
    assert_eq!(history(bank, ada, &schedule).await, words);
    assert_eq!(street.received().await, "20.00");
}

#[tokio::test]
async fn after_a_long_night_one_schedule_catches_up_and_the_other_skips() {
    let street = street("100").await;
    let (bank, ada) = (&street.bank, &street.ada);
    let draft = |amount| transfer(&street.source, &street.target, amount);
    let all = made(bank, ada, daily(bank, draft("1"))).await;
    let newest = made(bank, ada, skipping(daily(bank, draft("10")))).await;
    let single = made(bank, ada, skipping(once(bank, draft("20")))).await;
    bank.clock.advance(DAY * 4 + SignedDuration::from_hours(5));
    assert_eq!(street.due().await, 5 + 1 + 1);
    assert_eq!(history(bank, ada, &all).await, "completed completed completed completed completed");
    assert_eq!(history(bank, ada, &newest).await, "skipped skipped skipped skipped completed");
    assert_eq!(history(bank, ada, &single).await, "completed", "nothing newer stands for it");
    assert_eq!(street.received().await, "35.00");
    assert_eq!(status(bank, ada, &single).await, (Status::Ended, None));
    let client = bank.client().await;
    assert_eq!(count(&client, "audit_logs WHERE action = 'SCHEDULE_SKIPPED'").await, 1);
}

#[tokio::test]
async fn a_schedule_ends_behind_its_last_occurrence() {
    let street = street("100").await;
    let (bank, ada) = (&street.bank, &street.ada);
    let new = daily(bank, transfer(&street.source, &street.target, "1"));
    let until = Some(bank.platform.now() + DAY);
    let two = Rhythm { runs: Some(2), ..new.rhythm.clone() };
    let dated = Rhythm { until, ..new.rhythm.clone() };
    let two = made(bank, ada, NewSchedule { rhythm: two, ..new.clone() }).await;
    let dated = made(bank, ada, NewSchedule { rhythm: dated, ..new }).await;
    bank.clock.advance(DAY * 9);
    street.due().await;
    for schedule in [two, dated] {
        assert_eq!(history(bank, ada, &schedule).await, "completed completed");
        assert_eq!(status(bank, ada, &schedule).await, (Status::Ended, None));
        let again = schedules::set_status(&bank.platform, ada, schedule.id, Status::Active).await;
        assert!(matches!(again, Err(Error::Invalid(_))), "{again:?}");
    }
}

#[tokio::test]
async fn an_ended_schedule_does_not_run_and_keeps_its_history() {
    let street = street("100").await;
    let (bank, ada) = (&street.bank, &street.ada);
    let schedule =
        made(bank, ada, daily(bank, transfer(&street.source, &street.target, "1"))).await;
    street.due().await;
    for _ in 0..2 {
        let ended = schedules::end(&bank.platform, ada, schedule.id).await.unwrap();
        assert_eq!(ended.status, Status::Ended);
    }
    bank.clock.advance(DAY * 9);
    assert_eq!(street.due().await, 0);
    assert_eq!(history(bank, ada, &schedule).await, "completed");
    let client = bank.client().await;
    assert_eq!(count(&client, "audit_logs WHERE action = 'SCHEDULE_ENDED'").await, 1);
}

#[tokio::test]
async fn what_an_order_is_refused_for_a_schedule_is_refused_for_at_once() {
    let street = street("100").await;
    let (bank, ada) = (&street.bank, &street.ada);
    let bob = bank.user("bob@example.com").await;
    let theirs = bank.account(&bob).empty().await;
    let euros = bank.account(&ada.clone()).in_currency("EUR").empty().await;
    let yen = bank.account(&ada.clone()).in_currency("JPY").empty().await;
    let closed = bank.account(ada).empty().await;
    accounts::close(&bank.platform, ada, closed.id).await.unwrap();
    let (source, target) = (&street.source, &street.target);
    let aimless = draft(Kind::Transfer, source, "1");
    let aiming = Draft { kind: Kind::Withdrawal, ..transfer(source, target, "1") };
    let wrong = Draft { currency: Some(euros.currency), ..transfer(source, target, "1") };
    for (draft, code) in [
        (transfer(&theirs, target, "1"), "account_not_found"),
        (transfer(source, &closed, "1"), "account_closed"),
        (transfer(source, source, "1"), "same_account"),
        (transfer(source, &euros, "1"), "currency_mismatch"),
        (wrong, "currency_mismatch"),
        (draft(Kind::Withdrawal, &yen, "1.50"), "fraction_of_unit"),
        (aimless, "validation_failed"),
        (aiming, "validation_failed"),
    ] {
        let order = crate::money::order(bank, ada, draft.clone()).await.unwrap_err();
        let error =
            schedules::create(&bank.platform, ada, daily(bank, draft), None).await.unwrap_err();
        assert_eq!((error.code(), error.to_string()), (code, order.to_string()));
    }
    let late = daily(bank, transfer(source, target, "1"));
    bank.clock.advance(SignedDuration::from_secs(61));
    let error = schedules::create(&bank.platform, ada, late, None).await.unwrap_err();
    assert!(format!("{error:?}").contains("startAt"), "{error:?}");
    assert_eq!(count(&bank.client().await, "wallstreet.schedules").await, 0);
}

#[tokio::test]
async fn a_key_lends_a_schedule_no_right_that_it_lacks() {
    let bank = bank_with(platform::Settings {
        environment: platform::Environment::Production,
        users_settle: false,
        ..settings()
    })
    .await;
    let (ada, admin) = (bank.user("ada@example.com").await, bank.admin().await);
    let (hers, own) = (bank.account(&ada).empty().await, bank.account(&admin).empty().await);
    let new = |permissions: &[platform::Permission]| NewApiKey {
        name: KeyName::parse("k").unwrap(),
        permissions: permissions.iter().copied().collect::<BTreeSet<_>>(),
        rate_limit: 100,
        expires_at: None,
    };
    let key = async |permissions| {
        let issued = api_keys::issue(&bank.platform, &admin, new(permissions), None).await.unwrap();
        let secret = issued.value.secret.unwrap();
        api_keys::authenticate(&bank.platform, platform::Origin::default(), &secret).await.unwrap()
    };
    let write = key(&[platform::Permission::WriteTransactions]).await;
    let read = key(&[platform::Permission::ReadTransactions]).await;
    let create = async |by: &Actor, account: &Account| {
        let new = daily(&bank, draft(Kind::Credit, account, "5"));
        schedules::create(&bank.platform, by, new, None).await.map(|outcome| outcome.value)
    };
    assert_eq!(create(&read, &own).await.unwrap_err().code(), "permission_required");
    assert_eq!(create(&write, &own).await.unwrap_err().code(), "settlement_not_allowed");
    assert_eq!(create(&write, &hers).await.unwrap_err().code(), "account_not_found");
    assert_eq!(create(&ada, &hers).await.unwrap_err().code(), "settlement_not_allowed");
    let schedule = create(&admin, &hers).await.unwrap();
    assert_eq!(run_due(&bank.platform).await.unwrap(), 1);
    assert_eq!(history(&bank, &admin, &schedule).await, "completed");
    assert_eq!(
        schedules::get(&bank.platform, &ada, schedule.id).await.unwrap_err().code(),
        "schedule_not_found"
    );
    let refused = schedules::end(&bank.platform, &read, schedule.id).await.unwrap_err();
    assert_eq!(refused.code(), "permission_required");
}

#[tokio::test]
async fn a_user_has_at_most_a_thousand_schedules_that_have_not_ended() {
    let street = street("100").await;
    let (bank, ada) = (&street.bank, &street.ada);
    let new = || daily(bank, transfer(&street.source, &street.target, "1"));
    let schedule = made(bank, ada, new()).await;
    let client = bank.client().await;
    let copies = "INSERT INTO wallstreet.schedules (id, user_id, account_id, transaction_type, amount, currency,
            to_account_id, metadata, start_at, time_zone, missed, status, created_at, updated_at)
        SELECT gen_random_uuid(), user_id, account_id, transaction_type, amount, currency, to_account_id,
               metadata, start_at, time_zone, missed, 'paused', created_at, updated_at
          FROM wallstreet.schedules, generate_series(1, 999)";
    client.batch_execute(copies).await.unwrap();
    let error = schedules::create(&bank.platform, ada, new(), None).await.unwrap_err();
    assert!(format!("{error:?}").contains("too_many"), "{error:?}");
    schedules::end(&bank.platform, ada, schedule.id).await.unwrap();
    schedules::create(&bank.platform, ada, new(), None).await.unwrap();
}

#[tokio::test]
async fn the_same_request_under_one_key_makes_one_schedule() {
    let street = street("100").await;
    let (bank, ada) = (&street.bank, &street.ada);
    let new = daily(bank, transfer(&street.source, &street.target, "1"));
    let key = || Some(IdempotencyKey::new("k", b"the same request").unwrap());
    let first = schedules::create(&bank.platform, ada, new.clone(), key()).await.unwrap();
    bank.clock.advance(DAY);
    street.due().await;
    let again = schedules::create(&bank.platform, ada, new, key()).await.unwrap();
    assert!(again.replayed && !first.replayed);
    assert_eq!(format!("{:?}", again.value), format!("{:?}", first.value));
    assert_eq!(count(&bank.client().await, "wallstreet.schedules").await, 1);
}
