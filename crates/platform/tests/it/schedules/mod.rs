//! Schedules: each occurrence once, whatever crashes, competes or stands in the way.

use crate::book::{assert_sound, count};
use crate::money::{draft, funds, transfer};
use jiff::{SignedDuration, Timestamp};
use ledger::{AccountStatus, Kind};
use platform::{
    Actor, Error, IdempotencyKey, Platform,
    accounts::{self, Account},
    api_keys::{self, KeyName, NewApiKey},
    housekeeping,
    orders::Draft,
    page::PageRequest,
    schedules::{
        self, Every, Missed, NewSchedule, PauseReason, Rhythm, RunStatus, Schedule, Status, Unit,
        run_due, zone,
    },
    users::{self, UserChange, UserStatus},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use testkit::{Bank, bank, bank_with, settings};
use tokio_postgres::Client;

mod faults;
mod life;
mod mandates;

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Lets somebody come with the first run as if nobody had noted it.
const AGAIN: &str = "UPDATE wallstreet.schedules
    SET next_run = 0, next_at = start_at, wake_at = start_at, begun = true";

fn daily(bank: &Bank, draft: Draft) -> NewSchedule {
    let rhythm = Rhythm {
        start_at: bank.platform.now(),
        zone: zone("UTC").unwrap(),
        every: Some(Every { unit: Unit::Day, count: 1, day: None }),
        until: None,
        runs: None,
    };
    NewSchedule { draft, rhythm, missed: Missed::Run }
}

fn skipping(new: NewSchedule) -> NewSchedule {
    NewSchedule { missed: Missed::Skip, ..new }
}

fn once(bank: &Bank, draft: Draft) -> NewSchedule {
    let new = daily(bank, draft);
    NewSchedule { rhythm: Rhythm { every: None, ..new.rhythm }, ..new }
}

async fn made(bank: &Bank, by: &Actor, new: NewSchedule) -> Schedule {
    schedules::create(&bank.platform, by, new, None).await.unwrap().value
}

/// Every run of a schedule in order: `completed`, `skipped`, or the refusal's code.
async fn history(bank: &Bank, by: &Actor, schedule: &Schedule) -> String {
    let page = PageRequest::new(100, platform::Position::Number(1)).unwrap();
    let runs = schedules::runs(&bank.platform, by, schedule.id, page).await.unwrap();
    assert_eq!(runs.total, Some(i64::try_from(runs.items.len()).unwrap()));
    let mut words = Vec::new();
    for (n, run) in (0..).zip(runs.items.iter().rev()) {
        assert_eq!((run.n, Some(run.due_at)), (n, schedule.rhythm.at(n)));
        assert_eq!(run.transaction_id.is_some(), run.status == RunStatus::Completed);
        words.push(run.code.as_deref().unwrap_or(run.status.as_str()).to_owned());
    }
    words.join(" ")
}

async fn status(bank: &Bank, by: &Actor, schedule: &Schedule) -> (Status, Option<Timestamp>) {
    let now = schedules::get(&bank.platform, by, schedule.id).await.unwrap();
    (now.status, now.next_at)
}

/// From now on runs can be posted but not noted: what a crash in between leaves.
async fn forbid_noting(client: &Client) {
    client
        .batch_execute(
            "ALTER TABLE wallstreet.schedule_runs ADD CONSTRAINT not_now CHECK (n < 0) NOT VALID",
        )
        .await
        .unwrap();
}

async fn allow_noting(client: &Client) {
    let allow = "ALTER TABLE wallstreet.schedule_runs DROP CONSTRAINT not_now";
    client.batch_execute(allow).await.unwrap();
}

struct Street {
    bank: Bank,
    ada: Actor,
    source: Account,
    target: Account,
}

/// A bank in which Ada has this much, and another account for it to go to.
async fn street(amount: &str) -> Street {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let (source, target) =
        (bank.account(&ada).with(amount).await, bank.account(&ada).empty().await);
    Street { bank, ada, source, target }
}

impl Street {
    async fn received(&self) -> String {
        accounts::get(&self.bank.platform, &self.ada, self.target.id)
            .await
            .unwrap()
            .balance
            .to_string()
    }

    async fn due(&self) -> usize {
        run_due(&self.bank.platform).await.unwrap()
    }
}
