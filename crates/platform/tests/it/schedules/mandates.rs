//! What stands behind a schedule, and what becomes of it when that goes.

use super::*;
use crate::authority::holding;
use crate::later::elsewhere;
use crate::life::second;
use platform::{
    Permission, Role,
    api_keys::KeyChange,
    users::{Along, Password},
};
use testkit::PASSWORD;

const WRITES: &[Permission] = &[Permission::WriteTransactions, Permission::ReadTransactions];

fn key_of(actor: &Actor) -> uuid::Uuid {
    match &actor.credential {
        platform::Credential::ApiKey { id, .. } => *id,
        other => panic!("{other:?}"),
    }
}

impl Street {
    async fn paused(&self, schedule: &Schedule) -> Option<PauseReason> {
        let admin = self.bank.admin().await;
        let now = schedules::get(&self.bank.platform, &admin, schedule.id).await.unwrap();
        assert_eq!(now.status == Status::Paused, now.pause_reason.is_some());
        now.pause_reason
    }

    async fn resume(&self, by: &Actor, schedule: &Schedule) -> platform::Result<Schedule> {
        schedules::set_status(&self.bank.platform, by, schedule.id, Status::Active).await
    }

    async fn pause(&self, by: &Actor, schedule: &Schedule) -> platform::Result<Schedule> {
        schedules::set_status(&self.bank.platform, by, schedule.id, Status::Paused).await
    }

    async fn change_key(&self, key: &Actor, change: KeyChange) {
        api_keys::update(&self.bank.platform, &self.ada, key_of(key), change).await.unwrap();
    }
}

#[tokio::test]
async fn what_takes_a_key_its_right_pauses_what_it_ordered_for_later() {
    let street = street("100").await;
    let (bank, ada) = (&street.bank, &street.ada);
    let new = || daily(bank, transfer(&street.source, &street.target, "1"));
    let (mut keys, mut all) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let key = holding(bank, ada, WRITES).await;
        let schedule = made(bank, &key, new()).await;
        assert_eq!(schedule.api_key_id, Some(key_of(&key)));
        keys.push(key);
        all.push(schedule);
    }
    let own = made(bank, ada, new()).await;
    assert_eq!(street.due().await, 6);
    api_keys::revoke(&bank.platform, ada, key_of(&keys[0])).await.unwrap();
    let off = KeyChange { is_active: Some(false), ..KeyChange::default() };
    street.change_key(&keys[1], off).await;
    let less = Some([Permission::ReadTransactions].into());
    street.change_key(&keys[2], KeyChange { permissions: less, ..KeyChange::default() }).await;
    let soon = Some(Some(bank.platform.now() + SignedDuration::from_hours(1)));
    street.change_key(&keys[3], KeyChange { expires_at: soon, ..KeyChange::default() }).await;
    let name = Some(KeyName::parse("another name").unwrap());
    street.change_key(&keys[4], KeyChange { name, ..KeyChange::default() }).await;
    assert_eq!(street.paused(&all[0]).await, Some(PauseReason::KeyRevoked));
    assert_eq!(street.paused(&all[1]).await, Some(PauseReason::KeyInactive));
    assert_eq!(street.paused(&all[2]).await, Some(PauseReason::PermissionLost));
    assert_eq!(street.paused(&all[3]).await, None, "its time is not over");
    bank.clock.advance(DAY);
    assert_eq!(street.due().await, 3);
    assert_eq!(street.paused(&all[3]).await, Some(PauseReason::KeyExpired));
    assert_eq!(history(bank, ada, &all[3]).await, "completed invalid_api_key");
    assert_eq!(history(bank, ada, &all[0]).await, "completed");
    assert_eq!(history(bank, ada, &all[4]).await, "completed completed");
    assert_eq!(history(bank, ada, &own).await, "completed completed");
    assert_eq!(street.received().await, "8.00");
    let client = bank.client().await;
    let told = "wallstreet.outbox WHERE event_types = 'schedule.paused'";
    assert_eq!(count(&client, told).await, 4);
    let audit = "audit_logs WHERE action = 'SCHEDULE_PAUSED' AND details ? 'reason'";
    assert_eq!(count(&client, audit).await, 4);
    // A key that works again orders nothing by itself.
    let on = KeyChange { is_active: Some(true), ..KeyChange::default() };
    street.change_key(&keys[1], on).await;
    assert_eq!(street.paused(&all[1]).await, Some(PauseReason::KeyInactive));
}

#[tokio::test]
async fn a_new_password_that_takes_the_keys_along_pauses_what_they_ordered() {
    let street = street("100").await;
    let (bank, ada) = (&street.bank, &street.ada);
    let key = holding(bank, ada, WRITES).await;
    let new = || daily(bank, transfer(&street.source, &street.target, "1"));
    let (theirs, own) = (made(bank, &key, new()).await, made(bank, ada, new()).await);
    let password = Password::parse("Another-Horse-2").unwrap();
    let along = Along { keys: true, orders: false };
    users::change_password(&bank.platform, ada, PASSWORD, password, along).await.unwrap();
    assert_eq!(street.paused(&theirs).await, Some(PauseReason::KeyRevoked));
    assert_eq!(street.paused(&own).await, None);
    assert_eq!(street.due().await, 1);
}

#[tokio::test]
async fn a_run_that_had_begun_when_its_key_was_revoked_moves_nothing() {
    let street = street("100").await;
    let (bank, ada) = (&street.bank, &street.ada);
    let key = holding(bank, ada, WRITES).await;
    let new = || daily(bank, transfer(&street.source, &street.target, "1"));
    let (running, stopped) = (made(bank, &key, new()).await, made(bank, &key, new()).await);
    street.pause(ada, &stopped).await.unwrap();
    let client = bank.client().await;
    client.batch_execute(AGAIN).await.unwrap();
    api_keys::revoke(&bank.platform, ada, key_of(&key)).await.unwrap();
    assert_eq!(street.due().await, 2);
    for (schedule, reason) in [(&running, PauseReason::KeyRevoked), (&stopped, PauseReason::Owner)]
    {
        assert_eq!(history(bank, ada, schedule).await, "invalid_api_key");
        assert_eq!(street.paused(schedule).await, Some(reason));
    }
    assert_eq!(street.received().await, "0.00");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_run_moves_money_after_its_key_was_revoked_on_another_server() {
    let street = street("1000").await;
    let (bank, ada) = (&street.bank, &street.ada);
    let other = second(bank).await;
    let (mut before, mut after) = (0, 0);
    for round in 0..60_u64 {
        let key = holding(bank, ada, WRITES).await;
        let new = || once(bank, transfer(&street.source, &street.target, "1"));
        for _ in 0..3 {
            made(bank, &key, new()).await;
        }
        let running = tokio::spawn({
            let other = other.clone();
            async move { run_due(&other).await }
        });
        tokio::time::sleep(Duration::from_micros(round % 12 * 700)).await;
        let moved = street.received().await;
        api_keys::revoke(&bank.platform, ada, key_of(&key)).await.unwrap();
        let at_once = street.received().await;
        running.await.unwrap().unwrap();
        bank.clock.advance(SignedDuration::from_mins(6));
        street.due().await;
        assert_eq!(street.received().await, at_once, "round {round}");
        before += usize::from(moved != at_once);
        after += 1;
    }
    assert!(before < after, "the revocation never came first");
    let client = bank.client().await;
    assert_eq!(count(&client, "wallstreet.schedules WHERE status = 'active'").await, 0);
    assert_sound(&client).await;
}

#[tokio::test]
async fn a_key_resumes_only_what_it_may_make_and_then_it_belongs_to_it() {
    let street = street("100").await;
    let (bank, ada) = (&street.bank, &street.ada);
    let (first, next) = (holding(bank, ada, WRITES).await, holding(bank, ada, WRITES).await);
    let reads = holding(bank, ada, &[Permission::ReadTransactions]).await;
    let schedule =
        made(bank, &first, daily(bank, transfer(&street.source, &street.target, "1"))).await;
    api_keys::revoke(&bank.platform, ada, key_of(&first)).await.unwrap();
    let refused = street.resume(&reads, &schedule).await.unwrap_err();
    assert_eq!(refused.code(), "permission_required");
    let gone = street.resume(&first, &schedule).await.unwrap_err();
    assert_eq!(gone.code(), "invalid_api_key", "it was proven before it was revoked");
    let resumed = street.resume(&next, &schedule).await.unwrap();
    assert_eq!((resumed.api_key_id, resumed.pause_reason), (Some(key_of(&next)), None));
    bank.clock.advance(DAY);
    assert_eq!(street.due().await, 1);
    api_keys::revoke(&bank.platform, ada, key_of(&next)).await.unwrap();
    assert_eq!(street.paused(&schedule).await, Some(PauseReason::KeyRevoked));
    let resumed = street.resume(ada, &schedule).await.unwrap();
    assert_eq!(resumed.api_key_id, None, "a login stands for its user");
}

#[tokio::test]
async fn a_key_that_may_not_settle_neither_resumes_nor_stops_what_settles() {
    let bank = bank_with(platform::Settings { users_settle: false, ..settings() }).await;
    let (admin, ada) = (bank.admin().await, bank.user("ada@example.com").await);
    let (own, hers) = (bank.account(&admin).empty().await, bank.account(&ada).empty().await);
    let writes = holding(&bank, &admin, WRITES).await;
    let settling = [WRITES, &[Permission::ProcessTransactions]].concat();
    let settles = holding(&bank, &admin, &settling).await;
    let credit = made(&bank, &admin, daily(&bank, draft(Kind::Credit, &own, "5"))).await;
    let beyond = made(&bank, &admin, daily(&bank, draft(Kind::Credit, &hers, "5"))).await;
    let set = async |by: &Actor, schedule: &Schedule, status| {
        let set = schedules::set_status(&bank.platform, by, schedule.id, status).await;
        set.map_err(|error| error.code())
    };
    for status in [Status::Paused, Status::Ended] {
        assert_eq!(set(&writes, &credit, status).await.unwrap_err(), "settlement_not_allowed");
        assert_eq!(set(&settles, &beyond, status).await.unwrap_err(), "account_not_found");
    }
    set(&admin, &beyond, Status::Paused).await.unwrap();
    assert_eq!(set(&settles, &beyond, Status::Active).await.unwrap_err(), "account_not_found");
    set(&settles, &credit, Status::Paused).await.unwrap();
    assert_eq!(set(&writes, &credit, Status::Active).await.unwrap_err(), "settlement_not_allowed");
    let resumed = set(&settles, &credit, Status::Active).await.unwrap();
    assert_eq!(resumed.api_key_id, Some(key_of(&settles)));
    // Of a key, demotion takes what its owner lost.
    let second = bank.user("second@example.com").await;
    let role = |role| UserChange { role: Some(role), status: None };
    let change = async |role| users::change(&bank.platform, &admin, second.user_id, role).await;
    change(role(Role::Admin)).await.unwrap();
    let second = Actor { role: Role::Admin, ..second };
    let key = holding(&bank, &second, &settling).await;
    let theirs = bank.account(&second).empty().await;
    let credit = made(&bank, &key, daily(&bank, draft(Kind::Credit, &theirs, "5"))).await;
    let debit = made(&bank, &key, daily(&bank, draft(Kind::Withdrawal, &theirs, "5"))).await;
    change(role(Role::User)).await.unwrap();
    let credit = schedules::get(&bank.platform, &admin, credit.id).await.unwrap();
    let debit = schedules::get(&bank.platform, &admin, debit.id).await.unwrap();
    assert_eq!(credit.pause_reason, Some(PauseReason::PermissionLost));
    assert_eq!(debit.status, Status::Active, "for that nobody needs to be one");
}

#[tokio::test]
async fn what_an_administrator_paused_an_administrator_resumes() {
    let street = street("100").await;
    let (bank, ada) = (&street.bank, &street.ada);
    let admin = bank.admin().await;
    let schedule =
        made(bank, ada, daily(bank, transfer(&street.source, &street.target, "1"))).await;
    street.pause(ada, &schedule).await.unwrap();
    assert_eq!(street.paused(&schedule).await, Some(PauseReason::Owner));
    for by in [&admin, ada] {
        let paused = street.pause(by, &schedule).await.unwrap();
        assert_eq!(paused.pause_reason, Some(PauseReason::Administrator));
    }
    let refused = street.resume(ada, &schedule).await.unwrap_err();
    assert_eq!(refused.code(), "paused_by_administrator");
    assert_eq!(street.resume(&admin, &schedule).await.unwrap().status, Status::Active);
    assert_eq!(street.paused(&schedule).await, None);
}

#[tokio::test]
async fn closing_an_account_ends_the_schedules_out_of_it_and_stops_those_into_it() {
    let street = street("100").await;
    let (bank, ada) = (&street.bank, &street.ada);
    let bob = bank.user("bob@example.com").await;
    let his = bank.account(&bob).with("50").await;
    let out = made(bank, ada, daily(bank, transfer(&street.target, &street.source, "1"))).await;
    let into = made(bank, ada, daily(bank, transfer(&street.source, &street.target, "1"))).await;
    let others = made(bank, &bob, daily(bank, transfer(&his, &street.target, "1"))).await;
    accounts::close(&bank.platform, ada, street.target.id).await.unwrap();
    assert_eq!(status(bank, ada, &out).await.0, Status::Ended);
    assert_eq!(street.paused(&into).await, Some(PauseReason::AccountClosed));
    assert_eq!(street.paused(&others).await, None);
    assert_eq!(street.due().await, 1);
    assert_eq!(history(bank, &bob, &others).await, "account_closed");
    assert_eq!(street.paused(&others).await, Some(PauseReason::AccountClosed));
    for (by, schedule) in [(ada, &into), (&bob, &others)] {
        let refused = street.resume(by, schedule).await.unwrap_err();
        assert_eq!(refused.code(), "account_closed");
    }
    let client = bank.client().await;
    let ended = r#"audit_logs WHERE action = 'SCHEDULE_ENDED' AND details @> '{"reason": "account_closed"}'"#;
    assert_eq!(count(&client, ended).await, 1);
    let told = "wallstreet.outbox WHERE event_types = 'schedule.paused'";
    assert_eq!(count(&client, told).await, 2);
}

#[tokio::test]
async fn closing_a_user_ends_and_stops_their_schedules() {
    let bank = bank().await;
    let (ada, admin) = (bank.user("ada@example.com").await, bank.admin().await);
    let (source, target) = (bank.account(&ada).empty().await, bank.account(&ada).empty().await);
    let schedule = made(&bank, &ada, daily(&bank, transfer(&source, &target, "1"))).await;
    users::close(&bank.platform, &ada).await.unwrap();
    assert_eq!(status(&bank, &admin, &schedule).await.0, Status::Ended);
    bank.clock.advance(DAY);
    assert_eq!(run_due(&bank.platform).await.unwrap(), 0);
}

#[tokio::test]
async fn what_another_login_ordered_for_later_stands_until_a_new_password_says_otherwise() {
    let street = street("100").await;
    let (bank, ada) = (&street.bank, &street.ada);
    let thief = elsewhere(bank, "ada@example.com").await;
    let new = || daily(bank, transfer(&street.source, &street.target, "1"));
    let (theirs, own) = (made(bank, &thief, new()).await, made(bank, ada, new()).await);
    let session = thief.require_session().unwrap();
    platform::sessions::end(&bank.platform, ada, session).await.unwrap();
    assert_eq!(street.due().await, 2, "a session stands for its user");
    let begun = made(bank, &thief, new()).await;
    let again = format!("{AGAIN} WHERE id = '{}'", begun.id);
    bank.client().await.batch_execute(&again).await.unwrap();
    let password = Password::parse("Another-Horse-2").unwrap();
    let along = Along { keys: false, orders: true };
    let gone = users::change_password(&bank.platform, ada, PASSWORD, password, along).await;
    assert_eq!(gone.unwrap().orders, 2);
    for schedule in [&theirs, &begun] {
        assert_eq!(street.paused(schedule).await, Some(PauseReason::PasswordChanged));
    }
    assert_eq!(street.paused(&own).await, None);
    bank.clock.advance(DAY);
    street.due().await;
    assert_eq!(street.received().await, "3.00", "only her own went on");
    assert_eq!(history(bank, ada, &begun).await, "session_ended");
    let refused = street.resume(&bank.admin().await, &theirs).await.unwrap_err();
    assert_eq!(refused.code(), "schedule_lapsed");
    assert_eq!(street.resume(ada, &theirs).await.unwrap().pause_reason, None);
    let password = Password::parse("Another-Horse-3").unwrap();
    let gone = users::change_password(&bank.platform, ada, "Another-Horse-2", password, along);
    assert_eq!(gone.await.unwrap().orders, 0, "what she resumed is hers");
}
