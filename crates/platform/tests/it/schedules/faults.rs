//! Crashes, competition, and banks that cannot post: one effect each.

use super::*;

#[tokio::test]
async fn a_crash_between_posting_and_noting_leads_to_one_effect() {
    let street = street("100").await;
    let (bank, ada) = (&street.bank, &street.ada);
    let client = bank.client().await;
    let transfer = transfer(&street.source, &street.target, "10");
    let schedule = made(bank, ada, daily(bank, transfer)).await;
    forbid_noting(&client).await;
    for round in 0..3 {
        assert!(run_due(&bank.platform).await.is_err(), "round {round}");
        assert_eq!(street.received().await, "10.00");
        // A crash in the night is found after weeks: no key may be forgotten meanwhile.
        bank.clock.advance(SignedDuration::from_hours(2));
        housekeeping::sweep(&bank.platform).await.unwrap();
    }
    allow_noting(&client).await;
    assert_eq!(street.due().await, 1);
    assert_eq!(history(bank, ada, &schedule).await, "completed");
    assert_eq!(street.received().await, "10.00");
    assert_sound(&client).await;
}

#[tokio::test]
async fn a_purge_of_old_keys_between_posting_and_noting_does_not_double() {
    let street = street("100").await;
    let (bank, ada) = (&street.bank, &street.ada);
    let client = bank.client().await;
    let transfer = transfer(&street.source, &street.target, "10");
    let schedule = made(bank, ada, once(bank, transfer)).await;
    forbid_noting(&client).await;
    assert!(run_due(&bank.platform).await.is_err());
    bank.clock.advance(DAY * 60);
    housekeeping::sweep(&bank.platform).await.unwrap();
    assert_eq!(count(&client, "wallstreet.idempotency_keys").await, 1);
    allow_noting(&client).await;
    assert_eq!(street.due().await, 1);
    assert_eq!(history(bank, ada, &schedule).await, "completed");
    assert_eq!(street.received().await, "10.00");
    // Nor does somebody who comes very late, long after the run was noted.
    bank.clock.advance(DAY * 60);
    housekeeping::sweep(&bank.platform).await.unwrap();
    client.batch_execute(&format!("DELETE FROM wallstreet.schedule_runs; {AGAIN}")).await.unwrap();
    assert_eq!(street.due().await, 1);
    assert_eq!(street.received().await, "10.00");
}

#[tokio::test]
async fn a_run_that_was_posted_is_noted_even_if_its_schedule_was_ended_or_its_owner_suspended() {
    let street = street("100").await;
    let (bank, ada) = (&street.bank, &street.ada);
    let client = bank.client().await;
    let ended = made(bank, ada, daily(bank, transfer(&street.source, &street.target, "1"))).await;
    let paused = made(bank, ada, daily(bank, transfer(&street.source, &street.target, "2"))).await;
    forbid_noting(&client).await;
    assert_eq!(street.due().await, 0);
    assert_eq!(street.received().await, "3.00");
    allow_noting(&client).await;
    schedules::end(&bank.platform, ada, ended.id).await.unwrap();
    schedules::set_status(&bank.platform, ada, paused.id, Status::Paused).await.unwrap();
    let admin = bank.admin().await;
    let suspended = UserChange { role: None, status: Some(UserStatus::Suspended) };
    users::change(&bank.platform, &admin, ada.user_id, suspended).await.unwrap();
    bank.clock.advance(DAY * 3);
    assert_eq!(street.due().await, 2);
    assert_eq!(history(bank, &admin, &ended).await, "completed");
    assert_eq!(history(bank, &admin, &paused).await, "completed");
    assert_eq!(status(bank, &admin, &paused).await.0, Status::Paused);
    assert_eq!(count(&client, "transactions WHERE transaction_type = 'transfer'").await, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_that_fall_over_each_other_run_each_occurrence_once() {
    let street = street("1000").await;
    let (bank, ada) = (&street.bank, &street.ada);
    let other = Platform::connect(&bank.database.url, settings(), Arc::clone(&bank.clock) as _);
    let other = other.await.unwrap();
    let mut all = Vec::new();
    for n in 0..20 {
        // A refusal is as much an outcome: every fourth asks for more than there is.
        let amount = if n % 4 == 0 { "5000" } else { "1" };
        let transfer = transfer(&street.source, &street.target, amount);
        all.push(made(bank, ada, daily(bank, transfer)).await);
    }
    bank.clock.advance(DAY * 14);
    let client = bank.client().await;
    let thief = bank.client().await;
    let stealing = tokio::spawn(async move {
        // Nobody's lease lasts: what one has begun, the others begin too.
        let steal = "UPDATE wallstreet.schedules SET wake_at = start_at WHERE begun";
        loop {
            thief.batch_execute(steal).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let open = "wallstreet.schedules WHERE next_run < 15";
    let mut cut = 0;
    while count(&client, open).await > 0 {
        let runners: Vec<_> = (0..4)
            .map(|n| {
                let platform = if n % 2 == 0 { bank.platform.clone() } else { other.clone() };
                tokio::spawn(async move { run_due(&platform).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(97)).await;
        for runner in runners {
            // One is cut off wherever it stands; the others may lose a race for a lock.
            cut += 1;
            if cut % 3 == 0 {
                runner.abort();
            }
            let _ = runner.await;
        }
    }
    stealing.abort();
    for (n, schedule) in all.iter().enumerate() {
        let word = if n % 4 == 0 { "insufficient_funds" } else { "completed" };
        assert_eq!(history(bank, ada, schedule).await, vec![word; 15].join(" "));
    }
    assert_eq!(count(&client, "wallstreet.schedule_runs").await, 300);
    assert_eq!(count(&client, "transactions WHERE transaction_type = 'transfer'").await, 2 * 225);
    assert_eq!(count(&client, "audit_logs WHERE action = 'SCHEDULE_RUN'").await, 300);
    let twice =
        "(SELECT transaction_id FROM wallstreet.schedule_runs WHERE transaction_id IS NOT NULL
                  GROUP BY 1 HAVING count(*) > 1) t";
    assert_eq!(count(&client, twice).await, 0);
    assert_eq!(funds(bank, ada, &street.target).await, "225.00 / 225.00");
    assert_sound(&client).await;
}

#[tokio::test]
async fn a_suspended_owners_schedule_is_paused_and_says_so_until_it_is_resumed() {
    let street = street("100").await;
    let (bank, ada) = (&street.bank, &street.ada);
    let transfer = transfer(&street.source, &street.target, "10");
    let schedule = made(bank, ada, daily(bank, transfer)).await;
    let admin = bank.admin().await;
    let change = async |status| {
        let change = UserChange { role: None, status: Some(status) };
        users::change(&bank.platform, &admin, ada.user_id, change).await.unwrap();
    };
    change(UserStatus::Suspended).await;
    assert_eq!(street.due().await, 0);
    let paused = schedules::get(&bank.platform, &admin, schedule.id).await.unwrap();
    assert_eq!(paused.pause_reason, Some(PauseReason::UserInactive));
    let resume = async |by: &Actor| {
        schedules::set_status(&bank.platform, by, schedule.id, Status::Active).await
    };
    assert_eq!(resume(&admin).await.unwrap_err().code(), "schedule_lapsed");
    change(UserStatus::Active).await;
    assert_eq!(street.due().await, 0, "being back is no order");
    assert_eq!(resume(&admin).await.unwrap().pause_reason, None);
    bank.clock.advance(DAY);
    assert_eq!(street.due().await, 1);
    assert_eq!(history(bank, &admin, &schedule).await, "skipped completed");
    // A server that began the first run in better days, and comes to post it only now.
    let client = bank.client().await;
    client.batch_execute(&format!("DELETE FROM wallstreet.schedule_runs; {AGAIN}")).await.unwrap();
    change(UserStatus::Suspended).await;
    assert_eq!(street.due().await, 1);
    assert_eq!(history(bank, &admin, &schedule).await, "user_inactive");
    assert_eq!(street.received().await, "10.00");
}

#[tokio::test]
async fn a_run_that_had_begun_before_the_night_is_finished_and_not_skipped() {
    let street = street("100").await;
    let (bank, ada) = (&street.bank, &street.ada);
    let client = bank.client().await;
    let new = skipping(daily(bank, transfer(&street.source, &street.target, "10")));
    let schedule = made(bank, ada, new).await;
    forbid_noting(&client).await;
    assert!(run_due(&bank.platform).await.is_err());
    allow_noting(&client).await;
    bank.clock.advance(DAY * 3);
    assert_eq!(street.due().await, 2);
    assert_eq!(history(bank, ada, &schedule).await, "completed skipped skipped completed");
    assert_eq!(street.received().await, "20.00");
}

#[tokio::test]
async fn a_bank_that_cannot_post_now_tries_again_with_the_same_key_and_never_skips() {
    let street = street("100").await;
    let (bank, ada) = (&street.bank, &street.ada);
    let schedule =
        made(bank, ada, skipping(once(bank, transfer(&street.source, &street.target, "1")))).await;
    let client = bank.client().await;
    let broken = "ALTER TABLE transactions RENAME TO elsewhere";
    client.batch_execute(broken).await.unwrap();
    for _ in 0..3 {
        assert_eq!(street.due().await, 0);
        assert_eq!(street.due().await, 0, "not before its pause is over");
        bank.clock.advance(SignedDuration::from_secs(60));
    }
    let attempts = "wallstreet.schedules WHERE attempts = 3 AND begun";
    assert_eq!(count(&client, attempts).await, 1);
    client.batch_execute("ALTER TABLE elsewhere RENAME TO transactions").await.unwrap();
    assert_eq!(street.due().await, 1);
    assert_eq!(history(bank, ada, &schedule).await, "completed");
}

#[tokio::test]
async fn the_runner_runs_by_itself_and_ends_when_it_is_asked_to() {
    let street = street("100").await;
    let (bank, ada) = (&street.bank, &street.ada);
    let schedule = made(bank, ada, once(bank, transfer(&street.source, &street.target, "1"))).await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let asked = async { drop(stopped.await) };
    let runner = tokio::spawn(schedules::run(bank.platform.clone(), asked));
    while status(bank, ada, &schedule).await.0 != Status::Ended {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(stop);
    runner.await.unwrap();
    assert_eq!(street.received().await, "1.00");
}
